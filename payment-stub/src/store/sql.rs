//! The store in SQLite or PostgreSQL. Every statement is a transaction of its own and about one key,
//! but for the lists, and reads the same on both; on PostgreSQL also if that is spread over machines.

use async_trait::async_trait;
use kit_database::{Sql, SqlDatabase, micros};
use time::OffsetDateTime;

use super::{
    AcquirerStore, Opened, PaymentStore, StoreError,
    row::{self, StateColumns},
};
use crate::domain::{
    acquirer::AcquirerCharge,
    card::KeptCard,
    key::PaymentKey,
    payment::{Cursor, Outcome, Payment, Range},
    token::PaymentToken,
};
use oxcart_types::PaymentState;

macro_rules! payment_columns {
    () => {
        "payment_key, amount_minor, currency, token_ref, state, payment_id, decline_reason, \
         created_at, updated_at, refunded_at"
    };
}

macro_rules! charge_columns {
    () => {
        "payment_key, amount_minor, currency, payment_id, decline_reason, decided_at, created_at, \
         refunded_at"
    };
}

const OPEN: Sql = Sql::same(concat!(
    "insert into payment (",
    payment_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (payment_key) do nothing"
));

const SETTLE: Sql = Sql::same(concat!(
    "update payment set state = $2, payment_id = $3, decline_reason = $4, updated_at = $5 \
     where payment_key = $1 and state = 'PROCESSING' returning ",
    payment_columns!()
));

const REFUND: Sql = Sql::same(concat!(
    "update payment set refunded_at = $2, updated_at = $2 \
     where payment_key = $1 and state = 'CAPTURED' and refunded_at is null returning ",
    payment_columns!()
));

const FIND: Sql =
    Sql::same(concat!("select ", payment_columns!(), " from payment where payment_key = $1"));

const LIST: Sql = Sql::same(concat!(
    "select ",
    payment_columns!(),
    " from payment where created_at >= $1 and created_at < $2 \
     and (created_at, payment_key) > ($3, $4) order by created_at, payment_key limit $5"
));

const UNDECIDED: Sql = Sql::same(
    "select payment_key from payment \
     where state = 'PROCESSING' and payment_key > $1 order by payment_key limit $2",
);

const KEEP_CARD: Sql = Sql::same(
    "insert into acquirer_card \
     (token_ref, decline_reason, brand, last_four, created_at) values ($1, $2, $3, $4, $5)",
);

const CARD: Sql =
    Sql::same("select decline_reason, brand, last_four from acquirer_card where token_ref = $1");

const CHARGE: Sql = Sql::same(concat!(
    "insert into acquirer_charge (",
    charge_columns!(),
    ") values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (payment_key) do nothing"
));

const FIND_CHARGE: Sql = Sql::same(concat!(
    "select ",
    charge_columns!(),
    " from acquirer_charge where payment_key = $1"
));

const REFUND_CHARGE: Sql = Sql::same(
    "update acquirer_charge set refunded_at = $2 \
     where payment_key = $1 and payment_id is not null and refunded_at is null",
);

/// Payments in a database.
pub struct SqlStore {
    database: SqlDatabase,
}

