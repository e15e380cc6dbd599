//! One method for each thing that a caller can ask for.
//!
//! Never guesses: a payment is decided by what the acquirer said, or by never having
//! reached it; a timeout or an error of ours decides nothing.

mod charge;
mod error;
mod recovery;
mod script;
mod settle;

use std::{sync::Arc, time::Duration};

use kit_service::Env;

pub use charge::Charge;
pub use error::Error;
pub use recovery::sweep_until;
pub use settle::Settler;
// What the use cases fail with: the api knows it as a word of ours.
pub use crate::store::StoreError;

use crate::{
    acquirer::Acquirer,
    domain::{
        card::CardNumber,
        key::PaymentKey,
        payment::{Cursor, InvalidTransition, Payment, Range},
        token::Tokenized,
    },
    store::PaymentStore,
};
use script::Script;

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
    /// [`Error::Acquirer`].
    pub async fn tokenize(&self, card: CardNumber) -> Result<Tokenized, Error> {
        Ok(self.acquirer.tokenize(card).await?)
    }

    /// Pays, once for the key, and waits for the outcome for as long as `patience`.
    ///
    /// # Errors
    /// [`Error::KeyReused`], [`Error::Scripted`], [`Error::Store`].
    pub async fn charge(&self, charge: Charge, patience: Duration) -> Result<Payment, Error> {
        charge::charge(self, charge, patience).await
    }

    /// Says what became of a key, and sees to it that a key without a payment never has one. Gives
    /// nothing back and decides nothing that is under way.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn resolve(&self, key: PaymentKey) -> Result<Payment, Error> {
        let tombstone = Payment::tombstone(key, self.env.now());
        Ok(self.store.open(&tombstone).await?.payment)
    }

    /// The record of `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn get(&self, key: PaymentKey) -> Result<Payment, Error> {
        self.store.find(&key).await?.ok_or(Error::NotFound { key })
    }

    /// Gives a captured payment back. The acquirer first: what is noted has happened.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotCaptured`], [`Error::Store`],
    /// [`Error::Acquirer`].
    pub async fn refund(&self, key: PaymentKey) -> Result<Payment, Error> {
        let payment = self.get(key.clone()).await?;
        let now = self.env.now();
        payment.refund(now).map_err(|error| match error {
            InvalidTransition::NotCaptured | InvalidTransition::Decided => {
                Error::NotCaptured { key: key.clone() }
            }
        })?;
        self.acquirer.refund(&key).await?;
        self.store.refund(&key, now).await?.ok_or(Error::NotFound { key })
    }

    /// Up to `limit` payments of `range` behind `after`, the first seen first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(
        &self,
        range: Range,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<Vec<Payment>, Error> {
        Ok(self.store.list(range, after, limit).await?)
    }
}
