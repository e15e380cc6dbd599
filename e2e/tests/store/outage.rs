//! Things that stop for a while: nothing that was acknowledged is lost, and what cannot be answered is
//! refused with the advice to come again.

use std::time::Duration;

use oxcart::{Databases, Service};
use oxcart_proto::{
    Reason,
    common::{CartState, CheckoutState},
    controller::{GetCartRequest, SetItemRequest},
    error,
};
use tonic::Code;

use crate::{
    proxy::{Proxy, Weather},
    world::{
        Kind, World, cart, check_out, checkout_of, line, purchase, reason, until, until_cart_is,
    },
};

#[tokio::test]
async fn without_its_database_the_store_says_so_and_loses_nothing() {
    let proxy = Proxy::start().await;
    let direct = kit_testing::postgres_url().await;
    let (before, server) = direct.split_once('@').unwrap();
    let (server, name) = server.split_once('/').unwrap();
    proxy.lead_to(tokio::net::lookup_host(server).await.unwrap().next().unwrap());
    let url_override = format!("{before}@{}/{name}", proxy.address());
    let world = World::with(Kind::Memory, |mut settings| {
        settings.databases = Databases::Postgres(url_override);
        settings
    })
    .await;
    let mut alice = world.shopper("alice").await;
    let kept = cart(&mut alice, &[("1001", 1)]).await;

    proxy.set(Weather::Cut);
    let get = GetCartRequest { cart_id: kept.cart_id.clone() };
    let status = alice.controller().get_cart(get.clone()).await.unwrap_err();
    assert_eq!(reason(&status), Reason::Unavailable);
    assert!(error::retry_delay(&status).is_some_and(|delay| delay > Duration::ZERO));
    let set = SetItemRequest {
        cart_id: kept.cart_id.clone(),
        line: Some(line("1002", 1)),
        etag: String::new(),
    };
    let status = alice.controller().set_item(set).await.unwrap_err();
    assert_eq!(reason(&status), Reason::Unavailable);
    let status = check_out(&mut alice, purchase("p", &kept, "tok_visa")).await.unwrap_err();
    assert_eq!(reason(&status), Reason::Unavailable);

    proxy.set(Weather::Fair);
    let controller = alice.controller().clone();
    let found = until("the cart being there again", || {
        let (mut controller, get) = (controller.clone(), get.clone());
        async move { controller.get_cart(get).await.ok()?.into_inner().cart }
    })
    .await;
    assert_eq!(found, kept);
    let paid = check_out(&mut alice, purchase("p", &kept, "tok_visa")).await.unwrap();
    assert!(matches!(paid.state(), CheckoutState::Paid | CheckoutState::Pending), "{paid:?}");
    until_cart_is(&mut alice, &kept.cart_id, CartState::Paid).await;
    assert_eq!(world.captures().await, 1);
}

#[tokio::test]
async fn a_payment_service_that_is_away_for_a_moment_costs_no_sale() {
    let mut world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    world.store.kill(Service::Payment).await;
    let buying = {
        let (mut alice, request) = (alice.clone(), purchase("p", &cart, "tok_visa"));
        tokio::spawn(async move { check_out(&mut alice, request).await })
    };
    until_cart_is(&mut alice, &cart.cart_id, CartState::Pending).await;
    // Longer than three quick tries, and well within the window.
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.store.start_one(Service::Payment).await.unwrap();
    buying.await.unwrap().unwrap();
    until_cart_is(&mut alice, &cart.cart_id, CartState::Paid).await;
    assert_eq!(world.captures().await, 1);
}

#[tokio::test]
async fn a_payment_service_that_is_away_makes_a_checkout_wait_or_cancels_it() {
    let mut world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    world.store.kill(Service::Payment).await;
    let answer = check_out(&mut alice, purchase("p", &cart, "tok_visa")).await;
    if let Ok(checkout) = &answer {
        assert_eq!(checkout.state(), CheckoutState::Pending);
    }
    world.store.start_one(Service::Payment).await.unwrap();
    let mut client = alice.clone();
    let ended = until("the end of the checkout", || {
        let mut alice = client.clone();
        async move {
            let checkout = checkout_of(&mut alice, "p").await?;
            (checkout.state() != CheckoutState::Pending).then_some(checkout)
        }
    })
    .await;
    let captures = usize::from(ended.state() == CheckoutState::Paid);
    assert_eq!(world.captures().await, captures);
    let state = if captures == 1 { CartState::Paid } else { CartState::Open };
    until_cart_is(&mut client, &cart.cart_id, state).await;
}

#[tokio::test]
async fn a_controller_that_is_told_to_stop_answers_what_it_has_begun() {
    let mut world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    let slow = {
        let (mut alice, request) = (alice.clone(), purchase("p", &cart, "tok_slow"));
        tokio::spawn(async move { check_out(&mut alice, request).await })
    };
    until_cart_is(&mut alice, &cart.cart_id, CartState::Pending).await;
    world.store.stop(Service::Controller).await.unwrap();
    assert_eq!(slow.await.unwrap().unwrap().state(), CheckoutState::Paid);

    // And no other call is begun.
    let get = GetCartRequest { cart_id: cart.cart_id };
    let status = alice.controller().get_cart(get).await.unwrap_err();
    assert_eq!((status.code(), error::info(&status)), (Code::Unavailable, None));
}
