//! Runs a store's statements on SQLite and on PostgreSQL alike, and is the one place that knows what
//! bites on either.
//!
//! A store method is written once. Dialects stand beside each other only where they differ:
//!
//! ```
//! use kit_database::{Json, Sql, SqlDatabase, StoreError, micros};
//! use time::OffsetDateTime;
//!
//! const SAVE: Sql = Sql::same(
//!     "update note set body = $3, version = version + 1 where note_id = $1 and version = $2",
//! );
//!
//! const FIND: Sql = Sql {
//!     sqlite: "select body from note where note_id in (select value from json_each($1))",
//!     postgres: "select body from note \
//!         where note_id = any (array (select jsonb_array_elements_text($1)))",
//! };
//!
//! const ARCHIVE: Sql = Sql::same("insert into archive (body, archived_at) values ($1, $2)");
//!
//! struct SqlStore {
//!     database: SqlDatabase,
//! }
//!
//! impl SqlStore {
//!     /// One statement is a transaction of its own, and one round trip.
//!     async fn save(&self, id: &str, version: i64, body: &str) -> Result<(), StoreError> {
//!         let save = self.database.query(SAVE).bind(id).bind(version).bind(body);
//!         save.execute_one().await // `Conflict` if the version has moved
//!     }
//!
//!     async fn archive(&self, ids: &[&str], at: OffsetDateTime) -> Result<u64, StoreError> {
//!         let mut transaction = self.database.begin().await?;
//!         let notes = transaction.query(FIND).bind(Json(ids)).fetch_all().await?;
//!         for note in &notes {
//!             let body: &str = note.get("body")?;
//!             transaction.query(ARCHIVE).bind(body).bind(micros(at)).execute().await?;
//!         }
//!         transaction.commit().await?; // Without it everything is rolled back.
//!         Ok(notes.len() as u64)
//!     }
//! }
//! ```
//!
//! - Which call decides where a statement runs: `fetch_*` reads, `execute*` writes. On SQLite a read
//!   that writes is refused; on PostgreSQL it might be repeated.
//! - Whatever is asked for, a statement is read to its end: sqlx 0.9.0 drops the error of a commit
//!   that comes with the end of a SQLite statement if only its first row is fetched.
//! - On PostgreSQL a read is repeated, once, if its connection turns out to be lost; a write only if
//!   the server said that it did not carry it out. Otherwise a write fails as
//!   [`Failure::Unavailable`](super::Failure), and whether it took effect is unknown.
//! - Every transaction on SQLite is a writing one: one that starts by reading may fail when it
//!   comes to write.
//! - A transaction in which a statement failed cannot be committed, as PostgreSQL has it.

mod postgres;
mod query;
mod row;
mod sql;
mod sqlite;
mod transaction;
mod value;

use sqlx::PgPool;

pub use query::Query;
pub use row::{Column, Row};
pub use sql::{Dialect, Sql};
pub use sqlx::types::Json;
pub use transaction::Transaction;
pub use value::Value;

pub(super) use postgres::acquire_alive;

use super::{Sqlite, StoreError};

/// An open database that speaks SQL. A clone shares its connections.
#[derive(Debug, Clone)]
pub enum SqlDatabase {
    /// A file.
    Sqlite(Sqlite),
    /// A server. Unqualified names of tables are in the service's own schema.
    Postgres(PgPool),
}

impl SqlDatabase {
    /// What it speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// A statement that is a transaction of its own.
    pub fn query(&self, sql: Sql) -> Query<'_> {
        Query::on_database(self, sql)
    }

    /// Begins a transaction, which ends with [`Transaction::commit`] or is rolled back. On SQLite it
    /// waits for the one that is open.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        Transaction::begin(self).await
    }
}
