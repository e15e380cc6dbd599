//! A store that fits into a test: it keeps the contract as far as a load generator sees it, in
//! memory, and loses answers on request.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use oxcart_proto::{
    Refusal,
    common::{
        CartState, CheckoutFailure, CheckoutState, ErrorReason, Item, Line, Money, PricedLine,
    },
    controller::{
        self as pb, Cart, Checkout,
        controller_service_server::{ControllerService, ControllerServiceServer},
        get_checkout_request::Name,
    },
    idp::{
        self,
        idp_service_server::{IdpService, IdpServiceServer},
    },
};
use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};
use uuid::Uuid;

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trouble {
    /// Every so manieth answer is lost after the call took effect.
    pub lose_every: Option<u64>,
    /// Charges this many minor units too much.
    pub overcharge: i64,
    /// Does not say where to sign in.
    pub is_mute: bool,
}

/// The running store.
pub struct FakeStore {
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    url: String,
    trouble: Trouble,
    calls: u64,
    items: BTreeMap<String, Item>,
    carts: BTreeMap<(String, String), Cart>,
    checkouts: BTreeMap<(String, String), (String, Checkout)>,
    charges: BTreeMap<String, u32>,
}

impl FakeStore {
    pub async fn start(trouble: Trouble) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State { url: url.clone(), trouble, ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let server = Server::builder()
            .add_service(ControllerServiceServer::new(Fake(Arc::clone(&state))))
            .add_service(IdpServiceServer::new(Fake(Arc::clone(&state))))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        Self { url, state }
    }

    /// How often each cart was charged for.
    pub fn charges(&self) -> Vec<u32> {
        self.state.lock().unwrap().charges.values().copied().collect()
    }

    /// Puts an item into the catalogue.
    pub fn stock(&self, sku: &str, minor_units: i64) {
        let item = item(sku, "Something", minor_units);
        self.state.lock().unwrap().items.insert(sku.to_owned(), item);
    }

    /// Purchases one piece of `sku` as `user`, in a cart that nobody planned.
    pub fn sell(&self, user: &str, sku: &str) {
        let mut state = self.state.lock().unwrap();
        let lines = vec![Line { sku: sku.to_owned(), quantity: Some(1) }];
        let cart_id = Uuid::from_u128(1).to_string();
        let mut cart = state.priced(&cart_id, &lines).unwrap();
        cart.set_state(CartState::Paid);
        state.carts.insert((user.to_owned(), cart_id), cart);
    }
}

impl State {
    fn priced(&self, cart_id: &str, lines: &[Line]) -> Result<Cart, Status> {
        let mut cart = Cart { cart_id: cart_id.to_owned(), ..Cart::default() };
        cart.set_state(CartState::Open);
        let mut sum = 0;
        for line in lines {
            let item = self.items.get(&line.sku);
            let item = item.ok_or_else(|| refusal(ErrorReason::ItemUnknown, &[]))?;
            let total = item.price.as_ref().unwrap().minor_units * i64::from(line.quantity());
            sum += total;
            cart.lines.push(PricedLine {
                sku: line.sku.clone(),
                quantity: line.quantity(),
                line_total: Some(gbp(total)),
                ..PricedLine::default()
            });
        }
        cart.total = (sum > 0).then(|| gbp(sum));
        Ok(cart)
    }

    fn cart(&mut self, owner: &str, cart_id: &str) -> Result<&mut Cart, Status> {
        let key = (owner.to_owned(), cart_id.to_owned());
        self.carts.get_mut(&key).ok_or_else(|| refusal(ErrorReason::CartNotFound, &[]))
    }

    fn open_cart(&mut self, owner: &str, cart_id: &str) -> Result<&mut Cart, Status> {
        let cart = self.cart(owner, cart_id)?;
        match cart.state() {
            CartState::Open => Ok(cart),
            _ => Err(refusal(ErrorReason::CartClosed, &[])),
        }
    }

    fn update(&mut self, owner: &str, cart_id: &str, lines: &[Line]) -> Result<Cart, Status> {
        let cart = self.priced(cart_id, lines)?;
        self.open_cart(owner, cart_id)?.clone_from(&cart);
        Ok(cart)
    }

