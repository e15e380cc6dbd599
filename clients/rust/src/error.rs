//! What a failed call says. Decide by the reason, not by the code: a connection that breaks has
//! codes of its own, and no reason.

use std::{collections::HashMap, error::Error as StdError, fmt, iter, sync::Arc, time::Duration};

use oxcart_proto::{
    DOMAIN,
    common::{ErrorReason, Money},
    controller::Cart,
};
use prost::{Message, Name};
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::pb;

/// How many bad fields an error's text names.
const FIELDS_SHOWN: usize = 5;

const TYPE_PREFIX: &str = "type.googleapis.com/";

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
    pub fn reason(&self) -> Option<ErrorReason> {
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
                ErrorReason::SignInRequired
                    | ErrorReason::TokenInvalid
                    | ErrorReason::RefreshTokenInvalid
                    | ErrorReason::CredentialsWrong
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
    reason: Option<ErrorReason>,
    metadata: HashMap<String, String>,
    bad_fields: Vec<BadField>,
    retry_delay: Option<Duration>,
    request_id: Option<String>,
}

impl CallError {
    /// The failure of a call of `method`.
    pub(crate) fn new(method: &'static str, status: Status) -> Self {
        let status = if is_late(&status) { late() } else { status };
        let details = details(&status);
        let info = first::<pb::ErrorInfo>("google.rpc.ErrorInfo", &details);
        let info = info.filter(|info| info.domain == DOMAIN).unwrap_or_default();
        let bad_request = first::<pb::BadRequest>("google.rpc.BadRequest", &details);
        let retry_info = first::<pb::RetryInfo>("google.rpc.RetryInfo", &details);
        let request_info = first::<pb::RequestInfo>("google.rpc.RequestInfo", &details);
        Self(Arc::new(Facts {
            method,
            reason: ErrorReason::from_wire_name(&info.reason),
            metadata: info.metadata,
            bad_fields: bad_request.map(bad_fields).unwrap_or_default(),
            retry_delay: retry_info
                .and_then(|info| info.retry_delay)
                .and_then(|delay| delay.try_into().ok()),
            request_id: request_info.map(|info| info.request_id).filter(|id| !id.is_empty()),
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
    pub fn reason(&self) -> Option<ErrorReason> {
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
        first(&M::full_name(), &details(&self.0.status))
    }

    /// Whether the same call may succeed later: the store says so, or a transport failed. Whether
    /// this one took effect is unknown.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self.0.reason {
            Some(reason) => matches!(
                reason,
                ErrorReason::Overloaded
                    | ErrorReason::Unavailable
                    | ErrorReason::DeadlineExceeded
                    | ErrorReason::Internal
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
        matches!(self.0.reason, Some(ErrorReason::TokenInvalid | ErrorReason::SignInRequired))
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

fn details(status: &Status) -> pb::Status {
    pb::Status::decode(status.details()).unwrap_or_default()
}

fn first<M: Message + Default>(full_name: &str, status: &pb::Status) -> Option<M> {
    let mut details = status.details.iter();
    let found = details.find(|any| any.type_url.strip_prefix(TYPE_PREFIX) == Some(full_name))?;
    M::decode(found.value.as_slice()).ok()
}

fn bad_fields(bad: pb::BadRequest) -> Vec<BadField> {
    let fields = bad.field_violations.into_iter();
    fields.map(|bad| BadField { field: bad.field, description: bad.description }).collect()
}

#[cfg(test)]
mod tests {
    use tonic_types::{ErrorDetails, StatusExt as _};

    use super::*;

    fn refusal(reason: ErrorReason, mut details: ErrorDetails) -> CallError {
        details.set_error_info(reason.wire_name(), DOMAIN, HashMap::new());
        CallError::new("GetCart", Status::with_error_details(reason.code(), "it is so", details))
    }

    #[test]
    fn an_error_is_told_with_its_reason_and_fields() {
        let mut details = ErrorDetails::new();
        for line in 1..=7 {
            details.add_bad_request_violation(format!("line {line}"), "must be good");
        }
        let text = refusal(ErrorReason::FieldInvalid, details).to_string();
        let told = "GetCart failed, FIELD_INVALID: it is so; line 1 must be good;";
        assert!(text.starts_with(told) && text.ends_with("; and 2 more"), "{text}");
        let bare = refusal(ErrorReason::CartNotFound, ErrorDetails::new()).to_string();
        assert_eq!(bare, "GetCart failed, CART_NOT_FOUND: it is so");
    }

    #[test]
    fn the_request_can_be_quoted() {
        let mut details = ErrorDetails::new();
        details.set_request_info("r-17", "");
        let error = refusal(ErrorReason::Internal, details);
        assert_eq!(error.request_id(), Some("r-17"));
        assert!(error.to_string().ends_with("(request r-17)"), "{error}");
    }

    #[test]
    fn only_what_may_be_otherwise_next_time_is_repeated() {
        let repeated = |reason| refusal(reason, ErrorDetails::new()).is_retriable();
        for reason in [
            ErrorReason::Overloaded,
            ErrorReason::Unavailable,
            ErrorReason::DeadlineExceeded,
            ErrorReason::Internal,
        ] {
            assert!(repeated(reason), "{reason:?}");
        }
        assert!(!repeated(ErrorReason::CartClosed) && !repeated(ErrorReason::TooManyCarts));
        let transport = |code| CallError::new("GetCart", Status::new(code, "")).is_retriable();
        assert!(transport(Code::Unknown) && transport(Code::Cancelled));
        assert!(!transport(Code::Unimplemented));
    }

    #[test]
    fn a_reason_of_another_domain_is_none() {
        let details = ErrorDetails::with_error_info("UNAVAILABLE", "example.com", HashMap::new());
        let status = Status::with_error_details(Code::PermissionDenied, "", details);
        let error = CallError::new("GetCart", status);
        assert_eq!((error.reason(), error.is_retriable()), (None, false));
    }

    #[test]
    fn a_deadline_that_passes_here_has_the_code_that_it_has_there() {
        let status = Status::from_error(Box::new(TimeoutExpired(())));
        assert_eq!(CallError::new("GetCart", status).code(), Code::DeadlineExceeded);
    }
}
