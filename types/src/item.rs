//! Something that is for sale.

use crate::{Description, ItemName, Money, Sku};

/// The highest [`Price`], in minor units: a thousandth of what a cart's total may be.
pub const MAX_PRICE: i64 = 1_000_000_000_000;

/// A price over [`MAX_PRICE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be at most {MAX_PRICE} minor units")]
pub struct PriceError;

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
    type Error = PriceError;

    fn try_from(money: Money) -> Result<Self, PriceError> {
        (money.minor_units() <= MAX_PRICE).then_some(Self(money)).ok_or(PriceError)
    }
}

/// Something that is for sale. Each part can only hold what is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Names the item.
    pub sku: Sku,
    /// What shoppers see in lists.
    pub name: ItemName,
    /// What shoppers read on its own page; may be empty.
    pub description: Description,
    /// What one piece costs.
    pub price: Price,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_has_a_limit_below_that_of_money() {
        let price = |minor_units| Price::try_from(Money::from_parts("GBP", minor_units).unwrap());
        assert_eq!(price(0).unwrap().money().minor_units(), 0);
        assert!(price(MAX_PRICE).is_ok());
        assert_eq!(price(MAX_PRICE + 1), Err(PriceError));
    }
}