    fn check_out(
        &mut self,
        owner: &str,
        request: &pb::CheckoutRequest,
    ) -> Result<Checkout, Status> {
        let key = (owner.to_owned(), request.request_id.clone());
        let fingerprint = format!("{} {}", request.cart_id, request.payment_token);
        if let Some((before, checkout)) = self.checkouts.get(&key) {
            let is_same = *before == fingerprint;
            let reused = || refusal(ErrorReason::RequestIdReused, &[]);
            return is_same.then(|| checkout.clone()).ok_or_else(reused);
        }
        let overcharge = self.trouble.overcharge;
        let cart = self.open_cart(owner, &request.cart_id)?;
        let total = cart.total.clone().ok_or_else(|| refusal(ErrorReason::CartEmpty, &[]))?;
        let mut checkout = Checkout {
            checkout_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, request.request_id.as_bytes())
                .to_string(),
            cart_id: request.cart_id.clone(),
            request_id: request.request_id.clone(),
            total: Some(gbp(total.minor_units + overcharge)),
            ..Checkout::default()
        };
        match request.payment_token.as_str() {
            "tok_declined" => {
                checkout.set_state(CheckoutState::Failed);
                checkout.set_failure(CheckoutFailure::Declined);
            }
            "tok_reply_lost" | "tok_no_reply" => {
                checkout.set_state(CheckoutState::Pending);
                cart.set_state(CartState::Pending);
                cart.checkout_id.clone_from(&checkout.checkout_id);
            }
            _ => {
                checkout.set_state(CheckoutState::Paid);
                cart.set_state(CartState::Paid);
                cart.total.clone_from(&checkout.total);
                *self.charges.entry(request.cart_id.clone()).or_default() += 1;
            }
        }
        self.checkouts.insert(key, (fingerprint, checkout.clone()));
        Ok(checkout)
    }

    /// What was pending is decided once somebody asks.
    fn decide(&mut self, owner: &str, checkout_id: &str) -> Result<Checkout, Status> {
        let mut found = self.checkouts.values_mut().map(|(_, checkout)| checkout);
        let checkout = found
            .find(|checkout| checkout.checkout_id == checkout_id)
            .ok_or_else(|| refusal(ErrorReason::CheckoutNotFound, &[]))?;
        if checkout.state() == CheckoutState::Pending {
            checkout.set_state(CheckoutState::Paid);
            *self.charges.entry(checkout.cart_id.clone()).or_default() += 1;
        }
        let checkout = checkout.clone();
        self.cart(owner, &checkout.cart_id)?.set_state(CartState::Paid);
        Ok(checkout)
    }
}

fn gbp(minor_units: i64) -> Money {
    Money { currency_code: "GBP".to_owned(), minor_units }
}

fn item(sku: &str, name: &str, minor_units: i64) -> Item {
    Item {
        sku: sku.to_owned(),
        name: name.to_owned(),
        price: Some(gbp(minor_units)),
        ..Item::default()
    }
}

