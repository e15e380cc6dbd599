//! What can come back instead of an answer.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{collections::HashMap, error::Error, time::Duration};

use oxcart_proto::{Reason, cart as wire, error};
use tonic::{Code, Status};

use super::wire::cart_from_wire;
use crate::domain::cart::Cart;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service understood the call and refuses it, for a reason of the contract.
    #[error("{service} refused: {}", .refused.message)]
    Refused {
        /// Which service.
        service: &'static str,
        /// Why.
        refused: Box<Refused>,
    },
    /// No answer, or none that the service made: whether the call took effect is unknown.
    #[error("{service} gave no answer")]
    Unknown {
        /// Which service.
        service: &'static str,
        /// What came instead.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The service says that it is at fault.
    #[error("{service} failed")]
    Broken {
        /// Which service.
        service: &'static str,
        /// What it said, or what is wrong with what it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A refusal as a service gave it.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why, in one word of the contract.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: String,
    /// What goes with the reason.
    pub metadata: HashMap<String, String>,
    /// Each bad field and what is wrong with it.
    pub fields: Vec<(String, String)>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The cart that the refusal is about, as it is now.
    pub cart: Option<Cart>,
}

impl CallError {
    /// Reads what a service answered instead of an answer.
    pub(super) fn from_status(service: &'static str, status: Status) -> Self {
        let Some(info) = error::info(&status) else {
            return Self::Unknown { service, source: status.into() };
        };
        match info.reason {
            Reason::Unavailable | Reason::DeadlineExceeded => {
                Self::Unknown { service, source: status.into() }
            }
            // INTERNAL says nothing about what was done before the fault.
            Reason::Internal | Reason::Unspecified => {
                Self::Broken { service, source: status.into() }
            }
            reason => Self::refused(service, reason, info.metadata, &status),
        }
    }

    /// As [`Self::from_status`], for a call that carried the controller's own token: if that is
    /// refused, the caller can do nothing about it.
    pub(super) fn from_own_call(service: &'static str, status: Status) -> Self {
        let error = Self::from_status(service, status);
        match error.reason() {
            Some(
                Reason::SignInRequired
                | Reason::TokenInvalid
                | Reason::ScopeMissing
                | Reason::CredentialsWrong,
            ) => Self::Broken { service, source: error.into() },
            _ => error,
        }
    }

    fn refused(
        service: &'static str,
        reason: Reason,
        metadata: HashMap<String, String>,
        status: &Status,
    ) -> Self {
        let cart = error::detail::<wire::Cart>(status).as_ref().map(cart_from_wire).transpose();
        match cart {
            Err(unreadable) => Self::Broken { service, source: unreadable.into() },
            Ok(cart) => Self::Refused {
                service,
                refused: Box::new(Refused {
                    reason,
                    message: status.message().to_owned(),
                    metadata,
                    fields: error::bad_fields(status),
                    retry_after: error::retry_delay(status),
                    cart,
                }),
            },
        }
    }

    /// The same failure of a call that came after a change that was made. What refused this one says
    /// nothing about the whole: a caller that is told OVERLOADED takes it that nothing was done.
    pub(crate) fn after_a_change(self) -> Self {
        match self {
            Self::Refused { service, .. } => Self::Unknown { service, source: self.into() },
            other => other,
        }
    }

    /// Why the call was refused, if it was.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused { refused, .. } => Some(refused.reason),
            Self::Unknown { .. } | Self::Broken { .. } => None,
        }
    }

    /// A call that ran out of time.
    #[must_use]
    pub fn timed_out(service: &'static str) -> Self {
        let source = Status::new(Code::DeadlineExceeded, "no answer in time").into();
        Self::Unknown { service, source }
    }
}

#[cfg(test)]
mod tests {
    use oxcart_proto::{Refusal, common};

    use super::*;

    fn read(refusal: Refusal) -> CallError {
        CallError::from_status("a service", refusal.into())
    }

    #[test]
    fn a_status_without_our_error_info_means_unknown() {
        for status in [
            Status::unknown("transport error"),
            Status::cancelled("Timeout expired"),
            Status::not_found("somebody else's"),
            Status::invalid_argument("a proxy's"),
        ] {
            let error = CallError::from_status("a service", status);
            assert!(matches!(error, CallError::Unknown { .. }), "{error:?}");
        }
    }

    #[test]
    fn unavailable_and_too_late_are_unknown_too() {
        for reason in [Reason::Unavailable, Reason::DeadlineExceeded] {
            let error = read(Refusal::new(reason, "x").retry_after(Duration::from_secs(1)));
            assert!(matches!(error, CallError::Unknown { .. }), "{error:?}");
        }
        assert!(matches!(read(Refusal::new(Reason::Internal, "x")), CallError::Broken { .. }));
    }

    #[test]
    fn a_refusal_keeps_all_that_it_says() {
        let timestamp = || Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
        let cart = wire::Cart {
            cart_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            state: common::CartState::Open.into(),
            lines: vec![common::Line { sku: "A".into(), quantity: Some(2) }],
            etag: "v3".into(),
            create_time: timestamp(),
            update_time: timestamp(),
            ..wire::Cart::default()
        };
        let stale = Refusal::new(Reason::CartStale, "stale").with("limit", 7).detail(&cart);
        let CallError::Refused { refused, .. } = read(stale.field("etag", "is old")) else {
            panic!()
        };
        assert_eq!((refused.reason, refused.metadata["limit"].as_str()), (Reason::CartStale, "7"));
        assert_eq!(refused.fields, [("etag".to_owned(), "is old".to_owned())]);
        let read_cart = refused.cart.unwrap();
        assert_eq!((read_cart.version.get(), read_cart.lines.len()), (3, 1));
    }

    #[test]
    fn a_cart_that_breaks_the_contract_is_the_services_fault() {
        let stale = Refusal::new(Reason::CartStale, "stale").detail(&wire::Cart::default());
        assert!(matches!(read(stale), CallError::Broken { .. }));
    }

    #[test]
    fn a_refused_token_of_our_own_is_not_the_callers_affair() {
        let status = || Refusal::new(Reason::ScopeMissing, "x").into();
        let own = CallError::from_own_call("a service", status());
        assert!(matches!(own, CallError::Broken { .. }), "{own:?}");
        let users = CallError::from_status("a service", status());
        assert_eq!(users.reason(), Some(Reason::ScopeMissing));
    }
}
