//! The prices of a cart's contents at the moment of a checkout.

use crate::{Currency, ItemName, Line, Money, MoneyError, Quantity, Sku};

/// A line with what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedLine {
    /// The item.
    pub sku: Sku,
    /// Its name at the time of the price.
    pub name: ItemName,
    /// How many of it.
    pub quantity: Quantity,
    /// The price of one piece.
    pub unit_price: Money,
    /// `unit_price` times `quantity`.
    pub line_total: Money,
}

/// Priced lines of one currency and their sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    lines: Vec<PricedLine>,
    total: Money,
}

/// What is wrong with a quote. The text fits behind [`Self::path`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteFault {
    /// The line at `index` is priced in another currency than the total.
    #[error("must be in {expected}")]
    Currency {
        /// Position of the line, from 0.
        index: usize,
        /// The currency of the total.
        expected: Currency,
    },
    /// The total of the line at `index` is not its price times its quantity.
    #[error("must be the unit price times the quantity")]
    LineTotal {
        /// Position of the line, from 0.
        index: usize,
    },
    /// The total is not the sum of the lines.
    #[error("must be the sum of the lines")]
    Total,
    /// The sum of the lines is over the largest amount.
    #[error("must be at most the largest amount")]
    TooLarge,
}

impl QuoteFault {
    /// Where the fault is in a request that has `lines` and a `total`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Currency { index, .. } => format!("lines[{index}].unit_price"),
            Self::LineTotal { index } => format!("lines[{index}].line_total"),
            Self::Total | Self::TooLarge => "total".to_owned(),
        }
    }
}

impl Quote {
    /// Checks the arithmetic of a quote.
    ///
    /// # Errors
    /// Every fault at once, but only [`QuoteFault::TooLarge`] if the sum cannot be held.
    pub fn new(lines: Vec<PricedLine>, total: Money) -> Result<Self, Vec<QuoteFault>> {
        let currency = total.currency();
        let mut faults = Vec::new();
        let mut sum = Ok(Money::zero(currency));
        for (index, line) in lines.iter().enumerate() {
            let price = line.unit_price.checked_mul(line.quantity);
            if line.unit_price.currency() != currency {
                faults.push(QuoteFault::Currency { index, expected: currency });
                continue;
            }
            if price != Ok(line.line_total) {
                faults.push(QuoteFault::LineTotal { index });
            }
            sum = sum.and_then(|sum| sum.checked_add(price?));
        }
        match sum {
            Err(MoneyError::TooLarge) => return Err(vec![QuoteFault::TooLarge]),
            Ok(sum) if sum == total => {}
            // A line that was left out of the sum is the fault to name.
            _ if faults.is_empty() => faults.push(QuoteFault::Total),
            _ => {}
        }
        if faults.is_empty() { Ok(Self { lines, total }) } else { Err(faults) }
    }

    /// The lines in the order of the cart.
    #[must_use]
    pub fn lines(&self) -> &[PricedLine] {
        &self.lines
    }

    /// What is to be paid.
    #[must_use]
    pub const fn total(&self) -> Money {
        self.total
    }

    /// Whether it prices exactly these lines, in this order.
    #[must_use]
    pub fn is_for(&self, lines: &[Line]) -> bool {
        let same = |(priced, line): (&PricedLine, &Line)| {
            priced.sku == line.sku && priced.quantity == line.quantity
        };
        self.lines.len() == lines.len() && self.lines.iter().zip(lines).all(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_AMOUNT;

    fn money(code: &str, minor_units: i64) -> Money {
        Money::from_parts(code, minor_units).unwrap()
    }

    fn line(unit_price: Money, quantity: i32, line_total: i64) -> PricedLine {
        PricedLine {
            sku: "A".parse().unwrap(),
            name: "A".parse().unwrap(),
            quantity: quantity.try_into().unwrap(),
            unit_price,
            line_total: Money::new(unit_price.currency(), line_total).unwrap(),
        }
    }

    #[test]
    fn a_quote_that_adds_up_is_taken() {
        let lines = vec![line(money("GBP", 250), 2, 500), line(money("GBP", 1), 1, 1)];
        assert_eq!(Quote::new(lines, money("GBP", 501)).unwrap().total(), money("GBP", 501));
    }

    #[test]
    fn a_quote_that_does_not_add_up_is_refused_where_it_is_wrong() {
        let lines = vec![line(money("GBP", 250), 2, 501)];
        let faults = Quote::new(lines, money("GBP", 500)).unwrap_err();
        assert_eq!(faults, [QuoteFault::LineTotal { index: 0 }]);
        let lines = vec![line(money("GBP", 250), 2, 500)];
        assert_eq!(Quote::new(lines, money("GBP", 1)).unwrap_err(), [QuoteFault::Total]);
        let lines = vec![line(money("JPY", 250), 2, 500)];
        let expected = money("GBP", 0).currency();
        let faults = Quote::new(lines, money("GBP", 500)).unwrap_err();
        assert_eq!(faults, [QuoteFault::Currency { index: 0, expected }]);
    }

    #[test]
    fn a_sum_that_cannot_be_held_is_refused_as_such() {
        let most = money("GBP", MAX_AMOUNT);
        let one_line = vec![line(most, 1_000_000, 1)];
        assert_eq!(Quote::new(one_line, most).unwrap_err(), [QuoteFault::TooLarge]);
        let two_lines = vec![line(most, 1, MAX_AMOUNT), line(most, 1, MAX_AMOUNT)];
        assert_eq!(Quote::new(two_lines, most).unwrap_err(), [QuoteFault::TooLarge]);
    }
}
