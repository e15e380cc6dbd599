//! What a cart and its checkout are, and what may happen to them: every guard of the service.
//!
//! Pure: no clock, no store, no wire types. The time is an argument, and a transition returns the
//! next value, which the caller saves by compare-and-set against the one it was made from.

mod cart;
mod checkout;
mod limits;
mod lines;
mod quote;

pub use cart::{Cart, CartState, Hold, Refused};
pub use checkout::{
    Checkout, CheckoutState, Contradiction, Decided, Decision, DeclineReason, Event, Failure,
    Fingerprint, FingerprintError, Order, Started, backoff,
};
pub use limits::{Limits, QuantityOverLimit};
pub use lines::{LineFault, Lines};
pub use quote::{PricedLine, Quote, QuoteFault};
