//! Prices of carts, as the catalogue has them now.

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use oxcart_types::{Item, Sku};

use super::error::{Conflict, Error};
use crate::{
    clients::{CallError, CatalogClient, MAX_SKUS_PER_CALL},
    domain::{
        cart::{self, Cart, PricedCart},
        item::Items,
    },
};

/// How many calls to the catalogue one page of large carts makes at a time.
const CALLS_AT_A_TIME: usize = 4;

/// Looks up what things cost.
#[derive(Clone)]
pub struct Prices {
    catalog: Arc<dyn CatalogClient>,
}

impl Prices {
    /// Prices of `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<dyn CatalogClient>) -> Self {
        Self { catalog }
    }

    /// The items with these SKUs, however many; those not for sale are absent.
    ///
    /// # Errors
    /// [`CallError`] of the catalogue.
    pub async fn items(&self, skus: impl IntoIterator<Item = &Sku>) -> Result<Items, CallError> {
        let mut seen = HashSet::new();
        let skus: Vec<Sku> = skus.into_iter().filter(|sku| seen.insert(*sku)).cloned().collect();
        let calls: Vec<_> = skus.chunks(MAX_SKUS_PER_CALL).map(<[Sku]>::to_vec).collect();
        let calls = calls.into_iter().map(|skus| {
            let catalog = self.catalog.clone();
            async move { catalog.descriptions(&skus).await }
        });
        let mut found = Items::default();
        let mut answers = stream::iter(calls).buffered(CALLS_AT_A_TIME);
        while let Some(items) = answers.try_next().await? {
            found.merge(items);
        }
        Ok(found)
    }

    /// A cart with its prices.
    ///
    /// # Errors
    /// [`CallError`] of the catalogue.
    pub async fn price(&self, cart: Cart) -> Result<PricedCart, CallError> {
        let priced = self.price_all(vec![cart.clone()], []).await?;
        // One cart went in, so one comes out.
        Ok(priced.into_iter().next().unwrap_or_else(|| cart::price(cart, &Items::default())))
    }

    /// Carts with their prices. Items that are `known` are not asked for again.
    ///
    /// # Errors
    /// [`CallError`] of the catalogue.
    pub async fn price_all(
        &self,
        carts: Vec<Cart>,
        known: impl IntoIterator<Item = Item>,
    ) -> Result<Vec<PricedCart>, CallError> {
        let mut items: Items = known.into_iter().collect();
        let open = carts.iter().filter(|cart| cart.quote.is_none());
        let skus = open.flat_map(|cart| &cart.lines).map(|line| &line.sku);
        let missing: Vec<&Sku> = skus.filter(|sku| items.get(sku).is_none()).collect();
        items.merge(self.items(missing).await?);
        Ok(carts.into_iter().map(|cart| cart::price(cart, &items)).collect())
    }

    /// Gives the cart that came with a refusal its prices; passes every other failure on.
    pub async fn price_conflict(&self, error: CallError) -> Error {
        let Some(conflict) = error.reason().and_then(Conflict::of) else { return error.into() };
        let CallError::Refused { refused, .. } = &error else { return error.into() };
        let Some(cart) = refused.cart.clone() else { return error.into() };
        match self.price(cart).await {
            Ok(cart) => Error::Conflict { conflict, cart: Box::new(cart) },
            Err(error) => error.into(),
        }
    }
}
