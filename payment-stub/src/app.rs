//! One method for each thing that a caller can ask for.
//!
//! Deliberately absent: guessing. A payment is decided by what the acquirer said, or by never having
//! reached it; a timeout or an error of ours decides nothing.

mod charge;
mod recovery;
mod script;
mod settle;

use std::{sync::Arc, time::Duration};

use kit_service::Env;

pub use charge::Charge;
pub use recovery::sweep_until;
pub use settle::Settler;

use crate::{
    acquirer::{Acquirer, AcquirerError},
    domain::{
        card::CardNumber,
        key::PaymentKey,
        payment::{Cursor, InvalidTransition, Payment, Range},
        scenario::Trouble,
        token::Tokenized,
    },
    store::{PaymentStore, StoreError},
};
use script::Script;

/// Why a request about a payment was not granted.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// Nothing is recorded under the key.
    #[error("payment {key} does not exist")]
    NotFound {
        /// The key.
        key: PaymentKey,
    },
    /// There is nothing to give back.
    #[error("payment {key} was not captured, so there is nothing to give back")]
    NotCaptured {
        /// The key.
        key: PaymentKey,
    },
    /// The key belongs to another amount or currency.
    #[error("payment key {key} was used before with another amount or currency")]
    KeyReused {
        /// The key.
        key: PaymentKey,
    },
    /// The test token asked for it.
    #[error("the payment token's script has this call fail")]
    Scripted(Trouble),
    /// The register failed.
    #[error("the payment store failed")]
    Store(#[from] StoreError),
    /// The acquirer failed.
    #[error("the acquirer failed")]
    Acquirer(#[from] AcquirerError),
}

/// Everything about payments.
pub struct Payments {
    store: Arc<dyn PaymentStore>,
    acquirer: Arc<dyn Acquirer>,
    settler: Settler,
    script: Script,
    env: Env,
}

impl Payments {
    /// Payments in `store` through `acquirer`, decided by the tasks of `settler`.
    #[must_use]
    pub fn new(
        store: Arc<dyn PaymentStore>,
        acquirer: Arc<dyn Acquirer>,
        settler: Settler,
        env: Env,
    ) -> Self {
        Self { store, acquirer, settler, script: Script::default(), env }
    }

    /// Exchanges a card for a token.
    ///
    /// # Errors
    /// [`PaymentError::Acquirer`].
    pub async fn tokenize(&self, card: CardNumber) -> Result<Tokenized, PaymentError> {
        Ok(self.acquirer.tokenize(card).await?)
    }

    /// Pays, once for the key, and waits for the outcome for as long as `patience`.
    ///
    /// # Errors
    /// [`PaymentError::KeyReused`], [`PaymentError::Scripted`], [`PaymentError::Store`].
    pub async fn charge(
        &self,
        charge: Charge,
        patience: Duration,
    ) -> Result<Payment, PaymentError> {
        charge::charge(self, charge, patience).await
    }

    /// Says what became of a key, and sees to it that a key without a payment never has one. Gives
    /// nothing back and decides nothing that is under way.
    ///
    /// # Errors
    /// [`PaymentError::Store`].
    pub async fn resolve(&self, key: PaymentKey) -> Result<Payment, PaymentError> {
        let tombstone = Payment::tombstone(key, self.env.now());
        Ok(self.store.open(&tombstone).await?.payment)
    }

    /// The record of `key`.
    ///
    /// # Errors
    /// [`PaymentError::NotFound`], [`PaymentError::Store`].
    pub async fn get(&self, key: PaymentKey) -> Result<Payment, PaymentError> {
        self.store.find(&key).await?.ok_or(PaymentError::NotFound { key })
    }

    /// Gives a captured payment back. The acquirer first: what is noted has happened.
    ///
    /// # Errors
    /// [`PaymentError::NotFound`], [`PaymentError::NotCaptured`], [`PaymentError::Store`],
    /// [`PaymentError::Acquirer`].
    pub async fn refund(&self, key: PaymentKey) -> Result<Payment, PaymentError> {
        let payment = self.get(key.clone()).await?;
        let now = self.env.now();
        payment.refund(now).map_err(|error| match error {
            InvalidTransition::NotCaptured | InvalidTransition::Decided => {
                PaymentError::NotCaptured { key: key.clone() }
            }
        })?;
        self.acquirer.refund(&key).await?;
        self.store.refund(&key, now).await?.ok_or(PaymentError::NotFound { key })
    }

    /// Up to `limit` payments of `range` behind `after`, the first seen first.
    ///
    /// # Errors
    /// [`PaymentError::Store`].
    pub async fn list(
        &self,
        range: Range,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Payment>, PaymentError> {
        Ok(self.store.list(range, after, limit).await?)
    }
}
