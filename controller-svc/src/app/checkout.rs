//! Purchases: freeze the cart at a price, then let the driver take it from there.
//!
//! The handler only waits. A client that hangs up, a deadline or a shutdown ends the waiting, never
//! the purchase. Decisions about money are made by `domain::checkout::next` alone.

mod driver;
mod watch;

use std::{sync::Arc, time::Duration};

use kit_rpc::deadline;
use oxcart_proto::Reason;
use oxcart_types::{CartId, CartState, Fingerprint, Money, RequestId, Version};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

pub use driver::{Attempt, Driver, DriverConfig};
pub use watch::Watch;

use super::{Error, carts::Carts, error::Conflict};
use crate::{
    clients::{CartClient, CheckoutName, Mark, PaymentToken, Shopper},
    domain::{
        cart::{self, Cart},
        checkout::Checkout,
        fingerprint::fingerprint,
    },
};

/// How often a cart that keeps changing is priced anew for a client that takes whatever is in it.
const PRICING_TRIES: u32 = 3;

/// What is left of a client's deadline is not used up: the answer needs time to travel.
const ANSWER_MARGIN: Duration = Duration::from_millis(200);

/// What a client wants to purchase.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// The client's name for it.
    pub request: RequestId,
    /// The cart.
    pub cart: CartId,
    /// The version that the client has read; none to take whatever is there.
    pub expected_version: Option<Version>,
    /// The total that the client has seen; none to pay whatever it costs.
    pub expected_total: Option<Money>,
    /// Whose money.
    pub token: PaymentToken,
}

impl Purchase {
    fn fingerprint(&self) -> Fingerprint {
        fingerprint(self.cart, self.expected_total, &self.token.0)
    }
}

/// A checkout's record, and when it was asked for: its charge window counts from then.
struct Read {
    checkout: Checkout,
    at: Instant,
}

/// The use cases of checkouts.
#[derive(Clone)]
pub struct Checkouts {
    records: Arc<dyn CartClient>,
    carts: Carts,
    driver: Driver,
}

impl Checkouts {
    /// Checkouts whose records are in `records`, driven by `driver`.
    #[must_use]
    pub fn new(records: Arc<dyn CartClient>, carts: Carts, driver: Driver) -> Self {
        Self { records, carts, driver }
    }

    /// Who drives them.
    #[must_use]
    pub const fn driver(&self) -> &Driver {
        &self.driver
    }

