//! What a client sees of a checkout, as the table in the design tells it.

use oxcart_proto::{
    Reason,
    common::{self, CartState, CheckoutFailure, CheckoutState, DeclineReason},
    controller::{
        Cart, Checkout, CheckoutRequest, UpdateCartRequest, WatchCheckoutRequest,
        watch_checkout_request,
    },
    error,
};

use crate::world::{
    Kind, World, cart, check_out, checkout_of, gbp, line, minor_units, purchase, reason, reread,
    until_cart_is, watch_request,
};

#[tokio::test]
async fn a_declined_card_leaves_the_cart_usable_and_says_why() {
    let world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let before = cart(&mut alice, &[("1001", 1)]).await;
    let declined = check_out(&mut alice, purchase("one", &before, "tok_declined")).await.unwrap();
    assert_eq!(declined.state(), CheckoutState::Failed);
    assert_eq!(declined.failure(), CheckoutFailure::Declined);
    assert_eq!(declined.decline_reason(), DeclineReason::Generic);
    assert_eq!(declined.payment_id, "");

    let after = reread(alice.controller(), &before.cart_id).await;
    assert_eq!((after.state(), &after.lines), (CartState::Open, &before.lines));
    let update = UpdateCartRequest {
        cart_id: after.cart_id.clone(),
        lines: vec![line("1001", 2)],
        etag: after.etag,
        ..Default::default()
    };
    let updated = alice.controller().update_cart(update).await.unwrap().into_inner().cart.unwrap();
    let paid = check_out(&mut alice, purchase("two", &updated, "tok_visa")).await.unwrap();
    assert_eq!(paid.state(), CheckoutState::Paid);
    assert_eq!(world.captures().await, 1);

    // The first request is still what it was.
    let again = check_out(&mut alice, purchase("one", &before, "tok_declined")).await.unwrap();
    assert_eq!(again, declined);
}

