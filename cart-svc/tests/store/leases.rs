//! Overdue checkouts, and who finishes them.

use std::{collections::BTreeMap, time::Duration};

use cart_svc::{
    app::{Checkouts, Timing},
    domain::Checkout,
    store::{CheckoutName, Overdue, StoreError},
};
use oxcart_types::CheckoutFailure;

use crate::shop::{Shop, at_once, mark_command};

/// Everything is overdue as soon as the clock moves.
fn impatient(shop: &Shop) -> Checkouts {
    shop.checkouts_in(Timing { first_lease: Duration::ZERO, charge_window: Duration::ZERO })
}

async fn start(shop: &Shop, checkouts: &Checkouts, request: &str) -> Checkout {
    let cart = shop.cart(&[("A", 1)]).await;
    checkouts.mark(&shop.alice, &mark_command(&cart, request)).await.unwrap()
}

/// The overdue checkouts, as soon as there are `count`.
async fn overdue(shop: &Shop, count: usize) -> Vec<Overdue> {
    for _ in 0..10_000 {
        let overdue = shop.store.overdue(100).await.unwrap();
        if overdue.len() == count {
            return overdue;
        }
        tokio::task::yield_now().await;
    }
    panic!("there are not {count} overdue checkouts")
}

pub async fn an_overdue_checkout_is_handed_to_one_worker(shop: Shop) {
    let checkouts = impatient(&shop);
    for number in 0..6 {
        start(&shop, &checkouts, &format!("r{number}")).await;
    }
    overdue(&shop, 6).await;
    let leased = at_once(8, |number| {
        let checkouts = shop.checkouts.clone();
        async move { checkouts.lease_overdue(&format!("worker-{number}"), 6).await.unwrap() }
    })
    .await;
    let mut times = BTreeMap::new();
    for checkout in leased.into_iter().flatten() {
        assert_eq!(checkout.attempts, 1);
        *times.entry(checkout.id).or_insert(0) += 1;
    }
    assert_eq!(times.into_values().collect::<Vec<_>>(), [1; 6]);
}

pub async fn a_young_or_decided_checkout_is_not_handed_out(shop: Shop) {
    shop.pending().await;
    let checkouts = impatient(&shop);
    let decided = start(&shop, &checkouts, "r1").await;
    let pending = start(&shop, &checkouts, "r2").await;
    let failed = overdue(&shop, 2).await.into_iter().find(|one| one.checkout == decided.id);
    checkouts.unmark(&shop.alice, decided.id, CheckoutFailure::Cancelled).await.unwrap();

    let leased = shop.checkouts.lease_overdue("worker", 100).await.unwrap();
    assert_eq!(leased.iter().map(|one| one.id).collect::<Vec<_>>(), [pending.id]);
    let late = shop.store.lease(&failed.unwrap(), Duration::from_secs(1)).await;
    assert!(matches!(late, Err(StoreError::Conflict)));
}

pub async fn a_lease_that_was_read_before_another_is_void(shop: Shop) {
    let checkout = start(&shop, &impatient(&shop), "r1").await;
    let read = overdue(&shop, 1).await.remove(0);
    shop.store.lease(&read, Duration::ZERO).await.unwrap();
    let second = shop.store.lease(&read, Duration::ZERO).await;
    assert!(matches!(second, Err(StoreError::Conflict)));

    let next = overdue(&shop, 1).await.remove(0);
    assert_eq!((next.lease_epoch, next.attempts), (read.lease_epoch + 1, 1));
    shop.store.lease(&next, Duration::from_mins(1)).await.unwrap();
    assert_eq!(shop.store.overdue(100).await.unwrap(), []);
    // A lease stands in nobody's way: whoever has the outcome may save it.
    assert_eq!(shop.confirm(&checkout).await.unwrap().id, checkout.id);
    let name = CheckoutName::Id(checkout.id);
    assert_eq!(shop.checkouts.get(&shop.alice, &name).await.unwrap().attempts, 2);
}

pub async fn the_most_overdue_are_handed_out_first(shop: Shop) {
    let checkouts = impatient(&shop);
    let mut marked = Vec::new();
    for number in 0..12 {
        marked.push(start(&shop, &checkouts, &format!("r{number}")).await.id);
    }
    overdue(&shop, 12).await;
    let leased = shop.checkouts.lease_overdue("worker", 2).await.unwrap();
    let places: Vec<_> =
        leased.iter().map(|one| marked.iter().position(|id| *id == one.id).unwrap()).collect();
    assert_eq!(places.len(), 2);
    // Any two of the four times two that are overdue the longest, in order.
    assert!(places[0] < places[1] && places[1] < 8, "{places:?}");
}

pub async fn the_time_to_charge_runs_out(shop: Shop) {
    let (_, checkout) = shop.pending().await;
    let window = Timing::default().charge_window;
    assert!(!checkout.charge_window.is_zero() && checkout.charge_window <= window);
    let late = start(&shop, &impatient(&shop), "r1").await;
    assert_eq!(late.charge_window, Duration::ZERO);
    let paid = shop.confirm(&checkout).await.unwrap();
    assert_eq!(paid.charge_window, Duration::ZERO);
}
