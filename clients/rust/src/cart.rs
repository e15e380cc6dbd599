//! Changes of carts: idempotent by the client's own cart ids and by absolute quantities; with an etag
//! (optimistic locking) a lost answer is resolved by reading the cart.

use std::{collections::BTreeMap, future::Future};

use oxcart_proto::{
    common::{ErrorReason, Line},
    controller::{Cart, CreateCartRequest, DeleteCartRequest, SetItemRequest, UpdateCartRequest},
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::{
    error::{CallError, Error},
    shopper::{Shopper, Store},
};

/// So many pieces of one item.
pub fn line(sku: impl Into<String>, quantity: i32) -> Line {
    Line { sku: sku.into(), quantity: Some(quantity) }
}

/// What a cart is to hold: each SKU once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// The items, in this order.
    pub lines: Vec<Line>,
    /// What the shopper writes on the cart, such as a gift message: at most 500 characters. `None`
    /// leaves the note of a cart as it is; an empty text removes it.
    pub note: Option<String>,
}

impl Contents {
    /// The same lines, with this note.
    #[must_use]
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

impl From<Vec<Line>> for Contents {
    fn from(lines: Vec<Line>) -> Self {
        Self { lines, note: None }
    }
}

impl<const N: usize> From<[Line; N]> for Contents {
    fn from(lines: [Line; N]) -> Self {
        Self { lines: lines.into(), note: None }
    }
}

impl FromIterator<Line> for Contents {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        Self { lines: lines.into_iter().collect(), note: None }
    }
}

/// Which cart is to be changed, and on which condition (optimistic locking).
///
/// | from | the cart is changed |
/// |---|---|
/// | a `&Cart` | only if it is still as it was when it was read; else `CART_STALE` |
/// | its id | always: last write wins |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartRef {
    cart_id: String,
    /// Empty: any.
    etag: String,
}

impl From<&Cart> for CartRef {
    fn from(seen: &Cart) -> Self {
        Self { cart_id: seen.cart_id.clone(), etag: seen.etag.clone() }
    }
}

impl From<&str> for CartRef {
    fn from(cart_id: &str) -> Self {
        cart_id.to_owned().into()
    }
}

impl From<&String> for CartRef {
    fn from(cart_id: &String) -> Self {
        cart_id.clone().into()
    }
}

impl From<String> for CartRef {
    fn from(cart_id: String) -> Self {
        Self { cart_id, etag: String::new() }
    }
}

