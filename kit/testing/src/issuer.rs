//! A stand-in for the identity provider: discovery, keys and client credentials over real HTTP.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::Response,
    routing::{get, post},
};
use base64::{
    Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kit_rpc::auth::{AuthArgs, Authenticator, install_crypto};
use kit_service::Env;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The secret of every client.
const CLIENT_SECRET: &str = "test-secret";

const USER_AUDIENCE: &str = "oxcart";
const SERVICE_AUDIENCE: &str = "oxcart-internal";

/// Seconds for which a token is good.
const LIFE_SECONDS: i64 = 900;

/// Signs tokens and serves its keys on loopback for as long as it lives.
pub struct TestIssuer {
    address: SocketAddr,
    state: Arc<Issuing>,
    env: Env,
    server: JoinHandle<()>,
}

struct Issuing {
    url: String,
    keys: Mutex<Vec<SigningKey>>,
    is_down: AtomicBool,
    key_requests: AtomicUsize,
    token_requests: AtomicUsize,
    scope: Mutex<String>,
    env: Env,
}

struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    jwk: Value,
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl TestIssuer {
    /// Starts one on a free port, with the machine's clock.
    pub async fn start() -> Self {
        Self::start_with(Env::system()).await
    }

    /// Starts one that shares the clock of `env` with its authenticators.
    ///
    /// # Panics
    /// If loopback has no free port.
    #[expect(clippy::expect_used, reason = "a test ends here")]
    pub async fn start_with(env: Env) -> Self {
        install_crypto();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(Issuing {
            url: format!("http://{address}"),
            keys: Mutex::new(vec![SigningKey::new("key-1")]),
            is_down: AtomicBool::new(false),
            key_requests: AtomicUsize::new(0),
            token_requests: AtomicUsize::new(0),
            scope: Mutex::default(),
            env: env.clone(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .layer(middleware::from_fn_with_state(Arc::clone(&state), fail_while_down))
            .with_state(Arc::clone(&state));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving on loopback does not fail");
        });
        Self { address, state, env, server }
    }

    /// Its URL, as in the claim `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The arguments of a service that trusts it.
    #[must_use]
    pub fn args(&self) -> AuthArgs {
        AuthArgs {
            issuer: self.url(),
            user_audience: USER_AUDIENCE.to_owned(),
            service_audience: SERVICE_AUDIENCE.to_owned(),
            sign_in: "http://127.0.0.1:50053".to_owned(),
        }
    }

    /// Verifies its tokens; has a key cache of its own.
    #[must_use]
    pub fn authenticator(&self) -> Authenticator {
        Authenticator::new(&self.args(), self.env.clone())
    }

    /// A good token of the user `name`, without `Bearer`.
    #[must_use]
    pub fn user_token(&self, name: &str) -> String {
        self.state.sign(&self.state.claims(name, USER_AUDIENCE))
    }

    /// A good token of the service `client_id` with `scopes`.
    #[must_use]
    pub fn service_token(&self, client_id: &str, scopes: &[&str]) -> String {
        self.state.service_token(client_id, &scopes.join(" "))
    }

    /// A token of the user `name` with `claims` in the place of the usual ones; null leaves one out.
    ///
    /// # Panics
    /// If `claims` is not an object.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test ends here")]
    pub fn user_token_with(&self, name: &str, claims: &Value) -> String {
        let mut all = self.state.claims(name, USER_AUDIENCE);
        for (claim, value) in claims.as_object().expect("claims are an object") {
            all[claim] = value.clone();
        }
        if let Some(all) = all.as_object_mut() {
            all.retain(|_, value| !value.is_null());
        }
        self.state.sign(&all)
    }

    /// A user's token that expired a minute ago.
    #[must_use]
    pub fn expired_token(&self, name: &str) -> String {
        let exp = self.env.now().unix_timestamp() - 60;
        self.user_token_with(name, &json!({ "exp": exp }))
    }

    /// A user's token for somebody else.
    #[must_use]
    pub fn wrong_audience(&self, name: &str) -> String {
        self.user_token_with(name, &json!({ "aud": "another-shop" }))
    }

    /// A user's token with `alg` none.
    #[must_use]
    pub fn unsigned(&self, name: &str) -> String {
        let header = json!({ "alg": "none", "typ": "JWT", "kid": self.state.newest_kid() });
        let claims = self.state.claims(name, USER_AUDIENCE);
        let part = |value: &Value| BASE64_URL.encode(value.to_string());
        format!("{}.{}.", part(&header), part(&claims))
    }

    /// A user's token signed by a stranger, under the id of a key of the issuer's.
    #[must_use]
    pub fn wrong_key(&self, name: &str) -> String {
        let stranger = SigningKey::new(&self.state.newest_kid());
        stranger.sign(&self.state.claims(name, USER_AUDIENCE))
    }

    /// A user's token signed by a stranger, under an id that the issuer does not have.
    #[must_use]
    pub fn unknown_key(&self, name: &str) -> String {
        SigningKey::new("key-of-a-stranger").sign(&self.state.claims(name, USER_AUDIENCE))
    }

    /// Signs with a new key from now on, and serves the old one no more.
    pub fn rotate(&self) {
        let mut keys = lock(&self.state.keys);
        let kid = format!("key-{}", self.env.uuid_v7());
        *keys = vec![SigningKey::new(&kid)];
    }

    /// Gives `scopes` to every client that asks at the token endpoint from now on; at first, none.
    pub fn grant(&self, scopes: &[&str]) {
        *lock(&self.state.scope) = scopes.join(" ");
    }

    /// Answers every HTTP request with 503, or not.
    pub fn set_down(&self, is_down: bool) {
        self.state.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How often its keys were asked for, also while it was down.
    #[must_use]
    pub fn key_requests(&self) -> usize {
        self.state.key_requests.load(Ordering::SeqCst)
    }

    /// How often a token was asked for with good credentials.
    #[must_use]
    pub fn token_requests(&self) -> usize {
        self.state.token_requests.load(Ordering::SeqCst)
    }

    /// The secret of every client at its token endpoint.
    #[must_use]
    pub fn client_secret(&self) -> String {
        CLIENT_SECRET.to_owned()
    }
}

impl Issuing {
    fn claims(&self, subject: &str, audience: &str) -> Value {
        let now = self.env.now().unix_timestamp();
        json!({
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + LIFE_SECONDS,
            "jti": self.env.uuid_v7().to_string(),
        })
    }

    fn service_token(&self, client_id: &str, scope: &str) -> String {
        let mut claims = self.claims(client_id, SERVICE_AUDIENCE);
        claims["scope"] = scope.into();
        self.sign(&claims)
    }

    #[expect(clippy::expect_used, reason = "a test ends here")]
    fn sign(&self, claims: &Value) -> String {
        lock(&self.keys).last().expect("there is always a key").sign(claims)
    }

    #[expect(clippy::expect_used, reason = "a test ends here")]
    fn newest_kid(&self) -> String {
        lock(&self.keys).last().expect("there is always a key").kid.clone()
    }
}

impl SigningKey {
    #[expect(clippy::expect_used, reason = "a test ends here")]
    fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ES256, &random).expect("ring makes keys");
        let pair = EcdsaKeyPair::from_pkcs8(&ES256, pkcs8.as_ref(), &random)
            .expect("ring reads its own keys");
        let point = pair.public_key().as_ref();
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
            "x": BASE64_URL.encode(&point[1..33]),
            "y": BASE64_URL.encode(&point[33..65]),
        });
        Self { kid: kid.to_owned(), encoding: EncodingKey::from_ec_der(pkcs8.as_ref()), jwk }
    }

    #[expect(clippy::expect_used, reason = "a test ends here")]
    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.encoding).expect("ring signs")
    }
}

