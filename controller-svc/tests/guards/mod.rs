//! What the controller relies on of the services behind it, as one list of guards.
//!
//! The controller's own tests run it on their fakes, the tests across services on the real ones:
//! a fake that answers otherwise than the service it stands for fails here.

use std::sync::Arc;

use controller_svc::{
    clients::{
        CallError, CartClient, Charge, CheckoutName, Mark, PageRequest, PaymentClient,
        PaymentToken, Shopper,
    },
    domain::{
        cart::Cart,
        checkout::{Capture, Checkout, Payment},
        fingerprint::fingerprint,
    },
};
use kit_service::Env;
use oxcart_proto::Reason;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, CartState, CheckoutFailure, CheckoutId,
    CheckoutState, DeclineReason, Line, Money, PricedLine, Quote, Version,
};
use time::OffsetDateTime;

/// The services behind a controller, and two users of theirs.
pub struct Backends {
    pub carts: Arc<dyn CartClient>,
    pub payments: Arc<dyn PaymentClient>,
    pub alice: Shopper,
    pub bob: Shopper,
}

/// Runs every guard.
pub async fn hold(on: &Backends) {
    a_cart_created_again_is_the_same_or_refused_with_the_one_that_is_there(on).await;
    another_users_cart_does_not_exist(on).await;
    a_stale_version_is_refused_and_without_one_the_last_write_wins(on).await;
    lists_tell_purchased_carts_from_the_others(on).await;
    a_marked_cart_is_frozen_and_belongs_to_one_request(on).await;
    a_refused_mark_that_is_delivered_again_stays_refused(on).await;
    a_confirmed_checkout_stays_paid(on).await;
    an_unmarked_checkout_stays_failed_and_its_cart_is_open(on).await;
    a_payment_key_is_charged_once_and_for_one_amount(on).await;
    a_resolved_key_is_never_charged(on).await;
    a_declined_charge_stays_declined(on).await;
}

fn gbp(minor_units: i64) -> Money {
    Money::from_parts("GBP", minor_units).unwrap()
}

fn lines(quantity: i32) -> Vec<Line> {
    vec![Line { sku: "A".parse().unwrap(), quantity: quantity.try_into().unwrap() }]
}

fn reason<T>(answer: Result<T, CallError>) -> Option<Reason> {
    answer.err().and_then(|error| error.reason())
}

/// The cart that a refusal carries.
fn current<T>(answer: Result<T, CallError>) -> Option<Cart> {
    match answer.err() {
        Some(CallError::Refused { refused, .. }) => refused.cart,
        _ => None,
    }
}

fn noted() -> CartDetails {
    CartDetails { note: "for Ann".parse().unwrap() }
}

fn new_id() -> CartId {
    // Random, as a client's would be: the guards may run again on the same store.
    Env::system().uuid_v7().into()
}

impl Backends {
    async fn cart(&self) -> Cart {
        let id = Some(new_id());
        self.carts.create(&self.alice, id, &lines(3), &CartDetails::default()).await.unwrap()
    }

    async fn read(&self, cart: &Cart) -> Cart {
        self.carts.get(&self.alice, cart.id).await.unwrap()
    }

    async fn marked(&self) -> (Cart, Checkout) {
        let cart = self.cart().await;
        let checkout = self.carts.mark(&self.alice, &mark(&cart, "first")).await.unwrap();
        (cart, checkout)
    }
}

/// Marks a cart at 2.50 a piece, by a request of that cart.
fn mark(cart: &Cart, request: &str) -> Mark {
    let priced = |line: &Line| PricedLine {
        sku: line.sku.clone(),
        name: "A thing".parse().unwrap(),
        quantity: line.quantity,
        unit_price: gbp(250),
        line_total: gbp(250 * i64::from(line.quantity.get())),
    };
    let priced: Vec<_> = cart.lines.iter().map(priced).collect();
    let total = gbp(priced.iter().map(|line| line.line_total.minor_units()).sum());
    Mark {
        request: format!("{request}-{}", cart.id).parse().unwrap(),
        fingerprint: fingerprint(cart.id, None, "tok_visa"),
        cart: cart.id,
        version: cart.version,
        quote: Quote::new(priced, total).unwrap(),
    }
}

