//! What a checkout is, and the one rule that says where it goes next.
//!
//! [`next`] decides, the driver in `app/` performs. The first run, a client's repetition and
//! recovery all follow this rule; there is no second place that decides about money.
//!
//! Marking the cart is no step of it. Until a mark is acknowledged there is nothing to drive,
//! and recovery starts from a mark that is. No way leads from an unknown outcome to a decision.

use std::time::Duration;

use oxcart_types::{
    CartId, CheckoutFailure, CheckoutId, CheckoutState, DeclineReason, Fingerprint, Money,
    PaymentId, RequestId, UserId,
};
use time::OffsetDateTime;

/// How often a payment is asked for before the driver only asks what became of it. The window is
/// mostly over before: a payment service that restarts within it costs no sale.
pub const CHARGE_TRIES: u8 = 20;

/// The record of a checkout as the cart service keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Its name, and the key of its payment.
    pub id: CheckoutId,
    /// Whose it is.
    pub owner: UserId,
    /// The cart that it froze.
    pub cart: CartId,
    /// The client's name for the request that started it.
    pub request: RequestId,
    /// What that request asked for.
    pub fingerprint: Fingerprint,
    /// What is to be paid.
    pub total: Money,
    /// How far it has come.
    pub state: CheckoutState,
    /// How long the payment may still be started, counted from when the record was read.
    pub charge_window: Duration,
    /// How often it was handed out to be finished.
    pub attempts: i64,
    /// When it started.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

impl Checkout {
    /// Whether it will never change again.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.state.is_decided()
    }
}

/// Money that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The processor's name for the payment.
    pub payment: PaymentId,
    /// How much was taken.
    pub amount: Money,
}

/// What the payment service's record of a key says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// The processor has not answered yet. The only state that changes.
    Processing,
    /// The money was taken.
    Captured(Capture),
    /// The processor refused.
    Declined(DeclineReason),
    /// Never started, and never will be.
    Cancelled,
}

/// What the driver tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Ask for the payment.
    Charge {
        /// How often it may be tried, this one included; at least 1.
        tries: u8,
    },
    /// Ask what became of the payment, and rule it out if it never started.
    Resolve,
    /// Record that the cart is purchased.
    Confirm(Capture),
    /// Record that the payment failed, and open the cart again.
    Unmark(CheckoutFailure),
}

impl Step {
    /// Where a pending checkout is taken up: whoever has a payment token may charge while the
    /// window lasts, whoever has none (recovery) only asks.
    #[must_use]
    pub fn first(has_token: bool) -> Self {
        if has_token { Self::Charge { tries: CHARGE_TRIES } } else { Self::Resolve }
    }
}

/// What trying a step showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// No answer, or one that was not made by the service that was asked: it is unknown whether the
    /// call took effect.
    Unknown,
    /// The payment was not asked for, because the window in which that is allowed has ended.
    WindowOver,
    /// The payment's record, read back.
    Record(Payment),
    /// The service that was asked refuses the call as it stands, and will refuse it again.
    Refused,
    /// The checkout's record, read back.
    Stored(CheckoutState),
    /// The record says otherwise: the key is another payment's, or the checkout is decided
    /// otherwise, gone, or has lost its cart.
    Contradicted,
}

/// What comes after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Try this at once.
    Now(Step),
    /// Try this after a pause; whoever has no time left leaves it to the lease.
    Later(Step),
    /// The checkout is decided, its record says how.
    Decided,
}

/// What cannot be observed while every service keeps the contract. The checkout stays as it is, and a
/// person has to look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {step:?} of a checkout saw {observation:?}, which contradicts its records")]
pub struct Impossible {
    step: Step,
    observation: Observation,
}

/// Says where a checkout goes after a step was tried.
///
/// # Errors
/// [`Impossible`] for what only a broken service or a bug can show: then nothing is done at all,
/// because both ways out of `Pending` could lose money.
#[expect(clippy::match_same_arms, reason = "each arm has a reason of its own")]
pub fn next(step: Step, observation: Observation) -> Result<Next, Impossible> {
    use Payment::{Cancelled, Captured, Declined, Processing};
    use Step::{Charge, Confirm, Resolve, Unmark};

    Ok(match (step, observation) {
        // Nobody knows whether the payment was asked for: ask again, same key, undo nothing.
        (Charge { tries: tries @ 2.. }, Observation::Unknown) => {
            Next::Later(Charge { tries: tries - 1 })
        }

        // Enough tries. Resolve is as safe as another charge: if a charge has arrived it answers
        // with what became of it, and if none has, none ever will.
        (Charge { tries: 0 | 1 }, Observation::Unknown) => Next::Later(Resolve),

        // Too late to start a payment; one that was started before may still have succeeded.
        (Charge { .. }, Observation::WindowOver) => Next::Now(Resolve),

        // "Will never be accepted" does not say that nothing was stored by an earlier try, so the
        // record is asked for here too, and an absent one becomes a tombstone.
        (Charge { .. }, Observation::Refused) => Next::Now(Resolve),

        // The key is stored, so there is nothing to gain by charging again, and Resolve cannot
        // rule the payment out any more: only ask.
        (Charge { .. } | Resolve, Observation::Record(Processing)) => Next::Later(Resolve),

        // Terminal records, the only way out of `Pending`.
        (Charge { .. } | Resolve, Observation::Record(Captured(capture))) => {
            Next::Now(Confirm(capture))
        }
        (Charge { .. } | Resolve, Observation::Record(Declined(reason))) => {
            Next::Now(Unmark(CheckoutFailure::Declined(reason)))
        }
        (Charge { .. } | Resolve, Observation::Record(Cancelled)) => {
            Next::Now(Unmark(CheckoutFailure::Cancelled))
        }

        // Nobody knows whether the call took effect: same step, same key, undo nothing.
        (step @ (Resolve | Confirm(_) | Unmark(_)), Observation::Unknown) => Next::Later(step),

        // Asked of the cart service, and refused for another reason than a contradiction: its
        // guards have not been reached (a missing scope, say), so nothing is decided.
        (step @ (Resolve | Confirm(_) | Unmark(_)), Observation::Refused) => Next::Later(step),

        // What was asked for is stored. It may have been another driver who did it.
        (Confirm(capture), Observation::Stored(CheckoutState::Paid { payment_id }))
            if payment_id == capture.payment =>
        {
            Next::Decided
        }
        (Unmark(failure), Observation::Stored(CheckoutState::Failed(stored)))
            if stored == failure =>
        {
            Next::Decided
        }

        // The key belongs to a payment of another amount, or the cart is not this checkout's any
        // more. Unmarking could free a cart that was paid, confirming could give away one that was
        // not.
        (step, observation @ Observation::Contradicted) => {
            return Err(Impossible { step, observation });
        }

        // A confirmed checkout that is not paid, a record of money where a checkout was asked for,
        // and the reverse: a service that breaks the contract.
        (
            step @ (Confirm(_) | Unmark(_)),
            observation @ (Observation::Stored(_) | Observation::Record(_)),
        ) => {
            return Err(Impossible { step, observation });
        }
        (step @ (Charge { .. } | Resolve), observation @ Observation::Stored(_)) => {
            return Err(Impossible { step, observation });
        }

        // Only charging has a window.
        (step @ (Resolve | Confirm(_) | Unmark(_)), observation @ Observation::WindowOver) => {
            return Err(Impossible { step, observation });
        }
    })
}

#[cfg(test)]
mod tests;
