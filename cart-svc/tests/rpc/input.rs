//! Bad input: refused by the names of all its fields, and nothing is lost.

use oxcart_proto::{
    Reason,
    cart::{self as pb, get_checkout_request::Name},
    common::{CheckoutFailure, Line, Money},
};
use tonic::Status;

use crate::shop::{Shop, fields, lines, mark_request, pence, reason};

const ABSENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn a_garbage_id_is_refused_wherever_it_stands() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let who = shop.controller_for("alice");
    for garbage in ["", "1", "01890a5dac96774bbcceb302099a8057", "../x", &"x".repeat(1_000_000)] {
        let garbage = pb::Cart { cart_id: garbage.to_owned(), ..cart.clone() };
        for (name, status) in shop.call_carts(&who, &garbage).await {
            assert_eq!(fields(&status), ["cart_id"], "{name}");
        }
        let checkout = pb::Checkout {
            owner: "alice".to_owned(),
            checkout_id: garbage.cart_id.clone(),
            ..Default::default()
        };
        for refused in [
            shop.confirm(&checkout, pence(1)).await.unwrap_err(),
            shop.unmark(&checkout, CheckoutFailure::Cancelled, 0).await.unwrap_err(),
        ] {
            assert_eq!(fields(&refused), ["checkout_id"]);
        }
    }
}

#[tokio::test]
async fn a_garbage_etag_is_refused() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    for etag in ["x", "v0", "v-1", "v01", "1", "*", &"v".repeat(100_000)] {
        let refused = shop.update(&cart.cart_id, etag, Vec::new()).await.unwrap_err();
        assert_eq!(fields(&refused), ["etag"]);
        let mark =
            pb::MarkPurchasedRequest { etag: etag.to_owned(), ..mark_request(&cart, "r", 1) };
        assert_eq!(fields(&shop.mark(mark).await.unwrap_err()), ["etag"]);
    }
    // Who starts a checkout has priced some version.
    let mark = pb::MarkPurchasedRequest { etag: String::new(), ..mark_request(&cart, "r", 1) };
    assert_eq!(fields(&shop.mark(mark).await.unwrap_err()), ["etag"]);
    assert_eq!(shop.read(&cart.cart_id).await, cart);
}

#[tokio::test]
async fn a_quantity_that_is_none_is_refused() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    for quantity in [-1, 1_000_001, i32::MAX, i32::MIN] {
        let refused = shop.set(&cart.cart_id, "A", quantity).await.unwrap_err();
        assert_eq!(fields(&refused), ["line.quantity"]);
        let update = shop.update(&cart.cart_id, "", lines(&[("A", quantity)])).await;
        assert_eq!(fields(&update.unwrap_err()), ["lines[0].quantity"]);
    }
    let zero = shop.update(&cart.cart_id, "", lines(&[("A", 0)])).await.unwrap_err();
    assert_eq!(fields(&zero), ["lines[0].quantity"]);
    let unset = Line { sku: "A".to_owned(), quantity: None };
    let update = shop.update(&cart.cart_id, "", vec![unset.clone()]).await.unwrap_err();
    assert_eq!(fields(&update), ["lines[0].quantity"]);
    let set = pb::SetItemRequest {
        cart_id: cart.cart_id.clone(),
        line: Some(unset),
        etag: String::new(),
    };
    let set = shop.client.clone().set_item(shop.alice().asks(set)).await.unwrap_err();
    assert_eq!(fields(&set), ["line.quantity"]);
    assert_eq!(shop.read(&cart.cart_id).await, cart);
}

#[tokio::test]
async fn every_bad_field_is_named_in_one_answer() {
    let shop = Shop::open().await;
    let raw = [("A", 0), ("A", 1), ("", 1), (" x", -1), ("B\u{0}", 1)];
    let refused = shop.update("x", "y", lines(&raw)).await.unwrap_err();
    let expected = [
        "cart_id",
        "etag",
        "lines[0].quantity",
        "lines[1].sku",
        "lines[2].sku",
        "lines[3].sku",
        "lines[3].quantity",
        "lines[4].sku",
    ];
    assert_eq!(fields(&refused), expected);

    let request = pb::SetItemRequest { cart_id: "x".to_owned(), line: None, etag: "y".to_owned() };
    let refused = shop.client.clone().set_item(shop.alice().asks(request)).await.unwrap_err();
    assert_eq!(fields(&refused), ["cart_id", "etag", "line"]);
}

#[tokio::test]
async fn too_many_lines_are_refused_and_a_thousand_bad_ones_still_get_an_answer() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[]).await;
    let many = |count: usize| -> Vec<_> {
        (0..count).map(|n| Line { sku: format!("S{n}"), quantity: Some(1) }).collect()
    };
    shop.update(&cart.cart_id, "", many(1_000)).await.unwrap();
    let refused = shop.update(&cart.cart_id, "", many(1_001)).await.unwrap_err();
    assert_eq!(fields(&refused), ["lines"]);
    let bad = vec![Line { sku: String::new(), quantity: Some(-1) }; 1_000];
    let refused = shop.update(&cart.cart_id, "", bad).await.unwrap_err();
    assert!(fields(&refused).len() >= 20);
    assert_eq!(shop.read(&cart.cart_id).await.lines.len(), 1_000);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_and_the_service_lives_on() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 1)]).await;
    let refused = shop.set(&cart.cart_id, &"x".repeat(10_000_000), 1).await.unwrap_err();
    reason(&refused);
    let refused = shop.set(&cart.cart_id, &"x".repeat(3_000_000), 1).await.unwrap_err();
    assert_eq!(fields(&refused), ["line.sku"]);
    assert_eq!(shop.read(&cart.cart_id).await, cart);
}