fn charge(key: CheckoutId, minor_units: i64, token: &str) -> Charge {
    Charge {
        key,
        amount: gbp(minor_units),
        token: PaymentToken(token.to_owned()),
        // Far from the clock of any test.
        not_after: OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap(),
    }
}

fn new_key() -> CheckoutId {
    Env::system().uuid_v7().into()
}

async fn a_cart_created_again_is_the_same_or_refused_with_the_one_that_is_there(on: &Backends) {
    let cart = on.cart().await;
    let (id, details) = (Some(cart.id), CartDetails::default());
    let again = on.carts.create(&on.alice, id, &lines(3), &details).await.unwrap();
    assert_eq!(again, cart);
    let other = on.carts.create(&on.alice, id, &lines(4), &details).await;
    assert_eq!(current(other), Some(cart.clone()));
    let noted = on.carts.create(&on.alice, id, &lines(3), &noted()).await;
    assert_eq!(reason(noted), Some(Reason::CartExists));
    assert_eq!(on.read(&cart).await, cart);
}

async fn another_users_cart_does_not_exist(on: &Backends) {
    let (cart, checkout) = on.marked().await;
    let foreign = [
        reason(on.carts.get(&on.bob, cart.id).await),
        reason(
            on.carts.update(&on.bob, cart.id, Some(&lines(1)), &CartDetailsPatch::KEEP, None).await,
        ),
        reason(on.carts.set_item(&on.bob, cart.id, &lines(1)[0].sku, 1, None).await),
        reason(on.carts.delete(&on.bob, cart.id, None).await),
        reason(on.carts.mark(&on.bob, &mark(&cart, "foreign")).await),
        reason(on.carts.get(&on.alice, new_id()).await),
    ];
    assert_eq!(foreign, [Some(Reason::CartNotFound); 6]);
    let by_request = CheckoutName::Request(checkout.request.clone());
    for name in [CheckoutName::Id(checkout.id), by_request] {
        assert_eq!(on.carts.checkout(&on.alice, &name).await.unwrap().id, checkout.id);
        let foreign = on.carts.checkout(&on.bob, &name).await;
        assert_eq!(reason(foreign), Some(Reason::CheckoutNotFound));
    }
}

async fn a_stale_version_is_refused_and_without_one_the_last_write_wins(on: &Backends) {
    let old = on.cart().await;
    let patch = CartDetailsPatch { note: Some(noted().note) };
    let expected = Some(old.version);
    let changed = on.carts.update(&on.alice, old.id, Some(&lines(4)), &patch, expected).await;
    let changed = changed.unwrap();
    assert_eq!((&changed.lines, &changed.details), (&lines(4), &noted()));
    let sku = &old.lines[0].sku;
    let stale = on
        .carts
        .update(&on.alice, old.id, Some(&lines(5)), &CartDetailsPatch::KEEP, expected)
        .await;
    assert_eq!(current(stale), Some(changed.clone()));
    let stale = on.carts.set_item(&on.alice, old.id, sku, 5, expected).await;
    assert_eq!(reason(stale), Some(Reason::CartStale));
    let stale = on.carts.delete(&on.alice, old.id, expected).await;
    assert_eq!(reason(stale), Some(Reason::CartStale));
    let last = on
        .carts
        .update(&on.alice, old.id, Some(&lines(6)), &CartDetailsPatch::KEEP, None)
        .await
        .unwrap();
    assert_eq!((&last.lines, &last.details), (&lines(6), &noted()));
    let removed = on.carts.set_item(&on.alice, old.id, sku, 0, None).await.unwrap();
    assert!(removed.lines.is_empty() && removed.version > last.version);
    on.carts.delete(&on.alice, old.id, Some(removed.version)).await.unwrap();
    assert_eq!(reason(on.carts.get(&on.alice, old.id).await), Some(Reason::CartNotFound));
}

