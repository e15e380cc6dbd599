//! The cart's side of the checkout protocol.

use oxcart_proto::{
    Reason,
    cart::{self as pb, get_checkout_request::Name},
    common::{CartFilter, CartState, CheckoutFailure, CheckoutState, DeclineReason, PricedLine},
    convert::duration,
    error,
};

use crate::shop::{Shop, fact, lines, mark_request, pence, reason};

async fn get(shop: &Shop, name: Name) -> pb::Checkout {
    let request = shop.alice().asks(pb::GetCheckoutRequest { name: Some(name) });
    let found = shop.checkouts.clone().get_checkout(request).await.unwrap();
    found.into_inner().checkout.unwrap()
}

#[tokio::test]
async fn a_purchased_cart_shows_what_was_paid() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 2), ("B", 1)]).await;
    let mark = mark_request(&cart, "r1", 250);
    let checkout = shop.mark(mark.clone()).await.unwrap();
    assert_eq!(checkout.state(), CheckoutState::Pending);
    assert_eq!((checkout.owner.as_str(), checkout.total.clone()), ("alice", Some(pence(750))));
    assert!(checkout.charge_window.is_some_and(|window| window.seconds >= 1));
    let pending = shop.read(&cart.cart_id).await;
    assert_eq!(
        (pending.state(), pending.quoted_total.clone()),
        (CartState::Pending, Some(pence(750)))
    );
    assert_eq!(pending.checkout_id, checkout.checkout_id);

    let confirmed = shop.confirm(&checkout, pence(750)).await.unwrap();
    assert_eq!((confirmed.state(), confirmed.payment_id.as_str()), (CheckoutState::Paid, "pay_1"));
    assert_eq!(shop.confirm(&checkout, pence(750)).await.unwrap(), confirmed);
    let paid = shop.read(&cart.cart_id).await;
    assert_eq!((paid.state(), paid.quoted_total.clone()), (CartState::Paid, Some(pence(750))));
    let kept = |line| PricedLine { description: String::new(), ..line };
    assert_eq!(paid.quoted_lines, mark.lines.into_iter().map(kept).collect::<Vec<_>>());
    assert_eq!(paid.quoted_lines[0].name, "item A");
    assert_eq!(paid.quoted_lines[0].line_total, Some(pence(500)));
    assert_eq!(paid.lines, cart.lines);

    let filter = CartFilter::Purchased.into();
    let find = shop.alice().asks(pb::ListCartsRequest { filter, ..Default::default() });
    let found = shop.client.clone().list_carts(find).await.unwrap().into_inner();
    assert_eq!(found.carts, [paid]);
    assert_eq!(get(&shop, Name::RequestId("r1".to_owned())).await, confirmed);
    assert_eq!(get(&shop, Name::CheckoutId(checkout.checkout_id.clone())).await, confirmed);
    assert_eq!(shop.mark(mark_request(&cart, "r1", 250)).await.unwrap(), confirmed);
    let closed = shop.mark(mark_request(&cart, "r2", 250)).await.unwrap_err();
    assert_eq!((reason(&closed), fact(&closed, "state")), (Reason::CartClosed, "PAID".to_owned()));
}

#[tokio::test]
async fn a_declined_cart_is_open_again_and_says_why() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 2)]).await;
    let checkout = shop.mark(mark_request(&cart, "r1", 250)).await.unwrap();
    let lost = DeclineReason::LostCard.into();
    let declined = CheckoutFailure::Declined;
    let failed = shop.unmark(&checkout, declined, lost).await.unwrap();
    assert_eq!(failed.state(), CheckoutState::Failed);
    assert_eq!(failed.failure(), CheckoutFailure::Declined);
    assert_eq!(failed.decline_reason(), DeclineReason::LostCard);
    assert_eq!(shop.unmark(&checkout, declined, lost).await.unwrap(), failed);
    let open = shop.read(&cart.cart_id).await;
    assert_eq!((open.state(), open.lines.clone()), (CartState::Open, cart.lines.clone()));
    assert_eq!(get(&shop, Name::RequestId("r1".to_owned())).await, failed);

    // The version of the first checkout is gone; the one that is shown now is good.
    let stale = shop.mark(mark_request(&cart, "r2", 250)).await.unwrap_err();
    assert_eq!(reason(&stale), Reason::CartStale);
    assert_eq!(error::detail::<pb::Cart>(&stale), Some(open.clone()));
    shop.mark(mark_request(&open, "r3", 250)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_checked_out_is_refused_for_its_reason() {
    let shop = Shop::open().await;
    let empty = shop.cart(&[]).await;
    let refused = shop.mark(mark_request(&empty, "r1", 1)).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CartEmpty);
    let cart = shop.cart(&[("A", 2)]).await;
    let refused = shop.mark(mark_request(&cart, "r1", 0)).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::NothingToPay);

    shop.mark(mark_request(&cart, "r1", 1)).await.unwrap();
    let other =
        pb::MarkPurchasedRequest { fingerprint: vec![8; 32], ..mark_request(&cart, "r1", 1) };
    let other_content = shop.mark(other).await.unwrap_err();
    assert_eq!(reason(&other_content), Reason::RequestIdReused);
    let held = shop.mark(mark_request(&cart, "r2", 1)).await.unwrap_err();
    assert_eq!(reason(&held), Reason::CheckoutInProgress);
    assert_eq!(error::detail(&held), Some(shop.read(&cart.cart_id).await));
}

