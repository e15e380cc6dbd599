//! Purchases: a checkout until it is decided.

use std::{error::Error as StdError, fmt, time::Duration};

use oxcart_proto::{
    common::{CheckoutFailure, CheckoutState, DeclineReason, ErrorReason, Money},
    controller::{
        Cart, Checkout, CheckoutRequest, GetCheckoutRequest, WatchCheckoutRequest,
        get_checkout_request::Name, watch_checkout_request,
    },
};
use tokio::time::{self, Instant};

use crate::{
    call::{Caller, Limits},
    cart::new_id,
    error::{CallError, Error},
    shopper::{Shopper, Store},
};

/// How long a checkout may stay undecided. The protocol promises 90 s once faults have stopped.
const DECISION_LIMIT: Duration = Duration::from_mins(2);

/// The longest that one watch goes on: a peer that has vanished is noticed then.
const WATCH_DEADLINE: Duration = Duration::from_mins(1);

/// The pause between two looks at an undecided checkout, where the store names none, and the bounds
/// of those that it names.
const PAUSE: Duration = Duration::from_millis(500);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A cart to be bought, and by which payment token. Its `Debug` shows no token.
///
/// The request id is its idempotency key: under one id the store charges at most once and always gives
/// the same answer. Keep it before you buy, and after a crash buy the same purchase again. Another try
/// after a decline is another purchase.
#[derive(Debug, Clone, PartialEq)]
pub struct Purchase(CheckoutRequest);

impl Purchase {
    /// `cart` as it was shown: with these contents and at this total, or not at all. A cart without a
    /// total cannot be bought so: `FIELD_INVALID`. Under a new request id.
    pub fn of(cart: &Cart, payment_token: impl Into<String>) -> Self {
        Self(CheckoutRequest {
            etag: cart.etag.clone(),
            expected_total: cart.total.clone(),
            accept_any_total: false,
            ..Self::of_whatever(&cart.cart_id, payment_token).0
        })
    }

    /// Whatever the cart holds by then, at whatever it costs. Under a new request id.
    pub fn of_whatever(cart_id: impl Into<String>, payment_token: impl Into<String>) -> Self {
        Self(CheckoutRequest {
            request_id: new_id(),
            cart_id: cart_id.into(),
            etag: String::new(),
            expected_total: None,
            payment_token: payment_token.into(),
            accept_any_total: true,
        })
    }

    /// The same under a request id of the caller's own: 1 to 64 of `A-Z a-z 0-9 _ -`.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.0.request_id = request_id.into();
        self
    }

    /// Names the purchase among those of its user.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.0.request_id
    }
}

impl From<CheckoutRequest> for Purchase {
    fn from(request: CheckoutRequest) -> Self {
        Self(request)
    }
}

/// What a checkout came to, for good.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The payment was captured and the cart is purchased.
    Paid(Checkout),
    /// The payment was declined and the cart is open again.
    Declined {
        /// Why.
        reason: DeclineReason,
        /// The checkout.
        checkout: Checkout,
    },
    /// The payment could not be made in time and never will be; the cart is open again.
    Cancelled(Checkout),
}

impl Outcome {
    /// What `checkout` came to. None while it is pending.
    #[must_use]
    pub fn of(checkout: Checkout) -> Option<Self> {
        match checkout.state() {
            CheckoutState::Pending | CheckoutState::Unspecified => None,
            CheckoutState::Paid => Some(Self::Paid(checkout)),
            CheckoutState::Failed => Some(match checkout.failure() {
                CheckoutFailure::Declined => {
                    Self::Declined { reason: checkout.decline_reason(), checkout }
                }
                CheckoutFailure::Cancelled | CheckoutFailure::Unspecified => {
                    Self::Cancelled(checkout)
                }
            }),
        }
    }

    /// The checkout.
    #[must_use]
    pub const fn checkout(&self) -> &Checkout {
        match self {
            Self::Paid(checkout) | Self::Declined { checkout, .. } | Self::Cancelled(checkout) => {
                checkout
            }
        }
    }
}

