//! A running cart service, an issuer that it trusts, and calls of all its RPCs.

use std::net::Ipv4Addr;

use cart_svc::{
    Config,
    store::{self, MIGRATIONS},
};
use clap::Parser as _;
use kit_database::Database;
use kit_rpc::{
    channel::{self, Outbound},
    server::Server,
    service::Service as _,
};
use kit_service::Env;
use kit_testing::TestIssuer;
use oxcart_proto::{
    Reason,
    cart::{
        self as pb, cart_service_client::CartServiceClient,
        checkout_service_client::CheckoutServiceClient, get_checkout_request::Name,
    },
    common::{CartFilter, CheckoutFailure, Line, Money, PricedLine},
    error,
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Status};

/// The service. It stops when this is dropped.
pub struct Shop {
    pub issuer: TestIssuer,
    pub client: CartServiceClient<Outbound>,
    pub checkouts: CheckoutServiceClient<Outbound>,
    _stop: DropGuard,
}

/// The tokens of a call.
#[derive(Clone, Default)]
pub struct As {
    authorization: Option<String>,
    service_authorization: Option<String>,
}

impl As {
    pub fn nobody() -> Self {
        Self::default()
    }

    pub fn token(token: &str) -> Self {
        Self { authorization: Some(format!("Bearer {token}")), service_authorization: None }
    }

    pub fn with_service(self, token: &str) -> Self {
        Self { service_authorization: Some(format!("Bearer {token}")), ..self }
    }

