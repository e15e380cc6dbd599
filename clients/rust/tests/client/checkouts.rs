//! Checkouts until they are decided.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use oxcart_client::{
    Cart, CheckoutError, CheckoutState, DeclineReason, Outcome, Purchase, Reason, Shopper, line,
};
use tonic::Status;

use crate::fake::{Fake, Fault, gbp, refusal, refusal_about};

async fn cart(alice: &Shopper) -> Cart {
    alice.create_cart([line("A", 3)]).await.unwrap()
}

#[tokio::test]
async fn lost_answers_charge_once() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let purchase = Purchase::of(&cart(&alice).await, "tok_visa");
    fake.script("Checkout", [Fault::LoseAnswer, Fault::LoseRequest, Fault::LoseAnswer]);
    let outcome = alice.checkout(&purchase).await.unwrap();
    assert!(matches!(&outcome, Outcome::Paid(paid) if paid.total == Some(gbp(300))), "{outcome:?}");
    assert_eq!(alice.checkout(&purchase).await.unwrap(), outcome);
    assert_eq!(fake.state().charges.values().copied().collect::<Vec<_>>(), [1]);
    let found = alice.find_checkout(purchase.request_id()).await.unwrap();
    assert_eq!(found.as_ref(), Some(outcome.checkout()));
    assert_eq!(alice.find_checkout("another").await.unwrap(), None);
}

#[tokio::test]
async fn each_purchase_has_a_name_of_its_own_unless_it_is_given_one() {
    let fake = Fake::start().await;
    let cart = cart(&fake.alice().await).await;
    let (one, two) = (Purchase::of(&cart, "tok_visa"), Purchase::of(&cart, "tok_visa"));
    assert_ne!(one.request_id(), two.request_id());
    assert_eq!(one.with_request_id("order-17").request_id(), "order-17");
    assert!(!format!("{two:?}").contains("tok_visa"));
}

#[tokio::test]
async fn a_pending_checkout_is_watched_until_it_is_paid() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let purchase = Purchase::of(&cart(&alice).await, "tok_slow");
    fake.state().watches_before_decision = 4;
    // The first watch breaks, the second ends undecided.
    fake.script("WatchCheckout", [Fault::Refuse(Status::unavailable("stopping"))]);
    let outcome = alice.checkout(&purchase).await.unwrap();
    assert!(matches!(outcome, Outcome::Paid(_)), "{outcome:?}");
    assert_eq!((fake.count("Checkout"), fake.count("WatchCheckout")), (1, 3));
}

#[tokio::test]
async fn who_does_not_want_to_wait_is_told_that_it_is_pending() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let purchase = Purchase::of(&cart(&alice).await, "tok_slow");
    let checkout = alice.begin_checkout(&purchase).await.unwrap();
    assert_eq!(checkout.state(), CheckoutState::Pending);
    assert_eq!(fake.count("WatchCheckout"), 0);
    let outcome = alice.outcome(&checkout.checkout_id).await.unwrap();
    assert!(matches!(outcome, Outcome::Paid(_)), "{outcome:?}");
}

#[tokio::test]
async fn what_was_not_paid_says_why() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let cart = cart(&alice).await;
    let declined = alice.checkout(&Purchase::of(&cart, "tok_declined")).await.unwrap();
    let Outcome::Declined { reason, .. } = declined else { panic!("{declined:?}") };
    assert_eq!(reason, DeclineReason::InsufficientFunds);
    let cancelled = alice.checkout(&Purchase::of(&cart, "tok_late")).await.unwrap();
    assert!(matches!(cancelled, Outcome::Cancelled(_)), "{cancelled:?}");
}

#[tokio::test]
async fn a_refusal_has_what_a_shop_needs_to_go_on() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let seen = cart(&alice).await;
    fake.change_elsewhere(&seen.cart_id, &[line("A", 4)]);

    let stale = alice.checkout(&Purchase::of(&seen, "tok_visa")).await.unwrap_err();
    let CheckoutError::Stale { cart, .. } = stale else { panic!("{stale:?}") };
    assert_eq!(cart.lines[0].quantity, 4);

    // One that is too large for an error is read.
    fake.script("Checkout", [Fault::Refuse(refusal(Reason::CartStale))]);
    let stale = alice.checkout(&Purchase::of(&seen, "tok_visa")).await.unwrap_err();
    let CheckoutError::Stale { cart: read, .. } = stale else { panic!("{stale:?}") };
    assert_eq!(read, cart);

    let dear = Cart { total: Some(gbp(1)), ..*cart.clone() };
    let changed = alice.checkout(&Purchase::of(&dear, "tok_visa")).await.unwrap_err();
    let CheckoutError::PriceChanged { total, .. } = changed else { panic!("{changed:?}") };
    assert_eq!(total, gbp(400));

    fake.script("Checkout", [Fault::Refuse(refusal_about(Reason::CheckoutInProgress, &*cart))]);
    let busy = alice.checkout(&Purchase::of(&cart, "tok_visa")).await.unwrap_err();
    assert!(matches!(&busy, CheckoutError::InProgress { cart: now, .. } if *now == cart), "{busy}");

    fake.script("Checkout", [Fault::Refuse(refusal(Reason::CartEmpty))]);
    let empty = alice.checkout(&Purchase::of(&cart, "tok_visa")).await.unwrap_err();
    assert!(matches!(empty, CheckoutError::Refused(_)), "{empty:?}");
    assert_eq!(empty.error().reason(), Some(Reason::CartEmpty));
    assert_eq!(fake.state().charges.len(), 0);
}

#[tokio::test]
async fn a_checkout_without_an_answer_is_unknown_and_not_refused() {
    let fake = Fake::start().await;
    let alice = fake.alice().await.without_retries();
    let purchase = Purchase::of(&cart(&alice).await, "tok_visa");
    fake.script("Checkout", [Fault::LoseAnswer]);
    let unknown = alice.checkout(&purchase).await.unwrap_err();
    assert!(matches!(unknown, CheckoutError::Unknown(_)), "{unknown:?}");
    assert!(matches!(alice.checkout(&purchase).await.unwrap(), Outcome::Paid(_)));
    assert_eq!(fake.state().charges.values().copied().collect::<Vec<_>>(), [1]);
}
