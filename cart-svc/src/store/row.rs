//! How carts and checkouts stand in columns.

use std::error::Error;

use kit_database::{Json, Row};
use kit_service::chain;
use oxcart_types::{
    CartDetails, CheckoutFailure, CheckoutState, Line, Money, PricedLine, Quantity, Quote, Sku,
    UserId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Overdue, StoreError, span_from_micros};
use crate::domain::{Cart, Checkout, CheckoutEvent, Hold, Lines};

type Fault = Box<dyn Error + Send + Sync>;

/// The contents of a cart. A new optional part of a cart is a field here: no column, no statement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    /// SKU and quantity of each line.
    lines: Vec<(String, i32)>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    note: String,
}

/// One item of a checkout's snapshot: SKU, name, quantity, unit price in minor units.
type PricedItem = (String, String, i32, i64);

/// A cart from the columns of `cart`, with its checkout's snapshot unless it is open.
pub(super) fn cart(row: &Row, owner: &UserId) -> Result<Cart, StoreError> {
    let (hold, quote) = (hold(row)?, cart_quote(row)?);
    if quote.is_some() != (hold != Hold::Free) {
        return Err(StoreError::inconsistent("checkout"));
    }
    let Json(contents): Json<Contents> = row.get("contents")?;
    let (lines, details) =
        read_contents(contents).map_err(|fault| StoreError::unreadable("contents", fault))?;
    Ok(Cart {
        owner: owner.clone(),
        id: row.get::<Uuid>("cart_id")?.into(),
        hold,
        version: row.get::<i64>("version")?.into(),
        lines,
        details,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        quote,
    })
}

fn hold(row: &Row) -> Result<Hold, StoreError> {
    match (row.get("state")?, row.get::<Option<Uuid>>("checkout_id")?) {
        ("OPEN", None) => Ok(Hold::Free),
        ("PENDING", Some(id)) => Ok(Hold::Pending(id.into())),
        ("PAID", Some(id)) => Ok(Hold::Paid(id.into())),
        _ => Err(StoreError::inconsistent("cart")),
    }
}

fn cart_quote(row: &Row) -> Result<Option<Quote>, StoreError> {
    match (row.get("quoted_items")?, row.get("quoted_total")?, row.get("quoted_currency")?) {
        (Some(items), Some(total), Some(currency)) => quote(items, total, currency).map(Some),
        _ => Ok(None),
    }
}

/// The column of a cart's contents.
pub(super) fn contents(cart: &Cart) -> Json<Contents> {
    let line = |line: &Line| (line.sku.to_string(), line.quantity.get());
    let lines = cart.lines.as_slice().iter().map(line).collect();
    Json(Contents { lines, note: cart.details.note.to_string() })
}

fn read_contents(contents: Contents) -> Result<(Lines, CartDetails), Fault> {
    let line = |(sku, quantity): (String, i32)| {
        Ok::<_, Fault>(Line { sku: sku.parse()?, quantity: quantity.try_into()? })
    };
    let lines: Result<Vec<Line>, _> = contents.lines.into_iter().map(line).collect();
    Ok((Lines::restore(lines?), CartDetails { note: contents.note.parse()? }))
}

/// How many unpurchased carts an owner has.
pub(super) fn unpurchased(row: &Row) -> Result<i64, StoreError> {
    row.get("unpurchased")
}