async fn fail_while_down(
    State(state): State<Arc<Issuing>>,
    request: axum::extract::Request,
    next: Next,
) -> Result<Response, StatusCode> {
    if request.uri().path() == "/.well-known/openid-configuration" {
        state.key_requests.fetch_add(1, Ordering::SeqCst);
    }
    if state.is_down.load(Ordering::SeqCst) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(next.run(request).await)
}

async fn discovery(State(state): State<Arc<Issuing>>) -> Json<Value> {
    let url = &state.url;
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/jwks"),
        "token_endpoint": format!("{url}/token"),
    }))
}

/// With a key of a kind that nobody here knows, as real issuers have them.
async fn jwks(State(state): State<Arc<Issuing>>) -> Json<Value> {
    let mut keys = vec![json!({ "kty": "XYZ", "kid": "strange" })];
    keys.extend(lock(&state.keys).iter().map(|key| key.jwk.clone()));
    Json(json!({ "keys": keys }))
}

/// Client credentials by HTTP basic authentication; every client gets what was granted.
async fn token(
    State(state): State<Arc<Issuing>>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, StatusCode> {
    let basic = headers.get("authorization").and_then(|value| value.to_str().ok());
    let basic = basic.and_then(|value| value.strip_prefix("Basic "));
    let decoded = basic.and_then(|value| BASE64_STANDARD.decode(value).ok());
    let pair = decoded.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    let (client_id, secret) = pair.split_once(':').unwrap_or_default();
    if secret != CLIENT_SECRET || body != "grant_type=client_credentials" {
        return Err(StatusCode::UNAUTHORIZED);
    }
    state.token_requests.fetch_add(1, Ordering::SeqCst);
    let scope = lock(&state.scope).clone();
    Ok(Json(json!({
        "access_token": state.service_token(client_id, &scope),
        "token_type": "Bearer",
        "expires_in": LIFE_SECONDS,
    })))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
