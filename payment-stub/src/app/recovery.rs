//! Resumes orphaned PROCESSING payments: after a start all that the last process left, afterwards what
//! other processes left or what was too much at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Settler;
use crate::store::{PaymentStore, StoreError};

/// Keys that are read at a time.
const PAGE: u32 = 100;

/// Sweeps now and then every `interval`, until `stop`. Replicas may sweep at the same time: whoever
/// asks the acquirer for a key gets the same answer.
pub async fn sweep_until(
    stop: CancellationToken,
    interval: Duration,
    store: &dyn PaymentStore,
    settler: &Settler,
) {
    loop {
        if let Err(error) = sweep(store, settler).await {
            let error = kit_service::chain(&error);
            tracing::warn!(error, "undecided payments cannot be read, trying again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Has every undecided payment decided, as far as there is room.
async fn sweep(store: &dyn PaymentStore, settler: &Settler) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let keys = store.undecided(after.as_ref(), PAGE).await?;
        if keys.iter().any(|key| settler.start(key, None).is_none()) {
            return Ok(());
        }
        match keys.into_iter().last() {
            None => return Ok(()),
            last => after = last,
        }
    }
}
