//! Authorization codes: a browser signs a user in for a client.
//!
//! Deliberately absent: a session of the browser with this provider. Every request shows the login
//! page: signing in always takes a password, and there is nothing to sign out of.

use std::time::Duration;

use secrecy::SecretString;
use tracing::info;

use super::{Error, Idp, UserTokens, keys::new_secret, sessions::openid};
use crate::domain::{
    AuthorizationCode, Challenge, Client, ClientId, CodeRefusal, RedirectUri, Scopes, SecretHash,
    Username,
};

/// How long a code may take from the browser to the client.
const CODE_TTL: Duration = Duration::from_mins(1);

/// The longest code, refresh token or nonce that is looked at, in characters.
pub const MAX_CODE_CHARS: usize = 255;

/// A client's request for a code, checked: the client and its redirect URI belong together.
#[derive(Debug, Clone)]
pub struct CodeRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the browser goes with the answer.
    pub redirect_uri: RedirectUri,
    /// What the user's tokens should allow. What no user's token may is left out.
    pub scopes: Scopes,
    /// What the client committed to.
    pub challenge: Challenge,
    /// For the ID token.
    pub nonce: Option<String>,
}

/// What a client hands in for tokens.
pub struct CodeExchange<'a> {
    /// The code.
    pub code: &'a str,
    /// The redirect URI of the request.
    pub redirect_uri: &'a str,
    /// What the client committed to in the request.
    pub verifier: &'a str,
}

impl Idp {
    /// The client's registered redirect URI that is exactly `redirect_uri`. None if there is no such
    /// client or it has no such URI: then the browser must not be sent there.
    ///
    /// # Errors
    /// Those of the server's own.
    pub async fn registered(
        &self,
        client: &ClientId,
        redirect_uri: &str,
    ) -> Result<Option<RedirectUri>, Error> {
        let client = self.store.client(client).await?;
        Ok(client.and_then(|client| client.redirect_uri(redirect_uri).cloned()))
    }

    /// Signs a user in by password and gives a code for the client.
    ///
    /// # Errors
    /// [`Error::CredentialsWrong`], [`Error::Throttled`], [`Error::Busy`] and those of the
    /// server's own.
    pub async fn authorize(
        &self,
        request: CodeRequest,
        user: Username,
        password: SecretString,
    ) -> Result<String, Error> {
        self.authenticate(&user, password).await?;
        let (secret, hash) = new_secret(&self.env);
        let now = self.env.now();
        let code = AuthorizationCode {
            hash,
            client: request.client,
            redirect_uri: request.redirect_uri,
            user,
            scopes: request.scopes.intersection(&openid()),
            challenge: request.challenge,
            nonce: request.nonce,
            session: self.env.uuid_v7(),
            signed_in_at: now,
            expires_at: now + CODE_TTL,
            used_at: None,
        };
        self.store.add_code(&code).await?;
        Ok(secret)
    }

    /// Exchanges a code for the user's tokens and begins a session. Presented a second time with all
    /// its proofs, it ends the session that it began.
    ///
    /// # Errors
    /// [`Error::CodeInvalid`] and those of the server's own.
    pub async fn exchange_code(
        &self,
        client: &Client,
        exchange: &CodeExchange<'_>,
    ) -> Result<UserTokens, Error> {
        let hash = SecretHash::of(exchange.code);
        let now = self.env.now();
        let found = self.store.code(&hash).await?;
        let code = found.ok_or(Error::CodeInvalid)?;
        let session = code.to_session();
        let checked = code.check(&client.id, exchange.redirect_uri, exchange.verifier, now);
        let checked = match checked {
            Ok(()) => {
                let (secret, token) = self.new_refresh_token(&session);
                if self.store.exchange_code(&hash, &session, &token, now).await? {
                    return self.user_tokens(&session, Some(secret), code.nonce.as_deref());
                }
                CodeRefusal::Reused
            }
            Err(refusal) => refusal,
        };
        info!(client.id = %client.id, "authorization code refused: {checked}");
        if checked == CodeRefusal::Reused {
            self.end_session(&session, now).await?;
        }
        Err(Error::CodeInvalid)
    }
}