#[tokio::test]
async fn the_same_request_id_gives_the_same_answer_and_charges_once() {
    for kind in [Kind::Memory, Kind::Sqlite, Kind::Postgres] {
        let world = World::on(kind).await;
        let mut alice = world.shopper("alice").await;
        let cart = cart(&mut alice, &[("1001", 1)]).await;
        let request = purchase("again", &cart, "tok_visa");
        let at_once: Vec<_> = (0..8)
            .map(|_| {
                let (mut alice, request) = (alice.clone(), request.clone());
                tokio::spawn(async move { check_out(&mut alice, request).await.unwrap() })
            })
            .collect();
        let mut ids = Vec::new();
        for answer in at_once {
            ids.push(answer.await.unwrap().checkout_id);
        }
        until_cart_is(&mut alice, &cart.cart_id, CartState::Paid).await;
        let first = check_out(&mut alice, request.clone()).await.unwrap();
        assert_eq!(first.state(), CheckoutState::Paid);
        assert_eq!(check_out(&mut alice, request).await.unwrap(), first, "{kind:?}");
        assert!(ids.iter().all(|id| *id == first.checkout_id), "{kind:?}: {ids:?}");
        assert_eq!(world.captures().await, 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_request_id_with_other_content_is_refused() {
    let world = World::on(Kind::Memory).await;
    let mut alice = world.shopper("alice").await;
    let first = cart(&mut alice, &[("1001", 1)]).await;
    let other = cart(&mut alice, &[("1001", 1)]).await;
    let request = purchase("mine", &first, "tok_visa");
    let paid = check_out(&mut alice, request.clone()).await.unwrap();
    for changed in [
        purchase("mine", &other, "tok_visa"),
        CheckoutRequest { expected_total: Some(gbp(1)), ..request.clone() },
        CheckoutRequest { expected_total: None, accept_any_total: true, ..request.clone() },
        CheckoutRequest { payment_token: "tok_declined".to_owned(), ..request.clone() },
    ] {
        let status = check_out(&mut alice, changed).await.unwrap_err();
        let info = error::info(&status).unwrap();
        assert_eq!(info.reason, Reason::RequestIdReused);
        assert_eq!(info.metadata["checkout_id"], paid.checkout_id);
    }
    // Another user's request of the same name is another request.
    let mut bob = world.shopper("bob").await;
    let cart = cart(&mut bob, &[("1002", 1)]).await;
    let bobs = check_out(&mut bob, purchase("mine", &cart, "tok_visa")).await.unwrap();
    assert_eq!(bobs.state(), CheckoutState::Paid);
    assert_ne!(bobs.checkout_id, paid.checkout_id);
    assert_eq!(checkout_of(&mut alice, "mine").await.unwrap(), paid);
    assert_eq!(reread(alice.controller(), &other.cart_id).await, other);
}

#[tokio::test]
async fn a_changed_price_is_told_before_anything_is_charged() {
    let world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let seen = cart(&mut alice, &[("1001", 2)]).await;
    world.import("sku,name,price,description\n1001,Ox yoke,150.00,\n").await;
    let status = check_out(&mut alice, purchase("p", &seen, "tok_visa")).await.unwrap_err();
    assert_eq!(reason(&status), Reason::PriceChanged);
    assert_eq!(error::detail::<common::Money>(&status).unwrap(), gbp(30_000));
    assert_eq!(world.captures().await, 0);

    // Whoever agrees pays the new price; whoever asks for it by name pays whatever it costs.
    let now = reread(alice.controller(), &seen.cart_id).await;
    assert_eq!(now.etag, seen.etag);
    let paid = check_out(&mut alice, purchase("q", &now, "tok_visa")).await.unwrap();
    assert_eq!(minor_units(paid.total.as_ref()), 30_000);
    let blind = cart(&mut alice, &[("1001", 1)]).await;
    let request = any_total(purchase("r", &blind, "tok_visa"));
    assert_eq!(check_out(&mut alice, request).await.unwrap().state(), CheckoutState::Paid);
}

fn any_total(request: CheckoutRequest) -> CheckoutRequest {
    CheckoutRequest { expected_total: None, accept_any_total: true, ..request }
}

#[tokio::test]
async fn a_cart_that_cannot_be_purchased_is_refused_with_the_reason() {
    let world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;

    let empty = cart(&mut alice, &[]).await;
    let request = any_total(purchase("empty", &empty, "tok_visa"));
    let status = check_out(&mut alice, request).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartEmpty);

    let free = cart(&mut alice, &[("FREE", 3)]).await;
    let status = check_out(&mut alice, purchase("free", &free, "tok_visa")).await.unwrap_err();
    assert_eq!(reason(&status), Reason::NothingToPay);

    let bought = cart(&mut alice, &[("1002", 1)]).await;
    let once = check_out(&mut alice, purchase("once", &bought, "tok_visa")).await.unwrap();
    for etag in [String::new(), reread(alice.controller(), &bought.cart_id).await.etag] {
        let request = CheckoutRequest { etag, ..purchase("twice", &bought, "tok_visa") };
        let status = check_out(&mut alice, request).await.unwrap_err();
        let info = error::info(&status).unwrap();
        assert_eq!((info.reason, info.metadata["state"].as_str()), (Reason::CartClosed, "PAID"));
        assert_eq!(info.metadata["checkout_id"], once.checkout_id);
    }

    let moved = cart(&mut alice, &[("1001", 1)]).await;
    let update = UpdateCartRequest {
        cart_id: moved.cart_id.clone(),
        lines: vec![line("1001", 2)],
        etag: String::new(),
        ..Default::default()
    };
    let current = alice.controller().update_cart(update).await.unwrap().into_inner().cart.unwrap();
    let request = any_total(purchase("old", &moved, "tok_visa"));
    let status = check_out(&mut alice, request).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartStale);
    assert_eq!(error::detail::<Cart>(&status).unwrap(), current);

    assert_eq!(world.captures().await, 1);
    for request in ["empty", "free", "twice", "old"] {
        assert_eq!(checkout_of(&mut alice, request).await, None, "{request}");
    }
}

#[tokio::test]
async fn a_pending_cart_is_frozen_until_its_payment_is_decided() {
    let world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    let slow = {
        let (mut alice, request) = (alice.clone(), purchase("slow", &cart, "tok_slow"));
        tokio::spawn(async move { check_out(&mut alice, request).await })
    };
    let pending = until_cart_is(&mut alice, &cart.cart_id, CartState::Pending).await;

    let watch = watch_request(pending.checkout_id.clone());
    let mut watched = alice.controller().watch_checkout(watch).await.unwrap().into_inner();
    let first = watched.message().await.unwrap().unwrap().checkout.unwrap();
    assert_eq!(first.state(), CheckoutState::Pending);
    assert!(first.retry_after.is_some());

    let status = check_out(&mut alice, purchase("rival", &pending, "tok_visa")).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CheckoutInProgress);
    assert_eq!(error::info(&status).unwrap().metadata["checkout_id"], pending.checkout_id);
    assert_eq!(error::detail::<Cart>(&status).unwrap().state(), CartState::Pending);
    let update = UpdateCartRequest {
        cart_id: cart.cart_id.clone(),
        remove_all_lines: true,
        ..Default::default()
    };
    let status = alice.controller().update_cart(update).await.unwrap_err();
    let info = error::info(&status).unwrap();
    assert_eq!((info.reason, info.metadata["state"].as_str()), (Reason::CartClosed, "PENDING"));
    assert_eq!(info.metadata["checkout_id"], pending.checkout_id);

    // A client that lost the answer to its first call knows no other name of its checkout.
    let name = Some(watch_checkout_request::Name::RequestId("slow".to_owned()));
    let by_request = alice.controller().watch_checkout(WatchCheckoutRequest { name }).await;
    let seen = by_request.unwrap().into_inner().message().await.unwrap().unwrap();
    assert_eq!(seen.checkout.unwrap().checkout_id, pending.checkout_id);

    let paid: Checkout = slow.await.unwrap().unwrap();
    assert!(matches!(paid.state(), CheckoutState::Paid | CheckoutState::Pending), "{paid:?}");
    let bought = until_cart_is(&mut alice, &cart.cart_id, CartState::Paid).await;
    assert_eq!(bought.lines.len(), 1);
    let mut last = first;
    while let Some(change) = watched.message().await.unwrap() {
        last = change.checkout.unwrap();
    }
    assert_eq!(last.state(), CheckoutState::Paid);
    assert_eq!(world.captures().await, 1);
}

