//! A checkout: the record from which any controller can finish a purchase.
//!
//! Leases are the store's: they decide how fast a checkout ends, never how.

use std::time::Duration;

use oxcart_types::{
    Backoff, CartId, CartState, CheckoutFailure, CheckoutId, CheckoutState, Fingerprint, Money,
    PaymentId, Quote, RequestId, UserId, Version,
};
use time::OffsetDateTime;

use super::{Cart, Hold, Refused};

/// The record of one attempt to purchase a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// Whose cart it is.
    pub owner: UserId,
    /// Its name, and the key of its payment.
    pub id: CheckoutId,
    /// The cart that it froze.
    pub cart: CartId,
    /// The client's name for the request that started it.
    pub request: RequestId,
    /// Digest of what that request asked for.
    pub fingerprint: Fingerprint,
    /// The contents and prices when it started.
    pub quote: Quote,
    /// How far it has come.
    pub state: CheckoutState,
    /// How long the payment may still be started, by the database's clock when this was read.
    pub charge_window: Duration,
    /// How often it was handed out to be finished.
    pub attempts: i64,
    /// When it started.
    pub created_at: OffsetDateTime,
    /// When it was decided, or started if it is not.
    pub updated_at: OffsetDateTime,
}

/// Which cart to mark purchased, and what is to be paid for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkCommand {
    /// The client's name for the request.
    pub request: RequestId,
    /// Digest of what the request asks for.
    pub fingerprint: Fingerprint,
    /// The cart to purchase.
    pub cart: CartId,
    /// The version that was priced.
    pub expected_version: Version,
    /// Its contents with their prices.
    pub quote: Quote,
}

/// One step of a cart's way to being purchased, as the append-only log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckoutEvent {
    /// Position in the log of its checkout, from 1.
    pub seq: i64,
    /// The cart's state before.
    pub from: CartState,
    /// The cart's state after.
    pub to: CartState,
    /// What the step was taken on.
    pub evidence: String,
}

/// A cart that was just frozen, with its checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The frozen cart.
    pub cart: Cart,
    /// The new checkout.
    pub checkout: Checkout,
    /// For the log.
    pub event: CheckoutEvent,
}

/// A checkout that is about to be decided, with its cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The cart, purchased or open again.
    pub cart: Cart,
    /// The decided checkout.
    pub checkout: Checkout,
    /// For the log.
    pub event: CheckoutEvent,
}

/// What a payment's outcome means for a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It was decided so before; there is nothing to save.
    Already,
    /// It is decided now.
    Now(Box<Decided>),
}

/// A payment's outcome that cannot be true of the checkout. Nothing has changed; it means a broken
/// payment processor or a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// It is decided otherwise.
    #[error("checkout {checkout} is decided otherwise")]
    Decided {
        /// The checkout.
        checkout: CheckoutId,
    },
    /// The amount that was captured is not its total.
    #[error("checkout {checkout} is for another amount than was captured")]
    Amount {
        /// The checkout.
        checkout: CheckoutId,
    },
    /// Its cart is not held by it.
    #[error("checkout {checkout} does not hold its cart")]
    NotHeld {
        /// The checkout.
        checkout: CheckoutId,
    },
}

impl Checkout {
    /// Marks `cart` purchased: freezes it until its payment is decided.
    ///
    /// # Errors
    /// [`Refused`]: [`Refused::Closed`] if it is purchased, [`Refused::Held`] if another checkout
    /// has it, [`Refused::Stale`] if it has changed, [`Refused::Empty`], [`Refused::NothingToPay`],
    /// [`Refused::OtherLines`].
    pub fn mark(
        cart: &Cart,
        command: &MarkCommand,
        id: CheckoutId,
        charge_window: Duration,
        now: OffsetDateTime,
    ) -> Result<Marked, Refused> {
        Self::check_mark(cart, command)?;
        let checkout = Self {
            owner: cart.owner.clone(),
            id,
            cart: cart.id,
            request: command.request.clone(),
            fingerprint: command.fingerprint,
            quote: command.quote.clone(),
            state: CheckoutState::Pending,
            charge_window,
            attempts: 0,
            created_at: now,
            updated_at: now,
        };
        let evidence = format!("request {} at {}", command.request, cart.version.to_etag());
        let event =
            CheckoutEvent { seq: 1, from: CartState::Open, to: CartState::Pending, evidence };
        Ok(Marked { cart: cart.held_by(&checkout, Hold::Pending, now), checkout, event })
    }

