//! Finding the store's identity provider and signing in there.
//!
//! Nothing but the controller's address is needed: asked without a token, it says where to get one.
//! Deliberately absent: passwords. A trusted client gets the tokens of its users.

use std::{sync::Arc, time::Duration};

use oxcart_proto::{
    controller::{GetStorefrontRequest, controller_service_client::ControllerServiceClient},
    idp::{ImpersonateUserRequest, IssueServiceTokenRequest, idp_service_client::IdpServiceClient},
};
use oxcart_types::UserId;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use crate::{
    call::{CallError, Tries},
    config::StoreArgs,
};

/// Tries of the very first call: enough for a store that is just starting, 10 s or so.
const FIRST_CALL_TRIES: u32 = 8;

/// Tries of each call that signs somebody in.
const SIGN_IN_TRIES: u32 = 8;

/// The share of a token's life after which it is replaced, in percent.
const FRESH_PERCENT: u32 = 80;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often an idle connection is checked.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// The scope that an import needs.
const IMPORT_SCOPE: &str = "catalog:write";

/// Why there is no session with the store.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is no URL of a server.
    #[error("{what} {url} must be a URL such as http://127.0.0.1:8080")]
    NotUrl {
        /// Which setting or answer holds it.
        what: &'static str,
        /// What it holds.
        url: String,
    },
    /// The store does not answer at all.
    #[error("the store at {url} does not answer as a controller does")]
    NoAnswer {
        /// Where.
        url: String,
        /// The failed call.
        source: CallError,
    },
    /// The store let a stranger in, or does not say where to sign in.
    #[error("the store at {url} does not say where to sign in; --sign-in may name it")]
    NoSignIn {
        /// Where.
        url: String,
    },
}

/// The store's addresses, and the client that signs in there.
pub struct Store {
    controllers: Vec<Channel>,
    sign_in: Channel,
    client_id: String,
    client_secret: SecretString,
    call_timeout: Duration,
}

impl Store {
    /// Asks the controller where to sign in.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn find(args: &StoreArgs) -> Result<Arc<Self>, StartError> {
        let call_timeout = Duration::from_secs(args.call_seconds);
        let connect = || connect("--controller", &args.controller);
        let controllers: Vec<_> =
            (0..args.connections).map(|_| connect()).collect::<Result<_, _>>()?;
        let sign_in = match &args.sign_in {
            Some(url) => connect_to_sign_in(url)?,
            None => connect_to_sign_in(&ask_for_sign_in(connect()?, args).await?)?,
        };
        let client_id = args.client_id.clone();
        let client_secret = args.client_secret.clone();
        Ok(Arc::new(Self { controllers, sign_in, client_id, client_secret, call_timeout }))
    }

    /// The client that the `index`th caller uses, so that callers spread over the connections.
    pub fn controller(&self, index: usize) -> ControllerServiceClient<Channel> {
        let channel = &self.controllers[index % self.controllers.len()];
        ControllerServiceClient::new(channel.clone())
    }

    /// The deadline of each call.
    pub const fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// Signs `user` in.
    ///
    /// # Errors
    /// Whatever the identity provider refuses.
    pub async fn user_token(&self, user: &UserId) -> Result<Token, CallError> {
        let rpc = "ImpersonateUser";
        let message = ImpersonateUserRequest {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.expose_secret().to_owned(),
            username: user.as_str().to_owned(),
        };
        let answer = self.sign_in(rpc, message, |mut client, request| async move {
            client.impersonate_user(request).await
        });
        let tokens = answer.await?.tokens.ok_or_else(|| CallError::incomplete(rpc, "tokens"))?;
        Token::new(rpc, &tokens.access_token, tokens.expires_in)
    }

    /// Signs the client itself in, to import a catalogue.
    ///
    /// # Errors
    /// Whatever the identity provider refuses.
    pub async fn service_token(&self) -> Result<Token, CallError> {
        let rpc = "IssueServiceToken";
        let message = IssueServiceTokenRequest {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.expose_secret().to_owned(),
            scopes: vec![IMPORT_SCOPE.to_owned()],
        };
        let answer = self.sign_in(rpc, message, |mut client, request| async move {
            client.issue_service_token(request).await
        });
        let answer = answer.await?;
        Token::new(rpc, &answer.access_token, answer.expires_in)
    }

    /// Calls the identity provider until it answers, at most [`SIGN_IN_TRIES`] times.
    async fn sign_in<Q, A, F>(
        &self,
        rpc: &'static str,
        message: Q,
        send: impl Fn(IdpServiceClient<Channel>, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut tries = Tries::new(SIGN_IN_TRIES, rpc);
        loop {
            let mut request = Request::new(message.clone());
            request.set_timeout(self.call_timeout);
            match send(IdpServiceClient::new(self.sign_in.clone()), request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => tries.pause_or_give_up(CallError::new(rpc, status)).await?,
            }
        }
    }
}

