//! The cart's side of the checkout protocol.

use std::collections::BTreeSet;

use cart_svc::{
    app::Error,
    domain::{Checkout, Contradiction, Hold, MarkCommand, Refused},
    store::CheckoutName,
};
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartState, CheckoutFailure, CheckoutState, DeclineReason,
    Fingerprint, Money,
};

use crate::shop::{Shop, at_once, lines, mark_command, user};

const DECLINED: CheckoutFailure = CheckoutFailure::Declined(DeclineReason::LostCard);

pub async fn a_captured_payment_purchases_the_cart_as_it_was_priced(shop: Shop) {
    let (frozen, checkout) = shop.pending().await;
    assert_eq!(frozen.hold, Hold::Pending(checkout.id));
    assert_eq!(frozen.quote.as_ref(), Some(&checkout.quote));
    let paid = shop.confirm(&checkout).await.unwrap();
    assert!(matches!(paid.state, CheckoutState::Paid { .. }));
    let cart = shop.read(&frozen).await;
    assert_eq!(cart.hold, Hold::Paid(checkout.id));
    assert_eq!(cart.version, frozen.version.next());
    assert_eq!(cart.quote, Some(checkout.quote));
    let stored = shop.checkouts.get(&shop.alice, &CheckoutName::Id(paid.id)).await.unwrap();
    assert_eq!(stored, paid);
}

pub async fn a_declined_payment_opens_the_cart_again(shop: Shop) {
    for failure in [DECLINED, CheckoutFailure::Cancelled] {
        let (frozen, checkout) = shop.pending().await;
        let failed = shop.checkouts.unmark(&shop.alice, checkout.id, failure).await.unwrap();
        assert_eq!(failed.state, CheckoutState::Failed(failure));
        let cart = shop.read(&frozen).await;
        assert_eq!((cart.hold, cart.version), (Hold::Free, frozen.version.next()));
        assert_eq!(cart.lines, frozen.lines);
        let name = CheckoutName::Id(checkout.id);
        assert_eq!(shop.checkouts.get(&shop.alice, &name).await.unwrap(), failed);
        // It is as good as before: it can be changed, and bought.
        let changed = shop
            .carts
            .update(&shop.alice, cart.id, None, Some(lines(&[("B", 1)])), &CartDetailsPatch::KEEP)
            .await;
        let again = mark_command(&changed.unwrap(), &format!("again-{}", checkout.id));
        shop.checkouts.mark(&shop.alice, &again).await.unwrap();
    }
}

pub async fn a_frozen_cart_accepts_no_change(shop: Shop) {
    let (pending, checkout) = shop.pending().await;
    refuses_every_change(&shop, &pending).await;
    shop.confirm(&checkout).await.unwrap();
    refuses_every_change(&shop, &shop.read(&pending).await).await;
}

async fn refuses_every_change(shop: &Shop, cart: &cart_svc::domain::Cart) {
    let (alice, id) = (&shop.alice, cart.id);
    let sku = "A".parse().unwrap();
    for refused in [
        shop.carts
            .update(alice, id, None, Some(lines(&[])), &CartDetailsPatch::KEEP)
            .await
            .map(drop),
        shop.carts
            .update(
                alice,
                id,
                Some(cart.version),
                Some(cart.lines.clone()),
                &CartDetailsPatch::KEEP,
            )
            .await
            .map(drop),
        shop.carts.set_item(alice, id, None, &sku, None).await.map(drop),
        shop.carts.delete(alice, id, None).await,
        shop.carts.delete(alice, id, Some(cart.version)).await,
    ] {
        let (state, checkout) = (cart.hold.state(), cart.hold.checkout().unwrap());
        let closed = Refused::Closed { cart: id, state, checkout };
        assert!(matches!(refused, Err(Error::Refused(refused)) if refused == closed));
    }
    assert_eq!(shop.read(cart).await, *cart);

    // Neither does the store, should the domain ever let one through.
    assert!(shop.store.save_contents(cart, cart.version).await.is_err());
    assert!(shop.store.delete_cart(alice, id, cart.version).await.is_err());
    assert_eq!(shop.read(cart).await, *cart);
}

pub async fn a_repeated_request_finds_its_checkout_whatever_became_of_it(shop: Shop) {
    let cart = shop.cart(&[("A", 2)]).await;
    let order = mark_command(&cart, "r1");
    let start = || shop.checkouts.mark(&shop.alice, &order);
    let first = start().await.unwrap();
    assert_eq!(start().await.unwrap().id, first.id);
    let failed = shop.checkouts.unmark(&shop.alice, first.id, DECLINED).await.unwrap();
    assert_eq!(start().await.unwrap(), failed);
    assert_eq!(shop.read(&cart).await.hold, Hold::Free);

    let fingerprint = Fingerprint::try_from([8; 32].as_slice()).unwrap();
    let other = MarkCommand { fingerprint, ..order.clone() };
    let reused = shop.checkouts.mark(&shop.alice, &other).await.unwrap_err();
    assert!(matches!(reused, Error::RequestIdReused { checkout } if checkout == first.id));
    shop.carts.delete(&shop.alice, cart.id, None).await.unwrap();
    assert_eq!(start().await.unwrap(), failed);
}

