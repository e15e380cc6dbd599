//! Why a store did not do what was asked.

use std::{borrow::Cow, error::Error};

use super::Failure;

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was to be written is not as the caller has read it, or another writer was faster.
    /// Nothing has changed: read, decide and write again.
    #[error("a row has changed since it was read")]
    Conflict,
    /// A row holds what no version of this service writes.
    #[error("a stored {what} cannot be read")]
    Unreadable {
        /// What kind of thing, or which column.
        what: Cow<'static, str>,
        /// What is wrong with it, if more is known.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The database did not carry out a statement, or did without our learning of it.
    #[error("the database failed")]
    Database(#[from] Failure),
}

impl StoreError {
    /// Whether the same call is likely to work in a moment: the database is not available for now, or
    /// other writers were faster.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        match self {
            Self::Conflict => true,
            Self::Unreadable { .. } => false,
            Self::Database(failure) => failure.is_unavailable(),
        }
    }

    /// A thing that does not read back, and why.
    pub fn unreadable(
        what: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unreadable { what: what.into(), source: Some(source.into()) }
    }

    /// A row whose columns do not go together.
    pub fn inconsistent(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Unreadable { what: what.into(), source: None }
    }
}

impl From<sqlx::Error> for StoreError {
    /// Decides by the kind of violation, never by a constraint's name: names carry shard numbers on
    /// Citus.
    fn from(error: sqlx::Error) -> Self {
        let is_conflict = error.as_database_error().is_some_and(|refusal| {
            // A serialization failure and a deadlock took no effect.
            refusal.is_unique_violation()
                || refusal.code().is_some_and(|code| code == "40001" || code == "40P01")
        });
        if is_conflict {
            tracing::debug!(%error, "a statement conflicts with what another writer did");
            return Self::Conflict;
        }
        Self::Database(error.into())
    }
}
