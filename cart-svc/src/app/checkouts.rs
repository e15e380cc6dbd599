//! The cart's side of the checkout protocol.

use std::{sync::Arc, time::Duration};

use kit_service::Env;
use oxcart_types::{CheckoutFailure, CheckoutId, CheckoutState, Money, PaymentId, UserId};
use tracing::{debug, error, info};

use super::{Error, TRIES, metrics, saved};
use crate::{
    domain::{Cart, Checkout, Contradiction, Decision, MarkCommand, Marked, backoff},
    store::{CartStore, CheckoutName, Overdue, StoreError},
};

/// Candidates that are read for each checkout that a worker asks for. The more there are to choose
/// from, the less often two workers try for the same one.
const CANDIDATES_EACH: u32 = 4;

/// How long things may take, by the database's clock.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From its start until a checkout may be handed to a worker.
    pub first_lease: Duration,
    /// From its start until its payment may no longer be started, only be asked for.
    pub charge_window: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { first_lease: Duration::from_secs(15), charge_window: Duration::from_secs(8) }
    }
}

/// The checkouts of all users. A clone shares the store.
#[derive(Clone)]
pub struct Checkouts {
    store: Arc<dyn CartStore>,
    timing: Timing,
    env: Env,
}

impl Checkouts {
    /// Keeps checkouts in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn CartStore>, timing: Timing, env: Env) -> Self {
        Self { store, timing, env }
    }

    /// Marks a cart purchased: freezes it for a checkout, or answers with the one that the request
    /// has already.
    ///
    /// # Errors
    /// [`Error::RequestIdReused`], [`Error::CartNotFound`], [`Error::Refused`],
    /// [`Error::Contended`].
    pub async fn mark(&self, owner: &UserId, command: &MarkCommand) -> Result<Checkout, Error> {
        for attempt in 0..TRIES {
            if let Some(known) = self.of_request(owner, command).await? {
                return Ok(known);
            }
            let marked = match self.decide_mark(owner, command).await {
                Ok(marked) => marked,
                // A twin of this request may have won meanwhile: then its checkout is the answer.
                Err(refused) => return self.of_request(owner, command).await?.ok_or(refused),
            };
            let lease = self.timing.first_lease;
            let done = self.store.mark(&marked, command.expected_version, lease).await;
            if saved(done, attempt, &self.env).await? {
                let id = marked.checkout.id;
                info!(checkout.id = %id, cart.id = %command.cart, "checkout {id} marked its cart");
                // Read back for what is left of the charge window by the database's clock.
                return self.get(owner, &CheckoutName::Id(id)).await;
            }
        }
        Err(Error::Contended { cart: command.cart })
    }

    /// Ends a checkout as paid.
    ///
    /// # Errors
    /// [`Error::CheckoutNotFound`], [`Error::Contradicted`], which is logged as an alarm.
    pub async fn confirm(
        &self,
        owner: &UserId,
        id: CheckoutId,
        payment: &PaymentId,
        amount: Money,
    ) -> Result<Checkout, Error> {
        let now = self.env.now();
        let outcome =
            |cart: Option<&Cart>, checkout: &Checkout| checkout.confirm(cart, payment, amount, now);
        self.decide(owner, id, "confirm", outcome).await
    }

    /// Ends a checkout as failed and opens its cart.
    ///
    /// # Errors
    /// [`Error::CheckoutNotFound`], [`Error::Contradicted`], which is logged as an alarm.
    pub async fn unmark(
        &self,
        owner: &UserId,
        id: CheckoutId,
        failure: CheckoutFailure,
    ) -> Result<Checkout, Error> {
        let now = self.env.now();
        let outcome =
            |cart: Option<&Cart>, checkout: &Checkout| checkout.unmark(cart, failure, now);
        self.decide(owner, id, "unmark", outcome).await
    }

    /// Finds a checkout.
    ///
    /// # Errors
    /// [`Error::CheckoutNotFound`].
    pub async fn get(&self, owner: &UserId, name: &CheckoutName) -> Result<Checkout, Error> {
        self.store.checkout(owner, name).await?.ok_or(Error::CheckoutNotFound)
    }

    /// Hands at most `limit` overdue checkouts to `worker`, the most overdue first.
    ///
    /// # Errors
    /// [`Error::Store`] if the overdue checkouts cannot be read. One that cannot be leased or read
    /// is left out and logged, so that it does not stop the others.
    pub async fn lease_overdue(&self, worker: &str, limit: u32) -> Result<Vec<Checkout>, Error> {
        let overdue = self.store.overdue(i64::from(limit * CANDIDATES_EACH)).await?;
        let mut candidates: Vec<_> = overdue.iter().enumerate().collect();
        shuffle(&mut candidates, &self.env);
        let mut leased = Vec::new();
        for (place, candidate) in candidates {
            if leased.len() >= limit as usize {
                break;
            }
            if let Some(checkout) = self.lease(worker, candidate).await {
                leased.push((place, checkout));
            }
        }
        leased.sort_by_key(|(place, _)| *place);
        Ok(leased.into_iter().map(|(_, checkout)| checkout).collect())
    }

    async fn of_request(
        &self,
        owner: &UserId,
        command: &MarkCommand,
    ) -> Result<Option<Checkout>, Error> {
        let name = CheckoutName::Request(command.request.clone());
        match self.store.checkout(owner, &name).await? {
            Some(known) if known.fingerprint != command.fingerprint => {
                Err(Error::RequestIdReused { checkout: known.id })
            }
            known => Ok(known),
        }
    }

    async fn decide_mark(&self, owner: &UserId, command: &MarkCommand) -> Result<Marked, Error> {
        let cart = self.store.cart(owner, command.cart).await?;
        let cart = cart.ok_or(Error::CartNotFound { cart: command.cart })?;
        let id = self.env.uuid_v7().into();
        let (window, now) = (self.timing.charge_window, self.env.now());
        Ok(Checkout::mark(&cart, command, id, window, now)?)
    }

    /// Read-modify-write with optimistic locking; retries on a conflict.
    ///
    /// The cart is read before its checkout. A checkout only ever leaves PENDING, so if it is still
    /// pending then its cart was held by it when the cart was read; read the other way round, a twin
    /// that decides in between would look like a contradiction.
    async fn decide(
        &self,
        owner: &UserId,
        id: CheckoutId,
        asked: &'static str,
        outcome: impl Fn(Option<&Cart>, &Checkout) -> Result<Decision, Contradiction> + Send,
    ) -> Result<Checkout, Error> {
        let name = CheckoutName::Id(id);
        for attempt in 0..TRIES {
            let cart = self.store.cart_of_checkout(owner, id).await?;
            let checkout = self.get(owner, &name).await?;
            let decided = match outcome(cart.as_ref(), &checkout) {
                Ok(Decision::Already) => return Ok(checkout),
                Ok(Decision::Now(decided)) => decided,
                Err(contradiction) => {
                    alarm(&checkout, asked, &contradiction);
                    return Err(contradiction.into());
                }
            };
            let done = self.store.decide(&decided).await;
            if saved(done, attempt, &self.env).await? {
                let state = decided.checkout.state.as_str();
                info!(checkout.id = %id, checkout.state = state, "checkout {id} is {state}");
                return Ok(decided.checkout);
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn lease(&self, worker: &str, overdue: &Overdue) -> Option<Checkout> {
        let id = overdue.checkout;
        match self.try_lease(overdue).await {
            Ok(checkout) if checkout.state == CheckoutState::Pending => {
                metrics::LEASES.add(1, ["handed_out"]);
                let attempt = checkout.attempts;
                info!(checkout.id = %id, attempt, worker, "checkout {id} is overdue and handed out");
                Some(checkout)
            }
            Ok(_) => {
                metrics::LEASES.add(1, ["decided"]);
                None
            }
            Err(Error::Store(StoreError::Conflict)) => {
                metrics::LEASES.add(1, ["taken"]);
                debug!(checkout.id = %id, worker, "another worker took checkout {id}");
                None
            }
            Err(failed) => {
                metrics::LEASES.add(1, ["failed"]);
                let cause = kit_service::chain(&failed);
                error!(checkout.id = %id, error = cause, "checkout {id} cannot be handed out");
                None
            }
        }
    }

    async fn try_lease(&self, overdue: &Overdue) -> Result<Checkout, Error> {
        let wait = self.env.jitter(backoff(overdue.attempts.saturating_add(1)), 0.75, 1.25);
        self.store.lease(overdue, wait).await?;
        self.get(&overdue.owner, &CheckoutName::Id(overdue.checkout)).await
    }
}

/// An alarm for an operator: the payment's record and the checkout's contradict each other.
fn alarm(checkout: &Checkout, asked: &'static str, contradiction: &Contradiction) {
    metrics::REFUSED_OUTCOMES.add(1, [asked]);
    let (id, state) = (checkout.id, checkout.state.as_str());
    error!(checkout.id = %id, checkout.state = state, "refused a payment's outcome: {contradiction}");
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], env: &Env) {
    for last in (1..items.len()).rev() {
        let other = usize::try_from(env.below(last as u64 + 1)).unwrap_or(last);
        items.swap(last, other);
    }
}
