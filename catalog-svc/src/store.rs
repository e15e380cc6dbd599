//! Where the items are kept.

mod memory;
mod row;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use kit_database::{Database, Migration, Migrations};
use oxcart_types::{Item, Sku};

pub use kit_database::StoreError;

use self::{memory::MemoryStore, sql::SqlStore};
use crate::domain::{
    item::ItemSet,
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
pub fn open(database: &Database) -> Arc<dyn CatalogStore> {
    match database.sql() {
        Some(database) => Arc::new(SqlStore::new(database)),
        None => Arc::new(MemoryStore::default()),
    }
}
