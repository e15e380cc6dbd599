//! The store of one machine: a file. Every statement is a transaction of its own.

use async_trait::async_trait;
use service_kit::database::{Sqlite, micros};
use sqlx::{Sqlite as Engine, query::QueryAs, sqlite::SqliteArguments};
use time::OffsetDateTime;

use super::{
    AcquirerStore, Opened, PaymentStore, StoreError,
    row::{self, CardRow, ChargeRow, PaymentRow, StateColumns},
    sql,
};
use crate::domain::{
    acquirer::AcquirerCharge,
    card::KeptCard,
    key::PaymentKey,
    payment::{Cursor, Outcome, Payment, Range, State},
    token::PaymentToken,
};

/// A statement that changes a payment and returns it.
type Change<'a> = QueryAs<'a, Engine, PaymentRow, SqliteArguments>;

/// Payments in a SQLite file.
pub struct SqliteStore {
    database: Sqlite,
}

impl SqliteStore {
    /// Keeps payments in `database`, which is migrated.
    #[must_use]
    pub const fn new(database: Sqlite) -> Self {
        Self { database }
    }

    /// The row that a changing statement returns, once the change is committed; none if it changed
    /// nothing.
    ///
    /// Not by `fetch_optional`: sqlx 0.9.0 then ends a SQLite statement after its first row, and drops
    /// the error if the commit, which comes with that end, fails. The change would be lost although
    /// it was acknowledged.
    async fn changed(&self, change: Change<'_>) -> Result<Option<Payment>, StoreError> {
        let rows = change.fetch_all(&self.database.write).await?;
        rows.into_iter().next().map(row::payment).transpose()
    }
}

#[async_trait]
impl PaymentStore for SqliteStore {
    async fn open(&self, payment: &Payment) -> Result<Opened, StoreError> {
        let (amount, currency, token) = row::order_columns(payment.order.as_ref());
        let state = StateColumns::from(&payment.state);
        let done = sqlx::query(sql::OPEN)
            .bind(payment.key.as_str())
            .bind(amount)
            .bind(currency)
            .bind(token)
            .bind(state.state)
            .bind(state.payment_id)
            .bind(state.decline_reason)
            .bind(micros(payment.created_at))
            .bind(micros(payment.updated_at))
            .bind(state.refunded_at)
            .execute(&self.database.write)
            .await?;
        if done.rows_affected() == 1 {
            return Ok(Opened { payment: payment.clone(), created: true });
        }
        let known = self.find(&payment.key).await?.ok_or(StoreError::Corrupt("payment"))?;
        Ok(Opened { payment: known, created: false })
    }

    async fn settle(
        &self,
        key: &PaymentKey,
        outcome: &Outcome,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        let state = State::from(outcome.clone());
        let columns = StateColumns::from(&state);
        let settle = sqlx::query_as(sql::SETTLE)
            .bind(key.as_str())
            .bind(columns.state)
            .bind(columns.payment_id)
            .bind(columns.decline_reason)
            .bind(micros(at));
        match self.changed(settle).await? {
            None => self.find(key).await,
            settled => Ok(settled),
        }
    }

    async fn refund(
        &self,
        key: &PaymentKey,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        let refund = sqlx::query_as(sql::REFUND).bind(key.as_str()).bind(micros(at));
        match self.changed(refund).await? {
            None => self.find(key).await,
            refunded => Ok(refunded),
        }
    }

    async fn find(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        let found: Option<PaymentRow> = sqlx::query_as(sql::FIND)
            .bind(key.as_str())
            .fetch_optional(&self.database.read)
            .await?;
        found.map(row::payment).transpose()
    }

