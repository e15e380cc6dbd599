//! Statuses for what a service cannot help. Their causes are logged here, once.

use std::{error::Error, iter, time::Duration};

use tonic::Status;

pub use oxcart_proto::{
    BadFields, Reason, Refusal,
    error::{Info, bad_fields, detail, info, is_transient, retry_delay},
};

/// INTERNAL for a fault that no caller can mend. The causes are logged here, once, and do not reach
/// the client: it is told `context`, for example "the cart store failed".
#[must_use]
pub fn internal(context: &'static str, error: &(dyn Error + 'static)) -> Status {
    tracing::error!(error = chain(error), "{context}");
    Refusal::new(Reason::Internal, context).into()
}

/// UNAVAILABLE, to be tried again in a second, for what is likely to pass. The causes are logged
/// here, once, and do not reach the client.
#[must_use]
pub fn unavailable(context: &'static str, error: &(dyn Error + 'static)) -> Status {
    tracing::warn!(error = chain(error), "{context}, for now");
    Refusal::new(Reason::Unavailable, context).retry_after(Duration::from_secs(1)).into()
}

/// An error and its causes, from the outside in, in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
