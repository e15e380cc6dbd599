//! The RPCs over a real channel, with real tokens, over services in memory.

use std::{net::SocketAddr, time::Duration};

use clap::Parser as _;
use kit_service::Env;
use kit_testing::TestIssuer;
use oxcart_proto::{
    Reason,
    common::{self, CartFilter, CartState, CheckoutFailure, CheckoutState, DeclineReason},
    controller::{
        Card, Cart, CheckoutRequest, CreateCartRequest, DeleteCartRequest, GetCartRequest,
        GetCheckoutRequest, GetItemsRequest, GetStorefrontRequest, ImportItemsRequest,
        ListCartsRequest, ListItemsRequest, ListPurchasesRequest, SearchItemsRequest,
        SetItemRequest, TokenizeCardRequest, UpdateCartRequest, WatchCheckoutRequest,
        controller_service_client::ControllerServiceClient, get_checkout_request::Name,
        watch_checkout_request,
    },
    error::{bad_fields, detail, info, retry_delay},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Response, Status, transport::Channel};

use super::{
    services::{Call, Fault},
    world::{World, line, price_of, sku},
};

struct Store {
    world: World,
    issuer: TestIssuer,
    client: ControllerServiceClient<Channel>,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
    _stop: DropGuard,
}

impl Store {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(flags: &[&str]) -> Self {
        let (world, issuer) = (World::new(), TestIssuer::start().await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let args = ["controller-svc", "--client-secret=x"].iter().chain(flags);
        let config = controller_svc::Config {
            auth: issuer.args(),
            ..controller_svc::Config::parse_from(args)
        };
        let shutdown = CancellationToken::new();
        let serve = controller_svc::serve_with(
            world.services(),
            config,
            listener,
            shutdown.clone(),
            Env::system(),
        );
        let served = tokio::spawn(async move { serve.await.unwrap() });
        let client = ControllerServiceClient::connect(format!("http://{address}")).await.unwrap();
        Self { world, issuer, client, served, _stop: shutdown.clone().drop_guard(), shutdown }
    }

    /// A request of Alice's.
    fn alice<T>(&self, message: T) -> Request<T> {
        signed(message, &self.issuer.user_token("alice"))
    }

    fn cart_id(&self) -> String {
        self.world.cart.to_string()
    }

    fn set(&self, sku: &str, quantity: i32) -> Request<SetItemRequest> {
        let line = Some(common::Line { sku: sku.into(), quantity: Some(quantity) });
        self.alice(SetItemRequest { cart_id: self.cart_id(), line, etag: String::new() })
    }

    fn checkout(&self, request_id: &str, token: &str) -> Request<CheckoutRequest> {
        self.alice(CheckoutRequest {
            request_id: request_id.into(),
            cart_id: self.cart_id(),
            payment_token: token.into(),
            accept_any_total: true,
            ..CheckoutRequest::default()
        })
    }
}

fn signed<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn reason<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Reason {
    let status = answer.unwrap_err();
    let reason = info(&status).unwrap_or_else(|| panic!("no ErrorInfo: {status:?}")).reason;
    assert_eq!(status.code(), reason.code(), "{status:?}");
    reason
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(info(status).unwrap().reason, Reason::FieldInvalid, "{status:?}");
    bad_fields(status).into_iter().map(|(field, _)| field).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "as it stands in messages")]
fn pounds(minor_units: i64) -> Option<common::Money> {
    Some(common::Money { currency_code: "GBP".into(), minor_units })
}

fn watch_request(checkout_id: String) -> WatchCheckoutRequest {
    WatchCheckoutRequest { name: Some(watch_checkout_request::Name::CheckoutId(checkout_id)) }
}

fn wire_line(sku: &str, quantity: i32) -> common::Line {
    common::Line { sku: sku.into(), quantity: Some(quantity) }
}

