//! A controller that is killed in the middle of a checkout: a restart ends what it had begun, and no
//! client has to do anything for it.

use oxcart::Service;
use oxcart_proto::{
    common::{CartState, CheckoutFailure, CheckoutState},
    controller::Cart,
    payment::{ChargeRequest, PaymentState},
};

use crate::{
    proxy::{Proxy, Weather},
    world::{
        Kind, Shopper, World, cart, check_out, checkout_of, gbp, purchase, reread, until,
        until_cart_is,
    },
};

/// A store whose controller reaches the payment service through `proxy`. Recovery may take over after
/// 2 s in place of 15: what is tested is who ends the checkout and how, not when.
async fn behind(proxy: &Proxy, kind: Kind) -> World {
    let mut world = World::prepared(kind, |settings| {
        settings
            .with_detour(Service::Payment, proxy.url())
            .with_flags(Service::Cart, ["--first-lease-ms", "2000"])
    })
    .await;
    proxy.lead_to(world.store.address(Service::Payment));
    world.open().await;
    world
}

/// Begins a purchase whose answer nobody will ever get.
async fn begin(alice: &mut Shopper, cart: &Cart) {
    let (mut client, request) = (alice.clone(), purchase("interrupted", cart, "tok_visa"));
    tokio::spawn(async move { check_out(&mut client, request).await });
    until_cart_is(alice, &cart.cart_id, CartState::Pending).await;
}

#[tokio::test]
async fn killed_between_mark_and_charge_ends_cancelled_on_sqlite() {
    killed_between_mark_and_charge(Kind::Sqlite).await;
}

#[tokio::test]
async fn killed_between_mark_and_charge_ends_cancelled_on_postgres() {
    killed_between_mark_and_charge(Kind::Postgres).await;
}

async fn killed_between_mark_and_charge(kind: Kind) {
    let proxy = Proxy::start().await;
    let mut world = behind(&proxy, kind).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    proxy.set(Weather::RequestsLost);
    begin(&mut alice, &cart).await;
    let checkout = checkout_of(&mut alice, "interrupted").await.unwrap();

    world.store.kill(Service::Controller).await;
    assert_eq!(world.payment(&checkout.checkout_id).await, None);
    proxy.set(Weather::Fair);
    world.store.start_one(Service::Controller).await.unwrap();

    let mut alice = world.shopper("alice").await;
    let open = until_cart_is(&mut alice, &cart.cart_id, CartState::Open).await;
    assert_eq!(open.lines, cart.lines);
    let ended = checkout_of(&mut alice, "interrupted").await.unwrap();
    assert_eq!(ended.state(), CheckoutState::Failed);
    assert_eq!(ended.failure(), CheckoutFailure::Cancelled);

    // A copy of the charge that comes hours late charges nothing.
    let late = ChargeRequest {
        key: checkout.checkout_id,
        amount: Some(gbp(14_900)),
        payment_token: "tok_visa".to_owned(),
        not_after: None,
    };
    let mut payments = world.payments_as("controller", "controller-secret").await;
    let payment = payments.charge(late).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(payment.state(), PaymentState::Cancelled);

    // The cart can be bought all the same.
    let paid = check_out(&mut alice, purchase("next", &open, "tok_visa")).await.unwrap();
    assert_eq!(paid.state(), CheckoutState::Paid);
    assert_eq!(world.captures().await, 1);
}

#[tokio::test]
async fn killed_between_charge_and_confirm_ends_paid_on_sqlite() {
    killed_between_charge_and_confirm(Kind::Sqlite).await;
}

#[tokio::test]
async fn killed_between_charge_and_confirm_ends_paid_on_postgres() {
    killed_between_charge_and_confirm(Kind::Postgres).await;
}

async fn killed_between_charge_and_confirm(kind: Kind) {
    let proxy = Proxy::start().await;
    let mut world = behind(&proxy, kind).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    proxy.set(Weather::AnswersLost);
    begin(&mut alice, &cart).await;
    let checkout = checkout_of(&mut alice, "interrupted").await.unwrap();
    let captured = until("the capture", || async {
        let payment = world.payment(&checkout.checkout_id).await;
        payment.filter(|payment| payment.state() == PaymentState::Captured)
    })
    .await;

    world.store.kill(Service::Controller).await;
    proxy.set(Weather::Fair);
    world.store.start_one(Service::Controller).await.unwrap();

    let mut alice = world.shopper("alice").await;
    let paid = until_cart_is(&mut alice, &cart.cart_id, CartState::Paid).await;
    let ended = checkout_of(&mut alice, "interrupted").await.unwrap();
    assert_eq!(ended.state(), CheckoutState::Paid);
    assert_eq!(ended.payment_id, captured.payment_id);
    assert_eq!(alice.client.purchases().all().await.unwrap(), [paid]);
    assert_eq!(world.captures().await, 1);
}

#[tokio::test]
async fn a_killed_cart_service_loses_nothing_that_was_acknowledged() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let mut world = World::on(kind).await;
        let mut alice = world.shopper("alice").await;
        let before = cart(&mut alice, &[("1001", 1), ("1002", 2)]).await;
        world.store.kill(Service::Cart).await;
        world.store.start_one(Service::Cart).await.unwrap();
        let controller = alice.controller().clone();
        let after = until("the controller reaching the cart service again", || {
            let mut controller = controller.clone();
            let request =
                oxcart_proto::controller::GetCartRequest { cart_id: before.cart_id.clone() };
            async move { controller.get_cart(request).await.ok()?.into_inner().cart }
        })
        .await;
        assert_eq!(after, before, "{kind:?}");
    }
}

#[tokio::test]
async fn a_killed_payment_service_ends_what_it_had_begun() {
    let mut world = World::with(Kind::Sqlite, |settings| {
        settings.with_flags(Service::Payment, ["--late-ms", "200", "--slow-ms", "200"])
    })
    .await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    let (mut client, request) = (alice.clone(), purchase("p", &cart, "tok_slow"));
    tokio::spawn(async move { check_out(&mut client, request).await });
    until_cart_is(&mut alice, &cart.cart_id, CartState::Pending).await;
    world.store.kill(Service::Payment).await;
    world.store.start_one(Service::Payment).await.unwrap();
    let controller = alice.controller().clone();
    let ended = until("the end of the checkout", || {
        let mut controller = controller.clone();
        let id = &cart.cart_id;
        async move {
            let cart = reread(&mut controller, id).await;
            (cart.state() != CartState::Pending).then_some(cart)
        }
    })
    .await;
    let checkout = checkout_of(&mut alice, "p").await.unwrap();
    let payment = world.payment(&checkout.checkout_id).await.unwrap();
    match ended.state() {
        CartState::Paid => assert_eq!(payment.state(), PaymentState::Captured),
        state => {
            assert_eq!(state, CartState::Open);
            assert_eq!(payment.state(), PaymentState::Cancelled);
        }
    }
}