    /// Purchases a cart, or joins the purchase that the request started before. Answers with the
    /// outcome, or with a pending checkout when the time for waiting is over.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn purchase(&self, shopper: &Shopper, purchase: Purchase) -> Result<Checkout, Error> {
        let began = Instant::now();
        let permit = self.driver.permit();
        let read = match (self.find(shopper, &purchase.request).await?, &permit) {
            (Some(read), _) => read,
            (None, None) => return Err(Error::Overloaded { what: "checkouts" }),
            (None, Some(_)) => self.start(shopper, &purchase).await?,
        };
        if read.checkout.fingerprint != purchase.fingerprint() {
            return Err(Error::RequestIdReused { checkout: read.checkout.id });
        }
        match permit {
            Some(permit) if !read.checkout.is_decided() => {
                Ok(self.drive(read, purchase.token, permit, began).await)
            }
            // Decided, or as much is going on as allowed: then whoever drives it now, or the
            // lease, brings it to its end.
            _ => Ok(read.checkout),
        }
    }

    /// A checkout.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn get(&self, shopper: &Shopper, name: &CheckoutName) -> Result<Checkout, Error> {
        Ok(self.records.checkout(shopper, name).await?)
    }

    /// A checkout now, and whenever it changes.
    ///
    /// # Errors
    /// [`Error::Call`], [`Error::Overloaded`].
    pub async fn watch(&self, shopper: Shopper, name: CheckoutName) -> Result<Watch, Error> {
        Watch::start(self.records.clone(), &self.driver, shopper, name).await
    }

    async fn find(&self, shopper: &Shopper, request: &RequestId) -> Result<Option<Read>, Error> {
        let at = Instant::now();
        let name = CheckoutName::Request(request.clone());
        match self.records.checkout(shopper, &name).await {
            Ok(checkout) => Ok(Some(Read { checkout, at })),
            Err(error) if error.reason() == Some(Reason::CheckoutNotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Starts a checkout. Before it is refused, the request is looked up again: a copy of it may
    /// have started the checkout meanwhile, and then that is the answer.
    async fn start(&self, shopper: &Shopper, purchase: &Purchase) -> Result<Read, Error> {
        let refused = match self.mark(shopper, purchase).await {
            Ok(read) => return Ok(read),
            Err(refused) => refused,
        };
        self.find(shopper, &purchase.request).await?.ok_or(refused)
    }

    async fn mark(&self, shopper: &Shopper, purchase: &Purchase) -> Result<Read, Error> {
        let mut tries = PRICING_TRIES;
        loop {
            tries -= 1;
            let mark = self.price(shopper, purchase).await?;
            let at = Instant::now();
            let error = match self.records.mark(shopper, &mark).await {
                Ok(checkout) => return Ok(Read { checkout, at }),
                Err(error) => error,
            };
            let moved = error.reason() == Some(Reason::CartStale);
            if !(moved && purchase.expected_version.is_none() && tries > 0) {
                return Err(self.carts.prices().price_conflict(error).await);
            }
        }
    }

    /// What is to be paid for the cart as it is now, if that is what the client wants.
    async fn price(&self, shopper: &Shopper, purchase: &Purchase) -> Result<Mark, Error> {
        let (cart, items) = self.carts.load(shopper, purchase.cart).await?;
        let cart = self.accept(cart, purchase).await?;
        let quote = cart::quote(&cart.lines, &items)?;
        if purchase.expected_total.is_some_and(|expected| expected != quote.total()) {
            return Err(Error::PriceChanged { total: quote.total() });
        }
        Ok(Mark {
            request: purchase.request.clone(),
            fingerprint: purchase.fingerprint(),
            cart: cart.id,
            version: cart.version,
            quote,
        })
    }

    async fn accept(&self, cart: Cart, purchase: &Purchase) -> Result<Cart, Error> {
        let conflict = match cart.state {
            CartState::Paid => {
                return Err(Error::CartClosed { state: cart.state, checkout: cart.checkout });
            }
            CartState::Pending => Conflict::CheckoutInProgress,
            CartState::Open
                if purchase.expected_version.is_some_and(|seen| seen != cart.version) =>
            {
                Conflict::Stale
            }
            CartState::Open => return Ok(cart),
        };
        let cart = Box::new(self.carts.prices().price(cart).await?);
        Err(Error::Conflict { conflict, cart })
    }

    /// Lets the driver run on its own, and waits for it as long as the client may wait.
    async fn drive(
        &self,
        read: Read,
        token: PaymentToken,
        permit: OwnedSemaphorePermit,
        began: Instant,
    ) -> Checkout {
        let config = self.driver.config();
        let window_ends = read.at + read.checkout.charge_window;
        let attempt =
            Attempt { token: Some((token, window_ends)), time_budget: config.time_budget };
        let pending = read.checkout.clone();
        let driven = self.driver.spawn(read.checkout, attempt, permit);
        let longest = began + config.answer_within;
        let asked =
            deadline::remaining().map(|left| Instant::now() + left.saturating_sub(ANSWER_MARGIN));
        let until = asked.map_or(longest, |asked| asked.min(longest));
        match tokio::time::timeout_at(until, driven).await {
            Ok(Ok(Some(decided))) => decided,
            // Not decided yet, left to the lease, or its task was stopped.
            _ => pending,
        }
    }
}
