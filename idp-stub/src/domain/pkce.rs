//! Proof Key for Code Exchange (RFC 7636), method S256, the only one that is safe.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest;

/// SHA-256 in base64url has this many characters.
const CHALLENGE_CHARS: usize = 43;

/// Why a challenge was refused. The text fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the base64url form of a SHA-256 hash, {CHALLENGE_CHARS} characters")]
pub struct ChallengeError;

/// What the client committed to when it asked for a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(Box<str>);

impl Challenge {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The challenge that goes with `verifier`.
    #[must_use]
    pub fn of(verifier: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        Self(URL_SAFE_NO_PAD.encode(hash).into())
    }

    /// Whether `verifier` is what the client committed to.
    #[must_use]
    pub fn accepts(&self, verifier: &str) -> bool {
        // No constant time needed: the challenge is no secret, it stood in the browser's address.
        is_verifier(verifier) && Self::of(verifier) == *self
    }
}

impl FromStr for Challenge {
    type Err = ChallengeError;

    fn from_str(text: &str) -> Result<Self, ChallengeError> {
        let is_valid = text.len() == CHALLENGE_CHARS
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if is_valid { Ok(Self(text.into())) } else { Err(ChallengeError) }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_is_accepted() {
        let challenge: Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".parse().unwrap();
        assert!(challenge.accepts("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        for wrong in ["", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", challenge.as_str()] {
            assert!(!challenge.accepts(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_verifier_that_can_be_guessed_is_refused() {
        assert!(!Challenge::of("short").accepts("short"));
    }
}
