//! What a failed call says. Decide by the reason, not by the code: a connection that breaks has
//! codes of its own, and no reason.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{collections::HashMap, error::Error as StdError, fmt, iter, sync::Arc, time::Duration};

use oxcart_proto::{common::Money, controller::Cart, error};
use prost::Name;
use tonic::{Code, Status, TimeoutExpired};

use crate::Reason;

/// How many bad fields an error's text names.
const FIELDS_SHOWN: usize = 5;

/// Why something could not be done.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store refused a call, or did not answer it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The controller lets callers in without a token, or does not say where to get one.
    #[error("the store at {url} does not say where to sign in")]
    NoSignIn {
        /// The controller.
        url: String,
    },
    /// The address that the controller names for signing in is no URL.
    #[error("the address to sign in")]
    SignInUrl(#[from] InvalidUrl),
    /// A checkout stayed pending for longer than the store promises. It is decided all the same:
    /// ask again later.
    #[error("checkout {checkout_id} is still pending")]
    Undecided {
        /// The checkout.
        checkout_id: String,
    },
    /// The caller's own source of tokens gave none, or none that fits into a header.
    #[error("there is no token to call with")]
    Token(#[source] Arc<dyn StdError + Send + Sync>),
}

impl Error {
    pub(crate) fn token(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Token(Arc::new(cause))
    }

    /// The call that failed, if it was one.
    #[must_use]
    pub const fn call(&self) -> Option<&CallError> {
        match self {
            Self::Call(error) => Some(error),
            _ => None,
        }
    }

    /// Why the store refused; none if a transport made the error, or no call failed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.call().and_then(CallError::reason)
    }

    /// See [`CallError::is_retriable`].
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        self.call().is_some_and(CallError::is_retriable)
    }

    /// Whether only another sign-in helps: there is no session, or it has ended.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        matches!(
            self.reason(),
            Some(
                Reason::SignInRequired
                    | Reason::TokenInvalid
                    | Reason::RefreshTokenInvalid
                    | Reason::CredentialsWrong
            )
        )
    }
}

/// A text that is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url} must be a URL such as http://127.0.0.1:8080")]
pub struct InvalidUrl {
    /// What was given; a URL that holds a user's name or a password is left out.
    pub url: String,
}

/// A field of a request that was refused, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// Its path in the request, for example `lines[2].quantity`.
    pub field: String,
    /// What it must be.
    pub description: String,
}

/// A call that the store refused, or that was not answered.
///
/// Its text is for people: method, reason, message, the first bad fields, and the id of the request
/// that an operator can look for.
#[derive(Clone)]
pub struct CallError(Arc<Facts>);

struct Facts {
    method: &'static str,
    status: Status,
    reason: Option<Reason>,
    metadata: HashMap<String, String>,
    bad_fields: Vec<BadField>,
    retry_delay: Option<Duration>,
    request_id: Option<String>,
}

impl CallError {
    /// The failure of a call of `method`.
    pub(crate) fn new(method: &'static str, status: Status) -> Self {
        let status = if is_late(&status) { late() } else { status };
        let info = error::info(&status);
        let (reason, metadata) = info.map(|info| (info.reason, info.metadata)).unzip();
        let bad_fields = error::bad_fields(&status).into_iter();
        Self(Arc::new(Facts {
            method,
            reason,
            metadata: metadata.unwrap_or_default(),
            bad_fields: bad_fields
                .map(|(field, description)| BadField { field, description })
                .collect(),
            retry_delay: error::retry_delay(&status),
            request_id: error::request_id(&status),
            status,
        }))
    }

    /// A call whose deadline has passed.
    pub(crate) fn late(method: &'static str) -> Self {
        Self::new(method, late())
    }

    /// An answer without what the contract says it has.
    pub(crate) fn incomplete(method: &'static str, missing: &str) -> Self {
        Self::new(method, Status::data_loss(format!("the answer has no {missing}")))
    }

