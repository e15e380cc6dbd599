//! A shop with a few items, a shopper with a cart, and as many controllers as a test wants.

use std::{sync::Arc, time::Duration};

use controller_svc::{
    app::{
        App, Error, Services,
        checkout::{DriverConfig, Purchase},
        recovery::{Recovery, RecoverySettings},
    },
    clients::{PaymentToken, Shopper},
    domain::{cart::Cart, checkout::Checkout},
};
use kit_service::Env;
use oxcart_types::{CartDetails, CartId, CartState, CheckoutState, Item, Line, Money, Price, Sku};
use time::OffsetDateTime;

use super::services::Fakes;

pub struct World {
    pub fakes: Fakes,
    pub alice: Shopper,
    pub cart: CartId,
}

/// One controller: a clone of its use cases, and its recovery.
pub struct Controller {
    pub app: App,
    pub recovery: Recovery,
}

/// Patient with services, quick to try again, so that only a fault that never ends is left pending.
pub fn config() -> DriverConfig {
    DriverConfig {
        answer_within: Duration::from_secs(20),
        time_budget: Duration::from_secs(20),
        recovery_time_budget: Duration::from_millis(50),
        call_limit: Duration::from_millis(50),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(2),
        ..DriverConfig::default()
    }
}

/// Leaves a checkout to the lease at the first pause.
pub fn impatient() -> DriverConfig {
    DriverConfig { time_budget: Duration::ZERO, recovery_time_budget: Duration::ZERO, ..config() }
}

pub fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

pub fn line(text: &str, pieces: i32) -> Line {
    Line { sku: sku(text), quantity: pieces.try_into().unwrap() }
}

pub fn gbp(minor_units: i64) -> Money {
    Money::from_parts("GBP", minor_units).unwrap()
}

pub fn shopper(name: &str) -> Shopper {
    Shopper { id: name.parse().unwrap(), token: "Bearer x".parse().unwrap() }
}

/// A price of one piece.
pub fn price_of(code: &str, minor_units: i64) -> Price {
    Money::from_parts(code, minor_units).unwrap().try_into().unwrap()
}

impl World {
    /// Alice has a cart of 3 A and 7 B: GBP 7.57.
    pub fn new() -> Self {
        let fakes = Fakes::default();
        let alice = shopper("alice");
        for (name, code, price) in
            [("A", "GBP", 250), ("B", "GBP", 1), ("FREE", "GBP", 0), ("EURO", "EUR", 100)]
        {
            let item = Item {
                sku: sku(name),
                name: format!("{name}'s name").parse().unwrap(),
                description: "".parse().unwrap(),
                price: price_of(code, price),
            };
            fakes.books().items.insert(item.sku.clone(), item);
        }
        let created = fakes.books().create(
            &alice.id,
            None,
            &[line("A", 3), line("B", 7)],
            &CartDetails::default(),
        );
        Self { fakes, cart: created.unwrap().id, alice }
    }

    pub fn controller(&self, seed: u64, config: DriverConfig) -> Controller {
        let env = Env::seeded(seed, OffsetDateTime::UNIX_EPOCH);
        let app = App::new(&self.services(), config, &env);
        let call_limit = Duration::from_millis(50);
        let settings =
            RecoverySettings { interval: Duration::from_millis(5), batch: 4, call_limit };
        let driver = app.checkouts.driver().clone();
        let recovery = Recovery::new(Arc::new(self.fakes.clone()), driver, settings, env);
        Controller { app, recovery }
    }

    pub fn services(&self) -> Services {
        let fakes = Arc::new(self.fakes.clone());
        Services { catalog: fakes.clone(), carts: fakes.clone(), payments: fakes }
    }

    /// Alice's purchase of her cart.
    pub fn purchase(&self, request: &str, token: &str) -> Purchase {
        Purchase {
            request: request.parse().unwrap(),
            cart: self.cart,
            expected_version: None,
            expected_total: None,
            token: PaymentToken(token.to_owned()),
        }
    }

    pub fn cart_now(&self) -> Cart {
        self.fakes.books().get(&self.alice.id, self.cart).unwrap()
    }

    pub fn state(&self) -> CartState {
        self.cart_now().state
    }

    /// Moves the cart database's clock beyond every lease and charge window.
    pub fn let_leases_end(&self) {
        self.fakes.books().now_ms += 120_000;
    }

    /// Recovers until nothing is overdue.
    pub async fn recover(&self) {
        let controller = self.controller(99, config());
        for _ in 0..100 {
            self.let_leases_end();
            if controller.recovery.round().await == 0 {
                return;
            }
        }
        panic!("recovery does not come to an end");
    }
}

impl Controller {
    pub async fn buy(&self, world: &World, request: &str, token: &str) -> Result<Checkout, Error> {
        self.app.checkouts.purchase(&world.alice, world.purchase(request, token)).await
    }
}

pub fn is_paid(checkout: &Checkout) -> bool {
    matches!(checkout.state, CheckoutState::Paid { .. })
}
