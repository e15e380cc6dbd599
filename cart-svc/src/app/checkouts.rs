//! The cart's side of the checkout protocol.

use std::{sync::Arc, time::Duration};

use oxcart_types::{CheckoutId, Money, PaymentId, UserId};
use service_kit::Sources;
use tracing::{debug, error, info};

use super::{AppError, TRIES, metrics, saved};
use crate::{
    domain::{Cart, Checkout, CheckoutState, Contradiction, Decision, Failure, Order, backoff},
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
    sources: Sources,
}

impl Checkouts {
    /// Keeps checkouts in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn CartStore>, timing: Timing, sources: Sources) -> Self {
        Self { store, timing, sources }
    }

    /// Freezes a cart for `order`, or answers with the checkout that the request has already.
    ///
    /// # Errors
    /// [`AppError::RequestIdReused`], [`AppError::NoCart`], [`AppError::Refused`],
    /// [`AppError::Contended`].
    pub async fn start(&self, owner: &UserId, order: &Order) -> Result<Checkout, AppError> {
        for attempt in 0..TRIES {
            if let Some(known) = self.of_request(owner, order).await? {
                return Ok(known);
            }
            let started = match self.decide_start(owner, order).await {
                Ok(started) => started,
                // A twin of this request may have won since we looked: then its checkout is the answer.
                Err(refused) => return self.of_request(owner, order).await?.ok_or(refused),
            };
            let lease = self.timing.first_lease;
            let done = self.store.start_checkout(&started, order.seen, lease).await;
            if saved(done, attempt, &self.sources).await? {
                let id = started.checkout.id;
                info!(checkout.id = %id, cart.id = %order.cart, "checkout {id} froze its cart");
                // Read back for what is left of the charge window by the database's clock.
                return self.get(owner, &CheckoutName::Id(id)).await;
            }
        }
        Err(AppError::Contended { cart: order.cart })
    }

    /// Ends a checkout as paid.
    ///
    /// # Errors
    /// [`AppError::NoCheckout`], [`AppError::Contradicted`], which is logged as an alarm.
    pub async fn confirm(
        &self,
        owner: &UserId,
        id: CheckoutId,
        payment: &PaymentId,
        amount: Money,
    ) -> Result<Checkout, AppError> {
        let now = self.sources.now();
        let outcome =
            |cart: Option<&Cart>, checkout: &Checkout| checkout.confirm(cart, payment, amount, now);
        self.decide(owner, id, "confirm", outcome).await
    }

    /// Ends a checkout as failed and opens its cart.
    ///
    /// # Errors
    /// [`AppError::NoCheckout`], [`AppError::Contradicted`], which is logged as an alarm.
    pub async fn fail(
        &self,
        owner: &UserId,
        id: CheckoutId,
        failure: Failure,
    ) -> Result<Checkout, AppError> {
        let now = self.sources.now();
        let outcome = |cart: Option<&Cart>, checkout: &Checkout| checkout.fail(cart, failure, now);
        self.decide(owner, id, "unmark", outcome).await
    }

    /// Finds a checkout.
    ///
    /// # Errors
    /// [`AppError::NoCheckout`].
    pub async fn get(&self, owner: &UserId, name: &CheckoutName) -> Result<Checkout, AppError> {
        self.store.checkout(owner, name).await?.ok_or(AppError::NoCheckout)
    }

    /// Hands at most `limit` overdue checkouts to `worker`, the most overdue first.
    ///
    /// # Errors
    /// [`AppError::Store`] if the overdue checkouts cannot be read. One that cannot be leased or read
    /// is left out and logged, so that it does not stop the others.
    pub async fn lease_overdue(&self, worker: &str, limit: u32) -> Result<Vec<Checkout>, AppError> {
        let overdue = self.store.overdue(i64::from(limit * CANDIDATES_EACH)).await?;
        let mut candidates: Vec<_> = overdue.iter().enumerate().collect();
        shuffle(&mut candidates, &self.sources);
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
        order: &Order,
    ) -> Result<Option<Checkout>, AppError> {
        let name = CheckoutName::Request(order.request.clone());
        match self.store.checkout(owner, &name).await? {
            Some(known) if known.fingerprint != order.fingerprint => Err(AppError::RequestIdReused),
            known => Ok(known),
        }
    }

    async fn decide_start(
        &self,
        owner: &UserId,
        order: &Order,
    ) -> Result<crate::domain::Started, AppError> {
        let cart = self.store.cart(owner, order.cart).await?;
        let cart = cart.ok_or(AppError::NoCart { cart: order.cart })?;
        let id = self.sources.uuid_v7().into();
        let (window, now) = (self.timing.charge_window, self.sources.now());
        Ok(Checkout::start(&cart, order, id, window, now)?)
    }

    /// Loads, decides and saves.
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
    ) -> Result<Checkout, AppError> {
        let name = CheckoutName::Id(id);
        for attempt in 0..TRIES {
            let cart = self.store.cart_of(owner, id).await?;
            let checkout = self.get(owner, &name).await?;
            let decided = match outcome(cart.as_ref(), &checkout) {
                Ok(Decision::Already) => return Ok(checkout),
                Ok(Decision::Now(decided)) => decided,
                Err(contradiction) => {
                    alarm(&checkout, asked, &contradiction);
                    return Err(contradiction.into());
                }
            };
            let done = self.store.decide_checkout(&decided).await;
            if saved(done, attempt, &self.sources).await? {
                let state = decided.checkout.state.word();
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
            Err(AppError::Store(StoreError::Conflict)) => {
                metrics::LEASES.add(1, ["taken"]);
                debug!(checkout.id = %id, worker, "another worker took checkout {id}");
                None
            }
            Err(failed) => {
                metrics::LEASES.add(1, ["failed"]);
                let cause = service_kit::error::chain(&failed);
                error!(checkout.id = %id, error = cause, "checkout {id} cannot be handed out");
                None
            }
        }
    }

    async fn try_lease(&self, overdue: &Overdue) -> Result<Checkout, AppError> {
        let wait = self.sources.jitter(backoff(overdue.attempts.saturating_add(1)), 0.75, 1.25);
        self.store.lease(overdue, wait).await?;
        self.get(&overdue.owner, &CheckoutName::Id(overdue.checkout)).await
    }
}

/// Somebody has to look: a payment's record and ours disagree.
fn alarm(checkout: &Checkout, asked: &'static str, contradiction: &Contradiction) {
    metrics::REFUSED_OUTCOMES.add(1, [asked]);
    let (id, state) = (checkout.id, checkout.state.word());
    error!(checkout.id = %id, checkout.state = state, "refused a payment's outcome: {contradiction}");
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], sources: &Sources) {
    for last in (1..items.len()).rev() {
        let other = usize::try_from(sources.below(last as u64 + 1)).unwrap_or(last);
        items.swap(last, other);
    }
}
