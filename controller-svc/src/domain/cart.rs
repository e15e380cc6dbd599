//! What a cart costs: its lines joined with the items for sale, in checked arithmetic.
//!
//! A cart is always shown, whatever became of its items: what cannot be priced is left out of the
//! total or leaves the cart without one. Only a [`Quote`], which is what can be paid, is strict.

use oxcart_types::{
    CartDetails, CartId, CartState, CheckoutId, Currency, ItemName, Line, Money, MoneyError,
    Quantity, Quote, Sku, Version,
};
use time::OffsetDateTime;

use super::item::Items;

/// A cart as the cart service keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cart {
    /// Its name.
    pub id: CartId,
    /// Whether it may change.
    pub state: CartState,
    /// The checkout that froze or purchased it; none if it is open.
    pub checkout: Option<CheckoutId>,
    /// What it holds, each SKU once.
    pub lines: Vec<Line>,
    /// What its owner wrote on it.
    pub details: CartDetails,
    /// Counts its changes.
    pub version: Version,
    /// Its lines as the checkout that holds it has recorded them. None if it is open.
    pub quote: Option<Quote>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
    /// When it was purchased. Only if it is.
    pub purchased_at: Option<OffsetDateTime>,
}

impl Cart {
    /// Whether a line names this SKU.
    #[must_use]
    pub fn holds(&self, sku: &Sku) -> bool {
        self.lines.iter().any(|line| line.sku == *sku)
    }

    /// Its lines after one of them was set.
    #[must_use]
    pub fn lines_with(&self, sku: &Sku, quantity: Quantity) -> Vec<Line> {
        let mut lines = self.lines.clone();
        match lines.iter_mut().find(|line| line.sku == *sku) {
            Some(line) => line.quantity = quantity,
            None => lines.push(Line { sku: sku.clone(), quantity }),
        }
        lines
    }
}

/// What a line's item is called and costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The item's name.
    pub name: ItemName,
    /// The item's description; empty in what a checkout has recorded.
    pub description: String,
    /// The price of one piece.
    pub unit: Money,
    /// The price of the line; none if it is over the largest amount.
    pub line: Option<Money>,
}

/// A line and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedLine {
    /// The item.
    pub sku: Sku,
    /// How many of it.
    pub quantity: Quantity,
    /// None if the item has left the catalogue.
    pub price: Option<Price>,
}

/// As a checkout has recorded it.
impl From<&oxcart_types::PricedLine> for PricedLine {
    fn from(line: &oxcart_types::PricedLine) -> Self {
        let price = Price {
            name: line.name.clone(),
            description: String::new(),
            unit: line.unit_price,
            line: Some(line.line_total),
        };
        Self { sku: line.sku.clone(), quantity: line.quantity, price: Some(price) }
    }
}

impl PricedLine {
    /// The line as it can be paid; none if it has no price.
    fn payable(&self) -> Option<oxcart_types::PricedLine> {
        let price = self.price.as_ref()?;
        Some(oxcart_types::PricedLine {
            sku: self.sku.clone(),
            name: price.name.clone(),
            quantity: self.quantity,
            unit_price: price.unit,
            line_total: price.line?,
        })
    }
}

/// A cart and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedCart {
    /// The cart.
    pub cart: Cart,
    /// Its lines.
    pub lines: Vec<PricedLine>,
    /// The sum of the lines that are available; none if there is no such sum.
    pub total: Option<Money>,
}

/// Why lines have no price, or none that can be paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// The item is priced in another currency than the line before it.
    #[error("item {sku} is priced in {found}, the rest of the cart in {expected}")]
    CurrencyMixed {
        /// The item.
        sku: Sku,
        /// What it is priced in.
        found: Currency,
        /// What the lines before it are priced in.
        expected: Currency,
    },
    /// A line or the sum is over the largest amount.
    #[error("the cart's total is over the largest amount")]
    TotalTooLarge,
    /// Items have left the catalogue.
    #[error("items of the cart are not for sale any more")]
    Unavailable {
        /// Which.
        skus: Vec<Sku>,
    },
    /// There are no lines.
    #[error("the cart is empty")]
    Empty,
    /// The sum is zero.
    #[error("the cart's total is zero, there is nothing to pay")]
    NothingToPay,
}

/// Joins lines with items. A line whose item is not for sale stays, without a price.
#[must_use]
pub fn price_lines(lines: &[Line], items: &Items) -> Vec<PricedLine> {
    let price = |line: &Line| {
        items.get(&line.sku).map(|item| Price {
            name: item.name.clone(),
            description: item.description.to_string(),
            unit: item.price.money(),
            line: item.price.money().checked_mul(line.quantity).ok(),
        })
    };
    let priced = |line: &Line| PricedLine {
        sku: line.sku.clone(),
        quantity: line.quantity,
        price: price(line),
    };
    lines.iter().map(priced).collect()
}

/// Adds up the lines that are available; none if no line is.
///
/// # Errors
/// [`PricingError::CurrencyMixed`], [`PricingError::TotalTooLarge`].
pub fn total(lines: &[PricedLine]) -> Result<Option<Money>, PricingError> {
    let mut sum: Option<Money> = None;
    for line in lines {
        let Some(price) = &line.price else { continue };
        let so_far = sum.unwrap_or(Money::zero(price.unit.currency()));
        // The currency is compared first: it is what is wrong, whatever the line comes to.
        if price.unit.currency() != so_far.currency() {
            return Err(PricingError::CurrencyMixed {
                sku: line.sku.clone(),
                found: price.unit.currency(),
                expected: so_far.currency(),
            });
        }
        let line = price.line.ok_or(PricingError::TotalTooLarge)?;
        let added = so_far.checked_add(line);
        sum = Some(added.map_err(|_: MoneyError| PricingError::TotalTooLarge)?);
    }
    Ok(sum)
}

/// Shows a cart: at the prices of `items` if it is open, else as its checkout has recorded it.
#[must_use]
pub fn price(cart: Cart, items: &Items) -> PricedCart {
    if let Some(quote) = &cart.quote {
        let lines = quote.lines().iter().map(PricedLine::from).collect();
        return PricedCart { lines, total: Some(quote.total()), cart };
    }
    let lines = price_lines(&cart.lines, items);
    let total = total(&lines).ok().flatten();
    PricedCart { cart, lines, total }
}

/// What is to be paid for lines.
///
/// # Errors
/// Any [`PricingError`].
pub fn quote(lines: &[Line], items: &Items) -> Result<Quote, PricingError> {
    if lines.is_empty() {
        return Err(PricingError::Empty);
    }
    let lines = price_lines(lines, items);
    let gone = lines.iter().filter(|line| line.price.is_none());
    let skus: Vec<Sku> = gone.map(|line| line.sku.clone()).collect();
    if !skus.is_empty() {
        return Err(PricingError::Unavailable { skus });
    }
    let sum = total(&lines)?.filter(|sum| sum.minor_units() >= 1);
    let total = sum.ok_or(PricingError::NothingToPay)?;
    let payable = lines.iter().filter_map(PricedLine::payable).collect();
    // The sum was made of these very lines.
    Quote::new(payable, total).map_err(|_| PricingError::TotalTooLarge)
}

#[cfg(test)]
mod tests;
