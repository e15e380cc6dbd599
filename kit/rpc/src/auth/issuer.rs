//! What an OIDC issuer serves over HTTP: its discovery document and whatever that points to.
//!
//! Everything is bounded: 5 s a request, 256 KiB an answer, redirects only within one origin.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url, redirect};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

const TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_BODY_BYTES: usize = 256 * 1024;
const MAX_REDIRECTS: usize = 3;

/// Why an issuer gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum IssuerError {
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    #[error("the issuer does not answer")]
    Transport(#[source] reqwest::Error),
    #[error("the issuer answers {url} with HTTP {status}")]
    Refused { url: String, status: u16 },
    #[error("the issuer's answer at {url} is over {MAX_BODY_BYTES} bytes")]
    TooLarge { url: String },
    #[error("the issuer's answer at {url} is not what was expected")]
    Unreadable { url: String, source: serde_json::Error },
    #[error("the discovery document is of {found}, and {expected} is trusted")]
    Other { expected: String, found: String },
    #[error("the https issuer points to {url}, which is not https")]
    Insecure { url: String },
    #[error("the issuer has no token endpoint")]
    NoTokenEndpoint,
}

/// The parts of the discovery document that we use.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    token_endpoint: Option<String>,
}

pub(super) struct Issuer {
    url: String,
    client: OnceCell<Client>,
}

impl Issuer {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: OnceCell::new() }
    }

    /// The published keys.
    pub(super) async fn keys<T: DeserializeOwned>(&self) -> Result<T, IssuerError> {
        let found = self.discover().await?;
        let client = self.client().await?;
        self.fetch(&found.jwks_uri, client.get(&found.jwks_uri)).await
    }

    /// A token, by client credentials with HTTP basic authentication.
    pub(super) async fn token<T: DeserializeOwned>(
        &self,
        client_id: &str,
        client_secret: &str,
    ) -> Result<T, IssuerError> {
        let endpoint = self.discover().await?.token_endpoint;
        let endpoint = endpoint.ok_or(IssuerError::NoTokenEndpoint)?;
        let request = self.client().await?.post(&endpoint);
        let request = request.basic_auth(client_id, Some(client_secret));
        self.fetch(&endpoint, request.form(&[("grant_type", "client_credentials")])).await
    }

    async fn discover(&self) -> Result<Discovery, IssuerError> {
        let url = format!("{}/.well-known/openid-configuration", self.url.trim_end_matches('/'));
        let found: Discovery = self.fetch(&url, self.client().await?.get(&url)).await?;
        if found.issuer != self.url {
            return Err(IssuerError::Other { expected: self.url.clone(), found: found.issuer });
        }
        Ok(found)
    }

    async fn fetch<T: DeserializeOwned>(
        &self,
        url: &str,
        request: RequestBuilder,
    ) -> Result<T, IssuerError> {
        if self.url.starts_with("https://") && !url.starts_with("https://") {
            return Err(IssuerError::Insecure { url: url.to_owned() });
        }
        let mut response = request.send().await.map_err(IssuerError::Transport)?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(IssuerError::Refused { url: url.to_owned(), status });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(IssuerError::Transport)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(IssuerError::TooLarge { url: url.to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body)
            .map_err(|source| IssuerError::Unreadable { url: url.to_owned(), source })
    }

    async fn client(&self) -> Result<&Client, IssuerError> {
        self.client.get_or_try_init(|| async { client() }).await.map_err(IssuerError::Client)
    }
}

/// Proxies from the environment are not used: what a service reads from there stands in its config.
fn client() -> Result<Client, reqwest::Error> {
    super::install_crypto();
    Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .no_proxy()
        .redirect(redirect::Policy::custom(within_origin))
        .build()
}

fn within_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let is_same = attempt.previous().last().map(Url::origin) == Some(attempt.url().origin());
    if is_same && attempt.previous().len() <= MAX_REDIRECTS {
        attempt.follow()
    } else {
        attempt.stop()
    }
}