#[tokio::test]
async fn an_unknown_list_or_page_is_refused() {
    let shop = Shop::open().await;
    for (filter, page_size, page_token, expected) in [
        (0, 0, "", ["filter"].as_slice()),
        (99, -1, "", &["filter", "page_size"]),
        (1, i32::MIN, "rubbish", &["page_size", "page_token"]),
    ] {
        let page_token = page_token.to_owned();
        let request = shop.alice().asks(pb::ListCartsRequest { filter, page_size, page_token });
        let refused = shop.client.clone().list_carts(request).await.unwrap_err();
        assert_eq!(fields(&refused), expected);
    }
}

async fn refused_mark(
    shop: &Shop,
    cart: &pb::Cart,
    spoil: impl FnOnce(&mut pb::MarkPurchasedRequest),
) -> Status {
    let mut request = mark_request(cart, "r1", 100);
    spoil(&mut request);
    shop.mark(request).await.unwrap_err()
}

#[tokio::test]
async fn a_checkout_that_does_not_add_up_is_refused_where_it_is_wrong() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 2)]).await;
    let refused = refused_mark(&shop, &cart, |mark| mark.total = Some(pence(199))).await;
    assert_eq!(fields(&refused), ["total"]);
    let spoil = |mark: &mut pb::MarkPurchasedRequest| mark.lines[0].line_total = Some(pence(1));
    assert_eq!(fields(&refused_mark(&shop, &cart, spoil).await), ["lines[0].line_total"]);
    let refused = refused_mark(&shop, &cart, |mark| {
        let yen = Money { currency_code: "JPY".to_owned(), minor_units: 100 };
        mark.lines[0].unit_price = Some(yen);
    })
    .await;
    assert_eq!(fields(&refused), ["lines[0].unit_price"]);
    let most = 1_000_000_000_000_000;
    let refused = refused_mark(&shop, &cart, |mark| {
        mark.lines[0].unit_price = Some(pence(most));
        mark.lines[0].line_total = Some(pence(most));
    })
    .await;
    assert_eq!(reason(&refused), Reason::TotalTooLarge);
    let refused = refused_mark(&shop, &cart, |mark| mark.total = Some(pence(i64::MAX))).await;
    assert_eq!(fields(&refused), ["total.minor_units"]);
    assert_eq!(shop.read(&cart.cart_id).await, cart);
}

#[tokio::test]
async fn every_bad_field_of_a_checkout_is_named_in_one_answer() {
    let shop = Shop::open().await;
    let cart = shop.cart(&[("A", 2)]).await;
    let refused = refused_mark(&shop, &cart, |mark| {
        mark.request_id = "not plain".to_owned();
        mark.fingerprint = vec![7; 31];
        mark.total = Some(Money { currency_code: "gbp".to_owned(), minor_units: 1 });
        mark.lines[0].sku = String::new();
        mark.lines[0].quantity = i32::MAX;
        mark.lines[0].unit_price = None;
        mark.lines[0].line_total = Some(pence(-1));
        mark.lines[0].unavailable = true;
        mark.lines[0].name = "\0".to_owned();
    })
    .await;
    let expected = [
        "request_id",
        "fingerprint",
        "total.currency_code",
        "lines[0].sku",
        "lines[0].quantity",
        "lines[0].unit_price",
        "lines[0].line_total.minor_units",
        "lines[0].unavailable",
        "lines[0].name",
    ];
    assert_eq!(fields(&refused), expected);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_read_is_refused() {
    let shop = Shop::open().await;
    let unmark = |failure: i32, decline_reason: i32| {
        let request = shop.controller().asks(pb::UnmarkPurchasedRequest {
            owner: String::new(),
            checkout_id: ABSENT.to_owned(),
            failure,
            decline_reason,
        });
        let mut client = shop.checkouts.clone();
        async move { fields(&client.unmark_purchased(request).await.unwrap_err()) }
    };
    assert_eq!(unmark(0, 0).await, ["owner", "failure"]);
    assert_eq!(unmark(99, 0).await, ["owner", "failure"]);
    assert_eq!(unmark(1, 99).await, ["owner", "decline_reason"]);
    assert_eq!(unmark(2, 1).await, ["owner", "decline_reason"]);

    let confirm = pb::ConfirmPurchaseRequest::default();
    let confirm = shop.controller().asks(confirm);
    let refused = shop.checkouts.clone().confirm_purchase(confirm).await.unwrap_err();
    assert_eq!(fields(&refused), ["owner", "checkout_id", "payment_id", "amount"]);

    for (worker, limit) in [("", 0), ("a\nb", 101), (&*"x".repeat(65), -1)] {
        let request = pb::LeaseOverdueRequest { worker: worker.to_owned(), limit };
        let request = shop.controller().asks(request);
        let refused = shop.checkouts.clone().lease_overdue(request).await.unwrap_err();
        assert_eq!(fields(&refused), ["worker", "limit"]);
    }
    for (name, expected) in [
        (None, "checkout_id"),
        (Some(Name::CheckoutId("x".to_owned())), "checkout_id"),
        (Some(Name::RequestId(String::new())), "request_id"),
    ] {
        let request = shop.alice().asks(pb::GetCheckoutRequest { name });
        let refused = shop.checkouts.clone().get_checkout(request).await.unwrap_err();
        assert_eq!(fields(&refused), [expected]);
    }
}
