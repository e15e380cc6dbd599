//! What was bought, purchase by purchase.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use oxcart_types::{Line, Quantity, Sku, UserId};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    FileError, MAX_PURCHASES, read_bytes,
    table::{Row, Table},
};

/// The most lines of a purchase: what a cart can hold by the contract.
const MAX_LINES: usize = 1_000;

/// The longest invoice, in characters: with what is put around it, it must fit a `request_id`.
const MAX_INVOICE_CHARS: usize = 40;

/// The longest customer, in characters: the identity provider takes no longer names.
const MAX_CUSTOMER_CHARS: usize = 64;

/// What one customer bought at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The shop's number for it. Unique in the file.
    pub invoice: String,
    /// Who bought.
    pub customer: UserId,
    /// When.
    pub at: OffsetDateTime,
    /// What, each SKU once.
    pub lines: Vec<Line>,
}

/// Reads purchases, in the order of the file.
///
/// # Errors
/// See [`FileError`].
pub fn read_purchases(path: &Path) -> Result<Vec<Purchase>, FileError> {
    let bytes = read_bytes(path)?;
    let mut table = Table::new(path, &bytes)?;
    let columns = Columns::of(&table)?;
    let mut purchases = Purchases::default();
    while let Some(row) = table.next_row()? {
        purchases.add(&row, &columns)?;
    }
    if purchases.all.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    Ok(purchases.all)
}

struct Columns {
    invoice: usize,
    customer: usize,
    at: usize,
    sku: usize,
    quantity: usize,
}

impl Columns {
    fn of(table: &Table<'_>) -> Result<Self, FileError> {
        Ok(Self {
            invoice: table.column("invoice")?,
            customer: table.column("customer")?,
            at: table.column("at")?,
            sku: table.column("sku")?,
            quantity: table.column("quantity")?,
        })
    }
}

#[derive(Default)]
struct Purchases {
    all: Vec<Purchase>,
    by_invoice: HashMap<String, usize>,
    named: HashSet<(usize, Sku)>,
}

impl Purchases {
    fn add(&mut self, row: &Row, columns: &Columns) -> Result<(), FileError> {
        let line = read_line(row, columns)?;
        let index = self.find_or_begin(row, columns)?;
        if !self.named.insert((index, line.sku.clone())) {
            return Err(row.wrong("sku", "stands in this invoice before"));
        }
        let lines = &mut self.all[index].lines;
        if lines.len() == MAX_LINES {
            return Err(row.refuse(format!("the invoice has more than {MAX_LINES} lines")));
        }
        lines.push(line);
        Ok(())
    }

    fn find_or_begin(&mut self, row: &Row, columns: &Columns) -> Result<usize, FileError> {
        let customer = read_customer(row, columns.customer)?;
        let at = read_time(row, columns.at)?;
        if let Some(&index) = self.by_invoice.get(row.text(columns.invoice)) {
            let begun = &self.all[index];
            if (&begun.customer, begun.at) != (&customer, at) {
                return Err(row.refuse("the invoice has another customer or time before"));
            }
            return Ok(index);
        }
        if self.all.len() == MAX_PURCHASES {
            return Err(row.refuse(format!("there are more than {MAX_PURCHASES} purchases")));
        }
        let invoice = read_invoice(row, columns.invoice)?;
        self.by_invoice.insert(invoice.clone(), self.all.len());
        self.all.push(Purchase { invoice, customer, at, lines: Vec::new() });
        Ok(self.all.len() - 1)
    }
}

fn read_line(row: &Row, columns: &Columns) -> Result<Line, FileError> {
    let sku = row.parse(columns.sku, "sku")?;
    let pieces: i32 = row.parse(columns.quantity, "quantity")?;
    let quantity = Quantity::try_from(pieces).map_err(|error| row.wrong("quantity", error))?;
    Ok(Line { sku, quantity })
}

fn read_customer(row: &Row, column: usize) -> Result<UserId, FileError> {
    let customer: UserId = row.parse(column, "customer")?;
    if customer.as_str().chars().count() > MAX_CUSTOMER_CHARS {
        let problem = format!("must be at most {MAX_CUSTOMER_CHARS} characters");
        return Err(row.wrong("customer", problem));
    }
    Ok(customer)
}