/// A checkout from the columns of `checkout`, without its lease.
pub(super) fn checkout(row: &Row, owner: &UserId) -> Result<Checkout, StoreError> {
    let state = state(row)?;
    let is_pending = state == CheckoutState::Pending;
    let charge_left = if is_pending { row.get("charge_left")? } else { 0 };
    let fingerprint: &[u8] = row.get("fingerprint")?;
    Ok(Checkout {
        owner: owner.clone(),
        id: row.get::<Uuid>("checkout_id")?.into(),
        cart: row.get::<Uuid>("cart_id")?.into(),
        request: row.parse("request_id")?,
        fingerprint: fingerprint
            .try_into()
            .map_err(|fault| StoreError::unreadable("fingerprint", fault))?,
        quote: quote(row.get("items")?, row.get("total")?, row.get("currency")?)?,
        state,
        charge_window: span_from_micros(charge_left),
        attempts: row.get("attempts")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

fn state(row: &Row) -> Result<CheckoutState, StoreError> {
    match (row.get("state")?, row.parse_optional("payment_id")?, failure(row)?) {
        ("PENDING", None, None) => Ok(CheckoutState::Pending),
        ("PAID", Some(payment_id), None) => Ok(CheckoutState::Paid { payment_id }),
        ("FAILED", None, Some(failure)) => Ok(CheckoutState::Failed(failure)),
        _ => Err(StoreError::inconsistent("checkout")),
    }
}

fn failure(row: &Row) -> Result<Option<CheckoutFailure>, StoreError> {
    let reason = row.parse_optional("decline_reason")?;
    match (row.get::<Option<&str>>("fail_reason")?, reason) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(StoreError::inconsistent("failure")),
        (Some(word), reason) => CheckoutFailure::from_parts(word, reason)
            .map(Some)
            .map_err(|fault| StoreError::unreadable("failure", fault)),
    }
}

/// The overdue checkouts that can be read. One that cannot keeps none of the others from being
/// finished.
pub(super) fn readable_overdue(rows: &[Row]) -> Vec<Overdue> {
    let read = |row: &Row| {
        let read = overdue(row);
        if let Err(fault) = &read {
            let id = row.get::<Uuid>("checkout_id").ok().map(tracing::field::display);
            tracing::error!(
                checkout.id = id,
                error = chain(fault),
                "an overdue checkout cannot be read"
            );
        }
        read.ok()
    };
    rows.iter().filter_map(read).collect()
}

/// What the lease needs of an overdue row of `checkout`.
fn overdue(row: &Row) -> Result<Overdue, StoreError> {
    Ok(Overdue {
        owner: row.parse("owner")?,
        checkout: row.get::<Uuid>("checkout_id")?.into(),
        lease_epoch: row.get("lease_epoch")?,
        attempts: row.get("attempts")?,
    })
}

/// A step of a checkout from the columns of `checkout_event`.
pub(super) fn event(row: &Row) -> Result<CheckoutEvent, StoreError> {
    Ok(CheckoutEvent {
        seq: row.get("seq")?,
        from: row.parse("from_state")?,
        to: row.parse("to_state")?,
        evidence: row.get("evidence")?,
    })
}

/// The column of a checkout's snapshot.
pub(super) fn priced_items(quote: &Quote) -> Json<Vec<PricedItem>> {
    let item = |line: &PricedLine| {
        let price = line.unit_price.minor_units();
        (line.sku.to_string(), line.name.to_string(), line.quantity.get(), price)
    };
    Json(quote.lines().iter().map(item).collect())
}

fn quote(items: Json<Vec<PricedItem>>, total: i64, currency: &str) -> Result<Quote, StoreError> {
    read_quote(items.0, total, currency).map_err(|fault| StoreError::unreadable("snapshot", fault))
}

fn read_quote(items: Vec<PricedItem>, total: i64, currency: &str) -> Result<Quote, Fault> {
    let total = Money::from_parts(currency, total)?;
    let line = |(sku, name, quantity, price): PricedItem| {
        let (sku, name) = (sku.parse::<Sku>()?, name.parse()?);
        let quantity = Quantity::try_from(quantity)?;
        let unit_price = Money::new(total.currency(), price)?;
        let line_total = unit_price.checked_mul(quantity)?;
        Ok::<_, Fault>(PricedLine { sku, name, quantity, unit_price, line_total })
    };
    let lines: Result<Vec<_>, _> = items.into_iter().map(line).collect();
    // The first fault says enough: no version of this service writes a snapshot that has any.
    Quote::new(lines?, total).map_err(|mut faults| faults.swap_remove(0).into())
}

#[cfg(test)]
mod tests {
    use kit_database::{Sql, SqlDatabase};

    use super::*;

    const ROW: Sql = Sql::same(
        "select $1 as cart_id, $2 as state, $3 as version, $4 as checkout_id, $5 as contents, \
         $6 as created_at, $7 as updated_at, $8 as quoted_items, $9 as quoted_total, \
         $10 as quoted_currency",
    );

    struct CartRow {
        cart_id: Uuid,
        state: &'static str,
        version: i64,
        checkout_id: Option<Uuid>,
        contents: Json<Contents>,
        created_at: i64,
        updated_at: i64,
        quoted_items: Option<Json<Vec<PricedItem>>>,
        quoted_total: Option<i64>,
        quoted_currency: Option<&'static str>,
    }

    impl CartRow {
        /// What the store makes of the row, read from a database.
        async fn read(self, database: &SqlDatabase) -> Result<Cart, StoreError> {
            let select = database
                .query(ROW)
                .bind(self.cart_id)
                .bind(self.state)
                .bind(self.version)
                .bind(self.checkout_id)
                .bind(self.contents)
                .bind(self.created_at)
                .bind(self.updated_at)
                .bind(self.quoted_items)
                .bind(self.quoted_total)
                .bind(self.quoted_currency);
            let row = select.fetch_optional().await.unwrap().unwrap();
            cart(&row, &"alice".parse().unwrap())
        }
    }

    fn contents(sku: &str, quantity: i32) -> Json<Contents> {
        Json(Contents { lines: vec![(sku.to_owned(), quantity)], note: String::new() })
    }

    fn cart_row() -> CartRow {
        CartRow {
            cart_id: Uuid::from_u128(1),
            state: "OPEN",
            version: 1,
            checkout_id: None,
            contents: contents("A", 1),
            created_at: 0,
            updated_at: 0,
            quoted_items: None,
            quoted_total: None,
            quoted_currency: None,
        }
    }

    fn paid_row() -> CartRow {
        CartRow {
            state: "PAID",
            checkout_id: Some(Uuid::from_u128(2)),
            quoted_items: Some(Json(vec![("A".to_owned(), "a thing".to_owned(), 2, 250)])),
            quoted_total: Some(500),
            quoted_currency: Some("GBP"),
            ..cart_row()
        }
    }

    #[tokio::test]
    async fn a_row_that_no_version_writes_is_no_cart() {
        let (database, _folder) = kit_testing::sqlite("cart").await;
        let database = database.sql().unwrap();
        cart_row().read(&database).await.unwrap();
        paid_row().read(&database).await.unwrap();
        for spoiled in [
            CartRow { state: "SOLD", ..cart_row() },
            CartRow { state: "PENDING", ..cart_row() },
            CartRow { checkout_id: Some(Uuid::nil()), ..cart_row() },
            CartRow { contents: contents("A", 0), ..cart_row() },
            CartRow { contents: contents("", 1), ..cart_row() },
            CartRow {
                contents: Json(Contents { note: "a\0b".to_owned(), ..Contents::default() }),
                ..cart_row()
            },
            CartRow { quoted_items: None, ..paid_row() },
            CartRow { quoted_total: Some(499), ..paid_row() },
            CartRow { quoted_currency: Some("gbp"), ..paid_row() },
        ] {
            let read = spoiled.read(&database).await;
            assert!(matches!(read, Err(StoreError::Unreadable { .. })));
        }
    }
}
