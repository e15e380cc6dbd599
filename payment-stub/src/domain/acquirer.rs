//! What the simulated acquirer remembers: its own side of a payment, apart from our register, as a
//! real one's would be.

use std::time::Duration;

use oxcart_types::Money;
use time::OffsetDateTime;

use super::{key::PaymentKey, payment::Outcome, scenario::Trouble};

/// How long the scripted delays last.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// Of [`Trouble::Slow`].
    pub slow: Duration,
    /// Of [`Trouble::Late`].
    pub late: Duration,
}

impl Delays {
    /// How long the acquirer takes to decide.
    #[must_use]
    pub const fn of(self, trouble: Trouble) -> Duration {
        match trouble {
            Trouble::Slow => self.slow,
            Trouble::Late => self.late,
            Trouble::None
            | Trouble::ReplyLost
            | Trouble::NoReply
            | Trouble::ErrorAfterCapture
            | Trouble::Unavailable { .. } => Duration::ZERO,
        }
    }
}

/// A charge as the acquirer keeps it: one for a key, whatever comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcquirerCharge {
    /// The key that it was asked with.
    pub key: PaymentKey,
    /// What it was asked for.
    pub amount: Money,
    /// What it decides.
    pub outcome: Outcome,
    /// When it tells.
    pub decided_at: OffsetDateTime,
    /// When it was first asked.
    pub created_at: OffsetDateTime,
    /// When the money was given back, if it was.
    pub refunded_at: Option<OffsetDateTime>,
}

/// What the acquirer says when it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its decision, final.
    Decided(Outcome),
    /// It needs so much longer.
    NotYet(Duration),
}

impl AcquirerCharge {
    /// What the acquirer says about it at `now`.
    #[must_use]
    pub fn answer(self, now: OffsetDateTime) -> Answer {
        match Duration::try_from(self.decided_at - now) {
            Ok(left) if !left.is_zero() => Answer::NotYet(left),
            _ => Answer::Decided(self.outcome),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use oxcart_types::DeclineReason;

    #[test]
    fn the_acquirer_tells_its_decision_when_its_time_has_come() {
        let created_at = datetime!(2026-11-23 12:00 UTC);
        let outcome = Outcome::Declined(DeclineReason::Generic);
        let charge = AcquirerCharge {
            key: "k".parse().unwrap(),
            amount: Money::from_parts("GBP", 1).unwrap(),
            outcome: outcome.clone(),
            decided_at: created_at + Duration::from_secs(3),
            created_at,
            refunded_at: None,
        };
        let left = Duration::from_secs(2);
        let after = |seconds| charge.clone().answer(created_at + Duration::from_secs(seconds));
        assert_eq!(after(1), Answer::NotYet(left));
        assert_eq!(after(3), Answer::Decided(outcome.clone()));
        assert_eq!(after(9), Answer::Decided(outcome));
    }
}
