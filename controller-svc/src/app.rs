//! What the controller does, one method per use case: ask the services behind, decide by the rules of
//! `domain/`, answer.
//!
//! Deliberately absent: state. What a checkout needs to be finished is in the cart service's records,
//! so that any controller can finish it and none has to remember it.

pub mod carts;
pub mod checkout;
pub mod error;
pub mod items;
pub mod metrics;
pub mod prices;
pub mod recovery;
pub mod session;

use std::sync::Arc;

use kit_service::Env;

pub use error::Error;

use self::{
    carts::Carts,
    checkout::{Checkouts, Driver, DriverConfig},
    items::Catalogue,
    prices::Prices,
    session::Sessions,
};
use crate::clients::{CartClient, CatalogClient, PaymentClient};

/// The services behind the controller.
#[derive(Clone)]
pub struct Services {
    /// The catalogue.
    pub catalog: Arc<dyn CatalogClient>,
    /// The carts and the records of checkouts.
    pub carts: Arc<dyn CartClient>,
    /// The payments.
    pub payments: Arc<dyn PaymentClient>,
}

/// All use cases. A clone shares everything.
#[derive(Clone)]
pub struct App {
    /// What a client shows first.
    pub sessions: Sessions,
    /// What is for sale.
    pub catalogue: Catalogue,
    /// Carts with prices.
    pub carts: Carts,
    /// Purchases.
    pub checkouts: Checkouts,
    /// Cards become tokens.
    pub payments: Arc<dyn PaymentClient>,
}

impl App {
    /// The use cases over `services`.
    #[must_use]
    pub fn new(services: &Services, config: DriverConfig, env: &Env) -> Self {
        let prices = Prices::new(services.catalog.clone());
        let carts = Carts::new(services.carts.clone(), prices.clone());
        let driver = Driver::new(services, config, env.clone());
        Self {
            sessions: Sessions::new(services.catalog.clone(), services.carts.clone(), prices),
            catalogue: Catalogue::new(services.catalog.clone()),
            checkouts: Checkouts::new(services.carts.clone(), carts.clone(), driver),
            carts,
            payments: services.payments.clone(),
        }
    }
}
