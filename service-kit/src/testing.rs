//! What tests of services need. Compiled only with the feature `testing`.

mod database;
mod issuer;
mod metrics;

pub use database::{postgres, postgres_url, sqlite};
pub use issuer::TestIssuer;
pub use metrics::metric;
#[cfg(test)]
pub(crate) use metrics::series;
