//! The first line of a file, which names the columns.

use super::{BadField, Fault};
use crate::domain::csv::Record;

/// What a file may say about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Sku,
    Name,
    Price,
    Description,
    Currency,
}

impl Column {
    const ALL: [Self; 5] = [Self::Sku, Self::Name, Self::Price, Self::Description, Self::Currency];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sku => "sku",
            Self::Name => "name",
            Self::Price => "price",
            Self::Description => "description",
            Self::Currency => "currency",
        }
    }
}

/// Which column stands where.
#[derive(Debug)]
pub(super) struct Header(Vec<Column>);

impl Header {
    /// Reads the first line; none at all is a line that names no column.
    pub(super) fn read(first: Option<Record<'_>>) -> Result<Self, Vec<BadField>> {
        let line = first.as_ref().map_or(1, |record| record.line);
        let fields = first.map_or(Ok(Vec::new()), |record| record.fields);
        let fields = fields.map_err(|error| vec![BadField::of_line(line, error.into())])?;

        let mut columns = Vec::new();
        let mut bad = Vec::new();
        for field in fields {
            match Column::ALL.iter().find(|column| column.name().as_bytes() == &*field) {
                Some(column) if columns.contains(column) => {
                    bad.push(bad_column(line, *column, Fault::ColumnRepeated));
                }
                Some(column) => columns.push(*column),
                None => {
                    let name = String::from_utf8_lossy(&field).into_owned();
                    bad.push(BadField::of_line(line, Fault::ColumnUnknown { name }));
                }
            }
        }
        let is_missing = |column: &Column| *column != Column::Currency && !columns.contains(column);
        let missing = Column::ALL.into_iter().filter(is_missing);
        bad.extend(missing.map(|column| bad_column(line, column, Fault::ColumnMissing)));
        if bad.is_empty() { Ok(Self(columns)) } else { Err(bad) }
    }

    /// How many fields a row has.
    pub(super) fn width(&self) -> usize {
        self.0.len()
    }

    /// Which of the fields is `column`. None if the file does not have it.
    pub(super) fn position(&self, column: Column) -> Option<usize> {
        self.0.iter().position(|one| *one == column)
    }
}

const fn bad_column(line: usize, column: Column, fault: Fault) -> BadField {
    BadField { line, column: Some(column.name()), fault }
}
