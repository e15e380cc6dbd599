//! A store that fits into a test: it keeps the contract as far as a client sees it, in memory, and
//! fails when it is told to.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use oxcart_client::{Client, Reason};
use oxcart_proto::{
    Refusal,
    common::{
        CartState, CheckoutFailure, CheckoutState, DeclineReason, Item, Line, Money, PricedLine,
    },
    controller::{
        self as pb, Cart, Checkout,
        controller_service_server::{ControllerService, ControllerServiceServer},
        get_checkout_request::Name,
        watch_checkout_request,
    },
    idp::{
        self,
        idp_service_server::{IdpService, IdpServiceServer},
    },
};
use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// What becomes of one call.
#[derive(Clone)]
pub enum Fault {
    /// It is refused before it does anything.
    Refuse(Status),
    /// It takes effect, and the connection breaks before the answer.
    LoseAnswer,
    /// The connection breaks before it takes effect.
    LoseRequest,
    /// It is never answered.
    Hang,
}

/// The running store.
pub struct Fake {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub struct State {
    url: String,
    /// What becomes of the next calls of a method.
    script: HashMap<&'static str, VecDeque<Fault>>,
    calls: Vec<&'static str>,
    /// Tokens that are good, and whose they are.
    tokens: BTreeMap<String, String>,
    refresh_tokens: BTreeMap<String, String>,
    issued: u32,
    pub token_life_seconds: i64,
    /// Says nothing of where to sign in.
    pub is_mute: bool,
    pub items: Vec<Item>,
    pub carts: BTreeMap<String, Cart>,
    checkouts: BTreeMap<String, Checkout>,
    pub charges: BTreeMap<String, u32>,
    pub imported: Vec<u8>,
    /// Answers of `WatchCheckout` before it is decided.
    pub watches_before_decision: u32,
    version: u32,
}

type Answer<T> = Result<Response<T>, Status>;

/// A refusal as the store makes one.
pub fn refusal(reason: Reason) -> Status {
    Refusal::new(reason, "refused by the fake").into()
}

/// A refusal with a message of the contract in its details.
pub fn refusal_about(reason: Reason, detail: &impl prost::Name) -> Status {
    Refusal::new(reason, "refused by the fake").detail(detail).into()
}

pub fn gbp(minor_units: i64) -> Money {
    Money { currency_code: "GBP".to_owned(), minor_units }
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let items = (0..5).map(|n| Item {
            sku: format!("SKU-{n}"),
            name: format!("Item {n}"),
            price: Some(gbp(100)),
            ..Item::default()
        });
        let state = State {
            url: url.clone(),
            token_life_seconds: 900,
            items: items.collect(),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let server = Server::builder()
            .add_service(ControllerServiceServer::new(Service(Arc::clone(&state))))
            .add_service(IdpServiceServer::new(Service(Arc::clone(&state))))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A client that gives up soon.
    pub fn client(&self) -> Client {
        let builder = Client::builder(&self.url).time_budget(Duration::from_secs(5));
        builder.deadline(Duration::from_secs(1)).build().unwrap()
    }

    pub async fn alice(&self) -> oxcart_client::Shopper {
        self.client().sign_in("alice", "alice-password").await.unwrap()
    }

    /// What becomes of the next calls of `method`.
    pub fn script(&self, method: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().script.entry(method).or_default().extend(faults);
    }

    /// How often `method` was called.
    pub fn count(&self, method: &str) -> usize {
        self.state().calls.iter().filter(|called| **called == method).count()
    }

    /// Refuses all tokens that were issued so far.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Changes a cart as another client would.
    pub fn change_elsewhere(&self, cart_id: &str, lines: &[Line]) {
        self.state().write(cart_id, lines, "").unwrap();
    }
}

impl State {
    fn tokens(&mut self, user: &str) -> idp::UserTokens {
        self.issued += 1;
        let (access_token, refresh_token) =
            (format!("access-{}", self.issued), format!("refresh-{}", self.issued));
        self.tokens.insert(access_token.clone(), user.to_owned());
        self.refresh_tokens.insert(refresh_token.clone(), user.to_owned());
        let expires_in = Some(prost_types::Duration { seconds: self.token_life_seconds, nanos: 0 });
        idp::UserTokens { access_token, expires_in, refresh_token }
    }

    fn write(&mut self, cart_id: &str, lines: &[Line], etag: &str) -> Result<Cart, Status> {
        if let Some(now) = self.carts.get(cart_id)
            && !etag.is_empty()
            && now.etag != etag
        {
            return Err(refusal_about(Reason::CartStale, now));
        }
        self.version += 1;
        let mut cart = Cart {
            cart_id: cart_id.to_owned(),
            etag: format!("v{}", self.version),
            ..Cart::default()
        };
        cart.set_state(CartState::Open);
        cart.lines = lines
            .iter()
            .map(|line| PricedLine {
                sku: line.sku.clone(),
                quantity: line.quantity(),
                ..PricedLine::default()
            })
            .collect();
        cart.total = Some(gbp(lines.iter().map(|line| 100 * i64::from(line.quantity())).sum()));
        self.carts.insert(cart_id.to_owned(), cart.clone());
        Ok(cart)
    }

    fn cart(&self, cart_id: &str) -> Result<Cart, Status> {
        self.carts.get(cart_id).cloned().ok_or_else(|| refusal(Reason::CartNotFound))
    }

    fn check_out(&mut self, request: &pb::CheckoutRequest) -> Result<Checkout, Status> {
        if let Some(checkout) = self.checkouts.get(&request.request_id) {
            return Ok(checkout.clone());
        }
        let cart = self.cart(&request.cart_id)?;
        if !request.etag.is_empty() && request.etag != cart.etag {
            return Err(refusal_about(Reason::CartStale, &cart));
        }
        if request.expected_total.is_some() && request.expected_total != cart.total {
            return Err(refusal_about(Reason::PriceChanged, cart.total.as_ref().unwrap()));
        }
        let mut checkout = Checkout {
            checkout_id: format!("checkout-of-{}", request.request_id),
            cart_id: request.cart_id.clone(),
            request_id: request.request_id.clone(),
            total: cart.total,
            ..Checkout::default()
        };
        match request.payment_token.as_str() {
            "tok_declined" => {
                checkout.set_state(CheckoutState::Failed);
                checkout.set_failure(CheckoutFailure::Declined);
                checkout.set_decline_reason(DeclineReason::InsufficientFunds);
            }
            "tok_late" => {
                checkout.set_state(CheckoutState::Failed);
                checkout.set_failure(CheckoutFailure::Cancelled);
            }
            "tok_slow" => checkout.set_state(CheckoutState::Pending),
            _ => self.pay(&mut checkout),
        }
        self.checkouts.insert(request.request_id.clone(), checkout.clone());
        Ok(checkout)
    }

    fn pay(&mut self, checkout: &mut Checkout) {
        checkout.set_state(CheckoutState::Paid);
        *self.charges.entry(checkout.cart_id.clone()).or_default() += 1;
    }

    fn named(&self, name: &Name) -> Result<Checkout, Status> {
        let is_named = |checkout: &&Checkout| match name {
            Name::CheckoutId(id) => checkout.checkout_id == *id,
            Name::RequestId(id) => checkout.request_id == *id,
        };
        let found = self.checkouts.values().find(is_named).cloned();
        found.ok_or_else(|| refusal(Reason::CheckoutNotFound))
    }

    /// A look at a pending checkout, after enough of which it is paid.
    fn look(&mut self, checkout_id: &str) -> Result<Checkout, Status> {
        let mut checkout = self.named(&Name::CheckoutId(checkout_id.to_owned()))?;
        if checkout.state() == CheckoutState::Pending {
            if self.watches_before_decision == 0 {
                self.pay(&mut checkout);
                self.checkouts.insert(checkout.request_id.clone(), checkout.clone());
            } else {
                self.watches_before_decision -= 1;
            }
        }
        Ok(checkout)
    }
}

struct Service(Arc<Mutex<State>>);

impl Service {
    /// Does what the script says, and `work` if that lets it.
    async fn meet<T>(
        &self,
        method: &'static str,
        work: impl FnOnce(&mut State) -> Result<T, Status>,
    ) -> Answer<T> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            state.calls.push(method);
            state.script.get_mut(method).and_then(VecDeque::pop_front)
        };
        match fault {
            Some(Fault::Refuse(status)) => Err(status),
            Some(Fault::LoseRequest) => Err(Status::unknown("transport error")),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::LoseAnswer) => {
                work(&mut self.0.lock().unwrap())?;
                Err(Status::unknown("transport error"))
            }
            None => work(&mut self.0.lock().unwrap()).map(Response::new),
        }
    }

    /// The same for a call that needs a token of the user.
    async fn answer<Q, T>(
        &self,
        method: &'static str,
        request: Request<Q>,
        work: impl FnOnce(&mut State, Q) -> Result<T, Status>,
    ) -> Answer<T> {
        self.check(request.metadata())?;
        let message = request.into_inner();
        self.meet(method, |state| work(state, message)).await
    }

    fn check(&self, metadata: &tonic::metadata::MetadataMap) -> Result<(), Status> {
        let state = self.0.lock().unwrap();
        let bearer = metadata.get("authorization").and_then(|value| value.to_str().ok());
        let url = if state.is_mute { "" } else { &state.url };
        let refuse = |reason| {
            let refusal = Refusal::new(reason, "refused by the fake");
            Err(refusal.with("issuer", "the fake").with("sign_in", url).into())
        };
        let Some(token) = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")) else {
            return refuse(Reason::SignInRequired);
        };
        if state.tokens.contains_key(token) { Ok(()) } else { refuse(Reason::TokenInvalid) }
    }
}

