//! The store's answers as tables.

use std::io::{self, Write};

use oxcart_client::{self as client, Cart, CartState, GetStorefrontResponse, PricedLine};
use oxcart_types::Money;
use time::{OffsetDateTime, macros::format_description};

use crate::table::{
    Align::{Left, Right},
    Table,
};

/// The first items for sale.
pub(super) fn items(out: &mut impl Write, storefront: &GetStorefrontResponse) -> io::Result<()> {
    writeln!(out, "\nFor sale")?;
    let mut table = Table::new([("SKU", Left), ("item", Left), ("price", Right)]);
    for item in &storefront.items {
        table.row([item.sku.clone(), item.name.clone(), money(item.price.as_ref())]);
    }
    table.write_to(out)?;
    if !storefront.next_items_page_token.is_empty() {
        writeln!(out, "  … and more")?;
    }
    Ok(())
}

/// Carts with their lines and totals, below a headline that counts them.
pub(super) fn carts(out: &mut impl Write, headline: &str, carts: &[Cart]) -> io::Result<()> {
    if carts.is_empty() {
        return writeln!(out, "\n{headline}: none");
    }
    writeln!(out, "\n{headline}")?;
    carts.iter().try_for_each(|cart| one_cart(out, cart))
}

fn one_cart(out: &mut impl Write, cart: &Cart) -> io::Result<()> {
    let when = cart.update_time.as_ref().map_or_else(String::new, minute);
    let state = match cart.state() {
        CartState::Paid => format!("purchased {when}"),
        CartState::Pending => "payment pending".to_owned(),
        CartState::Open | CartState::Unspecified => format!("open, last changed {when}"),
    };
    writeln!(out, "\n  Cart {} ({state})", cart.cart_id)?;
    let mut table = Table::new([
        ("SKU", Left),
        ("item", Left),
        ("pieces", Right),
        ("price", Right),
        ("sum", Right),
    ]);
    cart.lines.iter().for_each(|line| table.row(cells(line)));
    let nothing = String::new;
    table.row([nothing(), "Total".into(), nothing(), nothing(), money(cart.total.as_ref())]);
    table.write_to(out)
}

fn cells(line: &PricedLine) -> [String; 5] {
    let name = if line.unavailable { "(no longer for sale)" } else { &line.name };
    [
        line.sku.clone(),
        name.to_owned(),
        line.quantity.to_string(),
        money(line.unit_price.as_ref()),
        money(line.line_total.as_ref()),
    ]
}

/// An amount as its currency writes it; a dash where there is none.
pub(super) fn money(amount: Option<&client::Money>) -> String {
    let Some(amount) = amount else { return "-".to_owned() };
    match Money::from_parts(&amount.currency_code, amount.minor_units) {
        Ok(money) => money.to_string(),
        // A newer store may know a currency that this client does not.
        Err(_) => format!("{} {} (minor units)", amount.currency_code, amount.minor_units),
    }
}

fn minute(time: &prost_types::Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let time = OffsetDateTime::from_unix_timestamp(time.seconds).ok();
    time.and_then(|time| time.format(format).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gbp(minor_units: i64) -> client::Money {
        client::Money { currency_code: "GBP".into(), minor_units }
    }

    fn shown(cart: Cart) -> String {
        let mut out = Vec::new();
        carts(&mut out, "Purchases", &[cart]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_purchase_shows_what_was_paid_for_what() {
        let line = PricedLine {
            sku: "1001".into(),
            name: "Ox yoke".into(),
            quantity: 12,
            unit_price: Some(gbp(14_900)),
            line_total: Some(gbp(178_800)),
            ..PricedLine::default()
        };
        let mut cart = Cart { cart_id: "c".into(), lines: vec![line], ..Cart::default() };
        cart.total = Some(gbp(178_800));
        cart.update_time = Some(prost_types::Timestamp { seconds: 1_795_435_200, nanos: 0 });
        cart.set_state(CartState::Paid);
        let expected = "
Purchases

  Cart c (purchased 2026-11-23 12:00 UTC)
  SKU   item     pieces       price           sum
  ----  -------  ------  ----------  ------------
  1001  Ox yoke      12  GBP 149.00  GBP 1,788.00
        Total                        GBP 1,788.00
";
        assert_eq!(shown(cart), expected);
    }

    #[test]
    fn an_item_that_is_gone_is_marked_and_counts_nothing() {
        let line =
            PricedLine { sku: "1".into(), quantity: 2, unavailable: true, ..PricedLine::default() };
        let text = shown(Cart { lines: vec![line], ..Cart::default() });
        assert!(text.contains("(no longer for sale)"), "{text}");
        assert!(text.contains("Total") && text.contains('-'), "{text}");
    }

    #[test]
    fn nothing_is_said_to_be_none() {
        let mut out = Vec::new();
        carts(&mut out, "Purchases of demo", &[]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\nPurchases of demo: none\n");
    }

    #[test]
    fn amounts_are_written_as_their_currency_does() {
        assert_eq!(money(Some(&gbp(123_456))), "GBP 1,234.56");
        let yen = client::Money { currency_code: "JPY".into(), minor_units: 1_234 };
        assert_eq!(money(Some(&yen)), "JPY 1,234");
        let odd = client::Money { currency_code: "ZZ1".into(), minor_units: 7 };
        assert_eq!(money(Some(&odd)), "ZZ1 7 (minor units)");
        assert_eq!(money(None), "-");
    }
}
