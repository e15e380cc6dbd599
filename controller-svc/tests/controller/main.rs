//! The controller against services that exist in memory and can be made to fail at any point.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod api;
mod books;
mod fakes;
mod faults;
#[path = "../guards/mod.rs"]
mod guards;
mod metrics;
mod random;
mod saga;
mod services;
mod world;
