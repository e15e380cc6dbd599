use uuid::Uuid;

use oxcart_types::{CartDetails, DeclineReason, PricedLine};

use super::{super::*, *};

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const WINDOW: Duration = Duration::from_secs(8);

fn pounds(minor_units: i64) -> Money {
    Money::from_parts("GBP", minor_units).unwrap()
}

fn cart(raw: &[(&str, i32)]) -> Cart {
    let lines = Lines::parse(raw, &Limits::default()).unwrap();
    Cart::create(
        "alice".parse().unwrap(),
        Uuid::from_u128(1).into(),
        lines,
        CartDetails::default(),
        NOW,
    )
}

fn command(cart: &Cart, unit_price: i64) -> MarkCommand {
    let priced = |line: &oxcart_types::Line| PricedLine {
        sku: line.sku.clone(),
        name: "thing".parse().unwrap(),
        quantity: line.quantity,
        unit_price: pounds(unit_price),
        line_total: pounds(unit_price * i64::from(line.quantity.get())),
    };
    let lines: Vec<_> = cart.lines.as_slice().iter().map(priced).collect();
    let total = pounds(lines.iter().map(|line| line.line_total.minor_units()).sum());
    MarkCommand {
        request: "r1".parse().unwrap(),
        fingerprint: Fingerprint::from([7; 32]),
        cart: cart.id,
        expected_version: cart.version,
        quote: Quote::new(lines, total).unwrap(),
    }
}

fn id(number: u128) -> CheckoutId {
    Uuid::from_u128(number).into()
}

fn mark(cart: &Cart, number: u128) -> Marked {
    Checkout::mark(cart, &command(cart, 250), id(number), WINDOW, NOW).unwrap()
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

const DECLINED: CheckoutFailure = CheckoutFailure::Declined(DeclineReason::LostCard);

#[test]
fn a_checkout_freezes_the_cart_that_was_priced() {
    let cart = cart(&[("A", 2)]);
    let marked = mark(&cart, 9);
    assert_eq!(marked.cart.hold, Hold::Pending(id(9)));
    assert_eq!(marked.cart.version, cart.version.next());
    assert_eq!(marked.checkout.quote.total(), pounds(500));
    assert_eq!((marked.event.from, marked.event.to), (CartState::Open, CartState::Pending));
}

#[test]
fn only_an_open_cart_with_something_to_pay_at_the_version_that_was_priced_is_frozen() {
    let empty = cart(&[]);
    let full = cart(&[("A", 2)]);
    let refused = |cart: &Cart, command: &MarkCommand| {
        Checkout::mark(cart, command, id(9), WINDOW, NOW).unwrap_err()
    };
    let cart_id = full.id;
    assert_eq!(refused(&empty, &command(&empty, 1)), Refused::Empty { cart: cart_id });
    assert_eq!(refused(&full, &command(&full, 0)), Refused::NothingToPay { cart: cart_id });
    let other = MarkCommand { expected_version: full.version, ..command(&cart(&[("A", 3)]), 1) };
    assert_eq!(refused(&full, &other), Refused::OtherLines { cart: cart_id });
    let stale = MarkCommand { expected_version: full.version.next(), ..command(&full, 1) };
    assert_eq!(refused(&full, &stale), Refused::Stale { now: Box::new(full.clone()) });
    let frozen = mark(&full, 8).cart;
    assert_eq!(refused(&frozen, &command(&frozen, 1)), Refused::Held { now: Box::new(frozen) });
}

#[test]
fn a_captured_payment_purchases_the_cart_at_the_prices_of_the_checkout() {
    let marked = mark(&cart(&[("A", 2)]), 9);
    let confirmed = marked.checkout.confirm(Some(&marked.cart), &payment(), pounds(500), NOW);
    let decided = decided(confirmed.unwrap());
    assert_eq!(decided.cart.hold, Hold::Paid(id(9)));
    assert_eq!(decided.cart.version, marked.cart.version.next());
    assert_eq!(decided.cart.quote, Some(marked.checkout.quote.clone()));
    assert_eq!(decided.event.to, CartState::Paid);
    let again = decided.checkout.confirm(Some(&decided.cart), &payment(), pounds(500), NOW);
    assert_eq!(again, Ok(Decision::Already));
}

#[test]
fn a_failed_payment_opens_the_cart_at_a_new_version() {
    let marked = mark(&cart(&[("A", 2)]), 9);
    let decided = decided(marked.checkout.unmark(Some(&marked.cart), DECLINED, NOW).unwrap());
    assert_eq!(decided.cart.hold, Hold::Free);
    assert_eq!(decided.cart.version, marked.cart.version.next());
    assert_eq!(decided.checkout.state, CheckoutState::Failed(DECLINED));
    assert_eq!(decided.event.evidence, "payment DECLINED LOST_CARD");
    let again = decided.checkout.unmark(Some(&decided.cart), DECLINED, NOW);
    assert_eq!(again, Ok(Decision::Already));
}

#[test]
fn a_decided_checkout_is_never_decided_otherwise() {
    let marked = mark(&cart(&[("A", 2)]), 9);
    let cart = Some(&marked.cart);
    let paid = decided(marked.checkout.confirm(cart, &payment(), pounds(500), NOW).unwrap());
    let failed = decided(marked.checkout.unmark(cart, DECLINED, NOW).unwrap());
    let contradiction = Err(Contradiction::Decided { checkout: id(9) });
    assert_eq!(paid.checkout.unmark(Some(&paid.cart), DECLINED, NOW), contradiction);
    let other = "pay_2".parse().unwrap();
    assert_eq!(paid.checkout.confirm(None, &other, pounds(500), NOW), contradiction);
    assert_eq!(failed.checkout.confirm(None, &payment(), pounds(500), NOW), contradiction);
    assert_eq!(failed.checkout.unmark(None, CheckoutFailure::Cancelled, NOW), contradiction);
}

#[test]
fn another_amount_than_the_total_is_never_taken_for_it() {
    let marked = mark(&cart(&[("A", 2)]), 9);
    let contradiction = Err(Contradiction::Amount { checkout: id(9) });
    let confirm = |amount| marked.checkout.confirm(Some(&marked.cart), &payment(), amount, NOW);
    assert_eq!(confirm(pounds(499)), contradiction);
    assert_eq!(confirm(Money::from_parts("JPY", 500).unwrap()), contradiction);
}

#[test]
fn a_checkout_leaves_a_cart_alone_that_another_one_holds() {
    let cart = cart(&[("A", 2)]);
    let (first, second) = (mark(&cart, 1), mark(&cart, 2));
    let contradiction = Err(Contradiction::NotHeld { checkout: id(1) });
    assert_eq!(first.checkout.unmark(Some(&second.cart), DECLINED, NOW), contradiction);
    let confirmed = first.checkout.confirm(Some(&second.cart), &payment(), pounds(500), NOW);
    assert_eq!(confirmed, contradiction);
    assert_eq!(first.checkout.unmark(None, DECLINED, NOW), contradiction);
}

#[test]
fn the_lease_doubles_up_to_a_minute() {
    let seconds = |attempts| backoff(attempts).as_secs();
    let all = [1, 2, 3, 5, 6, 63, 64, i64::MAX].map(seconds);
    assert_eq!(all, [2, 4, 8, 32, 60, 60, 60, 60]);
}
