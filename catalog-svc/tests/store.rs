//! What every store must do: each rule is a test on all three of them.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::sync::Arc;

use catalog_svc::{
    domain::{
        import,
        item::ItemSet,
        search::{Match, Place},
    },
    store::{self, CatalogStore, MIGRATIONS, Saved, StoreError},
};
use kit_database::{Database, Failure};
use oxcart_types::{Item, Money, Sku};

/// Runs each rule on each store.
macro_rules! suite {
    ($($rule:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::migrated(super::Database::Memory).await).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $rule() {
                let (database, _folder) = kit_testing::sqlite("catalog").await;
                super::$rule(super::migrated(database).await).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $rule() {
                let database = kit_testing::postgres("catalog").await;
                super::$rule(super::migrated(database).await).await;
            })+
        }
    };
}

suite! {
    an_item_reads_back_as_it_was_saved,
    the_longest_item_is_stored_and_found,
    saving_counts_what_it_creates_updates_and_leaves,
    skus_are_ordered_byte_by_byte,
    a_list_comes_in_pages_without_gaps_or_repeats,
    unknown_skus_are_left_out,
    a_deleted_item_is_gone_from_lists_and_searches,
    every_word_must_match_and_the_last_may_be_a_beginning,
    a_match_in_the_name_comes_before_one_in_the_description,
    operators_of_query_languages_are_plain_words,
    a_query_without_a_word_matches_nothing,
    signs_around_a_word_are_passed_over,
    words_end_where_letters_and_digits_end,
    a_search_comes_in_pages_without_gaps_or_repeats,
    an_updated_item_is_found_by_its_new_words_only,
    a_large_catalogue_is_saved_at_once,
    imports_at_the_same_time_do_not_hinder_each_other,
}

#[tokio::test]
async fn a_database_that_has_gone_is_unavailable_and_no_fault() {
    let (sqlite, _folder) = kit_testing::sqlite("catalog").await;
    for database in [sqlite, kit_testing::postgres("catalog").await] {
        let store = migrated(database.clone()).await;
        database.close().await;
        let failure = store.save(&ItemSet::default()).await.unwrap_err();
        assert!(matches!(failure, StoreError::Database(Failure::Unavailable(_))), "{failure:?}");
    }
}

type Store = Arc<dyn CatalogStore>;

async fn migrated(database: Database) -> Store {
    database.migrate(&MIGRATIONS).await.unwrap();
    store::open(&database)
}

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

fn item(sku: &str, name: &str, description: &str, pence: i64) -> Item {
    let price = Money::from_parts("GBP", pence).unwrap().try_into().unwrap();
    let (name, description) = (name.parse().unwrap(), description.parse().unwrap());
    Item { sku: sku.parse().unwrap(), name, description, price }
}

async fn save(store: &Store, items: impl IntoIterator<Item = Item>) -> Saved {
    store.save(&items.into_iter().collect::<ItemSet>()).await.unwrap()
}

async fn save_named(store: &Store, names: &[(&str, &str)]) {
    save(store, names.iter().map(|(sku, name)| item(sku, name, "", 1))).await;
}

fn skus(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.sku.as_str()).collect()
}

async fn search(store: &Store, query: &str) -> Vec<String> {
    let found = store.search(&query.parse().unwrap(), None, 1_000).await.unwrap();
    found.iter().map(|found| found.item.sku.to_string()).collect()
}

async fn an_item_reads_back_as_it_was_saved(store: Store) {
    let mug = item("MUG 1", "Mug, \"big\" & 'blue' \\ {x}", "Holds\r\n\ttea; café ☕", 1_250);
    let yen = Money::from_parts("JPY", 0).unwrap().try_into().unwrap();
    let free = Item { price: yen, ..item("mug 1", "Frei", "", 1) };
    save(&store, [mug.clone(), free.clone()]).await;
    assert_eq!(store.list(None, 10).await.unwrap(), [mug.clone(), free]);
    assert_eq!(store.find(&[sku("MUG 1"), sku("MUG 1")]).await.unwrap(), [mug]);
}

async fn the_longest_item_is_stored_and_found(store: Store) {
    let price = Money::from_parts("GBP", 1_000_000_000_000).unwrap().try_into().unwrap();
    let long = Item {
        sku: "𝕊".repeat(64).parse().unwrap(),
        name: "𝕟".repeat(200).parse().unwrap(),
        description: "𝕕 ".repeat(2_000).parse().unwrap(),
        price,
    };
    save(&store, [long.clone()]).await;
    assert_eq!(store.list(None, 10).await.unwrap(), [long]);
    assert_eq!(search(&store, &"𝕟".repeat(200)).await.len(), 1);
    assert_eq!(search(&store, "𝕕").await.len(), 1);
}

