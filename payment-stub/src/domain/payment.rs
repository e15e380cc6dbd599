//! A payment's record: written once when its key is first seen, decided at most once, never changed
//! afterwards but for the note that it was given back.

use oxcart_types::{DeclineReason, Money, PaymentId, PaymentState};
use time::OffsetDateTime;

use super::{key::PaymentKey, token::PaymentToken};

/// What the processor decided. Final for its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The money was taken.
    Captured(PaymentId),
    /// Nothing was taken.
    Declined(DeclineReason),
}

impl From<Outcome> for PaymentState {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Captured(payment_id) => Self::Captured { payment_id, refunded_at: None },
            Outcome::Declined(reason) => Self::Declined(reason),
        }
    }
}

/// What is to be paid, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeTerms {
    /// At least one minor unit.
    pub amount: Money,
    /// Stands for the card.
    pub token: PaymentToken,
}

/// A record that was to be changed and must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransition {
    /// It is decided already.
    #[error("the payment is decided")]
    Decided,
    /// There is nothing to give back.
    #[error("the payment was not captured")]
    NotCaptured,
}

/// The record of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The caller's name for it.
    pub key: PaymentKey,
    /// `None` if it was cancelled before anyone named an amount.
    pub terms: Option<ChargeTerms>,
    /// What became of it.
    pub state: PaymentState,
    /// When the key was first seen.
    pub created_at: OffsetDateTime,
    /// When the record last changed.
    pub updated_at: OffsetDateTime,
}

impl Payment {
    /// The record of a key that is first seen at `now` in a request to pay. One that comes after
    /// `not_after` is cancelled at once: its checkout has given up on it.
    #[must_use]
    pub fn open(
        key: PaymentKey,
        terms: ChargeTerms,
        not_after: Option<OffsetDateTime>,
        now: OffsetDateTime,
    ) -> Self {
        let is_late = not_after.is_some_and(|not_after| now > not_after);
        let state = if is_late { PaymentState::Cancelled } else { PaymentState::Processing };
        Self { key, terms: Some(terms), state, created_at: now, updated_at: now }
    }

    /// The record of a key that is first seen at `now` in a question what became of it. It stands in
    /// the way of every later request to pay.
    #[must_use]
    pub const fn tombstone(key: PaymentKey, now: OffsetDateTime) -> Self {
        Self { key, terms: None, state: PaymentState::Cancelled, created_at: now, updated_at: now }
    }

    /// Whether a request to pay `amount` may be a repetition of the one recorded here. A tombstone
    /// does not know what the amount would have been, so it answers any.
    #[must_use]
    pub fn is_for(&self, amount: Money) -> bool {
        self.terms.as_ref().is_none_or(|terms| terms.amount == amount)
    }

    /// Whether it is decided.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.state.is_terminal()
    }

    /// The record after the processor decided.
    ///
    /// # Errors
    /// [`InvalidTransition::Decided`]: the first decision stands, even against an equal one.
    pub fn settle(self, outcome: Outcome, at: OffsetDateTime) -> Result<Self, InvalidTransition> {
        if self.is_terminal() {
            return Err(InvalidTransition::Decided);
        }
        Ok(Self { state: outcome.into(), updated_at: at, ..self })
    }

    /// The record after the money was given back; the same record if it was before.
    ///
    /// # Errors
    /// [`InvalidTransition::NotCaptured`].
    pub fn refund(self, at: OffsetDateTime) -> Result<Self, InvalidTransition> {
        match self.state {
            PaymentState::Captured { refunded_at: Some(_), .. } => Ok(self),
            PaymentState::Captured { payment_id, refunded_at: None } => {
                let state = PaymentState::Captured { payment_id, refunded_at: Some(at) };
                Ok(Self { state, updated_at: at, ..self })
            }
            PaymentState::Processing | PaymentState::Declined(_) | PaymentState::Cancelled => {
                Err(InvalidTransition::NotCaptured)
            }
        }
    }
}

/// Where a page of payments starts: behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When it was first seen.
    pub created_at: OffsetDateTime,
    /// Its key.
    pub key: PaymentKey,
}

/// Payments by the time they were first seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// At this time or later.
    pub start: Option<OffsetDateTime>,
    /// Before this time.
    pub end: Option<OffsetDateTime>,
}

#[cfg(test)]
mod tests {
    use time::{Duration, macros::datetime};

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn key() -> PaymentKey {
        "k".parse().unwrap()
    }

    fn terms(minor_units: i64) -> ChargeTerms {
        let amount = Money::from_parts("GBP", minor_units).unwrap();
        ChargeTerms { amount, token: "tok_visa".parse().unwrap() }
    }

    fn opened() -> Payment {
        Payment::open(key(), terms(100), None, NOW)
    }

    fn captured() -> Payment {
        opened().settle(Outcome::Captured("pay_1".parse().unwrap()), NOW).unwrap()
    }

    fn declined() -> Payment {
        opened().settle(Outcome::Declined(DeclineReason::LostCard), NOW).unwrap()
    }

    #[test]
    fn a_request_after_its_time_is_cancelled_and_one_in_time_is_not() {
        let open = |not_after| Payment::open(key(), terms(1), not_after, NOW).state;
        assert_eq!(open(None), PaymentState::Processing);
        assert_eq!(open(Some(NOW)), PaymentState::Processing);
        assert_eq!(open(Some(NOW - Duration::MICROSECOND)), PaymentState::Cancelled);
    }

    #[test]
    fn a_decided_payment_is_not_decided_again() {
        for decided in [captured(), declined(), Payment::tombstone(key(), NOW)] {
            for outcome in [
                Outcome::Captured("pay_2".parse().unwrap()),
                Outcome::Declined(DeclineReason::Generic),
            ] {
                assert_eq!(decided.clone().settle(outcome, NOW), Err(InvalidTransition::Decided));
            }
        }
    }

    #[test]
    fn only_a_captured_payment_is_given_back_and_only_once() {
        for other in [opened(), declined(), Payment::tombstone(key(), NOW)] {
            assert_eq!(other.refund(NOW), Err(InvalidTransition::NotCaptured));
        }
        let refunded = captured().refund(NOW + Duration::SECOND).unwrap();
        assert_eq!(refunded.updated_at, NOW + Duration::SECOND);
        assert_eq!(refunded.clone().refund(NOW + Duration::HOUR), Ok(refunded));
    }

    #[test]
    fn a_key_is_for_one_amount_and_currency() {
        let payment = opened();
        assert!(payment.is_for(terms(100).amount));
        assert!(!payment.is_for(terms(101).amount));
        assert!(!payment.is_for(Money::from_parts("EUR", 100).unwrap()));
        assert!(Payment::tombstone(key(), NOW).is_for(terms(101).amount));
    }
}