fn refusal(reason: ErrorReason, metadata: &[(&'static str, &str)]) -> Status {
    let refusal = Refusal::new(reason, "refused by the fake");
    metadata.iter().fold(refusal, |refusal, (key, value)| refusal.with(key, value)).into()
}

struct Fake(Arc<Mutex<State>>);

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The user of a call, or the refusal that says where to sign in.
    fn owner<T>(&self, request: &Request<T>) -> Result<String, Status> {
        let bearer = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        let owner = bearer.and_then(|bearer| bearer.strip_prefix("Bearer user:"));
        owner.map(str::to_owned).ok_or_else(|| {
            let state = self.state();
            let url = if state.trouble.is_mute { "" } else { &state.url };
            refusal(ErrorReason::SignInRequired, &[("issuer", "fake"), ("sign_in", url)])
        })
    }

    /// Answers, unless it is this answer's turn to be lost.
    fn answer<T>(&self, result: Result<T, Status>) -> Result<Response<T>, Status> {
        let mut state = self.state();
        state.calls += 1;
        match state.trouble.lose_every {
            Some(every) if state.calls.is_multiple_of(every) => {
                Err(Status::unknown("transport error"))
            }
            _ => result.map(Response::new),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Changes = Pin<Box<dyn Stream<Item = Result<pb::WatchCheckoutResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ControllerService for Fake {
    type WatchCheckoutStream = Changes;

    async fn get_storefront(
        &self,
        request: Request<pb::GetStorefrontRequest>,
    ) -> Answer<pb::GetStorefrontResponse> {
        self.owner(&request)?;
        self.answer(Ok(pb::GetStorefrontResponse::default()))
    }

    async fn list_items(
        &self,
        request: Request<pb::ListItemsRequest>,
    ) -> Answer<pb::ListItemsResponse> {
        self.owner(&request)?;
        let items = self.state().items.values().cloned().collect();
        self.answer(Ok(pb::ListItemsResponse { items, ..Default::default() }))
    }

    async fn search_items(
        &self,
        request: Request<pb::SearchItemsRequest>,
    ) -> Answer<pb::SearchItemsResponse> {
        self.owner(&request)?;
        self.answer(Ok(pb::SearchItemsResponse::default()))
    }

    async fn get_items(&self, _: Request<pb::GetItemsRequest>) -> Answer<pb::GetItemsResponse> {
        Err(Status::unimplemented("GetItems"))
    }

    async fn import_items(
        &self,
        request: Request<Streaming<pb::ImportItemsRequest>>,
    ) -> Answer<pb::ImportItemsResponse> {
        let is_service = request
            .metadata()
            .get("authorization")
            .is_some_and(|bearer| bearer == "Bearer service");
        if !is_service {
            return Err(refusal(ErrorReason::SignInRequired, &[]));
        }
        let (mut pieces, mut csv) = (request.into_inner(), Vec::new());
        while let Some(piece) = pieces.message().await? {
            csv.extend(piece.csv_chunk);
        }
        let mut state = self.state();
        let mut created_count = 0;
        for row in csv::Reader::from_reader(csv.as_slice()).records().map(Result::unwrap) {
            let pence = row[2].replace('.', "").parse().unwrap();
            state.items.insert(row[0].to_owned(), item(&row[0], &row[1], pence));
            created_count += 1;
        }
        drop(state);
        self.answer(Ok(pb::ImportItemsResponse { created_count, ..Default::default() }))
    }

    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Answer<pb::CreateCartResponse> {
        let owner = self.owner(&request)?;
        let mut request = request.into_inner();
        let mut state = self.state();
        if request.cart_id.is_empty() {
            let number = state.carts.len() as u128;
            request.cart_id = Uuid::from_u128(number << 64).to_string();
        }
        let cart = state.priced(&request.cart_id, &request.lines)?;
        let key = (owner, request.cart_id);
        let is_new = state.carts.get(&key).is_none_or(|there| *there == cart);
        let created = if is_new {
            state.carts.insert(key, cart.clone());
            Ok(pb::CreateCartResponse { cart: Some(cart) })
        } else {
            Err(refusal(ErrorReason::CartExists, &[]))
        };
        drop(state);
        self.answer(created)
    }

    async fn get_cart(&self, request: Request<pb::GetCartRequest>) -> Answer<pb::GetCartResponse> {
        let owner = self.owner(&request)?;
        let cart = self.state().cart(&owner, &request.get_ref().cart_id).cloned();
        self.answer(cart.map(|cart| pb::GetCartResponse { cart: Some(cart) }))
    }

    async fn list_carts(
        &self,
        request: Request<pb::ListCartsRequest>,
    ) -> Answer<pb::ListCartsResponse> {
        let owner = self.owner(&request)?;
        let carts = self.carts(&owner, false);
        self.answer(Ok(pb::ListCartsResponse { carts, ..Default::default() }))
    }

    async fn update_cart(
        &self,
        request: Request<pb::UpdateCartRequest>,
    ) -> Answer<pb::UpdateCartResponse> {
        let owner = self.owner(&request)?;
        let request = request.into_inner();
        let updated = self.state().update(&owner, &request.cart_id, &request.lines);
        self.answer(updated.map(|cart| pb::UpdateCartResponse { cart: Some(cart) }))
    }

    async fn set_item(&self, request: Request<pb::SetItemRequest>) -> Answer<pb::SetItemResponse> {
        let owner = self.owner(&request)?;
        let request = request.into_inner();
        let lines: Vec<_> = request.line.into_iter().collect();
        let updated = self.state().update(&owner, &request.cart_id, &lines);
        self.answer(updated.map(|cart| pb::SetItemResponse { cart: Some(cart) }))
    }

    async fn delete_cart(
        &self,
        request: Request<pb::DeleteCartRequest>,
    ) -> Answer<pb::DeleteCartResponse> {
        let owner = self.owner(&request)?;
        self.state().carts.remove(&(owner, request.into_inner().cart_id));
        self.answer(Ok(pb::DeleteCartResponse {}))
    }

    async fn tokenize_card(
        &self,
        _: Request<pb::TokenizeCardRequest>,
    ) -> Answer<pb::TokenizeCardResponse> {
        Err(Status::unimplemented("TokenizeCard"))
    }

    async fn checkout(
        &self,
        request: Request<pb::CheckoutRequest>,
    ) -> Answer<pb::CheckoutResponse> {
        let owner = self.owner(&request)?;
        let checkout = self.state().check_out(&owner, request.get_ref());
        self.answer(checkout.map(|checkout| pb::CheckoutResponse { checkout: Some(checkout) }))
    }

    async fn get_checkout(
        &self,
        request: Request<pb::GetCheckoutRequest>,
    ) -> Answer<pb::GetCheckoutResponse> {
        let owner = self.owner(&request)?;
        let Some(Name::CheckoutId(checkout_id)) = request.into_inner().name else {
            return Err(Status::unimplemented("GetCheckout by request"));
        };
        let checkout = self.state().decide(&owner, &checkout_id);
        self.answer(checkout.map(|checkout| pb::GetCheckoutResponse { checkout: Some(checkout) }))
    }

    async fn watch_checkout(
        &self,
        _: Request<pb::WatchCheckoutRequest>,
    ) -> Answer<Self::WatchCheckoutStream> {
        // Ends at once, as a watch does whose controller is stopped.
        self.answer(Ok(Box::pin(tokio_stream::empty())))
    }

    async fn list_purchases(
        &self,
        request: Request<pb::ListPurchasesRequest>,
    ) -> Answer<pb::ListPurchasesResponse> {
        let owner = self.owner(&request)?;
        let request = request.into_inner();
        let skip = request.page_token.parse().unwrap_or(0);
        // Smaller pages than were asked for, so that there are several.
        let (carts, size) = (self.carts(&owner, true), 2);
        let next =
            if skip + size < carts.len() { (skip + size).to_string() } else { String::new() };
        let carts = carts.into_iter().skip(skip).take(size).collect();
        self.answer(Ok(pb::ListPurchasesResponse { carts, next_page_token: next }))
    }
}

impl Fake {
    fn carts(&self, owner: &str, paid: bool) -> Vec<Cart> {
        let state = self.state();
        let mine = state.carts.iter().filter(|((user, _), _)| user == owner);
        let carts = mine.map(|(_, cart)| cart);
        carts.filter(|cart| (cart.state() == CartState::Paid) == paid).cloned().collect()
    }
}

fn user_tokens(username: &str) -> idp::UserTokens {
    idp::UserTokens {
        access_token: format!("user:{username}"),
        expires_in: Some(prost_types::Duration { seconds: 900, nanos: 0 }),
        refresh_token: String::new(),
    }
}

#[tonic::async_trait]
impl IdpService for Fake {
    async fn impersonate_user(
        &self,
        request: Request<idp::ImpersonateUserRequest>,
    ) -> Answer<idp::ImpersonateUserResponse> {
        let request = request.into_inner();
        if (&*request.client_id, &*request.client_secret) != ("loadgen", "loadgen-secret") {
            return Err(refusal(ErrorReason::CredentialsWrong, &[]));
        }
        let tokens = Some(user_tokens(&request.username));
        self.answer(Ok(idp::ImpersonateUserResponse { tokens }))
    }

    async fn issue_service_token(
        &self,
        _: Request<idp::IssueServiceTokenRequest>,
    ) -> Answer<idp::IssueServiceTokenResponse> {
        let expires_in = Some(prost_types::Duration { seconds: 900, nanos: 0 });
        let access_token = "service".to_owned();
        self.answer(Ok(idp::IssueServiceTokenResponse { access_token, expires_in }))
    }

    async fn sign_in(&self, request: Request<idp::SignInRequest>) -> Answer<idp::SignInResponse> {
        let request = request.into_inner();
        if (&*request.username, &*request.password) != ("demo", "demo-password") {
            return Err(refusal(ErrorReason::CredentialsWrong, &[]));
        }
        let tokens = Some(user_tokens(&request.username));
        self.answer(Ok(idp::SignInResponse { tokens }))
    }

    async fn refresh(&self, _: Request<idp::RefreshRequest>) -> Answer<idp::RefreshResponse> {
        Err(Status::unimplemented("Refresh"))
    }

    async fn get_jwks(&self, _: Request<idp::GetJwksRequest>) -> Answer<idp::GetJwksResponse> {
        Err(Status::unimplemented("GetJwks"))
    }
}