/// Why a purchase was not begun, or is not known to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckoutError {
    /// Nothing was charged: the total is not the one that was shown.
    PriceChanged {
        /// What it is now.
        total: Money,
        /// As the store said it.
        error: Error,
    },
    /// Nothing was charged: the cart has changed since it was shown.
    Stale {
        /// What it is now.
        cart: Box<Cart>,
        /// As the store said it.
        error: Error,
    },
    /// Nothing was charged under this request id: another checkout holds the cart.
    InProgress {
        /// With the id of that checkout.
        cart: Box<Cart>,
        /// As the store said it.
        error: Error,
    },
    /// Nothing was charged: some items of the cart are no longer for sale.
    ItemsUnavailable {
        /// What it is now; the lines of these items are `unavailable`.
        cart: Box<Cart>,
        /// As the store said it.
        error: Error,
    },
    /// Nothing was charged, for the reason that the error has: the cart is empty, costs nothing, is
    /// purchased already, …
    Refused(Error),
    /// Whether anything was charged is unknown. Buy the same [`Purchase`] again: it charges at most
    /// once.
    Unknown(Error),
}

impl CheckoutError {
    /// As the store said it.
    #[must_use]
    pub const fn error(&self) -> &Error {
        match self {
            Self::PriceChanged { error, .. }
            | Self::Stale { error, .. }
            | Self::InProgress { error, .. }
            | Self::ItemsUnavailable { error, .. }
            | Self::Refused(error)
            | Self::Unknown(error) => error,
        }
    }
}

impl From<CheckoutError> for Error {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::PriceChanged { error, .. }
            | CheckoutError::Stale { error, .. }
            | CheckoutError::InProgress { error, .. }
            | CheckoutError::ItemsUnavailable { error, .. }
            | CheckoutError::Refused(error)
            | CheckoutError::Unknown(error) => error,
        }
    }
}

impl fmt::Display for CheckoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl StdError for CheckoutError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error().source()
    }
}