    async fn list(
        &self,
        range: Range,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Payment>, StoreError> {
        let (start, end, created_at, key) = row::list_limits(range, after);
        let rows: Vec<PaymentRow> = sqlx::query_as(sql::LIST)
            .bind(start)
            .bind(end)
            .bind(created_at)
            .bind(key)
            .bind(i64::from(limit))
            .fetch_all(&self.database.read)
            .await?;
        rows.into_iter().map(row::payment).collect()
    }

    async fn undecided(
        &self,
        after: Option<&PaymentKey>,
        limit: u32,
    ) -> Result<Vec<PaymentKey>, StoreError> {
        let keys: Vec<String> = sqlx::query_scalar(sql::UNDECIDED)
            .bind(after.map_or("", PaymentKey::as_str))
            .bind(i64::from(limit))
            .fetch_all(&self.database.read)
            .await?;
        keys.iter().map(|key| row::payment_key(key)).collect()
    }
}

#[async_trait]
impl AcquirerStore for SqliteStore {
    async fn keep_card(
        &self,
        token: &PaymentToken,
        card: &KeptCard,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query(sql::KEEP_CARD)
            .bind(token.expose())
            .bind(row::verdict_column(card.verdict))
            .bind(card.brand.name())
            .bind(card.last_four.as_str())
            .bind(micros(at))
            .execute(&self.database.write)
            .await?;
        Ok(())
    }

    async fn card(&self, token: &PaymentToken) -> Result<Option<KeptCard>, StoreError> {
        let found: Option<CardRow> = sqlx::query_as(sql::CARD)
            .bind(token.expose())
            .fetch_optional(&self.database.read)
            .await?;
        found.map(row::card).transpose()
    }

    async fn charge(&self, charge: &AcquirerCharge) -> Result<AcquirerCharge, StoreError> {
        let (payment_id, decline_reason) = row::outcome_columns(&charge.outcome);
        let done = sqlx::query(sql::CHARGE)
            .bind(charge.key.as_str())
            .bind(charge.amount.minor_units())
            .bind(charge.amount.currency().code())
            .bind(payment_id)
            .bind(decline_reason)
            .bind(micros(charge.decided_at))
            .bind(micros(charge.created_at))
            .bind(charge.refunded_at.map(micros))
            .execute(&self.database.write)
            .await?;
        if done.rows_affected() == 1 {
            return Ok(charge.clone());
        }
        self.find_charge(&charge.key).await?.ok_or(StoreError::Corrupt("charge"))
    }

    async fn find_charge(&self, key: &PaymentKey) -> Result<Option<AcquirerCharge>, StoreError> {
        let found: Option<ChargeRow> = sqlx::query_as(sql::FIND_CHARGE)
            .bind(key.as_str())
            .fetch_optional(&self.database.read)
            .await?;
        found.map(row::charge).transpose()
    }

    async fn refund_charge(&self, key: &PaymentKey, at: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query(sql::REFUND_CHARGE)
            .bind(key.as_str())
            .bind(micros(at))
            .execute(&self.database.write)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use service_kit::{database::Database, testing};

    use super::*;
    use crate::{domain::payment::Order, store::MIGRATIONS};

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// Has every change of a payment fail when it is committed, and not before, as on a full disk.
    const NO_COMMIT: &str = "create table parent (id integer primary key) strict; \
         create table child (parent_id integer references parent deferrable initially deferred) strict; \
         create trigger no_commit after update on payment begin insert into child values (1); end";

    #[tokio::test]
    async fn a_change_that_cannot_be_committed_is_not_acknowledged() {
        let (database, _folder) = testing::sqlite("payment").await;
        database.migrate(&MIGRATIONS).await.unwrap();
        let Database::Sqlite(sqlite) = database else { panic!("it is SQLite") };
        let store = SqliteStore::new(sqlite.clone());
        let amount = oxcart_types::Money::from_parts("GBP", 1).unwrap();
        let order = Order { amount, token: "tok_visa".parse().unwrap() };
        let [open, captured] = ["open", "captured"]
            .map(|key| Payment::open(key.parse().unwrap(), order.clone(), None, AT));
        store.open(&open).await.unwrap();
        store.open(&captured).await.unwrap();
        let outcome = Outcome::Captured("pay_1".parse().unwrap());
        let captured = store.settle(&captured.key, &outcome, AT).await.unwrap().unwrap();

        sqlx::raw_sql(NO_COMMIT).execute(&sqlite.write).await.unwrap();
        assert!(store.settle(&open.key, &outcome, AT).await.is_err());
        assert!(store.refund(&captured.key, AT).await.is_err());
        for untouched in [open, captured] {
            assert_eq!(store.find(&untouched.key).await.unwrap(), Some(untouched));
        }
    }
}