impl SqlStore {
    /// Keeps payments in `database`, which is migrated.
    #[must_use]
    pub const fn new(database: SqlDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl PaymentStore for SqlStore {
    async fn open(&self, payment: &Payment) -> Result<Opened, StoreError> {
        let (amount, currency, token) = row::terms_columns(payment.terms.as_ref());
        let state = StateColumns::from(&payment.state);
        let open = self
            .database
            .query(OPEN)
            .bind(payment.key.as_str())
            .bind(amount)
            .bind(currency)
            .bind(token)
            .bind(state.state)
            .bind(state.payment_id)
            .bind(state.decline_reason)
            .bind(micros(payment.created_at))
            .bind(micros(payment.updated_at))
            .bind(state.refunded_at);
        if open.execute().await? == 1 {
            return Ok(Opened { payment: payment.clone(), created: true });
        }
        let known = self.find(&payment.key).await?.ok_or(StoreError::Conflict)?;
        Ok(Opened { payment: known, created: false })
    }

    async fn settle(
        &self,
        key: &PaymentKey,
        outcome: &Outcome,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        let state = PaymentState::from(outcome.clone());
        let columns = StateColumns::from(&state);
        let settle = self
            .database
            .query(SETTLE)
            .bind(key.as_str())
            .bind(columns.state)
            .bind(columns.payment_id)
            .bind(columns.decline_reason)
            .bind(micros(at));
        match settle.execute_returning().await?.first() {
            Some(settled) => row::payment(settled).map(Some),
            None => self.find(key).await,
        }
    }

    async fn refund(
        &self,
        key: &PaymentKey,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        let refund = self.database.query(REFUND).bind(key.as_str()).bind(micros(at));
        match refund.execute_returning().await?.first() {
            Some(refunded) => row::payment(refunded).map(Some),
            None => self.find(key).await,
        }
    }

    async fn find(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        let found = self.database.query(FIND).bind(key.as_str()).fetch_optional().await?;
        found.as_ref().map(row::payment).transpose()
    }

    async fn list(
        &self,
        range: Range,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Payment>, StoreError> {
        let (start, end, created_at, key) = row::list_limits(range, after);
        let list = self
            .database
            .query(LIST)
            .bind(start)
            .bind(end)
            .bind(created_at)
            .bind(key)
            .bind(i64::from(limit));
        list.fetch_all().await?.iter().map(row::payment).collect()
    }

    async fn undecided(
        &self,
        after: Option<&PaymentKey>,
        limit: u32,
    ) -> Result<Vec<PaymentKey>, StoreError> {
        let after = after.map_or("", PaymentKey::as_str);
        let undecided = self.database.query(UNDECIDED).bind(after).bind(i64::from(limit));
        undecided.fetch_all().await?.iter().map(|row| row.parse("payment_key")).collect()
    }
}

#[async_trait]
impl AcquirerStore for SqlStore {
    async fn keep_card(
        &self,
        token: &PaymentToken,
        card: &KeptCard,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let keep = self
            .database
            .query(KEEP_CARD)
            .bind(token.expose())
            .bind(row::verdict_column(card.verdict))
            .bind(card.brand.name())
            .bind(card.last_four.as_str())
            .bind(micros(at));
        keep.execute_one().await
    }

    async fn card(&self, token: &PaymentToken) -> Result<Option<KeptCard>, StoreError> {
        let found = self.database.query(CARD).bind(token.expose()).fetch_optional().await?;
        found.as_ref().map(row::card).transpose()
    }

    async fn charge(&self, charge: &AcquirerCharge) -> Result<AcquirerCharge, StoreError> {
        let (payment_id, decline_reason) = row::outcome_columns(&charge.outcome);
        let write = self
            .database
            .query(CHARGE)
            .bind(charge.key.as_str())
            .bind(charge.amount.minor_units())
            .bind(charge.amount.currency().code())
            .bind(payment_id)
            .bind(decline_reason)
            .bind(micros(charge.decided_at))
            .bind(micros(charge.created_at))
            .bind(charge.refunded_at.map(micros));
        if write.execute().await? == 1 {
            return Ok(charge.clone());
        }
        self.find_charge(&charge.key).await?.ok_or(StoreError::Conflict)
    }

    async fn find_charge(&self, key: &PaymentKey) -> Result<Option<AcquirerCharge>, StoreError> {
        let found = self.database.query(FIND_CHARGE).bind(key.as_str()).fetch_optional().await?;
        found.as_ref().map(row::charge).transpose()
    }

    async fn refund_charge(&self, key: &PaymentKey, at: OffsetDateTime) -> Result<(), StoreError> {
        let refund = self.database.query(REFUND_CHARGE).bind(key.as_str()).bind(micros(at));
        refund.execute().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{domain::payment::ChargeTerms, store::MIGRATIONS};

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// Has every change of a payment fail when it is committed, and not before, as on a full disk.
    const NO_COMMIT: &str = "create table parent (id integer primary key) strict; \
         create table child (parent_id integer references parent deferrable initially deferred) strict; \
         create trigger no_commit after update on payment begin insert into child values (1); end";

    #[tokio::test]
    async fn a_change_that_cannot_be_committed_is_not_acknowledged() {
        let (database, _folder) = kit_testing::sqlite("payment").await;
        database.migrate(&MIGRATIONS).await.unwrap();
        let database = database.sql().unwrap();
        let SqlDatabase::Sqlite(sqlite) = &database else { panic!("it is SQLite") };
        let store = SqlStore::new(database.clone());
        let amount = oxcart_types::Money::from_parts("GBP", 1).unwrap();
        let terms = ChargeTerms { amount, token: "tok_visa".parse().unwrap() };
        let [open, captured] = ["open", "captured"]
            .map(|key| Payment::open(key.parse().unwrap(), terms.clone(), None, AT));
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