pub async fn a_request_id_means_one_thing_for_each_user(shop: Shop) {
    let bob = user("bob");
    let hers = shop.cart(&[("A", 2)]).await;
    let his = shop
        .carts
        .create(bob.clone(), None, lines(&[("A", 2)]), CartDetails::default())
        .await
        .unwrap();
    let hers = shop.checkouts.mark(&shop.alice, &mark_command(&hers, "r1")).await.unwrap();
    let his = shop.checkouts.mark(&bob, &mark_command(&his, "r1")).await.unwrap();
    assert_ne!(hers.id, his.id);
    let name = CheckoutName::Request("r1".parse().unwrap());
    assert_eq!(shop.checkouts.get(&bob, &name).await.unwrap().id, his.id);
}

pub async fn the_same_request_twice_at_once_makes_one_checkout(shop: Shop) {
    let cart = shop.cart(&[("A", 2)]).await;
    let ids: BTreeSet<_> = at_once(8, |_| {
        let (checkouts, alice, order) =
            (shop.checkouts.clone(), shop.alice.clone(), mark_command(&cart, "r1"));
        async move { checkouts.mark(&alice, &order).await.unwrap().id }
    })
    .await
    .into_iter()
    .collect();
    assert_eq!(ids.len(), 1);
    let held = shop.read(&cart).await;
    assert_eq!(held.hold.checkout(), ids.first().copied());
    assert_eq!(held.version, cart.version.next());
}

pub async fn checkouts_of_one_cart_have_one_winner(shop: Shop) {
    let cart = shop.cart(&[("A", 2)]).await;
    let done = at_once(8, |number| {
        let order = mark_command(&cart, &format!("r{number}"));
        let (checkouts, alice) = (shop.checkouts.clone(), shop.alice.clone());
        async move { checkouts.mark(&alice, &order).await }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 7));
    let held = shop.read(&cart).await;
    assert_eq!(held.hold, Hold::Pending(won[0].as_ref().unwrap().id));
    for refused in lost {
        let refused = refused.unwrap_err();
        let is_held = matches!(&refused, Error::Refused(Refused::Held { now }) if **now == held);
        assert!(is_held, "{refused}");
    }
}

pub async fn a_refused_checkout_that_is_delivered_again_stays_refused(shop: Shop) {
    let cart = shop.cart(&[("A", 2)]).await;
    let first = shop.checkouts.mark(&shop.alice, &mark_command(&cart, "r1")).await.unwrap();
    let second = mark_command(&cart, "r2");
    let refused = shop.checkouts.mark(&shop.alice, &second).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refused::Held { .. })), "{refused}");

    shop.checkouts.unmark(&shop.alice, first.id, DECLINED).await.unwrap();
    let late = shop.checkouts.mark(&shop.alice, &second).await.unwrap_err();
    assert!(matches!(late, Error::Refused(Refused::Stale { .. })), "{late}");

    // Not even if the cart is deleted and made again under its old name, just as it was.
    shop.carts.delete(&shop.alice, cart.id, None).await.unwrap();
    let again = shop
        .carts
        .create(shop.alice.clone(), Some(cart.id), cart.lines.clone(), CartDetails::default())
        .await;
    let late = shop.checkouts.mark(&shop.alice, &second).await.unwrap_err();
    assert!(matches!(late, Error::Refused(Refused::Stale { .. })), "{late}");
    assert_eq!(shop.read(&cart).await, again.unwrap());
}

pub async fn a_late_outcome_of_one_checkout_leaves_the_next_alone(shop: Shop) {
    let (_, first) = shop.pending().await;
    let failed = shop.checkouts.unmark(&shop.alice, first.id, DECLINED).await.unwrap();
    let cart = shop.carts.get(&shop.alice, first.cart).await.unwrap();
    let second = shop.checkouts.mark(&shop.alice, &mark_command(&cart, "r2")).await.unwrap();
    let held = shop.read(&cart).await;

    let late = shop.checkouts.unmark(&shop.alice, first.id, DECLINED).await.unwrap();
    assert_eq!(late, failed);
    let late = shop.confirm(&first).await.unwrap_err();
    assert!(is_contradiction(&late), "{late}");
    let late =
        shop.checkouts.unmark(&shop.alice, first.id, CheckoutFailure::Cancelled).await.unwrap_err();
    assert!(is_contradiction(&late), "{late}");
    assert_eq!(shop.read(&cart).await, held);
    assert_eq!(held.hold, Hold::Pending(second.id));
    shop.confirm(&second).await.unwrap();
}

fn is_contradiction(error: &Error) -> bool {
    matches!(error, Error::Contradicted(Contradiction::Decided { .. }))
}

