//! Gives an `ErrorInfo` to the errors that tonic makes of a request it cannot read.
//!
//! tonic answers INTERNAL to a message that does not decode, and OUT_OF_RANGE to one that is too
//! large, packed or unpacked: both are the caller's mistake, and a caller must be able to tell them from a transport's.

use axum::response::Response;
use oxcart_proto::{Reason, Refusal, error};
use tonic::{Code, Status};

const DECODE: &str = "failed to decode Protobuf message: ";
const DECOMPRESS: &str = "Error decompressing: ";
const DECOMPRESS_LIMIT: &str = "Error decompressing: size limit";
const MISSING: &str = "Missing request message";
const CUT_OFF: &str = "Unexpected EOF decoding stream";

/// The response as it is, unless it is an error without an `ErrorInfo`.
pub(super) fn normalize_errors(max_message_bytes: usize, response: Response) -> Response {
    let status = Status::from_header_map(response.headers());
    let better = status.and_then(|status| reason(&status, max_message_bytes));
    better.map_or(response, |refusal| Status::from(refusal).into_http())
}

fn reason(status: &Status, max_message_bytes: usize) -> Option<Refusal> {
    if !status.details().is_empty() || error::info(status).is_some() {
        return None;
    }
    let message = status.message();
    match status.code() {
        Code::ResourceExhausted if !message.starts_with(DECOMPRESS_LIMIT) => None,
        Code::OutOfRange | Code::ResourceExhausted => {
            let message = format!("the request is over {max_message_bytes} bytes");
            Some(Refusal::new(Reason::FieldInvalid, message))
        }
        Code::Internal if message.starts_with(DECODE) => {
            let what = message.trim_start_matches(DECODE);
            Some(Refusal::new(Reason::FieldInvalid, format!("the request does not decode: {what}")))
        }
        Code::Internal if message.starts_with(DECOMPRESS) => {
            Some(Refusal::new(Reason::FieldInvalid, "the request does not decompress"))
        }
        Code::Internal if message.starts_with(MISSING) || message.starts_with(CUT_OFF) => {
            Some(Refusal::new(Reason::FieldInvalid, "the request is incomplete"))
        }
        Code::Internal | Code::Unknown => {
            tracing::error!(code = ?status.code(), error = message, "an error without a reason");
            Some(Refusal::new(Reason::Internal, "the call failed"))
        }
        // The rest is left as it is: UNIMPLEMENTED is tonic's to say.
        _ => None,
    }
}