#[tokio::test]
async fn a_contradicted_outcome_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 2)]).await;
    let checkout = shop.mark(mark_request(&cart, "r1", 250)).await.unwrap();
    let alarms = |asked| kit_testing::metric("cart_refused_outcomes_total", &[("asked", asked)]);
    let before = (alarms("confirm"), alarms("unmark"));
    let other_amount = shop.confirm(&checkout, pence(499)).await.unwrap_err();
    assert_eq!(reason(&other_amount), Reason::CheckoutContradicted);
    shop.confirm(&checkout, pence(500)).await.unwrap();
    let paid = shop.read(&cart.cart_id).await;
    let unmarked = shop.unmark(&checkout, CheckoutFailure::Cancelled, 0).await.unwrap_err();
    assert_eq!(reason(&unmarked), Reason::CheckoutContradicted);
    assert_eq!(shop.read(&cart.cart_id).await, paid);
    assert!(alarms("confirm") > before.0 && alarms("unmark") > before.1);

    let missing = pb::Checkout { owner: "bob".to_owned(), ..checkout };
    let refused = shop.confirm(&missing, pence(500)).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CheckoutNotFound);
}

#[tokio::test]
async fn an_overdue_checkout_is_leased_with_its_owner() {
    let shop = Shop::open_with(&["--first-lease-ms=1", "--charge-window-ms=0"]).await;
    let cart = shop.cart(&[("A", 2)]).await;
    let checkout = shop.mark(mark_request(&cart, "r1", 250)).await.unwrap();
    let lease = || {
        let request = pb::LeaseOverdueRequest { worker: "worker-1".to_owned(), limit: 10 };
        let (request, mut client) = (shop.controller().asks(request), shop.checkouts.clone());
        async move { client.lease_overdue(request).await.unwrap().into_inner().checkouts }
    };
    let handed_out = || kit_testing::metric("cart_leases_total", &[("result", "handed_out")]);
    let before = handed_out();
    let mut leased = Vec::new();
    for _ in 0..1_000 {
        leased = lease().await;
        if !leased.is_empty() {
            break;
        }
    }
    assert_eq!(leased.len(), 1);
    assert!(handed_out() > before);
    assert_eq!(leased[0].checkout_id, checkout.checkout_id);
    assert_eq!((leased[0].owner.as_str(), leased[0].attempts), ("alice", 1));
    assert_eq!(leased[0].charge_window, Some(duration(std::time::Duration::ZERO)));
    assert_eq!(lease().await, []);
}

#[tokio::test]
async fn a_quote_for_other_lines_than_the_carts_is_refused() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1), ("B", 1)]).await;
    let other = |raw| pb::Cart { lines: lines(raw), ..cart.clone() };
    for cart in [
        other(&[("B", 1), ("A", 1)]),
        other(&[("A", 1)]),
        other(&[("A", 2), ("B", 1)]),
        other(&[("A", 1), ("B", 1), ("C", 1)]),
    ] {
        let refused = shop.mark(mark_request(&cart, "r1", 100)).await.unwrap_err();
        assert_eq!(crate::shop::fields(&refused), ["lines"]);
    }
    assert_eq!(shop.read(&cart.cart_id).await, cart);
}
