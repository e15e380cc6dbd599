//! Reads a CSV file of items: either all of its rows are good, or each bad one is named.

mod bad_file;
mod header;
mod row;

use std::collections::HashMap;

use oxcart_types::{Currency, Item, Money, Price, Sku};

use self::{
    header::{Column, Header},
    row::Row,
};
use crate::domain::{
    csv::{self, Record},
    item::ItemSet,
};

pub use self::bad_file::{BadField, BadFile, Fault, MAX_LISTED_ROWS};

/// The largest file, in bytes: 32 MiB.
pub const MAX_FILE_BYTES: usize = 32 * 1024 * 1024;

/// The most rows of a file, its header not counted.
pub const MAX_ROWS: usize = 100_000;

/// Reads all items of `file`. Rows that name no currency are priced in `default_currency`.
///
/// # Errors
/// [`BadFile`] names what is wrong, row by row. A file whose header is wrong is read no further, and
/// neither is one with too many rows.
pub fn parse(file: &[u8], default_currency: Currency) -> Result<ItemSet, BadFile> {
    let mut records = csv::records(file);
    let mut bad = BadFile::default();
    let header = match Header::read(records.next()) {
        Ok(header) => header,
        Err(fields) => {
            bad.push_row(fields);
            return Err(bad);
        }
    };
    let mut reader = Reader { header, default_currency, first_lines: HashMap::new() };
    let mut items = Vec::new();
    for (index, record) in records.enumerate() {
        if index == MAX_ROWS {
            bad.push_row(vec![BadField::of_line(record.line, Fault::TooManyRows)]);
            break;
        }
        match reader.read(record) {
            Ok(item) => items.push(item),
            Err(fields) => bad.push_row(fields),
        }
    }
    if bad.is_empty() { Ok(items.into_iter().collect()) } else { Err(bad) }
}

/// What reading a row needs to know.
struct Reader {
    header: Header,
    default_currency: Currency,
    /// The line that each SKU was first seen on.
    first_lines: HashMap<Sku, usize>,
}

impl Reader {
    /// Reads one item, or says what is wrong with each of its fields.
    fn read(&mut self, record: Record<'_>) -> Result<Item, Vec<BadField>> {
        let mut row = Row::new(&self.header, record)?;
        let line = row.line();
        let sku = row.take(Column::Sku, |text| {
            let sku: Sku = text.parse()?;
            let first_line = *self.first_lines.entry(sku.clone()).or_insert(line);
            if first_line == line { Ok(sku) } else { Err(Fault::Repeated { first_line }) }
        });
        let name = row.take(Column::Name, |text| Ok(text.parse()?));
        let description = row.take(Column::Description, |text| Ok(text.parse()?));
        let currency = row.take(Column::Currency, |text| match text {
            "" => Ok(self.default_currency),
            code => Ok(code.parse()?),
        });
        // How many decimals a price may have depends on its currency.
        let price = currency
            .and_then(|currency| row.take(Column::Price, |text| read_price(currency, text)));
        match (sku, name, description, price) {
            (Some(sku), Some(name), Some(description), Some(price)) => {
                Ok(Item { sku, name, description, price })
            }
            _ => Err(row.into_bad_fields()),
        }
    }
}

fn read_price(currency: Currency, text: &str) -> Result<Price, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    Ok(Price::try_from(Money::parse_decimal(currency, text)?)?)
}

#[cfg(test)]
mod tests;
