//! What is repeated, how often and when; and what an error says.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use oxcart_client::{Client, ClientCredentials, Reason};
use oxcart_proto::Refusal;
use tonic::{Code, Status};

use crate::fake::{Fake, Fault, refusal};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn what_may_pass_is_repeated_until_it_has() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    alice.create_cart_as(ID, []).await.unwrap();
    let transport =
        [Code::Unknown, Code::Unavailable, Code::Internal].map(|code| Status::new(code, ""));
    let reasons =
        [Reason::Overloaded, Reason::Unavailable, Reason::DeadlineExceeded, Reason::Internal];
    for status in reasons.map(refusal).into_iter().chain(transport) {
        let before = fake.count("GetCart");
        fake.script("GetCart", [Fault::Refuse(status.clone())]);
        assert_eq!(alice.get_cart(ID).await.unwrap().cart_id, ID, "{status:?}");
        assert_eq!(fake.count("GetCart"), before + 2, "{status:?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_not_repeated() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    for status in [refusal(Reason::TooManyCarts), Status::unimplemented("")] {
        let before = fake.count("CreateCart");
        fake.script("CreateCart", [Fault::Refuse(status.clone())]);
        let error = alice.create_cart([]).await.unwrap_err();
        assert_eq!(error.call().unwrap().code(), status.code());
        assert_eq!(fake.count("CreateCart"), before + 1, "{status:?}");
    }
}

#[tokio::test]
async fn a_store_that_asks_for_a_pause_gets_it() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let delay = Duration::from_millis(600);
    let shed = Refusal::new(Reason::Overloaded, "too much").retry_after(delay);
    fake.script("GetStorefront", [Fault::Refuse(shed.into())]);
    let begun_at = Instant::now();
    alice.storefront(0).await.unwrap();
    assert!(begun_at.elapsed() >= delay);
}

#[tokio::test]
async fn a_store_that_stays_away_is_given_up_within_the_time_budget() {
    let fake = Fake::start().await;
    let budget = Duration::from_millis(1_500);
    let client = Client::builder(&fake.url).time_budget(budget).build().unwrap();
    let alice = client.sign_in("alice", "alice-password").await.unwrap();
    fake.script("GetStorefront", vec![Fault::Refuse(refusal(Reason::Unavailable)); 100]);
    let begun_at = Instant::now();
    let before = fake.count("GetStorefront");
    let error = alice.storefront(0).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::Unavailable));
    assert!(begun_at.elapsed() < budget + Duration::from_millis(500));
    let tries = fake.count("GetStorefront") - before;
    assert!((3..100).contains(&tries), "{tries}");
}

#[tokio::test]
async fn without_retries_each_failure_is_seen() {
    let fake = Fake::start().await;
    let alice = fake.alice().await.without_retries();
    let before = fake.count("GetStorefront");
    fake.script("GetStorefront", [Fault::LoseAnswer]);
    assert_eq!(alice.storefront(0).await.unwrap_err().call().unwrap().code(), Code::Unknown);
    assert_eq!(fake.count("GetStorefront"), before + 1);
    // A token is replaced all the same: the call has done nothing then.
    fake.revoke_tokens();
    alice.storefront(0).await.unwrap();
}

#[tokio::test]
async fn a_call_that_hangs_ends_with_its_deadline_and_is_made_again() {
    let fake = Fake::start().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let client = Client::builder(&fake.url)
        .deadline(Duration::from_millis(300))
        .observe(move |attempt| {
            let code = attempt.error.map(oxcart_client::CallError::code);
            log.lock().unwrap().push((attempt.method, attempt.number, attempt.latency, code));
        })
        .build()
        .unwrap();
    let alice = client.sign_in("alice", "alice-password").await.unwrap();
    seen.lock().unwrap().clear();
    fake.script("ListItems", [Fault::Hang]);
    assert_eq!(alice.items().all().await.unwrap().len(), 5);
    let seen = seen.lock().unwrap();
    let [(method, 1, latency, Some(Code::DeadlineExceeded)), ("ListItems", 2, _, None)] = &seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!(*method, "ListItems");
    assert!(*latency >= Duration::from_millis(290), "{latency:?}");
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_goes_on_after_a_failure() {
    let fake = Fake::start().await;
    let alice = fake.alice().await;
    let mut items = alice.without_retries().items().page_size(2);
    let mut skus = Vec::new();
    for _ in 0..2 {
        skus.push(items.next().await.unwrap().unwrap().sku);
    }
    assert_eq!(fake.count("ListItems"), 1, "a page is asked for once it is reached");
    fake.script("ListItems", [Fault::LoseAnswer]);
    assert!(items.next().await.unwrap().is_err());
    while let Some(item) = items.next().await {
        skus.push(item.unwrap().sku);
    }
    assert_eq!(skus, ["SKU-0", "SKU-1", "SKU-2", "SKU-3", "SKU-4"]);
    assert_eq!(fake.count("ListItems"), 4);
}

#[tokio::test]
async fn a_catalogue_is_sent_whole_however_often_it_is_lost() {
    let fake = Fake::start().await;
    let admin = fake.client().service(ClientCredentials::new("admin", "admin-secret"), &[]);
    let csv: Vec<u8> = (0..600_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    fake.script("ImportItems", [Fault::LoseAnswer, Fault::LoseRequest]);
    let imported = admin.import(csv.clone(), "GBP").await.unwrap();
    assert_eq!((imported.created_count, fake.count("ImportItems")), (3, 3));
    assert_eq!(fake.state().imported, csv);
    let bad = Refusal::new(Reason::FieldInvalid, "bad rows").with("bad_rows", 7);
    let bad = bad.field("line 2, price", "must not be negative");
    fake.script("ImportItems", [Fault::Refuse(bad.into())]);
    let error = admin.import(csv, "").await.unwrap_err();
    let error = error.call().unwrap();
    assert_eq!(error.bad_fields()[0].field, "line 2, price");
    assert_eq!(error.metadata("bad_rows"), Some("7"));
}

#[tokio::test]
async fn a_store_that_does_not_answer_says_so_at_once_if_nothing_is_repeated() {
    let client = Client::new("http://127.0.0.1:1").unwrap().without_retries();
    let begun_at = Instant::now();
    let error = client.sign_in("alice", "x").await.unwrap_err();
    assert_eq!(error.reason(), None);
    assert!(error.is_retriable() && begun_at.elapsed() < Duration::from_secs(5), "{error}");
}