/// A page of `all`: its token is the place where it begins.
fn page<T: Clone>(all: &[T], page_size: i32, page_token: &str) -> (Vec<T>, String) {
    let begin: usize = if page_token.is_empty() { 0 } else { page_token.parse().unwrap() };
    let size = if page_size == 0 { 50 } else { usize::try_from(page_size).unwrap() };
    let end = (begin + size).min(all.len());
    (all[begin..end].to_vec(), if end < all.len() { end.to_string() } else { String::new() })
}

#[tonic::async_trait]
impl ControllerService for Service {
    type WatchCheckoutStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchCheckoutResponse, Status>> + Send>>;

    async fn get_storefront(
        &self,
        request: Request<pb::GetStorefrontRequest>,
    ) -> Answer<pb::GetStorefrontResponse> {
        self.answer("GetStorefront", request, |state, _| {
            let carts = state.carts.values().cloned().collect();
            Ok(pb::GetStorefrontResponse {
                items: state.items.clone(),
                carts,
                ..Default::default()
            })
        })
        .await
    }

    async fn list_items(
        &self,
        request: Request<pb::ListItemsRequest>,
    ) -> Answer<pb::ListItemsResponse> {
        self.answer("ListItems", request, |state, asked| {
            let (items, next_page_token) = page(&state.items, asked.page_size, &asked.page_token);
            Ok(pb::ListItemsResponse { items, next_page_token })
        })
        .await
    }

