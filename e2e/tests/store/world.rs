//! A store for one test, and people in it.

use std::{future::Future, time::Duration};

use oxcart::{
    Databases, Service, Settings, Store,
    client::{self, Controller, Credentials, Shopper},
    import::Import,
};
use oxcart_proto::{
    common::{CartState, Line, Money},
    controller::{
        Cart, Checkout, CheckoutRequest, CreateCartRequest, GetCartRequest, GetCheckoutRequest,
        get_checkout_request::Name,
    },
    idp::{IssueServiceTokenRequest, idp_service_client::IdpServiceClient},
    payment::{
        GetPaymentRequest, ListPaymentsRequest, Payment, PaymentState,
        payment_service_client::PaymentServiceClient,
    },
};
use secrecy::SecretString;
use service_kit::{Reason, Sources, error, testing};
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

/// A running store with [`CATALOG`].
pub struct World {
    pub store: Store,
    pub sources: Sources,
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
            (Kind::Postgres, _) => Databases::Postgres(testing::postgres_url().await),
            _ => Databases::Memory,
        };
        let mut settings = Settings::new(databases);
        for service in Service::ALL.into_iter().filter(|service| *service != Service::Controller) {
            // Many stores share one test server.
            settings = settings.with_flags(service, ["--database-max-connections", "4"]);
        }
        let sources = Sources::system();
        let store = Store::prepare(change(settings), sources.clone()).await.unwrap();
        Self { store, sources, _folder: folder }
    }

    /// Loads a catalogue.
    pub async fn import(&self, csv: &str) {
        let import = Import {
            controller_url: &self.store.url(Service::Controller),
            client_id: "admin",
            client_secret: "admin-secret".into(),
            default_currency: "",
        };
        import.bytes(csv.as_bytes(), self.sources.clone()).await.unwrap();
    }

    /// A user of this name, signed in.
    pub async fn shopper(&self, name: &str) -> Shopper {
        self.shopper_with(&self.token(name).await)
    }

    /// Whoever `token` says.
    pub fn shopper_with(&self, token: &SecretString) -> Shopper {
        let url = self.store.url(Service::Controller);
        Shopper::new(&url, token, self.sources.clone()).unwrap()
    }

    /// A token of the user `name`.
    pub async fn token(&self, name: &str) -> SecretString {
        let credentials = Credentials::Impersonated {
            username: name.to_owned(),
            client_id: "loadgen".to_owned(),
            client_secret: "loadgen-secret".into(),
        };
        client::sign_in(&self.store.url(Service::Idp), &credentials).await.unwrap()
    }

    /// A channel to a service, past the controller.
    pub async fn channel(&self, service: Service) -> Channel {
        Channel::from_shared(self.store.url(service)).unwrap().connect().await.unwrap()
    }

    /// The payment service, as those see it who reconcile.
    pub async fn payments(
        &self,
    ) -> PaymentServiceClient<InterceptedService<Channel, client::Bearer>> {
        let token = self.service_token("admin", "admin-secret").await;
        let bearer = client::Bearer::new(&token).unwrap();
        PaymentServiceClient::with_interceptor(self.channel(Service::Payment).await, bearer)
    }

    /// A token of a service.
    pub async fn service_token(&self, client_id: &str, client_secret: &str) -> SecretString {
        let mut idp = IdpServiceClient::new(self.channel(Service::Idp).await);
        let request = IssueServiceTokenRequest {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            scopes: Vec::new(),
        };
        idp.issue_service_token(request).await.unwrap().into_inner().access_token.into()
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
pub fn line(sku: &str, quantity: i64) -> Line {
    Line { sku: sku.to_owned(), quantity }
}

/// Pence.
pub fn gbp(minor_units: i64) -> Money {
    Money { currency_code: "GBP".to_owned(), minor_units }
}

/// A new cart with these lines.
pub async fn cart(shopper: &mut Shopper, lines: &[(&str, i64)]) -> Cart {
    let lines = lines.iter().map(|(sku, quantity)| line(sku, *quantity)).collect();
    let request = CreateCartRequest { cart_id: String::new(), lines };
    shopper.controller().create_cart(request).await.unwrap().into_inner().cart.unwrap()
}

/// A cart as it is now.
pub async fn reread(controller: &mut Controller, cart_id: &str) -> Cart {
    let request = GetCartRequest { cart_id: cart_id.to_owned() };
    controller.get_cart(request).await.unwrap().into_inner().cart.unwrap()
}

/// A request to purchase `cart` as it stands.
pub fn purchase(request_id: &str, cart: &Cart, payment_token: &str) -> CheckoutRequest {
    CheckoutRequest {
        request_id: request_id.to_owned(),
        cart_id: cart.cart_id.clone(),
        etag: cart.etag.clone(),
        expected_total: cart.total.clone(),
        payment_token: payment_token.to_owned(),
    }
}

/// Purchases, with whatever answer.
pub async fn check_out(
    shopper: &mut Shopper,
    request: CheckoutRequest,
) -> Result<Checkout, Status> {
    let answer = shopper.controller().checkout(request).await?;
    Ok(answer.into_inner().checkout.unwrap())
}

/// The checkout that a request has started, if it has.
pub async fn checkout_of(shopper: &mut Shopper, request_id: &str) -> Option<Checkout> {
    let request = GetCheckoutRequest { name: Some(Name::RequestId(request_id.to_owned())) };
    match shopper.controller().get_checkout(request).await {
        Ok(answer) => answer.into_inner().checkout,
        Err(status) => {
            assert_eq!(reason(&status), Reason::CheckoutNotFound);
            None
        }
    }
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
pub fn contents(cart: &Cart) -> Vec<(&str, i64)> {
    cart.lines.iter().map(|line| (line.sku.as_str(), line.quantity)).collect()
}

/// The amount, which must be there.
#[track_caller]
pub fn minor_units(money: Option<&Money>) -> i64 {
    money.unwrap().minor_units
}
