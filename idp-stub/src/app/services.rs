//! Tokens for programs: their own, and for load tests those of users.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Error, Idp, UserTokens, sessions::openid};
use crate::domain::{Client, ClientId, Scopes, SecretHash, Session, Username};

/// A service's identity.
pub struct ServiceToken {
    /// For the header `authorization: Bearer …`, or `service-authorization` beside a user's token.
    pub access_token: SecretString,
    /// How long it is good from now.
    pub expires_in: Duration,
    /// What it allows, written as in RFC 6749.
    pub scope: String,
}

impl Idp {
    /// The client, if `secret` is its own. A client that keeps none gives none.
    ///
    /// # Errors
    /// [`Error::CredentialsWrong`] and those of the server's own.
    pub async fn client(
        &self,
        id: &ClientId,
        secret: Option<&SecretString>,
    ) -> Result<Client, Error> {
        let client = self.store.client(id).await?;
        let is_proved = match (client.as_ref().map(|client| client.secret_hash), secret) {
            (Some(None), None) => true,
            (kept, Some(secret)) => {
                let kept = kept.flatten().unwrap_or(SecretHash::UNMATCHED);
                kept.matches(secret.expose_secret())
            }
            (_, None) => false,
        };
        client.filter(|_| is_proved).ok_or(Error::CredentialsWrong)
    }

    /// A token of the client's own, for `scopes`, or for all that it may have if that is empty.
    ///
    /// # Errors
    /// [`Error::PublicClient`], [`Error::ScopeRefused`] and those of the server's own.
    pub fn service_token(&self, client: &Client, scopes: &Scopes) -> Result<ServiceToken, Error> {
        if client.secret_hash.is_none() {
            return Err(Error::PublicClient);
        }
        if let Some(scope) = scopes.first_outside(&client.scopes) {
            return Err(Error::ScopeRefused { scope: scope.to_owned() });
        }
        let granted = if scopes.is_empty() { &client.scopes } else { scopes };
        let audience = &self.policy.service_audience;
        let claims = self.access_claims(client.id.as_str(), audience, granted, Some(&client.id));
        Ok(ServiceToken {
            access_token: self.signer.sign(&claims)?.into(),
            expires_in: self.policy.access_token_ttl,
            scope: granted.to_string(),
        })
    }

    /// A token of any user's for a trusted client, without a password and without a password's cost.
    /// Makes the user, who then has no password, if there is none.
    ///
    /// # Errors
    /// [`Error::ImpersonationRefused`] and those of the server's own.
    pub async fn impersonate(&self, client: &Client, user: Username) -> Result<UserTokens, Error> {
        if !client.may_impersonate {
            return Err(Error::ImpersonationRefused);
        }
        // Read first: most users are known, and a write waits for the disk.
        if self.store.user(&user).await?.is_none() {
            self.store.ensure_user(&user).await?;
        }
        let session = Session {
            id: self.env.uuid_v7(),
            user,
            client: None,
            scopes: openid(),
            signed_in_at: self.env.now(),
            revoked_at: None,
        };
        self.user_tokens(&session, None, None)
    }
}
