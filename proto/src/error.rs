//! How an error is written into a status and read from it: every error of a service carries its
//! canonical code and a `google.rpc.ErrorInfo`.
//!
//! A caller that finds no ErrorInfo of our domain in a status knows that a transport made it, and
//! that the outcome of its call is unknown.

#![expect(clippy::disallowed_methods, reason = "the one place where an error of ours is made")]

use std::{collections::HashMap, fmt::Display, iter, time::Duration};

use prost::{Message, Name};
use prost_types::Any;
use tonic::{Code, Status};

use crate::{reason::DOMAIN, rpc as pb};

pub use crate::common::ErrorReason as Reason;

/// Bad fields that one answer names. More are refused all the same.
const MAX_FIELDS: usize = 100;

/// Messages, metadata and descriptions are cut off here: an input that is echoed may be long.
pub(crate) const MAX_TEXT_BYTES: usize = 200;

/// What the details of a status may take. They travel in a header, as base64, and many peers cut the
/// connection of one that sends more than 8 KiB of headers: then the reason would be lost with it.
pub(crate) const MAX_DETAILS_BYTES: usize = 4_800;

/// What a status takes besides its message and details, the request's id among it, rounded up.
const FRAME_BYTES: usize = 192;

/// Metadata that says that a detail was too large to send.
const OMITTED: &str = "detail_omitted";

const TYPE_PREFIX: &str = "type.googleapis.com/";
const ERROR_INFO: &str = "google.rpc.ErrorInfo";
const BAD_REQUEST: &str = "google.rpc.BadRequest";
const RETRY_INFO: &str = "google.rpc.RetryInfo";
const REQUEST_INFO: &str = "google.rpc.RequestInfo";

/// Builds a [`Status`] for one [`Reason`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Refusal {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    fields: Vec<(String, String)>,
    retry_after: Option<Duration>,
    details: Vec<Any>,
}

impl Refusal {
    /// Refuses for `reason`; `message` says what is the case, for a person to read.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            fields: Vec::new(),
            retry_after: None,
            details: Vec::new(),
        }
    }

    /// Adds a fact for programs to `ErrorInfo.metadata`.
    pub fn with(mut self, key: &'static str, value: impl Display) -> Self {
        self.metadata.insert(key.to_owned(), cut(&value.to_string()));
        self
    }

    /// Says when to try again.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Adds a message of the contract to the details, such as the current state of a thing. One of
    /// more than some 4 KB is left out, and the metadata `detail_omitted` is `true` then.
    pub fn detail(mut self, message: &impl Name) -> Self {
        let detail = pack_own(message);
        if detail.encoded_len() > MAX_DETAILS_BYTES - 800 {
            return self.with(OMITTED, true);
        }
        self.details.push(detail);
        self
    }

    /// Names a bad field and what is wrong with it. From the 101st on they are left out, sooner if
    /// they are long.
    pub fn field(mut self, field: impl Into<String>, description: impl Display) -> Self {
        if self.fields.len() < MAX_FIELDS {
            self.fields.push((field.into(), cut(&description.to_string())));
        }
        self
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let message = cut(&refusal.message);
        let code = refusal.reason.code();
        let info = pack(
            ERROR_INFO,
            &pb::ErrorInfo {
                reason: refusal.reason.wire_name().to_owned(),
                domain: DOMAIN.to_owned(),
                metadata: refusal.metadata,
            },
        );
        let retry_info = refusal.retry_after.map(|delay| {
            pack(
                RETRY_INFO,
                &pb::RetryInfo { retry_delay: prost_types::Duration::try_from(delay).ok() },
            )
        });
        let mut details: Vec<Any> =
            iter::once(info).chain(retry_info).chain(refusal.details).collect();
        let taken: usize = details.iter().map(Message::encoded_len).sum();
        let taken = taken + message.len() + FRAME_BYTES;
        let bad_request = bad_request(refusal.fields, MAX_DETAILS_BYTES.saturating_sub(taken));
        details.extend(bad_request.map(|bad_request| pack(BAD_REQUEST, &bad_request)));
        let status = pb::Status { code: code.into(), message: message.clone(), details };
        Self::with_details(code, message, status.encode_to_vec().into())
    }
}

/// As many of `fields` as fit into `budget` bytes.
fn bad_request(fields: Vec<(String, String)>, budget: usize) -> Option<pb::BadRequest> {
    // What prost adds to each text, rounded up.
    const OVERHEAD: usize = 12;
    let mut taken = 0;
    let violations = fields.into_iter().map(|(field, description)| (cut(&field), description));
    let fitting = violations.take_while(|(field, description)| {
        taken += field.len() + description.len() + OVERHEAD;
        taken <= budget
    });
    let field_violations: Vec<_> = fitting
        .map(|(field, description)| pb::bad_request::FieldViolation {
            field,
            description,
            ..Default::default()
        })
        .collect();
    (!field_violations.is_empty()).then_some(pb::BadRequest { field_violations })
}

/// Adds the name of the failed request, unless the status has one: a user can quote it, and an
/// operator finds it in the logs.
#[must_use]
pub fn with_request_id(status: &Status, request_id: &str) -> Status {
    let mut known = pb::Status::decode(status.details()).unwrap_or_default();
    if !known.details.iter().any(|any| is_a(REQUEST_INFO, any)) {
        let info = pb::RequestInfo { request_id: request_id.to_owned(), ..Default::default() };
        known.details.push(pack(REQUEST_INFO, &info));
    }
    let (code, message) = (status.code(), status.message().to_owned());
    let details =
        pb::Status { code: code.into(), message: message.clone(), details: known.details };
    Status::with_details(code, message, details.encode_to_vec().into())
}

