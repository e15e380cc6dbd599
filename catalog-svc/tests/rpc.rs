//! The RPCs as a client sees them, over a real channel.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use catalog_svc::{BUILT_IN_CATALOG, config::Config};
use clap::Parser as _;
use kit_rpc::{
    channel::{self, Outbound},
    service::{RunError, Service as _},
};
use kit_service::Env;
use kit_testing::TestIssuer;
use oxcart_proto::{
    Reason,
    catalog::{
        DeleteItemRequest, GetDescriptionsRequest, ImportItemsRequest, ImportItemsResponse,
        ListItemsRequest, SearchItemsRequest, UpsertItemRequest,
        catalog_service_client::CatalogServiceClient,
    },
    common::{Item, Money},
    error,
};
use tokio::task::JoinHandle;
use tokio_stream::{self as stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Status};

const HEADER: &str = "sku,name,price,description\n";

/// A catalogue in memory behind its own port, and a client of it.
struct Harness {
    client: CatalogServiceClient<Outbound>,
    issuer: TestIssuer,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), RunError>>,
}

impl Harness {
    async fn start(flags: &[&str]) -> Self {
        Self::start_on("memory:", flags).await
    }

    async fn start_on(database_url: &str, flags: &[&str]) -> Self {
        let issuer = TestIssuer::start().await;
        let database = ["catalog-svc", "--database-url", database_url];
        let mut config = Config::parse_from(database.iter().chain(flags));
        config.auth = issuer.args();
        let listener = kit_service::listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let serve = config.serve(listener, shutdown.clone(), Env::system());
        let client = CatalogServiceClient::new(channel::connect(&url).unwrap());
        Self { client, issuer, shutdown, served: tokio::spawn(serve) }
    }

    /// Tells the service to stop, and waits until it has.
    async fn stop(self) {
        self.shutdown.cancel();
        drop(self.client);
        let served = tokio::time::timeout(Duration::from_secs(20), self.served).await;
        served.unwrap().unwrap().unwrap();
    }

    /// `message` from a service that may write.
    fn admin<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let token = self.issuer.service_token("admin", &["catalog:write"]);
        authorize(&mut request, &token);
        request
    }

    async fn import(&mut self, file: impl AsRef<[u8]>) -> Result<ImportItemsResponse, Status> {
        let pieces: Vec<_> = file.as_ref().chunks(100_000).map(piece).collect();
        self.import_pieces(pieces).await
    }

    async fn import_pieces(
        &mut self,
        pieces: Vec<ImportItemsRequest>,
    ) -> Result<ImportItemsResponse, Status> {
        let request = self.admin(stream::iter(pieces));
        Ok(self.client.import_items(request).await?.into_inner())
    }

    async fn all_skus(&mut self) -> Vec<String> {
        let request = ListItemsRequest { page_size: 200, ..Default::default() };
        let items = self.client.list_items(request).await.unwrap().into_inner().items;
        items.into_iter().map(|item| item.sku).collect()
    }

    async fn upsert(&mut self, item: Option<Item>) -> Result<Item, Status> {
        let request = self.admin(UpsertItemRequest { item });
        let response = self.client.upsert_item(request).await?.into_inner();
        Ok(response.item.unwrap())
    }
}

fn authorize<T>(request: &mut Request<T>, token: &str) {
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
}

fn piece(bytes: &[u8]) -> ImportItemsRequest {
    ImportItemsRequest { csv_chunk: bytes.to_vec(), ..Default::default() }
}

fn item(sku: &str, name: &str, minor_units: i64) -> Item {
    Item {
        sku: sku.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        price: Some(Money { currency_code: "GBP".to_owned(), minor_units }),
    }
}

fn counts(response: ImportItemsResponse) -> (i64, i64, i64) {
    (response.created_count, response.updated_count, response.unchanged_count)
}

#[track_caller]
fn assert_refused(status: &Status, reason: Reason) {
    let info = error::info(status).unwrap_or_else(|| panic!("{status:?} is not ours"));
    assert_eq!((info.reason, status.code()), (reason, reason.code()), "{status:?}");
}

#[track_caller]
fn assert_bad_fields(status: &Status, fields: &[&str]) {
    assert_refused(status, Reason::FieldInvalid);
    let named: Vec<_> = error::bad_fields(status).into_iter().map(|(field, _)| field).collect();
    assert_eq!(named, fields, "{status:?}");
}

