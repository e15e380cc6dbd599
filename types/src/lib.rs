//! The words that every service shares: money, ids, quantities, versions.
//!
//! Each type can only hold what is valid: parsing is the one way in, and its error names the limit.
//! Deliberately absent: IO, async, serialisation formats, wire types.

mod id;
mod line;
mod money;

pub use id::{
    CartId, CheckoutId, IdError, MAX_USER_ID_BYTES, PaymentId, RequestId, Sku, UserId, Version,
};
pub use line::{Line, MAX_QUANTITY, Quantity, QuantityError};
pub use money::{Currency, MAX_AMOUNT, Money, MoneyError};
