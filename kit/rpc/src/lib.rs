//! What every gRPC server has, and every call to another service: errors, pages, deadlines,
//! authentication, limits, traces and metrics; and how a service starts.
//!
//! The tests over real sockets are in `kit/testing/tests/rpc`, where a test issuer is at hand.

pub mod auth;
mod calls;
pub mod channel;
pub mod deadline;
pub mod error;
pub mod metrics;
pub mod page;
mod retry;
pub mod server;
pub mod service;

pub use retry::retry;
