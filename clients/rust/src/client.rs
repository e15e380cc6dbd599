//! The connections to one store, and the ways to sign in there.

use std::{sync::Arc, time::Duration};

use oxcart_proto::{controller::GetStorefrontRequest, idp::idp_service_client::IdpServiceClient};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint, Uri};

use crate::{
    admin::Admin,
    call::{Caller, Limits},
    error::{Error, InvalidUrl},
    observe::{Attempt, Observer},
    session::{Bearer, Session},
    shopper::{Controller, Shopper, Store as Stub},
    sign_in::{self, ClientCredentials, Impersonation, ServiceIdentity},
};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a connection is checked, also one without calls, and how long the answer may take.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is taken: a page of 200 carts of many lines fits.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A store whose controller's address is known, not signed in. Clones share the connections.
///
/// ```no_run
/// use oxcart_client::{Client, line};
///
/// # async fn shop() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new("http://127.0.0.1:8080")?;
/// let alice = client.sign_in("alice", "alice-password").await?;
/// let cart = alice.create_cart([line("KITE-OCTO", 2)]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    store: Arc<Store>,
    limits: Limits,
    observer: Observer,
}

#[derive(Debug)]
struct Store {
    url: String,
    controller: Channel,
    identity_provider: OnceCell<IdentityProvider>,
    /// Where to sign in: set from the beginning if the program knows better than the controller.
    sign_in: OnceCell<Channel>,
}

/// Who issues a store's tokens, as its controller says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// The `iss` of its tokens; of an OpenID Connect provider also its address. Empty if not told.
    pub issuer: String,
    /// Where people sign in. A URL of gRPC if the provider is the one that comes with the store. Empty
    /// if not told.
    pub sign_in: String,
}

/// How a [`Client`] is to behave.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    url: String,
    sign_in: Option<String>,
    limits: Limits,
    observer: Observer,
}

impl Builder {
    /// Signs in at `url`, wherever the controller says one should.
    pub fn sign_in_at(self, url: impl Into<String>) -> Self {
        Self { sign_in: Some(url.into()), ..self }
    }

    /// The deadline of each try of a call: 10 s unless set.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { limits: Limits { deadline, ..self.limits }, ..self }
    }

    /// How long a call that may be repeated is tried: 30 s unless set, which outlasts a restart of the
    /// store. With zero, each call is tried once.
    pub fn time_budget(self, time_budget: Duration) -> Self {
        Self { limits: Limits { time_budget, ..self.limits }, ..self }
    }

    /// Calls `observe` after every try of every call, from the task that makes it: for metrics and logs.
    pub fn observe(self, observe: impl Fn(&Attempt<'_>) + Send + Sync + 'static) -> Self {
        Self { observer: Observer::new(observe), ..self }
    }

    /// The client. It connects when it is first used, and again when it must. Call it inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn build(self) -> Result<Client, InvalidUrl> {
        let Self { url, sign_in, limits, observer } = self;
        let store = Store {
            controller: connect(&url)?,
            url,
            identity_provider: OnceCell::new(),
            sign_in: OnceCell::new_with(sign_in.as_deref().map(connect).transpose()?),
        };
        Ok(Client { store: Arc::new(store), limits, observer })
    }
}

impl Client {
    /// The store whose controller is at `url`, such as `http://127.0.0.1:8080`. It connects when it is
    /// first used, and again when it must. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`InvalidUrl`].
    pub fn new(url: impl Into<String>) -> Result<Self, InvalidUrl> {
        Self::builder(url).build()
    }

    /// The same, with other settings.
    pub fn builder(url: impl Into<String>) -> Builder {
        let limits = Limits::default();
        Builder { url: url.into(), sign_in: None, limits, observer: Observer::none() }
    }

