//! How any service of the store starts, talks, is observed and stops.
//!
//! Deliberately absent: every word of the shop, and every choice that a service makes for itself.

pub mod database;
pub mod error;
pub mod page;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::Reason;
pub use source::Sources;
