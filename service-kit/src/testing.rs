//! What tests of services need. Compiled only with the feature `testing`.

mod database;
mod issuer;

pub use database::{postgres, postgres_url, sqlite};
pub use issuer::TestIssuer;
