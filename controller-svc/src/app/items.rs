//! What is for sale, passed on from the catalogue.

use std::{collections::HashSet, sync::Arc};

use futures_util::stream::BoxStream;
use oxcart_types::{Item, Sku};

use super::{Error, prices::Prices};
use crate::clients::{
    CatalogClient, CsvChunk, Imported, Interrupted, PageRequest, Paged, ServiceToken,
};

/// Items that were asked for by SKU.
#[derive(Debug)]
pub struct Found {
    /// Those for sale, in the order of the request, each once.
    pub items: Vec<Item>,
    /// The others, likewise.
    pub missing: Vec<Sku>,
}

/// The items for sale.
#[derive(Clone)]
pub struct Catalogue {
    catalog: Arc<dyn CatalogClient>,
    prices: Prices,
}

impl Catalogue {
    /// The items of `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<dyn CatalogClient>) -> Self {
        Self { prices: Prices::new(catalog.clone()), catalog }
    }

    /// A page of all items.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn list(&self, page: &PageRequest) -> Result<Paged<Item>, Error> {
        Ok(self.catalog.list(page).await?)
    }

    /// A page of the items that match.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn search(&self, query: &str, page: &PageRequest) -> Result<Paged<Item>, Error> {
        Ok(self.catalog.search(query, page).await?)
    }

    /// Items by SKU.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn get(&self, skus: &[Sku]) -> Result<Found, Error> {
        let found = self.prices.items(skus).await?;
        let mut seen = HashSet::new();
        let each_once = skus.iter().filter(|sku| seen.insert(*sku));
        let (mut items, mut missing) = (Vec::new(), Vec::new());
        for sku in each_once {
            match found.get(sku) {
                Some(item) => items.push(item.clone()),
                None => missing.push(sku.clone()),
            }
        }
        Ok(Found { items, missing })
    }

    /// Loads a catalogue for the service whose `token` it is.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn import(
        &self,
        token: ServiceToken,
        chunks: BoxStream<'static, Result<CsvChunk, Interrupted>>,
    ) -> Result<Imported, Error> {
        Ok(self.catalog.import(token, chunks).await?)
    }
}
