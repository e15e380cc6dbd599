//! The store of a process that keeps nothing: for tests and demonstrations.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{AcquirerStore, Opened, PaymentStore, StoreError};
use crate::domain::{
    acquirer::AcquirerCharge,
    card::KeptCard,
    key::PaymentKey,
    payment::{Cursor, Outcome, Payment, Range},
    token::PaymentToken,
};

/// Payments in memory, lost at exit.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    payments: BTreeMap<PaymentKey, Payment>,
    cards: BTreeMap<PaymentToken, KeptCard>,
    charges: BTreeMap<PaymentKey, AcquirerCharge>,
}

impl MemoryStore {
    /// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the record of `key` by what `change` makes of it; a refused change leaves it.
    fn change<E>(
        &self,
        key: &PaymentKey,
        change: impl FnOnce(Payment) -> Result<Payment, E>,
    ) -> Option<Payment> {
        let mut tables = self.tables();
        let payment = tables.payments.get_mut(key)?;
        if let Ok(changed) = change(payment.clone()) {
            *payment = changed;
        }
        Some(payment.clone())
    }
}

#[async_trait]
impl PaymentStore for MemoryStore {
    async fn open(&self, payment: &Payment) -> Result<Opened, StoreError> {
        let mut tables = self.tables();
        let known = tables.payments.get(&payment.key).cloned();
        let created = known.is_none();
        if created {
            tables.payments.insert(payment.key.clone(), payment.clone());
        }
        Ok(Opened { payment: known.unwrap_or_else(|| payment.clone()), created })
    }

    async fn settle(
        &self,
        key: &PaymentKey,
        outcome: &Outcome,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        Ok(self.change(key, |payment| payment.settle(outcome.clone(), at)))
    }

    async fn refund(
        &self,
        key: &PaymentKey,
        at: OffsetDateTime,
    ) -> Result<Option<Payment>, StoreError> {
        Ok(self.change(key, |payment| payment.refund(at)))
    }

    async fn find(&self, key: &PaymentKey) -> Result<Option<Payment>, StoreError> {
        Ok(self.tables().payments.get(key).cloned())
    }

    async fn list(
        &self,
        range: Range,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Payment>, StoreError> {
        let place = |payment: &Payment| (payment.created_at, payment.key.clone());
        let after = after.map(|after| (after.created_at, after.key.clone()));
        let mut payments: Vec<_> = self
            .tables()
            .payments
            .values()
            .filter(|payment| range.start.is_none_or(|start| payment.created_at >= start))
            .filter(|payment| range.end.is_none_or(|end| payment.created_at < end))
            .filter(|payment| after.as_ref().is_none_or(|after| place(payment) > *after))
            .cloned()
            .collect();
        payments.sort_by_key(place);
        payments.truncate(limit as usize);
        Ok(payments)
    }

    async fn undecided(
        &self,
        after: Option<&PaymentKey>,
        limit: u32,
    ) -> Result<Vec<PaymentKey>, StoreError> {
        let tables = self.tables();
        let undecided = tables.payments.values().filter(|payment| !payment.is_terminal());
        let behind = undecided.map(|payment| &payment.key).filter(|&key| Some(key) > after);
        Ok(behind.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl AcquirerStore for MemoryStore {
    async fn keep_card(
        &self,
        token: &PaymentToken,
        card: &KeptCard,
        _at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.tables().cards.insert(token.clone(), card.clone());
        Ok(())
    }

    async fn card(&self, token: &PaymentToken) -> Result<Option<KeptCard>, StoreError> {
        Ok(self.tables().cards.get(token).cloned())
    }

    async fn charge(&self, charge: &AcquirerCharge) -> Result<AcquirerCharge, StoreError> {
        let mut tables = self.tables();
        Ok(tables.charges.entry(charge.key.clone()).or_insert_with(|| charge.clone()).clone())
    }

    async fn find_charge(&self, key: &PaymentKey) -> Result<Option<AcquirerCharge>, StoreError> {
        Ok(self.tables().charges.get(key).cloned())
    }

    async fn refund_charge(&self, key: &PaymentKey, at: OffsetDateTime) -> Result<(), StoreError> {
        if let Some(charge) = self.tables().charges.get_mut(key)
            && matches!(charge.outcome, Outcome::Captured(_))
        {
            charge.refunded_at.get_or_insert(at);
        }
        Ok(())
    }
}
