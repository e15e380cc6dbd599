//! What a token allows.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// The scope that lets a token ask who its user is.
pub const OPENID: &str = "openid";

/// The most scopes that one request, client or token may name.
pub const MAX_SCOPES: usize = 20;

/// The longest name of a scope, in characters.
pub const MAX_SCOPE_CHARS: usize = 64;

/// Why a list of scopes was refused. The text fits behind the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// There are too many.
    #[error("must name at most {MAX_SCOPES} scopes")]
    TooMany,
    /// One of them is no scope.
    #[error(
        "must hold scopes of 1 to {MAX_SCOPE_CHARS} visible ASCII characters, no quote and no backslash"
    )]
    NotScope,
}

/// A set of scopes, written with a space between two of them, in alphabetical order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Box<str>>);

impl Scopes {
    /// Reads one scope per item.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut scopes = BTreeSet::new();
        for (index, name) in names.into_iter().enumerate() {
            if index >= MAX_SCOPES {
                return Err(ScopeError::TooMany);
            }
            if !is_scope(name) {
                return Err(ScopeError::NotScope);
            }
            scopes.insert(name.into());
        }
        Ok(Self(scopes))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `scope` is one of them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// The first of them that `allowed` lacks.
    #[must_use]
    pub fn first_outside(&self, allowed: &Self) -> Option<&str> {
        self.0.iter().map(|scope| &**scope).find(|scope| !allowed.contains(scope))
    }

    /// Those that stand in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    /// Reads the form of RFC 6749: single spaces between scopes; empty is none.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() { Ok(Self::default()) } else { Self::from_names(text.split(' ')) }
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{scope}")?;
        }
        Ok(())
    }
}

fn is_scope(name: &str) -> bool {
    (1..=MAX_SCOPE_CHARS).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_read_back_in_order_and_once() {
        let scopes: Scopes = "payment:charge cart:checkout payment:charge".parse().unwrap();
        assert_eq!(scopes.to_string(), "cart:checkout payment:charge");
        assert!("".parse::<Scopes>().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_list_of_scopes_is_refused() {
        for text in [" ", "a  b", "a\nb", "a\"b", "a\\b", "é", &"x".repeat(65)] {
            assert_eq!(text.parse::<Scopes>(), Err(ScopeError::NotScope), "{text}");
        }
        let many: Vec<String> = (0..=MAX_SCOPES).map(|n| n.to_string()).collect();
        assert_eq!(many.join(" ").parse::<Scopes>(), Err(ScopeError::TooMany));
    }

    #[test]
    fn a_scope_outside_what_is_allowed_is_named() {
        let allowed: Scopes = "a b".parse().unwrap();
        assert_eq!("a c".parse::<Scopes>().unwrap().first_outside(&allowed), Some("c"));
        assert_eq!("a".parse::<Scopes>().unwrap().first_outside(&allowed), None);
    }
}
