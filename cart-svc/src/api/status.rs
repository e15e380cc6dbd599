//! What the use cases refuse, as statuses: code and reason stand in one `match`.

use std::time::Duration;

use kit_rpc::error::{failed, internal};
use oxcart_proto::{BadFields, Reason, Refusal};
use tonic::Status;

use super::response;
use crate::{
    app::{Error, StoreError},
    domain::{Cart, Refused},
};

/// What a client is told of a failed store.
const STORE_FAILED: &str = "the cart store failed";

/// When to try again after a version conflict on every try.
const CONTENTION_PAUSE: Duration = Duration::from_millis(100);

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::CartNotFound { .. } => Refusal::new(Reason::CartNotFound, message).into(),
            Error::Exists { now } => with_cart(Reason::CartExists, message, &now),
            Error::TooManyCarts { limit } => {
                Refusal::new(Reason::TooManyCarts, message).with("limit", limit).into()
            }
            Error::Refused(refused) => refusal(&refused),
            Error::Contended { .. } | Error::Store(StoreError::Conflict) => {
                Refusal::new(Reason::Overloaded, message).retry_after(CONTENTION_PAUSE).into()
            }
            Error::RequestIdReused { checkout } => Refusal::new(Reason::RequestIdReused, message)
                .field("request_id", REUSED)
                .with("checkout_id", checkout)
                .into(),
            Error::CheckoutNotFound => Refusal::new(Reason::CheckoutNotFound, message).into(),
            Error::Contradicted(_) => Refusal::new(Reason::CheckoutContradicted, message).into(),
            Error::Store(StoreError::Database(failure)) => {
                failed(STORE_FAILED, &failure, failure.is_unavailable())
            }
            Error::Store(unreadable @ StoreError::Unreadable { .. }) => {
                internal(STORE_FAILED, &unreadable)
            }
        }
    }
}

const REUSED: &str = "must be a new one for another cart, total or payment token";

fn refusal(refused: &Refused) -> Status {
    let message = refused.to_string();
    match refused {
        Refused::Closed { state, checkout, .. } => Refusal::new(Reason::CartClosed, message)
            .with("state", state)
            .with("checkout_id", checkout)
            .into(),
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
    let cart = response::cart(now);
    let refusal = Refusal::new(reason, message).with("etag", &cart.etag);
    let refusal = match now.hold.checkout() {
        Some(checkout) => refusal.with("checkout_id", checkout),
        None => refusal,
    };
    refusal.detail(&cart).into()
}
