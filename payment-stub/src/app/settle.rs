//! Has payments decided, each in a task of its own that no caller can take down with it.
//!
//! A task asks the acquirer with the payment's key until it decides, and stores that once. If it dies
//! at any point, asking again is harmless and finds the same answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kit_service::Env;
use oxcart_types::Backoff;
use tokio::sync::watch;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{
    acquirer::Acquirer,
    app::Error,
    domain::{
        acquirer::Answer,
        key::PaymentKey,
        payment::{ChargeTerms, Payment},
    },
    store::PaymentStore,
};

/// Payments that are being decided at once. More wait for the next sweep.
const MAX_RUNNING: usize = 1_000;

/// How long to wait at most before asking an acquirer again that needs longer.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// How long to wait after failures, at most.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));

/// From this many failures on a payment needs a person's eye.
const FAILURES_TO_ALARM: u32 = 10;

/// Decides payments. A clone shares its tasks.
#[derive(Clone)]
pub struct Settler {
    shared: Arc<Shared>,
}

type Running = HashMap<PaymentKey, watch::Receiver<Option<Payment>>>;

struct Shared {
    store: Arc<dyn PaymentStore>,
    acquirer: Arc<dyn Acquirer>,
    env: Env,
    running: Mutex<Running>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A payment that is being decided.
pub struct Settling(watch::Receiver<Option<Payment>>);

impl Settling {
    /// The record once it is decided. `None` if the task ended without seeing that, for example
    /// because the process stops: the store knows more.
    pub async fn done(mut self) -> Option<Payment> {
        // An error says that the task has ended without a word.
        self.0.wait_for(Option::is_some).await.ok().and_then(|seen| seen.clone())
    }
}

impl Settler {
    /// Decides payments of `store` through `acquirer`.
    #[must_use]
    pub fn new(store: Arc<dyn PaymentStore>, acquirer: Arc<dyn Acquirer>, env: Env) -> Self {
        let (running, tasks, stop) = <_>::default();
        Self { shared: Arc::new(Shared { store, acquirer, env, running, tasks, stop }) }
    }

    /// Starts a settlement task for `key`, or joins the one already running. `terms` spares reading what
    /// is to be paid. `None` if too many are under way or the process stops.
    #[must_use]
    pub fn start(&self, key: &PaymentKey, terms: Option<ChargeTerms>) -> Option<Settling> {
        let mut running = self.shared.running();
        if let Some(known) = running.get(key) {
            return Some(Settling(known.clone()));
        }
        if running.len() >= MAX_RUNNING || self.shared.stop.is_cancelled() {
            return None;
        }
        let (seen, receiver) = watch::channel(None);
        running.insert(key.clone(), receiver.clone());
        let task = Task { shared: self.shared.clone(), key: key.clone(), terms, seen };
        self.shared.tasks.spawn(task.run());
        Some(Settling(receiver))
    }

    /// Stops all tasks at their next wait when the guard is dropped: for whoever may be dropped before
    /// [`Self::drain`].
    #[must_use]
    pub fn stop_on_drop(&self) -> DropGuard {
        self.shared.stop.clone().drop_guard()
    }

    /// Ends all tasks: those that talk to the acquirer or the database finish that, if it takes no
    /// longer than `limit`; those that wait end at once. What is undecided then is decided after the
    /// next start.
    pub async fn drain(&self, limit: Duration) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        if tokio::time::timeout(limit, self.shared.tasks.wait()).await.is_err() {
            let left = self.shared.tasks.len();
            tracing::warn!(left, "{left} payments are still being decided at shutdown");
        }
    }
}

impl Shared {
    /// Nothing in here panics while it holds the lock, so a poisoned one is still whole.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work on one payment.
struct Task {
    shared: Arc<Shared>,
    key: PaymentKey,
    terms: Option<ChargeTerms>,
    /// Tells those who wait, and wakes them also by going.
    seen: watch::Sender<Option<Payment>>,
}

impl Task {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let wait = match self.ask().await {
                Ok(None) => return,
                Ok(Some(left)) => left.clamp(Duration::from_millis(1), LONGEST_WAIT),
                Err(error) => {
                    failures += 1;
                    self.report(failures, &error);
                    self.shared.env.jitter(BACKOFF.bound(failures), 0.5, 1.0)
                }
            };
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Asks once, and stores what was decided. Returns how long the acquirer needs if it is not.
    async fn ask(&mut self) -> Result<Option<Duration>, Error> {
        let Shared { store, acquirer, env, .. } = &*self.shared;
        if self.terms.is_none() {
            let payment = store.find(&self.key).await?;
            self.terms = payment.filter(|payment| !payment.is_terminal()).and_then(|p| p.terms);
        }
        let Some(terms) = &self.terms else { return Ok(None) };
        match acquirer.ask(&self.key, terms).await? {
            Answer::NotYet(left) => Ok(Some(left)),
            Answer::Decided(outcome) => {
                let settled = store.settle(&self.key, &outcome, env.now()).await?;
                self.seen.send_replace(settled);
                Ok(None)
            }
        }
    }

    fn report(&self, failures: u32, error: &Error) {
        let (key, error) = (&self.key, kit_service::chain(error));
        if failures < FAILURES_TO_ALARM {
            tracing::warn!(payment.key = %key, failures, error, "payment {key} is undecided, asking again");
        } else {
            tracing::error!(payment.key = %key, failures, error, "payment {key} stays undecided");
        }
    }
}

/// Also if the work panics: the next one who asks starts anew.
impl Drop for Task {
    fn drop(&mut self) {
        self.shared.running().remove(&self.key);
    }
}
