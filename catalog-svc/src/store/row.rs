//! How items stand in columns, and their words in what each database searches by.
//!
//! The words are cut out here, because neither database's own parser has our idea of a word
//! (PostgreSQL's takes `red/white` for a path). They hold letters and digits only.

use std::fmt::Write as _;

use kit_database::{Dialect, Row};
use oxcart_types::{Item, Money};
use serde_json::{Value, json};

use super::StoreError;
use crate::domain::search::{self, Query};

/// An item from the columns of `item`.
pub(super) fn item(row: &Row) -> Result<Item, StoreError> {
    let sku: &str = row.get("sku")?;
    read(row).map_err(|error| StoreError::unreadable(format!("item {sku:?}"), error))
}

fn read(row: &Row) -> Result<Item, StoreError> {
    let amount = Money::from_parts(row.get("currency_code")?, row.get("price_minor_units")?);
    let amount = amount.map_err(|error| StoreError::unreadable("price", error))?;
    Ok(Item {
        sku: row.parse("sku")?,
        name: row.parse("name")?,
        description: row.parse("description")?,
        price: amount.try_into().map_err(|error| StoreError::unreadable("price", error))?,
    })
}

/// The columns of an item in order, and behind them what PostgreSQL keeps in the same row to search
/// by.
pub(super) fn columns(dialect: Dialect, item: &Item) -> Value {
    let price = item.price.money();
    let search = match dialect {
        Dialect::Sqlite => None,
        Dialect::Postgres => Some(search_vector(item)),
    };
    json!([
        item.sku.as_str(),
        item.name.as_str(),
        item.description.as_str(),
        price.currency().code(),
        price.minor_units(),
        search,
    ])
}

/// The SKU of an item, and its words as SQLite searches by them: they stand between spaces.
pub(super) fn words(item: &Item) -> Value {
    let spaced = |text| search::words(text).collect::<Vec<_>>().join(" ");
    json!([item.sku.as_str(), spaced(item.name.as_str()), spaced(item.description.as_str())])
}

/// The words of an item as a `tsvector`.
fn search_vector(item: &Item) -> String {
    let name = search::words(item.name.as_str()).map(|word| (word, 'A'));
    let description = search::words(item.description.as_str()).map(|word| (word, 'D'));
    let mut vector = String::new();
    for (index, (word, weight)) in name.chain(description).enumerate() {
        // Writing to a string cannot fail.
        let _ = write!(vector, "'{word}':{}{weight} ", index + 1);
    }
    vector
}

/// The query as FTS5 or a `tsquery` reads it; none if it has no word. The words hold letters and
/// digits only, so the quotes stay balanced, and make plain words of `and`, `near` and the like.
pub(super) fn match_expression(dialect: Dialect, query: &Query) -> Option<String> {
    let beginning = query.beginning()?;
    let (quote, prefix, and) = match dialect {
        Dialect::Sqlite => ('"', " *", " AND "),
        Dialect::Postgres => ('\'', ":*", " & "),
    };
    let whole = query.whole().iter().map(|word| format!("{quote}{word}{quote}"));
    let beginning = format!("{quote}{beginning}{quote}{prefix}");
    Some(whole.chain([beginning]).collect::<Vec<_>>().join(and))
}
