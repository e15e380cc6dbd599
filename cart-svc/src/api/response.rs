//! Answers: the domain's values as messages.

use oxcart_proto::{
    cart as pb, common,
    convert::{StateFields, duration, timestamp},
};
use oxcart_types::{CheckoutId, Quote};

use crate::domain::{Cart, Checkout};

/// A cart.
pub(super) fn cart(cart: &Cart) -> pb::Cart {
    let checkout_id = cart.hold.checkout().as_ref().map(CheckoutId::to_string);
    let quoted_lines = cart.quote.iter().flat_map(Quote::lines);
    pb::Cart {
        cart_id: cart.id.to_string(),
        state: common::CartState::from(cart.hold.state()).into(),
        lines: cart.lines.as_slice().iter().map(Into::into).collect(),
        etag: cart.version.to_etag(),
        checkout_id: checkout_id.unwrap_or_default(),
        create_time: Some(timestamp(cart.created_at)),
        update_time: Some(timestamp(cart.updated_at)),
        quoted_lines: quoted_lines.map(Into::into).collect(),
        quoted_total: cart.quote.as_ref().map(|quote| quote.total().into()),
        purchase_time: cart.purchased_at().map(timestamp),
        ..pb::Cart::from(&cart.details)
    }
}

/// A checkout.
pub(super) fn checkout(checkout: &Checkout) -> pb::Checkout {
    let StateFields { state, failure, payment_id } = (&checkout.state).into();
    pb::Checkout {
        checkout_id: checkout.id.to_string(),
        owner: checkout.owner.to_string(),
        cart_id: checkout.cart.to_string(),
        request_id: checkout.request.to_string(),
        fingerprint: checkout.fingerprint.as_bytes().to_vec(),
        total: Some(checkout.quote.total().into()),
        state,
        failure: failure.failure,
        decline_reason: failure.decline_reason,
        payment_id,
        charge_window: Some(duration(checkout.charge_window)),
        attempts: checkout.attempts,
        create_time: Some(timestamp(checkout.created_at)),
        update_time: Some(timestamp(checkout.updated_at)),
    }
}
