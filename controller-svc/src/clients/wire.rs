//! What the services behind send, in the words of the domain.
//!
//! It is checked like anything else that comes from outside: a message that breaks the contract is
//! an error that names the field, never a guess.

use oxcart_proto::{
    BadFields, cart as wire, common,
    convert::{FailureFields, StateFields},
};
use oxcart_types::{CartState, Item, Line, Quote, Version};

use crate::domain::{
    cart::{Cart, PricedLine},
    checkout::Checkout,
};

/// A message that breaks the contract.
#[derive(Debug, thiserror::Error)]
#[error("the answer breaks the contract: {0}")]
pub struct Unreadable(String);

impl Unreadable {
    /// The value that was read, if nothing was wrong.
    pub fn check<T>(read: Option<T>, bad: &BadFields) -> Result<T, Self> {
        match (read, bad.first()) {
            (Some(value), None) => Ok(value),
            (_, fault) => Err(Self(fault.unwrap_or_default())),
        }
    }
}

/// As it stands in answers: a line that has no price is unavailable.
pub fn priced_line_to_wire(line: &PricedLine) -> common::PricedLine {
    let price = line.price.as_ref();
    common::PricedLine {
        sku: line.sku.to_string(),
        name: price.map(|price| price.name.to_string()).unwrap_or_default(),
        description: price.map(|price| price.description.clone()).unwrap_or_default(),
        quantity: line.quantity.get(),
        unit_price: price.map(|price| price.unit.into()),
        line_total: price.and_then(|price| price.line).map(Into::into),
        unavailable: price.is_none(),
    }
}

pub fn item_from_wire(item: &common::Item) -> Result<Item, Unreadable> {
    let mut bad = BadFields::default();
    let item = bad.item("item", Some(item));
    Unreadable::check(item, &bad)
}

pub fn cart_from_wire(cart: &wire::Cart) -> Result<Cart, Unreadable> {
    let mut bad = BadFields::default();
    let read = read_cart(cart, &mut bad);
    Unreadable::check(read, &bad)
}

fn read_cart(cart: &wire::Cart, bad: &mut BadFields) -> Option<Cart> {
    let state = bad.take("cart.state", CartState::try_from(cart.state()));
    let checkout = Some(cart.checkout_id.as_str()).filter(|id| !id.is_empty());
    let checkout = bad.take("cart.checkout_id", checkout.map(str::parse).transpose());
    let lines: Option<Vec<Line>> =
        cart.lines.iter().map(|line| bad.line("cart.lines", line)).collect();
    let id = bad.take("cart.cart_id", cart.cart_id.parse());
    let version = bad.take("cart.etag", Version::from_etag(&cart.etag));
    let details = bad.cart_details("cart.", cart);
    let created_at = bad.timestamp("cart.create_time", cart.create_time);
    let updated_at = bad.timestamp("cart.update_time", cart.update_time);
    let quote = match state? {
        CartState::Open => None,
        CartState::Pending | CartState::Paid => Some(read_quote(cart, bad)?),
    };
    let purchased_at = match state? {
        CartState::Open | CartState::Pending => None,
        CartState::Paid => Some(bad.timestamp("cart.purchase_time", cart.purchase_time)?),
    };
    Some(Cart {
        id: id?,
        state: state?,
        checkout: checkout?,
        lines: lines?,
        details: details?,
        version: version?,
        quote,
        created_at: created_at?,
        updated_at: updated_at?,
        purchased_at,
    })
}

fn read_quote(cart: &wire::Cart, bad: &mut BadFields) -> Option<Quote> {
    let lines = bad.priced_lines("cart.quoted_lines", &cart.quoted_lines);
    let total = bad.money("cart.quoted_total", cart.quoted_total.as_ref());
    let quote = Quote::new(lines?, total?).map_err(|_| "must be the sum of the lines");
    bad.take("cart.quoted_total", quote)
}

pub fn checkout_from_wire(checkout: wire::Checkout) -> Result<Checkout, Unreadable> {
    let mut bad = BadFields::default();
    let read = read_checkout(checkout, &mut bad);
    Unreadable::check(read, &bad)
}

