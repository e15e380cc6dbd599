//! What the use cases refuse, as statuses: code and reason stand in one `match`.

use std::time::Duration;

use kit_rpc::error::{failed, internal, unavailable};
use oxcart_proto::{Reason, Refusal};
use tonic::Status;

use crate::{
    app::{Error, StoreError},
    domain::OPENID,
};

/// What a client is told of a failed store.
const STORE_FAILED: &str = "the identity store failed";

/// When to try again if too many passwords wait.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            // A client that has no secret cannot have proved itself by one.
            Error::CredentialsWrong | Error::PublicClient => {
                Refusal::new(Reason::CredentialsWrong, message).into()
            }
            Error::Throttled { retry_after } => {
                Refusal::new(Reason::Overloaded, message).retry_after(retry_after).into()
            }
            Error::Busy => Refusal::new(Reason::Overloaded, message).retry_after(BUSY_PAUSE).into(),
            Error::ScopeRefused { scope } => scope_missing(message, &scope),
            Error::ImpersonationRefused => scope_missing(message, "may_impersonate"),
            Error::NotOpenid => scope_missing(message, OPENID),
            Error::RefreshTokenInvalid => Refusal::new(Reason::RefreshTokenInvalid, message).into(),
            Error::TokenInvalid(_) | Error::CodeInvalid => {
                Refusal::new(Reason::TokenInvalid, message).into()
            }
            Error::Store(StoreError::Database(failure)) => {
                failed(STORE_FAILED, &failure, failure.is_unavailable())
            }
            Error::Store(conflict @ StoreError::Conflict) => unavailable(STORE_FAILED, &conflict),
            Error::Store(unreadable @ StoreError::Unreadable { .. }) => {
                internal(STORE_FAILED, &unreadable)
            }
            Error::Key(error) => internal("the signing key failed", &error),
            Error::Passwords(error) => internal("the password could not be checked", &error),
        }
    }
}

fn scope_missing(message: String, scope: &str) -> Status {
    Refusal::new(Reason::ScopeMissing, message).with("scope", scope).into()
}
