//! The name of a payment, chosen by the caller.

use std::{fmt, str::FromStr};

/// The longest [`PaymentKey`], in characters.
pub const MAX_KEY_CHARS: usize = 64;

/// A text that is no payment key. The message fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_KEY_CHARS} of A-Z a-z 0-9 _ -")]
pub struct KeyError;

/// The idempotency key of one payment, never used again: 1 to [`MAX_KEY_CHARS`] of `A-Z a-z 0-9 _ -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentKey(Box<str>);

impl PaymentKey {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PaymentKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let is_key = (1..=MAX_KEY_CHARS).contains(&text.len()) && text.bytes().all(is_plain);
        is_key.then(|| Self(text.into())).ok_or(KeyError)
    }
}

impl fmt::Display for PaymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_short_and_plain() {
        for key in ["a", "01890a5d-ac96-774b-bcce-b302099a8057", "A_b-9", &"x".repeat(64)] {
            assert_eq!(key.parse::<PaymentKey>().unwrap().as_str(), key);
        }
        for wrong in ["", " ", "a b", "a/b", "é", "a\0", &"x".repeat(65)] {
            assert_eq!(wrong.parse::<PaymentKey>(), Err(KeyError), "{wrong:?}");
        }
    }
}