#[tokio::test]
async fn the_built_in_catalogue_is_loaded_into_an_empty_store_and_read_without_a_token() {
    let mut catalog = Harness::start(&["--load-built-in"]).await;
    assert_eq!(catalog.all_skus().await.len(), 24);
    assert_eq!(counts(catalog.import(BUILT_IN_CATALOG).await.unwrap()), (0, 0, 24));

    let skus = ["UNKNOWN", "MUG-404", "DUCK-RED", "MUG-404", "UNKNOWN"].map(str::to_owned);
    let request = GetDescriptionsRequest { skus: skus.to_vec() };
    let found = catalog.client.get_descriptions(request).await.unwrap().into_inner();
    assert_eq!(found.missing_skus, ["UNKNOWN"]);
    assert_eq!(
        found.items.iter().map(|item| &item.sku).collect::<Vec<_>>(),
        ["MUG-404", "DUCK-RED"]
    );
    assert_eq!(found.items[0].name, "Mug Not Found");
    assert!(found.items[0].description.contains("says \"404\" until"));
    assert_eq!(found.items[0].price.as_ref().unwrap().minor_units, 1_100);

    let nothing = catalog.client.get_descriptions(GetDescriptionsRequest::default()).await.unwrap();
    assert!(nothing.into_inner().items.is_empty());
}

#[tokio::test]
async fn a_list_comes_in_pages_whose_tokens_fit_no_other_query() {
    let mut catalog = Harness::start(&["--load-built-in"]).await;
    let all = catalog.all_skus().await;
    let mut seen = Vec::new();
    let mut request = ListItemsRequest { page_size: 10, ..Default::default() };
    loop {
        let page = catalog.client.list_items(request.clone()).await.unwrap().into_inner();
        seen.extend(page.items.into_iter().map(|item| item.sku));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, all);

    let search = SearchItemsRequest {
        query: "mug".to_owned(),
        page_token: request.page_token.clone(),
        page_size: 0,
    };
    let status = catalog.client.search_items(search).await.unwrap_err();
    assert_bad_fields(&status, &["page_token"]);
    request.page_size = -1;
    request.page_token.push('A');
    let status = catalog.client.list_items(request).await.unwrap_err();
    assert_bad_fields(&status, &["page_size", "page_token"]);
}

#[tokio::test]
async fn a_search_comes_in_pages_best_match_first() {
    let mut catalog = Harness::start(&[]).await;
    let rows: Vec<_> =
        (0..7).map(|n| format!("{n},Duck{},1,\n", " of wood".repeat(n % 3))).collect();
    catalog.import(format!("{HEADER}{}x,Goose,1,Nearly a duck\n", rows.concat())).await.unwrap();
    let mut seen = Vec::new();
    let mut request =
        SearchItemsRequest { query: "DUC".to_owned(), page_size: 3, ..Default::default() };
    loop {
        let page = catalog.client.search_items(request.clone()).await.unwrap().into_inner();
        seen.extend(page.items.into_iter().map(|item| item.sku));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, ["0", "3", "6", "1", "4", "2", "5", "x"]);

    request.query = "duck".to_owned();
    let status = catalog.client.search_items(request).await.unwrap_err();
    assert_bad_fields(&status, &["page_token"]);
    for query in [String::new(), "x".repeat(201)] {
        let request = SearchItemsRequest { query, ..Default::default() };
        let status = catalog.client.search_items(request).await.unwrap_err();
        assert_bad_fields(&status, &["query"]);
    }
}