    /// The method that was called, for example `GetCart`.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.0.method
    }

    /// Why the store refused. None if a transport made the error: then it is unknown whether the call
    /// took effect.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason
    }

    /// The gRPC code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.status.code()
    }

    /// What is the case, for people to read.
    #[must_use]
    pub fn message(&self) -> &str {
        self.0.status.message()
    }

    /// A fact for programs, for example `limit` of `CART_FULL`; docs/errors.md lists them.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key).map(String::as_str)
    }

    /// The fields that were refused, as many as the store names.
    #[must_use]
    pub fn bad_fields(&self) -> &[BadField] {
        &self.0.bad_fields
    }

    /// How long to wait before another try, if the store says so.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.retry_delay
    }

    /// The store's name for the failed request, to quote to its operator.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The cart as it is now, of `CART_STALE`, `CART_EXISTS` and `CHECKOUT_IN_PROGRESS`. None if it
    /// is too large for an error; the store has it.
    #[must_use]
    pub fn cart(&self) -> Option<Cart> {
        self.detail()
    }

    /// The total as it is now, of `PRICE_CHANGED`.
    #[must_use]
    pub fn total(&self) -> Option<Money> {
        self.detail()
    }

    /// The first of the error's details that is a `M`.
    #[must_use]
    pub fn detail<M: Name + Default>(&self) -> Option<M> {
        error::detail(&self.0.status)
    }

    /// Whether the same call may succeed later: the store says so, or a transport failed. Whether
    /// this one took effect is unknown.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self.0.reason {
            Some(reason) => matches!(
                reason,
                Reason::Overloaded
                    | Reason::Unavailable
                    | Reason::DeadlineExceeded
                    | Reason::Internal
            ),
            // Codes of a connection, or of a gateway; with others another try ends the same.
            None => matches!(
                self.code(),
                Code::Aborted
                    | Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::Internal
                    | Code::ResourceExhausted
                    | Code::Unavailable
                    | Code::Unknown
            ),
        }
    }

    /// Whether another token may help.
    pub(crate) fn is_token_refused(&self) -> bool {
        matches!(self.0.reason, Some(Reason::TokenInvalid | Reason::SignInRequired))
    }

    /// The status as it came.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.0.status
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Facts { method, reason, bad_fields, request_id, .. } = &*self.0;
        match reason {
            Some(reason) => write!(f, "{method} failed, {}", reason.wire_name())?,
            None => write!(f, "{method} failed, {:?} without a reason", self.code())?,
        }
        write!(f, ": {}", self.message())?;
        for BadField { field, description } in bad_fields.iter().take(FIELDS_SHOWN) {
            write!(f, "; {field} {description}")?;
        }
        if let Some(more @ 1..) = bad_fields.len().checked_sub(FIELDS_SHOWN) {
            write!(f, "; and {more} more")?;
        }
        request_id.iter().try_for_each(|id| write!(f, " (request {id})"))
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallError")
            .field("method", &self.0.method)
            .field("code", &self.code())
            .field("reason", &self.0.reason)
            .field("message", &self.message())
            .field("metadata", &self.0.metadata)
            .field("bad_fields", &self.0.bad_fields)
            .field("request_id", &self.0.request_id)
            .finish_non_exhaustive()
    }
}

impl StdError for CallError {}

fn late() -> Status {
    Status::deadline_exceeded("deadline exceeded before a response arrived")
}

/// tonic gives the end of its own timer another code.
fn is_late(status: &Status) -> bool {
    let outermost: &(dyn StdError + 'static) = status;
    iter::successors(Some(outermost), |cause| (*cause).source())
        .any(<dyn StdError>::is::<TimeoutExpired>)
}

#[cfg(test)]
mod tests {
    use oxcart_proto::{Refusal, rpc};
    use prost::Message as _;

    use super::*;

    fn refusal(reason: Reason) -> CallError {
        CallError::new("GetCart", Refusal::new(reason, "it is so").into())
    }

    #[test]
    fn an_error_is_told_with_its_reason_and_fields() {
        let lines = (1..=7).map(|line| format!("line {line}"));
        let refused = lines
            .fold(Refusal::new(Reason::FieldInvalid, "it is so"), |refused, line| {
                refused.field(line, "must be good")
            });
        let text = CallError::new("GetCart", refused.into()).to_string();
        let told = "GetCart failed, FIELD_INVALID: it is so; line 1 must be good;";
        assert!(text.starts_with(told) && text.ends_with("; and 2 more"), "{text}");
        let bare = refusal(Reason::CartNotFound).to_string();
        assert_eq!(bare, "GetCart failed, CART_NOT_FOUND: it is so");
    }

    #[test]
    fn the_request_can_be_quoted() {
        let status = Refusal::new(Reason::Internal, "it is so").into();
        let error = CallError::new("GetCart", error::with_request_id(&status, "r-17"));
        assert_eq!(error.request_id(), Some("r-17"));
        assert!(error.to_string().ends_with("(request r-17)"), "{error}");
    }

    #[test]
    fn only_what_may_be_otherwise_next_time_is_repeated() {
        let repeated = |reason| refusal(reason).is_retriable();
        for reason in
            [Reason::Overloaded, Reason::Unavailable, Reason::DeadlineExceeded, Reason::Internal]
        {
            assert!(repeated(reason), "{reason:?}");
        }
        assert!(!repeated(Reason::CartClosed) && !repeated(Reason::TooManyCarts));
        let transport = |code| CallError::new("GetCart", Status::new(code, "")).is_retriable();
        assert!(transport(Code::Unknown) && transport(Code::Cancelled));
        assert!(!transport(Code::Unimplemented));
    }

    #[test]
    fn a_reason_of_another_domain_is_none() {
        let info = rpc::ErrorInfo {
            reason: "UNAVAILABLE".to_owned(),
            domain: "example.com".to_owned(),
            ..rpc::ErrorInfo::default()
        };
        let info = prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
            value: info.encode_to_vec(),
        };
        let status = rpc::Status { details: vec![info], ..rpc::Status::default() };
        let details = status.encode_to_vec().into();
        let status = Status::with_details(Code::PermissionDenied, "", details);
        let error = CallError::new("GetCart", status);
        assert_eq!((error.reason(), error.is_retriable()), (None, false));
    }

    #[test]
    fn a_deadline_that_passes_here_has_the_code_that_it_has_there() {
        let status = Status::from_error(Box::new(TimeoutExpired(())));
        assert_eq!(CallError::new("GetCart", status).code(), Code::DeadlineExceeded);
    }
}
