//! Where a cart is on its way to being purchased, and what its owner may write on it.

use crate::word::closed_word;

closed_word! {
    /// How far a cart is on its way to being purchased.
    CartState {
        /// Its contents may change.
        Open = "OPEN",
        /// A checkout has frozen it and its payment is not decided yet.
        Pending = "PENDING",
        /// Purchased. It never changes again.
        Paid = "PAID",
    }
}

closed_word! {
    /// Selects carts by whether they are purchased.
    CartFilter {
        /// Open or pending.
        Unpurchased = "UNPURCHASED",
        /// Paid.
        Purchased = "PURCHASED",
    }
}

impl CartFilter {
    /// Whether it selects a cart in `state`.
    #[must_use]
    pub fn selects(self, state: CartState) -> bool {
        (self == Self::Purchased) == (state == CartState::Paid)
    }
}
