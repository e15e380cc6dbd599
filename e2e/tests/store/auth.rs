//! Who may do what, asked on every RPC of the controller.

use std::{collections::BTreeSet, time::Duration};

use kit_service::Env;
use kit_testing::TestIssuer;
use oxcart::{Databases, Service, Settings, Store};
use oxcart_client::Client;
use oxcart_proto::{Reason, common::CheckoutState, controller::CreateCartRequest, error};
use secrecy::ExposeSecret as _;
use tonic::{Code, Status, transport::Channel};

use crate::{
    calls::{Calls, rpcs},
    world::{Kind, World, cart, check_out, checkout_of, contents, purchase, reason, reread},
};

const NOBODYS: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn calls(world: &World, authorization: Option<&str>) -> Calls {
    Calls::new(world.channel(Service::Controller).await, authorization)
}

#[tokio::test]
async fn every_rpc_without_a_token_says_where_to_sign_in() {
    let world = World::on(Kind::Memory).await;
    let outcomes = calls(&world, None).await.all(NOBODYS, NOBODYS).await;
    let named: BTreeSet<String> = outcomes.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named, rpcs().into_iter().collect(), "an RPC is not tried");
    for (name, outcome) in outcomes {
        let status = outcome.expect_err(name);
        assert_eq!(reason(&status), Reason::SignInRequired, "{name}");
        assert_says_where_to_sign_in(&world, &status, name);
    }
}

fn assert_says_where_to_sign_in(world: &World, status: &Status, name: &str) {
    let told = error::info(status).unwrap().metadata;
    assert_eq!(told["issuer"], world.store.issuer(), "{name}");
    assert_eq!(told["sign_in"], world.store.url(Service::Idp), "{name}");
}

#[tokio::test]
async fn a_bad_token_is_refused_on_every_rpc() {
    let world = World::on(Kind::Memory).await;
    let good = world.token("alice").await;
    let stranger = TestIssuer::start().await;
    for (what, token) in [
        ("unsigned", unsigned(good.expose_secret())),
        ("another user's name under the old signature", renamed(good.expose_secret())),
        ("another issuer's", stranger.user_token("alice")),
        ("another issuer's, expired", stranger.expired_token("alice")),
        ("no token at all", "rubbish".to_owned()),
        ("empty", String::new()),
        ("huge", "x".repeat(7_000)),
    ] {
        let header = format!("Bearer {token}");
        for (name, outcome) in calls(&world, Some(&header)).await.all(NOBODYS, NOBODYS).await {
            let status = outcome.expect_err(name);
            assert_eq!(reason(&status), Reason::TokenInvalid, "{what} on {name}: {status:?}");
            assert_says_where_to_sign_in(&world, &status, name);
            assert!(token.is_empty() || !status.message().contains(&token), "{what} on {name}");
        }
    }
}

/// The same claims with `alg` none and no signature.
fn unsigned(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"JWT"}
    format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
}