pub async fn outcomes_may_be_repeated_and_are_logged_once(shop: Shop) {
    let (frozen, checkout) = shop.pending().await;
    let states = at_once(8, |_| {
        let (checkouts, alice, checkout) =
            (shop.checkouts.clone(), shop.alice.clone(), checkout.clone());
        async move {
            let payment = "pay_1".parse().unwrap();
            let total = checkout.quote.total();
            checkouts.confirm(&alice, checkout.id, &payment, total).await.unwrap().state
        }
    })
    .await;
    let payment = "pay_1".parse().unwrap();
    assert!(
        states
            .iter()
            .all(|state| *state == CheckoutState::Paid { payment_id: Clone::clone(&payment) })
    );
    let paid = shop.read(&frozen).await;
    assert_eq!(paid.version, frozen.version.next());
    assert_eq!(shop.store.events(&shop.alice, checkout.id).await.unwrap().len(), 2);

    let other_payment = "pay_2".parse().unwrap();
    let total = checkout.quote.total();
    let less = Money::new(total.currency(), total.minor_units() - 1).unwrap();
    let (alice, id) = (&shop.alice, checkout.id);
    for refused in [
        shop.checkouts.confirm(alice, id, &other_payment, total).await,
        shop.checkouts.confirm(alice, id, &payment, less).await,
        shop.checkouts.unmark(alice, id, DECLINED).await,
    ] {
        assert!(matches!(refused, Err(Error::Contradicted(_))));
    }
    assert_eq!(shop.read(&frozen).await, paid);
}

pub async fn a_purchased_cart_is_left_alone_by_late_copies_of_anything(shop: Shop) {
    let cart = shop.cart(&[("A", 2)]).await;
    let order = mark_command(&cart, "r1");
    let first = shop.checkouts.mark(&shop.alice, &order).await.unwrap();
    let paid = shop.confirm(&first).await.unwrap();
    let bought = shop.read(&cart).await;

    assert_eq!(shop.checkouts.mark(&shop.alice, &order).await.unwrap(), paid);
    assert_eq!(shop.confirm(&first).await.unwrap(), paid);
    for failure in [DECLINED, CheckoutFailure::Cancelled] {
        let refused = shop.checkouts.unmark(&shop.alice, first.id, failure).await.unwrap_err();
        assert!(is_contradiction(&refused), "{refused}");
    }
    assert_eq!(shop.read(&cart).await, bought);
    assert_eq!(shop.store.events(&shop.alice, first.id).await.unwrap().len(), 2);
}

pub async fn contrary_outcomes_at_once_leave_one_of_them(shop: Shop) {
    let (frozen, checkout) = shop.pending().await;
    let done = at_once(8, |number| {
        let (checkouts, alice, checkout) =
            (shop.checkouts.clone(), shop.alice.clone(), checkout.clone());
        async move {
            let (payment, total) = ("pay_1".parse().unwrap(), checkout.quote.total());
            match number % 2 {
                0 => checkouts.confirm(&alice, checkout.id, &payment, total).await,
                _ => checkouts.unmark(&alice, checkout.id, DECLINED).await,
            }
        }
    })
    .await;
    let accepted: Vec<Checkout> = done.into_iter().filter_map(Result::ok).collect();
    assert_eq!(accepted.len(), 4);
    let name = CheckoutName::Id(checkout.id);
    let stored = shop.checkouts.get(&shop.alice, &name).await.unwrap();
    assert!(accepted.iter().all(|checkout| checkout.state == stored.state));
    let is_paid = matches!(stored.state, CheckoutState::Paid { .. });
    let state = shop.read(&frozen).await.hold.state();
    assert_eq!(state, if is_paid { CartState::Paid } else { CartState::Open });
}

pub async fn somebody_elses_checkout_does_not_exist(shop: Shop) {
    let (frozen, checkout) = shop.pending().await;
    let bob = user("bob");
    let payment = "pay_1".parse().unwrap();
    let bobs_order = mark_command(&frozen, "r9");
    for refused in [
        shop.checkouts.get(&bob, &CheckoutName::Id(checkout.id)).await,
        shop.checkouts.get(&bob, &CheckoutName::Request(checkout.request.clone())).await,
        shop.checkouts.confirm(&bob, checkout.id, &payment, checkout.quote.total()).await,
        shop.checkouts.unmark(&bob, checkout.id, DECLINED).await,
    ] {
        assert!(matches!(refused, Err(Error::CheckoutNotFound)));
    }
    let refused = shop.checkouts.mark(&bob, &bobs_order).await;
    assert!(matches!(refused, Err(Error::CartNotFound { .. })));
    assert_eq!(shop.read(&frozen).await, frozen);
}

pub async fn the_event_log_is_a_path(shop: Shop) {
    let (_, paid) = shop.pending().await;
    shop.confirm(&paid).await.unwrap();
    let (_, failed) = shop.pending().await;
    shop.checkouts.unmark(&shop.alice, failed.id, DECLINED).await.unwrap();
    for (checkout, end) in [(paid, CartState::Paid), (failed, CartState::Open)] {
        let events = shop.store.events(&shop.alice, checkout.id).await.unwrap();
        let steps: Vec<_> = events.iter().map(|event| (event.seq, event.from, event.to)).collect();
        let expected = [(1, CartState::Open, CartState::Pending), (2, CartState::Pending, end)];
        assert_eq!(steps, expected);
        assert!(events.iter().all(|event| !event.evidence.is_empty()));
    }
}
