//! What clients send by mistake or in malice: refused with every bad field named, and nothing lost.

use oxcart::Service;
use oxcart_proto::{
    Reason,
    common::{CartFilter, Line, Money},
    controller::{
        Card, Cart, CheckoutRequest, CreateCartRequest, DeleteCartRequest, GetCartRequest,
        GetCheckoutRequest, GetItemsRequest, GetStorefrontRequest, ListCartsRequest,
        ListItemsRequest, ListPurchasesRequest, SearchItemsRequest, SetItemRequest,
        TokenizeCardRequest, UpdateCartRequest, controller_service_client::ControllerServiceClient,
        get_checkout_request::Name,
    },
    error,
};
use secrecy::ExposeSecret as _;
use tonic::{Code, Request, Response, Status, codec::CompressionEncoding::Gzip};

use crate::{
    raw,
    world::{
        Kind, Shopper, World, cart, check_out, checkout_of, contents, gbp, line, purchase, reason,
        reread, watch_request,
    },
};

const MISSING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A shopper with one cart, which must be as it was at the end.
struct Scene {
    world: World,
    alice: Shopper,
    cart: Cart,
}

impl Scene {
    async fn new() -> Self {
        let world = World::on(Kind::Sqlite).await;
        let mut alice = world.shopper("alice").await;
        let cart = cart(&mut alice, &[("1001", 1)]).await;
        Self { world, alice, cart }
    }

    async fn nothing_was_lost(mut self) {
        assert_eq!(reread(self.alice.controller(), &self.cart.cart_id).await, self.cart);
        assert_eq!(self.alice.client.carts().all().await.unwrap(), [self.cart]);
        assert_eq!(self.world.captures().await, 0);
    }
}

/// The names of the fields that were refused.
#[track_caller]
fn bad_fields<T>(what: &str, answer: Result<Response<T>, Status>) -> Vec<String> {
    let Err(status) = answer else { panic!("{what} was taken") };
    assert_eq!(reason(&status), Reason::FieldInvalid, "{what}: {status:?}");
    assert!(status.message().len() < 2_000, "{what}: the answer echoes the input");
    let mut fields: Vec<String> = error::bad_fields(&status).into_iter().map(|bad| bad.0).collect();
    assert!(!fields.is_empty(), "{what}: no field is named");
    fields.sort();
    fields
}

