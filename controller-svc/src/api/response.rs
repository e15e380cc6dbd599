//! Answers: the values of the use cases as messages.

use std::time::Duration;

use oxcart_proto::{
    common, controller as pb,
    convert::{StateFields, duration, timestamp},
};

use crate::{
    app::{items::Found, session::Storefront},
    clients::priced_line_to_wire,
    domain::{cart::PricedCart, checkout::Checkout},
};

/// When a client asks again about a checkout that is pending.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

pub(super) fn get_items(found: Found) -> pb::GetItemsResponse {
    pb::GetItemsResponse {
        items: found.items.into_iter().map(Into::into).collect(),
        missing_skus: found.missing.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn get_storefront(shown: Storefront) -> pb::GetStorefrontResponse {
    pb::GetStorefrontResponse {
        items: shown.items.entries.into_iter().map(Into::into).collect(),
        next_items_page_token: shown.items.next_page_token,
        carts: shown.carts.entries.into_iter().map(cart).collect(),
        next_carts_page_token: shown.carts.next_page_token,
    }
}

pub(super) fn cart(priced: PricedCart) -> pb::Cart {
    let PricedCart { cart, lines, total } = priced;
    pb::Cart {
        cart_id: cart.id.to_string(),
        state: common::CartState::from(cart.state).into(),
        lines: lines.iter().map(priced_line_to_wire).collect(),
        total: total.map(Into::into),
        etag: cart.version.to_etag(),
        checkout_id: cart.checkout.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(timestamp(cart.created_at)),
        update_time: Some(timestamp(cart.updated_at)),
        purchase_time: cart.purchased_at.map(timestamp),
        ..pb::Cart::from(&cart.details)
    }
}

pub(super) fn checkout(checkout: &Checkout) -> pb::Checkout {
    let StateFields { state, failure, payment_id } = (&checkout.state).into();
    pb::Checkout {
        checkout_id: checkout.id.to_string(),
        cart_id: checkout.cart.to_string(),
        request_id: checkout.request.to_string(),
        state,
        failure: failure.failure,
        decline_reason: failure.decline_reason,
        payment_id,
        total: Some(checkout.total.into()),
        retry_after: (!checkout.is_decided()).then(|| duration(ASK_AGAIN_AFTER)),
        create_time: Some(timestamp(checkout.created_at)),
        update_time: Some(timestamp(checkout.updated_at)),
    }
}
