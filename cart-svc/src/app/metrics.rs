//! What is counted of checkouts.
//!
//! Calls and statements are measured by the server and the database.

use kit_service::metrics::{Counter, Metric};

/// The metrics of the cart service, beside those of every service.
pub static METRICS: [Metric; 2] = [REFUSED_OUTCOMES.metric(), LEASES.metric()];

/// Outcomes that contradict the record.
pub(super) static REFUSED_OUTCOMES: Counter<1> = Counter::new(
    "cart_refused_outcomes_total",
    "Outcomes of payments that were refused because they contradict the checkout's record: a person has to look.",
    ["asked"],
);

/// Overdue checkouts, and whether they were handed out.
pub(super) static LEASES: Counter<1> = Counter::new(
    "cart_leases_total",
    "Overdue checkouts that were `handed_out`, `taken` by another worker, `decided` just then, or `failed` to be read.",
    ["result"],
);

/// An alarm that never rang is shown as 0, so that the first one is seen as a change.
pub(crate) fn show_alarms() {
    REFUSED_OUTCOMES.add(0, ["confirm"]);
    REFUSED_OUTCOMES.add(0, ["unmark"]);
    LEASES.add(0, ["failed"]);
    LEASES.add(0, ["handed_out"]);
}
