//! The service over gRPC: who calls, what is asked, the answer.
//!
//! A handler authenticates before it reads the request, so that a caller without a token learns
//! nothing from an error about a field.

mod carts;
mod checkouts;
mod page;
mod request;
mod response;
mod status;

pub use carts::CartApi;
pub use checkouts::CheckoutApi;
