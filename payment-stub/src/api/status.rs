//! What the use cases refuse, as statuses: code and reason stand in one `match`.

use std::time::Duration;

use kit_rpc::error::{failed, internal, unavailable};
use oxcart_proto::{Reason, Refusal};
use tonic::Status;

use crate::{
    app::{Error, StoreError},
    domain::{key::PaymentKey, scenario::Trouble},
};

/// What a client is told of a failed store.
const STORE_FAILED: &str = "the payment store failed";

/// When to try again after trouble that a test token asked for.
const SCRIPTED_PAUSE: Duration = Duration::from_millis(100);

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let about = |reason, key: &PaymentKey| Refusal::new(reason, message).with("key", key);
        match error {
            Error::NotFound { key } => about(Reason::PaymentNotFound, &key).into(),
            Error::NotCaptured { key } => about(Reason::PaymentNotCaptured, &key).into(),
            Error::KeyReused { key } => about(Reason::PaymentKeyReused, &key).into(),
            Error::Scripted(trouble) => scripted(trouble),
            Error::Store(cause) => store(&cause),
            Error::Acquirer(cause) => store(&cause.into_inner()),
        }
    }
}

fn store(cause: &StoreError) -> Status {
    match cause {
        StoreError::Database(failure) => failed(STORE_FAILED, failure, failure.is_unavailable()),
        StoreError::Conflict => unavailable(STORE_FAILED, cause),
        StoreError::Unreadable { .. } => internal(STORE_FAILED, cause),
    }
}

#[expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]
fn scripted(trouble: Trouble) -> Status {
    match trouble {
        // As a connection that breaks would have it: no ErrorInfo, so the outcome is unknown.
        Trouble::ReplyLost | Trouble::NoReply => Status::unavailable("connection reset by peer"),
        Trouble::ErrorAfterCapture => {
            Refusal::new(Reason::Internal, "the processor failed, as its test token asks").into()
        }
        Trouble::Unavailable { .. } | Trouble::None | Trouble::Slow | Trouble::Late => {
            Refusal::new(Reason::Unavailable, "the processor is away, as its test token asks")
                .retry_after(SCRIPTED_PAUSE)
                .into()
        }
    }
}
