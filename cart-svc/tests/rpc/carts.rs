//! Carts.

use oxcart_proto::{
    Reason, cart as pb,
    common::{CartFilter, CartState, Line},
    error,
};

use crate::shop::{Shop, fact, lines, mark_request, reason};

#[tokio::test]
async fn a_cart_is_created_once_under_the_callers_id() {
    let shop = Shop::open().await;
    let cart_id = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let create = |raw: &[(&str, i32)]| {
        let request = pb::CreateCartRequest {
            cart_id: cart_id.clone(),
            lines: lines(raw),
            ..Default::default()
        };
        let (request, mut client) = (shop.alice().asks(request), shop.client.clone());
        async move { client.create_cart(request).await.map(|answer| answer.into_inner().cart) }
    };
    let cart = create(&[("A", 1)]).await.unwrap().unwrap();
    assert_eq!((cart.cart_id.as_str(), cart.state()), (cart_id.as_str(), CartState::Open));
    assert_eq!(create(&[("A", 1)]).await.unwrap().unwrap(), cart);
    let refused = create(&[("B", 1)]).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CartExists);
    assert_eq!(error::detail::<pb::Cart>(&refused), Some(cart));
}

#[tokio::test]
async fn a_stale_etag_is_refused_with_the_cart_as_it_is() {
    let shop = Shop::open().await;
    let old = shop.cart(&[("A", 1)]).await;
    let new = shop.update(&old.cart_id, &old.etag, lines(&[("B", 2)])).await.unwrap();
    assert_ne!(new.etag, old.etag);
    let refused = shop.update(&old.cart_id, &old.etag, Vec::new()).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CartStale);
    assert_eq!(error::detail::<pb::Cart>(&refused), Some(new.clone()));
    assert_eq!(fact(&refused, "etag"), new.etag);
    assert_eq!(shop.read(&old.cart_id).await, new);

    // Without an etag the last write wins.
    let last = shop.update(&old.cart_id, "", lines(&[("C", 3)])).await.unwrap();
    assert_eq!(last.lines, lines(&[("C", 3)]));
}

#[tokio::test]
async fn a_stale_etag_of_a_huge_cart_is_refused_as_clearly() {
    let shop = Shop::open().await;
    let huge: Vec<_> =
        (0..1_000).map(|n| Line { sku: format!("{n:0>64}"), quantity: Some(1_000_000) }).collect();
    let old = shop.cart(&[]).await;
    let new = shop.update(&old.cart_id, "", huge).await.unwrap();
    let refused = shop.update(&old.cart_id, &old.etag, Vec::new()).await.unwrap_err();
    assert_eq!(reason(&refused), Reason::CartStale);
    assert_eq!(fact(&refused, "etag"), new.etag);
    assert_eq!(error::detail::<pb::Cart>(&refused), None);
}

#[tokio::test]
async fn an_item_is_set_in_its_place_and_zero_removes_it() {
    let shop = Shop::open().await;
    let id = shop.cart(&[("A", 1), ("B", 2)]).await.cart_id;
    assert_eq!(shop.set(&id, "A", 5).await.unwrap().lines, lines(&[("A", 5), ("B", 2)]));
    assert_eq!(shop.set(&id, "A", 0).await.unwrap().lines, lines(&[("B", 2)]));
    let twice = shop.set(&id, "A", 0).await.unwrap();
    assert_eq!(twice.lines, lines(&[("B", 2)]));
    assert_eq!(shop.read(&id).await, twice);
}

