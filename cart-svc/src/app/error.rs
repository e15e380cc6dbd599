//! Why a use case did not do what was asked.

use oxcart_types::{CartId, CheckoutId};

use crate::{
    domain::{Cart, Contradiction, Refused},
    store::StoreError,
};

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such cart, or it is another user's.
    #[error("cart {cart} does not exist")]
    CartNotFound {
        /// The cart.
        cart: CartId,
    },
    /// The caller has another cart under the id for the new one.
    #[error("cart {} exists and is not as it was created", now.id)]
    Exists {
        /// The one that is there.
        now: Box<Cart>,
    },
    /// The user has as many unpurchased carts as allowed.
    #[error("cart limit reached ({limit}): check out or delete a cart")]
    TooManyCarts {
        /// How many are allowed.
        limit: i64,
    },
    /// The cart's rules forbid it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Every try met a version conflict. Nothing has changed.
    #[error("cart {cart} is being changed by too many calls at once")]
    Contended {
        /// The cart.
        cart: CartId,
    },
    /// The request id was used before, for something else.
    #[error("the request_id was used before with another cart, total or payment token")]
    RequestIdReused {
        /// The checkout that it started then.
        checkout: CheckoutId,
    },
    /// There is no such checkout, or it is another user's.
    #[error("the checkout does not exist")]
    CheckoutNotFound,
    /// The payment's outcome cannot be true of the checkout.
    #[error(transparent)]
    Contradicted(#[from] Contradiction),
    /// The store failed.
    #[error("the cart store failed")]
    Store(#[from] StoreError),
}