/// Other claims under the signature of these.
fn renamed(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = parts[1].to_owned().into_bytes();
    let middle = claims.len() / 2;
    claims[middle] = if claims[middle] == b'A' { b'B' } else { b'A' };
    format!("{}.{}.{}", parts[0], String::from_utf8(claims).unwrap(), parts[2])
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_once_it_has_expired() {
    let env = Env::seeded(1, Env::system().now());
    let store = Store::start(Settings::new(Databases::Memory), env.clone()).await.unwrap();
    let url = store.url(Service::Controller);
    let alice = Client::new(&url).unwrap().sign_in("alice", "alice-password").await.unwrap();
    let token = alice.session().token().await.unwrap();
    let mut controller = alice.controller().await.unwrap();
    controller.create_cart(CreateCartRequest::default()).await.unwrap();
    env.advance(Duration::from_mins(16));
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    let header = format!("Bearer {}", token.expose_secret());
    for (name, outcome) in Calls::new(channel, Some(&header)).all(NOBODYS, NOBODYS).await {
        assert_eq!(reason(&outcome.expect_err(name)), Reason::TokenInvalid, "{name}");
    }
}

#[tokio::test]
async fn a_service_is_no_user_and_a_user_no_service() {
    let world = World::on(Kind::Memory).await;
    let admin = world.service_token("admin", "admin-secret").await;
    let header = format!("Bearer {}", admin.expose_secret());
    for (name, outcome) in calls(&world, Some(&header)).await.all(NOBODYS, NOBODYS).await {
        if name != "ImportItems" {
            assert_eq!(reason(&outcome.expect_err(name)), Reason::SignInRequired, "{name}");
        }
    }
    let alice = world.token("alice").await;
    let header = format!("Bearer {}", alice.expose_secret());
    let outcomes = calls(&world, Some(&header)).await.about_nothing().await;
    let (_, import) = outcomes.into_iter().find(|(name, _)| *name == "ImportItems").unwrap();
    assert_eq!(reason(&import.unwrap_err()), Reason::SignInRequired);
    let controller = world.service_token("controller", "controller-secret").await;
    let header = format!("Bearer {}", controller.expose_secret());
    let outcomes = calls(&world, Some(&header)).await.about_nothing().await;
    let (_, import) = outcomes.into_iter().find(|(name, _)| *name == "ImportItems").unwrap();
    assert_eq!(reason(&import.unwrap_err()), Reason::ScopeMissing);
}

#[tokio::test]
async fn somebody_elses_cart_is_as_one_that_does_not_exist() {
    for kind in [Kind::Memory, Kind::Sqlite, Kind::Postgres] {
        let world = World::on(kind).await;
        let mut alice = world.shopper("alice").await;
        let open = cart(&mut alice, &[("1001", 2)]).await;
        let bought = cart(&mut alice, &[("1002", 1)]).await;
        let paid = check_out(&mut alice, purchase("p", &bought, "tok_visa")).await.unwrap();
        assert_eq!(paid.state(), CheckoutState::Paid);

        let token = world.token("bob").await;
        let mut bob = calls(&world, Some(&format!("Bearer {}", token.expose_secret()))).await;
        let missing = told(bob.about_cart(NOBODYS).await, NOBODYS);
        assert!(missing.iter().all(|told| told.contains("CART_NOT_FOUND")), "{missing:?}");
        for foreign in [&open.cart_id, &bought.cart_id] {
            assert_eq!(told(bob.about_cart(foreign).await, foreign), missing, "{kind:?}");
        }
        let missing = told(bob.about_checkout(NOBODYS).await, NOBODYS);
        assert!(missing.iter().all(|told| told.contains("CHECKOUT_NOT_FOUND")), "{missing:?}");
        let foreign = told(bob.about_checkout(&paid.checkout_id).await, &paid.checkout_id);
        assert_eq!(foreign, missing, "{kind:?}");
        assert_eq!(checkout_of(&mut world.shopper("bob").await, "p").await, None, "{kind:?}");

        assert_eq!(contents(&reread(alice.controller(), &open.cart_id).await), [("1001", 2)]);
    }
}

/// All that a refused client can see, with the id it sent taken out.
fn told(outcomes: Vec<(&'static str, Result<(), Status>)>, id: &str) -> Vec<String> {
    let tell = |(name, outcome): (&str, Result<(), Status>)| {
        let Err(status) = outcome else { panic!("{name} was answered") };
        assert_eq!(status.code(), Code::NotFound, "{name}");
        let info = error::info(&status).unwrap();
        let mut facts: Vec<_> = info.metadata.into_iter().collect();
        facts.sort();
        let reason = info.reason.wire_name();
        format!("{name} {reason} {} {facts:?}", status.message()).replace(id, "ID")
    };
    outcomes.into_iter().map(tell).collect()
}

#[tokio::test]
async fn two_users_may_choose_the_same_cart_id() {
    let world = World::on(Kind::Sqlite).await;
    let (mut alice, mut bob) = (world.shopper("alice").await, world.shopper("bob").await);
    let create = |sku: &str| CreateCartRequest {
        cart_id: NOBODYS.to_owned(),
        lines: vec![crate::world::line(sku, 1)],
        ..Default::default()
    };
    alice.controller().create_cart(create("1001")).await.unwrap();
    bob.controller().create_cart(create("1002")).await.unwrap();
    assert_eq!(contents(&reread(alice.controller(), NOBODYS).await), [("1001", 1)]);
    assert_eq!(contents(&reread(bob.controller(), NOBODYS).await), [("1002", 1)]);
    let status = alice.controller().create_cart(create("1002")).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartExists);
}
