//! What callers see of payments, and what the acquirer was really asked for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kit_service::Env;
use oxcart_types::{DeclineReason, PaymentState};
use payment_stub::{
    acquirer::{Acquirer, AcquirerError, SimulatedAcquirer},
    app::{Charge, Error, Payments, Settler, sweep_until},
    domain::{
        acquirer::{Answer, Delays},
        card::CardNumber,
        key::PaymentKey,
        payment::{ChargeTerms, Outcome, Payment, Range},
        scenario::Trouble,
        token::Tokenized,
    },
    store::{StoreError, Stores},
};
use tokio_util::sync::CancellationToken;

use crate::{NOON, PATIENCE, key, processing, terms};

const SECOND: Duration = Duration::from_secs(1);

/// One life of the payment service, on stores that outlive it.
struct Process {
    stores: Stores,
    settler: Settler,
    payments: Payments,
    env: Env,
}

/// Fails the first questions, then does its work.
struct Flaky {
    inner: SimulatedAcquirer,
    failures: AtomicU32,
}

#[async_trait]
impl Acquirer for Flaky {
    async fn tokenize(&self, card: CardNumber) -> Result<Tokenized, AcquirerError> {
        self.inner.tokenize(card).await
    }

    async fn ask(&self, key: &PaymentKey, terms: &ChargeTerms) -> Result<Answer, AcquirerError> {
        let answer = self.inner.ask(key, terms).await;
        let fails = |left: u32| left.checked_sub(1);
        // The acquirer did it, and its answer was lost.
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails) {
            Ok(_) => Err(StoreError::inconsistent("answer").into()),
            Err(_) => answer,
        }
    }

    async fn refund(&self, key: &PaymentKey) -> Result<(), AcquirerError> {
        self.inner.refund(key).await
    }
}

impl Process {
    fn start(stores: &Stores) -> Self {
        Self::with_failures(stores, Env::seeded(1, NOON), 0)
    }

    /// The next life, with the same clock.
    fn restart(self) -> Self {
        Self::with_failures(&self.stores, self.env, 0)
    }

    fn with_failures(stores: &Stores, env: Env, failures: u32) -> Self {
        let delays = Delays { slow: 3 * SECOND, late: 20 * SECOND };
        let inner = SimulatedAcquirer::new(stores.acquirer.clone(), delays, env.clone());
        let acquirer = Arc::new(Flaky { inner, failures: failures.into() });
        let store = stores.payments.clone();
        let settler = Settler::new(store.clone(), acquirer.clone(), env.clone());
        let payments = Payments::new(store, acquirer, settler.clone(), env.clone());
        Self { stores: stores.clone(), settler, payments, env }
    }

    async fn charge(&self, name: &str, token: &str) -> Result<Payment, Error> {
        self.charge_within(name, token, PATIENCE).await
    }

    async fn charge_within(
        &self,
        name: &str,
        token: &str,
        patience: Duration,
    ) -> Result<Payment, Error> {
        let charge = Charge { key: key(name), terms: terms(1_250, token), not_after: None };
        self.payments.charge(charge, patience).await
    }

    async fn resolve(&self, name: &str) -> PaymentState {
        self.payments.resolve(key(name)).await.unwrap().state
    }

    /// The acquirer's own record.
    async fn at_the_acquirer(&self, name: &str) -> Option<Outcome> {
        let charge = self.stores.acquirer.find_charge(&key(name)).await.unwrap();
        charge.map(|charge| charge.outcome)
    }

    /// Boots: sweeps until `name` is decided.
    async fn boot_and_decide(&self, name: &str) -> Payment {
        let stop = CancellationToken::new();
        let interval = Duration::from_millis(10);
        let sweep = sweep_until(stop.clone(), interval, &*self.stores.payments, &self.settler);
        let decided = async {
            let payment = self.decided(name).await;
            stop.cancel();
            payment
        };
        tokio::join!(sweep, decided).1
    }