#[tokio::test]
async fn ids_that_are_none_are_refused_by_name_on_every_rpc() {
    let mut scene = Scene::new().await;
    let controller = scene.alice.controller();
    let huge = "x".repeat(3_000_000);
    for id in ["", " ", "1", "01890a5dac96774bbcceb302099a8057", "../../etc/passwd", "\u{0}", &huge]
    {
        let shown: String = id.chars().take(40).collect();
        let cart_id = || id.to_owned();
        let get = controller.get_cart(GetCartRequest { cart_id: cart_id() }).await;
        assert_eq!(bad_fields(&shown, get), ["cart_id"]);
        let update =
            UpdateCartRequest { cart_id: cart_id(), remove_all_lines: true, ..Default::default() };
        assert_eq!(bad_fields(&shown, controller.update_cart(update).await), ["cart_id"]);
        let set =
            SetItemRequest { cart_id: cart_id(), line: Some(line("1001", 1)), etag: String::new() };
        assert_eq!(bad_fields(&shown, controller.set_item(set).await), ["cart_id"]);
        let delete = DeleteCartRequest { cart_id: cart_id(), etag: String::new() };
        assert_eq!(bad_fields(&shown, controller.delete_cart(delete).await), ["cart_id"]);
        let checkout =
            CheckoutRequest { cart_id: cart_id(), ..purchase("p", &scene.cart, "tok_visa") };
        assert_eq!(bad_fields(&shown, controller.checkout(checkout).await), ["cart_id"]);
        let name = Some(Name::CheckoutId(cart_id()));
        let get = controller.get_checkout(GetCheckoutRequest { name }).await;
        assert_eq!(bad_fields(&shown, get), ["checkout_id"]);
        let watch = watch_request(cart_id());
        assert_eq!(bad_fields(&shown, controller.watch_checkout(watch).await), ["checkout_id"]);
        if !id.is_empty() {
            let create =
                CreateCartRequest { cart_id: cart_id(), lines: Vec::new(), ..Default::default() };
            assert_eq!(bad_fields(&shown, controller.create_cart(create).await), ["cart_id"]);
        }
    }
    let unnamed = controller.get_checkout(GetCheckoutRequest { name: None }).await;
    assert_eq!(bad_fields("no name at all", unnamed).len(), 1);
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn quantities_out_of_range_are_refused_by_line() {
    let mut scene = Scene::new().await;
    let cart_id = scene.cart.cart_id.clone();
    let controller = scene.alice.controller();
    for quantity in [-1, 1_000_001, i32::MAX, i32::MIN] {
        let set = SetItemRequest {
            cart_id: cart_id.clone(),
            line: Some(line("1001", quantity)),
            etag: String::new(),
        };
        let fields = bad_fields(&quantity.to_string(), controller.set_item(set).await);
        assert_eq!(fields, ["line.quantity"], "{quantity}");
    }
    for quantity in [0, -1, 1_000_001, i32::MAX, i32::MIN] {
        let lines = || vec![line("1002", 1), line("1001", quantity)];
        let create =
            CreateCartRequest { cart_id: String::new(), lines: lines(), ..Default::default() };
        let fields = bad_fields(&quantity.to_string(), controller.create_cart(create).await);
        assert_eq!(fields, ["lines[1].quantity"], "{quantity}");
        // It takes an item out of a cart that is there.
        if quantity == 0 {
            continue;
        }
        let update = UpdateCartRequest {
            cart_id: cart_id.clone(),
            lines: lines(),
            etag: String::new(),
            ..Default::default()
        };
        let fields = bad_fields(&quantity.to_string(), controller.update_cart(update).await);
        assert_eq!(fields, ["lines[1].quantity"], "{quantity}");
    }
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_field_left_out_destroys_and_buys_nothing() {
    let mut scene = Scene::new().await;
    let cart_id = scene.cart.cart_id.clone();
    let controller = scene.alice.controller();
    let unset = Line { sku: "1001".to_owned(), quantity: None };

    let set =
        SetItemRequest { cart_id: cart_id.clone(), line: Some(unset.clone()), etag: String::new() };
    assert_eq!(bad_fields("no quantity", controller.set_item(set).await), ["line.quantity"]);
    let update = |lines: Vec<Line>, remove_all_lines| UpdateCartRequest {
        cart_id: cart_id.clone(),
        lines,
        remove_all_lines,
        ..Default::default()
    };
    let no_quantity = controller.update_cart(update(vec![unset], false)).await;
    assert_eq!(bad_fields("no quantity", no_quantity), ["lines[0].quantity"]);
    let nothing = controller.update_cart(update(Vec::new(), false)).await;
    assert_eq!(bad_fields("no lines", nothing), ["lines"]);
    let both = controller.update_cart(update(vec![line("1001", 1)], true)).await;
    assert_eq!(bad_fields("lines and none", both), ["remove_all_lines"]);
    let checkout = |expected_total, accept_any_total| CheckoutRequest {
        expected_total,
        accept_any_total,
        ..purchase("p", &scene.cart, "tok_visa")
    };
    let blind = controller.checkout(checkout(None, false)).await;
    assert_eq!(bad_fields("no total", blind), ["expected_total"]);
    let both = controller.checkout(checkout(Some(gbp(1)), true)).await;
    assert_eq!(bad_fields("a total and any", both), ["accept_any_total"]);
    assert_eq!(reread(controller, &cart_id).await, scene.cart);

    // Asked for by name it is done.
    let noted = UpdateCartRequest { note: Some("for Ann".to_owned()), ..update(Vec::new(), false) };
    let noted = controller.update_cart(noted).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((&noted.lines, noted.note.as_str()), (&scene.cart.lines, "for Ann"));
    let dropped = update(vec![line("1001", 0), line("1002", 3)], false);
    let dropped = controller.update_cart(dropped).await.unwrap().into_inner().cart.unwrap();
    assert_eq!(contents(&dropped), [("1002", 3)]);
    let emptied = controller.update_cart(update(Vec::new(), true)).await;
    assert_eq!(emptied.unwrap().into_inner().cart.unwrap().lines, []);
}

#[tokio::test]
async fn every_bad_field_is_named_in_one_answer() {
    let mut scene = Scene::new().await;
    let update = UpdateCartRequest {
        cart_id: "nonsense".to_owned(),
        lines: vec![line("", 1), line("1001", -5), line(" spaced ", -1)],
        etag: "rubbish".to_owned(),
        ..Default::default()
    };
    let fields = bad_fields("all at once", scene.alice.controller().update_cart(update).await);
    assert_eq!(
        fields,
        [
            "cart_id",
            "etag",
            "lines[0].sku",
            "lines[1].quantity",
            "lines[2].quantity",
            "lines[2].sku"
        ]
    );
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn skus_that_are_none_twice_or_unknown_are_refused_by_name() {
    let mut scene = Scene::new().await;
    let cart_id = scene.cart.cart_id.clone();
    let controller = scene.alice.controller();
    let update = |lines: Vec<Line>| UpdateCartRequest {
        cart_id: cart_id.clone(),
        lines,
        etag: String::new(),
        ..Default::default()
    };
    for sku in ["", " 1001", "1001\n", "\u{0}", &"x".repeat(65), &"x".repeat(3_000_000)] {
        let answer = controller.update_cart(update(vec![line(sku, 1)])).await;
        assert_eq!(bad_fields(&sku.chars().take(40).collect::<String>(), answer), ["lines[0].sku"]);
    }
    let twice = controller.update_cart(update(vec![line("1001", 1), line("1001", 2)])).await;
    assert_eq!(bad_fields("twice", twice), ["lines[1].sku"]);

    let unknown = update(vec![line("NOPE", 1), line("1001", 1), line("' or 1=1 --", 1)]);
    let status = controller.update_cart(unknown).await.unwrap_err();
    assert_eq!(reason(&status), Reason::ItemUnknown);
    let fields: Vec<String> = error::bad_fields(&status).into_iter().map(|bad| bad.0).collect();
    assert_eq!(fields, ["lines[0].sku", "lines[2].sku"]);

    let mixed = controller.update_cart(update(vec![line("1001", 1), line("YEN", 1)])).await;
    let status = mixed.unwrap_err();
    assert_eq!(reason(&status), Reason::CurrencyMixed);
    assert_eq!(error::info(&status).unwrap().metadata["sku"], "YEN");
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn totals_that_overflow_are_refused() {
    let mut scene = Scene::new().await;
    let lines = vec![line("DEAR", 1_000_000)];
    let update = UpdateCartRequest {
        cart_id: scene.cart.cart_id.clone(),
        lines: lines.clone(),
        etag: String::new(),
        ..Default::default()
    };
    let status = scene.alice.controller().update_cart(update).await.unwrap_err();
    assert_eq!(reason(&status), Reason::TotalTooLarge);
    let create = CreateCartRequest { cart_id: String::new(), lines, ..Default::default() };
    let status = scene.alice.controller().create_cart(create).await.unwrap_err();
    assert_eq!(reason(&status), Reason::TotalTooLarge);
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_cart_takes_so_many_lines_and_a_user_so_many_carts() {
    let world = World::with(Kind::Sqlite, |settings| {
        settings.with_flags(Service::Cart, ["--max-carts", "2", "--max-lines", "2"])
    })
    .await;
    let mut alice = world.shopper("alice").await;
    let full = cart(&mut alice, &[("1001", 1), ("1002", 1)]).await;
    let set = SetItemRequest {
        cart_id: full.cart_id.clone(),
        line: Some(line("85123A", 1)),
        etag: String::new(),
    };
    let status = alice.controller().set_item(set).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartFull);
    let three = vec![line("1001", 1), line("1002", 1), line("85123A", 1)];
    let update = UpdateCartRequest {
        cart_id: full.cart_id.clone(),
        lines: three,
        etag: String::new(),
        ..Default::default()
    };
    assert_eq!(bad_fields("three lines", alice.controller().update_cart(update).await), ["lines"]);

    cart(&mut alice, &[]).await;
    let third = alice.controller().create_cart(CreateCartRequest::default()).await;
    let status = third.unwrap_err();
    assert_eq!(reason(&status), Reason::TooManyCarts);
    assert_eq!(error::info(&status).unwrap().metadata["limit"], "2");
    // A purchased one is history, and makes room.
    check_out(&mut alice, purchase("p", &full, "tok_visa")).await.unwrap();
    cart(&mut alice, &[]).await;

    let too_many = (0..1_001).map(|n| line(&n.to_string(), 1)).collect();
    let create =
        CreateCartRequest { cart_id: String::new(), lines: too_many, ..Default::default() };
    assert_eq!(bad_fields("1,001 lines", alice.controller().create_cart(create).await), ["lines"]);
}

#[tokio::test]
async fn etags_that_nobody_gave_out_are_refused() {
    let mut scene = Scene::new().await;
    let cart_id = scene.cart.cart_id.clone();
    let controller = scene.alice.controller();
    for etag in ["x", "v0", "v-1", "v99999999999999999999", "v1 ", &"v".repeat(3_000_000)] {
        let what: String = etag.chars().take(40).collect();
        let etag = || etag.to_owned();
        let update = UpdateCartRequest {
            cart_id: cart_id.clone(),
            remove_all_lines: true,
            etag: etag(),
            ..Default::default()
        };
        assert_eq!(bad_fields(&what, controller.update_cart(update).await), ["etag"]);
        let delete = DeleteCartRequest { cart_id: cart_id.clone(), etag: etag() };
        assert_eq!(bad_fields(&what, controller.delete_cart(delete).await), ["etag"]);
        let checkout = CheckoutRequest { etag: etag(), ..purchase("p", &scene.cart, "tok_visa") };
        assert_eq!(bad_fields(&what, controller.checkout(checkout).await), ["etag"]);
    }
    // One that might have been given out, but is not the current one, is out of date.
    let delete = DeleteCartRequest { cart_id, etag: "v12345".to_owned() };
    let status = controller.delete_cart(delete).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartStale);
    assert_eq!(error::detail::<Cart>(&status).unwrap(), scene.cart);
    scene.nothing_was_lost().await;
}

/// Error details travel in a header, and a client that is sent too long a one sees a broken
/// connection in place of the reason.
#[tokio::test]
async fn a_conflict_over_a_cart_that_no_header_holds_still_says_why() {
    let world = World::on(Kind::Memory).await;
    let rows = (0..300).map(|n| format!("BIG-{n:03},Item number {n},1.00,\n"));
    world.import(&format!("sku,name,price,description\n{}", rows.collect::<String>())).await;
    let mut alice = world.shopper("alice").await;
    let skus: Vec<String> = (0..300).map(|n| format!("BIG-{n:03}")).collect();
    let lines: Vec<_> = skus.iter().map(|sku| (sku.as_str(), 2)).collect();
    let big = cart(&mut alice, &lines).await;
    let controller = alice.controller();

    let again =
        CreateCartRequest { cart_id: big.cart_id.clone(), lines: Vec::new(), ..Default::default() };
    let exists = controller.create_cart(again).await.unwrap_err();
    let etag = "v12345".to_owned();
    let delete = DeleteCartRequest { cart_id: big.cart_id.clone(), etag: etag.clone() };
    let stale = controller.delete_cart(delete).await.unwrap_err();
    let seen = CheckoutRequest { etag, ..purchase("seen", &big, "tok_visa") };
    let stale_checkout = controller.checkout(seen).await.unwrap_err();
    for (status, expected) in [
        (exists, Reason::CartExists),
        (stale, Reason::CartStale),
        (stale_checkout, Reason::CartStale),
    ] {
        let told = error::info(&status).unwrap();
        assert_eq!(told.reason, expected);
        assert_eq!(error::detail::<Cart>(&status), None);
        assert_eq!(told.metadata["detail_omitted"], "true");
        assert_eq!(told.metadata["etag"], big.etag);
    }
}

#[tokio::test]
async fn page_tokens_of_other_queries_and_tampered_ones_are_refused() {
    let mut scene = Scene::new().await;
    let second = cart(&mut scene.alice, &[]).await;
    let mut bob = scene.world.shopper("bob").await;
    let controller = scene.alice.controller();
    let items = ListItemsRequest { page_size: 1, page_token: String::new() };
    let of_items = controller.list_items(items).await.unwrap().into_inner().next_page_token;
    let list_carts = |filter: CartFilter, page_token: &str| ListCartsRequest {
        filter: filter.into(),
        page_size: 1,
        page_token: page_token.to_owned(),
    };
    let carts = controller.list_carts(list_carts(CartFilter::Unpurchased, "")).await;
    let of_carts = carts.unwrap().into_inner().next_page_token;
    assert!(!of_items.is_empty() && !of_carts.is_empty());

    let mut tampered = of_items.clone().into_bytes();
    tampered[0] ^= 1;
    let tampered = String::from_utf8(tampered).unwrap();
    let huge = "A".repeat(3_000_000);
    for token in [&of_carts, &tampered, "rubbish", "%00", &huge] {
        let what: String = token.chars().take(40).collect();
        let items = ListItemsRequest { page_size: 1, page_token: token.to_owned() };
        assert_eq!(bad_fields(&what, controller.list_items(items).await), ["page_token"]);
        let search = SearchItemsRequest {
            query: "ox".to_owned(),
            page_size: 1,
            page_token: token.to_owned(),
        };
        assert_eq!(bad_fields(&what, controller.search_items(search).await), ["page_token"]);
        let purchases = ListPurchasesRequest { page_size: 1, page_token: token.to_owned() };
        assert_eq!(bad_fields(&what, controller.list_purchases(purchases).await), ["page_token"]);
        let carts = controller.list_carts(list_carts(CartFilter::Purchased, token)).await;
        assert_eq!(bad_fields(&what, carts), ["page_token"]);
    }
    // Another user's page token shows nothing of that user's.
    if let Ok(page) =
        bob.controller().list_carts(list_carts(CartFilter::Unpurchased, &of_carts)).await
    {
        assert_eq!(page.into_inner().carts, []);
    }
    let delete = DeleteCartRequest { cart_id: second.cart_id, etag: String::new() };
    scene.alice.controller().delete_cart(delete).await.unwrap();
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn unknown_enum_numbers_and_negative_sizes_are_refused() {
    let mut scene = Scene::new().await;
    let controller = scene.alice.controller();
    for filter in [0, 3, -1, i32::MAX, i32::MIN] {
        let list = ListCartsRequest { filter, ..Default::default() };
        let fields = bad_fields(&filter.to_string(), controller.list_carts(list).await);
        assert_eq!(fields, ["filter"], "{filter}");
    }
    for page_size in [-1, i32::MIN] {
        let front = controller.get_storefront(GetStorefrontRequest { page_size }).await;
        assert_eq!(bad_fields("storefront", front), ["page_size"]);
        let items = ListItemsRequest { page_size, ..Default::default() };
        assert_eq!(bad_fields("items", controller.list_items(items).await), ["page_size"]);
        let carts = ListCartsRequest {
            filter: CartFilter::Purchased.into(),
            page_size,
            page_token: String::new(),
        };
        assert_eq!(bad_fields("carts", controller.list_carts(carts).await), ["page_size"]);
    }
    let most = GetStorefrontRequest { page_size: i32::MAX };
    assert_eq!(controller.get_storefront(most).await.unwrap().into_inner().items.len(), 6);
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_checkout_of_rubbish_is_refused_by_name() {
    let mut scene = Scene::new().await;
    let good = purchase("p", &scene.cart, "tok_visa");
    let wrong_money =
        |code: &str, minor_units| Some(Money { currency_code: code.to_owned(), minor_units });
    let controller = scene.alice.controller();
    for (what, field, request) in [
        (
            "no request id",
            "request_id",
            CheckoutRequest { request_id: String::new(), ..good.clone() },
        ),
        (
            "a long request id",
            "request_id",
            CheckoutRequest { request_id: "x".repeat(65), ..good.clone() },
        ),
        (
            "a strange request id",
            "request_id",
            CheckoutRequest { request_id: "a/b".to_owned(), ..good.clone() },
        ),
        (
            "no payment token",
            "payment_token",
            CheckoutRequest { payment_token: String::new(), ..good.clone() },
        ),
        (
            "a huge payment token",
            "payment_token",
            CheckoutRequest { payment_token: "t".repeat(256), ..good.clone() },
        ),
        (
            "no currency",
            "expected_total",
            CheckoutRequest { expected_total: wrong_money("", 14_900), ..good.clone() },
        ),
        (
            "an unknown currency",
            "expected_total",
            CheckoutRequest { expected_total: wrong_money("gbp", 14_900), ..good.clone() },
        ),
        (
            "a negative total",
            "expected_total",
            CheckoutRequest { expected_total: Some(gbp(-1)), ..good.clone() },
        ),
        (
            "a total beyond all totals",
            "expected_total",
            CheckoutRequest { expected_total: Some(gbp(i64::MAX)), ..good.clone() },
        ),
    ] {
        let fields = bad_fields(what, controller.checkout(request).await);
        assert!(fields.len() == 1 && fields[0].starts_with(field), "{what}: {fields:?}");
    }
    let elsewhere = CheckoutRequest { expected_total: wrong_money("JPY", 14_900), ..good };
    let status = controller.checkout(elsewhere).await.unwrap_err();
    assert_eq!(reason(&status), Reason::PriceChanged);
    assert_eq!(checkout_of(&mut scene.alice, "p").await, None);
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_token_that_the_processor_does_not_know_is_declined() {
    let mut scene = Scene::new().await;
    let request = purchase("p", &scene.cart, "tok_nobody_made_this");
    let failed = check_out(&mut scene.alice, request).await.unwrap();
    assert_eq!(failed.decline_reason().as_str_name(), "DECLINE_REASON_UNKNOWN_TOKEN");
    let open = reread(scene.alice.controller(), &scene.cart.cart_id).await;
    assert_eq!(contents(&open), [("1001", 1)]);
}

#[tokio::test]
async fn cards_that_are_none_are_refused_and_never_echoed() {
    let mut scene = Scene::new().await;
    let card = |number: &str, month, year, cvc: &str| TokenizeCardRequest {
        card: Some(Card {
            number: number.to_owned(),
            expiry_month: month,
            expiry_year: year,
            cvc: cvc.to_owned(),
        }),
    };
    let controller = scene.alice.controller();
    for (what, request) in [
        ("no card", TokenizeCardRequest { card: None }),
        ("a wrong check digit", card("4242424242424241", 1, 2035, "123")),
        ("letters", card("4242x24242424242", 1, 2035, "123")),
        ("a short number", card("42424242424", 1, 2035, "123")),
        ("a huge number", card(&"4".repeat(3_000_000), 1, 2035, "123")),
        ("month 0", card("4242424242424242", 0, 2035, "123")),
        ("month 13", card("4242424242424242", 13, 2035, "123")),
        ("a year of two digits", card("4242424242424242", 1, 35, "123")),
        ("a long code", card("4242424242424242", 1, 2035, "12345")),
        ("no code", card("4242424242424242", 1, 2035, "")),
    ] {
        let answer = controller.tokenize_card(request).await;
        let status = answer.as_ref().map(drop).map_err(Clone::clone);
        let fields = bad_fields(what, answer);
        assert!(fields.iter().all(|field| field.starts_with("card")), "{what}: {fields:?}");
        assert!(!format!("{status:?}").contains("42424242"), "{what}: {status:?}");
    }
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn searches_and_lookups_have_limits() {
    let mut scene = Scene::new().await;
    let controller = scene.alice.controller();
    for query in ["", &"x".repeat(201), &"é".repeat(1_000_000)] {
        let search = SearchItemsRequest { query: query.to_owned(), ..Default::default() };
        let what: String = query.chars().take(10).collect();
        assert_eq!(bad_fields(&what, controller.search_items(search).await), ["query"]);
    }
    // What means something to a search engine means nothing here.
    for query in
        ["\"", "a AND", "* OR *", "NEAR(", "'; drop table item; --", "name:", "\\", "%", "(ox"]
    {
        let search = SearchItemsRequest { query: query.to_owned(), ..Default::default() };
        if let Err(status) = controller.search_items(search).await {
            assert_eq!(reason(&status), Reason::FieldInvalid, "{query}");
        }
    }
    let too_many = (0..1_001).map(|n| n.to_string()).collect();
    let get = controller.get_items(GetItemsRequest { skus: too_many }).await;
    assert_eq!(bad_fields("1,001 SKUs", get), ["skus"]);
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_and_no_message_are_refused() {
    let scene = Scene::new().await;
    let token = scene.world.token("alice").await;
    let authorization = format!("Bearer {}", token.expose_secret());
    let channel = scene.world.channel(Service::Controller).await;
    let not_text = [0xff, 0xfe, 0x00, 0xc3, 0x28];
    for (rpc, message) in [
        ("GetCart", raw::field(1, &not_text)),
        ("DeleteCart", raw::field(1, &not_text)),
        ("SearchItems", raw::field(1, &not_text)),
        ("Checkout", raw::field(1, &not_text)),
        ("SetItem", raw::field(2, &raw::field(1, &not_text))),
        ("GetCart", vec![0xff; 40]),
        ("GetCart", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    ] {
        let status =
            raw::call(channel.clone(), &authorization, rpc, message.clone()).await.unwrap_err();
        // The codec refuses these before any code of ours sees them.
        let code = status.code();
        assert!(matches!(code, Code::InvalidArgument | Code::Internal), "{rpc}: {status:?}");
        assert!(!status.message().contains("panic"), "{rpc}: {status:?}");
    }
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn a_message_of_10_mb_is_refused_and_the_store_goes_on() {
    let mut scene = Scene::new().await;
    let ten = "x".repeat(10_000_000);
    let controller = scene.alice.controller();
    let get = controller.get_cart(GetCartRequest { cart_id: ten.clone() }).await;
    assert_too_large(&get.unwrap_err());
    let update = UpdateCartRequest {
        cart_id: scene.cart.cart_id.clone(),
        lines: vec![line(&ten, 1)],
        etag: String::new(),
        ..Default::default()
    };
    assert_too_large(&controller.update_cart(update).await.unwrap_err());
    let search = SearchItemsRequest { query: ten, ..Default::default() };
    assert_too_large(&controller.search_items(search).await.unwrap_err());
    scene.nothing_was_lost().await;
}

/// Transports have codes of their own for this, and may break the stream while it is being sent.
#[track_caller]
fn assert_too_large(status: &Status) {
    let codes = [Code::OutOfRange, Code::ResourceExhausted, Code::InvalidArgument];
    assert!(codes.contains(&status.code()), "{status:?}");
}

#[tokio::test]
async fn a_cart_that_is_not_there_is_not_found() {
    let mut scene = Scene::new().await;
    let get = GetCartRequest { cart_id: MISSING.to_owned() };
    let status = scene.alice.controller().get_cart(get).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartNotFound);
    assert_eq!(checkout_of(&mut scene.alice, "never-sent").await, None);
    scene.nothing_was_lost().await;
}

#[tokio::test]
async fn gzip_is_taken_and_given_and_a_message_is_measured_unpacked() {
    let scene = Scene::new().await;
    let token = scene.world.token("alice").await;
    let bearer = format!("Bearer {}", token.expose_secret());
    let channel = scene.world.channel(Service::Controller).await;
    let client = ControllerServiceClient::new(channel);
    let mut client = client.send_compressed(Gzip).accept_compressed(Gzip);
    let signed = |query: String| {
        let mut request = Request::new(SearchItemsRequest { query, ..Default::default() });
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request
    };
    let found = client.search_items(signed("oak spokes".to_owned())).await.unwrap();
    assert_eq!(found.metadata().get("grpc-encoding").unwrap(), "gzip");
    assert_eq!(found.into_inner().items[0].sku, "1002");
    // Some 100 KB on the wire.
    let bomb = client.search_items(signed("x".repeat(100_000_000))).await.unwrap_err();
    assert_eq!(reason(&bomb), Reason::FieldInvalid);
    let again = client.search_items(signed("oak spokes".to_owned())).await.unwrap();
    assert_eq!(again.into_inner().items.len(), 1);
    scene.nothing_was_lost().await;
}
