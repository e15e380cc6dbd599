//! What a shopper writes on a cart, beside its lines.

use crate::Note;

/// What a shopper writes on a cart, beside its lines. A new optional text of a cart is a field here
/// and in [`CartDetailsPatch`]: what hands them on names no single one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CartDetails {
    /// For the one who packs or receives it, such as a gift message; may be empty.
    pub note: Note,
}

/// A change of [`CartDetails`]: what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartDetailsPatch {
    /// The note that replaces the one before; an empty one removes it.
    pub note: Option<Note>,
}

impl CartDetailsPatch {
    /// Changes nothing.
    pub const KEEP: Self = Self { note: None };

    /// The details after this change.
    #[must_use]
    pub fn applied_to(&self, details: &CartDetails) -> CartDetails {
        CartDetails { note: self.note.clone().unwrap_or_else(|| details.note.clone()) }
    }
}