    /// Waits until `name` is decided.
    async fn decided(&self, name: &str) -> Payment {
        let decided = async {
            loop {
                let payment = self.payments.get(key(name)).await.unwrap();
                if payment.is_terminal() {
                    return payment;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, decided).await.unwrap()
    }
}

fn is_captured(state: &PaymentState) -> bool {
    matches!(state, PaymentState::Captured { refunded_at: None, .. })
}

/// Whether our record and the acquirer's tell of the same capture.
fn same_capture(state: &PaymentState, outcome: Option<Outcome>) -> bool {
    is_captured(state) && outcome.map(PaymentState::from).as_ref() == Some(state)
}

pub async fn sixteen_charges_at_once_capture_once(stores: Stores) {
    let process = Arc::new(Process::start(&stores));
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let process = process.clone();
            tokio::spawn(async move { process.charge("k", "tok_visa").await.unwrap() })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    assert!(same_capture(&answers[0].state, process.at_the_acquirer("k").await));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(stores.payments.list(Range::default(), None, 10).await.unwrap().len(), 1);
}

pub async fn charges_of_many_keys_at_once_capture_each_once(stores: Stores) {
    // Two replicas on one register and one acquirer.
    let replicas =
        [1, 2].map(|seed| Arc::new(Process::with_failures(&stores, Env::seeded(seed, NOON), 0)));
    let calls: Vec<_> = (0..64)
        .map(|number| {
            let process = replicas[number % 2].clone();
            let name = format!("k{}", number / 4);
            tokio::spawn(async move { process.charge(&name, "tok_visa").await.unwrap() })
        })
        .collect();
    for call in calls {
        let payment = call.await.unwrap();
        let theirs = replicas[0].at_the_acquirer(payment.key.as_str()).await;
        assert!(same_capture(&payment.state, theirs), "{payment:?}");
    }
}

pub async fn the_same_charge_gives_the_same_answer(stores: Stores) {
    let process = Process::start(&stores);
    let first = process.charge("k", "tok_visa").await.unwrap();
    process.env.advance(SECOND);
    assert_eq!(process.charge("k", "tok_visa").await.unwrap(), first);
    // The token is no part of a key's identity: the first one stands.
    assert_eq!(process.charge("k", "tok_declined").await.unwrap(), first);
    assert_eq!(process.payments.resolve(key("k")).await.unwrap(), first);
    assert_eq!(process.payments.get(key("k")).await.unwrap(), first);
    assert_eq!(process.restart().charge("k", "tok_visa").await.unwrap(), first);
}

pub async fn a_key_is_not_reused_for_another_amount(stores: Stores) {
    let process = Process::start(&stores);
    let first = process.charge("k", "tok_visa").await.unwrap();
    let charge = Charge { key: key("k"), terms: terms(1_251, "tok_visa"), not_after: None };
    let refused = process.payments.charge(charge, PATIENCE).await;
    assert!(matches!(refused, Err(Error::KeyReused { .. })), "{refused:?}");
    assert_eq!(process.payments.get(key("k")).await.unwrap(), first);
}

pub async fn a_tombstone_is_never_charged(stores: Stores) {
    let process = Process::start(&stores);
    assert_eq!(process.resolve("k").await, PaymentState::Cancelled);
    process.env.advance(3_600 * SECOND);
    assert_eq!(process.charge("k", "tok_visa").await.unwrap().state, PaymentState::Cancelled);
    let process = process.restart();
    assert_eq!(process.charge("k", "tok_visa").await.unwrap().state, PaymentState::Cancelled);
    assert_eq!(process.resolve("k").await, PaymentState::Cancelled);
    assert_eq!(process.at_the_acquirer("k").await, None);
}

pub async fn a_charge_after_its_time_is_cancelled_for_good(stores: Stores) {
    let process = Process::start(&stores);
    for not_after in [Some(NOON - SECOND), None] {
        let charge = Charge { key: key("k"), terms: terms(1_250, "tok_visa"), not_after };
        let payment = process.payments.charge(charge, PATIENCE).await.unwrap();
        assert_eq!(payment.state, PaymentState::Cancelled);
    }
    assert_eq!(process.at_the_acquirer("k").await, None);
}

pub async fn resolve_leaves_what_is_under_way(stores: Stores) {
    let process = Process::start(&stores);
    let charged = process.charge_within("k", "tok_slow", Duration::ZERO).await.unwrap();
    assert_eq!(charged.state, PaymentState::Processing);
    assert_eq!(process.resolve("k").await, PaymentState::Processing);
    process.env.advance(3 * SECOND);
    assert!(is_captured(&process.decided("k").await.state));
    assert!(is_captured(&process.resolve("k").await));
}

pub async fn captured_at_the_acquirer_but_unknown_here_is_found_after_boot(stores: Stores) {
    let process = Process::start(&stores);
    // Killed after the acquirer took the money, before its answer was stored.
    let payment = processing("k");
    stores.payments.open(&payment).await.unwrap();
    let acquirer = SimulatedAcquirer::new(
        stores.acquirer.clone(),
        Delays { slow: SECOND, late: SECOND },
        process.env.clone(),
    );
    let answer = acquirer.ask(&payment.key, &payment.terms.unwrap()).await.unwrap();
    let Answer::Decided(outcome) = answer else { panic!("{answer:?}") };
    assert_eq!(process.resolve("k").await, PaymentState::Processing);

    let process = process.restart();
    let found = process.boot_and_decide("k").await;
    assert_eq!(found.state, PaymentState::from(outcome));
    assert!(same_capture(&found.state, process.at_the_acquirer("k").await));
    assert_eq!(process.charge("k", "tok_visa").await.unwrap(), found);
}

pub async fn a_charge_that_never_reached_the_acquirer_is_made_after_boot(stores: Stores) {
    stores.payments.open(&processing("k")).await.unwrap();
    let process = Process::start(&stores);
    let made = process.boot_and_decide("k").await;
    assert!(same_capture(&made.state, process.at_the_acquirer("k").await));
}

pub async fn a_payment_that_outlives_the_process_is_decided_by_the_next(stores: Stores) {
    let process = Process::start(&stores);
    let charged = process.charge_within("k", "tok_late", Duration::from_millis(50)).await.unwrap();
    assert_eq!(charged.state, PaymentState::Processing);
    process.settler.drain(PATIENCE).await;
    process.env.advance(20 * SECOND);
    assert_eq!(process.resolve("k").await, PaymentState::Processing);
    // Nothing starts in a process that stops: the caller learns what is known.
    assert_eq!(process.charge("k", "tok_late").await.unwrap().state, PaymentState::Processing);
    let process = process.restart();
    let found = process.boot_and_decide("k").await;
    assert!(same_capture(&found.state, process.at_the_acquirer("k").await));
}

pub async fn an_acquirer_that_fails_is_asked_again(stores: Stores) {
    let process = Process::with_failures(&stores, Env::seeded(1, NOON), 3);
    let payment = process.charge("k", "tok_visa").await.unwrap();
    assert!(same_capture(&payment.state, process.at_the_acquirer("k").await));
}

pub async fn a_declined_key_stays_declined(stores: Stores) {
    let process = Process::start(&stores);
    let declined = PaymentState::Declined(DeclineReason::InsufficientFunds);
    let first = process.charge("k", "tok_insufficient_funds").await.unwrap();
    assert_eq!(first.state, declined);
    assert_eq!(process.charge("k", "tok_visa").await.unwrap(), first);
    assert_eq!(process.resolve("k").await, declined);
}

pub async fn an_unknown_token_is_declined(stores: Stores) {
    let process = Process::start(&stores);
    let payment = process.charge("k", "tok_nobody_knows").await.unwrap();
    assert_eq!(payment.state, PaymentState::Declined(DeclineReason::UnknownToken));
}

pub async fn a_late_payment_is_processing_until_its_time(stores: Stores) {
    let process = Process::start(&stores);
    let soon = Duration::from_millis(20);
    for elapsed in [Duration::ZERO, 19 * SECOND] {
        process.env.advance(elapsed);
        let charged = process.charge_within("k", "tok_late", soon).await.unwrap();
        assert_eq!(charged.state, PaymentState::Processing);
    }
    process.env.advance(SECOND);
    assert!(is_captured(&process.charge("k", "tok_late").await.unwrap().state));
}

pub async fn a_refund_gives_back_once_and_only_what_was_captured(stores: Stores) {
    let process = Process::start(&stores);
    process.charge("paid", "tok_visa").await.unwrap();
    process.charge("declined", "tok_declined").await.unwrap();
    process.charge_within("slow", "tok_slow", Duration::ZERO).await.unwrap();
    process.resolve("cancelled").await;
    for name in ["declined", "slow", "cancelled"] {
        let refused = process.payments.refund(key(name)).await;
        assert!(matches!(refused, Err(Error::NotCaptured { .. })), "{name}: {refused:?}");
    }
    let unknown = process.payments.refund(key("unknown")).await;
    assert!(matches!(unknown, Err(Error::NotFound { .. })), "{unknown:?}");

    let refunded = process.payments.refund(key("paid")).await.unwrap();
    assert!(
        matches!(refunded.state, PaymentState::Captured { refunded_at: Some(at), .. } if at == NOON)
    );
    process.env.advance(SECOND);
    assert_eq!(process.payments.refund(key("paid")).await.unwrap(), refunded);
    let theirs = stores.acquirer.find_charge(&key("paid")).await.unwrap().unwrap();
    assert_eq!(theirs.refunded_at, Some(NOON));
}

pub async fn unavailable_calls_leave_no_trace(stores: Stores) {
    let process = Process::start(&stores);
    for _ in 0..2 {
        let failed = process.charge("k", "tok_unavailable_2").await;
        assert!(matches!(failed, Err(Error::Scripted(Trouble::Unavailable { calls: 2 }))));
        assert_eq!(stores.payments.find(&key("k")).await.unwrap(), None);
        assert_eq!(process.at_the_acquirer("k").await, None);
    }
    assert!(is_captured(&process.charge("k", "tok_unavailable_2").await.unwrap().state));
    // The count is gone with the process, the payment is not.
    let process = process.restart();
    assert!(is_captured(&process.charge("k", "tok_unavailable_2").await.unwrap().state));
}

pub async fn a_lost_reply_hides_a_capture_from_one_call_only(stores: Stores) {
    let process = Process::start(&stores);
    for (name, trouble) in [
        ("tok_reply_lost", Trouble::ReplyLost),
        ("tok_error_after_capture", Trouble::ErrorAfterCapture),
    ] {
        let failed = process.charge(name, name).await;
        assert!(matches!(failed, Err(Error::Scripted(seen)) if seen == trouble));
        assert!(same_capture(&process.resolve(name).await, process.at_the_acquirer(name).await));
        assert!(is_captured(&process.charge(name, name).await.unwrap().state));
    }
}

pub async fn a_payment_without_replies_is_seen_by_resolve(stores: Stores) {
    let process = Process::start(&stores);
    for _ in 0..3 {
        let failed = process.charge("k", "tok_no_reply").await;
        assert!(matches!(failed, Err(Error::Scripted(Trouble::NoReply))));
    }
    assert!(same_capture(&process.resolve("k").await, process.at_the_acquirer("k").await));
}
