//! Statuses for what a service cannot help. Their causes are logged here, once.

use std::{error::Error, time::Duration};

use kit_service::chain;
use oxcart_proto::{Reason, Refusal};
use tonic::Status;

/// [`unavailable`] if what failed is likely to work in a moment, otherwise [`internal`].
#[must_use]
pub fn failed(
    context: &'static str,
    error: &(dyn Error + 'static),
    is_unavailable: bool,
) -> Status {
    if is_unavailable { unavailable(context, error) } else { internal(context, error) }
}

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
