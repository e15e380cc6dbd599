//! Carts.

use std::collections::BTreeSet;

use cart_svc::{
    app::{Carts, Error},
    domain::{Hold, Limits, Refused},
};
use kit_service::Env;
use oxcart_types::{CartDetails, CartDetailsPatch, CartFilter, CartId, Sku};
use time::macros::datetime;
use uuid::Uuid;

use crate::shop::{Shop, at_once, lines, mark_command, user};

fn sku(text: &str) -> Sku {
    text.parse().unwrap()
}

pub async fn a_cart_is_found_as_it_was_saved(shop: Shop) {
    let raw = [("85123A", 6), ("BANK CHARGES", 1), ("é\"\\'$1", 1_000_000)];
    let cart = shop.cart(&raw).await;
    assert_eq!(shop.read(&cart).await, cart);
    assert_eq!((cart.hold, cart.lines.clone()), (Hold::Free, lines(&raw)));
    let empty = shop.cart(&[]).await;
    assert_eq!(shop.read(&empty).await, empty);
}

pub async fn creating_a_cart_again_makes_no_second_one(shop: Shop) {
    let id = Some(CartId::from(shop.env.uuid_v7()));
    let create =
        |raw| shop.carts.create(shop.alice.clone(), id, lines(raw), CartDetails::default());
    let cart = create(&[("A", 1)]).await.unwrap();
    assert_eq!(create(&[("A", 1)]).await.unwrap(), cart);
    let exists = create(&[("A", 2)]).await.unwrap_err();
    assert!(matches!(exists, Error::Exists { now } if *now == cart));

    shop.carts
        .update(&shop.alice, cart.id, None, Some(lines(&[])), &CartDetailsPatch::KEEP)
        .await
        .unwrap();
    let back = shop
        .carts
        .update(&shop.alice, cart.id, None, Some(lines(&[("A", 1)])), &CartDetailsPatch::KEEP)
        .await
        .unwrap();
    let exists = create(&[("A", 1)]).await.unwrap_err();
    assert!(matches!(exists, Error::Exists { now } if *now == back));
}

pub async fn users_who_name_their_carts_alike_never_meet(shop: Shop) {
    let id = CartId::from(Uuid::from_u128(1));
    let bob = user("bob");
    let hers = shop
        .carts
        .create(shop.alice.clone(), Some(id), lines(&[("A", 1)]), CartDetails::default())
        .await
        .unwrap();
    let not_his = shop.carts.get(&bob, id).await.unwrap_err();
    assert!(matches!(not_his, Error::CartNotFound { cart } if cart == id));
    let his = shop
        .carts
        .create(bob.clone(), Some(id), lines(&[("B", 2)]), CartDetails::default())
        .await
        .unwrap();

    shop.carts.delete(&bob, id, None).await.unwrap();
    assert_eq!(shop.read(&hers).await, hers);
    assert_ne!(his.lines, hers.lines);
}

pub async fn a_stale_version_changes_nothing(shop: Shop) {
    let old = shop.cart(&[("A", 1)]).await;
    let seen = Some(old.version);
    let (alice, id) = (&shop.alice, old.id);
    let new = shop.carts.set_item(alice, id, seen, &sku("B"), 1.try_into().ok()).await.unwrap();
    for refused in [
        shop.carts
            .update(alice, id, seen, Some(lines(&[])), &CartDetailsPatch::KEEP)
            .await
            .unwrap_err(),
        shop.carts.set_item(alice, id, seen, &sku("A"), None).await.unwrap_err(),
        shop.carts.delete(alice, id, seen).await.unwrap_err(),
    ] {
        let Error::Refused(Refused::Stale { now }) = refused else { panic!("{refused}") };
        assert_eq!(*now, new);
    }
    assert_eq!(shop.read(&old).await, new);
}