/// A bearer token and how long to use it.
pub struct Token {
    bearer: MetadataValue<Ascii>,
    fresh_until: Instant,
}

impl Token {
    fn new(
        rpc: &'static str,
        token: &str,
        expires_in: Option<prost_types::Duration>,
    ) -> Result<Self, CallError> {
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| CallError::incomplete(rpc, "token that fits a header"))?;
        bearer.set_sensitive(true);
        let life = expires_in.and_then(|life| Duration::try_from(life).ok()).unwrap_or_default();
        Ok(Self { bearer, fresh_until: Instant::now() + life * FRESH_PERCENT / 100 })
    }

    /// For the header `authorization`.
    pub fn bearer(&self) -> MetadataValue<Ascii> {
        self.bearer.clone()
    }

    /// Whether it need not be replaced yet.
    pub fn is_fresh(&self) -> bool {
        Instant::now() < self.fresh_until
    }
}

/// Asks for the storefront without a token, to be told where to get one.
async fn ask_for_sign_in(channel: Channel, args: &StoreArgs) -> Result<String, StartError> {
    let url = &args.controller;
    let mut controller = ControllerServiceClient::new(channel);
    let mut tries = Tries::new(FIRST_CALL_TRIES, "");
    loop {
        let mut request = Request::new(GetStorefrontRequest { page_size: 1 });
        request.set_timeout(Duration::from_secs(args.call_seconds));
        let Err(status) = controller.get_storefront(request).await else {
            return Err(StartError::NoSignIn { url: url.clone() });
        };
        let error = CallError::new("GetStorefront", status);
        if error.is_token_refused() {
            let sign_in = error.metadata("sign_in").filter(|sign_in| !sign_in.is_empty());
            return sign_in.ok_or_else(|| StartError::NoSignIn { url: url.clone() });
        }
        tries
            .pause_or_give_up(error)
            .await
            .map_err(|source| StartError::NoAnswer { url: url.clone(), source })?;
    }
}

fn connect_to_sign_in(url: &str) -> Result<Channel, StartError> {
    connect("the address to sign in", url)
}

fn connect(what: &'static str, url: &str) -> Result<Channel, StartError> {
    let not_url = || StartError::NotUrl { what, url: url.to_owned() };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(not_url());
    }
    let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| not_url())?;
    if url.starts_with("https://") {
        let tls = ClientTlsConfig::new().with_enabled_roots();
        endpoint = endpoint.tls_config(tls).map_err(|_| not_url())?;
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_url_is_refused_by_name() {
        for url in ["", "localhost:8080", "ftp://localhost", "http://", "https://a b"] {
            let error = connect("--controller", url).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--controller {url} must be")), "{error}");
        }
        assert!(connect("--controller", "http://127.0.0.1:8080").is_ok());
        assert!(connect("--controller", "https://shop.example:443").is_ok());
    }

    #[tokio::test]
    async fn a_token_is_replaced_before_it_expires() {
        let life = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        assert!(Token::new("SignIn", "a.b.c", life(900)).unwrap().is_fresh());
        assert!(!Token::new("SignIn", "a.b.c", life(0)).unwrap().is_fresh());
        assert!(!Token::new("SignIn", "a.b.c", None).unwrap().is_fresh());
        assert!(Token::new("SignIn", "a\nb", life(900)).is_err());
    }
}
