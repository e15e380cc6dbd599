//! How secrets of high entropy are kept.

use std::fmt;

use ring::{digest, hmac};

const COMPARED: &[u8] = b"compare";

/// SHA-256 of a secret that a generator made: a client's secret, a refresh token, a code.
///
/// A plain hash is right for these, and a password hash would be wrong: nobody can go through
/// 2^256 candidates however fast each try is, while a slow hash would cost 20 ms of processor time
/// for every service token and every refresh. Passwords are guessable, so they are kept as argon2id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// Of nothing that anybody can present: what an unknown client's secret is compared with.
    pub const UNMATCHED: Self = Self([0; 32]);

    /// The hash of `secret`.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref());
        Self(bytes)
    }

    /// The hash itself, for a database.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `secret` is the one, in a time that does not tell how much of it is right.
    #[must_use]
    pub fn matches(&self, secret: &str) -> bool {
        // ring compares in constant time only where it verifies a tag.
        let stored = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), COMPARED);
        let presented = hmac::Key::new(hmac::HMAC_SHA256, &Self::of(secret).0);
        hmac::verify(&presented, COMPARED, stored.as_ref()).is_ok()
    }
}

impl From<[u8; 32]> for SecretHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_itself_matches() {
        let kept = SecretHash::of("controller-secret");
        assert!(kept.matches("controller-secret"));
        for wrong in ["", "controller-secre", "controller-secret ", "CONTROLLER-SECRET"] {
            assert!(!kept.matches(wrong), "{wrong}");
            assert!(!SecretHash::UNMATCHED.matches(wrong), "{wrong}");
        }
    }
}
