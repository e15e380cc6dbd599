//! Rows as somebody else may leave them: unreadable, or locked.

use std::time::Duration;

use cart_svc::{
    app::{Error, Timing},
    store::StoreError,
};
use kit_database::{Failure, Sql};
use oxcart_types::CartDetailsPatch;

use crate::shop::{Shop, lines, mark_command};

/// Takes the owner's name away from one of two overdue checkouts.
const SPOIL: Sql = Sql::same("update checkout set owner = '' where request_id = 'spoiled'");

const LOCK: Sql = Sql::same("select 1 from cart for update");

#[tokio::test]
async fn a_checkout_that_cannot_be_read_keeps_no_other_from_being_handed_out() {
    let (sqlite, folder) = kit_testing::sqlite("cart").await;
    let postgres = kit_testing::postgres("cart").await;
    for (database, folder) in [(sqlite, Some(folder)), (postgres, None)] {
        let shop = Shop::on(database.clone(), folder).await;
        let now = Timing { first_lease: Duration::ZERO, charge_window: Duration::ZERO };
        let checkouts = shop.checkouts_in(now);
        for request in ["spoiled", "good"] {
            let cart = shop.cart(&[("A", 1)]).await;
            checkouts.mark(&shop.alice, &mark_command(&cart, request)).await.unwrap();
        }
        database.sql().unwrap().query(SPOIL).execute_one().await.unwrap();
        let leased = checkouts.lease_overdue("worker", 10).await.unwrap();
        let requests: Vec<_> = leased.iter().map(|one| one.request.as_str()).collect();
        assert_eq!(requests, ["good"]);
    }
}

#[tokio::test]
async fn a_row_that_stays_locked_is_not_available_for_now() {
    let database = kit_testing::postgres("cart").await;
    let shop = Shop::on(database.clone(), None).await;
    let cart = shop.cart(&[("A", 1)]).await;
    let mut held = database.sql().unwrap().begin().await.unwrap();
    assert_eq!(held.query(LOCK).fetch_all().await.unwrap().len(), 1);

    let refused = shop
        .carts
        .update(&shop.alice, cart.id, None, Some(lines(&[])), &CartDetailsPatch::KEEP)
        .await
        .unwrap_err();
    let is_passing = matches!(refused, Error::Store(StoreError::Database(Failure::Unavailable(_))));
    assert!(is_passing, "{refused:?}");
    held.rollback().await.unwrap();
    shop.carts
        .update(&shop.alice, cart.id, None, Some(lines(&[])), &CartDetailsPatch::KEEP)
        .await
        .unwrap();
}