async fn lists_tell_purchased_carts_from_the_others(on: &Backends) {
    let open = on.cart().await;
    let (pending, checkout) = on.marked().await;
    let listed = |filter| async move {
        let page = PageRequest { size: 200, token: String::new() };
        let page = on.carts.list(&on.alice, filter, &page).await.unwrap();
        page.entries.iter().map(|cart| cart.id).collect::<Vec<_>>()
    };
    let unpurchased = listed(CartFilter::Unpurchased).await;
    assert!(unpurchased.contains(&open.id) && unpurchased.contains(&pending.id));
    let capture = Capture { payment: "pay_1".parse().unwrap(), amount: checkout.total };
    on.carts.confirm(&checkout.owner, checkout.id, &capture).await.unwrap();
    assert!(listed(CartFilter::Purchased).await.contains(&pending.id));
    assert!(!listed(CartFilter::Unpurchased).await.contains(&pending.id));
}

async fn a_marked_cart_is_frozen_and_belongs_to_one_request(on: &Backends) {
    let (cart, checkout) = on.marked().await;
    assert_eq!((&checkout.state, checkout.total), (&CheckoutState::Pending, gbp(750)));
    assert!(!checkout.charge_window.is_zero());
    let frozen = on.read(&cart).await;
    assert_eq!((frozen.state, frozen.checkout), (CartState::Pending, Some(checkout.id)));
    assert_eq!(frozen.version, cart.version.next());
    let again = on.carts.mark(&on.alice, &mark(&cart, "first")).await.unwrap();
    assert_eq!(again.id, checkout.id);
    let fingerprint = fingerprint(cart.id, None, "tok_other");
    let other = Mark { fingerprint, ..mark(&cart, "first") };
    // The controller compares the fingerprints where the service does not.
    let reused = on.carts.mark(&on.alice, &other).await;
    assert_eq!(reason(reused), Some(Reason::RequestIdReused));
    let second = on.carts.mark(&on.alice, &mark(&frozen, "second")).await;
    assert_eq!(current(second), Some(frozen.clone()));
    for closed in [
        reason(
            on.carts
                .update(&on.alice, cart.id, Some(&lines(1)), &CartDetailsPatch::KEEP, None)
                .await,
        ),
        reason(on.carts.set_item(&on.alice, cart.id, &cart.lines[0].sku, 1, None).await),
        reason(on.carts.delete(&on.alice, cart.id, None).await),
    ] {
        assert_eq!(closed, Some(Reason::CartClosed));
    }
    assert_eq!(on.read(&cart).await, frozen);
}

async fn a_refused_mark_that_is_delivered_again_stays_refused(on: &Backends) {
    let (cart, checkout) = on.marked().await;
    let late = mark(&cart, "late");
    assert!(on.carts.mark(&on.alice, &late).await.is_err());
    on.carts.unmark(&checkout.owner, checkout.id, CheckoutFailure::Cancelled).await.unwrap();
    let stale = on.carts.mark(&on.alice, &late).await;
    assert_eq!(reason(stale), Some(Reason::CartStale));
    let never = Mark { version: Version::from(1), ..late };
    assert_eq!(reason(on.carts.mark(&on.alice, &never).await), Some(Reason::CartStale));
}

