//! A store for one test, and people in it.

use std::{future::Future, time::Duration};

use kit_service::Env;
use oxcart::{Databases, Service, Settings, Store};
use oxcart_client::{Admin, Bearer, Client, ClientCredentials, Controller};
use oxcart_proto::{
    Reason,
    common::{CartState, Line, Money},
    controller::{
        Cart, Checkout, CheckoutRequest, GetCartRequest, WatchCheckoutRequest,
        watch_checkout_request,
    },
    error,
    payment::{
        GetPaymentRequest, ListPaymentsRequest, Payment, PaymentState,
        payment_service_client::PaymentServiceClient,
    },
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Status, service::interceptor::InterceptedService, transport::Channel};

/// What the tests sell. `85123A` is written as real shops write.
pub const CATALOG: &str = "\
sku,name,price,description,currency
1001,Ox yoke,149.00,For a pair of oxen,GBP
1002,Cart wheel,89.50,Oak spokes,GBP
85123A,Cow bell,2.55,\"Brass, loud\",GBP
FREE,Sample,0.00,Costs nothing,GBP
DEAR,Crown,9999999999.99,As dear as may be,GBP
YEN,Lantern,1200,Priced in yen,JPY
";

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a store keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

/// A user in the store.
#[derive(Clone)]
pub struct Shopper {
    /// As a shop's program calls.
    pub client: oxcart_client::Shopper,
    controller: Controller,
}

impl Shopper {
    /// The user of a session.
    pub async fn new(client: oxcart_client::Shopper) -> Self {
        let controller = client.controller().await.unwrap();
        Self { client, controller }
    }

    /// The generated client: for what no careful program would send, and to see the answer as it is.
    pub const fn controller(&mut self) -> &mut Controller {
        &mut self.controller
    }

    /// The client whose calls are tried once.
    fn once(&self) -> oxcart_client::Shopper {
        self.client.clone().without_retries()
    }
}

/// A running store with [`CATALOG`].
pub struct World {
    pub store: Store,
    /// Goes last, when nothing uses the files any more.
    _folder: Option<TempDir>,
}

impl World {
    /// A store that keeps its data as `kind` says.
    pub async fn on(kind: Kind) -> Self {
        Self::with(kind, |settings| settings).await
    }

    /// The same, with other settings.
    pub async fn with(kind: Kind, change: impl FnOnce(Settings) -> Settings) -> Self {
        let mut world = Self::prepared(kind, change).await;
        world.open().await;
        world
    }

    /// Starts all services and loads [`CATALOG`].
    pub async fn open(&mut self) {
        for service in Service::ALL {
            self.store.start_one(service).await.unwrap();
        }
        self.import(CATALOG).await;
    }

    /// A store of which nothing runs yet, but whose addresses are known.
    pub async fn prepared(kind: Kind, change: impl FnOnce(Settings) -> Settings) -> Self {
        let folder = (kind == Kind::Sqlite).then(|| tempfile::tempdir().unwrap());
        let databases = match (kind, &folder) {
            (Kind::Sqlite, Some(folder)) => Databases::Sqlite(folder.path().to_owned()),
            (Kind::Postgres, _) => Databases::Postgres(kit_testing::postgres_url().await),
            _ => Databases::Memory,
        };
        let mut settings = Settings::new(databases);
        for service in Service::ALL.into_iter().filter(|service| *service != Service::Controller) {
            // Many stores share one test server.
            settings = settings.with_flags(service, ["--database-max-connections", "4"]);
        }
        let store = Store::prepare(change(settings), Env::system()).await.unwrap();
        Self { store, _folder: folder }
    }

    /// A client that is not signed in. It knows where to sign in, also while the controller is away.
    pub fn client(&self) -> Client {
        let client = Client::builder(self.store.url(Service::Controller));
        client.sign_in_at(self.store.url(Service::Idp)).build().unwrap()
    }

    /// Loads a catalogue.
    pub async fn import(&self, csv: &str) {
        self.service("admin", "admin-secret").import(csv.as_bytes(), "").await.unwrap();
    }

    /// A user of this name, signed in.
    pub async fn shopper(&self, name: &str) -> Shopper {
        let trusted = ClientCredentials::new("loadgen", "loadgen-secret");
        Shopper::new(self.client().impersonate(trusted, name)).await
    }

    /// A token of the user `name`.
    pub async fn token(&self, name: &str) -> SecretString {
        self.shopper(name).await.client.session().token().await.unwrap()
    }

    /// A channel to a service, past the controller.
    pub async fn channel(&self, service: Service) -> Channel {
        Channel::from_shared(self.store.url(service)).unwrap().connect().await.unwrap()
    }

    /// A service.
    pub fn service(&self, client_id: &str, client_secret: &str) -> Admin {
        self.client().service(ClientCredentials::new(client_id, client_secret), &[])
    }

