//! Authorization codes: what a browser carries from the login page to the client.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Challenge, ClientId, RedirectUri, Scopes, SecretHash, Session, Username};

/// A code as it is kept: its hash, and all that its exchange must repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// Of the code.
    pub hash: SecretHash,
    /// Who may exchange it.
    pub client: ClientId,
    /// Where the browser was sent with it.
    pub redirect_uri: RedirectUri,
    /// Who signed in.
    pub user: Username,
    /// What the user's tokens will allow.
    pub scopes: Scopes,
    /// What the client committed to.
    pub challenge: Challenge,
    /// From the client's request, for the ID token.
    pub nonce: Option<String>,
    /// The session that its exchange begins. Known from the start, so that a second exchange can
    /// end what the first began.
    pub session: Uuid,
    /// When the user signed in.
    pub signed_in_at: OffsetDateTime,
    /// From when on it is worthless.
    pub expires_at: OffsetDateTime,
    /// When it was exchanged, if it was.
    pub used_at: Option<OffsetDateTime>,
}

/// Why a code cannot be exchanged. Only the log tells them apart, a caller hears one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeRefusal {
    /// It was given to another client.
    #[error("it belongs to another client")]
    NotYours,
    /// The redirect URI is not the one of the request.
    #[error("redirect_uri differs from the one of the request")]
    RedirectDiffers,
    /// The verifier does not fit the challenge.
    #[error("code_verifier does not fit code_challenge")]
    VerifierWrong,
    /// It was exchanged before. The session that began then must end.
    #[error("it was used before")]
    Reused,
    /// It is too old.
    #[error("it has expired")]
    Expired,
}

impl AuthorizationCode {
    /// Whether `client` may exchange this code now.
    ///
    /// # Errors
    /// [`CodeRefusal`]. `Reused` comes after all proofs: somebody who merely saw the code cannot end
    /// the session.
    pub fn check(
        &self,
        client: &ClientId,
        redirect_uri: &str,
        verifier: &str,
        now: OffsetDateTime,
    ) -> Result<(), CodeRefusal> {
        if self.client != *client {
            return Err(CodeRefusal::NotYours);
        }
        if self.redirect_uri.as_str() != redirect_uri {
            return Err(CodeRefusal::RedirectDiffers);
        }
        if !self.challenge.accepts(verifier) {
            return Err(CodeRefusal::VerifierWrong);
        }
        if self.used_at.is_some() {
            return Err(CodeRefusal::Reused);
        }
        if self.expires_at <= now { Err(CodeRefusal::Expired) } else { Ok(()) }
    }

    /// The session that the exchange begins.
    #[must_use]
    pub fn to_session(&self) -> Session {
        Session {
            id: self.session,
            user: self.user.clone(),
            client: Some(self.client.clone()),
            scopes: self.scopes.clone(),
            signed_in_at: self.signed_in_at,
            revoked_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const URI: &str = "http://127.0.0.1:3000/callback";

    fn code() -> AuthorizationCode {
        AuthorizationCode {
            hash: SecretHash::of("code"),
            client: "storefront".parse().unwrap(),
            redirect_uri: URI.parse().unwrap(),
            user: "alice".parse().unwrap(),
            scopes: Scopes::default(),
            challenge: Challenge::of(VERIFIER),
            nonce: None,
            session: Uuid::from_u128(1),
            signed_in_at: NOW,
            expires_at: NOW + Duration::minutes(1),
            used_at: None,
        }
    }

    #[test]
    fn a_code_is_exchanged_only_by_whoever_asked_for_it() {
        let client = code().client;
        assert_eq!(code().check(&client, URI, VERIFIER, NOW), Ok(()));
        let other = "other".parse().unwrap();
        assert_eq!(code().check(&other, URI, VERIFIER, NOW), Err(CodeRefusal::NotYours));
        let elsewhere = format!("{URI}/");
        assert_eq!(
            code().check(&client, &elsewhere, VERIFIER, NOW),
            Err(CodeRefusal::RedirectDiffers)
        );
        let guess = VERIFIER.replace('d', "e");
        assert_eq!(code().check(&client, URI, &guess, NOW), Err(CodeRefusal::VerifierWrong));
    }

    #[test]
    fn a_code_works_once_and_briefly() {
        let client = code().client;
        let used = AuthorizationCode { used_at: Some(NOW), ..code() };
        assert_eq!(used.check(&client, URI, VERIFIER, NOW), Err(CodeRefusal::Reused));
        let late = NOW + Duration::minutes(1);
        assert_eq!(code().check(&client, URI, VERIFIER, late), Err(CodeRefusal::Expired));
    }
}