    fn check_mark(cart: &Cart, command: &MarkCommand) -> Result<(), Refused> {
        let id = cart.id;
        match cart.hold {
            Hold::Paid(checkout) => {
                Err(Refused::Closed { cart: id, state: CartState::Paid, checkout })
            }
            Hold::Pending(_) => Err(Refused::Held { now: Box::new(cart.clone()) }),
            Hold::Free if cart.version != command.expected_version => {
                Err(Refused::Stale { now: Box::new(cart.clone()) })
            }
            Hold::Free if cart.lines.is_empty() => Err(Refused::Empty { cart: id }),
            Hold::Free if !command.quote.is_for(cart.lines.as_slice()) => {
                Err(Refused::OtherLines { cart: id })
            }
            Hold::Free if command.quote.total().minor_units() == 0 => {
                Err(Refused::NothingToPay { cart: id })
            }
            Hold::Free => Ok(()),
        }
    }

    /// Ends it as paid. `cart` was read no later than the checkout: then one that held it then
    /// holds it still if it is pending.
    ///
    /// # Errors
    /// [`Contradiction`].
    pub fn confirm(
        &self,
        cart: Option<&Cart>,
        payment: &PaymentId,
        amount: Money,
        now: OffsetDateTime,
    ) -> Result<Decision, Contradiction> {
        let checkout = self.id;
        if amount != self.quote.total() {
            return Err(Contradiction::Amount { checkout });
        }
        match &self.state {
            CheckoutState::Paid { payment_id: known } if known == payment => Ok(Decision::Already),
            CheckoutState::Paid { .. } | CheckoutState::Failed(_) => {
                Err(Contradiction::Decided { checkout })
            }
            CheckoutState::Pending => {
                let cart = self.held(cart)?.held_by(self, Hold::Paid, now);
                let state = CheckoutState::Paid { payment_id: payment.clone() };
                Ok(self.decided(cart, state, format!("payment {payment} captured {amount}"), now))
            }
        }
    }

    /// Ends it as failed, and opens its cart again. `cart` was read no later than the checkout.
    ///
    /// A repetition is no contradiction even if its cart belongs to a later checkout by now: it asks
    /// for what is already so, and changes nothing.
    ///
    /// # Errors
    /// [`Contradiction`].
    pub fn unmark(
        &self,
        cart: Option<&Cart>,
        failure: CheckoutFailure,
        now: OffsetDateTime,
    ) -> Result<Decision, Contradiction> {
        match self.state {
            CheckoutState::Failed(known) if known.as_str() == failure.as_str() => {
                Ok(Decision::Already)
            }
            CheckoutState::Paid { .. } | CheckoutState::Failed(_) => {
                Err(Contradiction::Decided { checkout: self.id })
            }
            CheckoutState::Pending => {
                let cart = self.held(cart)?.released(now);
                let state = CheckoutState::Failed(failure);
                Ok(self.decided(cart, state, format!("payment {failure}"), now))
            }
        }
    }

    fn held<'a>(&self, cart: Option<&'a Cart>) -> Result<&'a Cart, Contradiction> {
        let held = cart.filter(|cart| cart.hold == Hold::Pending(self.id));
        held.ok_or(Contradiction::NotHeld { checkout: self.id })
    }

    fn decided(
        &self,
        cart: Cart,
        state: CheckoutState,
        evidence: String,
        now: OffsetDateTime,
    ) -> Decision {
        let event =
            CheckoutEvent { seq: 2, from: CartState::Pending, to: cart.hold.state(), evidence };
        let charge_window = Duration::ZERO;
        let checkout = Self { state, charge_window, updated_at: now, ..self.clone() };
        Decision::Now(Box::new(Decided { cart, checkout, event }))
    }
}

/// How long a worker has a checkout to itself that is handed out for the `attempts`th time, before
/// jitter: 2 s, 4 s, 8 s, … 60 s.
#[must_use]
pub fn backoff(attempts: i64) -> Duration {
    const LEASE: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_mins(1));
    LEASE.bound(u32::try_from(attempts.max(0)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
