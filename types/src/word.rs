//! Closed words: enums whose values have one spelling, in databases, metadata and messages.

/// A text that is none of the values of a closed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a known {kind}")]
pub struct UnknownWord {
    /// The name of the type that was expected, such as `CartState`.
    pub kind: &'static str,
}

/// Defines an enum whose variants each have one spelling. Gives it `ALL`, `as_str`, `Display` and
/// `FromStr`. A new value is one line here, one value in the contract's enum of the same name, and
/// one row of documentation.
macro_rules! closed_word {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its one spelling, in databases and in the metadata of errors.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                let mut known = Self::ALL.iter().copied();
                let kind = stringify!($name);
                known.find(|value| value.as_str() == word).ok_or($crate::UnknownWord { kind })
            }
        }
    };
}

pub(crate) use closed_word;
