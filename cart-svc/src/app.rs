//! What the service does, one method per use case: load, decide, save.
//!
//! Deliberately absent: rules, which are the domain's, and who the caller is, which the api finds
//! out.

mod carts;
mod checkouts;
pub mod metrics;

use std::time::Duration;

use oxcart_types::CartId;
use service_kit::Sources;

use crate::domain::{Cart, Contradiction, Refused};

pub use carts::Carts;
pub use checkouts::{Checkouts, Timing};
// What the use cases take and fail with: the api knows them as words of ours.
pub use crate::store::{CheckoutName, Cursor, Shelf, StoreError};

/// How often a use case loads and decides anew when somebody else was quicker to save.
const TRIES: u32 = 16;

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such cart, or it is somebody else's.
    #[error("cart {cart} does not exist")]
    NoCart {
        /// The cart.
        cart: CartId,
    },
    /// The caller's id for a new cart is taken by another one of his.
    #[error("cart {} exists and is not as it was created", now.id)]
    Exists {
        /// The one that is there.
        now: Box<Cart>,
    },
    /// The user has as many unpurchased carts as allowed.
    #[error("you have {limit} carts, as many as you may have: check one out or delete one")]
    TooManyCarts {
        /// How many are allowed.
        limit: i64,
    },
    /// The cart does not do it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Others changed the cart each time before we could. Nothing has changed.
    #[error("cart {cart} is being changed by too many at once")]
    Contended {
        /// The cart.
        cart: CartId,
    },
    /// The request id was used before, for something else.
    #[error("the request_id was used before with another cart, total or payment token")]
    RequestIdReused,
    /// There is no such checkout, or it is somebody else's.
    #[error("the checkout does not exist")]
    NoCheckout,
    /// The payment's outcome cannot be true of the checkout.
    #[error(transparent)]
    Contradicted(#[from] Contradiction),
    /// The store failed.
    #[error("the cart store failed")]
    Store(#[from] StoreError),
}

/// Passes on whether a save went through, and waits a moment if somebody else was quicker.
async fn saved(
    result: Result<(), StoreError>,
    attempt: u32,
    sources: &Sources,
) -> Result<bool, StoreError> {
    match result {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => {
            let wait = Duration::from_millis(1 << attempt.min(16)).min(LONGEST_WAIT);
            tokio::time::sleep(sources.jitter(wait, 0.0, 1.0)).await;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
