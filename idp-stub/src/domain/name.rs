//! Names of users and clients.

use std::{fmt, str::FromStr};

/// The longest name of a user or a client, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// The longest name of a user, in bytes: it becomes `sub`, which `OpenID` Connect limits.
const MAX_SUBJECT_BYTES: usize = 255;

/// Why a name was refused. The text fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no user's name.
    #[error(
        "must be 1 to {MAX_NAME_CHARS} characters, none of them a control character, no space at either end"
    )]
    NotUsername,
    /// It is no client's id.
    #[error("must be 1 to {MAX_NAME_CHARS} of A-Z a-z 0-9 . _ -")]
    NotClientId,
}

/// Names a user, and is `sub` of the user's tokens. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(Box<str>);

/// Names a client: a program that asks for tokens, for itself or for a user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Box<str>);

impl FromStr for Username {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // The bytes first: a huge text is refused without counting its characters.
        let is_valid = !text.is_empty()
            && text.len() <= MAX_SUBJECT_BYTES
            && text.chars().count() <= MAX_NAME_CHARS
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if is_valid { Ok(Self(text.into())) } else { Err(NameError::NotUsername) }
    }
}

impl FromStr for ClientId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_valid = (1..=MAX_NAME_CHARS).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if is_valid { Ok(Self(text.into())) } else { Err(NameError::NotClientId) }
    }
}

macro_rules! shown_as_text {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

shown_as_text!(Username);
shown_as_text!(ClientId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_and_programs_are_taken() {
        for name in ["alice", "Zoë Müller", "customer-17850", &"é".repeat(64)] {
            assert_eq!(name.parse::<Username>().unwrap().as_str(), name);
        }
        assert_eq!("load-gen_2.0".parse::<ClientId>().unwrap().as_str(), "load-gen_2.0");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let huge = "x".repeat(10_000_000);
        for text in ["", " ", "a ", "a\nb", "a\u{0}b", &"x".repeat(65), &"😀".repeat(64), &huge] {
            assert_eq!(text.parse::<Username>(), Err(NameError::NotUsername));
        }
        for text in ["", "a b", "a:b", "é", &"x".repeat(65), &huge] {
            assert_eq!(text.parse::<ClientId>(), Err(NameError::NotClientId));
        }
    }
}
