//! The keys that sign tokens.

use std::fmt;

use time::OffsetDateTime;

/// A signing key as it is kept. The one with the highest generation signs; all of them verify.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Counts the keys, from 1. Two replicas that start at once both try to insert the first, and
    /// the one that comes second takes the other's.
    pub generation: i64,
    /// Names the key in tokens and in the JWK set.
    pub kid: String,
    /// The private key, PKCS#8.
    pub pkcs8: Vec<u8>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
