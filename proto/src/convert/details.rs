//! The details of a cart: its optional texts, which stand in the messages beside other fields.
//!
//! Written with struct update syntax: `Cart { cart_id, lines, ..Cart::from(&details) }`.

use oxcart_types::{CartDetails, CartDetailsPatch, Note};

use crate::{BadFields, cart, controller};

/// The fields of a message that are the details of a cart.
#[derive(Debug, Clone, Copy)]
pub struct DetailsFields<'a> {
    note: &'a str,
}

/// The fields of a message that change the details of a cart.
#[derive(Debug, Clone, Copy)]
pub struct DetailsPatchFields<'a> {
    note: Option<&'a str>,
}

impl DetailsPatchFields<'_> {
    /// Whether they change nothing.
    pub(super) const fn is_empty(&self) -> bool {
        self.note.is_none()
    }
}

impl BadFields {
    /// Reads the details of a cart from the fields of the message at `path`, which is empty for the
    /// request itself or ends with a dot.
    pub fn cart_details<'a>(
        &mut self,
        path: &str,
        message: impl Into<DetailsFields<'a>>,
    ) -> Option<CartDetails> {
        let DetailsFields { note } = message.into();
        let note = self.take(format!("{path}note"), note.parse());
        Some(CartDetails { note: note? })
    }

    /// Reads a change of the details of a cart from the fields of a request.
    pub fn cart_details_patch<'a>(
        &mut self,
        request: impl Into<DetailsPatchFields<'a>>,
    ) -> Option<CartDetailsPatch> {
        let DetailsPatchFields { note } = request.into();
        let note = self.take("note", note.map(str::parse::<Note>).transpose());
        Some(CartDetailsPatch { note: note? })
    }
}

impl<'a> From<&'a cart::Cart> for DetailsFields<'a> {
    fn from(message: &'a cart::Cart) -> Self {
        Self { note: &message.note }
    }
}

impl<'a> From<&'a cart::CreateCartRequest> for DetailsFields<'a> {
    fn from(message: &'a cart::CreateCartRequest) -> Self {
        Self { note: &message.note }
    }
}

impl<'a> From<&'a controller::CreateCartRequest> for DetailsFields<'a> {
    fn from(message: &'a controller::CreateCartRequest) -> Self {
        Self { note: &message.note }
    }
}

impl<'a> From<&'a cart::UpdateCartRequest> for DetailsPatchFields<'a> {
    fn from(message: &'a cart::UpdateCartRequest) -> Self {
        Self { note: message.note.as_deref() }
    }
}

impl<'a> From<&'a controller::UpdateCartRequest> for DetailsPatchFields<'a> {
    fn from(message: &'a controller::UpdateCartRequest) -> Self {
        Self { note: message.note.as_deref() }
    }
}

impl From<&CartDetails> for cart::Cart {
    fn from(details: &CartDetails) -> Self {
        Self { note: details.note.to_string(), ..Self::default() }
    }
}

impl From<&CartDetails> for controller::Cart {
    fn from(details: &CartDetails) -> Self {
        Self { note: details.note.to_string(), ..Self::default() }
    }
}

impl From<&CartDetails> for cart::CreateCartRequest {
    fn from(details: &CartDetails) -> Self {
        Self { note: details.note.to_string(), ..Self::default() }
    }
}

impl From<&CartDetailsPatch> for cart::UpdateCartRequest {
    fn from(patch: &CartDetailsPatch) -> Self {
        Self { note: patch.note.as_ref().map(Note::to_string), ..Self::default() }
    }
}
