//! What stands for a card.

use std::{fmt, str::FromStr};

/// The longest [`PaymentToken`], in characters.
pub const MAX_TOKEN_CHARS: usize = 255;

/// A text that is no payment token. The message fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_TOKEN_CHARS} characters, none of them a control character")]
pub struct TokenError;

/// Stands for a card. Whoever has it and may charge can spend, so it is never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentToken(Box<str>);

impl PaymentToken {
    /// A token that nobody can guess.
    #[must_use]
    pub fn mint(random: [u8; 24]) -> Self {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let hex = random.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Self("tok_".chars().chain(hex).collect::<String>().into())
    }

    /// The text itself: for the database and for the one who handed over the card.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What stands for a card after it was handed over.
pub struct Tokenized {
    /// Opaque.
    pub token: PaymentToken,
    /// To show to the card's owner.
    pub last_four: String,
}

impl FromStr for PaymentToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        // Four bytes a character at most: a huge text is refused without counting it.
        let is_token = !text.is_empty()
            && text.len() <= 4 * MAX_TOKEN_CHARS
            && text.chars().count() <= MAX_TOKEN_CHARS
            && !text.chars().any(char::is_control);
        is_token.then(|| Self(text.into())).ok_or(TokenError)
    }
}

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_shows_in_debug_output() {
        let token = PaymentToken::mint([7; 24]);
        assert_eq!(format!("{token:?}"), "PaymentToken(..)");
        assert_eq!(token.expose().len(), 52);
        assert_eq!(token.expose().parse::<PaymentToken>(), Ok(token));
    }

    #[test]
    fn an_empty_long_or_unprintable_token_is_refused() {
        assert!("é".repeat(255).parse::<PaymentToken>().is_ok());
        for wrong in ["", "a\0", "a\nb", &"x".repeat(256), &"x".repeat(10_000_000)] {
            assert_eq!(wrong.parse::<PaymentToken>(), Err(TokenError));
        }
    }
}
