use uuid::Uuid;

use super::{super::*, *};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const WINDOW: Duration = Duration::from_secs(8);

fn pounds(minor_units: i64) -> Money {
    Money::from_parts("GBP", minor_units).unwrap()
}

fn cart(raw: &[(&str, i64)]) -> Cart {
    let lines = Lines::parse(raw, &Limits::default()).unwrap();
    Cart::create("alice".parse().unwrap(), Uuid::from_u128(1).into(), lines, NOW)
}

fn order(cart: &Cart, unit_price: i64) -> Order {
    let priced = |line: &oxcart_types::Line| PricedLine {
        sku: line.sku.clone(),
        name: "thing".to_owned(),
        quantity: line.quantity,
        unit_price: pounds(unit_price),
        line_total: pounds(unit_price * line.quantity.get()),
    };
    let lines: Vec<_> = cart.lines.as_slice().iter().map(priced).collect();
    let total = pounds(lines.iter().map(|line| line.line_total.minor_units()).sum());
    Order {
        request: "r1".parse().unwrap(),
        fingerprint: Fingerprint([7; 32]),
        cart: cart.id,
        seen: cart.version,
        quote: Quote::new(lines, total).unwrap(),
    }
}

fn id(number: u128) -> CheckoutId {
    Uuid::from_u128(number).into()
}

fn start(cart: &Cart, number: u128) -> Started {
    Checkout::start(cart, &order(cart, 250), id(number), WINDOW, NOW).unwrap()
}

fn decided(decision: Decision) -> Decided {
    match decision {
        Decision::Now(decided) => *decided,
        Decision::Already => panic!("it was decided before"),
    }
}

fn payment() -> PaymentId {
    "pay_1".parse().unwrap()
}

const DECLINED: Failure = Failure::Declined(DeclineReason::LostCard);

#[test]
fn a_checkout_freezes_the_cart_that_was_priced() {
    let cart = cart(&[("A", 2)]);
    let started = start(&cart, 9);
    assert_eq!(started.cart.hold, Hold::Pending(id(9)));
    assert_eq!(started.cart.version, cart.version.next());
    assert_eq!(started.checkout.quote.total(), pounds(500));
    assert_eq!((started.event.from, started.event.to), (CartState::Open, CartState::Pending));
}

#[test]
fn only_an_open_cart_with_something_to_pay_at_the_version_that_was_priced_is_frozen() {
    let empty = cart(&[]);
    let full = cart(&[("A", 2)]);
    let refused =
        |cart: &Cart, order: &Order| Checkout::start(cart, order, id(9), WINDOW, NOW).unwrap_err();
    let cart_id = full.id;
    assert_eq!(refused(&empty, &order(&empty, 1)), Refused::Empty { cart: cart_id });
    assert_eq!(refused(&full, &order(&full, 0)), Refused::NothingToPay { cart: cart_id });
    let other = Order { seen: full.version, ..order(&cart(&[("A", 3)]), 1) };
    assert_eq!(refused(&full, &other), Refused::OtherLines { cart: cart_id });
    let stale = Order { seen: full.version.next(), ..order(&full, 1) };
    assert_eq!(refused(&full, &stale), Refused::Stale { now: Box::new(full.clone()) });
    let frozen = start(&full, 8).cart;
    assert_eq!(refused(&frozen, &order(&frozen, 1)), Refused::Held { now: Box::new(frozen) });
}

#[test]
fn a_captured_payment_purchases_the_cart_at_the_prices_of_the_checkout() {
    let started = start(&cart(&[("A", 2)]), 9);
    let confirmed = started.checkout.confirm(Some(&started.cart), &payment(), pounds(500), NOW);
    let decided = decided(confirmed.unwrap());
    assert_eq!(decided.cart.hold, Hold::Paid(id(9)));
    assert_eq!(decided.cart.version, started.cart.version.next());
    assert_eq!(decided.cart.paid, Some(started.checkout.quote.clone()));
    assert_eq!(decided.event.to, CartState::Paid);
    let again = decided.checkout.confirm(Some(&decided.cart), &payment(), pounds(500), NOW);
    assert_eq!(again, Ok(Decision::Already));
}

#[test]
fn a_failed_payment_opens_the_cart_at_a_new_version() {
    let started = start(&cart(&[("A", 2)]), 9);
    let decided = decided(started.checkout.fail(Some(&started.cart), DECLINED, NOW).unwrap());
    assert_eq!(decided.cart.hold, Hold::Free);
    assert_eq!(decided.cart.version, started.cart.version.next());
    assert_eq!(decided.checkout.state, CheckoutState::Failed(DECLINED));
    assert_eq!(decided.event.evidence, "payment DECLINED LOST_CARD");
    let again = decided.checkout.fail(Some(&decided.cart), DECLINED, NOW);
    assert_eq!(again, Ok(Decision::Already));
}

#[test]
fn a_decided_checkout_is_never_decided_otherwise() {
    let started = start(&cart(&[("A", 2)]), 9);
    let cart = Some(&started.cart);
    let paid = decided(started.checkout.confirm(cart, &payment(), pounds(500), NOW).unwrap());
    let failed = decided(started.checkout.fail(cart, DECLINED, NOW).unwrap());
    let contradiction = Err(Contradiction::Decided { checkout: id(9) });
    assert_eq!(paid.checkout.fail(Some(&paid.cart), DECLINED, NOW), contradiction);
    let other = "pay_2".parse().unwrap();
    assert_eq!(paid.checkout.confirm(None, &other, pounds(500), NOW), contradiction);
    assert_eq!(failed.checkout.confirm(None, &payment(), pounds(500), NOW), contradiction);
    assert_eq!(failed.checkout.fail(None, Failure::Cancelled, NOW), contradiction);
}

#[test]
fn another_amount_than_the_total_is_never_taken_for_it() {
    let started = start(&cart(&[("A", 2)]), 9);
    let contradiction = Err(Contradiction::Amount { checkout: id(9) });
    let confirm = |amount| started.checkout.confirm(Some(&started.cart), &payment(), amount, NOW);
    assert_eq!(confirm(pounds(499)), contradiction);
    assert_eq!(confirm(Money::from_parts("JPY", 500).unwrap()), contradiction);
}

#[test]
fn a_checkout_leaves_a_cart_alone_that_another_one_holds() {
    let cart = cart(&[("A", 2)]);
    let (first, second) = (start(&cart, 1), start(&cart, 2));
    let contradiction = Err(Contradiction::NotHeld { checkout: id(1) });
    assert_eq!(first.checkout.fail(Some(&second.cart), DECLINED, NOW), contradiction);
    let confirmed = first.checkout.confirm(Some(&second.cart), &payment(), pounds(500), NOW);
    assert_eq!(confirmed, contradiction);
    assert_eq!(first.checkout.fail(None, DECLINED, NOW), contradiction);
}

#[test]
fn the_lease_doubles_up_to_a_minute() {
    let seconds = |attempts| backoff(attempts).as_secs();
    let all = [1, 2, 3, 5, 6, 63, 64, i64::MAX].map(seconds);
    assert_eq!(all, [2, 4, 8, 32, 60, 60, 60, 60]);
}
