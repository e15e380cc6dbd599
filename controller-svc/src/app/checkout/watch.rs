//! Tells a client how its checkout goes on. Polls, and hears at once of what is decided here.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::Instant,
};

use super::Driver;
use crate::{
    app::Error,
    clients::{CartClient, CheckoutName, Shopper},
    domain::checkout::Checkout,
};

const FIRST_POLL: Duration = Duration::from_millis(200);
const SLOWEST_POLL: Duration = Duration::from_secs(2);

/// A checkout being watched. Holds one of the allowed watches until it is dropped.
pub struct Watch {
    records: Arc<dyn CartClient>,
    driver: Driver,
    shopper: Shopper,
    name: CheckoutName,
    decided: broadcast::Receiver<Arc<Checkout>>,
    ends: Instant,
    pause: Duration,
    last: Option<Checkout>,
    first: Option<Checkout>,
    _permit: OwnedSemaphorePermit,
}

impl Watch {
    pub(super) async fn start(
        records: Arc<dyn CartClient>,
        driver: &Driver,
        shopper: Shopper,
        name: CheckoutName,
    ) -> Result<Self, Error> {
        let permit = driver.watch_permit().ok_or(Error::Overloaded { what: "watches" })?;
        // Listening begins before reading, so that nothing falls between the two.
        let decided = driver.listen();
        let first = records.checkout(&shopper, &name).await?;
        Ok(Self {
            records,
            driver: driver.clone(),
            shopper,
            name,
            decided,
            ends: Instant::now() + driver.config().watch_limit,
            pause: FIRST_POLL,
            last: None,
            first: Some(first),
            _permit: permit,
        })
    }

    /// The checkout when it has changed, the first time as it is; none when it is decided and that
    /// was told, or the longest time for a watch is over.
    ///
    /// # Errors
    /// [`Error::Call`] if the cart service refuses to answer. That it does not answer for a while
    /// is no error.
    pub async fn changed(&mut self) -> Result<Option<Checkout>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(self.tell(first)));
        }
        while !self.last.as_ref().is_some_and(Checkout::is_decided) && Instant::now() < self.ends {
            let Some(now) = self.look().await? else { continue };
            if self.last.as_ref().is_none_or(|last| last.state != now.state) {
                return Ok(Some(self.tell(now)));
            }
        }
        Ok(None)
    }

    fn tell(&mut self, checkout: Checkout) -> Checkout {
        self.last = Some(checkout.clone());
        checkout
    }

    /// Waits for the news or the next poll, and looks.
    async fn look(&mut self) -> Result<Option<Checkout>, Error> {
        let wait = self.driver.env().jitter(self.pause, 0.5, 1.0);
        self.pause = (self.pause * 2).min(SLOWEST_POLL);
        let poll_at = (Instant::now() + wait).min(self.ends);
        let heard = tokio::time::timeout_at(poll_at, self.hear()).await;
        if let Ok(heard) = heard {
            return Ok(Some(heard));
        }
        match self.records.checkout(&self.shopper, &self.name).await {
            Ok(checkout) => Ok(Some(checkout)),
            Err(error) if error.reason().is_some() => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// Waits until the watched checkout is decided in this process; never ends if it is elsewhere.
    async fn hear(&mut self) -> Checkout {
        loop {
            match self.decided.recv().await {
                Ok(decided) if self.is_watched(&decided) => return decided.as_ref().clone(),
                // Others, or too many others at once: the next poll sees what was missed.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn is_watched(&self, decided: &Checkout) -> bool {
        let named = match &self.name {
            CheckoutName::Id(id) => decided.id == *id,
            CheckoutName::Request(request) => decided.request == *request,
        };
        named && decided.owner == self.shopper.id
    }
}