async fn saving_counts_what_it_creates_updates_and_leaves(store: Store) {
    let (ant, bear) = (item("a", "Ant", "", 1), item("b", "Bear", "", 2));
    assert_eq!(save(&store, [ant.clone(), bear.clone()]).await, counts(2, 0, 0));
    assert_eq!(save(&store, [ant.clone(), bear.clone()]).await, counts(0, 0, 2));
    let dearer = item("b", "Bear", "", 3);
    assert_eq!(save(&store, [item("c", "Cat", "", 3), dearer, ant]).await, counts(1, 1, 1));
    assert_eq!(save(&store, []).await, counts(0, 0, 0));
    let price = Money::from_parts("EUR", 3).unwrap().try_into().unwrap();
    assert_eq!(save(&store, [Item { price, ..bear }]).await, counts(0, 1, 0));
    let items = store.list(None, 10).await.unwrap();
    assert_eq!(skus(&items), ["a", "b", "c"]);
    assert_eq!(items[1].price.money().to_string(), "EUR 0.03");
}

const fn counts(created: u64, updated: u64, unchanged: u64) -> Saved {
    Saved { created, updated, unchanged }
}

async fn skus_are_ordered_byte_by_byte(store: Store) {
    let ordered = ["1", "10", "2", "A B", "A-B", "AB", "B", "_", "a", "b", "Ä", "é", "Ω", "𝕊"];
    save(&store, ordered.iter().rev().map(|sku| item(sku, "x", "", 1))).await;
    assert_eq!(skus(&store.list(None, 100).await.unwrap()), ordered);
}

async fn a_list_comes_in_pages_without_gaps_or_repeats(store: Store) {
    save(&store, (0..25).map(|n| item(&format!("{n:02}"), "x", "", 1))).await;
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(after.as_ref(), 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.sku.clone());
        seen.extend(page);
    }
    assert_eq!(seen, store.list(None, 100).await.unwrap());
    assert_eq!(seen.len(), 25);
    assert_eq!(skus(&store.list(Some(&sku("02x")), 1).await.unwrap()), ["03"]);
}

async fn unknown_skus_are_left_out(store: Store) {
    save_named(&store, &[("a", "Ant"), ("b", "Bear")]).await;
    let found = store.find(&[sku("b"), sku("x'; drop table item; --"), sku("A")]).await.unwrap();
    assert_eq!(skus(&found), ["b"]);
    assert!(store.find(&[]).await.unwrap().is_empty());
}

async fn a_deleted_item_is_gone_from_lists_and_searches(store: Store) {
    save_named(&store, &[("a", "Duck"), ("b", "Duck")]).await;
    assert!(store.delete(&sku("b")).await.unwrap());
    assert!(!store.delete(&sku("b")).await.unwrap());
    assert_eq!(search(&store, "duck").await, ["a"]);
    assert_eq!(skus(&store.list(None, 10).await.unwrap()), ["a"]);
    save_named(&store, &[("c", "Goose")]).await;
    assert_eq!(search(&store, "duck").await, ["a"]);
    assert_eq!(search(&store, "goose").await, ["c"]);
}

async fn every_word_must_match_and_the_last_may_be_a_beginning(store: Store) {
    save(
        &store,
        [
            item("a", "Giant gummy bear", "Five pounds of gummi", 1),
            item("b", "Gummy rabbit", "A bearer of gifts", 1),
        ],
    )
    .await;
    assert_eq!(search(&store, "GUMMY pound").await, ["a"]);
    assert_eq!(search(&store, "gummy bear").await, ["a", "b"]);
    assert_eq!(search(&store, "bear gummy").await, ["a"]);
    assert_eq!(search(&store, "gummy gummy gummy").await.len(), 2);
    assert!(search(&store, "gummy bears").await.is_empty());
    assert!(search(&store, "ummy").await.is_empty());
}

async fn a_match_in_the_name_comes_before_one_in_the_description(store: Store) {
    save(
        &store,
        [
            item("a", "Bath toy", "A duck for the bath", 1),
            item("b", "Rubber duck", "Floats in the bath", 1),
            item("c", "Towel", "Dries the bather", 1),
            item("d", "Soap", "Smells of roses", 1),
        ],
    )
    .await;
    assert_eq!(search(&store, "duck").await, ["b", "a"]);
}

async fn operators_of_query_languages_are_plain_words(store: Store) {
    save(
        &store,
        [
            item("a", "Salt and pepper", "", 1),
            item("b", "Salt near the sea or not", "", 1),
            item("c", "Pepper", "", 1),
        ],
    )
    .await;
    assert_eq!(search(&store, "salt AND pepper").await, ["a"]);
    assert_eq!(search(&store, "salt & pepper").await, ["a"]);
    assert_eq!(search(&store, "NEAR(salt sea, 9)").await, [""; 0]);
    assert_eq!(search(&store, "near(salt sea)").await, ["b"]);
    assert_eq!(search(&store, "salt OR").await, ["b"]);
    assert_eq!(search(&store, "salt NOT").await, ["b"]);
    assert_eq!(search(&store, "name:salt").await, [""; 0]);
    assert_eq!(search(&store, "^pepper").await.len(), 2);
}

