//! What a visitor picks. Pure: the same numbers give the same picks.

use kit_service::Env;
use oxcart_client::{Item, Line, line};

/// Most different items in a new cart.
const MAX_ITEMS: u64 = 5;

/// Most pieces of one item.
const MAX_PIECES: u64 = 9;

/// A few of `items`, each once and with a random quantity. Items of one currency only: a cart holds
/// no others. Empty if there are no items.
pub(super) fn lines(choices: &Env, items: &[Item]) -> Vec<Line> {
    let mut left: Vec<&Item> = items.iter().collect();
    let wanted = 1 + choices.below(MAX_ITEMS);
    let mut lines = Vec::new();
    for _ in 0..wanted {
        if left.is_empty() {
            break;
        }
        let item = left.swap_remove(below(choices, left.len()));
        left.retain(|other| currency(other) == currency(item));
        lines.push(line(&item.sku, pieces(choices)));
    }
    lines
}

/// About half of the visits end at the till.
pub(super) fn buys(choices: &Env) -> bool {
    choices.below(2) == 0
}

fn below(choices: &Env, n: usize) -> usize {
    let index = choices.below(u64::try_from(n).unwrap_or(u64::MAX));
    usize::try_from(index).unwrap_or_default()
}

fn pieces(choices: &Env) -> i32 {
    1 + i32::try_from(choices.below(MAX_PIECES)).unwrap_or_default()
}

fn currency(item: &Item) -> &str {
    item.price.as_ref().map_or("", |price| &price.currency_code)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use oxcart_client::Money;
    use time::OffsetDateTime;

    use super::*;

    fn choices(seed: u64) -> Env {
        Env::seeded(seed, OffsetDateTime::UNIX_EPOCH)
    }

    fn items(codes: &[&str]) -> Vec<Item> {
        let item = |(index, code): (usize, &&str)| Item {
            sku: index.to_string(),
            price: Some(Money { currency_code: (*code).to_owned(), minor_units: 100 }),
            ..Item::default()
        };
        codes.iter().enumerate().map(item).collect()
    }

    #[test]
    fn one_seed_picks_the_same_and_another_picks_otherwise() {
        let items = items(&["GBP"; 20]);
        assert_eq!(lines(&choices(1), &items), lines(&choices(1), &items));
        let picks: HashSet<String> =
            (0..20).map(|seed| format!("{:?}", lines(&choices(seed), &items))).collect();
        assert!(picks.len() > 10, "{picks:?}");
    }

    #[test]
    fn a_new_cart_holds_each_item_once_and_one_currency() {
        let items = items(&["GBP", "EUR", "GBP", "EUR", "GBP", "EUR"]);
        for seed in 0..100 {
            let picked = lines(&choices(seed), &items);
            let skus: HashSet<&str> = picked.iter().map(|line| line.sku.as_str()).collect();
            assert_eq!(skus.len(), picked.len(), "seed {seed}");
            let odd = skus.iter().filter(|sku| sku.parse::<u8>().unwrap() % 2 == 1).count();
            assert!(odd == 0 || odd == skus.len(), "seed {seed}: {skus:?}");
            assert!(picked.iter().all(|line| (1..=9).contains(&line.quantity())), "seed {seed}");
        }
    }

    #[test]
    fn an_empty_store_makes_an_empty_cart() {
        assert_eq!(lines(&choices(1), &[]), []);
    }

    #[test]
    fn about_half_of_the_visits_end_at_the_till() {
        let bought = (0..1_000).filter(|seed| buys(&choices(*seed))).count();
        assert!((400..600).contains(&bought), "{bought}");
    }
}