pub async fn sixteen_writers_of_one_cart_lose_nothing(shop: Shop) {
    let cart = shop.cart(&[]).await;
    at_once(16, |number| {
        let (carts, alice, id) = (shop.carts.clone(), shop.alice.clone(), cart.id);
        async move {
            let sku = sku(&format!("S{number}"));
            loop {
                match carts.set_item(&alice, id, None, &sku, 3.try_into().ok()).await {
                    Err(Error::Contended { .. }) => {}
                    done => return done.unwrap(),
                }
            }
        }
    })
    .await;
    let after = shop.read(&cart).await;
    let skus: BTreeSet<_> = after.lines.as_slice().iter().map(|line| line.sku.clone()).collect();
    assert_eq!(skus.len(), 16);
    assert_eq!(after.version.get(), cart.version.get() + 16);
}

pub async fn sixteen_writers_of_one_version_have_one_winner(shop: Shop) {
    let cart = shop.cart(&[]).await;
    let done = at_once(16, |number| {
        let (carts, alice, cart) = (shop.carts.clone(), shop.alice.clone(), cart.clone());
        async move {
            let raw = [("A", i32::try_from(number).unwrap() + 1)];
            carts
                .update(
                    &alice,
                    cart.id,
                    Some(cart.version),
                    Some(lines(&raw)),
                    &CartDetailsPatch::KEEP,
                )
                .await
        }
    })
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 15));
    let won = won.into_iter().next().unwrap().unwrap();
    assert_eq!(shop.read(&cart).await, won);
    for refused in lost {
        let refused = refused.unwrap_err();
        let is_stale = matches!(&refused, Error::Refused(Refused::Stale { now }) if **now == won);
        assert!(is_stale, "{refused}");
    }
}

pub async fn a_repeated_write_makes_no_new_version(shop: Shop) {
    let cart = shop.cart(&[("A", 1)]).await;
    let (alice, id) = (&shop.alice, cart.id);
    let sku = sku("A");
    let set = || shop.carts.set_item(alice, id, None, &sku, 5.try_into().ok());
    assert_eq!(set().await.unwrap(), set().await.unwrap());
    let dropped = || shop.carts.set_item(alice, id, None, &sku, None);
    assert_eq!(dropped().await.unwrap(), dropped().await.unwrap());
}

pub async fn the_limit_of_carts_holds_however_many_are_created_at_once(shop: Shop) {
    let limits = Limits { max_carts: 5, ..Limits::default() };
    let done = at_once(16, |_| {
        let (carts, alice) = (shop.carts_within(limits), shop.alice.clone());
        async move { carts.create(alice, None, lines(&[("A", 1)]), CartDetails::default()).await }
    })
    .await;
    let made: Vec<_> = done.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    let refused =
        done.iter().filter(|answer| matches!(answer, Err(Error::TooManyCarts { limit: 5 })));
    assert_eq!((made.len(), refused.count()), (5, 11));

    // A repetition is no other cart, and another user has a limit of his own.
    let carts = shop.carts_within(limits);
    let again = carts
        .create(shop.alice.clone(), Some(made[0].id), lines(&[("A", 1)]), CartDetails::default())
        .await;
    assert_eq!(again.unwrap(), *made[0]);
    carts.create(user("bob"), None, lines(&[]), CartDetails::default()).await.unwrap();
    carts.delete(&shop.alice, made[0].id, None).await.unwrap();
    carts.create(shop.alice.clone(), None, lines(&[]), CartDetails::default()).await.unwrap();
}

pub async fn purchased_carts_do_not_count_towards_the_limit(shop: Shop) {
    let carts = shop.carts_within(Limits { max_carts: 1, ..Limits::default() });
    let (_, checkout) = shop.pending().await;
    let refused = carts
        .create(shop.alice.clone(), None, lines(&[]), CartDetails::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::TooManyCarts { limit: 1 }));
    shop.confirm(&checkout).await.unwrap();
    carts.create(shop.alice.clone(), None, lines(&[]), CartDetails::default()).await.unwrap();
}