fn read_time(row: &Row, column: usize) -> Result<OffsetDateTime, FileError> {
    OffsetDateTime::parse(row.text(column), &Rfc3339)
        .map_err(|_| row.wrong("at", "must be a time such as 2010-12-01T08:26:00Z"))
}

/// Reads an invoice that can be a part of a `request_id`.
pub(super) fn read_invoice(row: &Row, column: usize) -> Result<String, FileError> {
    let invoice = row.text(column);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if invoice.is_empty() || invoice.len() > MAX_INVOICE_CHARS || !invoice.bytes().all(is_plain) {
        let problem = format!("must be 1 to {MAX_INVOICE_CHARS} of A-Z a-z 0-9 _ -");
        return Err(row.wrong("invoice", problem));
    }
    Ok(invoice.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HEADER: &str = "invoice,customer,at,sku,quantity\n";

    fn pieces(purchase: &Purchase) -> i64 {
        purchase.lines.iter().map(|line| i64::from(line.quantity.get())).sum()
    }

    fn read(text: &[u8]) -> Result<Vec<Purchase>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("purchases.csv");
        fs::write(&path, text).unwrap();
        read_purchases(&path).map_err(|error| {
            error.to_string().replace(&format!("{}/", folder.path().display()), "")
        })
    }

    #[test]
    fn rows_of_one_invoice_become_one_purchase() {
        let rows = "1,alice,2010-12-01T08:26:00Z,85123A,6\n\
            2,bob,2010-12-01T08:27:00Z,POST,1\n\
            1,alice,2010-12-01T08:26:00Z,BANK CHARGES,2\n";
        for text in
            [format!("{HEADER}{rows}"), format!("\u{feff}{HEADER}{rows}").replace('\n', "\r\n")]
        {
            let purchases = read(text.as_bytes()).unwrap();
            assert_eq!(purchases.len(), 2);
            assert_eq!(purchases[0].invoice, "1");
            assert_eq!(purchases[0].lines.len(), 2);
            assert_eq!(pieces(&purchases[0]), 8);
            assert_eq!(purchases[1].customer.as_str(), "bob");
        }
    }

    #[test]
    fn columns_may_stand_in_any_order() {
        let text = "sku,quantity,at,customer,invoice\nA,3,2010-12-01T08:26:00Z,alice,7\n";
        assert_eq!(pieces(&read(text.as_bytes()).unwrap()[0]), 3);
    }

    #[test]
    fn a_bad_row_is_refused_by_its_line() {
        let good = "1,alice,2010-12-01T08:26:00Z,A,6\n";
        for (row, problem) in [
            ("1,alice,2010-12-01T08:26:00Z,B,0\n", "quantity must be from 1 to 1000000"),
            ("1,alice,2010-12-01T08:26:00Z,B,x\n", "quantity invalid digit found in string"),
            ("1,alice,2010-12-01T08:26:00Z,A,1\n", "sku stands in this invoice before"),
            ("1,bob,2010-12-01T08:26:00Z,B,1\n", "the invoice has another customer or time before"),
            ("2,alice,yesterday,B,1\n", "at must be a time such as 2010-12-01T08:26:00Z"),
            ("2/3,alice,2010-12-01T08:26:00Z,B,1\n", "invoice must be 1 to 40 of A-Z a-z 0-9 _ -"),
            ("2,alice,2010-12-01T08:26:00Z,B\n", "has 4 fields, the first line has 5"),
        ] {
            let refused = read(format!("{HEADER}{good}{row}").as_bytes());
            assert_eq!(refused, Err(format!("purchases.csv, line 3: {problem}")));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_by_their_line() {
        let text = [HEADER.as_bytes(), b"1,alice,2010-12-01T08:26:00Z,\xff,1\n"].concat();
        assert_eq!(read(&text), Err("purchases.csv, line 2: is not UTF-8".to_owned()));
    }

    #[test]
    fn a_file_without_rows_or_columns_is_refused() {
        assert_eq!(read(HEADER.as_bytes()), Err("purchases.csv has no rows".to_owned()));
        let refused = read(b"invoice,customer\n1,alice\n");
        assert_eq!(refused, Err("purchases.csv, line 1: there is no column at".to_owned()));
    }
}