#[tokio::test]
async fn every_rpc_without_a_token_says_where_to_sign_in() {
    let mut store = Store::start().await;
    let client = &mut store.client;
    let refused = client.get_storefront(GetStorefrontRequest::default()).await.unwrap_err();
    let found = info(&refused).unwrap();
    assert_eq!(found.reason, Reason::SignInRequired);
    assert_eq!(found.metadata["issuer"], store.issuer.url());
    assert!(found.metadata.contains_key("sign_in"));
    let import = tokio_stream::iter([ImportItemsRequest::default()]);
    for refused in [
        reason(client.list_items(ListItemsRequest::default()).await),
        reason(client.search_items(SearchItemsRequest::default()).await),
        reason(client.get_items(GetItemsRequest::default()).await),
        reason(client.import_items(import).await),
        reason(client.create_cart(CreateCartRequest::default()).await),
        reason(client.get_cart(GetCartRequest::default()).await),
        reason(client.list_carts(ListCartsRequest::default()).await),
        reason(client.update_cart(UpdateCartRequest::default()).await),
        reason(client.set_item(SetItemRequest::default()).await),
        reason(client.delete_cart(DeleteCartRequest::default()).await),
        reason(client.tokenize_card(TokenizeCardRequest::default()).await),
        reason(client.checkout(CheckoutRequest::default()).await),
        reason(client.get_checkout(GetCheckoutRequest::default()).await),
        reason(
            client.watch_checkout(WatchCheckoutRequest::default()).await.map(|_| Response::new(())),
        ),
        reason(client.list_purchases(ListPurchasesRequest::default()).await),
    ] {
        assert_eq!(refused, Reason::SignInRequired);
    }
}

#[tokio::test]
async fn a_bad_token_is_refused() {
    let mut store = Store::start().await;
    for token in [
        store.issuer.expired_token("alice"),
        store.issuer.wrong_audience("alice"),
        store.issuer.unsigned("alice"),
        store.issuer.wrong_key("alice"),
        "rubbish".into(),
    ] {
        let request = signed(GetCartRequest { cart_id: store.cart_id() }, &token);
        assert_eq!(reason(store.client.get_cart(request).await), Reason::TokenInvalid);
    }
}

#[tokio::test]
async fn a_storefront_shows_items_and_priced_carts() {
    let mut store = Store::start().await;
    let request = store.alice(GetStorefrontRequest::default());
    let shown = store.client.get_storefront(request).await.unwrap().into_inner();
    assert_eq!((shown.items.len(), shown.next_items_page_token.as_str()), (4, "more"));
    assert_eq!(shown.carts.len(), 1);
    assert_eq!((shown.carts[0].lines.len(), shown.carts[0].total.clone()), (2, pounds(757)));
    assert_eq!(shown.carts[0].lines[0].line_total, pounds(750));
}

#[tokio::test]
async fn all_bad_fields_of_a_request_are_named_at_once() {
    let mut store = Store::start().await;
    let bad = UpdateCartRequest {
        cart_id: "1".into(),
        lines: vec![
            common::Line { sku: "A".into(), quantity: None },
            wire_line("A", 1),
            wire_line(" B", -1),
            wire_line("B", 1_000_001),
            wire_line("C", i32::MAX),
        ],
        etag: "rubbish".into(),
        ..Default::default()
    };
    let refused = store.client.update_cart(store.alice(bad)).await.unwrap_err();
    let expected = [
        "cart_id",
        "etag",
        "lines[0].quantity",
        "lines[1].sku",
        "lines[2].sku",
        "lines[2].quantity",
        "lines[3].quantity",
        "lines[4].quantity",
    ];
    assert_eq!(fields(&refused), expected);
    let bad = CheckoutRequest {
        request_id: "x".repeat(1_000_000),
        expected_total: Some(common::Money { currency_code: "gbp".into(), minor_units: -1 }),
        ..CheckoutRequest::default()
    };
    let refused = store.client.checkout(store.alice(bad)).await.unwrap_err();
    assert_eq!(fields(&refused), ["request_id", "cart_id", "expected_total", "payment_token"]);
}

