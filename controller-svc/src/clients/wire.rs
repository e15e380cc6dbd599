//! Reading and writing the messages that several services share.
//!
//! What a service behind sends is checked like anything else that comes from outside: a message that
//! breaks the contract is an error that names the field, never a guess.

use std::{str::FromStr, time::Duration};

use oxcart_proto::{cart as wire, common};
use oxcart_types::{Line, Money, Quantity, UserId, Version};
use time::OffsetDateTime;

use crate::domain::{
    cart::{Cart, CartState, Price, PricedLine, Quote},
    checkout::{Checkout, CheckoutState, DeclineReason, Failure},
    fingerprint::Fingerprint,
    item::Item,
};

/// A message that breaks the contract.
#[derive(Debug, thiserror::Error)]
#[error("the answer's {0} breaks the contract")]
pub struct Unreadable(pub &'static str);

pub fn parse<T: FromStr>(field: &'static str, text: &str) -> Result<T, Unreadable> {
    text.parse().map_err(|_| Unreadable(field))
}

pub fn set<T>(field: &'static str, value: Option<T>) -> Result<T, Unreadable> {
    value.ok_or(Unreadable(field))
}

pub fn money(field: &'static str, money: Option<common::Money>) -> Result<Money, Unreadable> {
    let money = set(field, money)?;
    Money::from_parts(&money.currency_code, money.minor_units).map_err(|_| Unreadable(field))
}

/// As it stands in messages.
pub fn money_to_wire(money: Money) -> common::Money {
    common::Money {
        currency_code: money.currency().code().to_owned(),
        minor_units: money.minor_units(),
    }
}

pub fn timestamp(
    field: &'static str,
    at: Option<prost_types::Timestamp>,
) -> Result<OffsetDateTime, Unreadable> {
    let at = set(field, at)?;
    let whole = OffsetDateTime::from_unix_timestamp(at.seconds).map_err(|_| Unreadable(field))?;
    Ok(whole + time::Duration::nanoseconds(i64::from(at.nanos)))
}

/// As it stands in messages.
pub fn timestamp_to_wire(at: OffsetDateTime) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos }
}

fn duration(length: Option<prost_types::Duration>) -> Duration {
    length.and_then(|length| length.try_into().ok()).unwrap_or_default()
}

fn quantity(field: &'static str, pieces: i64) -> Result<Quantity, Unreadable> {
    pieces.try_into().map_err(|_| Unreadable(field))
}

fn line(line: &common::Line) -> Result<Line, Unreadable> {
    let sku = parse("line.sku", &line.sku)?;
    Ok(Line { sku, quantity: quantity("line.quantity", line.quantity)? })
}

/// As it stands in messages.
pub fn line_to_wire(line: &Line) -> common::Line {
    common::Line { sku: line.sku.to_string(), quantity: line.quantity.get() }
}

fn paid_line(line: common::PricedLine) -> Result<PricedLine, Unreadable> {
    let price = Price {
        name: line.name,
        description: line.description,
        unit: money("paid_lines.unit_price", line.unit_price)?,
        line: Some(money("paid_lines.line_total", line.line_total)?),
    };
    Ok(PricedLine {
        sku: parse("paid_lines.sku", &line.sku)?,
        quantity: quantity("paid_lines.quantity", line.quantity)?,
        price: Some(price),
    })
}

/// As it stands in messages.
pub fn priced_line_to_wire(line: &PricedLine) -> common::PricedLine {
    let price = line.price.as_ref();
    common::PricedLine {
        sku: line.sku.to_string(),
        name: price.map(|price| price.name.clone()).unwrap_or_default(),
        description: price.map(|price| price.description.clone()).unwrap_or_default(),
        quantity: line.quantity.get(),
        unit_price: price.map(|price| money_to_wire(price.unit)),
        line_total: price.and_then(|price| price.line).map(money_to_wire),
        unavailable: price.is_none(),
    }
}

pub fn item_from_wire(item: common::Item) -> Result<Item, Unreadable> {
    Ok(Item {
        sku: parse("item.sku", &item.sku)?,
        name: item.name,
        description: item.description,
        price: money("item.price", item.price)?,
    })
}

pub fn cart_from_wire(cart: wire::Cart) -> Result<Cart, Unreadable> {
    let state = match cart.state() {
        common::CartState::Open => CartState::Open,
        common::CartState::Pending => CartState::Pending,
        common::CartState::Paid => CartState::Paid,
        common::CartState::Unspecified => return Err(Unreadable("cart.state")),
    };
    let checkout = Some(cart.checkout_id.as_str()).filter(|id| !id.is_empty());
    Ok(Cart {
        id: parse("cart.cart_id", &cart.cart_id)?,
        state,
        checkout: checkout.map(|id| parse("cart.checkout_id", id)).transpose()?,
        lines: cart.lines.iter().map(line).collect::<Result<_, _>>()?,
        version: Version::from_etag(&cart.etag).map_err(|_| Unreadable("cart.etag"))?,
        paid: (state == CartState::Paid)
            .then(|| paid(cart.paid_lines, cart.paid_total))
            .transpose()?,
        created_at: timestamp("cart.create_time", cart.create_time)?,
        updated_at: timestamp("cart.update_time", cart.update_time)?,
    })
}

