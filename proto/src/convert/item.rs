//! Items for sale.

use oxcart_types::Item;

use crate::{BadFields, common};

impl From<Item> for common::Item {
    fn from(item: Item) -> Self {
        Self {
            sku: item.sku.to_string(),
            name: item.name.to_string(),
            description: item.description.to_string(),
            price: Some(item.price.money().into()),
        }
    }
}

impl BadFields {
    /// Reads an item that must be set.
    pub fn item(&mut self, path: &str, item: Option<&common::Item>) -> Option<Item> {
        let item = self.required(path, item)?;
        let sku = self.take(format!("{path}.sku"), item.sku.parse());
        let name = self.take(format!("{path}.name"), item.name.parse());
        let description = self.take(format!("{path}.description"), item.description.parse());
        let price = self.price(&format!("{path}.price"), item.price.as_ref());
        Some(Item { sku: sku?, name: name?, description: description?, price: price? })
    }
}
