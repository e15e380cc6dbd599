//! What a client shows first.

use std::sync::Arc;

use oxcart_types::{CartFilter, Item};

use super::{Error, prices::Prices};
use crate::{
    clients::{CartClient, CatalogClient, PageRequest, Paged, Shopper},
    domain::cart::PricedCart,
};

/// How many unpurchased carts a storefront shows at most.
const CARTS_SHOWN: i32 = 50;

/// Items for sale, and a user's unpurchased carts.
#[derive(Debug)]
pub struct Storefront {
    /// The first items by SKU.
    pub items: Paged<Item>,
    /// The carts last created.
    pub carts: Paged<PricedCart>,
}

/// Shows storefronts.
#[derive(Clone)]
pub struct Sessions {
    catalog: Arc<dyn CatalogClient>,
    carts: Arc<dyn CartClient>,
    prices: Prices,
}

impl Sessions {
    /// Storefronts over these services.
    #[must_use]
    pub fn new(
        catalog: Arc<dyn CatalogClient>,
        carts: Arc<dyn CartClient>,
        prices: Prices,
    ) -> Self {
        Self { catalog, carts, prices }
    }

    /// Items and carts, asked for at the same time.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn storefront(
        &self,
        shopper: &Shopper,
        item_count: i32,
    ) -> Result<Storefront, Error> {
        let items_page = PageRequest { size: item_count, token: String::new() };
        let carts_page = PageRequest { size: CARTS_SHOWN, token: String::new() };
        let (items, carts) = tokio::try_join!(
            self.catalog.list(&items_page),
            self.carts.list(shopper, CartFilter::Unpurchased, &carts_page),
        )?;
        let entries = self.prices.price_all(carts.entries, items.entries.clone()).await?;
        let carts = Paged { entries, next_page_token: carts.next_page_token };
        Ok(Storefront { items, carts })
    }
}
