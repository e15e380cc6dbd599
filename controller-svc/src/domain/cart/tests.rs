use oxcart_types::{Item, MAX_AMOUNT, MAX_PRICE};
use proptest::{prop_assert_eq, proptest};

use super::*;

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn line(text: &str, quantity: i32) -> Line {
    Line { sku: sku(text), quantity: quantity.try_into().unwrap() }
}

fn item(text: &str, code: &str, minor_units: i64) -> Item {
    Item {
        sku: sku(text),
        name: format!("{text}'s name").parse().unwrap(),
        description: "".parse().unwrap(),
        price: Money::from_parts(code, minor_units).unwrap().try_into().unwrap(),
    }
}

fn catalogue() -> Items {
    Items::from_iter([
        item("A", "GBP", 250),
        item("B", "GBP", 1),
        item("FREE", "GBP", 0),
        item("EURO", "EUR", 100),
        item("GOLD", "GBP", MAX_PRICE),
    ])
}

fn gbp(minor_units: i64) -> Money {
    Money::from_parts("GBP", minor_units).unwrap()
}

fn cart(lines: Vec<Line>) -> Cart {
    Cart {
        id: uuid::Uuid::nil().into(),
        state: CartState::Open,
        details: CartDetails::default(),
        checkout: None,
        lines,
        version: Version::FIRST,
        quote: None,
        purchased_at: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: OffsetDateTime::UNIX_EPOCH,
    }
}

#[test]
fn lines_and_totals_are_exact() {
    let quote = quote(&[line("A", 3), line("B", 7)], &catalogue()).unwrap();
    assert_eq!(quote.total(), gbp(757));
    assert_eq!(quote.lines()[0].line_total, gbp(750));
    assert_eq!(quote.lines()[1].name.as_str(), "B's name");
}

#[test]
fn an_item_that_has_left_is_marked_and_costs_nothing() {
    let priced = price(cart(vec![line("A", 1), line("GONE", 5)]), &catalogue());
    assert_eq!(priced.total, Some(gbp(250)));
    assert_eq!(priced.lines[1].price, None);
    let only_gone = price(cart(vec![line("GONE", 5)]), &catalogue());
    assert_eq!(only_gone.total, None);
}

#[test]
fn what_cannot_be_paid_is_refused_with_its_reason() {
    let refused = |lines: &[Line]| quote(lines, &catalogue()).unwrap_err();
    assert_eq!(refused(&[]), PricingError::Empty);
    assert_eq!(refused(&[line("FREE", 9)]), PricingError::NothingToPay);
    assert_eq!(refused(&[line("GOLD", 1_001)]), PricingError::TotalTooLarge);
    assert_eq!(refused(&[line("GOLD", 1_000), line("B", 1)]), PricingError::TotalTooLarge);
    assert_eq!(
        refused(&[line("A", 1), line("X", 1), line("Y", 1)]),
        PricingError::Unavailable { skus: vec![sku("X"), sku("Y")] }
    );
    let mixed = refused(&[line("A", 1), line("EURO", 1)]);
    assert!(
        matches!(mixed, PricingError::CurrencyMixed { sku: named, .. } if named == sku("EURO"))
    );
}

#[test]
fn a_cart_that_has_no_total_is_shown_all_the_same() {
    for lines in [vec![line("A", 1), line("EURO", 1)], vec![line("GOLD", 1_001)]] {
        let priced = price(cart(lines), &catalogue());
        assert_eq!(priced.total, None);
        assert!(priced.lines.iter().all(|line| line.price.is_some()));
    }
}

#[test]
fn a_cart_that_a_checkout_holds_shows_what_it_charges() {
    let lines = vec![line("A", 1)];
    let quote = quote(&lines, &Items::from_iter([item("A", "GBP", 99)])).unwrap();
    for state in [CartState::Pending, CartState::Paid] {
        let held = Cart { state, quote: Some(quote.clone()), ..cart(lines.clone()) };
        let priced = price(held, &catalogue());
        assert_eq!(
            (priced.total, priced.lines),
            (Some(gbp(99)), quote.lines().iter().map(Into::into).collect())
        );
    }
}

#[test]
fn setting_a_line_keeps_the_order() {
    let cart = cart(vec![line("A", 1), line("B", 2)]);
    assert_eq!(cart.lines_with(&sku("A"), 9.try_into().unwrap()), [line("A", 9), line("B", 2)]);
    let added = cart.lines_with(&sku("C"), 1.try_into().unwrap());
    assert_eq!(added, [line("A", 1), line("B", 2), line("C", 1)]);
}

proptest! {
    #[test]
    fn a_total_is_the_sum_of_its_lines(
        prices in proptest::collection::vec((0..=1_000_000_000_000_i64, 1..=1_000_000_i32), 1..20)
    ) {
        let priced = prices.iter().enumerate();
        let items: Items =
            priced.map(|(n, (price, _))| item(&format!("S{n}"), "GBP", *price)).collect();
        let lines: Vec<Line> =
            prices.iter().enumerate().map(|(n, (_, pieces))| line(&format!("S{n}"), *pieces)).collect();
        let sum: i128 = prices.iter().map(|(price, n)| i128::from(*price) * i128::from(*n)).sum();
        let expected = match sum {
            0 => Err(PricingError::NothingToPay),
            sum if sum > i128::from(MAX_AMOUNT) => Err(PricingError::TotalTooLarge),
            sum => Ok(sum),
        };
        let quoted = quote(&lines, &items).map(|quote| i128::from(quote.total().minor_units()));
        prop_assert_eq!(quoted, expected);
    }
}
