//! The store of several machines: PostgreSQL. Every statement is a transaction of its own and about one
//! key, but for the lists.

use async_trait::async_trait;
use service_kit::database::micros;
use sqlx::PgPool;
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

/// Payments in PostgreSQL.
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Keeps payments in the database of `pool`, which is migrated.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl PaymentStore for PostgresStore {
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
            .execute(&self.pool)
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
        let settled: Option<PaymentRow> = sqlx::query_as(sql::SETTLE)
            .bind(key.as_str())
            .bind(columns.state)
            .bind(columns.payment_id)
            .bind(columns.decline_reason)
            .bind(micros(at))
            .fetch_optional(&self.pool)
            .await?;
        match settled {
            Some(settled) => row::payment(settled).map(Some),
            None => self.find(key).await,
        }
    }

    async fn refund(
        &self,
        key: &PaymentKey,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        let refunded: Option<PaymentRow> = sqlx::query_as(sql::REFUND)
            .bind(key.as_str())
            .bind(micros(at))
            .fetch_optional(&self.pool)
            .await?;
        match refunded {
            Some(refunded) => row::payment(refunded).map(Some),
            None => self.find(key).await,
        }
    }

    async fn find(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        let found: Option<PaymentRow> =
            sqlx::query_as(sql::FIND).bind(key.as_str()).fetch_optional(&self.pool).await?;
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
            .fetch_all(&self.pool)
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
            .fetch_all(&self.pool)
            .await?;
        keys.iter().map(|key| row::payment_key(key)).collect()
    }
}

#[async_trait]
impl AcquirerStore for PostgresStore {
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
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn card(&self, token: &PaymentToken) -> Result<Option<KeptCard>, StoreError> {
        let found: Option<CardRow> =
            sqlx::query_as(sql::CARD).bind(token.expose()).fetch_optional(&self.pool).await?;
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
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 1 {
            return Ok(charge.clone());
        }
        self.find_charge(&charge.key).await?.ok_or(StoreError::Corrupt("charge"))
    }

    async fn find_charge(&self, key: &PaymentKey) -> Result<Option<AcquirerCharge>, StoreError> {
        let found: Option<ChargeRow> =
            sqlx::query_as(sql::FIND_CHARGE).bind(key.as_str()).fetch_optional(&self.pool).await?;
        found.map(row::charge).transpose()
    }

    async fn refund_charge(&self, key: &PaymentKey, at: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query(sql::REFUND_CHARGE)
            .bind(key.as_str())
            .bind(micros(at))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
