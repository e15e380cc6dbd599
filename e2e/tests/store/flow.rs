//! One session from the first call to the purchase, as the design tells it, on every database.

use oxcart::Service;
use oxcart_client::Client;
use oxcart_proto::{
    Reason,
    catalog::{DeleteItemRequest, catalog_service_client::CatalogServiceClient},
    common::{CartState, CheckoutState},
    controller::{
        Card, Cart, Checkout, GetItemsRequest, GetStorefrontRequest, ListItemsRequest,
        SearchItemsRequest, SetItemRequest, TokenizeCardRequest, UpdateCartRequest,
        controller_service_client::ControllerServiceClient,
    },
    error,
};

use crate::world::{
    Kind, Shopper, World, cart, check_out, contents, gbp, line, minor_units, purchase, reason,
    reread, watch_request,
};

#[tokio::test]
async fn a_session_works_in_memory() {
    a_session_works(Kind::Memory).await;
}

#[tokio::test]
async fn a_session_works_on_sqlite() {
    a_session_works(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_session_works_on_postgres() {
    a_session_works(Kind::Postgres).await;
}

async fn a_session_works(kind: Kind) {
    let mut world = World::on(kind).await;
    let mut alice = sign_in_where_told(&world).await;
    let front = alice.client.storefront(0).await.unwrap();
    assert_eq!((front.items.len(), front.carts), (6, Vec::new()));

    let cart = fill_a_cart(&mut alice).await;
    if kind != Kind::Memory {
        restart(&mut world).await;
    }
    find_it_again(&world, &cart).await;
    let mut alice = world.shopper("alice").await;
    let paid = buy(&world, &mut alice, &cart).await;
    find_it_among_purchases(&world, &mut alice, &paid).await;
    world.store.shutdown().await.unwrap();
}

/// Without credentials a client is told where to sign in, and there it can.
async fn sign_in_where_told(world: &World) -> Shopper {
    let mut stranger = ControllerServiceClient::new(world.channel(Service::Controller).await);
    let status = stranger.get_storefront(GetStorefrontRequest::default()).await.unwrap_err();
    assert_eq!(reason(&status), Reason::SignInRequired);
    let told = error::info(&status).unwrap().metadata;
    assert_eq!(told["issuer"], world.store.issuer());
    let client = Client::builder(world.store.url(Service::Controller)).sign_in_at(&told["sign_in"]);
    let alice = client.build().unwrap().sign_in("alice", "alice-password").await.unwrap();
    Shopper::new(alice).await
}

/// Quantities are absolute, zero drops a line, and an update of what has moved on is refused.
async fn fill_a_cart(alice: &mut Shopper) -> Cart {
    let first = cart(alice, &[("1001", 1), ("85123A", 6)]).await;
    assert_eq!(minor_units(first.total.as_ref()), 14_900 + 6 * 255);
    assert_eq!(first.lines[1].name, "Cow bell");
    assert_eq!(first.lines[1].description, "Brass, loud");
    let set = |sku, quantity| SetItemRequest {
        cart_id: first.cart_id.clone(),
        line: Some(line(sku, quantity)),
        etag: String::new(),
    };
    alice.controller().set_item(set("1002", 2)).await.unwrap();
    alice.controller().set_item(set("1002", 3)).await.unwrap();
    let changed = alice.controller().set_item(set("1001", 0)).await.unwrap().into_inner();
    let changed = changed.cart.unwrap();
    assert_eq!(contents(&changed), [("85123A", 6), ("1002", 3)]);

    let stale = UpdateCartRequest {
        cart_id: first.cart_id.clone(),
        lines: vec![line("1001", 9)],
        etag: first.etag.clone(),
        ..Default::default()
    };
    let status = alice.controller().update_cart(stale).await.unwrap_err();
    assert_eq!(reason(&status), Reason::CartStale);
    assert_eq!(error::detail::<Cart>(&status).unwrap(), changed);
    changed
}

/// A later session has the carts of earlier ones, the youngest first. Nobody else has.
async fn find_it_again(world: &World, left: &Cart) {
    let mut alice = world.shopper("alice").await;
    let second = cart(&mut alice, &[]).await;
    let carts = alice.client.storefront(0).await.unwrap().carts;
    assert_eq!(carts, [second, left.clone()]);
    let bob = world.shopper("bob").await;
    assert_eq!(bob.client.storefront(0).await.unwrap().carts, []);
    assert_eq!(bob.client.purchases().all().await.unwrap(), []);
}

/// The card goes to the payment service; what comes back pays the cart.
async fn buy(world: &World, alice: &mut Shopper, full: &Cart) -> Checkout {
    let card = Card {
        number: "4242 4242 4242 4242".to_owned(),
        expiry_month: 12,
        expiry_year: 2030,
        cvc: "123".to_owned(),
    };
    let tokenize = TokenizeCardRequest { card: Some(card) };
    let tokenized = alice.controller().tokenize_card(tokenize).await.unwrap().into_inner();
    assert_eq!(tokenized.last_four, "4242");
    let request = purchase("first-purchase", full, &tokenized.payment_token);
    let paid = check_out(alice, request).await.unwrap();
    assert_eq!(paid.state(), CheckoutState::Paid);
    assert_eq!(minor_units(paid.total.as_ref()), 6 * 255 + 3 * 8_950);
    assert!(!paid.payment_id.is_empty());
    assert_eq!(world.payment(&paid.checkout_id).await.unwrap().payment_id, paid.payment_id);

    // Watching a decided checkout tells what was decided, and ends.
    let watch = watch_request(paid.checkout_id.clone());
    let mut watched = alice.controller().watch_checkout(watch).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().checkout.unwrap(), paid);
    assert_eq!(watched.message().await.unwrap(), None);
    paid
}

/// Purchases keep names and prices as they were paid, whatever the catalogue says later.
async fn find_it_among_purchases(world: &World, alice: &mut Shopper, paid: &Checkout) {
    world.import("sku,name,price,description\n85123A,Cow bell of gold,999.00,\n").await;
    let bought = reread(alice.controller(), &paid.cart_id).await;
    assert_eq!((bought.state(), &bought.total), (CartState::Paid, &paid.total));
    assert_eq!(bought.lines[0].unit_price, Some(gbp(255)));
    assert_eq!(bought.lines[0].name, "Cow bell");
    assert_eq!(alice.client.purchases().all().await.unwrap(), [bought]);
    assert_eq!(alice.client.storefront(0).await.unwrap().carts.len(), 1);
}

async fn restart(world: &mut World) {
    for service in Service::ALL.into_iter().rev() {
        world.store.stop(service).await.unwrap();
    }
    for service in Service::ALL {
        world.store.start_one(service).await.unwrap();
    }
}

#[tokio::test]
async fn the_items_are_listed_searched_and_fetched_through_the_controller() {
    let world = World::on(Kind::Sqlite).await;
    let mut alice = world.shopper("alice").await;
    let skus: Vec<String> =
        alice.client.items().all().await.unwrap().into_iter().map(|item| item.sku).collect();
    assert_eq!(skus, ["1001", "1002", "85123A", "DEAR", "FREE", "YEN"]);

    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListItemsRequest { page_size: 4, page_token };
        let page = alice.controller().list_items(request).await.unwrap().into_inner();
        seen.extend(page.items.into_iter().map(|item| item.sku));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, skus);

    let search = SearchItemsRequest { query: "oak whe".to_owned(), ..Default::default() };
    let found = alice.controller().search_items(search).await.unwrap().into_inner().items;
    assert_eq!(found.iter().map(|item| item.sku.as_str()).collect::<Vec<_>>(), ["1002"]);

    let get = GetItemsRequest { skus: ["YEN", "GONE", "1001"].map(str::to_owned).into() };
    let got = alice.controller().get_items(get).await.unwrap().into_inner();
    assert_eq!(got.items.iter().map(|item| item.sku.as_str()).collect::<Vec<_>>(), ["YEN", "1001"]);
    assert_eq!(got.missing_skus, ["GONE"]);
}

