//! What can go wrong, a variant for each thing that a caller can act on.

use std::time::Duration;

use crate::{
    app::{
        keys::{BadToken, KeyError},
        passwords::PasswordsError,
    },
    store::StoreError,
};

/// Why a use case ended without its effect.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user or client, or the password or secret is wrong. Nobody is told which.
    #[error("the name, password or secret is wrong")]
    CredentialsWrong,
    /// The user failed to sign in too often lately.
    #[error("too many failed sign-ins of this user, try again in {} s", retry_after.as_secs() + 1)]
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many passwords wait to be checked, or this one has waited too long.
    #[error("too many sign-ins at once")]
    Busy,
    /// The client may not have the scope.
    #[error("the client may not have the scope {scope}")]
    ScopeRefused {
        /// The scope.
        scope: String,
    },
    /// The client may not act for users without their passwords.
    #[error("the client may not impersonate users")]
    ImpersonationRefused,
    /// A public client asked for a token of its own, which only a secret can prove.
    #[error("the client has no secret, so it can have no token of its own")]
    PublicClient,
    /// The refresh token is unknown, expired, revoked or was used before.
    #[error("the refresh token is unknown, expired, revoked or was used before")]
    RefreshTokenInvalid,
    /// The authorization code is unknown, expired, not the client's, or was used before.
    #[error("the code is unknown, expired, not this client's, or was used before")]
    CodeInvalid,
    /// The access token is not good here.
    #[error("the access token is not valid")]
    TokenInvalid(#[source] BadToken),
    /// The access token does not allow to ask who its user is.
    #[error("the access token lacks the scope openid")]
    NotOpenid,
    /// A password could not be checked.
    #[error("the password could not be checked")]
    Passwords(#[from] PasswordsError),
    /// A signing key cannot be made, read or used.
    #[error("the signing key failed")]
    Key(#[from] KeyError),
    /// The store gave no answer.
    #[error("the identity store failed")]
    Store(#[from] StoreError),
}
