//! Every conversion between messages and the words of `oxcart-types`, once, in both directions.
//!
//! To a message: `From` for what has a message of its own, and the functions here for what prost or
//! protobuf define. From a message: [`BadFields`](crate::BadFields) reads a field or notes what is
//! wrong with it, so that one answer names every bad field. What another service sends is read in
//! the same way: a message that breaks the contract is an error that names the field.

mod checkout;
mod details;
mod item;
mod line;
mod money;
mod time;
mod word;

pub use checkout::{FailureFields, StateFields};
pub use details::{DetailsFields, DetailsPatchFields};
pub use line::ContentsFields;
pub use time::{duration, timestamp};
