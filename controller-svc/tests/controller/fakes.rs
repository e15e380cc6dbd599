//! The fakes behave as the services that they stand for.

use std::sync::Arc;

use super::{guards, services::Fakes, world::shopper};

#[tokio::test]
async fn the_fakes_hold_every_guard_of_the_services() {
    let fakes = Arc::new(Fakes::default());
    let (alice, bob) = (shopper("alice"), shopper("bob"));
    guards::hold(&guards::Backends { carts: fakes.clone(), payments: fakes, alice, bob }).await;
}
