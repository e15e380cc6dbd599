//! The store in a SQLite file.

use service_kit::database::Sqlite;
use sqlx::sqlite::SqliteRow;

use super::sql::sql_store;

/// The store in a SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    sqlite: Sqlite,
}

impl SqliteStore {
    /// A store in `sqlite`, which must be migrated.
    #[must_use]
    pub const fn new(sqlite: Sqlite) -> Self {
        Self { sqlite }
    }

    const fn reader(&self) -> &sqlx::SqlitePool {
        &self.sqlite.read
    }

    const fn writer(&self) -> &sqlx::SqlitePool {
        &self.sqlite.write
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Sqlite>, sqlx::Error> {
        self.sqlite.write.begin_with("begin immediate").await
    }
}

sql_store!(SqliteStore, sqlx::Sqlite, SqliteRow);
