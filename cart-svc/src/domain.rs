//! What a cart and its checkout are, and what may happen to them: every guard of the service.
//!
//! Pure: no clock, no store, no wire types. The time is an argument, and a transition returns the
//! next value, which the caller saves by compare-and-set against the one it was made from.

mod cart;
mod checkout;
mod limits;
mod lines;

pub use cart::{Cart, Hold, Refused};
pub use checkout::{
    Checkout, CheckoutEvent, Contradiction, Decided, Decision, MarkCommand, Marked, backoff,
};
pub use limits::{Limits, QuantityOverLimit};
pub use lines::{LineFault, Lines};
