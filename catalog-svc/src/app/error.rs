//! Why a use case did not do what was asked.

use oxcart_types::Sku;
use tokio::task::JoinError;

use crate::{domain::import::BadFile, store::StoreError};

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is for sale under this SKU.
    #[error("no item has the SKU {sku}")]
    NotFound {
        /// The SKU.
        sku: Sku,
    },
    /// The file has bad rows; nothing of it was stored.
    #[error(transparent)]
    BadFile(#[from] BadFile),
    /// The process shuts down, or the reader of files has a fault.
    #[error("reading the file was interrupted")]
    Interrupted(#[from] JoinError),
    /// The store failed.
    #[error("the catalogue store failed")]
    Store(#[from] StoreError),
}