#[tokio::test]
async fn each_test_card_is_declined_for_its_own_reason() {
    let world = World::on(Kind::Memory).await;
    let mut alice = world.shopper("alice").await;
    for (number, expected) in [
        ("4000000000000002", DeclineReason::Generic),
        ("4000000000009995", DeclineReason::InsufficientFunds),
        ("4000000000009987", DeclineReason::LostCard),
        ("4000000000009979", DeclineReason::StolenCard),
        ("4000000000000069", DeclineReason::ExpiredCard),
        ("4000000000000119", DeclineReason::ProcessingError),
    ] {
        let card = oxcart_proto::controller::Card {
            number: number.to_owned(),
            expiry_month: 1,
            expiry_year: 2035,
            cvc: "999".to_owned(),
        };
        let request = oxcart_proto::controller::TokenizeCardRequest { card: Some(card) };
        let token = alice.controller().tokenize_card(request).await.unwrap().into_inner();
        let full = cart(&mut alice, &[("1002", 1)]).await;
        let failed =
            check_out(&mut alice, purchase(number, &full, &token.payment_token)).await.unwrap();
        assert_eq!(failed.decline_reason(), expected, "{number}");
    }
    assert_eq!(world.captures().await, 0);
}

#[tokio::test]
async fn a_lost_reply_of_the_processor_charges_once_and_ends_paid() {
    let world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1)]).await;
    let request = purchase("lost", &cart, "tok_reply_lost");
    let answer = check_out(&mut alice, request.clone()).await.unwrap();
    assert_ne!(answer.state(), CheckoutState::Failed);
    until_cart_is(&mut alice, &cart.cart_id, CartState::Paid).await;
    assert_eq!(check_out(&mut alice, request).await.unwrap().state(), CheckoutState::Paid);
    assert_eq!(world.captures().await, 1);
}