    async fn search_items(
        &self,
        request: Request<pb::SearchItemsRequest>,
    ) -> Answer<pb::SearchItemsResponse> {
        self.answer("SearchItems", request, |state, asked| {
            let found = state.items.iter().filter(|item| item.name.contains(&asked.query));
            Ok(pb::SearchItemsResponse { items: found.cloned().collect(), ..Default::default() })
        })
        .await
    }

    async fn get_items(
        &self,
        request: Request<pb::GetItemsRequest>,
    ) -> Answer<pb::GetItemsResponse> {
        self.answer("GetItems", request, |state, asked| {
            let known: BTreeSet<_> = state.items.iter().map(|item| item.sku.clone()).collect();
            let missing_skus = asked.skus.into_iter().filter(|sku| !known.contains(sku)).collect();
            Ok(pb::GetItemsResponse { items: Vec::new(), missing_skus })
        })
        .await
    }

    async fn import_items(
        &self,
        request: Request<Streaming<pb::ImportItemsRequest>>,
    ) -> Answer<pb::ImportItemsResponse> {
        self.check(request.metadata())?;
        let (mut chunks, mut csv, mut created_count) = (request.into_inner(), Vec::new(), 0);
        while let Some(chunk) = chunks.message().await? {
            csv.extend(chunk.csv_chunk);
            created_count += 1;
        }
        self.meet("ImportItems", |state| {
            state.imported = csv;
            Ok(pb::ImportItemsResponse { created_count, ..Default::default() })
        })
        .await
    }

    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Answer<pb::CreateCartResponse> {
        self.answer("CreateCart", request, |state, asked| {
            let cart = match state.carts.get(&asked.cart_id) {
                Some(cart) => cart.clone(),
                None => state.write(&asked.cart_id, &asked.lines, "")?,
            };
            Ok(pb::CreateCartResponse { cart: Some(cart) })
        })
        .await
    }