async fn a_confirmed_checkout_stays_paid(on: &Backends) {
    let (cart, checkout) = on.marked().await;
    let (owner, id) = (&checkout.owner, checkout.id);
    let wrong = Capture { payment: "pay_1".parse().unwrap(), amount: gbp(751) };
    let refused = on.carts.confirm(owner, id, &wrong).await;
    assert_eq!(reason(refused), Some(Reason::CheckoutContradicted));
    let capture = Capture { amount: checkout.total, ..wrong };
    let paid = on.carts.confirm(owner, id, &capture).await.unwrap();
    assert_eq!(paid.state, CheckoutState::Paid { payment_id: capture.payment.clone() });
    assert_eq!(on.carts.confirm(owner, id, &capture).await.unwrap().state, paid.state);
    let unmarked = on.carts.unmark(owner, id, CheckoutFailure::Cancelled).await;
    assert_eq!(reason(unmarked), Some(Reason::CheckoutContradicted));
    let shown = on.read(&cart).await;
    assert_eq!((shown.state, shown.version), (CartState::Paid, cart.version.next().next()));
    assert_eq!(shown.quote, Some(mark(&cart, "first").quote));
    let again = on.carts.mark(&on.alice, &mark(&shown, "second")).await;
    assert_eq!(reason(again), Some(Reason::CartClosed));
    let unknown = on.carts.confirm(owner, new_key(), &capture).await;
    assert_eq!(reason(unknown), Some(Reason::CheckoutNotFound));
}

async fn an_unmarked_checkout_stays_failed_and_its_cart_is_open(on: &Backends) {
    let (cart, checkout) = on.marked().await;
    let (owner, id) = (&checkout.owner, checkout.id);
    let declined = CheckoutFailure::Declined(DeclineReason::LostCard);
    let failed = on.carts.unmark(owner, id, declined).await.unwrap();
    assert_eq!(failed.state, CheckoutState::Failed(declined));
    assert_eq!(on.carts.unmark(owner, id, declined).await.unwrap().state, failed.state);
    let open = on.read(&cart).await;
    assert_eq!((open.state, open.checkout), (CartState::Open, None));
    assert_eq!((open.version, &open.lines), (cart.version.next().next(), &cart.lines));
    let capture = Capture { payment: "pay_1".parse().unwrap(), amount: checkout.total };
    let confirmed = on.carts.confirm(owner, id, &capture).await;
    assert_eq!(reason(confirmed), Some(Reason::CheckoutContradicted));
    // The next checkout of the cart is another one, and late copies of the first leave it alone.
    let next = on.carts.mark(&on.alice, &mark(&open, "second")).await.unwrap();
    assert_ne!(next.id, id);
    on.carts.unmark(owner, id, declined).await.unwrap();
    assert_eq!(on.read(&cart).await.checkout, Some(next.id));
}

async fn a_payment_key_is_charged_once_and_for_one_amount(on: &Backends) {
    let key = new_key();
    let paid = on.payments.charge(&charge(key, 750, "tok_visa")).await.unwrap();
    assert!(matches!(&paid, Payment::Captured(capture) if capture.amount == gbp(750)), "{paid:?}");
    assert_eq!(on.payments.charge(&charge(key, 750, "tok_visa")).await.unwrap(), paid);
    assert_eq!(on.payments.resolve(key).await.unwrap(), paid);
    let other = on.payments.charge(&charge(key, 751, "tok_visa")).await;
    assert_eq!(reason(other), Some(Reason::PaymentKeyReused));
}

async fn a_resolved_key_is_never_charged(on: &Backends) {
    let key = new_key();
    assert_eq!(on.payments.resolve(key).await.unwrap(), Payment::Cancelled);
    let late = on.payments.charge(&charge(key, 750, "tok_visa")).await.unwrap();
    assert_eq!(late, Payment::Cancelled);
    assert_eq!(on.payments.resolve(key).await.unwrap(), Payment::Cancelled);
}

async fn a_declined_charge_stays_declined(on: &Backends) {
    let key = new_key();
    let declined = Payment::Declined(DeclineReason::Generic);
    assert_eq!(on.payments.charge(&charge(key, 750, "tok_declined")).await.unwrap(), declined);
    assert_eq!(on.payments.charge(&charge(key, 750, "tok_visa")).await.unwrap(), declined);
    assert_eq!(on.payments.resolve(key).await.unwrap(), declined);
}