fn read_checkout(checkout: wire::Checkout, bad: &mut BadFields) -> Option<Checkout> {
    let id = bad.take("checkout.checkout_id", checkout.checkout_id.parse());
    let owner = bad.take("checkout.owner", checkout.owner.parse());
    let cart = bad.take("checkout.cart_id", checkout.cart_id.parse());
    let request = bad.take("checkout.request_id", checkout.request_id.parse());
    let fingerprint = checkout.fingerprint.as_slice().try_into();
    let fingerprint = bad.take("checkout.fingerprint", fingerprint);
    let total = bad.money("checkout.total", checkout.total.as_ref());
    let (failure, decline_reason) = (checkout.failure, checkout.decline_reason);
    let state = StateFields {
        state: checkout.state,
        failure: FailureFields { failure, decline_reason },
        payment_id: checkout.payment_id,
    };
    let state = bad.checkout_state("checkout", &state);
    let charge_window = bad.duration("checkout.charge_window", checkout.charge_window);
    let created_at = bad.timestamp("checkout.create_time", checkout.create_time);
    let updated_at = bad.timestamp("checkout.update_time", checkout.update_time);
    Some(Checkout {
        id: id?,
        owner: owner?,
        cart: cart?,
        request: request?,
        fingerprint: fingerprint?,
        total: total?,
        state: state?,
        charge_window: charge_window?,
        attempts: checkout.attempts,
        created_at: created_at?,
        updated_at: updated_at?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oxcart_types::{CheckoutFailure, CheckoutState, DeclineReason};

    use super::*;

    fn checkout() -> wire::Checkout {
        let timestamp = || Some(prost_types::Timestamp { seconds: 7, nanos: 5_000 });
        wire::Checkout {
            checkout_id: "01890a5d-ac96-774b-bcce-b302099a8057".into(),
            owner: "alice".into(),
            cart_id: "01890a5d-ac96-774b-bcce-b302099a8058".into(),
            request_id: "r1".into(),
            fingerprint: vec![7; 32],
            total: Some(common::Money { currency_code: "GBP".into(), minor_units: 5 }),
            state: common::CheckoutState::Pending.into(),
            charge_window: Some(prost_types::Duration { seconds: 8, nanos: 0 }),
            create_time: timestamp(),
            update_time: timestamp(),
            ..wire::Checkout::default()
        }
    }

    #[test]
    fn a_checkout_is_read_whole() {
        let read = checkout_from_wire(checkout()).unwrap();
        assert_eq!(
            (read.state, read.charge_window),
            (CheckoutState::Pending, Duration::from_secs(8))
        );
        assert_eq!(read.created_at.nanosecond(), 5_000);
    }

    #[test]
    fn every_failure_reads_back() {
        let declined = DeclineReason::ALL.iter().copied().map(CheckoutFailure::Declined);
        for failure in declined.chain([CheckoutFailure::Cancelled]) {
            let FailureFields { failure: kind, decline_reason } = failure.into();
            let mut message = checkout();
            message.set_state(common::CheckoutState::Failed);
            message.failure = kind;
            message.decline_reason = decline_reason;
            let read = checkout_from_wire(message).unwrap();
            assert_eq!(read.state, CheckoutState::Failed(failure));
        }
    }

    #[test]
    fn a_checkout_that_breaks_the_contract_is_refused_by_field() {
        type Break = fn(&mut wire::Checkout);
        let breaks: [(Break, &str); 6] = [
            (|it| it.fingerprint = vec![1], "checkout.fingerprint"),
            (|it| it.total = None, "checkout.total"),
            (|it| it.state = 99, "checkout.state"),
            (|it| it.set_state(common::CheckoutState::Paid), "checkout.payment_id"),
            (|it| it.set_state(common::CheckoutState::Failed), "checkout.failure"),
            (|it| it.create_time = None, "checkout.create_time"),
        ];
        for (break_it, field) in breaks {
            let mut message = checkout();
            break_it(&mut message);
            let refused = checkout_from_wire(message).unwrap_err();
            assert!(refused.to_string().contains(field), "{refused}");
        }
    }
}
