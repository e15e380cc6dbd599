//! Something that is for sale.
//!
//! Each part can only hold what is valid, so an [`Item`] needs no check of its own. The errors read
//! behind the name of a field.

use std::{collections::BTreeMap, str::FromStr};

use oxcart_types::{Money, Sku};

/// The longest [`Name`], in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// The longest [`Description`], in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 4_000;

/// The highest [`Price`], in minor units: a thousandth of what a cart's total may be.
pub const MAX_PRICE: i64 = 1_000_000_000_000;

/// Why a part of an item was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It is no name.
    #[error(
        "must be 1 to {MAX_NAME_CHARS} characters, not all spaces, none of them a control character"
    )]
    NotName,
    /// It is no description.
    #[error(
        "must be at most {MAX_DESCRIPTION_CHARS} characters, none of them a control character \
         other than tabs and line breaks"
    )]
    NotDescription,
    /// It is more than an item may cost.
    #[error("must be at most {MAX_PRICE} minor units")]
    PriceTooHigh,
}

/// What shoppers see in lists: 1 to [`MAX_NAME_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

impl Name {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ItemError;

    fn from_str(text: &str) -> Result<Self, ItemError> {
        let is_name = fits(text, MAX_NAME_CHARS)
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control);
        is_name.then(|| Self(text.into())).ok_or(ItemError::NotName)
    }
}

/// What shoppers read on an item's own page: at most [`MAX_DESCRIPTION_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description(Box<str>);

impl Description {
    /// The text itself, possibly empty.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = ItemError;

    fn from_str(text: &str) -> Result<Self, ItemError> {
        // A NUL character, above all, cannot be stored everywhere.
        let is_forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
        let is_description = fits(text, MAX_DESCRIPTION_CHARS) && !text.chars().any(is_forbidden);
        is_description.then(|| Self(text.into())).ok_or(ItemError::NotDescription)
    }
}

/// Four bytes a character at most: a huge text is refused without counting it.
fn fits(text: &str, max_chars: usize) -> bool {
    text.len() <= 4 * max_chars && text.chars().count() <= max_chars
}

/// What one piece costs: 0 to [`MAX_PRICE`] minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(Money);

impl Price {
    /// The amount.
    #[must_use]
    pub const fn money(self) -> Money {
        self.0
    }
}

impl TryFrom<Money> for Price {
    type Error = ItemError;

    fn try_from(money: Money) -> Result<Self, ItemError> {
        let is_price = money.minor_units() <= MAX_PRICE;
        is_price.then_some(Self(money)).ok_or(ItemError::PriceTooHigh)
    }
}

/// Something that is for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Names the item.
    pub sku: Sku,
    /// What shoppers see in lists.
    pub name: Name,
    /// What shoppers read on its own page.
    pub description: Description,
    /// What one piece costs.
    pub price: Price,
}

/// Items with distinct SKUs, in their order.
///
/// Stores rely on both: a statement may touch no row twice, and writers that lock rows in one order
/// never wait for each other in a circle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemSet(Vec<Item>);

impl ItemSet {
    /// The items by SKU, compared byte by byte.
    #[must_use]
    pub fn as_slice(&self) -> &[Item] {
        &self.0
    }
}

impl FromIterator<Item> for ItemSet {
    /// Of two items with the same SKU the later one stays.
    fn from_iter<T: IntoIterator<Item = Item>>(items: T) -> Self {
        let by_sku: BTreeMap<Sku, Item> =
            items.into_iter().map(|item| (item.sku.clone(), item)).collect();
        Self(by_sku.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_texts_are_taken_and_no_longer_ones() {
        assert!("é".repeat(MAX_NAME_CHARS).parse::<Name>().is_ok());
        assert!("é".repeat(MAX_DESCRIPTION_CHARS).parse::<Description>().is_ok());
        assert!("".parse::<Description>().is_ok());
        for name in ["x".repeat(MAX_NAME_CHARS + 1), "x".repeat(10_000_000), String::new()] {
            assert_eq!(name.parse::<Name>(), Err(ItemError::NotName));
        }
        let description = "x".repeat(MAX_DESCRIPTION_CHARS + 1);
        assert_eq!(description.parse::<Description>(), Err(ItemError::NotDescription));
    }

    #[test]
    fn texts_hold_no_control_characters() {
        for name in ["a\u{0}b", "a\nb", "\u{7f}", " "] {
            assert_eq!(name.parse::<Name>(), Err(ItemError::NotName), "{name:?}");
        }
        assert!("First line.\r\n\tSecond line.".parse::<Description>().is_ok());
        assert_eq!("a\u{0}b".parse::<Description>(), Err(ItemError::NotDescription));
    }

    #[test]
    fn a_price_has_a_limit_below_that_of_money() {
        let price = |minor_units| Price::try_from(Money::from_parts("GBP", minor_units).unwrap());
        assert_eq!(price(0).unwrap().money().minor_units(), 0);
        assert!(price(MAX_PRICE).is_ok());
        assert_eq!(price(MAX_PRICE + 1), Err(ItemError::PriceTooHigh));
    }
}