pub async fn pages_show_every_cart_once_and_the_youngest_first(shop: Shop) {
    let (_, checkout) = shop.pending().await;
    shop.confirm(&checkout).await.unwrap();
    let (pending, _) = shop.pending().await;
    let mut made = vec![pending.id];
    for number in 0..6u128 {
        // Ids fall while times rise: the order is by time.
        let id = CartId::from(Uuid::from_u128(100 - number));
        made.push(
            shop.carts
                .create(shop.alice.clone(), Some(id), lines(&[]), CartDetails::default())
                .await
                .unwrap()
                .id,
        );
    }
    shop.carts.create(user("bob"), None, lines(&[]), CartDetails::default()).await.unwrap();
    made.reverse();

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = shop.carts.list(&shop.alice, CartFilter::Unpurchased, after, 3).await.unwrap();
        seen.extend(page.0.into_iter().map(|cart| cart.id));
        after = page.1;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let (bought, next) =
        shop.carts.list(&shop.alice, CartFilter::Purchased, None, 3).await.unwrap();
    assert_eq!((bought.len(), bought[0].id, next), (1, checkout.cart, None));
    assert_eq!(bought[0].quote.as_ref(), Some(&checkout.quote));
}

pub async fn purchases_are_listed_by_when_they_were_made(shop: Shop) {
    let (first, second) = (shop.cart(&[("A", 1)]).await, shop.cart(&[("B", 1)]).await);
    for cart in [&second, &first] {
        let mark = mark_command(cart, &format!("r-{}", cart.id));
        let checkout = shop.checkouts.mark(&shop.alice, &mark).await.unwrap();
        shop.confirm(&checkout).await.unwrap();
    }
    let list = |after| shop.carts.list(&shop.alice, CartFilter::Purchased, after, 1);
    let (newest, next) = list(None).await.unwrap();
    let (oldest, end) = list(next).await.unwrap();
    assert_eq!((newest[0].id, oldest[0].id, end), (first.id, second.id, None));
    assert_eq!(newest[0].purchased_at(), Some(newest[0].updated_at));
    assert!(newest[0].purchased_at() > oldest[0].purchased_at());
}

pub async fn carts_of_one_moment_are_ordered_by_id(shop: Shop) {
    let env = Env::seeded(1, datetime!(2026-11-23 12:00 UTC));
    let carts = Carts::new(shop.store.clone(), Limits::default(), env);
    for number in [3, 1, 5, 2, 4] {
        let id = Some(CartId::from(Uuid::from_u128(number)));
        carts.create(shop.alice.clone(), id, lines(&[]), CartDetails::default()).await.unwrap();
    }
    let (first, next) = carts.list(&shop.alice, CartFilter::Unpurchased, None, 2).await.unwrap();
    let (rest, end) = carts.list(&shop.alice, CartFilter::Unpurchased, next, 3).await.unwrap();
    let ids: Vec<_> = first.iter().chain(&rest).map(|cart| cart.id.as_uuid().as_u128()).collect();
    assert_eq!((ids, end), (vec![5, 4, 3, 2, 1], None));
}

pub async fn a_deleted_cart_is_gone_and_a_new_one_of_that_id_is_another(shop: Shop) {
    let old = shop.cart(&[("A", 1)]).await;
    shop.carts.delete(&shop.alice, old.id, Some(old.version)).await.unwrap();
    for gone in [
        shop.carts.get(&shop.alice, old.id).await.map(drop).unwrap_err(),
        shop.carts.delete(&shop.alice, old.id, None).await.unwrap_err(),
    ] {
        assert!(matches!(gone, Error::CartNotFound { .. }), "{gone}");
    }
    let new = shop
        .carts
        .create(shop.alice.clone(), Some(old.id), lines(&[("A", 1)]), CartDetails::default())
        .await;
    let new = new.unwrap();
    assert_ne!(new.version, old.version);
    let refused = shop.carts.delete(&shop.alice, old.id, Some(old.version)).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refused::Stale { .. })));
}
