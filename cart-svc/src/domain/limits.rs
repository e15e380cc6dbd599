//! How much a user may keep.

use oxcart_types::{MAX_QUANTITY, Quantity};

/// What one user may keep, set by the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Unpurchased carts of one user. Purchased ones are history and not counted.
    pub max_carts: i64,
    /// Lines of one cart.
    pub max_lines: usize,
    /// Pieces in one line, at most [`MAX_QUANTITY`].
    pub max_quantity: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_carts: 100, max_lines: 1_000, max_quantity: MAX_QUANTITY }
    }
}

/// A number of pieces that is not between 1 and the deployment's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be from 1 to {limit}")]
pub struct QuantityOverLimit {
    /// The most that is allowed.
    pub limit: i32,
}

impl Limits {
    /// Reads a number of pieces.
    ///
    /// # Errors
    /// [`QuantityOverLimit`] if it is below 1 or over the limit.
    pub fn quantity(&self, pieces: i32) -> Result<Quantity, QuantityOverLimit> {
        let limit = self.max_quantity.min(MAX_QUANTITY);
        let allowed = Quantity::try_from(pieces).ok().filter(|_| pieces <= limit);
        allowed.ok_or(QuantityOverLimit { limit })
    }
}