    /// A token of a service.
    pub async fn service_token(&self, client_id: &str, client_secret: &str) -> SecretString {
        self.service(client_id, client_secret).session().token().await.unwrap()
    }

    /// The payment service, as those see it who reconcile.
    pub async fn payments(&self) -> PaymentServiceClient<InterceptedService<Channel, Bearer>> {
        self.payments_as("admin", "admin-secret").await
    }

    /// The payment service, as another service sees it.
    pub async fn payments_as(
        &self,
        client_id: &str,
        client_secret: &str,
    ) -> PaymentServiceClient<InterceptedService<Channel, Bearer>> {
        let bearer = self.service(client_id, client_secret).session().bearer().await.unwrap();
        PaymentServiceClient::with_interceptor(self.channel(Service::Payment).await, bearer)
    }

    /// The payment of a checkout, if there is any.
    pub async fn payment(&self, checkout_id: &str) -> Option<Payment> {
        let request = GetPaymentRequest { key: checkout_id.to_owned() };
        match self.payments().await.get_payment(request).await {
            Ok(answer) => answer.into_inner().payment,
            Err(status) => {
                assert_eq!(reason(&status), Reason::PaymentNotFound);
                None
            }
        }
    }

    /// How many payments were captured, whoever made them.
    pub async fn captures(&self) -> usize {
        let mut payments = self.payments().await;
        let request = ListPaymentsRequest { page_size: 200, ..Default::default() };
        let payments = payments.list_payments(request).await.unwrap().into_inner().payments;
        payments.iter().filter(|payment| payment.state() == PaymentState::Captured).count()
    }
}

/// A line.
pub fn line(sku: &str, quantity: i32) -> Line {
    Line { sku: sku.to_owned(), quantity: Some(quantity) }
}

/// Pence.
pub fn gbp(minor_units: i64) -> Money {
    Money { currency_code: "GBP".to_owned(), minor_units }
}

/// A new cart with these lines.
pub async fn cart(shopper: &mut Shopper, lines: &[(&str, i32)]) -> Cart {
    let lines: Vec<_> = lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
    shopper.once().create_cart(lines).await.unwrap()
}

/// A cart as it is now.
pub async fn reread(controller: &mut Controller, cart_id: &str) -> Cart {
    let request = GetCartRequest { cart_id: cart_id.to_owned() };
    controller.get_cart(request).await.unwrap().into_inner().cart.unwrap()
}

/// Watches the checkout of this id.
pub fn watch_request(checkout_id: String) -> WatchCheckoutRequest {
    WatchCheckoutRequest { name: Some(watch_checkout_request::Name::CheckoutId(checkout_id)) }
}

/// A request to purchase `cart` as it stands.
pub fn purchase(request_id: &str, cart: &Cart, payment_token: &str) -> CheckoutRequest {
    CheckoutRequest {
        request_id: request_id.to_owned(),
        cart_id: cart.cart_id.clone(),
        etag: cart.etag.clone(),
        expected_total: cart.total.clone(),
        payment_token: payment_token.to_owned(),
        accept_any_total: false,
    }
}

/// Purchases, with whatever answer.
pub async fn check_out(
    shopper: &mut Shopper,
    request: CheckoutRequest,
) -> Result<Checkout, Status> {
    let answer = shopper.once().begin_checkout(&request.into()).await;
    answer.map_err(|error| error.error().call().unwrap().status().clone())
}

/// The checkout that a request has started, if it has.
pub async fn checkout_of(shopper: &mut Shopper, request_id: &str) -> Option<Checkout> {
    shopper.once().find_checkout(request_id).await.unwrap()
}

/// Why a call was refused. Every refusal must say.
#[track_caller]
pub fn reason(status: &Status) -> Reason {
    let Some(info) = error::info(status) else { panic!("no ErrorInfo in {status:?}") };
    assert_eq!(status.code(), info.reason.code(), "{status:?}");
    info.reason
}

/// Waits until `probe` finds something.
#[track_caller]
pub fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut probe: impl FnMut() -> F,
) -> impl Future<Output = T> {
    let found = async move {
        let mut ticks = interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    let what = what.to_owned();
    async move {
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{what} did not happen in time"))
    }
}

/// Waits until the cart has come to `state`.
pub async fn until_cart_is(shopper: &mut Shopper, cart_id: &str, state: CartState) -> Cart {
    let controller = shopper.controller().clone();
    until(&format!("cart {cart_id} becoming {state:?}"), || {
        let mut controller = controller.clone();
        async move {
            let cart = reread(&mut controller, cart_id).await;
            (cart.state() == state).then_some(cart)
        }
    })
    .await
}

/// What a cart's lines say, without the names.
pub fn contents(cart: &Cart) -> Vec<(&str, i32)> {
    cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
}

/// The amount, which must be there.
#[track_caller]
pub fn minor_units(money: Option<&Money>) -> i64 {
    money.unwrap().minor_units
}
