//! What a user does with carts.

use std::sync::Arc;

use oxcart_types::{CartId, Quantity, Sku, UserId, Version};
use service_kit::Sources;
use time::OffsetDateTime;

use super::{AppError, TRIES, saved};
use crate::{
    domain::{Cart, Limits, Lines, Refused},
    store::{CartStore, Cursor, Inserted, Shelf},
};

/// The carts of all users. A clone shares the store.
#[derive(Clone)]
pub struct Carts {
    store: Arc<dyn CartStore>,
    limits: Limits,
    sources: Sources,
}

impl Carts {
    /// Keeps carts in `store`, within `limits`.
    #[must_use]
    pub fn new(store: Arc<dyn CartStore>, limits: Limits, sources: Sources) -> Self {
        Self { store, limits, sources }
    }

    /// What a user may keep.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Creates a cart, under the caller's id if there is one: repeating it then creates one cart.
    ///
    /// # Errors
    /// [`AppError::Exists`], [`AppError::TooManyCarts`].
    pub async fn create(
        &self,
        owner: UserId,
        id: Option<CartId>,
        lines: Lines,
    ) -> Result<Cart, AppError> {
        let id = id.unwrap_or_else(|| self.sources.uuid_v7().into());
        let limit = self.limits.max_carts;
        for _ in 0..TRIES {
            let now = self.sources.now();
            let cart = Cart::create(owner.clone(), id, lines.clone(), now);
            match self.store.insert_cart(&cart, limit).await? {
                Inserted::New => return Ok(cart),
                Inserted::TooMany => return Err(AppError::TooManyCarts { limit }),
                Inserted::Exists => {}
            }
            // It may have been deleted meanwhile: then the id is free again.
            match self.store.cart(&owner, id).await? {
                Some(known) if known.is_as_created_with(&lines) => return Ok(known),
                Some(known) => return Err(AppError::Exists { now: Box::new(known) }),
                None => {}
            }
        }
        Err(AppError::Contended { cart: id })
    }

    /// Finds a cart.
    ///
    /// # Errors
    /// [`AppError::NoCart`].
    pub async fn get(&self, owner: &UserId, id: CartId) -> Result<Cart, AppError> {
        self.store.cart(owner, id).await?.ok_or(AppError::NoCart { cart: id })
    }

    /// Lists at most `size` carts behind `after`, the youngest first, and says where the next page
    /// starts if there is one.
    ///
    /// # Errors
    /// [`AppError::Store`].
    pub async fn find(
        &self,
        owner: &UserId,
        which: Shelf,
        after: Option<Cursor>,
        size: u32,
    ) -> Result<(Vec<Cart>, Option<Cursor>), AppError> {
        let mut carts = self.store.carts(owner, which, after, i64::from(size) + 1).await?;
        let has_more = carts.len() > size as usize;
        carts.truncate(size as usize);
        let next = carts.last().filter(|_| has_more).map(Cursor::from);
        Ok((carts, next))
    }

    /// Replaces the contents of a cart; `seen` is the version that the caller has read, if he cares.
    ///
    /// # Errors
    /// [`AppError::NoCart`], [`AppError::Refused`], [`AppError::Contended`].
    pub async fn update(
        &self,
        owner: &UserId,
        id: CartId,
        seen: Option<Version>,
        lines: Lines,
    ) -> Result<Cart, AppError> {
        self.change(owner, id, |cart, now| cart.replace_lines(seen, lines.clone(), now)).await
    }

    /// Sets how many of one item a cart holds; `None` removes the item.
    ///
    /// # Errors
    /// [`AppError::NoCart`], [`AppError::Refused`], [`AppError::Contended`].
    pub async fn set_item(
        &self,
        owner: &UserId,
        id: CartId,
        seen: Option<Version>,
        sku: &Sku,
        quantity: Option<Quantity>,
    ) -> Result<Cart, AppError> {
        let limits = &self.limits;
        self.change(owner, id, |cart, now| cart.set_item(seen, sku, quantity, limits, now)).await
    }

    /// Deletes an open cart.
    ///
    /// # Errors
    /// [`AppError::NoCart`], [`AppError::Refused`], [`AppError::Contended`].
    pub async fn delete(
        &self,
        owner: &UserId,
        id: CartId,
        seen: Option<Version>,
    ) -> Result<(), AppError> {
        for attempt in 0..TRIES {
            let cart = self.get(owner, id).await?;
            cart.check_open(seen)?;
            let done = self.store.delete_cart(owner, id, cart.version).await;
            if saved(done, attempt, &self.sources).await? {
                return Ok(());
            }
        }
        Err(AppError::Contended { cart: id })
    }

    /// Loads, decides and saves until nobody else has saved in between. Who named a version finds
    /// it stale the second time round; who did not has the last word.
    async fn change(
        &self,
        owner: &UserId,
        id: CartId,
        decide: impl Fn(&Cart, OffsetDateTime) -> Result<Cart, Refused> + Send,
    ) -> Result<Cart, AppError> {
        for attempt in 0..TRIES {
            let cart = self.get(owner, id).await?;
            let next = decide(&cart, self.sources.now())?;
            if next == cart {
                return Ok(cart);
            }
            let done = self.store.save_lines(&next, cart.version).await;
            if saved(done, attempt, &self.sources).await? {
                return Ok(next);
            }
        }
        Err(AppError::Contended { cart: id })
    }
}