#[tokio::test]
async fn every_other_bad_field_is_named() {
    let mut store = Store::start().await;
    let unknown = ListCartsRequest { filter: 99, page_size: -1, page_token: String::new() };
    let refused = store.client.list_carts(store.alice(unknown)).await.unwrap_err();
    assert_eq!(fields(&refused), ["filter", "page_size"]);
    let unset = ListCartsRequest::default();
    let refused = store.client.list_carts(store.alice(unset)).await.unwrap_err();
    assert_eq!(fields(&refused), ["filter"]);
    let empty = SearchItemsRequest { query: String::new(), ..SearchItemsRequest::default() };
    let refused = store.client.search_items(store.alice(empty)).await.unwrap_err();
    assert_eq!(fields(&refused), ["query"]);
    let many = GetItemsRequest { skus: vec!["A".into(); 1_001] };
    let refused = store.client.get_items(store.alice(many)).await.unwrap_err();
    assert_eq!(fields(&refused), ["skus"]);
    let bad = GetItemsRequest { skus: vec!["A".into(), String::new()] };
    let refused = store.client.get_items(store.alice(bad)).await.unwrap_err();
    assert_eq!(fields(&refused), ["skus[1]"]);
    let refused = store.client.set_item(store.alice(SetItemRequest::default())).await.unwrap_err();
    assert_eq!(fields(&refused), ["cart_id", "line"]);
    let unnamed = GetCheckoutRequest { name: None };
    let refused = store.client.get_checkout(store.alice(unnamed)).await.unwrap_err();
    assert_eq!(fields(&refused), ["name"]);
    let no_card = TokenizeCardRequest { card: None };
    let refused = store.client.tokenize_card(store.alice(no_card)).await.unwrap_err();
    assert_eq!(fields(&refused), ["card"]);
}

#[tokio::test]
async fn an_unknown_item_is_refused_by_name() {
    let mut store = Store::start().await;
    let lines = vec![wire_line("A", 1), wire_line("NONE", 1)];
    let create = CreateCartRequest { cart_id: String::new(), lines, ..Default::default() };
    let refused = store.client.create_cart(store.alice(create)).await.unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::ItemUnknown);
    let named = bad_fields(&refused);
    assert_eq!(named[0].0, "lines[1].sku");
    assert!(named[0].1.contains("NONE"), "{named:?}");
    let refused = store.client.set_item(store.set("NONE", 1)).await.unwrap_err();
    assert_eq!(bad_fields(&refused)[0].0, "line.sku");
}

#[tokio::test]
async fn an_item_that_has_left_the_catalogue_does_not_break_its_cart() {
    let mut store = Store::start().await;
    store.world.fakes.books().items.remove(&sku("B"));
    let get = store.alice(GetCartRequest { cart_id: store.cart_id() });
    let cart = store.client.get_cart(get).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((cart.lines[1].unavailable, cart.total.clone()), (true, pounds(750)));
    let lines = vec![wire_line("A", 1), wire_line("B", 7)];
    let keep = UpdateCartRequest {
        cart_id: store.cart_id(),
        lines,
        etag: cart.etag,
        ..Default::default()
    };
    store.client.update_cart(store.alice(keep)).await.unwrap();
    let refused = store.client.checkout(store.checkout("r1", "tok_visa")).await.unwrap_err();
    let why = info(&refused).unwrap();
    assert_eq!((why.reason, why.metadata["skus"].as_str()), (Reason::ItemUnavailable, "B"));
    let dropped = store.client.set_item(store.set("B", 0)).await.unwrap().into_inner();
    assert_eq!(dropped.cart.unwrap().total, pounds(250));
}

#[tokio::test]
async fn a_cart_has_one_currency_and_a_total_that_can_be_counted() {
    let mut store = Store::start().await;
    let refused = store.client.set_item(store.set("EURO", 1)).await.unwrap_err();
    let why = info(&refused).unwrap();
    assert_eq!((why.reason, why.metadata["sku"].as_str()), (Reason::CurrencyMixed, "EURO"));
    store.world.fakes.books().items.get_mut(&sku("A")).unwrap().price =
        price_of("GBP", oxcart_types::MAX_PRICE);
    let refused = store.client.set_item(store.set("A", 1_001)).await.unwrap_err();
    let why = info(&refused).unwrap();
    assert_eq!(why.reason, Reason::TotalTooLarge);
    assert_eq!(why.metadata["limit"], oxcart_types::MAX_AMOUNT.to_string());
}

