//! What is wrong with a file of items, by line.

use std::fmt;

use oxcart_types::{IdError, MoneyError, PriceError, TextError};

use super::MAX_ROWS;
use crate::domain::csv::QuoteError;

/// Bad rows that a [`BadFile`] lists. It counts the others.
pub const MAX_LISTED_ROWS: usize = 100;

/// The longest name of an unknown column that is repeated to the caller, in characters.
const MAX_SHOWN_CHARS: usize = 40;

/// A file that was refused.
#[derive(Debug, Default, thiserror::Error)]
#[error("the file is bad in {bad_rows} of its rows")]
pub struct BadFile {
    listed: Vec<BadField>,
    bad_rows: usize,
}

impl BadFile {
    /// What is wrong with the first [`MAX_LISTED_ROWS`] bad rows.
    #[must_use]
    pub fn listed(&self) -> &[BadField] {
        &self.listed
    }

    /// How many rows are bad, the header counted as one.
    #[must_use]
    pub const fn bad_rows(&self) -> usize {
        self.bad_rows
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bad_rows == 0
    }

    /// Adds what is wrong with one more row.
    pub(super) fn push_row(&mut self, fields: Vec<BadField>) {
        self.bad_rows += 1;
        if self.bad_rows <= MAX_LISTED_ROWS {
            self.listed.extend(fields);
        }
    }
}

/// A bad field, or a bad row as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadField {
    /// The line that the row begins on, from 1: the header's.
    pub line: usize,
    /// The field; none if the row has no fields to speak of.
    pub column: Option<&'static str>,
    /// What is wrong with it.
    pub fault: Fault,
}

impl BadField {
    pub(super) const fn of_line(line: usize, fault: Fault) -> Self {
        Self { line, column: None, fault }
    }

    /// Where it is, for people: `line 7, price`.
    #[must_use]
    pub fn place(&self) -> String {
        match self.column {
            Some(column) => format!("line {}, {column}", self.line),
            None => format!("line {}", self.line),
        }
    }
}

/// Why a field or a row was refused. The text fits behind the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has no price.
    #[error("must not be empty")]
    Empty,
    /// It holds bytes that are no text.
    #[error("must be UTF-8")]
    NotUtf8,
    /// An earlier row has the same SKU.
    #[error("must differ from the SKU on line {first_line}")]
    Repeated {
        /// The line of the first such row.
        first_line: usize,
    },
    /// It is no SKU.
    #[error(transparent)]
    Sku(#[from] IdError),
    /// A text is not what its column holds.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The price is more than an item may cost.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// It is no price or currency.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// It cannot be cut into fields.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// It has more or fewer fields than the first line.
    #[error("must have {expected} fields as the first line has, not {found}")]
    FieldCount {
        /// How many it has.
        found: usize,
        /// How many the first line has.
        expected: usize,
    },
    /// It is one row too many.
    #[error("must not be there: a file has at most {MAX_ROWS} rows")]
    TooManyRows,
    /// The first line does not name this column.
    #[error("must be one of the columns that the first line names")]
    ColumnMissing,
    /// The first line names this column twice.
    #[error("must be named only once")]
    ColumnRepeated,
    /// The first line names a column that items do not have.
    #[error(
        "must name no other column than sku, name, price, description and currency, not {}",
        Shown(.name)
    )]
    ColumnUnknown {
        /// What the line has there.
        name: String,
    },
}

/// A text of the caller's, quoted and cut to a length that fits an error.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.0.chars().take(MAX_SHOWN_CHARS).collect();
        write!(f, "{short:?}")
    }
}
