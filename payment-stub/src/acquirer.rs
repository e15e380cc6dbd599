//! What moves the money: a real processor in a shop, here one that acts by a script.
//!
//! Deliberately absent: our register. An acquirer knows cards and keys, and remembers what it
//! did for a key, so that asking again is always safe.

use std::sync::Arc;

use async_trait::async_trait;
use kit_service::Env;
use oxcart_types::{DeclineReason, PaymentId};

use crate::{
    domain::{
        acquirer::{AcquirerCharge, Answer, Delays},
        card::{CardNumber, KeptCard},
        key::PaymentKey,
        payment::{ChargeTerms, Outcome},
        scenario::{Scenario, Trouble, Verdict},
        token::{PaymentToken, Tokenized},
    },
    store::{AcquirerStore, StoreError},
};

/// The acquirer gave no answer. What it did is unknown; asking again with the same key tells.
#[derive(Debug, thiserror::Error)]
#[error("the acquirer does not answer")]
pub struct AcquirerError(#[from] StoreError);

impl AcquirerError {
    /// What the simulation stumbled over.
    #[must_use]
    pub fn into_inner(self) -> StoreError {
        self.0
    }
}

/// Moves money, once for a key.
#[async_trait]
pub trait Acquirer: Send + Sync {
    /// Exchanges a card for a new token. The number is not kept.
    async fn tokenize(&self, card: CardNumber) -> Result<Tokenized, AcquirerError>;

    /// Asks for the money, or what became of it if it was asked before. The first question decides,
    /// whatever later ones say.
    async fn ask(&self, key: &PaymentKey, terms: &ChargeTerms) -> Result<Answer, AcquirerError>;

    /// Gives the money of a captured charge back, whole, once.
    async fn refund(&self, key: &PaymentKey) -> Result<(), AcquirerError>;
}

/// Acts by the script of [`crate::domain::scenario`], and remembers in a database, so that it
/// outlives this process as a real acquirer would.
pub struct SimulatedAcquirer {
    store: Arc<dyn AcquirerStore>,
    delays: Delays,
    env: Env,
}

impl SimulatedAcquirer {
    /// An acquirer that remembers in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn AcquirerStore>, delays: Delays, env: Env) -> Self {
        Self { store, delays, env }
    }

    async fn scenario(&self, token: &PaymentToken) -> Result<Scenario, StoreError> {
        if let Some(scenario) = Scenario::of_named(token) {
            return Ok(scenario);
        }
        let card = self.store.card(token).await?;
        let unknown = Verdict::Declined(DeclineReason::UnknownToken);
        let verdict = card.map_or(unknown, |card| card.verdict);
        Ok(Scenario { verdict, trouble: Trouble::None })
    }

    /// Decides about a key that is asked for the first time, as far as we have seen.
    async fn decide(
        &self,
        key: &PaymentKey,
        terms: &ChargeTerms,
    ) -> Result<AcquirerCharge, StoreError> {
        let scenario = self.scenario(&terms.token).await?;
        let now = self.env.now();
        Ok(AcquirerCharge {
            key: key.clone(),
            amount: terms.amount,
            outcome: match scenario.verdict {
                Verdict::Paid => Outcome::Captured(self.payment_id()?),
                Verdict::Declined(reason) => Outcome::Declined(reason),
            },
            decided_at: now + self.delays.of(scenario.trouble),
            created_at: now,
            refunded_at: None,
        })
    }

    fn payment_id(&self) -> Result<PaymentId, StoreError> {
        let id = format!("pay_{}", self.env.uuid_v7().simple());
        id.parse().map_err(|error| StoreError::unreadable("payment id", error))
    }
}

#[async_trait]
impl Acquirer for SimulatedAcquirer {
    async fn tokenize(&self, card: CardNumber) -> Result<Tokenized, AcquirerError> {
        let token = PaymentToken::mint(self.env.bytes());
        let kept = KeptCard::from(&card);
        self.store.keep_card(&token, &kept, self.env.now()).await?;
        Ok(Tokenized { token, last_four: kept.last_four })
    }

    async fn ask(&self, key: &PaymentKey, terms: &ChargeTerms) -> Result<Answer, AcquirerError> {
        let charge = match self.store.find_charge(key).await? {
            Some(known) => known,
            // Another question for the key may come first now: the store keeps one, and says which.
            None => self.store.charge(&self.decide(key, terms).await?).await?,
        };
        Ok(charge.answer(self.env.now()))
    }

    async fn refund(&self, key: &PaymentKey) -> Result<(), AcquirerError> {
        Ok(self.store.refund_charge(key, self.env.now()).await?)
    }
}
