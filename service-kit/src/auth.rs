//! Who calls: tokens are verified here, offline, with the issuer's published keys.

use std::sync::Arc;

use oxcart_types::UserId;
use secrecy::SecretString;
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue},
};

use crate::source::Sources;

/// Whose tokens are good.
#[derive(Debug, Clone, clap::Args)]
pub struct AuthArgs {
    /// Issuer of the tokens, as in their claim `iss`: its OIDC discovery document names the keys
    #[arg(long, env = "OXCART_ISSUER", default_value = "http://127.0.0.1:8081", value_name = "URL")]
    pub issuer: String,
    /// Audience of users' tokens
    #[arg(long, env = "OXCART_USER_AUDIENCE", default_value = "oxcart", value_name = "NAME")]
    pub user_audience: String,
    /// Audience of services' tokens
    #[arg(long, env = "OXCART_SERVICE_AUDIENCE", default_value = "oxcart-internal", value_name = "NAME")]
    pub service_audience: String,
    /// Where people sign in, as told to callers without a token: the identity provider's gRPC address
    #[arg(long, env = "OXCART_SIGN_IN", default_value = "http://127.0.0.1:50053", value_name = "URL")]
    pub sign_in: String,
}

/// Verifies tokens. A clone shares the keys.
#[derive(Clone)]
pub struct Authenticator {
    _inner: Arc<()>,
}

impl Authenticator {
    /// Trusts the issuer that `args` name. Its keys are fetched when the first token comes.
    #[must_use]
    pub fn new(_args: &AuthArgs, _sources: Sources) -> Self {
        todo!()
    }
}

/// Who made a call: a user, a service, both or nobody.
#[derive(Clone, Default)]
pub struct Caller {
    _inner: Arc<()>,
}

impl Caller {
    /// The caller of `request`.
    #[must_use]
    pub fn of<T>(_request: &tonic::Request<T>) -> Self {
        todo!()
    }

    /// The user.
    ///
    /// # Errors
    /// UNAUTHENTICATED (`SIGN_IN_REQUIRED`) if the call carries no user's token.
    pub fn user(&self) -> Result<UserId, Status> {
        todo!()
    }

    /// Goes on only if a service with `scope` makes the call.
    ///
    /// # Errors
    /// UNAUTHENTICATED (`SIGN_IN_REQUIRED`) if the call carries no service's token,
    /// PERMISSION_DENIED (`SCOPE_MISSING`) if that lacks `scope`.
    pub fn service(&self, _scope: &str) -> Result<(), Status> {
        todo!()
    }

    /// The user's token as it came in `authorization`, to pass it on.
    #[must_use]
    pub fn user_bearer(&self) -> Option<MetadataValue<Ascii>> {
        todo!()
    }

    /// The service's token as it came, to pass it on.
    #[must_use]
    pub fn service_bearer(&self) -> Option<MetadataValue<Ascii>> {
        todo!()
    }
}

/// This service's own credentials, exchanged for tokens at the issuer (client credentials).
#[derive(Clone)]
pub struct ServiceIdentity {
    _inner: Arc<()>,
}

impl ServiceIdentity {
    /// The client `client_id` at `issuer`. The first token is fetched when it is needed.
    #[must_use]
    pub fn new(
        _issuer: &str,
        _client_id: &str,
        _client_secret: SecretString,
        _sources: Sources,
    ) -> Self {
        todo!()
    }

    /// A token, as the value of `service-authorization` or `authorization`, marked sensitive.
    ///
    /// # Errors
    /// UNAVAILABLE if the issuer gives none.
    #[expect(clippy::unused_async, reason = "filled in soon")]
    pub async fn bearer(&self) -> Result<MetadataValue<Ascii>, Status> {
        todo!()
    }
}

/// Installs ring as the cryptography of `jsonwebtoken` and of `rustls`. Safe to repeat.
pub fn install_crypto() {
    todo!()
}
