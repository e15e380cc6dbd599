//! Answers as messages.

use oxcart_proto::{common, controller as pb};
use oxcart_types::Version;

use crate::{
    app::{items::Found, session::Storefront},
    clients::{failure_to_wire, money_to_wire, priced_line_to_wire, timestamp_to_wire},
    domain::{
        cart::{CartState, PricedCart},
        checkout::{Checkout, CheckoutState},
        item::Item,
    },
};

/// When a client asks again about a checkout that is pending, in seconds.
const ASK_AGAIN_SECONDS: i64 = 1;

pub fn item(item: Item) -> common::Item {
    common::Item {
        sku: item.sku.to_string(),
        name: item.name,
        description: item.description,
        price: Some(money_to_wire(item.price)),
    }
}

impl From<Found> for pb::GetItemsResponse {
    fn from(found: Found) -> Self {
        Self {
            items: found.items.into_iter().map(item).collect(),
            missing_skus: found.missing.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Storefront> for pb::GetStorefrontResponse {
    fn from(shown: Storefront) -> Self {
        Self {
            items: shown.items.entries.into_iter().map(item).collect(),
            next_items_page_token: shown.items.next_page_token,
            carts: shown.carts.entries.into_iter().map(Into::into).collect(),
            next_carts_page_token: shown.carts.next_page_token,
        }
    }
}

impl From<PricedCart> for pb::Cart {
    fn from(priced: PricedCart) -> Self {
        let PricedCart { cart, lines, total } = priced;
        let state = match cart.state {
            CartState::Open => common::CartState::Open,
            CartState::Pending => common::CartState::Pending,
            CartState::Paid => common::CartState::Paid,
        };
        Self {
            cart_id: cart.id.to_string(),
            state: state.into(),
            lines: lines.iter().map(priced_line_to_wire).collect(),
            total: total.map(money_to_wire),
            etag: Version::to_etag(cart.version),
            checkout_id: cart.checkout.map(|id| id.to_string()).unwrap_or_default(),
            create_time: Some(timestamp_to_wire(cart.created_at)),
            update_time: Some(timestamp_to_wire(cart.updated_at)),
        }
    }
}

impl From<Checkout> for pb::Checkout {
    fn from(checkout: Checkout) -> Self {
        let mut message = Self {
            checkout_id: checkout.id.to_string(),
            cart_id: checkout.cart.to_string(),
            request_id: checkout.request.to_string(),
            total: Some(money_to_wire(checkout.total)),
            create_time: Some(timestamp_to_wire(checkout.created_at)),
            update_time: Some(timestamp_to_wire(checkout.updated_at)),
            ..Self::default()
        };
        match checkout.state {
            CheckoutState::Pending => {
                message.set_state(common::CheckoutState::Pending);
                let seconds = ASK_AGAIN_SECONDS;
                message.retry_after = Some(prost_types::Duration { seconds, nanos: 0 });
            }
            CheckoutState::Paid(payment) => {
                message.set_state(common::CheckoutState::Paid);
                message.payment_id = payment.to_string();
            }
            CheckoutState::Failed(failure) => {
                let (failure, decline_reason) = failure_to_wire(failure);
                message.set_state(common::CheckoutState::Failed);
                message.set_failure(failure);
                message.set_decline_reason(decline_reason);
            }
        }
        message
    }
}
