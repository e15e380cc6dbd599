//! What tests of services need: an issuer of tokens, fresh databases, a small gRPC service, the metrics
//! and spans of the process. A dev-dependency, never in a product.
//!
//! Under `tests/` are the tests of the kit that need it: no crate of the kit depends, not even for its
//! tests, on one above it.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test ends here")]

mod database;
pub mod echo;
mod issuer;
mod metrics;
mod spans;

pub use database::{postgres, postgres_url, sqlite};
pub use issuer::TestIssuer;
pub use metrics::{metric, series};
pub use spans::{RecordedSpans, keep, observe};
