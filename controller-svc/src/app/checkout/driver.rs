//! Performs what the rule says, until a checkout is decided or time is up.
//!
//! One routine for the first attempt, a client's repetition and recovery; they differ only in whether
//! they have a payment token, and in how much time they have.

use std::{sync::Arc, time::Duration};

use kit_rpc::deadline;
use kit_service::{Env, chain};
use oxcart_proto::Reason;
use oxcart_types::{Backoff, CheckoutId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, broadcast},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, error, info, warn};

use crate::{
    app::{Services, metrics},
    clients::{CallError, CartClient, Charge, PaymentClient, PaymentToken},
    domain::checkout::{Checkout, Impossible, Next, Observation, Payment, Step, next},
};

/// How many decided checkouts a watcher may lag behind before it polls instead.
const DECIDED_KEPT: usize = 256;

/// Added to the end of the charge window before it is told to the payment service, whose clock may
/// be ahead of ours. What keeps a late charge from being captured is the tombstone, not this.
const CLOCK_MARGIN: Duration = Duration::from_mins(1);

/// How long things may take, and how many may go on at once.
#[derive(Debug, Clone)]
pub struct DriverConfig {
    /// The longest that a Checkout call waits for its outcome.
    pub answer_within: Duration,
    /// How long the first attempt keeps trying. Below the first lease, 15 s.
    pub time_budget: Duration,
    /// How long recovery keeps trying one checkout before it goes back to the lease.
    pub recovery_time_budget: Duration,
    /// The longest that one call of an attempt may take.
    pub call_limit: Duration,
    /// The longest first pause between two tries; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
    /// How many checkouts are driven at once at most, recovery apart.
    pub max_attempts: usize,
    /// The longest that a watch lasts.
    pub watch_limit: Duration,
    /// How many watches go on at once at most.
    pub max_watches: usize,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(8),
            time_budget: Duration::from_secs(12),
            recovery_time_budget: Duration::from_secs(1),
            call_limit: Duration::from_secs(4),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(1),
            max_attempts: 1_024,
            watch_limit: Duration::from_mins(5),
            max_watches: 1_024,
        }
    }
}

/// What one attempt of the driver has.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// What to charge with, and until when; recovery has none.
    pub token: Option<(PaymentToken, Instant)>,
    /// How long to keep trying.
    pub time_budget: Duration,
}

/// Drives checkouts. A clone shares the tasks.
#[derive(Clone)]
pub struct Driver {
    carts: Arc<dyn CartClient>,
    payments: Arc<dyn PaymentClient>,
    env: Env,
    config: Arc<DriverConfig>,
    tasks: TaskTracker,
    runs: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    decided: broadcast::Sender<Arc<Checkout>>,
}

impl Driver {
    /// Drives checkouts over `services`.
    #[must_use]
    pub fn new(services: &Services, config: DriverConfig, env: Env) -> Self {
        Self {
            carts: services.carts.clone(),
            payments: services.payments.clone(),
            env,
            tasks: TaskTracker::new(),
            runs: Arc::new(Semaphore::new(config.max_attempts)),
            watches: Arc::new(Semaphore::new(config.max_watches)),
            decided: broadcast::Sender::new(DECIDED_KEPT),
            config: Arc::new(config),
        }
    }

    /// How long things may take.
    #[must_use]
    pub fn config(&self) -> &DriverConfig {
        &self.config
    }

    /// Where its randomness comes from.
    pub(super) const fn env(&self) -> &Env {
        &self.env
    }

