//! What a search asks for, and which words an item can be found by.
//!
//! All stores index and look up the words that [`words`] finds, and nothing else, so they agree on
//! what a word is, and no text of a user is ever read as a query language. Deliberately absent:
//! stemming and synonyms, which differ by language.

use std::str::FromStr;

use oxcart_types::Sku;

use oxcart_types::Item;

/// The longest [`Query`], in characters.
pub const MAX_QUERY_CHARS: usize = 200;

/// Longer words are cut to so many characters, on both sides of the comparison. PostgreSQL takes at
/// most 2,046 bytes.
const MAX_WORD_CHARS: usize = 64;

/// How much more a word in the name says than one in the description. Stores that rank by
/// themselves use the same weight.
pub const NAME_WEIGHT: f64 = 4.0;

/// A query that is empty or too long. The text fits behind the name of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_QUERY_CHARS} characters")]
pub struct QueryError;

/// The words of `text`: runs of letters and digits, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    // Lower case may have marks that are neither letter nor digit (İ), which nobody types.
    let lower = |part: &str| part.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    parts.map(move |part| {
        let word: String = lower(part);
        word.chars().take(MAX_WORD_CHARS).collect()
    })
}

/// Asks for the items that have every one of some words; the last word may be the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    whole: Vec<String>,
    beginning: Option<String>,
}

impl Query {
    /// The words that an item must have, none of them twice.
    #[must_use]
    pub fn whole(&self) -> &[String] {
        &self.whole
    }

    /// What another word of the item must begin with. None if the query has no word at all, which
    /// no item matches.
    #[must_use]
    pub fn beginning(&self) -> Option<&str> {
        self.beginning.as_deref()
    }

    /// How well `item` matches: less is better, as in SQLite. None if it does not match.
    ///
    /// For stores that have no search of their own: counts the matching words, those of the name
    /// [`NAME_WEIGHT`] times, and takes off for long texts.
    #[must_use]
    pub fn rank(&self, item: &Item) -> Option<f64> {
        let beginning = self.beginning()?;
        let name: Vec<_> = words(item.name.as_str()).collect();
        let description: Vec<_> = words(item.description.as_str()).collect();
        let score = |matches: &dyn Fn(&String) -> bool| {
            let name_hits = name.iter().filter(|word| matches(word)).count();
            let description_hits = description.iter().filter(|word| matches(word)).count();
            NAME_WEIGHT * small(name_hits) + small(description_hits)
        };
        let mut total = 0.0;
        let whole = self.whole.iter().map(|wanted| score(&|word| word == wanted));
        for part in whole.chain([score(&|word| word.starts_with(beginning))]) {
            if part == 0.0 {
                return None;
            }
            total += part;
        }
        Some(-total / (1.0 + small(name.len() + description.len()).ln_1p()))
    }
}

/// A count of an item's words, far below where a float loses precision.
fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let fits = text.len() <= 4 * MAX_QUERY_CHARS && text.chars().count() <= MAX_QUERY_CHARS;
        if text.is_empty() || !fits {
            return Err(QueryError);
        }
        let mut all: Vec<_> = words(text).collect();
        let beginning = all.pop();
        all.sort_unstable();
        all.dedup();
        Ok(Self { whole: all, beginning })
    }
}

/// An item that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// How well it matches.
    pub rank: f64,
    /// The item.
    pub item: Item,
}

/// Where in the order of matches one stands: the best rank first, equal ones by SKU.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// How well the item matches: less is better. Comparable within one search of one store only.
    pub rank: f64,
    /// The item.
    pub sku: Sku,
}

#[cfg(test)]
mod tests {
    use oxcart_types::Money;

    use super::*;

    fn item(name: &str, description: &str) -> Item {
        let price = Money::from_parts("GBP", 1).unwrap().try_into().unwrap();
        let (name, description) = (name.parse().unwrap(), description.parse().unwrap());
        Item { sku: "1".parse().unwrap(), name, description, price }
    }

    fn matches(query: &str, name: &str) -> bool {
        query.parse::<Query>().unwrap().rank(&item(name, "")).is_some()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        let found: Vec<_> = words("T-LIGHT/Café  5\" (85123A) & \u{130}STANBUL").collect();
        assert_eq!(found, ["t", "light", "café", "5", "85123a", "istanbul"]);
        assert_eq!(words(&"x".repeat(500)).next().unwrap().len(), MAX_WORD_CHARS);
    }

    #[test]
    fn every_word_must_match_and_the_last_may_be_a_beginning() {
        assert!(matches("bear gi", "Giant gummy bear"));
        assert!(!matches("gi bear", "Giant gummy bear"));
        assert!(!matches("giant rabbit", "Giant gummy bear"));
    }

    #[test]
    fn operators_of_query_languages_are_plain_words() {
        assert!(matches("gummy AND bear", "Gummy and bear"));
        assert!(!matches("gummy OR rabbit", "Gummy bear"));
        assert!(!matches("\"*", "Gummy bear"));
    }

    #[test]
    fn a_name_says_more_than_a_description() {
        let query: Query = "duck".parse().unwrap();
        assert!(query.rank(&item("Duck", "Yellow")) < query.rank(&item("Yellow", "Duck")));
    }

    #[test]
    fn an_empty_or_endless_query_is_refused() {
        for text in [String::new(), "x".repeat(201), "é".repeat(10_000_000)] {
            assert_eq!(text.parse::<Query>(), Err(QueryError));
        }
        assert!("é".repeat(200).parse::<Query>().is_ok());
    }
}
