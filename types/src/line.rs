//! How many of what.

use crate::Sku;

/// The largest [`Quantity`]. A deployment may allow less in a cart.
pub const MAX_QUANTITY: i32 = 1_000_000;

/// A number of pieces that is not between 1 and [`MAX_QUANTITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be from 1 to {MAX_QUANTITY}")]
pub struct QuantityError;

/// A number of pieces, from 1 to [`MAX_QUANTITY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i32);

impl Quantity {
    /// The number.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Quantity {
    type Error = QuantityError;

    fn try_from(pieces: i32) -> Result<Self, QuantityError> {
        (1..=MAX_QUANTITY).contains(&pieces).then_some(Self(pieces)).ok_or(QuantityError)
    }
}

/// So many of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The item.
    pub sku: Sku,
    /// How many of it.
    pub quantity: Quantity,
}