    /// The right to drive one checkout; none if as many are going on as allowed.
    #[must_use]
    pub fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.runs.clone().try_acquire_owned().ok()
    }

    /// The right to watch one checkout; none if as many are going on as allowed.
    pub(super) fn watch_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.watches.clone().try_acquire_owned().ok()
    }

    /// Hears of every checkout that is decided here from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<Arc<Checkout>> {
        self.decided.subscribe()
    }

    /// Waits until nothing is driven any more.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drives a checkout in a detached task: a caller that goes away does not end it, nor dropping the
    /// handle.
    #[must_use]
    pub fn spawn(
        &self,
        checkout: Checkout,
        attempt: Attempt,
        permit: OwnedSemaphorePermit,
    ) -> JoinHandle<Option<Checkout>> {
        let driver = self.clone();
        let task = async move {
            let decided = driver.drive(&checkout, attempt).await;
            drop(permit);
            decided
        };
        self.tasks.spawn(task.in_current_span())
    }

    /// Drives a checkout until it is decided. None if time is up, or if a person has to look: the
    /// lease brings it back either way.
    pub async fn drive(&self, checkout: &Checkout, attempt: Attempt) -> Option<Checkout> {
        if checkout.is_decided() {
            return Some(checkout.clone());
        }
        let began = Instant::now();
        let by = if attempt.token.is_some() { "client" } else { "recovery" };
        let ended = self.follow(checkout, attempt).await;
        let outcome = match &ended {
            Ok(Some(decided)) => metrics::outcome(&decided.state),
            Ok(None) => "pending",
            Err(_) => "contradicted",
        };
        metrics::RUN_DURATION.record(began.elapsed().as_secs_f64(), [by, outcome]);
        ended.unwrap_or_else(|impossible| {
            metrics::ALARMS.add(1, ["contradiction"]);
            error!(
                alarm = "contradiction",
                checkout.id = %checkout.id,
                error = %impossible,
                "checkout {} contradicts its payment, leaving it to a person",
                checkout.id
            );
            None
        })
    }

    /// Follows the rule from step to step.
    async fn follow(
        &self,
        checkout: &Checkout,
        attempt: Attempt,
    ) -> Result<Option<Checkout>, Impossible> {
        let gives_up = Instant::now() + attempt.time_budget;
        let mut step = Step::first(attempt.token.is_some());
        let backoff = Backoff::new(self.config.first_pause, self.config.longest_pause);
        let mut failures = 0;
        loop {
            let (observation, stored) = self.perform(checkout, &step, &attempt).await;
            metrics::STEPS.add(1, [metrics::step(&step), metrics::observation(&observation)]);
            match next(step, observation)? {
                Next::Decided => return Ok(stored.inspect(|decided| self.announce(decided))),
                Next::Now(then) => step = then,
                Next::Later(then) => {
                    failures += 1;
                    let wait = self.env.jitter(backoff.bound(failures), 0.0, 1.0);
                    if Instant::now() + wait >= gives_up {
                        info!(checkout.id = %checkout.id, "checkout {} stays pending for now, the lease brings it back", checkout.id);
                        return Ok(None);
                    }
                    tokio::time::sleep(wait).await;
                    step = then;
                }
            }
        }
    }

    fn announce(&self, decided: &Checkout) {
        info!(checkout.id = %decided.id, state = decided.state.as_str(), "checkout {} is decided", decided.id);
        // An error says that there is no watch.
        let _ = self.decided.send(Arc::new(decided.clone()));
    }

    /// Tries a step once.
    async fn perform(
        &self,
        checkout: &Checkout,
        step: &Step,
        attempt: &Attempt,
    ) -> (Observation, Option<Checkout>) {
        let (id, owner) = (checkout.id, &checkout.owner);
        match step {
            Step::Charge { .. } => (self.charge(checkout, attempt).await, None),
            Step::Resolve => (self.paid(id, self.payments.resolve(id)).await, None),
            Step::Confirm(capture) => self.stored(id, self.carts.confirm(owner, id, capture)).await,
            Step::Unmark(failure) => self.stored(id, self.carts.unmark(owner, id, *failure)).await,
        }
    }

    async fn charge(&self, checkout: &Checkout, attempt: &Attempt) -> Observation {
        let Some((token, window_ends)) = &attempt.token else { return Observation::WindowOver };
        let left = window_ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Observation::WindowOver;
        }
        let charge = Charge {
            key: checkout.id,
            amount: checkout.total,
            token: token.clone(),
            not_after: self.env.now() + left + CLOCK_MARGIN,
        };
        self.paid(checkout.id, self.payments.charge(&charge)).await
    }

    async fn paid(
        &self,
        id: CheckoutId,
        call: impl Future<Output = Result<Payment, CallError>>,
    ) -> Observation {
        match self.within_limit("the payment service", call).await {
            Ok(payment) => Observation::Record(payment),
            Err(error) => {
                warn!(checkout.id = %id, error = chain(&error), "payment of checkout {id} has no known outcome");
                match error.reason() {
                    Some(Reason::PaymentKeyReused) => Observation::Contradicted,
                    reason => observed(reason),
                }
            }
        }
    }

    async fn stored(
        &self,
        id: CheckoutId,
        call: impl Future<Output = Result<Checkout, CallError>>,
    ) -> (Observation, Option<Checkout>) {
        match self.within_limit("the cart service", call).await {
            Ok(stored) => (Observation::Stored(stored.state.clone()), Some(stored)),
            Err(error) => {
                warn!(checkout.id = %id, error = chain(&error), "outcome of checkout {id} is not known to be stored");
                let observation = match error.reason() {
                    Some(Reason::CheckoutContradicted | Reason::CheckoutNotFound) => {
                        Observation::Contradicted
                    }
                    reason => observed(reason),
                };
                (observation, None)
            }
        }
    }

    /// An attempt has no client and so no deadline of its own: each call gets one.
    async fn within_limit<T>(
        &self,
        service: &'static str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let limit = self.config.call_limit;
        let answer = tokio::time::timeout(limit, deadline::within(limit, call)).await;
        answer.unwrap_or_else(|_| Err(CallError::timed_out(service)))
    }
}

/// What a failed call says about the step, where no reason says more.
const fn observed(reason: Option<Reason>) -> Observation {
    match reason {
        // The service's load says nothing about the step: ask again.
        None | Some(Reason::Overloaded) => Observation::Unknown,
        Some(_) => Observation::Refused,
    }
}
