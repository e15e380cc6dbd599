//! Why a use case failed: a variant for each thing that a client can act on.

use oxcart_proto::Reason;
use oxcart_types::{CartState, CheckoutId, Money, Sku};

use crate::{
    clients::CallError,
    domain::cart::{PricedCart, PricingError},
};

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Items of the request are not for sale.
    #[error("{} of the request's items are not for sale", .items.len())]
    ItemsUnknown {
        /// The field of each, and what it holds.
        items: Vec<(String, Sku)>,
    },
    /// The cart has no price, or none that can be paid.
    #[error(transparent)]
    Pricing(#[from] PricingError),
    /// The cart costs something else than the client expects.
    #[error("the cart costs {total} now")]
    PriceChanged {
        /// What it costs.
        total: Money,
    },
    /// The cart accepts no changes and cannot be checked out.
    #[error("the cart is {state} and accepts no changes")]
    CartClosed {
        /// Why.
        state: CartState,
        /// The checkout that holds it.
        checkout: Option<CheckoutId>,
    },
    /// The cart is not as the client believes.
    #[error("{}", .conflict.sentence())]
    Conflict {
        /// In what way.
        conflict: Conflict,
        /// The cart as it is.
        cart: Box<PricedCart>,
    },
    /// The request id names another purchase.
    #[error("the request_id was used before with another cart, total or payment token")]
    RequestIdReused {
        /// The checkout that it started then.
        checkout: CheckoutId,
    },
    /// As much as allowed is going on already.
    #[error("the controller has as many {what} as it can handle")]
    Overloaded {
        /// Of what.
        what: &'static str,
    },
    /// A service behind refused, failed or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// In what way a cart is not as a client believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// It has changed since it was seen.
    Stale,
    /// A checkout holds it.
    CheckoutInProgress,
    /// It is there already, with other contents.
    Exists,
}

impl Conflict {
    /// The conflict in words.
    const fn sentence(self) -> &'static str {
        match self {
            Self::Stale => "the cart has changed since it was read",
            Self::CheckoutInProgress => "another checkout holds the cart",
            Self::Exists => "another cart has this id",
        }
    }
}

impl Conflict {
    /// The conflict that a reason of the contract stands for, if it does.
    #[must_use]
    pub const fn of(reason: Reason) -> Option<Self> {
        match reason {
            Reason::CartStale => Some(Self::Stale),
            Reason::CheckoutInProgress => Some(Self::CheckoutInProgress),
            Reason::CartExists => Some(Self::Exists),
            _ => None,
        }
    }

    /// The reason of the contract.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Stale => Reason::CartStale,
            Self::CheckoutInProgress => Reason::CheckoutInProgress,
            Self::Exists => Reason::CartExists,
        }
    }
}
