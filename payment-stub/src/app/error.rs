//! Why a use case did not do what was asked.

use crate::{
    acquirer::AcquirerError,
    domain::{key::PaymentKey, scenario::Trouble},
    store::StoreError,
};

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is recorded under the key.
    #[error("payment {key} does not exist")]
    NotFound {
        /// The key.
        key: PaymentKey,
    },
    /// There is nothing to give back.
    #[error("payment {key} was not captured, so there is nothing to give back")]
    NotCaptured {
        /// The key.
        key: PaymentKey,
    },
    /// The key belongs to another amount or currency.
    #[error("payment key {key} was used before with another amount or currency")]
    KeyReused {
        /// The key.
        key: PaymentKey,
    },
    /// The test token asked for it.
    #[error("the payment token's script has this call fail")]
    Scripted(Trouble),
    /// The register failed.
    #[error("the payment store failed")]
    Store(#[from] StoreError),
    /// The acquirer failed.
    #[error("the acquirer failed")]
    Acquirer(#[from] AcquirerError),
}