    async fn get_cart(&self, request: Request<pb::GetCartRequest>) -> Answer<pb::GetCartResponse> {
        self.answer("GetCart", request, |state, asked| {
            Ok(pb::GetCartResponse { cart: Some(state.cart(&asked.cart_id)?) })
        })
        .await
    }

    async fn list_carts(
        &self,
        request: Request<pb::ListCartsRequest>,
    ) -> Answer<pb::ListCartsResponse> {
        self.answer("ListCarts", request, |state, asked| {
            let carts: Vec<_> = state.carts.values().cloned().collect();
            let (carts, next_page_token) = page(&carts, asked.page_size, &asked.page_token);
            Ok(pb::ListCartsResponse { carts, next_page_token })
        })
        .await
    }

    async fn update_cart(
        &self,
        request: Request<pb::UpdateCartRequest>,
    ) -> Answer<pb::UpdateCartResponse> {
        self.answer("UpdateCart", request, |state, asked| {
            state.cart(&asked.cart_id)?;
            let mut cart = state.write(&asked.cart_id, &asked.lines, &asked.etag)?;
            cart.note = asked.note.unwrap_or_default();
            state.carts.insert(asked.cart_id, cart.clone());
            Ok(pb::UpdateCartResponse { cart: Some(cart) })
        })
        .await
    }

    async fn set_item(&self, request: Request<pb::SetItemRequest>) -> Answer<pb::SetItemResponse> {
        self.answer("SetItem", request, |state, asked| {
            let (cart, line) = (state.cart(&asked.cart_id)?, asked.line.unwrap());
            let others = cart.lines.into_iter().filter(|other| other.sku != line.sku);
            let others =
                others.map(|other| Line { sku: other.sku, quantity: Some(other.quantity) });
            let mut lines: Vec<_> = others.collect();
            lines.extend((line.quantity() > 0).then_some(line));
            let cart = state.write(&asked.cart_id, &lines, &asked.etag)?;
            Ok(pb::SetItemResponse { cart: Some(cart) })
        })
        .await
    }

    async fn delete_cart(
        &self,
        request: Request<pb::DeleteCartRequest>,
    ) -> Answer<pb::DeleteCartResponse> {
        self.answer("DeleteCart", request, |state, asked| {
            state.cart(&asked.cart_id)?;
            state.carts.remove(&asked.cart_id);
            Ok(pb::DeleteCartResponse {})
        })
        .await
    }

    async fn tokenize_card(
        &self,
        request: Request<pb::TokenizeCardRequest>,
    ) -> Answer<pb::TokenizeCardResponse> {
        self.answer("TokenizeCard", request, |_, _| {
            Ok(pb::TokenizeCardResponse {
                payment_token: "tok_1".to_owned(),
                last_four: "4242".to_owned(),
            })
        })
        .await
    }