    pub fn asks<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let tokens = [
            ("authorization", &self.authorization),
            ("service-authorization", &self.service_authorization),
        ];
        for (name, token) in tokens {
            if let Some(token) = token {
                request.metadata_mut().insert(name, token.parse().unwrap());
            }
        }
        request
    }
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub async fn open_with(flags: &[&str]) -> Self {
        let issuer = TestIssuer::start().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fixed = ["cart-svc", "--database-url", "memory:"];
        let mut config = Config::parse_from(fixed.iter().chain(flags));
        config.auth = issuer.args();
        let shutdown = CancellationToken::new();
        let served = config.serve(listener, shutdown.clone(), Env::system());
        tokio::spawn(served);
        Self::at(&url, issuer, shutdown)
    }

    /// Serves from a database that the test keeps hold of.
    pub async fn open_on(database: &Database) -> Self {
        let issuer = TestIssuer::start().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (config, env) = (Config::parse_from(["cart-svc"]), Env::system());
        database.migrate(&MIGRATIONS).await.unwrap();
        let store = store::open(database, env.clone());
        let (carts, checkouts) = cart_svc::services(&config, store, &env);
        let server = Server::new("cart", &config.common.server, env.clone())
            .authenticator(issuer.authenticator())
            .add_service(carts)
            .add_service(checkouts);
        let shutdown = CancellationToken::new();
        tokio::spawn(server.serve(listener, shutdown.clone()));
        Self::at(&url, issuer, shutdown)
    }

    fn at(url: &str, issuer: TestIssuer, shutdown: CancellationToken) -> Self {
        let channel = channel::connect(url).unwrap();
        let client = CartServiceClient::new(channel.clone());
        let checkouts = CheckoutServiceClient::new(channel);
        Self { issuer, client, checkouts, _stop: shutdown.drop_guard() }
    }

    pub fn user(&self, name: &str) -> As {
        As::token(&self.issuer.user_token(name))
    }

    pub fn alice(&self) -> As {
        self.user("alice")
    }

    /// The controller on behalf of a user.
    pub fn controller_for(&self, name: &str) -> As {
        self.user(name).with_service(&self.controller_token())
    }

    /// The controller on nobody's behalf.
    pub fn controller(&self) -> As {
        As::token(&self.controller_token())
    }

    fn controller_token(&self) -> String {
        self.issuer.service_token("controller", &["cart:checkout"])
    }

    /// A new cart of Alice's.
    pub async fn cart(&self, raw: &[(&str, i32)]) -> pb::Cart {
        let request = pb::CreateCartRequest {
            cart_id: String::new(),
            lines: lines(raw),
            ..Default::default()
        };
        let created = self.client.clone().create_cart(self.alice().asks(request)).await.unwrap();
        created.into_inner().cart.unwrap()
    }

    /// A cart of Alice's as it is now.
    pub async fn read(&self, cart_id: &str) -> pb::Cart {
        let request = pb::GetCartRequest { cart_id: cart_id.to_owned() };
        let found = self.client.clone().get_cart(self.alice().asks(request)).await.unwrap();
        found.into_inner().cart.unwrap()
    }

    /// Replaces the contents of a cart of Alice's.
    pub async fn update(
        &self,
        cart_id: &str,
        etag: &str,
        lines: Vec<Line>,
    ) -> Result<pb::Cart, Status> {
        let (cart_id, etag) = (cart_id.to_owned(), etag.to_owned());
        let remove_all_lines = lines.is_empty();
        let update =
            pb::UpdateCartRequest { cart_id, lines, etag, remove_all_lines, ..Default::default() };
        let request = self.alice().asks(update);
        Ok(self.client.clone().update_cart(request).await?.into_inner().cart.unwrap())
    }

    /// Sets one item of a cart of Alice's.
    pub async fn set(&self, cart_id: &str, sku: &str, quantity: i32) -> Result<pb::Cart, Status> {
        let line = Some(Line { sku: sku.to_owned(), quantity: Some(quantity) });
        let request = pb::SetItemRequest { cart_id: cart_id.to_owned(), line, etag: String::new() };
        let done = self.client.clone().set_item(self.alice().asks(request)).await?;
        Ok(done.into_inner().cart.unwrap())
    }

    /// Marks a cart of Alice's.
    pub async fn mark(&self, request: pb::MarkPurchasedRequest) -> Result<pb::Checkout, Status> {
        let request = self.controller_for("alice").asks(request);
        Ok(self.checkouts.clone().mark_purchased(request).await?.into_inner().checkout.unwrap())
    }

    pub async fn confirm(
        &self,
        checkout: &pb::Checkout,
        amount: Money,
    ) -> Result<pb::Checkout, Status> {
        let request = self.controller().asks(pb::ConfirmPurchaseRequest {
            owner: checkout.owner.clone(),
            checkout_id: checkout.checkout_id.clone(),
            payment_id: "pay_1".to_owned(),
            amount: Some(amount),
        });
        Ok(self.checkouts.clone().confirm_purchase(request).await?.into_inner().checkout.unwrap())
    }

    pub async fn unmark(
        &self,
        checkout: &pb::Checkout,
        failure: CheckoutFailure,
        decline_reason: i32,
    ) -> Result<pb::Checkout, Status> {
        let request = self.controller().asks(pb::UnmarkPurchasedRequest {
            owner: checkout.owner.clone(),
            checkout_id: checkout.checkout_id.clone(),
            failure: failure.into(),
            decline_reason,
        });
        Ok(self.checkouts.clone().unmark_purchased(request).await?.into_inner().checkout.unwrap())
    }

    /// Calls every RPC that names a cart.
    pub async fn call_carts(&self, who: &As, cart: &pb::Cart) -> Vec<(&'static str, Status)> {
        let (mut client, mut checkouts) = (self.client.clone(), self.checkouts.clone());
        let (id, etag) = (cart.cart_id.clone(), String::new());
        let line = Some(Line { sku: "A".to_owned(), quantity: Some(1) });
        let get = pb::GetCartRequest { cart_id: id.clone() };
        let lines = Vec::new();
        let update = pb::UpdateCartRequest {
            cart_id: id.clone(),
            lines,
            etag: etag.clone(),
            remove_all_lines: true,
            ..Default::default()
        };
        let set = pb::SetItemRequest { cart_id: id.clone(), line, etag: etag.clone() };
        let delete = pb::DeleteCartRequest { cart_id: id, etag };
        let mark = mark_request(cart, "r-foreign", 100);
        [
            ("GetCart", client.get_cart(who.asks(get)).await.map(drop)),
            ("UpdateCart", client.update_cart(who.asks(update)).await.map(drop)),
            ("SetItem", client.set_item(who.asks(set)).await.map(drop)),
            ("DeleteCart", client.delete_cart(who.asks(delete)).await.map(drop)),
            ("MarkPurchased", checkouts.mark_purchased(who.asks(mark)).await.map(drop)),
        ]
        .map(refused)
        .into()
    }

    /// Calls every RPC that is for services, as if about `checkout`.
    pub async fn call_internals(
        &self,
        who: &As,
        checkout: &pb::Checkout,
    ) -> Vec<(&'static str, Status)> {
        let mut checkouts = self.checkouts.clone();
        let (owner, checkout_id) = (checkout.owner.clone(), checkout.checkout_id.clone());
        let confirm = pb::ConfirmPurchaseRequest {
            owner: owner.clone(),
            checkout_id: checkout_id.clone(),
            payment_id: "pay_1".to_owned(),
            amount: checkout.total.clone(),
        };
        let failure = CheckoutFailure::Cancelled.into();
        let unmark =
            pb::UnmarkPurchasedRequest { owner, checkout_id, failure, ..Default::default() };
        let lease = pb::LeaseOverdueRequest { worker: "worker".to_owned(), limit: 1 };
        [
            ("ConfirmPurchase", checkouts.confirm_purchase(who.asks(confirm)).await.map(drop)),
            ("UnmarkPurchased", checkouts.unmark_purchased(who.asks(unmark)).await.map(drop)),
            ("LeaseOverdue", checkouts.lease_overdue(who.asks(lease)).await.map(drop)),
        ]
        .map(refused)
        .into()
    }

    /// Calls the RPCs that name no cart.
    pub async fn call_others(&self, who: &As) -> Vec<(&'static str, Status)> {
        let (mut client, mut checkouts) = (self.client.clone(), self.checkouts.clone());
        let filter = CartFilter::Unpurchased.into();
        let find = pb::ListCartsRequest { filter, ..Default::default() };
        let checkout = pb::GetCheckoutRequest { name: Some(Name::RequestId("r1".to_owned())) };
        let create = pb::CreateCartRequest::default();
        [
            ("CreateCart", client.create_cart(who.asks(create)).await.map(drop)),
            ("ListCarts", client.list_carts(who.asks(find)).await.map(drop)),
            ("GetCheckout", checkouts.get_checkout(who.asks(checkout)).await.map(drop)),
        ]
        .map(refused)
        .into()
    }
}

