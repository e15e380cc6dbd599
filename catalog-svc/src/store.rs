//! Where the items are kept.
//!
//! Deliberately absent: what may be stored, which the types of [`crate::domain`] say.

mod memory;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use oxcart_types::{Money, MoneyError, Sku};
use service_kit::database::{Database, Failure, Migration, Migrations};

use self::{memory::MemoryStore, postgres::PostgresStore, sqlite::SqliteStore};
use crate::domain::{
    item::{Item, ItemSet},
    search::{Match, Place, Query},
};

/// The schema, step by step.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "item",
        sql: include_str!("../migrations/sqlite/0001_item.sql"),
    }],
    postgres: &[Migration {
        version: 1,
        name: "item",
        sql: include_str!("../migrations/postgres/0001_item.sql"),
    }],
};

/// Rows that one statement writes at most. Keeps a statement within a database's time limit; the
/// transaction is one all the same.
const BATCH_ROWS: usize = 5_000;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the catalogue's database failed")]
    Database(#[from] Failure),
    /// The database holds what this version of the service would not have stored.
    #[error("what is stored of item {sku:?} is not valid")]
    Unreadable {
        /// The item.
        sku: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// What saving items did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// Items that were not there before.
    pub created: u64,
    /// Items that were there and are different now.
    pub updated: u64,
    /// Items that were there and are the same.
    pub unchanged: u64,
}

/// Keeps items by their SKUs. Every method sees and leaves whole changes only.
///
/// # Errors
/// All methods fail with [`StoreError`] and nothing else; a failed one has changed nothing.
#[async_trait]
pub trait CatalogStore: Send + Sync {
    /// Those of `skus` that exist, in any order, each once.
    async fn find(&self, skus: &[Sku]) -> Result<Vec<Item>, StoreError>;

    /// Up to `limit` items by SKU, byte by byte: those behind `after`, or the first.
    async fn list(&self, after: Option<&Sku>, limit: u32) -> Result<Vec<Item>, StoreError>;

    /// Up to `limit` items that match `query`, by their [`Place`]: those behind `after`, or the
    /// best.
    async fn search(
        &self,
        query: &Query,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<Vec<Match>, StoreError>;

    /// Stores all of `items`, replacing those that exist.
    async fn save(&self, items: &ItemSet) -> Result<Saved, StoreError>;

    /// Takes an item out. Answers whether there was one.
    async fn delete(&self, sku: &Sku) -> Result<bool, StoreError>;
}

/// The store in `database`, whose schema must be up to date.
#[must_use]
pub fn open(database: Database) -> Arc<dyn CatalogStore> {
    match database {
        Database::Memory => Arc::new(MemoryStore::default()),
        Database::Sqlite(sqlite) => Arc::new(SqliteStore::new(sqlite)),
        Database::Postgres(pool) => Arc::new(PostgresStore::new(pool)),
    }
}

/// A row of the table `item`, not yet checked.
struct Row {
    sku: String,
    name: String,
    description: String,
    currency_code: String,
    price_minor_units: i64,
}

impl TryFrom<Row> for Item {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = |source| StoreError::Unreadable { sku: row.sku.clone(), source };
        let price: Result<Money, MoneyError> =
            Money::from_parts(&row.currency_code, row.price_minor_units);
        Ok(Self {
            sku: row.sku.parse().map_err(|error| unreadable(Box::new(error)))?,
            name: row.name.parse().map_err(|error| unreadable(Box::new(error)))?,
            description: row.description.parse().map_err(|error| unreadable(Box::new(error)))?,
            price: price
                .map_err(|error| unreadable(Box::new(error)))?
                .try_into()
                .map_err(|error| unreadable(Box::new(error)))?,
        })
    }
}
