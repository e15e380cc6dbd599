//! What the use cases refuse, as statuses: code and reason stand in one `match`.

use std::time::Duration;

use oxcart_types::MAX_AMOUNT;
use service_kit::{
    Reason,
    error::{BadFields, Refusal, internal},
};
use tonic::Status;

use super::answer;
use crate::{
    app::{AppError, StoreError},
    domain::{Cart, Refused},
};

/// What a client is told of a failed store.
const STORE_FAILED: &str = "the cart store failed";

/// When to try again after others were quicker each time.
const CONTENTION_PAUSE: Duration = Duration::from_millis(100);

/// The status for what a use case refused.
pub(super) fn status(error: AppError) -> Status {
    let message = error.to_string();
    match error {
        AppError::NoCart { .. } => Refusal::new(Reason::CartNotFound, message).into(),
        AppError::Exists { now } => with_cart(Reason::CartExists, message, &now),
        AppError::TooManyCarts { limit } => {
            Refusal::new(Reason::TooManyCarts, message).with("limit", limit).into()
        }
        AppError::Refused(refused) => refusal(&refused),
        AppError::Contended { .. } | AppError::Store(StoreError::Conflict) => {
            Refusal::new(Reason::Overloaded, message).retry_after(CONTENTION_PAUSE).into()
        }
        AppError::RequestIdReused => {
            Refusal::new(Reason::RequestIdReused, message).field("request_id", REUSED).into()
        }
        AppError::NoCheckout => Refusal::new(Reason::CheckoutNotFound, message).into(),
        AppError::Contradicted(_) => Refusal::new(Reason::CheckoutContradicted, message).into(),
        AppError::Store(StoreError::Database(failure)) => failure.into_status(STORE_FAILED),
        AppError::Store(corrupt @ StoreError::Corrupt { .. }) => internal(STORE_FAILED, &corrupt),
    }
}

/// The status for a total that no amount can hold.
pub(super) fn total_too_large() -> Status {
    let message = "the cart's total is over the largest amount";
    Refusal::new(Reason::TotalTooLarge, message).with("limit", MAX_AMOUNT).into()
}

const REUSED: &str = "must be a new one for another cart, total or payment token";

fn refusal(refused: &Refused) -> Status {
    let message = refused.to_string();
    match refused {
        Refused::Closed { state, .. } => {
            Refusal::new(Reason::CartClosed, message).with("state", state).into()
        }
        Refused::Stale { now } => with_cart(Reason::CartStale, message, now),
        Refused::Full { limit, .. } => {
            Refusal::new(Reason::CartFull, message).with("limit", limit).into()
        }
        Refused::Held { now } => with_cart(Reason::CheckoutInProgress, message, now),
        Refused::Empty { .. } => Refusal::new(Reason::CartEmpty, message).into(),
        Refused::NothingToPay { .. } => Refusal::new(Reason::NothingToPay, message).into(),
        Refused::OtherLines { .. } => {
            let mut bad = BadFields::default();
            bad.push("lines", message);
            bad.into_status()
        }
    }
}

/// A refusal with the cart as it is now. The kit leaves out a cart that no header holds.
fn with_cart(reason: Reason, message: String, now: &Cart) -> Status {
    let cart = answer::cart(now);
    Refusal::new(reason, message).with("etag", &cart.etag).detail(&cart).into()
}
