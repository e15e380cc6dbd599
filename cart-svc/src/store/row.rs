//! Rows as both databases hold them, and the values of the domain that they stand for.

use kit_database::from_micros;
use oxcart_types::{
    CheckoutFailure, CheckoutState, Line, Money, Note, PricedLine, Quantity, Quote, Sku, UserId,
};
use serde::{Deserialize, Serialize};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type, types::Json};
use uuid::Uuid;

use super::{Overdue, StoreError, span_from_micros};
use crate::domain::{Cart, Checkout, CheckoutEvent, Hold, Lines};

/// The contents of a cart. A new optional part of a cart is a field here: no column, no statement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    /// SKU and quantity of each line.
    lines: Vec<(String, i32)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

/// The snapshot of a checkout: SKU, name, quantity, unit price in minor units.
pub(super) type PricedItems = Json<Vec<(String, String, i32, i64)>>;

/// A row of `cart`, with its checkout's snapshot if it is purchased.
pub(super) struct CartRow {
    cart_id: Uuid,
    state: String,
    version: i64,
    checkout_id: Option<Uuid>,
    contents: Json<Contents>,
    created_at: i64,
    updated_at: i64,
    paid_items: Option<PricedItems>,
    paid_total: Option<i64>,
    paid_currency: Option<String>,
}

/// A row of `checkout`, without its lease.
pub(super) struct CheckoutRow {
    checkout_id: Uuid,
    cart_id: Uuid,
    request_id: String,
    fingerprint: Vec<u8>,
    items: PricedItems,
    total: i64,
    currency: String,
    state: String,
    fail_reason: Option<String>,
    decline_reason: Option<String>,
    payment_id: Option<String>,
    charge_left: i64,
    attempts: i64,
    created_at: i64,
    updated_at: i64,
}

/// What the lease needs of an overdue row of `checkout`.
pub(super) struct OverdueRow {
    owner: String,
    checkout_id: Uuid,
    lease_epoch: i64,
    attempts: i64,
}

/// A row of `checkout_event`.
pub(super) struct EventRow {
    seq: i64,
    from_state: String,
    to_state: String,
    evidence: String,
}

macro_rules! from_row {
    ($row:ident { $($column:ident),+ } of $($kind:ty),+) => {
        impl<'r, R: Row> FromRow<'r, R> for $row
        where
            &'static str: ColumnIndex<R>,
            $($kind: Decode<'r, R::Database> + Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}

from_row!(CartRow {
    cart_id, state, version, checkout_id, contents, created_at, updated_at, paid_items, paid_total,
    paid_currency
} of Uuid, String, i64, Option<Uuid>, Json<Contents>, Option<PricedItems>, Option<i64>, Option<String>);

from_row!(CheckoutRow {
    checkout_id, cart_id, request_id, fingerprint, items, total, currency, state, fail_reason,
    decline_reason, payment_id, charge_left, attempts, created_at, updated_at
} of Uuid, String, i64, Vec<u8>, PricedItems, Option<String>);

from_row!(OverdueRow { owner, checkout_id, lease_epoch, attempts } of Uuid, String, i64);

from_row!(EventRow { seq, from_state, to_state, evidence } of String, i64);

impl CartRow {
    /// The cart that the row stands for.
    pub(super) fn into_cart(self, owner: &UserId) -> Result<Cart, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "cart" };
        let hold = match (self.state.as_str(), self.checkout_id) {
            ("OPEN", None) => Hold::Free,
            ("PENDING", Some(id)) => Hold::Pending(id.into()),
            ("PAID", Some(id)) => Hold::Paid(id.into()),
            _ => return Err(CORRUPT),
        };
        let paid = match (self.paid_items, self.paid_total, self.paid_currency) {
            (Some(items), Some(total), Some(currency)) => Some(quote(items, total, &currency)?),
            _ => None,
        };
        if paid.is_some() != matches!(hold, Hold::Paid(_)) {
            return Err(CORRUPT);
        }
        let (lines, note) = self.contents.0.read().ok_or(CORRUPT)?;
        Ok(Cart {
            owner: owner.clone(),
            id: self.cart_id.into(),
            hold,
            version: self.version.into(),
            lines,
            note,
            created_at: from_micros(self.created_at),
            updated_at: from_micros(self.updated_at),
            paid,
        })
    }
}

impl Contents {
    /// The contents of `cart`, as its row holds them.
    pub(super) fn of(cart: &Cart) -> Json<Self> {
        let line = |line: &Line| (line.sku.to_string(), line.quantity.get());
        let lines = cart.lines.as_slice().iter().map(line).collect();
        Json(Self { lines, note: cart.note.to_string() })
    }

    fn read(self) -> Option<(Lines, Note)> {
        let line = |(sku, quantity): (String, i32)| {
            Some(Line { sku: sku.parse().ok()?, quantity: quantity.try_into().ok()? })
        };
        let lines: Option<Vec<Line>> = self.lines.into_iter().map(line).collect();
        Some((Lines::restore(lines?), self.note.parse().ok()?))
    }
}

impl CheckoutRow {
    /// The checkout that the row stands for.
    pub(super) fn into_checkout(self, owner: &UserId) -> Result<Checkout, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "checkout" };
        let state = self.state().ok_or(CORRUPT)?;
        let is_pending = state == CheckoutState::Pending;
        let charge_left = if is_pending { self.charge_left } else { 0 };
        Ok(Checkout {
            owner: owner.clone(),
            id: self.checkout_id.into(),
            cart: self.cart_id.into(),
            request: self.request_id.parse().map_err(|_| CORRUPT)?,
            fingerprint: self.fingerprint.as_slice().try_into().map_err(|_| CORRUPT)?,
            quote: quote(self.items, self.total, &self.currency)?,
            state,
            charge_window: span_from_micros(charge_left),
            attempts: self.attempts,
            created_at: from_micros(self.created_at),
            updated_at: from_micros(self.updated_at),
        })
    }

    fn state(&self) -> Option<CheckoutState> {
        let reason = self.decline_reason.as_deref().map(str::parse).transpose().ok()?;
        let failure = match self.fail_reason.as_deref() {
            Some(word) => Some(CheckoutFailure::from_parts(word, reason).ok()?),
            None if reason.is_none() => None,
            None => return None,
        };
        match (self.state.as_str(), self.payment_id.as_deref(), failure) {
            ("PENDING", None, None) => Some(CheckoutState::Pending),
            ("PAID", Some(id), None) => Some(CheckoutState::Paid { payment_id: id.parse().ok()? }),
            ("FAILED", None, Some(failure)) => Some(CheckoutState::Failed(failure)),
            _ => None,
        }
    }
}

