//! Texts with a limit.

/// The longest [`ItemName`], in characters.
pub const MAX_ITEM_NAME_CHARS: usize = 200;

/// The longest [`Description`], in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 4_000;

/// The longest [`Note`], in characters.
pub const MAX_NOTE_CHARS: usize = 500;

/// Why a text was refused. The message fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is no item's name.
    #[error(
        "must be 1 to {MAX_ITEM_NAME_CHARS} characters, not all spaces, none of them a control \
         character"
    )]
    NotItemName,
    /// It is no item's description.
    #[error(
        "must be at most {MAX_DESCRIPTION_CHARS} characters, none of them a control character \
         other than tabs and line breaks"
    )]
    NotDescription,
    /// It is no cart's note.
    #[error(
        "must be at most {MAX_NOTE_CHARS} characters, none of them a control character other than \
         tabs and line breaks"
    )]
    NotNote,
}

/// A text that only its parser makes: NAME, the type of its error, the error, and what is valid.
macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $Error:ty, $error:expr, $is_valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $Error;

            fn from_str(text: &str) -> Result<Self, $Error> {
                let is_valid: fn(&str) -> bool = $is_valid;
                if is_valid(text) { Ok(Self(text.into())) } else { Err($error) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

pub(crate) use bounded_text;

bounded_text! {
    /// What shoppers see of an item in lists: 1 to [`MAX_ITEM_NAME_CHARS`] characters, not all
    /// spaces, none of them a control character.
    ItemName, TextError, TextError::NotItemName, |text| {
        fits(text, MAX_ITEM_NAME_CHARS)
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control)
    }
}

bounded_text! {
    /// What shoppers read on an item's own page: at most [`MAX_DESCRIPTION_CHARS`] characters, none
    /// of them a control character other than tabs and line breaks. May be empty.
    Description, TextError, TextError::NotDescription, |text| {
        fits(text, MAX_DESCRIPTION_CHARS) && !text.chars().any(is_forbidden_in_prose)
    }
}

bounded_text! {
    /// What a shopper writes on a cart, such as a gift message: at most [`MAX_NOTE_CHARS`]
    /// characters, none of them a control character other than tabs and line breaks. May be empty.
    Note, TextError, TextError::NotNote, |text| {
        fits(text, MAX_NOTE_CHARS) && !text.chars().any(is_forbidden_in_prose)
    }
}

/// No note.
impl Default for Note {
    fn default() -> Self {
        Self(Box::default())
    }
}

/// A NUL character, above all, cannot be stored in every database.
fn is_forbidden_in_prose(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// A character has at most four bytes: a huge text is refused without counting it.
fn fits(text: &str, max_chars: usize) -> bool {
    text.len() <= 4 * max_chars && text.chars().count() <= max_chars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_at_its_limit_is_taken_and_one_over_it_refused() {
        assert!("é".repeat(MAX_ITEM_NAME_CHARS).parse::<ItemName>().is_ok());
        assert!("é".repeat(MAX_DESCRIPTION_CHARS).parse::<Description>().is_ok());
        assert!("é".repeat(MAX_NOTE_CHARS).parse::<Note>().is_ok());
        let too_long = |chars: usize| "x".repeat(chars + 1);
        assert_eq!(too_long(MAX_ITEM_NAME_CHARS).parse::<ItemName>(), Err(TextError::NotItemName));
        assert_eq!(
            too_long(MAX_DESCRIPTION_CHARS).parse::<Description>(),
            Err(TextError::NotDescription)
        );
        assert_eq!(too_long(MAX_NOTE_CHARS).parse::<Note>(), Err(TextError::NotNote));
    }

    #[test]
    fn prose_has_line_breaks_and_a_name_has_none() {
        assert_eq!("Dear Ann,\n\tenjoy!".parse::<Note>().unwrap().as_str(), "Dear Ann,\n\tenjoy!");
        assert!("a\nb".parse::<ItemName>().is_err());
        assert!("a\0b".parse::<Note>().is_err());
        assert!("  ".parse::<ItemName>().is_err());
        assert_eq!("".parse::<Note>(), Ok(Note::default()));
    }
}
