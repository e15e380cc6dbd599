//! Pages of carts: the query that a page token belongs to, and where a page ends.

use kit_database::{from_micros, micros};
use kit_rpc::page;
use oxcart_types::{CartFilter, UserId};

use crate::app::Cursor;

/// The list that a page token is for.
pub(super) fn query(filter: CartFilter, owner: &UserId) -> String {
    format!("ListCarts {filter} {owner}")
}

/// The token of the page behind `next`; empty if there is none.
pub(super) fn token(filter: CartFilter, owner: &UserId, next: Option<Cursor>) -> String {
    let cursor = |next: Cursor| format!("{}:{}", micros(next.at), next.cart);
    let token = next.map(|next| page::next_token(&query(filter, owner), &cursor(next)));
    token.unwrap_or_default()
}

/// Reads where a page ends.
pub(super) fn cursor(text: &str) -> Result<Cursor, &'static str> {
    let parts = text.split_once(':');
    let cursor = parts.and_then(|(at, cart)| {
        Some(Cursor { at: from_micros(at.parse().ok()?), cart: cart.parse().ok()? })
    });
    cursor.ok_or("must be empty or the next_page_token of the same query")
}