#[tokio::test]
async fn limits_are_refused_by_name_and_number() {
    let shop = Shop::open_with(&["--max-carts=1", "--max-lines=2", "--max-quantity=9"]).await;
    let cart = shop.cart(&[("A", 1), ("B", 2)]).await;
    let full = shop.set(&cart.cart_id, "C", 1).await.unwrap_err();
    assert_eq!((reason(&full), fact(&full, "limit")), (Reason::CartFull, "2".to_owned()));
    shop.set(&cart.cart_id, "A", 9).await.unwrap();
    let many = shop.set(&cart.cart_id, "A", 10).await.unwrap_err();
    assert_eq!(reason(&many), Reason::FieldInvalid);
    assert!(many.message().contains("from 1 to 9"), "{}", many.message());

    let create = shop.alice().asks(pb::CreateCartRequest::default());
    let refused = shop.client.clone().create_cart(create).await.unwrap_err();
    assert_eq!((reason(&refused), fact(&refused, "limit")), (Reason::TooManyCarts, "1".to_owned()));
}

#[tokio::test]
async fn a_frozen_cart_is_closed_to_its_owner() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    shop.mark(mark_request(&cart, "r1", 100)).await.unwrap();
    let frozen = shop.read(&cart.cart_id).await;
    let delete = pb::DeleteCartRequest { cart_id: cart.cart_id.clone(), etag: String::new() };
    let delete = shop.alice().asks(delete);
    for refused in [
        shop.update(&cart.cart_id, "", Vec::new()).await.unwrap_err(),
        shop.set(&cart.cart_id, "A", 0).await.unwrap_err(),
        shop.client.clone().delete_cart(delete).await.unwrap_err(),
    ] {
        assert_eq!(reason(&refused), Reason::CartClosed);
        assert_eq!(fact(&refused, "state"), "PENDING");
    }
    assert_eq!(shop.read(&cart.cart_id).await, frozen);
}

#[tokio::test]
async fn a_deleted_cart_is_not_found() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let delete = || {
        let (cart_id, etag) = (cart.cart_id.clone(), cart.etag.clone());
        let request = shop.alice().asks(pb::DeleteCartRequest { cart_id, etag });
        let mut client = shop.client.clone();
        async move { client.delete_cart(request).await }
    };
    delete().await.unwrap();
    assert_eq!(reason(&delete().await.unwrap_err()), Reason::CartNotFound);
}

#[tokio::test]
async fn pages_go_through_all_carts_and_their_tokens_fit_no_other_list() {
    let shop = Shop::open().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(shop.cart(&[("A", 1)]).await);
    }
    made.reverse();
    let find = |filter: CartFilter, page_token: &str, who: &str| {
        let request = pb::ListCartsRequest {
            filter: filter.into(),
            page_size: 2,
            page_token: page_token.to_owned(),
        };
        let (request, mut client) = (shop.user(who).asks(request), shop.client.clone());
        async move { client.list_carts(request).await.map(tonic::Response::into_inner) }
    };
    let first = find(CartFilter::Unpurchased, "", "alice").await.unwrap();
    let second = find(CartFilter::Unpurchased, &first.next_page_token, "alice").await.unwrap();
    let third = find(CartFilter::Unpurchased, &second.next_page_token, "alice").await.unwrap();
    assert_eq!([first.carts, second.carts, third.carts].concat(), made);
    assert_eq!(third.next_page_token, "");

    let token = &first.next_page_token;
    for (filter, token, who) in [
        (CartFilter::Purchased, token.as_str(), "alice"),
        (CartFilter::Unpurchased, token.as_str(), "bob"),
        (CartFilter::Unpurchased, &format!("{token}A"), "alice"),
        (CartFilter::Unpurchased, "rubbish", "alice"),
    ] {
        let refused = find(filter, token, who).await.unwrap_err();
        assert_eq!(crate::shop::fields(&refused), ["page_token"]);
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_without_its_particulars() {
    let (database, _folder) = kit_testing::sqlite("cart").await;
    let shop = Shop::open_on(&database).await;
    let cart = shop.cart(&[("A", 1)]).await;
    database.close().await;
    for refused in [
        shop.set(&cart.cart_id, "A", 2).await.unwrap_err(),
        shop.mark(mark_request(&cart, "r1", 100)).await.unwrap_err(),
    ] {
        assert_eq!(reason(&refused), Reason::Unavailable);
        assert_eq!(refused.message(), "the cart store failed");
        assert!(error::retry_delay(&refused).is_some());
    }
}
