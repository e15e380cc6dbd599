//! What a user does with carts.

use std::sync::Arc;

use kit_service::Env;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, Quantity, Sku, UserId, Version,
};
use time::OffsetDateTime;

use super::{Error, TRIES, saved};
use crate::{
    domain::{Cart, Limits, Lines, Refused},
    store::{CartStore, Cursor, Inserted},
};

/// The carts of all users. A clone shares the store.
#[derive(Clone)]
pub struct Carts {
    store: Arc<dyn CartStore>,
    limits: Limits,
    env: Env,
}

impl Carts {
    /// Keeps carts in `store`, within `limits`.
    #[must_use]
    pub fn new(store: Arc<dyn CartStore>, limits: Limits, env: Env) -> Self {
        Self { store, limits, env }
    }

    /// What a user may keep.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Creates a cart, under the caller's id if there is one: repeating it then creates one cart.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::TooManyCarts`].
    pub async fn create(
        &self,
        owner: UserId,
        id: Option<CartId>,
        lines: Lines,
        details: CartDetails,
    ) -> Result<Cart, Error> {
        let id = id.unwrap_or_else(|| self.env.uuid_v7().into());
        let limit = self.limits.max_carts;
        for _ in 0..TRIES {
            let now = self.env.now();
            let cart = Cart::create(owner.clone(), id, lines.clone(), details.clone(), now);
            match self.store.insert_cart(&cart, limit).await? {
                Inserted::New => return Ok(cart),
                Inserted::TooMany => return Err(Error::TooManyCarts { limit }),
                Inserted::Exists => {}
            }
            // It may have been deleted meanwhile: then the id is free again.
            match self.store.cart(&owner, id).await? {
                Some(known) if known.is_as_created_with(&lines, &details) => return Ok(known),
                Some(known) => return Err(Error::Exists { now: Box::new(known) }),
                None => {}
            }
        }
        Err(Error::Contended { cart: id })
    }

    /// Finds a cart.
    ///
    /// # Errors
    /// [`Error::CartNotFound`].
    pub async fn get(&self, owner: &UserId, id: CartId) -> Result<Cart, Error> {
        self.store.cart(owner, id).await?.ok_or(Error::CartNotFound { cart: id })
    }

    /// Lists at most `size` carts behind `after`, the youngest first, and says where the next page
    /// starts if there is one.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(
        &self,
        owner: &UserId,
        filter: CartFilter,
        after: Option<Cursor>,
        size: u32,
    ) -> Result<(Vec<Cart>, Option<Cursor>), Error> {
        let mut carts = self.store.carts(owner, filter, after, i64::from(size) + 1).await?;
        let has_more = carts.len() > size as usize;
        carts.truncate(size as usize);
        let next = carts.last().filter(|_| has_more).map(Cursor::from);
        Ok((carts, next))
    }

    /// Replaces the lines of a cart if there are others, and changes its details as `patch` says. With
    /// `expected_version`, fails as stale unless the cart is still at it; without, the last write
    /// wins.
    ///
    /// # Errors
    /// [`Error::CartNotFound`], [`Error::Refused`], [`Error::Contended`].
    pub async fn update(
        &self,
        owner: &UserId,
        id: CartId,
        expected_version: Option<Version>,
        lines: Option<Lines>,
        patch: &CartDetailsPatch,
    ) -> Result<Cart, Error> {
        self.change(owner, id, |cart, now| cart.update(expected_version, lines.clone(), patch, now))
            .await
    }

    /// Sets how many of one item a cart holds; `None` removes the item.
    ///
    /// # Errors
    /// [`Error::CartNotFound`], [`Error::Refused`], [`Error::Contended`].
    pub async fn set_item(
        &self,
        owner: &UserId,
        id: CartId,
        expected_version: Option<Version>,
        sku: &Sku,
        quantity: Option<Quantity>,
    ) -> Result<Cart, Error> {
        let limits = &self.limits;
        self.change(owner, id, |cart, now| {
            cart.set_item(expected_version, sku, quantity, limits, now)
        })
        .await
    }

    /// Deletes an open cart.
    ///
    /// # Errors
    /// [`Error::CartNotFound`], [`Error::Refused`], [`Error::Contended`].
    pub async fn delete(
        &self,
        owner: &UserId,
        id: CartId,
        expected_version: Option<Version>,
    ) -> Result<(), Error> {
        for attempt in 0..TRIES {
            let cart = self.get(owner, id).await?;
            cart.check_open(expected_version)?;
            let done = self.store.delete_cart(owner, id, cart.version).await;
            if saved(done, attempt, &self.env).await? {
                return Ok(());
            }
        }
        Err(Error::Contended { cart: id })
    }

    /// Read-modify-write with optimistic locking; retries on a version conflict. With an expected
    /// version the retry fails as stale; without one the last write wins.
    async fn change(
        &self,
        owner: &UserId,
        id: CartId,
        decide: impl Fn(&Cart, OffsetDateTime) -> Result<Cart, Refused> + Send,
    ) -> Result<Cart, Error> {
        for attempt in 0..TRIES {
            let cart = self.get(owner, id).await?;
            let next = decide(&cart, self.env.now())?;
            if next == cart {
                return Ok(cart);
            }
            let done = self.store.save_contents(&next, cart.version).await;
            if saved(done, attempt, &self.env).await? {
                return Ok(next);
            }
        }
        Err(Error::Contended { cart: id })
    }
}
