//! What a statement returns.

use std::{error::Error, str::FromStr};

use sqlx::{Decode, Postgres, Row as _, Sqlite, Type, postgres::PgRow, sqlite::SqliteRow};
use time::OffsetDateTime;

use crate::{StoreError, from_micros};

/// What a column of either database reads as.
pub trait Column<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Column<'r> for T where
    T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

/// A row that a statement returned. Columns are read by name.
pub struct Row(Driver);

enum Driver {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Driver::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Driver::Postgres(row))
    }
}

impl Row {
    /// The value of a column; an `Option` if it may be null.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn get<'r, T: Column<'r>>(&'r self, column: &'static str) -> Result<T, StoreError> {
        let value = match &self.0 {
            Driver::Sqlite(row) => row.try_get(column),
            Driver::Postgres(row) => row.try_get(column),
        };
        value.map_err(|source| StoreError::unreadable(column, source))
    }

    /// The value that a column has as text.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn parse<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let text: &str = self.get(column)?;
        text.parse().map_err(|source| StoreError::unreadable(column, source))
    }

    /// As [`Self::parse`], of a column that may be null.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn parse_optional<T>(&self, column: &'static str) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let text: Option<&str> = self.get(column)?;
        let parsed = text.map(str::parse).transpose();
        parsed.map_err(|source| StoreError::unreadable(column, source))
    }

    /// The time that a column has in [`micros`](crate::micros).
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn time(&self, column: &'static str) -> Result<OffsetDateTime, StoreError> {
        self.get(column).map(from_micros)
    }

    /// As [`Self::time`], of a column that may be null.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn time_optional(
        &self,
        column: &'static str,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(from_micros))
    }
}
