//! What can be done with the catalogue: load, decide, save.

mod error;

use std::{collections::HashMap, sync::Arc};

use oxcart_types::{Currency, Item, Sku};

pub use error::Error;
// What the use cases answer and fail with: the api knows them as words of ours.
pub use crate::store::{Saved, StoreError};
use crate::{
    domain::{
        import,
        item::ItemSet,
        search::{Match, Place, Query},
    },
    store::CatalogStore,
};

/// Items that were looked up by SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptions {
    /// Those that exist, in the order in which they were asked for, each once.
    pub items: Vec<Item>,
    /// The SKUs of the others, likewise.
    pub missing: Vec<Sku>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part<T> {
    /// Its rows.
    pub rows: Vec<T>,
    /// Whether there are more behind the last of them.
    pub has_more: bool,
}

impl<T> Part<T> {
    /// Cuts off what was read beyond `size` to see whether there is more.
    fn cut(mut rows: Vec<T>, size: u32) -> Self {
        let has_more = rows.len() > size as usize;
        rows.truncate(size as usize);
        Self { rows, has_more }
    }
}

/// The catalogue. A clone is the same one.
#[derive(Clone)]
pub struct Catalog {
    store: Arc<dyn CatalogStore>,
}

impl Catalog {
    /// The catalogue kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn CatalogStore>) -> Self {
        Self { store }
    }

    /// Looks items up.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn descriptions(&self, skus: &[Sku]) -> Result<Descriptions, Error> {
        let found = self.store.find(skus).await?;
        let mut found: HashMap<Sku, Option<Item>> =
            found.into_iter().map(|item| (item.sku.clone(), Some(item))).collect();
        let mut descriptions = Descriptions { items: Vec::new(), missing: Vec::new() };
        for sku in skus {
            match found.insert(sku.clone(), None) {
                Some(Some(item)) => descriptions.items.push(item),
                Some(None) => {} // Answered before.
                None => descriptions.missing.push(sku.clone()),
            }
        }
        Ok(descriptions)
    }

    /// Up to `size` items by SKU, those behind `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self, after: Option<&Sku>, size: u32) -> Result<Part<Item>, Error> {
        Ok(Part::cut(self.store.list(after, size + 1).await?, size))
    }

    /// Up to `size` items that match `query`, best first, those behind `after`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn search(
        &self,
        query: &Query,
        after: Option<&Place>,
        size: u32,
    ) -> Result<Part<Match>, Error> {
        Ok(Part::cut(self.store.search(query, after, size + 1).await?, size))
    }

    /// Stores all items of a CSV file, or none.
    ///
    /// # Errors
    /// [`Error::BadFile`], [`Error::Interrupted`], [`Error::Store`].
    pub async fn import(&self, file: Vec<u8>, default_currency: Currency) -> Result<Saved, Error> {
        // A large file takes longer than a task may keep its thread from others.
        let parse = move || import::parse(&file, default_currency);
        let items = tokio::task::spawn_blocking(parse).await??;
        let saved = self.store.save(&items).await?;
        tracing::info!(saved.created, saved.updated, saved.unchanged, "imported items");
        Ok(saved)
    }

    /// Imports `file` unless something is for sale already. Answers what that did, if anything.
    ///
    /// # Errors
    /// As [`Self::import`].
    pub async fn import_if_empty(
        &self,
        file: &str,
        default_currency: Currency,
    ) -> Result<Option<Saved>, Error> {
        if !self.store.list(None, 1).await?.is_empty() {
            return Ok(None);
        }
        self.import(file.into(), default_currency).await.map(Some)
    }

    /// Stores one item.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn upsert(&self, item: Item) -> Result<(), Error> {
        let sku = item.sku.clone();
        self.store.save(&ItemSet::from_iter([item])).await?;
        tracing::info!(item.sku = %sku, "stored item {sku}");
        Ok(())
    }

    /// Takes one item out.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn delete(&self, sku: Sku) -> Result<(), Error> {
        if !self.store.delete(&sku).await? {
            return Err(Error::NotFound { sku });
        }
        tracing::info!(item.sku = %sku, "took item {sku} out of the catalogue");
        Ok(())
    }
}