impl Shopper {
    /// Creates a cart. Idempotent: the client makes its id, so repeated calls create one cart.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn create_cart(&self, contents: impl Into<Contents>) -> Result<Cart, Error> {
        self.create_cart_as(new_id(), contents).await
    }

    /// Creates a cart under an id that the caller keeps: a UUID. Idempotent across processes: created
    /// again it is the same cart, or `CART_EXISTS` if that has changed since.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn create_cart_as(
        &self,
        cart_id: impl Into<String>,
        contents: impl Into<Contents>,
    ) -> Result<Cart, Error> {
        let method = "CreateCart";
        let Contents { lines, note } = contents.into();
        let note = note.unwrap_or_default();
        let message = CreateCartRequest { cart_id: cart_id.into(), lines, note };
        let answer = self.caller.repeat(method, message, |mut store, request| async move {
            store.create_cart(request).await
        });
        Ok(answer.await?.cart.ok_or_else(|| CallError::incomplete(method, "cart"))?)
    }

    /// Replaces what a cart holds; without lines it is emptied, and one with a quantity of 0 is dropped.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn update_cart(
        &self,
        cart: impl Into<CartRef>,
        contents: impl Into<Contents>,
    ) -> Result<Cart, Error> {
        let (cart, Contents { lines, note }) = (cart.into(), contents.into());
        let CartRef { cart_id, etag } = cart.clone();
        let message = UpdateCartRequest {
            cart_id,
            lines: lines.clone(),
            etag,
            note: note.clone(),
            remove_all_lines: lines.is_empty(),
        };
        let wanted = lines.iter().map(|line| (line.sku.as_str(), line.quantity()));
        let wanted: BTreeMap<_, _> = wanted.filter(|(_, pieces)| *pieces != 0).collect();
        let is_as_wanted = |cart: &Cart| {
            quantities(cart) == wanted && note.as_ref().is_none_or(|note| *note == cart.note)
        };
        let send = |mut store: Store, request| async move {
            let answer = store.update_cart(request).await?;
            Ok(answer.map(|answer| answer.cart))
        };
        self.change(&cart, "UpdateCart", message, send, is_as_wanted).await
    }

    /// Sets how many of an item a cart holds; 0 removes the item.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn set_item(&self, cart: impl Into<CartRef>, line: Line) -> Result<Cart, Error> {
        let cart = cart.into();
        let CartRef { cart_id, etag } = cart.clone();
        let message = SetItemRequest { cart_id, line: Some(line.clone()), etag };
        let is_as_wanted = |cart: &Cart| {
            quantities(cart).get(line.sku.as_str()).copied().unwrap_or_default() == line.quantity()
        };
        let send = |mut store: Store, request| async move {
            let answer = store.set_item(request).await?;
            Ok(answer.map(|answer| answer.cart))
        };
        self.change(&cart, "SetItem", message, send, is_as_wanted).await
    }

    /// Deletes an open cart. After a try without an answer, a cart that is gone counts as deleted.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn delete_cart(&self, cart: impl Into<CartRef>) -> Result<(), Error> {
        let cart = cart.into();
        let CartRef { cart_id, etag } = cart.clone();
        let message = DeleteCartRequest { cart_id, etag };
        let send = |mut store: Store, request| async move {
            store.delete_cart(request).await.map(|answer| answer.map(drop))
        };
        let is_gone = |read: Result<Cart, Error>| {
            let error = read.err()?;
            (error.reason() == Some(ErrorReason::CartNotFound)).then_some(())
        };
        self.settle(&cart, "DeleteCart", message, send, is_gone).await
    }

    /// Changes a cart. Without an etag that is safe to repeat. With one, a further try may meet the
    /// change of an earlier one that was not answered: a cart that is another by now, and holds what
    /// was asked for, counts as changed.
    async fn change<Q: Clone, F>(
        &self,
        cart: &CartRef,
        method: &'static str,
        message: Q,
        send: impl Fn(Store, Request<Q>) -> F,
        is_as_wanted: impl Fn(&Cart) -> bool,
    ) -> Result<Cart, Error>
    where
        F: Future<Output = Result<Response<Option<Cart>>, Status>>,
    {
        let changed = if cart.etag.is_empty() {
            self.caller.repeat(method, message, send).await
        } else {
            let is_changed = |read: Result<Cart, Error>| {
                let now = read.ok().filter(|now| now.etag != cart.etag && is_as_wanted(now));
                now.map(Some)
            };
            self.settle(cart, method, message, send, is_changed).await
        };
        Ok(changed?.ok_or_else(|| CallError::incomplete(method, "cart"))?)
    }

    /// Makes a change that is not safe to repeat. After a try without an answer the cart is read:
    /// `find` says what the change has come to, and only if it was not made it is tried again.
    async fn settle<Q: Clone, A, F>(
        &self,
        cart: &CartRef,
        method: &'static str,
        message: Q,
        send: impl Fn(Store, Request<Q>) -> F,
        find: impl Fn(Result<Cart, Error>) -> Option<A>,
    ) -> Result<A, Error>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut tries = self.caller.tries();
        let mut is_unknown = false;
        loop {
            let error = match self.caller.once(&mut tries, method, message.clone(), &send).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            is_unknown |= error.is_retriable();
            if is_unknown && let Some(rest) = tries.rest() {
                let read = self.get_cart_within(rest, cart.cart_id.clone()).await;
                if let Some(answer) = find(read) {
                    return Ok(answer);
                }
            }
            tries.pause(error).await?;
        }
    }
}

fn quantities(cart: &Cart) -> BTreeMap<&str, i32> {
    cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
}

/// A UUID of version 7. Carts that are made later sort later.
#[expect(clippy::disallowed_methods, reason = "a client's own ids need no clock from outside")]
pub(crate) fn new_id() -> String {
    Uuid::now_v7().to_string()
}
