//! Answers: the domain's values as the contract spells them.

use oxcart_proto::{cart as pb, common};
use oxcart_types::{CheckoutId, Line, Money, UserId};
use prost_types::Timestamp;
use service_kit::{database::micros, page};
use time::OffsetDateTime;

use super::parse;
use crate::{
    app::{Cursor, Shelf},
    domain::{Cart, CartState, Checkout, CheckoutState, DeclineReason, Failure, PricedLine, Quote},
};

/// A cart.
pub(super) fn cart(cart: &Cart) -> pb::Cart {
    let state = match cart.hold.state() {
        CartState::Open => common::CartState::Open,
        CartState::Pending => common::CartState::Pending,
        CartState::Paid => common::CartState::Paid,
    };
    let checkout_id = cart.hold.checkout().as_ref().map(CheckoutId::to_string);
    pb::Cart {
        cart_id: cart.id.to_string(),
        state: state.into(),
        lines: cart.lines.as_slice().iter().map(line).collect(),
        etag: cart.version.to_etag(),
        checkout_id: checkout_id.unwrap_or_default(),
        create_time: Some(timestamp(cart.created_at)),
        update_time: Some(timestamp(cart.updated_at)),
        paid_lines: cart.paid.as_ref().map(priced_lines).unwrap_or_default(),
        paid_total: cart.paid.as_ref().map(|paid| money(paid.total())),
    }
}

/// A checkout.
pub(super) fn checkout(checkout: &Checkout) -> pb::Checkout {
    let (failure, decline_reason) = failure(&checkout.state);
    let (state, payment_id) = match &checkout.state {
        CheckoutState::Pending => (common::CheckoutState::Pending, String::new()),
        CheckoutState::Paid { payment } => (common::CheckoutState::Paid, payment.to_string()),
        CheckoutState::Failed(_) => (common::CheckoutState::Failed, String::new()),
    };
    pb::Checkout {
        checkout_id: checkout.id.to_string(),
        owner: checkout.owner.to_string(),
        cart_id: checkout.cart.to_string(),
        request_id: checkout.request.to_string(),
        fingerprint: checkout.fingerprint.as_bytes().to_vec(),
        lines: priced_lines(&checkout.quote),
        total: Some(money(checkout.quote.total())),
        state: state.into(),
        failure: failure.into(),
        decline_reason: decline_reason.into(),
        payment_id,
        charge_window: prost_types::Duration::try_from(checkout.charge_window).ok(),
        attempts: checkout.attempts,
        create_time: Some(timestamp(checkout.created_at)),
        update_time: Some(timestamp(checkout.updated_at)),
    }
}

/// The token of the page behind `next`; empty if there is none.
pub(super) fn page_token(shelf: Shelf, owner: &UserId, next: Option<Cursor>) -> String {
    let cursor = |next: Cursor| format!("{}:{}", micros(next.created_at), next.cart);
    next.map(|next| page::next_token(&parse::carts_query(shelf, owner), &cursor(next)))
        .unwrap_or_default()
}

fn failure(state: &CheckoutState) -> (common::CheckoutFailure, common::DeclineReason) {
    let none = common::DeclineReason::Unspecified;
    match state {
        CheckoutState::Failed(Failure::Declined(reason)) => {
            (common::CheckoutFailure::Declined, decline_reason(*reason))
        }
        CheckoutState::Failed(Failure::Cancelled) => (common::CheckoutFailure::Cancelled, none),
        CheckoutState::Pending | CheckoutState::Paid { .. } => {
            (common::CheckoutFailure::Unspecified, none)
        }
    }
}

const fn decline_reason(reason: DeclineReason) -> common::DeclineReason {
    match reason {
        DeclineReason::Generic => common::DeclineReason::Generic,
        DeclineReason::InsufficientFunds => common::DeclineReason::InsufficientFunds,
        DeclineReason::LostCard => common::DeclineReason::LostCard,
        DeclineReason::StolenCard => common::DeclineReason::StolenCard,
        DeclineReason::ExpiredCard => common::DeclineReason::ExpiredCard,
        DeclineReason::ProcessingError => common::DeclineReason::ProcessingError,
        DeclineReason::UnknownToken => common::DeclineReason::UnknownToken,
    }
}

fn line(line: &Line) -> common::Line {
    common::Line { sku: line.sku.to_string(), quantity: line.quantity.get() }
}

fn priced_lines(quote: &Quote) -> Vec<common::PricedLine> {
    quote.lines().iter().map(priced_line).collect()
}

fn priced_line(line: &PricedLine) -> common::PricedLine {
    common::PricedLine {
        sku: line.sku.to_string(),
        name: line.name.clone(),
        description: String::new(),
        quantity: line.quantity.get(),
        unit_price: Some(money(line.unit_price)),
        line_total: Some(money(line.line_total)),
        unavailable: false,
    }
}

fn money(amount: Money) -> common::Money {
    common::Money {
        currency_code: amount.currency().code().to_owned(),
        minor_units: amount.minor_units(),
    }
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    Timestamp { seconds: at.unix_timestamp(), nanos }
}
