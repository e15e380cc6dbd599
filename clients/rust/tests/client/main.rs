//! The client against a store that fails on purpose, over real connections.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod carts;
mod checkouts;
mod fake;
mod retries;
mod sessions;
