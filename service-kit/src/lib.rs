//! How any service of the store starts, talks, is observed and stops.
//!
//! Deliberately absent: every word of the shop, and every choice that a service makes for itself.

pub mod auth;
pub mod channel;
pub mod database;
pub mod deadline;
pub mod env;
pub mod error;
#[cfg(test)]
mod harness;
pub mod http;
pub mod metrics;
pub mod page;
pub mod run;
pub mod secret;
pub mod server;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod version;

pub use env::Env;
pub use error::Reason;
pub use version::version;