    async fn checkout(
        &self,
        request: Request<pb::CheckoutRequest>,
    ) -> Answer<pb::CheckoutResponse> {
        self.answer("Checkout", request, |state, asked| {
            Ok(pb::CheckoutResponse { checkout: Some(state.check_out(&asked)?) })
        })
        .await
    }

    async fn get_checkout(
        &self,
        request: Request<pb::GetCheckoutRequest>,
    ) -> Answer<pb::GetCheckoutResponse> {
        self.answer("GetCheckout", request, |state, asked| {
            let checkout = match asked.name.unwrap() {
                Name::CheckoutId(id) => state.look(&id)?,
                name @ Name::RequestId(_) => state.named(&name)?,
            };
            Ok(pb::GetCheckoutResponse { checkout: Some(checkout) })
        })
        .await
    }

    async fn watch_checkout(
        &self,
        request: Request<pb::WatchCheckoutRequest>,
    ) -> Answer<Self::WatchCheckoutStream> {
        self.answer("WatchCheckout", request, |state, asked| {
            let mut changes = Vec::new();
            for _ in 0..2 {
                let Some(watch_checkout_request::Name::CheckoutId(id)) = &asked.name else {
                    panic!()
                };
                let checkout = Some(state.look(id)?);
                changes.push(Ok(pb::WatchCheckoutResponse { checkout }));
            }
            let changes: Self::WatchCheckoutStream = Box::pin(tokio_stream::iter(changes));
            Ok(changes)
        })
        .await
    }

    async fn list_purchases(
        &self,
        request: Request<pb::ListPurchasesRequest>,
    ) -> Answer<pb::ListPurchasesResponse> {
        self.answer("ListPurchases", request, |_, _| Ok(pb::ListPurchasesResponse::default())).await
    }
}

#[tonic::async_trait]
impl IdpService for Service {
    async fn sign_in(&self, request: Request<idp::SignInRequest>) -> Answer<idp::SignInResponse> {
        let asked = request.into_inner();
        self.meet("SignIn", |state| {
            if asked.password != format!("{}-password", asked.username) {
                return Err(refusal(Reason::CredentialsWrong));
            }
            Ok(idp::SignInResponse { tokens: Some(state.tokens(&asked.username)) })
        })
        .await
    }

    async fn refresh(&self, request: Request<idp::RefreshRequest>) -> Answer<idp::RefreshResponse> {
        let asked = request.into_inner();
        self.meet("Refresh", |state| {
            let user = state.refresh_tokens.remove(&asked.refresh_token);
            let user = user.ok_or_else(|| refusal(Reason::RefreshTokenInvalid))?;
            Ok(idp::RefreshResponse { tokens: Some(state.tokens(&user)) })
        })
        .await
    }

    async fn issue_service_token(
        &self,
        request: Request<idp::IssueServiceTokenRequest>,
    ) -> Answer<idp::IssueServiceTokenResponse> {
        let asked = request.into_inner();
        self.meet("IssueServiceToken", |state| {
            let idp::UserTokens { access_token, expires_in, .. } = state.tokens(&asked.client_id);
            Ok(idp::IssueServiceTokenResponse { access_token, expires_in })
        })
        .await
    }

    async fn impersonate_user(
        &self,
        request: Request<idp::ImpersonateUserRequest>,
    ) -> Answer<idp::ImpersonateUserResponse> {
        let asked = request.into_inner();
        self.meet("ImpersonateUser", |state| {
            let tokens = state.tokens(&asked.username);
            let tokens = idp::UserTokens { refresh_token: String::new(), ..tokens };
            Ok(idp::ImpersonateUserResponse { tokens: Some(tokens) })
        })
        .await
    }

    async fn get_jwks(&self, _: Request<idp::GetJwksRequest>) -> Answer<idp::GetJwksResponse> {
        Err(Status::unimplemented("GetJwks"))
    }
}
