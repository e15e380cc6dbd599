//! Who calls: tokens are verified here, offline, with the issuer's published keys.
//!
//! A user's and a service's token differ by audience. A service's token comes in `authorization`
//! alone, or in `service-authorization` beside a user's. The issuer is asked
//! only for keys not seen before, never for each request.

mod caller;
mod crypto;
mod identity;
mod issuer;
mod keys;
mod verify;

use std::sync::Arc;

use clap::builder::NonEmptyStringValueParser;
use http::{HeaderMap, HeaderName, Uri, header::AUTHORIZATION};
use kit_service::Env;
use oxcart_proto::Reason;
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
};

use crate::error::unavailable;
use caller::{Service, SignIn, User};
use issuer::Issuer;
use keys::Keys;
use verify::{Verdict, Verifier};

pub use caller::Caller;
pub use crypto::install_crypto;
pub use identity::ServiceIdentity;

/// Carries a service's token beside a user's.
pub const SERVICE_AUTHORIZATION: HeaderName = HeaderName::from_static("service-authorization");

/// Whose tokens are good.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthArgs {
    /// Issuer of the tokens, exactly as in their claim `iss`; its OIDC discovery document names the keys
    #[arg(
        long,
        env = "OXCART_ISSUER",
        default_value = "http://127.0.0.1:8081",
        value_name = "URL"
    )]
    #[arg(value_parser = web_url)]
    pub issuer: String,

    /// Audience of users' tokens
    #[arg(long, env = "OXCART_USER_AUDIENCE", default_value = "oxcart", value_name = "NAME")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub user_audience: String,

    /// Audience of services' tokens
    #[arg(long, env = "OXCART_SERVICE_AUDIENCE", default_value = "oxcart-internal")]
    #[arg(value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub service_audience: String,

    /// Where people sign in, as callers without a token are told: the identity provider's gRPC address
    #[arg(long, env = "OXCART_SIGN_IN", default_value = "http://127.0.0.1:50053")]
    #[arg(value_name = "URL", value_parser = web_url)]
    pub sign_in: String,
}

/// Taken as it is written: issuers are compared letter by letter.
fn web_url(text: &str) -> Result<String, &'static str> {
    let uri: Option<Uri> = text.parse().ok();
    let is_web = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
    });
    if is_web { Ok(text.to_owned()) } else { Err("must read http://HOST:PORT or https://HOST") }
}

/// Verifies the tokens of calls. A clone shares the keys.
#[derive(Clone)]
pub struct Authenticator {
    verifier: Arc<Verifier>,
    sign_in: Arc<SignIn>,
}

impl Authenticator {
    /// Trusts the issuer that `args` name. Its keys are fetched when the first token comes.
    #[must_use]
    pub fn new(args: &AuthArgs, env: Env) -> Self {
        install_crypto();
        let keys = Keys::new(Issuer::new(&args.issuer), env.clone());
        let verifier = Arc::new(Verifier::new(args, keys, env));
        let sign_in = SignIn { issuer: args.issuer.clone(), address: args.sign_in.clone() };
        Self { verifier, sign_in: Arc::new(sign_in) }
    }

    /// The caller that the tokens in `headers` prove; nobody, if there are none.
    ///
    /// # Errors
    /// UNAUTHENTICATED (`TOKEN_INVALID`) for a token that is not good, UNAVAILABLE if the issuer's
    /// keys cannot be had.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, Status> {
        let (mut user, mut service) = (None, None);
        match self.read(headers, &AUTHORIZATION).await? {
            None => {}
            Some(Verified::User(found)) => user = Some(found),
            Some(Verified::Service(found)) => service = Some(found),
        }
        match self.read(headers, &SERVICE_AUTHORIZATION).await? {
            None => {}
            Some(Verified::Service(found)) => service = Some(found),
            Some(Verified::User(_)) => {
                return Err(self.refuse("service-authorization holds a user's token"));
            }
        }
        Ok(Caller::new(user, service, Arc::clone(&self.sign_in)))
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<Verified>, Status> {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let token = value.to_str().ok().and_then(bearer_token).filter(|_| values.next().is_none());
        let Some(token) = token else {
            return Err(self.refuse(&format!("{name} must be `Bearer TOKEN`, once")));
        };
        let verdict = match self.verifier.verify(token).await {
            Ok(verdict) => verdict,
            Err(verify::Failure::NoKeys(failure)) => {
                return Err(unavailable("tokens cannot be verified", &failure));
            }
            Err(verify::Failure::Bad(why)) => {
                return Err(self.refuse(&format!("the token in {name} {why}")));
            }
        };
        let bearer = bearer(token).map_err(|_| self.refuse("the token is not plain ASCII"))?;
        Ok(Some(match verdict {
            Verdict::User(id) => Verified::User(User { id, bearer }),
            Verdict::Service { id, scopes } => Verified::Service(Service { id, scopes, bearer }),
        }))
    }

    fn refuse(&self, message: &str) -> Status {
        self.sign_in.refuse(Reason::TokenInvalid, message)
    }
}

enum Verified {
    User(User),
    Service(Service),
}

/// The token of a header's value; the scheme's case does not matter.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A header's value that no log prints.
fn bearer(token: &str) -> Result<MetadataValue<Ascii>, InvalidMetadataValue> {
    let mut value = MetadataValue::try_from(format!("Bearer {token}"))?;
    value.set_sensitive(true);
    Ok(value)
}