/// Reads the name of the failed request.
#[must_use]
pub fn request_id(status: &Status) -> Option<String> {
    let info: pb::RequestInfo = unpack(REQUEST_INFO, status)?;
    Some(info.request_id).filter(|id| !id.is_empty())
}

/// What an error of ours says to programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Why.
    pub reason: Reason,
    /// Facts about it.
    pub metadata: HashMap<String, String>,
}

/// Reads the `ErrorInfo` of our domain. None if there is none: then a transport made the status, and
/// whether the call took effect is unknown.
#[must_use]
pub fn info(status: &Status) -> Option<Info> {
    let found: pb::ErrorInfo = unpack(ERROR_INFO, status)?;
    let reason = Reason::from_wire_name(&found.reason).filter(|_| found.domain == DOMAIN)?;
    Some(Info { reason, metadata: found.metadata })
}

/// Reads the first detail that is an `M`.
#[must_use]
pub fn detail<M: Name + Default>(status: &Status) -> Option<M> {
    unpack(&M::full_name(), status)
}

/// Reads the bad fields and what is wrong with each.
#[must_use]
pub fn bad_fields(status: &Status) -> Vec<(String, String)> {
    let bad_request: pb::BadRequest = unpack(BAD_REQUEST, status).unwrap_or_default();
    bad_request.field_violations.into_iter().map(|v| (v.field, v.description)).collect()
}

/// Reads when to try again.
#[must_use]
pub fn retry_delay(status: &Status) -> Option<Duration> {
    unpack::<pb::RetryInfo>(RETRY_INFO, status)?.retry_delay?.try_into().ok()
}

/// Whether repeating an idempotent call may help: the server said so, or a transport failed.
#[must_use]
pub fn is_transient(status: &Status) -> bool {
    match info(status) {
        Some(info) => info.reason == Reason::Unavailable || info.reason == Reason::Overloaded,
        None => {
            matches!(status.code(), Code::Unavailable | Code::Unknown | Code::ResourceExhausted)
        }
    }
}

fn pack_own<M: Name>(message: &M) -> Any {
    pack(&M::full_name(), message)
}

fn pack(full_name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("{TYPE_PREFIX}{full_name}"), value: message.encode_to_vec() }
}

fn unpack<M: Message + Default>(full_name: &str, status: &Status) -> Option<M> {
    let details = pb::Status::decode(status.details()).ok()?.details;
    let found = details.iter().find(|any| is_a(full_name, any))?;
    M::decode(found.value.as_slice()).ok()
}

fn is_a(full_name: &str, any: &Any) -> bool {
    any.type_url.strip_prefix(TYPE_PREFIX) == Some(full_name)
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_TEXT_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_TEXT_BYTES)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Money;

    #[test]
    fn a_refusal_reads_back_with_everything_in_it() {
        let total = Money { currency_code: "GBP".into(), minor_units: 5 };
        let status: Status = Refusal::new(Reason::PriceChanged, "the total is GBP 0.05 now")
            .with("total", 5)
            .retry_after(Duration::from_secs(2))
            .field("expected_total", "is not the total")
            .detail(&total)
            .into();
        assert_eq!(status.code(), Code::FailedPrecondition);
        let read = info(&status).unwrap();
        assert_eq!((read.reason, read.metadata["total"].as_str()), (Reason::PriceChanged, "5"));
        assert_eq!(detail::<Money>(&status), Some(total));
        assert_eq!(retry_delay(&status), Some(Duration::from_secs(2)));
        assert_eq!(bad_fields(&status)[0].0, "expected_total");
    }

    #[test]
    fn a_request_is_named_once_and_the_rest_of_the_error_stays() {
        let refused: Status = Refusal::new(Reason::CartStale, "stale").with("etag", "v2").into();
        let named = with_request_id(&with_request_id(&refused, "first"), "second");
        assert_eq!(request_id(&named).as_deref(), Some("first"));
        assert_eq!(info(&named), info(&refused));
        assert_eq!((named.code(), named.message()), (refused.code(), refused.message()));
        let bare = with_request_id(&Status::unimplemented("no such method"), "third");
        assert_eq!((request_id(&bare).as_deref(), info(&bare)), (Some("third"), None));
        assert_eq!(bare.code(), Code::Unimplemented);
    }

    #[test]
    fn the_fullest_error_has_room_for_the_name_of_its_request() {
        let many = (0..1_000).map(|index| format!("lines[{index}].quantity"));
        let full = many.fold(Refusal::new(Reason::FieldInvalid, "x".repeat(500)), |full, field| {
            full.field(field, "must be from 1 to 1000000")
        });
        let named = with_request_id(&full.into(), &"f".repeat(32));
        assert!(request_id(&named).is_some() && named.details().len() <= MAX_DETAILS_BYTES);
    }

    #[test]
    fn a_status_of_a_transport_says_nothing() {
        let status = Status::unavailable("tcp connect error");
        assert_eq!(info(&status), None);
        assert!(is_transient(&status));
    }

    #[test]
    fn a_detail_that_no_header_holds_is_left_out_and_said_to_be() {
        let huge = Money { currency_code: "x".repeat(5_000), minor_units: 5 };
        let status: Status = Refusal::new(Reason::PriceChanged, "").detail(&huge).into();
        assert_eq!(detail::<Money>(&status), None);
        assert_eq!(info(&status).unwrap().metadata["detail_omitted"], "true");
    }
}
