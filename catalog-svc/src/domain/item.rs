//! Items as stores take them.

use std::collections::BTreeMap;

use oxcart_types::{Item, Sku};

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
