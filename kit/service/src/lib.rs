//! How a service starts, is configured, observed and stopped; its clock and random numbers, and the
//! secrets that it is given. It knows no gRPC server, no database and no word of the shop.

mod chain;
#[cfg(test)]
mod collector;
pub mod env;
pub mod http;
pub mod listen;
pub mod metrics;
pub mod run;
pub mod secret;
pub mod telemetry;
mod version;

pub use chain::chain;
pub use env::Env;
pub use version::version;
