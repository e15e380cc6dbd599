//! Users and what lasts between their calls.

use std::fmt;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{ClientId, Scopes, SecretHash, Username};

/// Somebody who can sign in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name, `sub` of the tokens.
    pub name: Username,
    /// The argon2id hash of the password, as a PHC string. None: no password signs this user in.
    pub password_hash: Option<String>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One sign-in of one user, prolonged by refresh tokens, each of which replaces the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Who signed in.
    pub user: Username,
    /// The client that got the tokens. None: the user signed in with the RPC itself.
    pub client: Option<ClientId>,
    /// What its access tokens allow.
    pub scopes: Scopes,
    /// When the user proved who they are.
    pub signed_in_at: OffsetDateTime,
    /// When it was ended before its time, if it was.
    pub revoked_at: Option<OffsetDateTime>,
}

/// A refresh token as it is kept: its hash only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Of the token.
    pub hash: SecretHash,
    /// The session that it prolongs.
    pub session: Uuid,
    /// From when on it is worthless.
    pub expires_at: OffsetDateTime,
    /// When it was exchanged, if it was.
    pub used_at: Option<OffsetDateTime>,
}

/// Why a refresh token is worthless. Only the log tells them apart, a caller hears one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshRefusal {
    /// It belongs to a session of another client.
    #[error("it belongs to another client")]
    NotYours,
    /// It was exchanged before. One of its two users is not its owner: the session must end.
    #[error("it was used before")]
    Reused,
    /// Its session was ended.
    #[error("its session was ended")]
    Revoked,
    /// It is too old.
    #[error("it has expired")]
    Expired,
}

impl RefreshToken {
    /// Whether `client` may exchange this token of `session` now.
    ///
    /// # Errors
    /// [`RefreshRefusal`]. `NotYours` comes first: what a stranger presents ends nobody's session.
    pub fn check(
        &self,
        session: &Session,
        client: Option<&ClientId>,
        now: OffsetDateTime,
    ) -> Result<(), RefreshRefusal> {
        if session.client.as_ref() != client {
            return Err(RefreshRefusal::NotYours);
        }
        if session.revoked_at.is_some() {
            return Err(RefreshRefusal::Revoked);
        }
        if self.used_at.is_some() {
            return Err(RefreshRefusal::Reused);
        }
        if self.expires_at <= now { Err(RefreshRefusal::Expired) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn session() -> Session {
        Session {
            id: Uuid::from_u128(1),
            user: "alice".parse().unwrap(),
            client: None,
            scopes: Scopes::default(),
            signed_in_at: NOW,
            revoked_at: None,
        }
    }

    fn token() -> RefreshToken {
        RefreshToken {
            hash: SecretHash::of("token"),
            session: Uuid::from_u128(1),
            expires_at: NOW + Duration::days(30),
            used_at: None,
        }
    }

    #[test]
    fn a_fresh_token_is_good_until_its_time() {
        let last = NOW + Duration::days(30) - Duration::microseconds(1);
        assert_eq!(token().check(&session(), None, last), Ok(()));
        let late = NOW + Duration::days(30);
        assert_eq!(token().check(&session(), None, late), Err(RefreshRefusal::Expired));
    }

    #[test]
    fn a_used_token_is_told_from_a_strangers() {
        let used = RefreshToken { used_at: Some(NOW), ..token() };
        assert_eq!(used.check(&session(), None, NOW), Err(RefreshRefusal::Reused));
        let stranger = "shop".parse().unwrap();
        assert_eq!(used.check(&session(), Some(&stranger), NOW), Err(RefreshRefusal::NotYours));
        let ended = Session { revoked_at: Some(NOW), ..session() };
        assert_eq!(token().check(&ended, None, NOW), Err(RefreshRefusal::Revoked));
    }
}
