//! The service over a real channel: who may call, what is refused, what is answered.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod access;
mod carts;
mod checkouts;
mod input;
mod shop;
