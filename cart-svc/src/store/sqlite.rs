//! Carts in a SQLite file. Writes take turns on one connection; the clock is this process's.

use std::time::Duration;

use async_trait::async_trait;
use kit_database::{Sqlite, micros};
use kit_service::Env;
use oxcart_types::{CartFilter, CartId, CheckoutId, UserId, Version};
use sqlx::{Sqlite as Engine, SqliteConnection, Transaction, pool::PoolConnection};

use super::{
    CartStore, CheckoutName, Cursor, Inserted, Overdue, StoreError,
    row::{self, CheckoutRow, OverdueRow},
    span_micros,
    sql::{failed, won},
};
use crate::domain::{Cart, Checkout, CheckoutEvent, Decided, Marked};

mod statement {
    crate::store::sql::statements!(sqlx::Sqlite, sqlx::SqliteConnection);
}

const INSERT_CHECKOUT: &str = "insert into checkout (owner, checkout_id, cart_id, request_id, \
     fingerprint, items, total, currency, state, charge_until, lease_epoch, lease_until, attempts, \
     created_at, updated_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'PENDING', $9, 1, $10, 0, $11, $11)";

macro_rules! checkout_columns {
    () => {
        "select checkout_id, cart_id, request_id, fingerprint, items, total, currency, state, \
         fail_reason, decline_reason, payment_id, charge_until - $3 as charge_left, attempts, \
         created_at, updated_at from checkout where owner = $1 and "
    };
}

const CHECKOUT_BY_ID: &str = concat!(checkout_columns!(), "checkout_id = $2");
const CHECKOUT_BY_REQUEST: &str = concat!(checkout_columns!(), "request_id = $2");

const OVERDUE: &str = "select owner, checkout_id, lease_epoch, attempts from checkout \
     where state = 'PENDING' and lease_until < $1 order by lease_until limit $2";

const LEASE: &str = "update checkout set lease_epoch = lease_epoch + 1, attempts = attempts + 1, \
     lease_until = $4 \
     where owner = $1 and checkout_id = $2 and lease_epoch = $3 and state = 'PENDING'";

/// Keeps carts in a SQLite file.
pub struct SqliteStore {
    database: Sqlite,
    env: Env,
}

impl SqliteStore {
    /// Uses a migrated database, and the clock of `env` for leases.
    #[must_use]
    pub const fn new(database: Sqlite, env: Env) -> Self {
        Self { database, env }
    }

    async fn read(&self) -> Result<PoolConnection<Engine>, StoreError> {
        self.database.read.acquire().await.map_err(failed)
    }

    /// Takes the write lock at once: a transaction that starts by reading may fail when it writes.
    async fn begin(&self) -> Result<Transaction<'static, Engine>, StoreError> {
        self.database.write.begin_with("begin immediate").await.map_err(failed)
    }

    fn now_micros(&self) -> i64 {
        micros(self.env.now())
    }

    async fn insert_checkout(
        &self,
        on: &mut SqliteConnection,
        checkout: &Checkout,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let now = self.now_micros();
        let done = sqlx::query(INSERT_CHECKOUT)
            .bind(checkout.owner.as_str())
            .bind(checkout.id.as_uuid())
            .bind(checkout.cart.as_uuid())
            .bind(checkout.request.as_str())
            .bind(checkout.fingerprint.as_bytes().as_slice())
            .bind(row::priced_items(&checkout.quote))
            .bind(checkout.quote.total().minor_units())
            .bind(checkout.quote.total().currency().code())
            .bind(now.saturating_add(span_micros(checkout.charge_window)))
            .bind(now.saturating_add(span_micros(lease)))
            .bind(micros(checkout.created_at))
            .execute(on)
            .await;
        done.map(drop).map_err(failed)
    }
}

async fn commit(transaction: Transaction<'static, Engine>) -> Result<(), StoreError> {
    transaction.commit().await.map_err(failed)
}

#[async_trait]
impl CartStore for SqliteStore {
    async fn insert_cart(&self, cart: &Cart, max_carts: i64) -> Result<Inserted, StoreError> {
        let mut on = self.begin().await?;
        if !statement::insert_cart(&mut on, cart).await? {
            return Ok(Inserted::Exists);
        }
        if statement::count_unpurchased(&mut on, &cart.owner).await? > max_carts {
            return Ok(Inserted::TooMany);
        }
        commit(on).await?;
        Ok(Inserted::New)
    }

    async fn cart(&self, owner: &UserId, id: CartId) -> Result<Option<Cart>, StoreError> {
        statement::cart(&mut *self.read().await?, owner, id).await
    }

    async fn cart_of_checkout(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Option<Cart>, StoreError> {
        statement::cart_of_checkout(&mut *self.read().await?, owner, checkout).await
    }

    async fn carts(
        &self,
        owner: &UserId,
        filter: CartFilter,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Cart>, StoreError> {
        statement::carts(&mut *self.read().await?, owner, filter, after, limit).await
    }

    async fn save_contents(&self, cart: &Cart, expected: Version) -> Result<(), StoreError> {
        let mut on = self.begin().await?;
        statement::save_contents(&mut on, cart, expected).await?;
        commit(on).await
    }

    async fn delete_cart(
        &self,
        owner: &UserId,
        id: CartId,
        expected: Version,
    ) -> Result<(), StoreError> {
        let mut on = self.begin().await?;
        statement::delete_cart(&mut on, owner, id, expected).await?;
        commit(on).await
    }

    async fn checkout(
        &self,
        owner: &UserId,
        name: &CheckoutName,
    ) -> Result<Option<Checkout>, StoreError> {
        let query = match name {
            CheckoutName::Id(id) => sqlx::query_as::<_, CheckoutRow>(CHECKOUT_BY_ID)
                .bind(owner.as_str())
                .bind(id.as_uuid()),
            CheckoutName::Request(request) => sqlx::query_as::<_, CheckoutRow>(CHECKOUT_BY_REQUEST)
                .bind(owner.as_str())
                .bind(request.as_str()),
        };
        let query = query.bind(self.now_micros());
        let row = query.fetch_optional(&mut *self.read().await?).await.map_err(failed)?;
        row.map(|row| row.into_checkout(owner)).transpose()
    }

    async fn mark(
        &self,
        marked: &Marked,
        expected: Version,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let mut on = self.begin().await?;
        statement::freeze_cart(&mut on, &marked.cart, expected).await?;
        self.insert_checkout(&mut on, &marked.checkout, lease).await?;
        statement::insert_event(&mut on, &marked.checkout, &marked.event).await?;
        commit(on).await
    }

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        let mut on = self.begin().await?;
        statement::decide(&mut on, decided).await?;
        commit(on).await
    }

    async fn overdue(&self, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        let query = sqlx::query_as::<_, OverdueRow>(OVERDUE).bind(self.now_micros()).bind(limit);
        let rows = query.fetch_all(&mut *self.read().await?).await.map_err(failed)?;
        Ok(row::overdue(rows))
    }

    async fn lease(&self, overdue: &Overdue, lease: Duration) -> Result<(), StoreError> {
        let mut on = self.begin().await?;
        let done = sqlx::query(LEASE)
            .bind(overdue.owner.as_str())
            .bind(overdue.checkout.as_uuid())
            .bind(overdue.lease_epoch)
            .bind(self.now_micros().saturating_add(span_micros(lease)))
            .execute(&mut *on)
            .await;
        won(done.map_err(failed)?.rows_affected())?;
        commit(on).await
    }

    async fn events(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Vec<CheckoutEvent>, StoreError> {
        statement::events(&mut *self.read().await?, owner, checkout).await
    }
}
