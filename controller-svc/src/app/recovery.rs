//! Finishes orphaned checkouts: the controller that drove them was killed, or could not
//! reach the services behind it for too long.
//!
//! Runs in every controller; the lease hands each checkout to one of them at a time. Never charges: it
//! has no payment token. Never gives up.

use std::{sync::Arc, time::Duration};

use kit_rpc::deadline;
use kit_service::{Env, chain};
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    checkout::{Attempt, Driver},
    metrics,
};
use crate::{
    clients::{CallError, CartClient},
    domain::checkout::Checkout,
};

/// From this many attempts on, every further one is an alarm.
const ALARM_ATTEMPTS: i64 = 10;

/// A checkout that is pending for longer is an alarm.
const ALARM_AGE: time::Duration = time::Duration::minutes(15);

/// How recovery goes about it.
#[derive(Debug, Clone)]
pub struct RecoverySettings {
    /// The mean time between two rounds.
    pub interval: Duration,
    /// How many checkouts one round leases, and drives at the same time, from 1 to 100.
    pub batch: u32,
    /// The longest that asking for a lease may take.
    pub call_limit: Duration,
}

/// The recovery loop.
pub struct Recovery {
    carts: Arc<dyn CartClient>,
    driver: Driver,
    settings: RecoverySettings,
    worker: String,
    env: Env,
}

impl Recovery {
    /// A loop that finishes checkouts of `carts` with `driver`.
    #[must_use]
    pub fn new(
        carts: Arc<dyn CartClient>,
        driver: Driver,
        settings: RecoverySettings,
        env: Env,
    ) -> Self {
        let worker = format!("controller-{}", env.uuid_v7());
        Self { carts, driver, settings, worker, env }
    }

    /// Works until `shutdown`. A round that has begun is finished; dropping it is as safe, the lease
    /// brings back what it leaves.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let leased = self.round().await;
            // A full batch says that more is waiting.
            if leased >= self.settings.batch as usize {
                continue;
            }
            let pause = self.env.jitter(self.settings.interval, 0.5, 1.5);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }

    /// Leases what is overdue and tries to finish it, each in a task of its own, so that one that
    /// cannot be finished keeps none of the others waiting for long. Says how many it leased.
    pub async fn round(&self) -> usize {
        let leased = self.lease().await;
        let count = leased.len();
        self.count(&leased);
        let mut runs = JoinSet::new();
        for checkout in leased {
            self.watch_over(&checkout);
            let driver = self.driver.clone();
            let time_budget = driver.config().recovery_time_budget;
            let attempt = Attempt { token: None, time_budget };
            runs.spawn(async move { driver.drive(&checkout, attempt).await });
        }
        while let Some(attempt) = runs.join_next().await {
            if let Err(panicked) = attempt {
                error!(error = %panicked, "the recovery of a checkout panicked");
            }
        }
        count
    }

    fn count(&self, leased: &[Checkout]) {
        let now = self.env.now();
        let ages = leased.iter().map(|checkout| (now - checkout.created_at).as_seconds_f64());
        for checkout in leased {
            let attempts = u32::try_from(checkout.attempts).unwrap_or(u32::MAX);
            metrics::RECOVERY_ATTEMPTS.record(attempts.into(), []);
        }
        metrics::RECOVERY_OLDEST.set(ages.fold(0.0, f64::max), []);
    }

    async fn lease(&self) -> Vec<Checkout> {
        let limit = self.settings.call_limit;
        let lease = self.carts.lease_overdue(&self.worker, self.settings.batch);
        let answer = tokio::time::timeout(limit, deadline::within(limit, lease)).await;
        answer.unwrap_or_else(|_| Err(CallError::timed_out("the cart service"))).unwrap_or_else(
            |error| {
                warn!(error = chain(&error), "cannot ask for overdue checkouts, trying again soon");
                Vec::new()
            },
        )
    }

    fn watch_over(&self, checkout: &Checkout) {
        let id = checkout.id;
        info!(checkout.id = %id, attempt = checkout.attempts, "checkout {id} is overdue, finishing it");
        if is_alarming(checkout, self.env.now()) {
            metrics::ALARMS.add(1, ["stuck"]);
            error!(
                alarm = "stuck",
                checkout.id = %id,
                attempts = checkout.attempts,
                "checkout {id} has been pending since {} after {} attempts, a person has to look",
                checkout.created_at,
                checkout.attempts
            );
        }
    }
}

/// Whether a person has to look: something that should take seconds does not come to an end.
fn is_alarming(checkout: &Checkout, now: OffsetDateTime) -> bool {
    checkout.attempts >= ALARM_ATTEMPTS || now - checkout.created_at > ALARM_AGE
}