#[tokio::test]
async fn an_item_that_leaves_the_catalogue_is_marked_and_breaks_no_cart() {
    let world = World::on(Kind::Memory).await;
    let mut alice = world.shopper("alice").await;
    let cart = cart(&mut alice, &[("1001", 1), ("1002", 1)]).await;

    let bearer = world.service("admin", "admin-secret").session().bearer().await.unwrap();
    let channel = world.channel(Service::Catalog).await;
    let mut catalog = CatalogServiceClient::with_interceptor(channel, bearer);
    catalog.delete_item(DeleteItemRequest { sku: "1001".to_owned() }).await.unwrap();

    let marked = reread(alice.controller(), &cart.cart_id).await;
    assert!(marked.lines[0].unavailable && !marked.lines[1].unavailable);
    assert_eq!(minor_units(marked.total.as_ref()), 8_950);

    let status = check_out(&mut alice, purchase("p", &marked, "tok_visa")).await.unwrap_err();
    assert_eq!(reason(&status), Reason::ItemUnavailable);
    assert_eq!(error::info(&status).unwrap().metadata["skus"], "1001");

    let drop_it = SetItemRequest {
        cart_id: cart.cart_id.clone(),
        line: Some(line("1001", 0)),
        etag: String::new(),
    };
    let left = alice.controller().set_item(drop_it).await.unwrap().into_inner().cart.unwrap();
    let paid = check_out(&mut alice, purchase("q", &left, "tok_visa")).await.unwrap();
    assert_eq!(paid.state(), CheckoutState::Paid);
}
