//! This service's own credentials, exchanged for tokens.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use kit_service::{Env, chain};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use tonic::{
    Status,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
};

use super::{
    bearer,
    issuer::{Issuer, IssuerError},
};
use crate::error::unavailable;

/// The life of a token whose issuer does not state it.
const DEFAULT_LIFE_SECONDS: i64 = 60;

/// A client's credentials at an issuer. A clone shares the token in use.
#[derive(Clone)]
pub struct ServiceIdentity(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    client_id: String,
    client_secret: SecretString,
    env: Env,
    token: ArcSwapOption<Token>,
    fetching: Mutex<()>,
}

struct Token {
    bearer: MetadataValue<Ascii>,
    renew_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct TokenResponse {
    access_token: SecretString,
    expires_in: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
enum IdentityError {
    #[error("no token for the client {client_id}")]
    Issuer { client_id: String, source: IssuerError },
    #[error("the issuer's token is not plain ASCII")]
    Token(#[source] InvalidMetadataValue),
}

impl ServiceIdentity {
    /// The client `client_id` at `issuer`. The first token is fetched when it is needed.
    #[must_use]
    pub fn new(issuer: &str, client_id: &str, client_secret: SecretString, env: Env) -> Self {
        Self(Arc::new(Inner {
            issuer: Issuer::new(issuer),
            client_id: client_id.to_owned(),
            client_secret,
            env,
            token: ArcSwapOption::empty(),
            fetching: Mutex::new(()),
        }))
    }

    /// A token, as the value of `service-authorization` (or of `authorization`, if there is no user
    /// beside it), marked sensitive. It is kept for 80 % of its life, and to its end if the issuer
    /// gives no other.
    ///
    /// # Errors
    /// UNAVAILABLE if the issuer gives none; the cause is logged.
    pub async fn bearer(&self) -> Result<MetadataValue<Ascii>, Status> {
        if let Some(bearer) = self.fresh() {
            return Ok(bearer);
        }
        let old = self.usable();
        // Others go on with the old token while one fetches the next.
        let _fetching = match (self.0.fetching.try_lock(), &old) {
            (Ok(fetching), _) => fetching,
            (Err(_), Some(bearer)) => return Ok(bearer.clone()),
            (Err(_), None) => self.0.fetching.lock().await,
        };
        if let Some(bearer) = self.fresh() {
            return Ok(bearer);
        }
        match (self.0.fetch().await, old) {
            (Ok(bearer), _) => Ok(bearer),
            (Err(failure), Some(bearer)) => {
                tracing::warn!(error = chain(&failure), "the old service token is used to its end");
                Ok(bearer)
            }
            (Err(failure), None) => {
                Err(unavailable("the issuer gives this service no token", &failure))
            }
        }
    }

    fn fresh(&self) -> Option<MetadataValue<Ascii>> {
        let token = self.0.token.load_full()?;
        (self.0.env.now() < token.renew_at).then(|| token.bearer.clone())
    }

    fn usable(&self) -> Option<MetadataValue<Ascii>> {
        let token = self.0.token.load_full()?;
        (self.0.env.now() < token.expires_at).then(|| token.bearer.clone())
    }
}

impl Inner {
    async fn fetch(&self) -> Result<MetadataValue<Ascii>, IdentityError> {
        // Counted from before the request, so that a slow answer never lengthens the life.
        let asked_at = self.env.now();
        let secret = self.client_secret.expose_secret();
        let answer: TokenResponse =
            self.issuer.token(&self.client_id, secret).await.map_err(|source| {
                IdentityError::Issuer { client_id: self.client_id.clone(), source }
            })?;
        let bearer = bearer(answer.access_token.expose_secret()).map_err(IdentityError::Token)?;
        let life = answer.expires_in.unwrap_or(DEFAULT_LIFE_SECONDS).clamp(0, 86_400);
        let token = Token {
            bearer: bearer.clone(),
            renew_at: asked_at + Duration::seconds(life) * 4 / 5,
            expires_at: asked_at + Duration::seconds(life),
        };
        self.token.store(Some(Arc::new(token)));
        Ok(bearer)
    }
}
