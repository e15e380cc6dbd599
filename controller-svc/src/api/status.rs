//! The one place that says what a failure looks like to a client.

use std::time::Duration;

use kit_rpc::error;
use oxcart_proto::{Reason, Refusal, common};
use oxcart_types::{CheckoutId, MAX_AMOUNT};
use tonic::Status;

use super::response;
use crate::{
    app::Error,
    clients::{CallError, Refused},
    domain::cart::PricingError,
};

/// When a client tries again that was shed.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl From<Error> for Status {
    fn from(failure: Error) -> Self {
        let message = failure.to_string();
        match failure {
            Error::ItemsUnknown { items } => {
                let refusal = Refusal::new(Reason::ItemUnknown, message);
                let name = |refusal: Refusal, (field, sku): (String, _)| {
                    refusal.field(field, format!("{sku} is not for sale"))
                };
                items.into_iter().fold(refusal, name).into()
            }
            Error::Pricing(error) => pricing(error),
            Error::PriceChanged { total } => Refusal::new(Reason::PriceChanged, message)
                .detail(&common::Money::from(total))
                .into(),
            Error::CartClosed { state, checkout } => {
                let refusal = Refusal::new(Reason::CartClosed, message).with("state", state);
                with_checkout(refusal, checkout).into()
            }
            Error::Conflict { conflict, cart } => {
                let holder = cart.cart.checkout;
                let cart = response::cart(*cart);
                let refusal = Refusal::new(conflict.reason(), message);
                let refusal = refusal.with("etag", &cart.etag);
                with_checkout(refusal, holder).detail(&cart).into()
            }
            Error::RequestIdReused { checkout } => Refusal::new(Reason::RequestIdReused, message)
                .field("request_id", "was used before with another cart, total or payment token")
                .with("checkout_id", checkout)
                .into(),
            Error::Overloaded { .. } => {
                Refusal::new(Reason::Overloaded, message).retry_after(TRY_AGAIN).into()
            }
            Error::Call(error) => call(&error),
        }
    }
}

/// A client that is back from a crash learns from it whether it has paid.
fn with_checkout(refusal: Refusal, holder: Option<CheckoutId>) -> Refusal {
    match holder {
        Some(checkout) => refusal.with("checkout_id", checkout),
        None => refusal,
    }
}

fn pricing(failure: PricingError) -> Status {
    let message = failure.to_string();
    match failure {
        PricingError::CurrencyMixed { sku, .. } => {
            Refusal::new(Reason::CurrencyMixed, message).with("sku", sku)
        }
        PricingError::TotalTooLarge => {
            Refusal::new(Reason::TotalTooLarge, message).with("limit", MAX_AMOUNT)
        }
        PricingError::Unavailable { skus } => {
            let skus: Vec<String> = skus.iter().map(ToString::to_string).collect();
            Refusal::new(Reason::ItemUnavailable, message).with("skus", skus.join(","))
        }
        PricingError::Empty => Refusal::new(Reason::CartEmpty, message),
        PricingError::NothingToPay => Refusal::new(Reason::NothingToPay, message),
    }
    .into()
}

fn call(failure: &CallError) -> Status {
    match failure {
        CallError::Refused { refused, .. } => passed_on(refused)
            .unwrap_or_else(|| error::internal("a service behind the store failed", failure)),
        CallError::Unknown { .. } => {
            error::unavailable("a service behind the store does not answer", failure)
        }
        CallError::Broken { .. } => error::internal("a service behind the store failed", failure),
    }
}

/// A refusal that this service's contract promises too, made anew so that nothing else of the other
/// service's status comes along. None for what a client of this service cannot act on.
fn passed_on(refused: &Refused) -> Option<Status> {
    match refused.reason {
        Reason::FieldInvalid
        | Reason::SignInRequired
        | Reason::TokenInvalid
        | Reason::ScopeMissing
        | Reason::Overloaded
        | Reason::ItemUnknown
        | Reason::ItemUnavailable
        | Reason::CurrencyMixed
        | Reason::CartNotFound
        | Reason::CartClosed
        // With the cart in the details they are an `Error::Conflict`. These came without: the
        // cart is too large for a header, and `detail_omitted` says so.
        | Reason::CartStale
        | Reason::CartExists
        | Reason::CheckoutInProgress
        | Reason::CartFull
        | Reason::TooManyCarts
        | Reason::TotalTooLarge
        | Reason::CartEmpty
        | Reason::NothingToPay
        | Reason::RequestIdReused
        | Reason::CheckoutNotFound => {}
        _ => return None,
    }
    let mut refusal = Refusal::new(refused.reason, refused.message.clone());
    for key in METADATA {
        if let Some(value) = refused.metadata.get(key) {
            refusal = refusal.with(key, value);
        }
    }
    if let Some(delay) = refused.retry_after {
        refusal = refusal.retry_after(delay);
    }
    for (field, description) in &refused.fields {
        refusal = refusal.field(field.clone(), description);
    }
    Some(refusal.into())
}

/// The metadata that the contract promises.
const METADATA: [&str; 11] = [
    "issuer",
    "sign_in",
    "scope",
    "state",
    "checkout_id",
    "limit",
    "sku",
    "skus",
    "bad_rows",
    "etag",
    "detail_omitted",
];
