//! Pages of items: the query that a page token belongs to, and where a page ends.

use kit_rpc::page;
use oxcart_types::{Item, Sku};

use crate::domain::search::{Match, Place};

/// The list of all items.
pub(super) const LIST: &str = "oxcart.catalog.v1.ListItems";

/// The search for these words.
pub(super) fn search(words: &str) -> String {
    format!("oxcart.catalog.v1.SearchItems {words}")
}

/// The token of the page behind `last` of all items; empty if there is none.
pub(super) fn after_item(last: Option<&Item>) -> String {
    last.map(|last| page::next_token(LIST, last.sku.as_str())).unwrap_or_default()
}

/// The token of the page behind `last` of a search for `words`; empty if there is none.
pub(super) fn after_match(words: &str, last: Option<&Match>) -> String {
    last.map(|last| page::next_token(&search(words), &place_text(last))).unwrap_or_default()
}

/// Reads where a page of items ends. The kit has checked that the token is one of ours, but whoever
/// reads this file can make one.
pub(super) fn sku(cursor: &str) -> Result<Sku, &'static str> {
    cursor.parse().map_err(|_| NOT_OURS)
}

/// Reads where a page of a search ends.
pub(super) fn place(cursor: &str) -> Result<Place, &'static str> {
    let place = cursor.split_once(' ').and_then(|(rank, sku)| {
        let rank = f64::from_bits(u64::from_str_radix(rank, 16).ok()?);
        Some(Place { rank, sku: sku.parse().ok()? })
    });
    place.filter(|place| place.rank.is_finite()).ok_or(NOT_OURS)
}

const NOT_OURS: &str = "must be empty or the next_page_token of the same query";

/// The rank goes by its bits: in decimals the item might come out on either side of itself.
fn place_text(found: &Match) -> String {
    format!("{:x} {}", found.rank.to_bits(), found.item.sku)
}

#[cfg(test)]
mod tests {
    use oxcart_types::Money;

    use super::*;

    #[test]
    fn a_place_in_a_search_reads_back_to_the_last_bit() {
        let price = Money::from_parts("GBP", 1).unwrap().try_into().unwrap();
        let (name, description) = ("x".parse().unwrap(), "".parse().unwrap());
        let sku: Sku = "BANK CHARGES".parse().unwrap();
        for rank in [-1.0 / 3.0, -0.0, -1e-6, f64::MIN_POSITIVE] {
            let item = Item {
                sku: sku.clone(),
                name: Clone::clone(&name),
                description: Clone::clone(&description),
                price,
            };
            let found = place(&place_text(&Match { rank, item })).unwrap();
            assert_eq!((found.rank.to_bits(), &found.sku), (rank.to_bits(), &sku));
        }
        for rubbish in ["", "x", "0 ", "7ff8000000000000 x", "g x", "1ffffffffffffffff x"] {
            assert_eq!(place(rubbish), Err(NOT_OURS), "{rubbish}");
        }
    }
}
