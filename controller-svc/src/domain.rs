//! What the controller knows about items, carts and checkouts, and the rules that need no service.
//!
//! Pure: no clock, no IO, no wire types.

pub mod cart;
pub mod checkout;
pub mod fingerprint;
pub mod item;
