//! The words that every service shares: money, ids, lines, items, texts, and the closed words of the
//! contract, each with its spelling, its parser and the list of all.
//!
//! Each type can only hold what is valid: parsing is the one way in, and its error names the limit.
//! Serialisation formats and wire types are not here: `oxcart-proto` converts both ways.

mod backoff;
mod cart;
mod checkout;
mod details;
mod id;
mod item;
mod line;
mod money;
mod payment;
mod quote;
mod text;
mod word;

pub use backoff::Backoff;
pub use cart::{CartFilter, CartState};
pub use checkout::{CheckoutFailure, CheckoutState, Fingerprint, FingerprintError};
pub use details::{CartDetails, CartDetailsPatch};
pub use id::{
    CartId, CheckoutId, IdError, MAX_USER_ID_BYTES, PaymentId, RequestId, Sku, UserId, Version,
};
pub use item::{Item, MAX_PRICE, Price, PriceError};
pub use line::{Line, MAX_QUANTITY, Quantity, QuantityError};
pub use money::{Currency, MAX_AMOUNT, Money, MoneyError};
pub use payment::{DeclineReason, PaymentState};
pub use quote::{PricedLine, Quote, QuoteFault};
pub use text::{
    Description, ItemName, MAX_DESCRIPTION_CHARS, MAX_ITEM_NAME_CHARS, MAX_NOTE_CHARS, Note,
    TextError,
};
pub use word::UnknownWord;