fn paid(lines: Vec<common::PricedLine>, total: Option<common::Money>) -> Result<Quote, Unreadable> {
    let lines = lines.into_iter().map(paid_line).collect::<Result<_, _>>()?;
    Ok(Quote { lines, total: money("cart.paid_total", total)? })
}

pub fn checkout_from_wire(checkout: wire::Checkout) -> Result<Checkout, Unreadable> {
    let state = checkout_state(&checkout)?;
    Ok(Checkout {
        id: parse("checkout.checkout_id", &checkout.checkout_id)?,
        owner: parse::<UserId>("checkout.owner", &checkout.owner)?,
        cart: parse("checkout.cart_id", &checkout.cart_id)?,
        request: parse("checkout.request_id", &checkout.request_id)?,
        fingerprint: set("checkout.fingerprint", Fingerprint::from_bytes(&checkout.fingerprint))?,
        total: money("checkout.total", checkout.total)?,
        state,
        charge_window: duration(checkout.charge_window),
        attempts: checkout.attempts,
        created_at: timestamp("checkout.create_time", checkout.create_time)?,
        updated_at: timestamp("checkout.update_time", checkout.update_time)?,
    })
}

fn checkout_state(checkout: &wire::Checkout) -> Result<CheckoutState, Unreadable> {
    Ok(match checkout.state() {
        common::CheckoutState::Pending => CheckoutState::Pending,
        common::CheckoutState::Paid => {
            CheckoutState::Paid(parse("checkout.payment_id", &checkout.payment_id)?)
        }
        common::CheckoutState::Failed => CheckoutState::Failed(match checkout.failure() {
            common::CheckoutFailure::Declined => {
                Failure::Declined(decline_from_wire(checkout.decline_reason()))
            }
            common::CheckoutFailure::Cancelled => Failure::Cancelled,
            common::CheckoutFailure::Unspecified => return Err(Unreadable("checkout.failure")),
        }),
        common::CheckoutState::Unspecified => return Err(Unreadable("checkout.state")),
    })
}

/// A reason that this version of the contract does not know is generic: what matters is that the
/// payment was declined.
pub fn decline_from_wire(reason: common::DeclineReason) -> DeclineReason {
    match reason {
        common::DeclineReason::Unspecified | common::DeclineReason::Generic => {
            DeclineReason::Generic
        }
        common::DeclineReason::InsufficientFunds => DeclineReason::InsufficientFunds,
        common::DeclineReason::LostCard => DeclineReason::LostCard,
        common::DeclineReason::StolenCard => DeclineReason::StolenCard,
        common::DeclineReason::ExpiredCard => DeclineReason::ExpiredCard,
        common::DeclineReason::ProcessingError => DeclineReason::ProcessingError,
        common::DeclineReason::UnknownToken => DeclineReason::UnknownToken,
    }
}

/// As it stands in messages: why a checkout failed, and why its payment was declined.
pub fn failure_to_wire(failure: Failure) -> (common::CheckoutFailure, common::DeclineReason) {
    match failure {
        Failure::Cancelled => {
            (common::CheckoutFailure::Cancelled, common::DeclineReason::Unspecified)
        }
        Failure::Declined(reason) => (common::CheckoutFailure::Declined, decline_to_wire(reason)),
    }
}

fn decline_to_wire(reason: DeclineReason) -> common::DeclineReason {
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

#[cfg(test)]
mod tests {
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
        assert_eq!(timestamp_to_wire(read.created_at).nanos, 5_000);
    }

    #[test]
    fn every_failure_reads_back() {
        use DeclineReason::{
            ExpiredCard, Generic, InsufficientFunds, LostCard, ProcessingError, StolenCard,
            UnknownToken,
        };
        let reasons = [
            Generic,
            InsufficientFunds,
            LostCard,
            StolenCard,
            ExpiredCard,
            ProcessingError,
            UnknownToken,
        ];
        let declined = reasons.map(Failure::Declined);
        for failure in declined.into_iter().chain([Failure::Cancelled]) {
            let (kind, reason) = failure_to_wire(failure);
            let mut message = checkout();
            message.set_state(common::CheckoutState::Failed);
            message.set_failure(kind);
            message.set_decline_reason(reason);
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
