//! What the service does, one method per use case: load, decide, save with optimistic locking.
//!
//! The rules are the domain's; who the caller is, the api has found out.

mod carts;
mod checkouts;
mod error;
pub mod metrics;

use std::time::Duration;

use kit_service::Env;
use oxcart_types::Backoff;

pub use carts::Carts;
pub use checkouts::{Checkouts, Timing};
pub use error::Error;
// What the use cases take and fail with: the api knows them as words of ours.
pub use crate::store::{CheckoutName, Cursor, StoreError};

/// Tries of a read-modify-write before a version conflict is reported.
const TRIES: u32 = 16;

/// How long to wait between two of these tries, at most.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(64));

/// Whether a save went through. Waits with backoff and full jitter after a version conflict.
async fn saved(
    result: Result<(), StoreError>,
    attempt: u32,
    env: &Env,
) -> Result<bool, StoreError> {
    match result {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => {
            tokio::time::sleep(env.jitter(BACKOFF.bound(attempt + 1), 0.0, 1.0)).await;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