#[tokio::test]
async fn a_stale_etag_is_answered_with_the_priced_cart() {
    let mut store = Store::start().await;
    let stale = DeleteCartRequest { cart_id: store.cart_id(), etag: "v9".into() };
    let refused = store.client.delete_cart(store.alice(stale)).await.unwrap_err();
    assert_eq!(
        (refused.code(), info(&refused).unwrap().reason),
        (Code::Aborted, Reason::CartStale)
    );
    let cart: Cart = detail(&refused).unwrap();
    assert_eq!((cart.etag.as_str(), cart.total), ("v1", pounds(757)));
    let exists =
        CreateCartRequest { cart_id: store.cart_id(), lines: vec![], ..Default::default() };
    let refused = store.client.create_cart(store.alice(exists)).await.unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::CartExists);
    assert_eq!(detail::<Cart>(&refused).unwrap().total, pounds(757));
}

#[tokio::test]
async fn somebody_elses_cart_is_as_absent_as_any_other() {
    let mut store = Store::start().await;
    let mallory = store.issuer.user_token("mallory");
    let foreign = signed(GetCartRequest { cart_id: store.cart_id() }, &mallory);
    let absent = GetCartRequest { cart_id: uuid::Uuid::from_u128(404).to_string() };
    let foreign = store.client.get_cart(foreign).await.unwrap_err();
    let absent = store.client.get_cart(signed(absent, &mallory)).await.unwrap_err();
    assert_eq!(info(&foreign).unwrap().reason, Reason::CartNotFound);
    assert_eq!((foreign.code(), foreign.message()), (absent.code(), absent.message()));
    assert_eq!(foreign.details(), absent.details());
}

#[tokio::test]
async fn a_checkout_is_answered_with_its_outcome() {
    let mut store = Store::start().await;
    let declined = store.client.checkout(store.checkout("r1", "tok_declined")).await;
    let declined = declined.unwrap().into_inner().checkout.unwrap();
    assert_eq!(
        (declined.state(), declined.failure(), declined.decline_reason()),
        (CheckoutState::Failed, CheckoutFailure::Declined, DeclineReason::Generic)
    );
    let paid = store.client.checkout(store.checkout("r2", "tok_visa")).await;
    let paid = paid.unwrap().into_inner().checkout.unwrap();
    assert_eq!((paid.state(), paid.total.clone()), (CheckoutState::Paid, pounds(757)));
    assert!(!paid.payment_id.is_empty() && paid.retry_after.is_none());
    let get = GetCheckoutRequest { name: Some(Name::RequestId("r2".into())) };
    let found = store.client.get_checkout(store.alice(get)).await.unwrap().into_inner();
    assert_eq!(found.checkout.unwrap().checkout_id, paid.checkout_id);
    let list = store.alice(ListPurchasesRequest::default());
    let purchases = store.client.list_purchases(list).await.unwrap().into_inner().carts;
    assert_eq!((purchases.len(), purchases[0].state()), (1, CartState::Paid));
    let list =
        ListCartsRequest { filter: CartFilter::Unpurchased.into(), ..ListCartsRequest::default() };
    let open = store.client.list_carts(store.alice(list)).await.unwrap().into_inner().carts;
    assert!(open.is_empty());
}

#[tokio::test]
async fn a_changed_price_carries_the_new_total() {
    let mut store = Store::start().await;
    let mut request = store.checkout("r1", "tok_visa");
    request.get_mut().expected_total = pounds(1);
    request.get_mut().accept_any_total = false;
    let refused = store.client.checkout(request).await.unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::PriceChanged);
    assert_eq!(detail::<common::Money>(&refused), pounds(757));
    store.client.checkout(store.checkout("r2", "tok_visa")).await.unwrap();
    let refused = store.client.checkout(store.checkout("r2", "tok_other")).await;
    assert_eq!(reason(refused), Reason::RequestIdReused);
}

#[tokio::test]
async fn an_undecided_checkout_is_pending_before_the_deadline() {
    let mut store = Store::start().await;
    let mut request = store.checkout("r1", "tok_slow");
    request.set_timeout(Duration::from_secs(2));
    let pending = store.client.checkout(request).await.unwrap().into_inner().checkout.unwrap();
    assert_eq!(pending.state(), CheckoutState::Pending);
    assert!(pending.retry_after.is_some());
    let other = store.client.checkout(store.checkout("r2", "tok_visa")).await.unwrap_err();
    assert_eq!(info(&other).unwrap().reason, Reason::CheckoutInProgress);
    assert_eq!(detail::<Cart>(&other).unwrap().state(), CartState::Pending);
}

