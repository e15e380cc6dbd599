//! What the identity provider does: one method per use case, each loads, decides and saves.

mod authorize;
mod error;
mod keys;
mod passwords;
mod seed;
mod services;
mod sessions;
mod throttle;

use std::{sync::Arc, time::Duration};

use kit_service::Env;
use secrecy::SecretString;

// What a use case may fail with: the api knows it as a word of ours.
use crate::store::IdpStore;
pub use crate::store::StoreError;

pub use authorize::{CodeExchange, CodeRequest, MAX_CODE_CHARS};
pub use error::Error;
pub use keys::{AccessClaims, BadToken, Signer};
pub use passwords::{MAX_SECRET_BYTES, Passwords, PasswordsError};
pub use seed::{Seed, SeedError};
pub use services::ServiceToken;
pub use throttle::{MAX_FAILURES, Throttle, WINDOW};

/// What the tokens say and how long they are good.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The claim `iss`, and the base of every address of the discovery document.
    pub issuer: String,
    /// The claim `aud` of users' tokens.
    pub user_audience: String,
    /// The claim `aud` of services' tokens.
    pub service_audience: String,
    /// How long an access token or an ID token is good.
    pub access_token_ttl: Duration,
    /// How long a refresh token is good. Each exchange gives a new one.
    pub refresh_token_ttl: Duration,
}

/// What a user has after signing in.
pub struct UserTokens {
    /// For the header `authorization: Bearer …`.
    pub access_token: SecretString,
    /// How long the access token is good from now.
    pub expires_in: Duration,
    /// Works once. None where the session cannot be prolonged.
    pub refresh_token: Option<SecretString>,
    /// What the access token allows, written as in RFC 6749.
    pub scope: String,
    /// Says to the client who signed in, and when. For clients that asked for `openid`.
    pub id_token: Option<SecretString>,
}

/// The identity provider.
pub struct Idp {
    pub(crate) policy: Policy,
    pub(crate) signer: Signer,
    store: Arc<dyn IdpStore>,
    passwords: Passwords,
    throttle: Throttle,
    env: Env,
}

impl Idp {
    /// An identity provider over `store`, which must hold its users and clients already. Makes the
    /// first signing key if there is none.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Key`].
    pub async fn new(
        policy: Policy,
        store: Arc<dyn IdpStore>,
        passwords: Passwords,
        env: Env,
    ) -> Result<Self, Error> {
        let signer = Signer::open(store.as_ref(), &env).await?;
        Ok(Self { policy, signer, store, passwords, throttle: Throttle::default(), env })
    }

    /// The public keys as a JSON Web Key Set (RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> &str {
        self.signer.jwks()
    }

    /// Random bytes, fit for secrets.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        self.env.bytes()
    }

    /// Forgets what expired more than a day ago. Until then it is kept, so that a token that is used
    /// twice is still told from one that never was.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn purge(&self) -> Result<(), Error> {
        let before = self.env.now() - Duration::from_hours(24);
        Ok(self.store.purge(before).await?)
    }
}