    /// The same store, each call tried once. Tokens are renewed all the same.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.limits.time_budget = Duration::ZERO;
        self
    }

    /// Who issues the store's tokens. Asked once; without a token the controller says it.
    ///
    /// # Errors
    /// [`Error::NoSignIn`] if it lets callers in without a token, [`Error::Call`] if it does not answer.
    pub async fn identity_provider(&self) -> Result<&IdentityProvider, Error> {
        self.store.identity_provider.get_or_try_init(|| self.ask_for_identity_provider()).await
    }

    async fn ask_for_identity_provider(&self) -> Result<IdentityProvider, Error> {
        let message = GetStorefrontRequest { page_size: 1 };
        let caller = self.anonymous(self.controller());
        let asked = caller.repeat("GetStorefront", message, |mut store, request| async move {
            store.get_storefront(request).await
        });
        let Err(error) = asked.await else { return Err(self.no_sign_in()) };
        let Some(refused) = error.call().filter(|call| call.is_token_refused()) else {
            return Err(error);
        };
        let told = |key| refused.metadata(key).unwrap_or_default().to_owned();
        Ok(IdentityProvider { issuer: told("issuer"), sign_in: told("sign_in") })
    }

    fn no_sign_in(&self) -> Error {
        Error::NoSignIn { url: self.store.url.clone() }
    }

    /// Signs a user in at the store's own identity provider. The password is not kept; the session goes
    /// on by its refresh token.
    ///
    /// # Errors
    /// [`Error::Call`] with `CREDENTIALS_WRONG`, and those of [`Self::identity_provider`].
    pub async fn sign_in(
        &self,
        username: impl Into<String>,
        password: impl Into<SecretString>,
    ) -> Result<Shopper, Error> {
        Ok(self.shopper(sign_in::by_password(self, username.into(), &password.into()).await?))
    }

    /// Any user, through a client that the identity provider trusts to name users: for replays and
    /// load tests. The token is asked for when it is needed.
    #[must_use]
    pub fn impersonate(&self, trusted: ClientCredentials, username: impl Into<String>) -> Shopper {
        self.shopper(Session::of(Impersonation::new(self.clone(), trusted, username.into())))
    }

    /// A service of the store's own identity provider, with these of its scopes; with all if none is
    /// named. The token is asked for when it is needed.
    #[must_use]
    pub fn service(&self, credentials: ClientCredentials, scopes: &[&str]) -> Admin {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.admin(Session::of(ServiceIdentity::new(self.clone(), credentials, scopes)))
    }

    /// The user of a session that was made elsewhere.
    #[must_use]
    pub fn shopper(&self, session: Session) -> Shopper {
        Shopper::new(self, session)
    }

    /// The service of a session that was made elsewhere.
    #[must_use]
    pub fn admin(&self, session: Session) -> Admin {
        Admin::new(self, session)
    }

    /// The generated client of the controller.
    fn controller(&self) -> Stub {
        Stub::new(self.channel()).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    /// The same that sends a token by itself.
    pub(crate) fn controller_with(&self, bearer: Bearer) -> Controller {
        Stub::with_interceptor(self.channel(), bearer).max_decoding_message_size(MAX_ANSWER_BYTES)
    }

    fn channel(&self) -> Channel {
        self.store.controller.clone()
    }

    /// What makes the calls of `session`.
    pub(crate) fn caller(&self, session: Session) -> Caller<Stub> {
        Caller { session: Some(session), ..self.anonymous(self.controller()) }
    }

    /// What calls the identity provider, and goes on for `time_budget` at most.
    pub(crate) async fn idp(
        &self,
        time_budget: Duration,
    ) -> Result<Caller<IdpServiceClient<Channel>>, Error> {
        let channel = self.store.sign_in.get_or_try_init(async || {
            let told = &self.identity_provider().await?.sign_in;
            if told.is_empty() { Err(self.no_sign_in()) } else { Ok(connect(told)?) }
        });
        let mut caller = self.anonymous(IdpServiceClient::new(channel.await?.clone()));
        caller.limits.time_budget = caller.limits.time_budget.min(time_budget);
        Ok(caller)
    }

    /// What makes calls without a token.
    fn anonymous<S>(&self, stub: S) -> Caller<S> {
        Caller { stub, limits: self.limits, observer: self.observer.clone(), session: None }
    }
}

/// A connection that is made when it is first used.
fn connect(url: &str) -> Result<Channel, InvalidUrl> {
    let uri: Option<Uri> = url.parse().ok();
    let Some(uri) = uri.filter(is_server) else {
        let is_private = url.contains('@');
        return Err(InvalidUrl { url: if is_private { "the address".into() } else { url.into() } });
    };
    let is_https = uri.scheme_str() == Some("https");
    let mut endpoint = Endpoint::from(uri);
    if is_https {
        let tls = ClientTlsConfig::new().with_enabled_roots();
        endpoint = endpoint.tls_config(tls).map_err(|_| InvalidUrl { url: url.to_owned() })?;
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}

fn is_server(uri: &Uri) -> bool {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && matches!(path, "" | "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_url_is_refused_by_name() {
        for url in ["", "localhost:8080", "ftp://localhost", "http://", "https://a b", "http://a/b"]
        {
            let error = Client::new(url).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{url} must be a URL")), "{error}");
            assert!(Client::builder("http://a").sign_in_at(url).build().is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:8080", "https://shop.example:443", "https://shop.example/"] {
            assert!(Client::new(url).is_ok(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_password_in_an_address_is_refused_and_not_shown() {
        let error = Client::new("http://alice:hunter2@127.0.0.1:8080").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
