//! Users' sessions: signing in, staying signed in, signing out.

use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;
use time::OffsetDateTime;
use tracing::{info, warn};

use super::{
    Error, Idp, UserTokens,
    keys::{AccessClaims, new_secret},
};
use crate::domain::{
    Client, ClientId, OPENID, RefreshRefusal, RefreshToken, Scopes, SecretHash, Session, Username,
};

/// What an ID token says (`OpenID` Connect Core, section 2).
#[derive(Serialize)]
struct IdClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl Idp {
    /// Signs a user in by password and begins a session.
    ///
    /// # Errors
    /// [`Error::CredentialsWrong`], [`Error::Throttled`], [`Error::Busy`] and those of the
    /// server's own.
    pub async fn sign_in(
        &self,
        name: Username,
        password: SecretString,
    ) -> Result<UserTokens, Error> {
        self.authenticate(&name, password).await?;
        let session = Session {
            id: self.env.uuid_v7(),
            user: name,
            client: None,
            scopes: openid(),
            signed_in_at: self.env.now(),
            revoked_at: None,
        };
        let (secret, token) = self.new_refresh_token(&session);
        self.store.begin_session(&session, &token).await?;
        self.user_tokens(&session, Some(secret), None)
    }

    /// Goes on only if `password` is the user's. Takes as long if there is no such user.
    pub(super) async fn authenticate(
        &self,
        name: &Username,
        password: SecretString,
    ) -> Result<(), Error> {
        // Asked twice: first so that a refused one does not wait, then so that those who waited
        // together do not all get in.
        self.check_throttle(name)?;
        let stored = self.store.user(name).await?.and_then(|user| user.password_hash);
        let slot = self.passwords.slot().await.ok_or(Error::Busy)?;
        self.check_throttle(name)?;
        if self.passwords.verify(slot, password, stored).await? {
            return Ok(());
        }
        self.throttle.failed(name, self.env.now());
        Err(Error::CredentialsWrong)
    }

    fn check_throttle(&self, name: &Username) -> Result<(), Error> {
        let checked = self.throttle.check(name, self.env.now());
        checked.map_err(|retry_after| Error::Throttled { retry_after })
    }

    /// Exchanges a refresh token for new tokens. `client` is who presents it, proved before; none if
    /// the user does. Presented a second time, it ends the session.
    ///
    /// # Errors
    /// [`Error::RefreshTokenInvalid`] and those of the server's own.
    pub async fn refresh(
        &self,
        presented: &str,
        client: Option<&ClientId>,
    ) -> Result<UserTokens, Error> {
        let hash = SecretHash::of(presented);
        let now = self.env.now();
        let found = self.store.refresh_token(&hash).await?;
        let (token, session) = found.ok_or(Error::RefreshTokenInvalid)?;
        if let Err(refusal) = token.check(&session, client, now) {
            return Err(self.refuse_refresh(&session, refusal, now).await);
        }
        let (secret, successor) = self.new_refresh_token(&session);
        if !self.store.rotate(&hash, &successor, now).await? {
            // Somebody was quicker with the same token, or ended the session.
            return Err(self.refuse_refresh(&session, RefreshRefusal::Reused, now).await);
        }
        self.user_tokens(&session, Some(secret), None)
    }

    async fn refuse_refresh(
        &self,
        session: &Session,
        refusal: RefreshRefusal,
        now: OffsetDateTime,
    ) -> Error {
        info!(session.id = %session.id, "refresh token refused: {refusal}");
        if refusal == RefreshRefusal::Reused
            && let Err(error) = self.end_session(session, now).await
        {
            return error;
        }
        Error::RefreshTokenInvalid
    }

    pub(super) async fn end_session(
        &self,
        session: &Session,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        warn!(session.id = %session.id, "ending session {}: a secret of it was used twice", session.id);
        Ok(self.store.end_session(session.id, now).await?)
    }

    /// Ends the session of a refresh token of `client`. Does nothing if there is none (RFC 7009).
    ///
    /// # Errors
    /// Those of the server's own.
    pub async fn revoke(&self, presented: &str, client: &Client) -> Result<(), Error> {
        let found = self.store.refresh_token(&SecretHash::of(presented)).await?;
        match found {
            Some((_, session)) if session.client.as_ref() == Some(&client.id) => {
                Ok(self.store.end_session(session.id, self.env.now()).await?)
            }
            _ => Ok(()),
        }
    }

    /// The user of an access token that allows to ask.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`], [`Error::NotOpenid`].
    pub fn user_info(&self, access_token: &str) -> Result<String, Error> {
        let (issuer, audience) = (&self.policy.issuer, &self.policy.user_audience);
        let claims = self
            .signer
            .verify(access_token, issuer, audience, self.env.now())
            .map_err(Error::TokenInvalid)?;
        let is_openid = claims.scope.split(' ').any(|scope| scope == OPENID);
        if is_openid { Ok(claims.sub) } else { Err(Error::NotOpenid) }
    }

    pub(super) fn new_refresh_token(&self, session: &Session) -> (SecretString, RefreshToken) {
        let (secret, hash) = new_secret(&self.env);
        let expires_at = self.env.now() + self.policy.refresh_token_ttl;
        let token = RefreshToken { hash, session: session.id, expires_at, used_at: None };
        (secret.into(), token)
    }

    pub(super) fn user_tokens(
        &self,
        session: &Session,
        refresh_token: Option<SecretString>,
        nonce: Option<&str>,
    ) -> Result<UserTokens, Error> {
        let claims = self.access_claims(
            session.user.as_str(),
            &self.policy.user_audience,
            &session.scopes,
            session.client.as_ref(),
        );
        let wants_id = session.scopes.contains(OPENID);
        let audience = session.client.as_ref().filter(|_| wants_id);
        let id_token = audience.map(|client| self.id_token(session, client, nonce)).transpose()?;
        Ok(UserTokens {
            access_token: self.signer.sign(&claims)?.into(),
            expires_in: self.policy.access_token_ttl,
            refresh_token,
            scope: session.scopes.to_string(),
            id_token,
        })
    }

    fn id_token(
        &self,
        session: &Session,
        client: &ClientId,
        nonce: Option<&str>,
    ) -> Result<SecretString, Error> {
        let now = self.env.now().unix_timestamp();
        let claims = IdClaims {
            iss: &self.policy.issuer,
            sub: session.user.as_str(),
            aud: client.as_str(),
            exp: now + seconds(self.policy.access_token_ttl),
            iat: now,
            auth_time: session.signed_in_at.unix_timestamp(),
            nonce,
        };
        Ok(self.signer.sign(&claims)?.into())
    }

    pub(super) fn access_claims(
        &self,
        subject: &str,
        audience: &str,
        scopes: &Scopes,
        client: Option<&ClientId>,
    ) -> AccessClaims {
        let now = self.env.now().unix_timestamp();
        AccessClaims {
            iss: self.policy.issuer.clone(),
            sub: subject.to_owned(),
            aud: audience.to_owned(),
            exp: now + seconds(self.policy.access_token_ttl),
            nbf: now,
            iat: now,
            jti: self.env.uuid_v7().to_string(),
            scope: scopes.to_string(),
            client_id: client.map(ToString::to_string),
        }
    }
}

/// The scope of who signs in without a client: it may ask who it is.
pub(super) fn openid() -> Scopes {
    Scopes::from_names([OPENID]).unwrap_or_default()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
