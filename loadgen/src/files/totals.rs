//! What each purchase must come to.

use std::{collections::BTreeMap, path::Path};

use oxcart_types::{Currency, Money, UserId};

use super::{
    FileError, MAX_PURCHASES,
    purchases::read_invoice,
    read_bytes,
    table::{Row, Table},
};

/// The column of totals is named by this and the currency's code.
const TOTAL_COLUMN: &str = "total_";

/// What one purchase must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// Who bought.
    pub customer: UserId,
    /// How many lines.
    pub lines: i64,
    /// How many pieces in all of them.
    pub units: i64,
    /// What they cost together.
    pub total: Money,
}

/// What all purchases must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalsFile {
    /// What all totals are counted in.
    pub currency: Currency,
    /// The totals by invoice, at least one.
    pub by_invoice: BTreeMap<String, Totals>,
}

/// Reads totals.
///
/// # Errors
/// See [`FileError`].
pub fn read_totals(path: &Path) -> Result<TotalsFile, FileError> {
    let bytes = read_bytes(path)?;
    let mut table = Table::new(path, &bytes)?;
    let columns = Columns::of(&table, path)?;
    let mut by_invoice = BTreeMap::new();
    while let Some(row) = table.next_row()? {
        let invoice = read_invoice(&row, columns.invoice)?;
        if by_invoice.len() == MAX_PURCHASES {
            return Err(row.refuse(format!("there are more than {MAX_PURCHASES} purchases")));
        }
        if by_invoice.insert(invoice, read_row(&row, &columns)?).is_some() {
            return Err(row.wrong("invoice", "stands in this file before"));
        }
    }
    if by_invoice.is_empty() {
        return Err(FileError::Empty { path: path.to_owned() });
    }
    Ok(TotalsFile { currency: columns.currency, by_invoice })
}

struct Columns {
    invoice: usize,
    customer: usize,
    lines: usize,
    units: usize,
    total: usize,
    currency: Currency,
}

impl Columns {
    fn of(table: &Table<'_>, path: &Path) -> Result<Self, FileError> {
        let (total, currency) = find_total(table).ok_or_else(|| FileError::NoColumn {
            path: path.to_owned(),
            column: "total_gbp, or total_ with another currency's code".to_owned(),
        })?;
        Ok(Self {
            invoice: table.column("invoice")?,
            customer: table.column("customer")?,
            lines: table.column("lines")?,
            units: table.column("units")?,
            total,
            currency,
        })
    }
}

fn find_total(table: &Table<'_>) -> Option<(usize, Currency)> {
    let (index, name) = table.find_column(|column| column.starts_with(TOTAL_COLUMN))?;
    let code = name.strip_prefix(TOTAL_COLUMN)?.to_ascii_uppercase();
    Some((index, code.parse().ok()?))
}

fn read_row(row: &Row, columns: &Columns) -> Result<Totals, FileError> {
    let total = Money::parse_decimal(columns.currency, row.text(columns.total))
        .map_err(|error| row.wrong("total", error))?;
    let customer = row.parse(columns.customer, "customer")?;
    let lines = row.parse(columns.lines, "lines")?;
    Ok(Totals { customer, lines, units: row.parse(columns.units, "units")?, total })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<TotalsFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("totals.csv");
        fs::write(&path, text).unwrap();
        read_totals(&path).map_err(|error| {
            error.to_string().replace(&format!("{}/", folder.path().display()), "")
        })
    }

    #[test]
    fn the_header_names_the_currency() {
        for (code, shown) in [("gbp", "GBP 139.12"), ("KWD", "KWD 139.120")] {
            let text =
                format!("invoice,customer,lines,units,total_{code}\n536365,17850,7,40,139.12\n");
            let totals = read(&text).unwrap().by_invoice;
            assert_eq!(totals["536365"].total.to_string(), shown);
            assert_eq!((totals["536365"].lines, totals["536365"].units), (7, 40));
        }
    }

    #[test]
    fn a_bad_row_is_refused_by_its_line() {
        for (row, problem) in [
            ("1,a,1,1,1.005", "total must have at most 2 decimals"),
            ("1,a,x,1,1.00", "lines invalid digit found in string"),
            ("0,a,1,1,1.00", "invoice stands in this file before"),
        ] {
            let text = format!("invoice,customer,lines,units,total_gbp\n0,a,1,1,1.00\n{row}\n");
            assert_eq!(read(&text), Err(format!("totals.csv, line 3: {problem}")));
        }
    }

    #[test]
    fn a_file_without_a_total_is_refused() {
        for column in ["total", "total_xyzzy"] {
            let refused = read(&format!("invoice,customer,lines,units,{column}\n"));
            let problem = "totals.csv, line 1: there is no column total_gbp, or total_ with another \
                currency's code";
            assert_eq!(refused, Err(problem.to_owned()));
        }
    }
}
