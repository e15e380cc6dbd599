//! What is for sale. Deliberately absent: where it comes from, and how many are in stock.

use std::collections::HashMap;

use oxcart_types::{Money, Sku};

/// Something that is for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub sku: Sku,
    /// What shoppers see in lists.
    pub name: String,
    /// What shoppers see beside it; may be empty.
    pub description: String,
    /// The price of one piece.
    pub price: Money,
}

/// Items to look up by SKU. Nothing is ever read from it in its own order.
#[derive(Debug, Clone, Default)]
pub struct Items(HashMap<Sku, Item>);

impl Items {
    /// The item with this SKU, if it is for sale.
    #[must_use]
    pub fn get(&self, sku: &Sku) -> Option<&Item> {
        self.0.get(sku)
    }

    /// Adds what another call found.
    pub fn merge(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl Extend<Item> for Items {
    fn extend<I: IntoIterator<Item = Item>>(&mut self, items: I) {
        self.0.extend(items.into_iter().map(|item| (item.sku.clone(), item)));
    }
}

impl FromIterator<Item> for Items {
    fn from_iter<I: IntoIterator<Item = Item>>(items: I) -> Self {
        let mut found = Self::default();
        found.extend(items);
        found
    }
}
