//! Carts in PostgreSQL, or what speaks its protocol. Leases use the server's clock alone.
//!
//! Statements keep to what also runs when the tables are distributed by owner: no clock beside a
//! column in an update, no statement over several owners but the read of overdue checkouts, and
//! transactions of small statements on one owner.

use std::time::Duration;

use async_trait::async_trait;
use oxcart_types::{CartFilter, CartId, CheckoutId, UserId, Version};
use sqlx::{PgConnection, PgPool, Postgres as Engine, Transaction, pool::PoolConnection};

use super::{
    CartStore, CheckoutName, Cursor, Inserted, Overdue, StoreError,
    row::{self, CheckoutRow, OverdueRow},
    span_micros,
    sql::{failed, won},
};
use crate::domain::{Cart, Checkout, CheckoutEvent, Decided, Marked};

mod statement {
    crate::store::sql::statements!(sqlx::Postgres, sqlx::PgConnection);
}

/// Locks the owner's row until the transaction ends.
const LOCK_OWNER: &str = "insert into cart_owner (owner, carts_created) values ($1, 1) \
     on conflict (owner) do update set carts_created = cart_owner.carts_created + 1";

const INSERT_CHECKOUT: &str = "insert into checkout (owner, checkout_id, cart_id, request_id, \
     fingerprint, items, total, currency, state, charge_until, lease_epoch, lease_until, attempts, \
     created_at, updated_at) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, 'PENDING', \
     now() + $9::bigint * interval '1 microsecond', 1, \
     now() + $10::bigint * interval '1 microsecond', 0, $11, $11)";

macro_rules! checkout_columns {
    () => {
        "select checkout_id, cart_id, request_id, fingerprint, items, total, currency, state, \
         fail_reason, decline_reason, payment_id, \
         cast(extract(epoch from charge_until - now()) * 1000000 as bigint) as charge_left, \
         attempts, created_at, updated_at from checkout where owner = $1 and "
    };
}

const CHECKOUT_BY_ID: &str = concat!(checkout_columns!(), "checkout_id = $2");
const CHECKOUT_BY_REQUEST: &str = concat!(checkout_columns!(), "request_id = $2");

const OVERDUE: &str = "select owner, checkout_id, lease_epoch, attempts from checkout \
     where state = 'PENDING' and lease_until < now() order by lease_until limit $1";

const LEASE: &str = "update checkout set lease_epoch = lease_epoch + 1, attempts = attempts + 1, \
     lease_until = now() + $4::bigint * interval '1 microsecond' \
     where owner = $1 and checkout_id = $2 and lease_epoch = $3 and state = 'PENDING'";

/// Keeps carts in PostgreSQL.
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Uses a migrated database.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn acquire(&self) -> Result<PoolConnection<Engine>, StoreError> {
        self.pool.acquire().await.map_err(failed)
    }

    async fn begin(&self) -> Result<Transaction<'static, Engine>, StoreError> {
        self.pool.begin().await.map_err(failed)
    }
}

async fn commit(transaction: Transaction<'static, Engine>) -> Result<(), StoreError> {
    transaction.commit().await.map_err(failed)
}

async fn lock_owner(on: &mut PgConnection, owner: &UserId) -> Result<(), StoreError> {
    let done = sqlx::query(LOCK_OWNER).bind(owner.as_str()).execute(on).await;
    done.map(drop).map_err(failed)
}

async fn insert_checkout(
    on: &mut PgConnection,
    checkout: &Checkout,
    lease: Duration,
) -> Result<(), StoreError> {
    let done = sqlx::query(INSERT_CHECKOUT)
        .bind(checkout.owner.as_str())
        .bind(checkout.id.as_uuid())
        .bind(checkout.cart.as_uuid())
        .bind(checkout.request.as_str())
        .bind(checkout.fingerprint.as_bytes().as_slice())
        .bind(row::priced_items(&checkout.quote))
        .bind(checkout.quote.total().minor_units())
        .bind(checkout.quote.total().currency().code())
        .bind(span_micros(checkout.charge_window))
        .bind(span_micros(lease))
        .bind(kit_database::micros(checkout.created_at))
        .execute(on)
        .await;
    done.map(drop).map_err(failed)
}

#[async_trait]
impl CartStore for PostgresStore {
    async fn insert_cart(&self, cart: &Cart, max_carts: i64) -> Result<Inserted, StoreError> {
        let mut on = self.begin().await?;
        lock_owner(&mut on, &cart.owner).await?;
        if !statement::insert_cart(&mut on, cart).await? {
            on.rollback().await.map_err(failed)?;
            return Ok(Inserted::Exists);
        }
        if statement::count_unpurchased(&mut on, &cart.owner).await? > max_carts {
            on.rollback().await.map_err(failed)?;
            return Ok(Inserted::TooMany);
        }
        commit(on).await?;
        Ok(Inserted::New)
    }

    async fn cart(&self, owner: &UserId, id: CartId) -> Result<Option<Cart>, StoreError> {
        statement::cart(&mut *self.acquire().await?, owner, id).await
    }

    async fn cart_of_checkout(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Option<Cart>, StoreError> {
        statement::cart_of_checkout(&mut *self.acquire().await?, owner, checkout).await
    }

    async fn carts(
        &self,
        owner: &UserId,
        filter: CartFilter,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Cart>, StoreError> {
        statement::carts(&mut *self.acquire().await?, owner, filter, after, limit).await
    }

    async fn save_contents(&self, cart: &Cart, expected: Version) -> Result<(), StoreError> {
        statement::save_contents(&mut *self.acquire().await?, cart, expected).await
    }

    async fn delete_cart(
        &self,
        owner: &UserId,
        id: CartId,
        expected: Version,
    ) -> Result<(), StoreError> {
        statement::delete_cart(&mut *self.acquire().await?, owner, id, expected).await
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
        let row = query.fetch_optional(&mut *self.acquire().await?).await.map_err(failed)?;
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
        insert_checkout(&mut on, &marked.checkout, lease).await?;
        statement::insert_event(&mut on, &marked.checkout, &marked.event).await?;
        commit(on).await
    }

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        let mut on = self.begin().await?;
        statement::decide(&mut on, decided).await?;
        commit(on).await
    }

    async fn overdue(&self, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        let query = sqlx::query_as::<_, OverdueRow>(OVERDUE).bind(limit);
        let rows = query.fetch_all(&mut *self.acquire().await?).await.map_err(failed)?;
        Ok(row::overdue(rows))
    }

    async fn lease(&self, overdue: &Overdue, lease: Duration) -> Result<(), StoreError> {
        let done = sqlx::query(LEASE)
            .bind(overdue.owner.as_str())
            .bind(overdue.checkout.as_uuid())
            .bind(overdue.lease_epoch)
            .bind(span_micros(lease))
            .execute(&mut *self.acquire().await?)
            .await;
        won(done.map_err(failed)?.rows_affected())
    }

    async fn events(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Vec<CheckoutEvent>, StoreError> {
        statement::events(&mut *self.acquire().await?, owner, checkout).await
    }
}