impl Shopper {
    /// Buys, and waits until that is decided: some 90 s at the most.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn checkout(&self, purchase: &Purchase) -> Result<Outcome, CheckoutError> {
        let checkout = self.begin_checkout(purchase).await?;
        let checkout_id = checkout.checkout_id.clone();
        match Outcome::of(checkout) {
            Some(outcome) => Ok(outcome),
            None => self.outcome(checkout_id).await.map_err(CheckoutError::Unknown),
        }
    }

    /// Buys, and returns what has become of it when the store answers, within 8 s. A checkout that is
    /// pending then is decided all the same; [`Self::outcome`] waits for it.
    ///
    /// # Errors
    /// [`CheckoutError`].
    pub async fn begin_checkout(&self, purchase: &Purchase) -> Result<Checkout, CheckoutError> {
        let method = "Checkout";
        let answer =
            self.caller.repeat(method, purchase.0.clone(), |mut store, request| async move {
                store.checkout(request).await
            });
        match answer.await {
            Ok(answer) => answer.checkout.ok_or_else(|| {
                CheckoutError::Unknown(CallError::incomplete(method, "checkout").into())
            }),
            Err(error) => Err(self.explain(&purchase.0.cart_id, error).await),
        }
    }

    /// Waits until a checkout is decided. It watches, and looks again where a watch breaks.
    ///
    /// # Errors
    /// [`Error::Undecided`] after 2 minutes; the store promises 90 s. [`Error::Call`].
    pub async fn outcome(&self, checkout_id: impl Into<String>) -> Result<Outcome, Error> {
        let checkout_id = checkout_id.into();
        let end_at = Instant::now() + DECISION_LIMIT;
        while Instant::now() < end_at {
            // One that breaks tells nothing: the look afterwards does.
            let watched = time::timeout_at(end_at, self.watch(&checkout_id)).await;
            if let Ok(Ok(Some(outcome))) = watched {
                return Ok(outcome);
            }
            let checkout = self.get_checkout(&checkout_id).await?;
            let pause = pause(&checkout);
            if let Some(outcome) = Outcome::of(checkout) {
                return Ok(outcome);
            }
            time::sleep(pause).await;
        }
        Err(Error::Undecided { checkout_id })
    }

    /// A checkout of the user as it is now.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn get_checkout(&self, checkout_id: impl Into<String>) -> Result<Checkout, Error> {
        self.get_checkout_by(Name::CheckoutId(checkout_id.into())).await
    }

    /// The checkout that a purchase of this request id has begun, if it has.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn find_checkout(
        &self,
        request_id: impl Into<String>,
    ) -> Result<Option<Checkout>, Error> {
        match self.get_checkout_by(Name::RequestId(request_id.into())).await {
            Ok(checkout) => Ok(Some(checkout)),
            Err(error) if error.reason() == Some(ErrorReason::CheckoutNotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get_checkout_by(&self, name: Name) -> Result<Checkout, Error> {
        let method = "GetCheckout";
        let message = GetCheckoutRequest { name: Some(name) };
        let answer = self.caller.repeat(method, message, |mut store, request| async move {
            store.get_checkout(request).await
        });
        Ok(answer.await?.checkout.ok_or_else(|| CallError::incomplete(method, "checkout"))?)
    }

    /// Reads the changes of a checkout until it is decided, or the store ends the watch.
    async fn watch(&self, checkout_id: &str) -> Result<Option<Outcome>, Error> {
        let method = "WatchCheckout";
        let message = WatchCheckoutRequest {
            name: Some(watch_checkout_request::Name::CheckoutId(checkout_id.to_owned())),
        };
        let limits = Limits { deadline: WATCH_DEADLINE, ..self.caller.limits };
        let caller = Caller { limits, ..self.caller.clone() };
        let mut tries = caller.tries();
        let send = |mut store: Store, request| async move { store.watch_checkout(request).await };
        let mut changes = caller.once(&mut tries, method, message, &send).await?;
        let watching = async {
            while let Some(change) = changes.message().await? {
                if let Some(outcome) = change.checkout.and_then(Outcome::of) {
                    return Ok(Some(outcome));
                }
            }
            Ok(None)
        };
        let watched = time::timeout(WATCH_DEADLINE, watching).await.unwrap_or(Ok(None));
        watched.map_err(|status| CallError::new(method, status).into())
    }

    /// What a failed checkout means.
    async fn explain(&self, cart_id: &str, error: Error) -> CheckoutError {
        let Some(reason) = error.reason().filter(|reason| is_final(*reason)) else {
            return CheckoutError::Unknown(error);
        };
        if reason == ErrorReason::PriceChanged {
            return match error.call().and_then(CallError::total) {
                Some(total) => CheckoutError::PriceChanged { total, error },
                None => CheckoutError::Refused(error),
            };
        }
        let about_cart = matches!(
            reason,
            ErrorReason::CartStale | ErrorReason::CheckoutInProgress | ErrorReason::ItemUnavailable
        );
        let cart = if about_cart { self.current(cart_id, &error).await } else { None };
        match (reason, cart) {
            (ErrorReason::CartStale, Some(cart)) => CheckoutError::Stale { cart, error },
            (ErrorReason::CheckoutInProgress, Some(cart)) => {
                CheckoutError::InProgress { cart, error }
            }
            (ErrorReason::ItemUnavailable, Some(cart)) => {
                CheckoutError::ItemsUnavailable { cart, error }
            }
            _ => CheckoutError::Refused(error),
        }
    }

    /// The cart as it is now: in the error, or in the store if it is too large for an error.
    async fn current(&self, cart_id: &str, error: &Error) -> Option<Box<Cart>> {
        match error.call().and_then(CallError::cart) {
            Some(cart) => Some(Box::new(cart)),
            None => self.get_cart(cart_id).await.ok().map(Box::new),
        }
    }
}

/// Whether a checkout that was refused so has charged nothing and never will, as its RPC promises.
const fn is_final(reason: ErrorReason) -> bool {
    matches!(
        reason,
        ErrorReason::FieldInvalid
            | ErrorReason::CartNotFound
            | ErrorReason::RequestIdReused
            | ErrorReason::CartEmpty
            | ErrorReason::CartClosed
            | ErrorReason::NothingToPay
            | ErrorReason::PriceChanged
            | ErrorReason::ItemUnavailable
            | ErrorReason::CurrencyMixed
            | ErrorReason::TotalTooLarge
            | ErrorReason::CartStale
            | ErrorReason::CheckoutInProgress
    )
}

fn pause(checkout: &Checkout) -> Duration {
    let asked = checkout.retry_after.and_then(|pause| Duration::try_from(pause).ok());
    asked.unwrap_or(PAUSE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}
