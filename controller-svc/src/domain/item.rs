//! Items to look up by SKU.

use std::collections::HashMap;

use oxcart_types::{Item, Sku};

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