async fn a_query_without_a_word_matches_nothing(store: Store) {
    save_named(&store, &[("a", "Pepper"), ("b", "Pepper and salt")]).await;
    for nothing in ["\"", "*", "'", "''", "\\", "(", ")", "-", "!", "&", "|", ":*", "\u{0}", " "] {
        assert_eq!(search(&store, nothing).await, [""; 0], "{nothing:?}");
    }
}

async fn signs_around_a_word_are_passed_over(store: Store) {
    save_named(&store, &[("a", "Pepper"), ("b", "Pepper and salt")]).await;
    for odd in
        ["\"pepper", "pepper\"", "pepper*", "'pepper", "pepper'", "pepper\\", "(pepper", "-pepper"]
    {
        assert_eq!(search(&store, odd).await.len(), 2, "{odd:?}");
    }
    let all_operators = "a' b\" & | ! <-> :* and AND or OR not NOT near NEAR ( ) { } ^ + - , ;";
    assert_eq!(search(&store, all_operators).await, [""; 0]);
}

async fn words_end_where_letters_and_digits_end(store: Store) {
    save(
        &store,
        [
            item("a", "RED/WHITE T-LIGHT", "www.example.com/holder_1 5.5\"", 1),
            item("b", "Café ÉTOILE №7", "85123A", 1),
        ],
    )
    .await;
    for query in ["white", "light", "example", "holder", "t light red", "red/white", "5 5"] {
        assert_eq!(search(&store, query).await, ["a"], "{query}");
    }
    for query in ["café", "CAFÉ", "étoile", "85123a", "caf"] {
        assert_eq!(search(&store, query).await, ["b"], "{query}");
    }
}

async fn a_search_comes_in_pages_without_gaps_or_repeats(store: Store) {
    let name = |n: usize| format!("Duck {}", "of wood ".repeat(n % 5));
    save(&store, (0..25).map(|n| item(&format!("{n:02}"), &name(n), "", 1))).await;
    let query = "duck".parse().unwrap();
    let all = store.search(&query, None, 100).await.unwrap();
    assert_eq!(all.len(), 25);
    assert!(all.is_sorted_by(|one, next| (one.rank, &one.item.sku) < (next.rank, &next.item.sku)));
    let mut seen: Vec<Match> = Vec::new();
    loop {
        let place = seen.last().map(|m| Place { rank: m.rank, sku: m.item.sku.clone() });
        let page = store.search(&query, place.as_ref(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, all);
}

async fn an_updated_item_is_found_by_its_new_words_only(store: Store) {
    save_named(&store, &[("a", "Duck"), ("b", "Goose")]).await;
    save_named(&store, &[("a", "Swan")]).await;
    assert_eq!(search(&store, "duck").await, [""; 0]);
    assert_eq!(search(&store, "swan").await, ["a"]);
    assert_eq!(search(&store, "goose").await, ["b"]);
}

/// Larger than one batch of any store.
async fn a_large_catalogue_is_saved_at_once(store: Store) {
    let row = |n| format!("{n},Thing {n},0.05,The thing of number {n}\n");
    let rows: Vec<_> = (0..12_000).map(row).collect();
    let file = format!("sku,name,price,description\n{}", rows.concat());
    let items = import::parse(file.as_bytes(), "GBP".parse().unwrap()).unwrap();
    assert_eq!(store.save(&items).await.unwrap(), counts(12_000, 0, 0));
    assert_eq!(store.save(&items).await.unwrap(), counts(0, 0, 12_000));
    assert_eq!(search(&store, "thing 11999").await, ["11999"]);
}

async fn imports_at_the_same_time_do_not_hinder_each_other(store: Store) {
    let items = |pence: i64| -> ItemSet {
        (0..300)
            .map(|n| item(&format!("{n}"), &format!("Thing {n} at {pence}"), "", pence))
            .collect()
    };
    let imports = (1..=6).map(|pence| {
        let (store, items) = (Arc::clone(&store), items(pence));
        tokio::spawn(async move { store.save(&items).await.unwrap() })
    });
    let mut created = 0;
    for import in imports.collect::<Vec<_>>() {
        created += import.await.unwrap().created;
    }
    assert_eq!(created, 300);
    let stored = store.list(None, 1_000).await.unwrap();
    assert_eq!(stored.len(), 300);
    assert!(stored.iter().all(|item| item.price == stored[0].price), "one import stands whole");
}
