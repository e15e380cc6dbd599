//! The real services hold what the controller relies on: the list of guards that its own tests run on
//! their fakes.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use controller_svc::clients::{GrpcCarts, GrpcPayments, Shopper};
use kit_rpc::{auth::ServiceIdentity, channel};
use kit_service::Env;
use oxcart::{Databases, Service, Settings, Store};
use oxcart_client::{Client, ClientCredentials};
use secrecy::ExposeSecret as _;

#[path = "../../controller-svc/tests/guards/mod.rs"]
mod guards;

async fn shopper(store: &Store, name: &str) -> Shopper {
    let client = Client::builder(store.url(Service::Controller)).build().unwrap();
    let trusted = ClientCredentials::new("loadgen", "loadgen-secret");
    let token = client.impersonate(trusted, name).session().token().await.unwrap();
    let token = format!("Bearer {}", token.expose_secret()).parse().unwrap();
    // Whose cart it is the services read from the token.
    Shopper { id: name.parse().unwrap(), token }
}

#[tokio::test]
async fn the_services_hold_every_guard_that_the_fakes_hold() {
    let env = Env::system();
    let settings = Settings::new(Databases::Memory);
    let mut store = Store::prepare(settings, env.clone()).await.unwrap();
    for service in Service::ALL {
        store.start_one(service).await.unwrap();
    }
    let secret = "controller-secret".into();
    let identity = ServiceIdentity::new(&store.issuer(), "controller", secret, env.clone());
    let channel = |service| channel::connect(&store.url(service)).unwrap();
    let payments = GrpcPayments::new(channel(Service::Payment), identity.clone());
    let carts = GrpcCarts::new(channel(Service::Cart), identity, env);
    let (alice, bob) = (shopper(&store, "alice").await, shopper(&store, "bob").await);
    guards::hold(&guards::Backends {
        carts: Arc::new(carts),
        payments: Arc::new(payments),
        alice,
        bob,
    })
    .await;
}