/// The overdue checkouts that can be read. One that cannot keeps none of the others from being
/// finished.
pub(super) fn overdue(rows: Vec<OverdueRow>) -> Vec<Overdue> {
    let read = |row: OverdueRow| {
        let id = row.checkout_id;
        let overdue = row.into_overdue();
        if overdue.is_err() {
            tracing::error!(checkout.id = %id, "checkout {id} is overdue and its owner cannot be read");
        }
        overdue.ok()
    };
    rows.into_iter().filter_map(read).collect()
}

impl OverdueRow {
    /// What the row stands for.
    fn into_overdue(self) -> Result<Overdue, StoreError> {
        let owner = self.owner.parse().map_err(|_| StoreError::Corrupt { what: "checkout" })?;
        let (lease_epoch, attempts) = (self.lease_epoch, self.attempts);
        Ok(Overdue { owner, checkout: self.checkout_id.into(), lease_epoch, attempts })
    }
}

impl EventRow {
    /// What the row stands for.
    pub(super) fn into_event(self) -> Result<CheckoutEvent, StoreError> {
        let read = |word: &str| word.parse().map_err(|_| StoreError::Corrupt { what: "event" });
        let (from, to) = (read(&self.from_state)?, read(&self.to_state)?);
        Ok(CheckoutEvent { seq: self.seq, from, to, evidence: self.evidence })
    }
}

/// The snapshot of a checkout, as its row holds it.
pub(super) fn priced_items(quote: &Quote) -> PricedItems {
    let item = |line: &PricedLine| {
        let price = line.unit_price.minor_units();
        (line.sku.to_string(), line.name.to_string(), line.quantity.get(), price)
    };
    Json(quote.lines().iter().map(item).collect())
}

fn quote(items: PricedItems, total: i64, currency: &str) -> Result<Quote, StoreError> {
    let quote = || {
        let total = Money::from_parts(currency, total).ok()?;
        let line = |(sku, name, quantity, price): (String, String, i32, i64)| {
            let (sku, name) = (sku.parse::<Sku>().ok()?, name.parse().ok()?);
            let quantity = Quantity::try_from(quantity).ok()?;
            let unit_price = Money::new(total.currency(), price).ok()?;
            let line_total = unit_price.checked_mul(quantity).ok()?;
            Some(PricedLine { sku, name, quantity, unit_price, line_total })
        };
        let lines: Option<Vec<_>> = items.0.into_iter().map(line).collect();
        Quote::new(lines?, total).ok()
    };
    quote().ok_or(StoreError::Corrupt { what: "snapshot" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(sku: &str, quantity: i32) -> Json<Contents> {
        Json(Contents { lines: vec![(sku.to_owned(), quantity)], note: String::new() })
    }

    fn cart_row() -> CartRow {
        CartRow {
            cart_id: Uuid::from_u128(1),
            state: "OPEN".to_owned(),
            version: 1,
            checkout_id: None,
            contents: contents("A", 1),
            created_at: 0,
            updated_at: 0,
            paid_items: None,
            paid_total: None,
            paid_currency: None,
        }
    }

    fn paid_row() -> CartRow {
        CartRow {
            state: "PAID".to_owned(),
            checkout_id: Some(Uuid::from_u128(2)),
            paid_items: Some(Json(vec![("A".to_owned(), "a thing".to_owned(), 2, 250)])),
            paid_total: Some(500),
            paid_currency: Some("GBP".to_owned()),
            ..cart_row()
        }
    }

    #[test]
    fn a_row_that_no_version_writes_is_no_cart() {
        let alice = "alice".parse().unwrap();
        assert!(cart_row().into_cart(&alice).is_ok());
        assert!(paid_row().into_cart(&alice).is_ok());
        for corrupt in [
            CartRow { state: "SOLD".to_owned(), ..cart_row() },
            CartRow { state: "PENDING".to_owned(), ..cart_row() },
            CartRow { checkout_id: Some(Uuid::nil()), ..cart_row() },
            CartRow { contents: contents("A", 0), ..cart_row() },
            CartRow { contents: contents("", 1), ..cart_row() },
            CartRow {
                contents: Json(Contents { note: "a\0b".to_owned(), ..Contents::default() }),
                ..cart_row()
            },
            CartRow { paid_items: None, ..paid_row() },
            CartRow { paid_total: Some(499), ..paid_row() },
            CartRow { paid_currency: Some("gbp".to_owned()), ..paid_row() },
        ] {
            assert!(matches!(corrupt.into_cart(&alice), Err(StoreError::Corrupt { .. })));
        }
    }
}
