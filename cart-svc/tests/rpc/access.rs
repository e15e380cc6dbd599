//! Who may call what.

use oxcart_proto::{
    Reason, cart as pb,
    common::{CartFilter, CartState},
};

use crate::shop::{As, Shop, fact, mark_request, reason};

#[tokio::test]
async fn a_call_without_a_token_is_told_where_to_sign_in() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let checkout = pb::Checkout { owner: "alice".to_owned(), ..Default::default() };
    let nobody = As::nobody();
    let mut refused = shop.call_carts(&nobody, &cart).await;
    refused.extend(shop.call_others(&nobody).await);
    refused.extend(shop.call_internals(&nobody, &checkout).await);
    assert_eq!(refused.len(), 11);
    for (name, status) in refused {
        assert_eq!(reason(&status), Reason::SignInRequired, "{name}");
        assert_eq!(fact(&status, "issuer"), shop.issuer.url(), "{name}");
        assert!(!fact(&status, "sign_in").is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_whatever_is_asked() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let issuer = &shop.issuer;
    for token in [
        issuer.expired_token("alice"),
        issuer.wrong_audience("alice"),
        issuer.unsigned("alice"),
        issuer.wrong_key("alice"),
        "rubbish".to_owned(),
    ] {
        let who = As::token(&token);
        let mut refused = shop.call_carts(&who, &cart).await;
        refused.extend(shop.call_others(&who).await);
        refused.extend(shop.call_internals(&who, &pb::Checkout::default()).await);
        for (name, status) in refused {
            assert_eq!(reason(&status), Reason::TokenInvalid, "{name}");
        }
    }
    assert_eq!(shop.read(&cart.cart_id).await, cart);
}

#[tokio::test]
async fn only_a_service_with_the_scope_moves_a_checkout_along() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let checkout = shop.mark(mark_request(&cart, "r1", 100)).await.unwrap();
    let token = shop.issuer.service_token("admin", &["catalog:write", "payment:read"]);
    for (who, expected) in [
        (As::token(&token), Reason::ScopeMissing),
        (shop.alice().with_service(&token), Reason::ScopeMissing),
        (shop.alice(), Reason::SignInRequired),
    ] {
        for (name, status) in shop.call_internals(&who, &checkout).await {
            assert_eq!(reason(&status), expected, "{name}");
        }
    }
    let client = &mut shop.checkouts.clone();
    let mark = mark_request(&cart, "r1", 100);
    for (who, expected) in [
        (shop.alice(), Reason::SignInRequired),
        (shop.alice().with_service(&token), Reason::ScopeMissing),
        (shop.controller(), Reason::SignInRequired),
    ] {
        let status = client.mark_purchased(who.asks(mark.clone())).await.unwrap_err();
        assert_eq!(reason(&status), expected);
    }
    assert_eq!(shop.read(&cart.cart_id).await.state(), CartState::Pending);
}

#[tokio::test]
async fn somebody_elses_cart_is_refused_in_the_words_for_none_at_all() {
    let shop = Shop::open().await;
    let hers = shop.cart(&[("A", 1)]).await;
    let none_id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let none = pb::Cart { cart_id: none_id.to_owned(), ..hers.clone() };
    let bob = shop.controller_for("bob");
    let foreign = shop.call_carts(&bob, &hers).await;
    let absent = shop.call_carts(&bob, &none).await;
    for ((name, foreign), (_, absent)) in foreign.into_iter().zip(absent) {
        assert_eq!(reason(&foreign), Reason::CartNotFound, "{name}");
        assert_eq!(reason(&absent), Reason::CartNotFound, "{name}");
        assert_eq!(foreign.message().replace(&hers.cart_id, none_id), absent.message(), "{name}");
        assert_eq!(foreign.details().len(), absent.details().len(), "{name}");
    }
    assert_eq!(shop.read(&hers.cart_id).await, hers);

    let filter = CartFilter::Unpurchased.into();
    let find = pb::ListCartsRequest { filter, ..Default::default() };
    let found = shop.client.clone().list_carts(bob.asks(find)).await.unwrap();
    assert_eq!(found.into_inner().carts, []);

    // Under her cart's id he makes one of his own, and learns nothing of hers.
    let create = pb::CreateCartRequest {
        cart_id: hers.cart_id.clone(),
        lines: Vec::new(),
        ..Default::default()
    };
    let his = shop.client.clone().create_cart(bob.asks(create)).await.unwrap();
    assert_eq!(his.into_inner().cart.unwrap().lines, []);
    assert_eq!(shop.read(&hers.cart_id).await, hers);
}

#[tokio::test]
async fn somebody_elses_checkout_is_refused_in_the_words_for_none_at_all() {
    use pb::get_checkout_request::Name;

    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let checkout = shop.mark(mark_request(&cart, "r1", 100)).await.unwrap();
    let get = |name| {
        let request = shop.user("bob").asks(pb::GetCheckoutRequest { name: Some(name) });
        let mut client = shop.checkouts.clone();
        async move { client.get_checkout(request).await.unwrap_err() }
    };
    let absent = get(Name::RequestId("none".to_owned())).await;
    assert_eq!(reason(&absent), Reason::CheckoutNotFound);
    for name in [Name::CheckoutId(checkout.checkout_id), Name::RequestId("r1".to_owned())] {
        let foreign = get(name).await;
        assert_eq!(reason(&foreign), Reason::CheckoutNotFound);
        assert_eq!(foreign.message(), absent.message());
    }
}