#[tokio::test]
async fn a_watch_ends_with_its_checkout() {
    let mut store = Store::start_with(&["--checkout-answer-ms=0"]).await;
    let pending = store.client.checkout(store.checkout("r1", "tok_slow")).await;
    let checkout_id = pending.unwrap().into_inner().checkout.unwrap().checkout_id;
    let watch = store.alice(watch_request(checkout_id));
    let mut changes = store.client.watch_checkout(watch).await.unwrap().into_inner();
    let first = changes.message().await.unwrap().unwrap().checkout.unwrap();
    assert_eq!(first.state(), CheckoutState::Pending);
    store.world.fakes.books().settle();
    let last = changes.message().await.unwrap().unwrap().checkout.unwrap();
    assert_eq!(last.state(), CheckoutState::Paid);
    assert_eq!(changes.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_change_that_was_made_is_never_said_to_be_refused() {
    let mut store = Store::start().await;
    store.client.set_item(store.set("B", 1)).await.unwrap();
    // Asked for the prices of what is left, after the change.
    store.world.fakes.fail_next(Call::Describe, Fault::Refused(Reason::Overloaded));
    let failed = store.client.set_item(store.set("B", 0)).await;
    assert_eq!(reason(failed), Reason::Unavailable);
    let get = store.alice(GetCartRequest { cart_id: store.cart_id() });
    let cart = store.client.get_cart(get).await.unwrap().into_inner().cart.unwrap();
    assert!(cart.lines.iter().all(|line| line.sku != "B"), "{cart:?}");
}

#[tokio::test]
async fn a_watch_is_told_to_come_back_when_the_controller_shuts_down() {
    let flags = ["--checkout-answer-ms=0", "--checkout-time-budget-ms=0"];
    let mut store = Store::start_with(&flags).await;
    let pending = store.client.checkout(store.checkout("r1", "tok_slow")).await;
    let checkout_id = pending.unwrap().into_inner().checkout.unwrap().checkout_id;
    let watch = store.alice(watch_request(checkout_id));
    let mut changes = store.client.watch_checkout(watch).await.unwrap().into_inner();
    changes.message().await.unwrap().unwrap();
    store.shutdown.cancel();
    let ended = changes.message().await.unwrap_err();
    assert_eq!(info(&ended).unwrap().reason, Reason::Unavailable);
    assert!(retry_delay(&ended).is_some());
}

#[tokio::test]
async fn a_recovery_that_hangs_does_not_keep_the_controller_from_stopping() {
    let store = Store::start_with(&[
        "--drain-seconds=1",
        "--recovery-interval-ms=1",
        "--checkout-call-ms=60000",
    ])
    .await;
    store.world.fakes.fail_always(Call::Lease, Some(Fault::HangsBefore));
    store.world.fakes.until_hanging().await;
    store.shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), store.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn no_more_watches_than_allowed() {
    let mut store = Store::start_with(&["--max-watches=0"]).await;
    let paid = store.client.checkout(store.checkout("r1", "tok_visa")).await;
    let checkout_id = paid.unwrap().into_inner().checkout.unwrap().checkout_id;
    let watch = store.alice(watch_request(checkout_id));
    let refused = store.client.watch_checkout(watch).await.map(|_| Response::new(()));
    assert_eq!(reason(refused), Reason::Overloaded);
}

#[tokio::test]
async fn a_card_becomes_a_token_and_is_not_repeated() {
    let mut store = Store::start().await;
    let card = |number: &str| {
        let card =
            Card { number: number.into(), expiry_month: 1, expiry_year: 2030, cvc: "123".into() };
        TokenizeCardRequest { card: Some(card) }
    };
    let good = store.alice(card("4242 4242 4242 4242"));
    let done = store.client.tokenize_card(good).await.unwrap().into_inner();
    assert_eq!((done.payment_token.as_str(), done.last_four.as_str()), ("tok_visa", "4242"));
    let bad = store.alice(card("1234567812345678"));
    let refused = store.client.tokenize_card(bad).await.unwrap_err();
    assert_eq!(fields(&refused), ["some.field"]);
    assert!(!format!("{refused:?}").contains("1234567812345678"));
}

#[tokio::test]
async fn an_import_needs_a_service_with_the_scope() {
    let mut store = Store::start().await;
    let file = || {
        tokio_stream::iter(["sku,", "name"].map(|part| ImportItemsRequest {
            csv_chunk: part.into(),
            default_currency_code: String::new(),
        }))
    };
    let by_user = signed(file(), &store.issuer.user_token("alice"));
    assert_eq!(reason(store.client.import_items(by_user).await), Reason::SignInRequired);
    let other = store.issuer.service_token("controller", &["payment:read"]);
    let refused = store.client.import_items(signed(file(), &other)).await;
    assert_eq!(reason(refused), Reason::ScopeMissing);
    let admin = store.issuer.service_token("admin", &["catalog:write"]);
    let done = store.client.import_items(signed(file(), &admin)).await.unwrap().into_inner();
    assert_eq!(done.created_count, 8);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_unavailable_and_one_that_fails_internal() {
    let mut store = Store::start().await;
    let get = || GetCartRequest { cart_id: store.cart_id() };
    store.world.fakes.fail_next(Call::Cart, Fault::Lost);
    let refused = store.client.clone().get_cart(store.alice(get())).await.unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::Unavailable);
    assert!(!refused.message().contains("fake"), "{refused:?}");
    // A reason that this contract does not promise is an inner affair.
    store.world.fakes.fail_next(Call::Cart, Fault::Refused(Reason::PaymentKeyReused));
    let refused = store.client.clone().get_cart(store.alice(get())).await.unwrap_err();
    assert_eq!(info(&refused).unwrap().reason, Reason::Internal);
    store.world.fakes.fail_next(Call::Cart, Fault::Refused(Reason::CartFull));
    let refused = store.client.get_cart(store.alice(get())).await.unwrap_err();
    let why = info(&refused).unwrap();
    assert_eq!((why.reason, why.metadata["limit"].as_str()), (Reason::CartFull, "7"));
}

#[tokio::test]
async fn carts_are_made_changed_and_deleted() {
    let mut store = Store::start().await;
    let cart_id = uuid::Uuid::from_u128(7).to_string();
    let create = || CreateCartRequest {
        cart_id: cart_id.clone(),
        lines: vec![wire_line("A", 2)],
        ..Default::default()
    };
    let made = store.client.clone().create_cart(store.alice(create())).await.unwrap().into_inner();
    let again = store.client.clone().create_cart(store.alice(create())).await.unwrap().into_inner();
    assert_eq!(made, again);
    let etag = made.cart.unwrap().etag;
    let set = SetItemRequest { cart_id: cart_id.clone(), line: Some(wire_line("B", 1)), etag };
    let set = store.client.set_item(store.alice(set)).await.unwrap().into_inner().cart.unwrap();
    assert_eq!((set.total, set.etag.as_str()), (pounds(501), "v2"));
    let delete = DeleteCartRequest { cart_id: cart_id.clone(), etag: set.etag };
    store.client.delete_cart(store.alice(delete)).await.unwrap();
    let gone = store.client.get_cart(store.alice(GetCartRequest { cart_id })).await;
    assert_eq!(reason(gone), Reason::CartNotFound);
    assert_eq!(store.world.cart_now().lines, [line("A", 3), line("B", 7)]);
}

#[tokio::test]
async fn items_are_listed_found_and_looked_up() {
    let mut store = Store::start().await;
    let list = store.alice(ListItemsRequest::default());
    assert_eq!(store.client.list_items(list).await.unwrap().into_inner().items.len(), 4);
    let search = SearchItemsRequest { query: "name".into(), ..SearchItemsRequest::default() };
    let found = store.client.search_items(store.alice(search)).await.unwrap().into_inner();
    assert_eq!(found.next_page_token, "more");
    let skus = ["B", "NONE", "A", "B"].map(String::from).to_vec();
    let got = store.client.get_items(store.alice(GetItemsRequest { skus })).await.unwrap();
    let got = got.into_inner();
    let skus: Vec<_> = got.items.iter().map(|item| item.sku.as_str()).collect();
    assert_eq!((skus, got.missing_skus), (vec!["B", "A"], vec!["NONE".to_owned()]));
}