#[tokio::test]
async fn writing_takes_a_service_token_with_the_scope() {
    let mut catalog = Harness::start(&[]).await;
    let status = catalog.client.delete_item(DeleteItemRequest::default()).await.unwrap_err();
    assert_refused(&status, Reason::SignInRequired);
    let status = catalog.client.upsert_item(UpsertItemRequest::default()).await.unwrap_err();
    assert_refused(&status, Reason::SignInRequired);
    let pieces = stream::iter(vec![piece(HEADER.as_bytes())]);
    let status = catalog.client.import_items(pieces).await.unwrap_err();
    assert_refused(&status, Reason::SignInRequired);

    let mut request = Request::new(DeleteItemRequest::default());
    authorize(&mut request, &catalog.issuer.service_token("controller", &["cart:checkout"]));
    let status = catalog.client.delete_item(request).await.unwrap_err();
    assert_refused(&status, Reason::ScopeMissing);
    assert_eq!(error::info(&status).unwrap().metadata["scope"], "catalog:write");

    let mut request = Request::new(DeleteItemRequest::default());
    authorize(&mut request, &catalog.issuer.user_token("alice"));
    let status = catalog.client.delete_item(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_item_can_be_stored_replaced_and_taken_out() {
    let mut catalog = Harness::start(&[]).await;
    let duck = item("DUCK", "Duck", 500);
    assert_eq!(catalog.upsert(Some(duck.clone())).await.unwrap(), duck);
    let dearer = item("DUCK", "Rubber duck", 600);
    assert_eq!(catalog.upsert(Some(dearer.clone())).await.unwrap(), dearer);
    let request = GetDescriptionsRequest { skus: vec!["DUCK".to_owned()] };
    let found = catalog.client.get_descriptions(request).await.unwrap().into_inner();
    assert_eq!(found.items, [dearer]);

    let duck = DeleteItemRequest { sku: "DUCK".to_owned() };
    catalog.client.delete_item(catalog.admin(duck.clone())).await.unwrap();
    let status = catalog.client.delete_item(catalog.admin(duck)).await.unwrap_err();
    assert_refused(&status, Reason::ItemNotFound);
    assert_eq!(error::info(&status).unwrap().metadata["sku"], "DUCK");
    assert!(catalog.all_skus().await.is_empty());
}

#[tokio::test]
async fn every_bad_field_of_an_item_is_named() {
    let mut catalog = Harness::start(&[]).await;
    assert_bad_fields(&catalog.upsert(None).await.unwrap_err(), &["item"]);
    let empty = catalog.upsert(Some(Item::default())).await.unwrap_err();
    assert_bad_fields(&empty, &["item.sku", "item.name", "item.price"]);
    let mut wrong = item(" x", &"x".repeat(201), -1);
    wrong.description = "x".repeat(4_001);
    let status = catalog.upsert(Some(wrong.clone())).await.unwrap_err();
    let minor_units = "item.price.minor_units";
    assert_bad_fields(&status, &["item.sku", "item.name", "item.description", minor_units]);
    for (amount, code, field) in [
        (1_000_000_000_001, "GBP", minor_units),
        (i64::MAX, "GBP", minor_units),
        (1, "gbp", "item.price.currency_code"),
    ] {
        let mut wrong = item("x", "x", amount);
        wrong.price.as_mut().unwrap().currency_code = code.to_owned();
        assert_bad_fields(&catalog.upsert(Some(wrong)).await.unwrap_err(), &[field]);
    }
}

#[tokio::test]
async fn bad_skus_are_named_by_their_places() {
    let mut catalog = Harness::start(&[]).await;
    let skus = ["ok", "", "b\u{0}"].map(str::to_owned).to_vec();
    let request = GetDescriptionsRequest { skus };
    let status = catalog.client.get_descriptions(request).await.unwrap_err();
    assert_bad_fields(&status, &["skus[1]", "skus[2]"]);
    let request = GetDescriptionsRequest { skus: vec![String::new(); 1_000] };
    let status = catalog.client.get_descriptions(request).await.unwrap_err();
    assert_refused(&status, Reason::FieldInvalid);
    let request = GetDescriptionsRequest { skus: vec!["x".to_owned(); 1_001] };
    let status = catalog.client.get_descriptions(request).await.unwrap_err();
    assert_bad_fields(&status, &["skus"]);
}

#[tokio::test]
async fn a_file_may_be_cut_inside_a_character() {
    let mut catalog = Harness::start(&[]).await;
    let file = "\u{feff}price,sku,name,description,currency\r\n12.50,é,\"Café, ☕\",,\r\n7,b,Bear,x,JPY\r\n";
    let mut pieces: Vec<_> = file.as_bytes().chunks(1).map(piece).collect();
    pieces[0].default_currency_code = "EUR".to_owned();
    pieces[1].default_currency_code = "read from the first only".to_owned();
    assert_eq!(counts(catalog.import_pieces(pieces).await.unwrap()), (2, 0, 0));
    let items =
        catalog.client.list_items(ListItemsRequest::default()).await.unwrap().into_inner().items;
    assert_eq!(
        (items[1].name.as_str(), items[1].price.as_ref().unwrap().currency_code.as_str()),
        ("Café, ☕", "EUR")
    );
    assert_eq!(items[0].price, Some(Money { currency_code: "JPY".to_owned(), minor_units: 7 }));
}

#[tokio::test]
async fn importing_again_updates_and_leaves_the_rest() {
    let mut catalog = Harness::start(&[]).await;
    let first = format!("{HEADER}a,Ant,1,\nb,Bear,2,\n");
    assert_eq!(counts(catalog.import(first).await.unwrap()), (2, 0, 0));
    let second = format!("{HEADER}b,Bear,3,\nc,Cat,4,\n");
    assert_eq!(counts(catalog.import(&second).await.unwrap()), (1, 1, 0));
    assert_eq!(counts(catalog.import(second).await.unwrap()), (0, 0, 2));
    assert_eq!(catalog.all_skus().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn one_bad_row_keeps_the_whole_file_out_and_is_named() {
    let mut catalog = Harness::start(&[]).await;
    let file = [HEADER.as_bytes(), b"a,Ant,1,\nb,B\xffar,,\nc,Cat,-2,\na,Ant,1,\n"].concat();
    let status = catalog.import(file).await.unwrap_err();
    assert_bad_fields(&status, &["line 3, name", "line 3, price", "line 4, price", "line 5, sku"]);
    assert_eq!(error::info(&status).unwrap().metadata["bad_rows"], "3");
    let reasons: Vec<_> = error::bad_fields(&status).into_iter().map(|(_, why)| why).collect();
    assert_eq!(
        reasons,
        [
            "must be UTF-8",
            "must not be empty",
            "must not be negative",
            "must differ from the SKU on line 2",
        ]
    );
    assert!(catalog.all_skus().await.is_empty());
}

#[tokio::test]
async fn a_file_full_of_bad_rows_is_answered_in_headers_that_fit() {
    let mut catalog = Harness::start(&[]).await;
    // The longest reasons there are, on lines with long numbers.
    let good = (0..90_000).map(|n| format!("{n},Bear,1,\n"));
    let bad = (0..1_000).map(|n| format!("x{n},Bear,1,\u{0}\n"));
    let rows: Vec<_> = good.chain(bad).collect();
    let status = catalog.import(format!("{HEADER}{}", rows.concat())).await.unwrap_err();
    assert_refused(&status, Reason::FieldInvalid);
    assert_eq!(error::info(&status).unwrap().metadata["bad_rows"], "1000");
    let named = error::bad_fields(&status);
    assert_eq!(named[0].0, "line 90002, description");
    assert!((30..=100).contains(&named.len()), "{}", named.len());
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_before_it_has_all_come() {
    let mut catalog = Harness::start(&[]).await;
    let status =
        catalog.import_pieces(vec![piece(&vec![b'x'; 1024 * 1024 + 1])]).await.unwrap_err();
    assert_bad_fields(&status, &["csv_chunk"]);
    let status =
        catalog.import_pieces(vec![piece(&vec![b'\n'; 1024 * 1024]); 33]).await.unwrap_err();
    assert_bad_fields(&status, &["csv_chunk"]);
    let status = catalog.import_pieces(vec![piece(&vec![b'x'; 10_000_000])]).await.unwrap_err();
    assert_refused(&status, Reason::FieldInvalid);
    let mut wrong = piece(HEADER.as_bytes());
    wrong.default_currency_code = "pounds".to_owned();
    let status = catalog.import_pieces(vec![wrong]).await.unwrap_err();
    assert_bad_fields(&status, &["default_currency_code"]);
}

#[tokio::test]
async fn an_empty_upload_lacks_its_columns() {
    let mut catalog = Harness::start(&[]).await;
    let status = catalog.import_pieces(Vec::new()).await.unwrap_err();
    let columns = ["line 1, sku", "line 1, name", "line 1, price", "line 1, description"];
    assert_bad_fields(&status, &columns);
}

#[tokio::test]
async fn a_file_counts_only_once_all_of_it_has_come() {
    let mut catalog = Harness::start(&[]).await;
    let first = piece(format!("{HEADER}a,Ant,1,\n").as_bytes());
    let never_ends = stream::iter([first]).chain(stream::pending());
    let upload = catalog.admin(never_ends);
    let call = catalog.client.import_items(upload);
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    // The service hears of it a little later.
    for _ in 0..20 {
        assert!(catalog.all_skus().await.is_empty());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    catalog.stop().await;
}

#[tokio::test]
async fn what_is_stored_outlives_the_process_and_what_was_taken_out_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("catalog.sqlite3").display());
    let mut first = Harness::start_on(&url, &["--load-built-in"]).await;
    let request = first.admin(DeleteItemRequest { sku: "MUG-404".to_owned() });
    first.client.delete_item(request).await.unwrap();
    let left = first.all_skus().await;
    assert_eq!(left.len(), 23);
    first.stop().await;

    let mut second = Harness::start_on(&url, &["--load-built-in"]).await;
    assert_eq!(second.all_skus().await, left);
    second.stop().await;
}