/// The refusal of a call that must not succeed.
fn refused((name, answer): (&'static str, Result<(), Status>)) -> (&'static str, Status) {
    let Err(status) = answer else { panic!("{name} was not refused") };
    (name, status)
}

pub fn lines(raw: &[(&str, i32)]) -> Vec<Line> {
    raw.iter()
        .map(|(sku, quantity)| Line { sku: (*sku).to_owned(), quantity: Some(*quantity) })
        .collect()
}

pub fn pence(minor_units: i64) -> Money {
    Money { currency_code: "GBP".to_owned(), minor_units }
}

/// Asks to freeze all of `cart` at `price` pence a piece.
pub fn mark_request(cart: &pb::Cart, request_id: &str, price: i64) -> pb::MarkPurchasedRequest {
    let priced = |line: &Line| PricedLine {
        sku: line.sku.clone(),
        name: format!("item {}", line.sku),
        description: "not kept".to_owned(),
        quantity: line.quantity.unwrap(),
        unit_price: Some(pence(price)),
        line_total: Some(pence(price * i64::from(line.quantity.unwrap()))),
        unavailable: false,
    };
    pb::MarkPurchasedRequest {
        request_id: request_id.to_owned(),
        fingerprint: vec![7; 32],
        cart_id: cart.cart_id.clone(),
        etag: cart.etag.clone(),
        lines: cart.lines.iter().map(priced).collect(),
        total: Some(pence(
            cart.lines.iter().map(|line| price * i64::from(line.quantity.unwrap())).sum(),
        )),
    }
}

/// The reason of a refusal; it goes with its canonical code.
pub fn reason(status: &Status) -> Reason {
    let info = error::info(status).unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(status.code(), info.reason.code(), "{status:?}");
    info.reason
}

/// The names of the bad fields.
pub fn fields(status: &Status) -> Vec<String> {
    assert_eq!(reason(status), Reason::FieldInvalid, "{status:?}");
    error::bad_fields(status).into_iter().map(|(field, _)| field).collect()
}

/// A fact in the refusal's metadata.
pub fn fact(status: &Status, key: &str) -> String {
    error::info(status).unwrap().metadata.get(key).cloned().unwrap_or_default()
}
