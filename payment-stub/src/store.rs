//! Where payments are kept: one trait for our register, one for the simulated acquirer's side, and
//! both in memory and in SQL.
//!
//! What makes a record write-once stands in here and nowhere else: the key is inserted at most once,
//! and a record changes only `where state = 'PROCESSING'`, or to note that it was given back.
//! Callers pass clock and ids. Nothing is deleted: a tombstone must outlive every late charge.

mod memory;
mod row;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use kit_database::{Database, Migration, Migrations};
use time::OffsetDateTime;

pub use kit_database::StoreError;
pub use memory::MemoryStore;
pub use sql::SqlStore;

use crate::domain::{
    acquirer::AcquirerCharge,
    card::KeptCard,
    key::PaymentKey,
    payment::{Cursor, Outcome, Payment, Range},
    token::PaymentToken,
};

/// The schema, step by step.
pub const MIGRATIONS: Migrations = Migrations {
    sqlite: &[Migration {
        version: 1,
        name: "payments",
        sql: include_str!("../migrations/sqlite/0001_payments.sql"),
    }],
    postgres: &[Migration {
        version: 1,
        name: "payments",
        sql: include_str!("../migrations/postgres/0001_payments.sql"),
    }],
};

/// A record after an attempt to be the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The record that stands under the key now.
    pub payment: Payment,
    /// Whether this attempt wrote it.
    pub created: bool,
}

/// The register.
#[async_trait]
pub trait PaymentStore: Send + Sync {
    /// Writes `payment` if its key is new; otherwise changes nothing. One of any number of attempts
    /// at the same time wins, and all of them see its record.
    async fn open(&self, payment: &Payment) -> Result<Opened, StoreError>;

    /// Stores the outcome of `key` if it has none, and returns the record that stands then: the first
    /// outcome, whichever that was. `None` if the key was never opened.
    async fn settle(
        &self,
        key: &PaymentKey,
        outcome: &Outcome,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError>;

    /// Notes that a captured payment was given back, if that is not noted yet, and returns the record
    /// that stands then; any other payment stays as it is.
    async fn refund(
        &self,
        key: &PaymentKey,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError>;

    /// The record of `key`.
    async fn find(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError>;

    /// Up to `limit` payments of `range` behind `after`, by the time they were first seen, then by
    /// key.
    async fn list(
        &self,
        range: Range,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Payment>, StoreError>;

    /// Up to `limit` keys behind `after` that are not decided, in order. Keys and not records, so
    /// that one record that cannot be read hides none of the others.
    async fn undecided(
        &self,
        after: Option<&PaymentKey>,
        limit: u32,
    ) -> Result<Vec<PaymentKey>, StoreError>;
}

/// The simulated acquirer's memory.
#[async_trait]
pub trait AcquirerStore: Send + Sync {
    /// Keeps what is left of a card under its token.
    async fn keep_card(
        &self,
        token: &PaymentToken,
        card: &KeptCard,
        at: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// What was kept under `token`.
    async fn card(&self, token: &PaymentToken) -> Result<Option<KeptCard>, StoreError>;

    /// Writes `charge` if its key is new, and returns the charge that stands under it.
    async fn charge(&self, charge: &AcquirerCharge) -> Result<AcquirerCharge, StoreError>;

    /// The charge of `key`.
    async fn find_charge(&self, key: &PaymentKey) -> Result<Option<AcquirerCharge>, StoreError>;

    /// Notes that a captured charge was given back, if that is not noted yet.
    async fn refund_charge(&self, key: &PaymentKey, at: OffsetDateTime) -> Result<(), StoreError>;
}

/// Both sides, kept in one database and knowing nothing of each other.
#[derive(Clone)]
pub struct Stores {
    /// Our register.
    pub payments: Arc<dyn PaymentStore>,
    /// The acquirer's memory.
    pub acquirer: Arc<dyn AcquirerStore>,
}

impl Stores {
    /// Keeps both in `database`, which is migrated.
    #[must_use]
    pub fn open(database: &Database) -> Self {
        match database.sql() {
            Some(database) => Self::of(SqlStore::new(database)),
            None => Self::of(MemoryStore::default()),
        }
    }

    /// Keeps both in `store`.
    #[must_use]
    pub fn of<S: PaymentStore + AcquirerStore + 'static>(store: S) -> Self {
        let store = Arc::new(store);
        Self { payments: store.clone(), acquirer: store }
    }
}
