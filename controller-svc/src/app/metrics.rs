//! What is counted of checkouts and their recovery.
//!
//! Calls and their durations are measured by the server and the channels.

use kit_service::metrics::{Counter, Gauge, Histogram, Metric};

use oxcart_types::{CheckoutFailure, CheckoutState};

use crate::domain::checkout::{Observation, Payment, Step};

/// The metrics of the controller, beside those of every service.
pub static METRICS: [Metric; 5] = [
    RUN_DURATION.metric(),
    STEPS.metric(),
    ALARMS.metric(),
    RECOVERY_ATTEMPTS.metric(),
    RECOVERY_OLDEST.metric(),
];

/// Ended runs of the driver. A checkout that is left pending has a further run.
pub(super) static RUN_DURATION: Histogram<2> = Histogram::seconds(
    "saga_run_duration_seconds",
    "Seconds that a run spent on driving a checkout, by who began it and how it ended.",
    ["by", "outcome"],
);

/// Tries of steps.
pub(super) static STEPS: Counter<2> = Counter::new(
    "saga_steps_total",
    "Tries of a step of a checkout, by what they showed.",
    ["step", "seen"],
);

/// What a person has to look at.
pub(super) static ALARMS: Counter<1> = Counter::new(
    "saga_alarms_total",
    "Checkouts that a person has to look at, each time that they are met.",
    ["alarm"],
);

/// Overdue checkouts that this process was handed, each by the number of its attempt.
pub(super) static RECOVERY_ATTEMPTS: Histogram<0> = Histogram::new(
    "saga_recovery_attempts",
    "Attempts at an overdue checkout, this one included, whenever recovery was handed one to finish.",
    [],
    &[1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0],
);

/// How old the oldest of them was.
pub(super) static RECOVERY_OLDEST: Gauge<0> = Gauge::new(
    "saga_recovery_oldest_seconds",
    "Age in seconds of the oldest checkout that recovery was handed in its last round, 0 if none.",
    [],
);

/// An alarm that never rang is shown as 0, so that the first one is seen as a change.
pub(crate) fn show_alarms() {
    ALARMS.add(0, ["contradiction"]);
    ALARMS.add(0, ["stuck"]);
}

pub(super) const fn outcome(state: &CheckoutState) -> &'static str {
    match state {
        CheckoutState::Pending => "pending",
        CheckoutState::Paid { .. } => "paid",
        CheckoutState::Failed(CheckoutFailure::Declined(_)) => "declined",
        CheckoutState::Failed(CheckoutFailure::Cancelled) => "cancelled",
    }
}

pub(super) const fn step(step: &Step) -> &'static str {
    match step {
        Step::Charge { .. } => "charge",
        Step::Resolve => "resolve",
        Step::Confirm(_) => "confirm",
        Step::Unmark(_) => "unmark",
    }
}

pub(super) const fn observation(observation: &Observation) -> &'static str {
    match observation {
        Observation::Unknown => "unknown",
        Observation::WindowOver => "window_over",
        Observation::Record(Payment::Processing) => "processing",
        Observation::Record(Payment::Captured(_)) => "captured",
        Observation::Record(Payment::Declined(_)) => "declined",
        Observation::Record(Payment::Cancelled) => "cancelled",
        Observation::Refused => "refused",
        Observation::Stored(_) => "stored",
        Observation::Contradicted => "contradicted",
    }
}
