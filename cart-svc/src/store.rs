//! Where carts and checkouts are kept: one trait, and behind it a store in memory and one in
//! SQL.
//!
//! A store decides nothing. It saves what the domain made by compare-and-set, and answers
//! [`StoreError::Conflict`] if what was read has moved since; the caller loads and decides again.

mod memory;
mod row;
mod sql;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kit_database::{Database, Migration, Migrations};
use kit_service::Env;
use oxcart_types::{CartFilter, CartId, CheckoutId, RequestId, UserId, Version};
use time::OffsetDateTime;

use crate::domain::{Cart, Checkout, CheckoutEvent, Decided, Marked};

pub use kit_database::StoreError;
pub use memory::MemoryStore;
pub use sql::SqlStore;

/// The schema of both databases.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "cart",
        sql: include_str!("../migrations/sqlite/0001_cart.sql"),
    }],
    postgres: &[Migration {
        version: 1,
        name: "cart",
        sql: include_str!("../migrations/postgres/0001_cart.sql"),
    }],
};

/// What became of a new cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is saved.
    New,
    /// Its owner has a cart of that id. Nothing has changed.
    Exists,
    /// Its owner has as many unpurchased carts as allowed. Nothing has changed.
    TooMany,
}

/// A cart's place in a list: the last created or purchased first, and by id among those of one
/// microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When it was purchased, or created if it is not.
    pub at: OffsetDateTime,
    /// Its id.
    pub cart: CartId,
}

impl From<&Cart> for Cursor {
    fn from(cart: &Cart) -> Self {
        Self { at: cart.purchased_at().unwrap_or(cart.created_at), cart: cart.id }
    }
}

/// One of the two names of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckoutName {
    /// Ours.
    Id(CheckoutId),
    /// The client's name for the request that started it.
    Request(RequestId),
}

/// A pending checkout whose lease has run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// Whose it is.
    pub owner: UserId,
    /// Which.
    pub checkout: CheckoutId,
    /// Counts its leases.
    pub lease_epoch: i64,
    /// How often it was handed out before.
    pub attempts: i64,
}

/// Keeps carts and checkouts. Every method is one transaction.
///
/// # Errors
/// [`StoreError::Database`] and [`StoreError::Unreadable`] from all of them; [`StoreError::Conflict`]
/// from those that save.
#[async_trait]
pub trait CartStore: Send + Sync {
    /// Saves a new cart, unless its owner has `max_carts` unpurchased ones. Two at once cannot pass
    /// the limit.
    async fn insert_cart(&self, cart: &Cart, max_carts: i64) -> Result<Inserted, StoreError>;

    /// Finds a cart.
    async fn cart(&self, owner: &UserId, id: CartId) -> Result<Option<Cart>, StoreError>;

    /// Finds the cart that a checkout is for.
    async fn cart_of_checkout(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Option<Cart>, StoreError>;

    /// Lists at most `limit` carts behind `after`, the youngest first.
    async fn carts(
        &self,
        owner: &UserId,
        filter: CartFilter,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Cart>, StoreError>;

    /// Saves the contents and version of an open cart that is still at `expected`.
    async fn save_contents(&self, cart: &Cart, expected: Version) -> Result<(), StoreError>;

    /// Deletes an open cart that is still at `expected`.
    async fn delete_cart(
        &self,
        owner: &UserId,
        id: CartId,
        expected: Version,
    ) -> Result<(), StoreError>;

    /// Finds a checkout.
    async fn checkout(
        &self,
        owner: &UserId,
        name: &CheckoutName,
    ) -> Result<Option<Checkout>, StoreError>;

    /// Saves a new checkout and the cart that it freezes, if that is still open at `expected` and
    /// the request has no checkout. It is overdue after `lease`, by the database's clock.
    async fn mark(
        &self,
        marked: &Marked,
        expected: Version,
        lease: Duration,
    ) -> Result<(), StoreError>;

    /// Saves the end of a checkout, if it is still pending and holds its cart.
    async fn decide(&self, decided: &Decided) -> Result<(), StoreError>;

    /// Reads at most `limit` overdue checkouts, the most overdue first. Another worker may read the
    /// same ones.
    async fn overdue(&self, limit: i64) -> Result<Vec<Overdue>, StoreError>;

    /// Takes an overdue checkout for `lease`, if no other worker has taken it since it was read.
    async fn lease(&self, overdue: &Overdue, lease: Duration) -> Result<(), StoreError>;

    /// The log of a checkout, in order.
    async fn events(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Vec<CheckoutEvent>, StoreError>;
}

/// The store that goes with an open, migrated database.
///
/// The memory store and SQLite live in this process, so their clock is that of `env`;
/// PostgreSQL has its own.
#[must_use]
pub fn open(database: &Database, env: Env) -> Arc<dyn CartStore> {
    match database.sql() {
        Some(database) => Arc::new(SqlStore::new(database, env)),
        None => Arc::new(MemoryStore::new(env)),
    }
}

/// A span of time for a database, in microseconds.
fn span_micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// What [`span_micros`] wrote down; nothing if it is over.
fn span_from_micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}
