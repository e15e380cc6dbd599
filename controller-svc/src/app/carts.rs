//! Carts with prices. What goes into a cart must be for sale, or in it already.

use std::sync::Arc;

use oxcart_proto::Reason;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, Line, Quantity, Sku, Version,
};

use super::{Error, prices::Prices};
use crate::{
    clients::{CallError, CartClient, PageRequest, Paged, Shopper},
    domain::{
        cart::{self, Cart, PricedCart},
        item::Items,
    },
};

/// The use cases of carts.
#[derive(Clone)]
pub struct Carts {
    carts: Arc<dyn CartClient>,
    prices: Prices,
}

impl Carts {
    /// Carts of `carts` at `prices`.
    #[must_use]
    pub fn new(carts: Arc<dyn CartClient>, prices: Prices) -> Self {
        Self { carts, prices }
    }

    /// A cart as it is kept, with the items it holds.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub(super) async fn load(&self, shopper: &Shopper, id: CartId) -> Result<(Cart, Items), Error> {
        let cart = self.carts.get(shopper, id).await?;
        let items = self.prices.items(cart.lines.iter().map(|line| &line.sku)).await?;
        Ok((cart, items))
    }

    /// The prices in use.
    pub(super) const fn prices(&self) -> &Prices {
        &self.prices
    }

    /// A cart.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn get(&self, shopper: &Shopper, id: CartId) -> Result<PricedCart, Error> {
        let cart = self.carts.get(shopper, id).await?;
        Ok(self.prices.price(cart).await?)
    }

    /// A page of carts.
    ///
    /// # Errors
    /// [`Error::Call`].
    pub async fn list(
        &self,
        shopper: &Shopper,
        filter: CartFilter,
        page: &PageRequest,
    ) -> Result<Paged<PricedCart>, Error> {
        let found = self.carts.list(shopper, filter, page).await?;
        let entries = self.prices.price_all(found.entries, []).await?;
        Ok(Paged { entries, next_page_token: found.next_page_token })
    }

    /// Creates a cart.
    ///
    /// # Errors
    /// [`Error::ItemsUnknown`], [`Error::Pricing`], [`Error::Conflict`],
    /// [`Error::Call`].
    pub async fn create(
        &self,
        shopper: &Shopper,
        id: Option<CartId>,
        lines: &[Line],
        details: &CartDetails,
    ) -> Result<PricedCart, Error> {
        let items = self.check(shopper, id, lines).await?;
        let created = self.carts.create(shopper, id, lines, details).await;
        self.answer(created, items).await
    }

    /// Replaces the lines of a cart if there are others, and changes its details as `patch` says.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn update(
        &self,
        shopper: &Shopper,
        id: CartId,
        lines: Option<&[Line]>,
        patch: &CartDetailsPatch,
        expected_version: Option<Version>,
    ) -> Result<PricedCart, Error> {
        let items = self.check(shopper, Some(id), lines.unwrap_or_default()).await?;
        let updated = self.carts.update(shopper, id, lines, patch, expected_version).await;
        self.answer(updated, items).await
    }

    /// Sets one line; no quantity removes it, whatever became of the item and of the total.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn set_item(
        &self,
        shopper: &Shopper,
        id: CartId,
        sku: &Sku,
        quantity: Option<Quantity>,
        expected_version: Option<Version>,
    ) -> Result<PricedCart, Error> {
        let items = match quantity {
            None => Items::default(),
            Some(quantity) => self.check_line(shopper, id, sku, quantity).await?,
        };
        let pieces = quantity.map_or(0, Quantity::get);
        let changed = self.carts.set_item(shopper, id, sku, pieces, expected_version).await;
        self.answer(changed, items).await
    }

    /// Deletes a cart.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Call`].
    pub async fn delete(
        &self,
        shopper: &Shopper,
        id: CartId,
        expected_version: Option<Version>,
    ) -> Result<(), Error> {
        match self.carts.delete(shopper, id, expected_version).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.prices.price_conflict(error).await),
        }
    }

    /// Refuses lines whose items are neither for sale nor in the cart already, and lines that have
    /// no total. Two changes at the same time can still leave a cart without one; it is shown so,
    /// and its checkout is refused.
    async fn check(
        &self,
        shopper: &Shopper,
        id: Option<CartId>,
        lines: &[Line],
    ) -> Result<Items, Error> {
        let items = self.prices.items(lines.iter().map(|line| &line.sku)).await?;
        let mut unknown: Vec<(String, Sku)> = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| items.get(&line.sku).is_none())
            .map(|(index, line)| (format!("lines[{index}].sku"), line.sku.clone()))
            .collect();
        if let Some(id) = id.filter(|_| !unknown.is_empty()) {
            let held = self.existing(shopper, id).await?;
            unknown.retain(|(_, sku)| !held.as_ref().is_some_and(|cart| cart.holds(sku)));
        }
        if !unknown.is_empty() {
            return Err(Error::ItemsUnknown { items: unknown });
        }
        cart::total(&cart::price_lines(lines, &items))?;
        Ok(items)
    }

    /// A cart that may not be there: a client names the cart that it creates.
    async fn existing(&self, shopper: &Shopper, id: CartId) -> Result<Option<Cart>, Error> {
        match self.carts.get(shopper, id).await {
            Ok(cart) => Ok(Some(cart)),
            Err(error) if error.reason() == Some(Reason::CartNotFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn check_line(
        &self,
        shopper: &Shopper,
        id: CartId,
        sku: &Sku,
        quantity: Quantity,
    ) -> Result<Items, Error> {
        let cart = self.carts.get(shopper, id).await?;
        let lines = cart.lines_with(sku, quantity);
        let items = self.prices.items(lines.iter().map(|line| &line.sku)).await?;
        if items.get(sku).is_none() && !cart.holds(sku) {
            return Err(Error::ItemsUnknown { items: vec![("line.sku".into(), sku.clone())] });
        }
        cart::total(&cart::price_lines(&lines, &items))?;
        Ok(items)
    }

    /// Gives a changed cart its prices. Items that were just looked up are not asked for again.
    async fn answer(
        &self,
        changed: Result<Cart, CallError>,
        items: Items,
    ) -> Result<PricedCart, Error> {
        match changed {
            Err(error) => Err(self.prices.price_conflict(error).await),
            Ok(cart) if cart.lines.iter().all(|line| items.get(&line.sku).is_some()) => {
                Ok(cart::price(cart, &items))
            }
            Ok(cart) => Ok(self.prices.price(cart).await.map_err(CallError::after_a_change)?),
        }
    }
}
