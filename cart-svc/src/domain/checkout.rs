//! A checkout: the record from which any controller can finish a purchase.
//!
//! Deliberately absent: leases. They decide how fast a checkout ends, never how.

use std::{fmt, time::Duration};

use oxcart_types::{CartId, CheckoutId, Money, PaymentId, RequestId, UserId, Version};
use time::OffsetDateTime;

use super::{Cart, CartState, Hold, Quote, Refused};

/// Digest of what a client asked for under one request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// A digest that is not a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 bytes")]
pub struct FingerprintError;

impl Fingerprint {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(bytes: &[u8]) -> Result<Self, FingerprintError> {
        bytes.try_into().map(Self).map_err(|_| FingerprintError)
    }
}

/// Why a processor refused a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclineReason {
    /// None was given.
    Generic,
    /// There is not enough money in the account.
    InsufficientFunds,
    /// The card was reported lost.
    LostCard,
    /// The card was reported stolen.
    StolenCard,
    /// The card has expired.
    ExpiredCard,
    /// The processor could not handle the card.
    ProcessingError,
    /// The payment token is unknown to the processor.
    UnknownToken,
}

/// Why a checkout failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The processor refused the payment.
    Declined(DeclineReason),
    /// The payment was cancelled before it was captured, and never can be.
    Cancelled,
}

/// How far a checkout has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckoutState {
    /// Nobody knows yet whether the payment will succeed.
    Pending,
    /// The payment was captured and the cart is purchased.
    Paid {
        /// The processor's name for the payment.
        payment: PaymentId,
    },
    /// Nothing was charged and the cart is open again.
    Failed(Failure),
}

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

/// What a caller asks for who starts a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The client's name for the request.
    pub request: RequestId,
    /// Digest of what the request asks for.
    pub fingerprint: Fingerprint,
    /// The cart to purchase.
    pub cart: CartId,
    /// The version that was priced.
    pub seen: Version,
    /// Its contents with their prices.
    pub quote: Quote,
}

/// One step of a cart's way to being purchased, as the append-only log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
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
pub struct Started {
    /// The frozen cart.
    pub cart: Cart,
    /// The new checkout.
    pub checkout: Checkout,
    /// For the log.
    pub event: Event,
}

/// A checkout that is about to be decided, with its cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The cart, purchased or open again.
    pub cart: Cart,
    /// The decided checkout.
    pub checkout: Checkout,
    /// For the log.
    pub event: Event,
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
    /// Freezes `cart` for `order`.
    ///
    /// # Errors
    /// [`Refused`]: [`Refused::Closed`] if it is purchased, [`Refused::Held`] if another checkout
    /// has it, [`Refused::Stale`] if it has changed, [`Refused::Empty`], [`Refused::NothingToPay`],
    /// [`Refused::OtherLines`].
    pub fn start(
        cart: &Cart,
        order: &Order,
        id: CheckoutId,
        charge_window: Duration,
        now: OffsetDateTime,
    ) -> Result<Started, Refused> {
        Self::check_start(cart, order)?;
        let checkout = Self {
            owner: cart.owner.clone(),
            id,
            cart: cart.id,
            request: order.request.clone(),
            fingerprint: order.fingerprint,
            quote: order.quote.clone(),
            state: CheckoutState::Pending,
            charge_window,
            attempts: 0,
            created_at: now,
            updated_at: now,
        };
        let evidence = format!("request {} at {}", order.request, cart.version.to_etag());
        let event = Event { seq: 1, from: CartState::Open, to: CartState::Pending, evidence };
        Ok(Started { cart: cart.with_hold(Hold::Pending(id), now), checkout, event })
    }

    fn check_start(cart: &Cart, order: &Order) -> Result<(), Refused> {
        let id = cart.id;
        match cart.hold {
            Hold::Paid(_) => Err(Refused::Closed { cart: id, state: CartState::Paid }),
            Hold::Pending(_) => Err(Refused::Held { now: Box::new(cart.clone()) }),
            Hold::Free if cart.version != order.seen => {
                Err(Refused::Stale { now: Box::new(cart.clone()) })
            }
            Hold::Free if cart.lines.is_empty() => Err(Refused::Empty { cart: id }),
            Hold::Free if !order.quote.is_for(cart.lines.as_slice()) => {
                Err(Refused::OtherLines { cart: id })
            }
            Hold::Free if order.quote.total().minor_units() == 0 => {
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
            CheckoutState::Paid { payment: known } if known == payment => Ok(Decision::Already),
            CheckoutState::Paid { .. } | CheckoutState::Failed(_) => {
                Err(Contradiction::Decided { checkout })
            }
            CheckoutState::Pending => {
                let paid = Some(self.quote.clone());
                let cart = Cart { paid, ..self.held(cart)?.with_hold(Hold::Paid(checkout), now) };
                let state = CheckoutState::Paid { payment: payment.clone() };
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
    pub fn fail(
        &self,
        cart: Option<&Cart>,
        failure: Failure,
        now: OffsetDateTime,
    ) -> Result<Decision, Contradiction> {
        match self.state {
            CheckoutState::Failed(known) if known.word() == failure.word() => Ok(Decision::Already),
            CheckoutState::Paid { .. } | CheckoutState::Failed(_) => {
                Err(Contradiction::Decided { checkout: self.id })
            }
            CheckoutState::Pending => {
                let cart = self.held(cart)?.with_hold(Hold::Free, now);
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
        let event = Event { seq: 2, from: CartState::Pending, to: cart.hold.state(), evidence };
        let charge_window = Duration::ZERO;
        let checkout = Self { state, charge_window, updated_at: now, ..self.clone() };
        Decision::Now(Box::new(Decided { cart, checkout, event }))
    }
}

impl CheckoutState {
    /// The word for it in databases.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Paid { .. } => "PAID",
            Self::Failed(_) => "FAILED",
        }
    }
}

impl Failure {
    /// The word for it in databases.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Declined(_) => "DECLINED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Why the payment was declined, if it was.
    #[must_use]
    pub const fn decline(self) -> Option<DeclineReason> {
        match self {
            Self::Declined(reason) => Some(reason),
            Self::Cancelled => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        self.decline().map_or(Ok(()), |reason| write!(f, " {}", reason.word()))
    }
}

impl DeclineReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Generic,
        Self::InsufficientFunds,
        Self::LostCard,
        Self::StolenCard,
        Self::ExpiredCard,
        Self::ProcessingError,
        Self::UnknownToken,
    ];

    /// The word for it in databases.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Generic => "GENERIC",
            Self::InsufficientFunds => "INSUFFICIENT_FUNDS",
            Self::LostCard => "LOST_CARD",
            Self::StolenCard => "STOLEN_CARD",
            Self::ExpiredCard => "EXPIRED_CARD",
            Self::ProcessingError => "PROCESSING_ERROR",
            Self::UnknownToken => "UNKNOWN_TOKEN",
        }
    }
}

/// How long a worker has a checkout to itself that is handed out for the `attempts`th time, before
/// jitter: 2 s, 4 s, 8 s, … 60 s.
#[must_use]
pub fn backoff(attempts: i64) -> Duration {
    const LONGEST: Duration = Duration::from_mins(1);
    let doublings = u32::try_from(attempts.max(0)).unwrap_or(u32::MAX);
    1u64.checked_shl(doublings).map_or(LONGEST, |secs| Duration::from_secs(secs).min(LONGEST))
}

#[cfg(test)]
mod tests;
