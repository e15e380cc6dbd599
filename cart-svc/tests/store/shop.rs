//! A cart service without its RPCs, on one store.

use std::sync::Arc;

use cart_svc::{
    app::{Carts, Checkouts, Error, Timing},
    domain::{Cart, Checkout, Limits, Lines, MarkCommand},
    store::{self, CartStore, MIGRATIONS},
};
use kit_database::Database;
use kit_service::Env;
use oxcart_types::{CartDetails, Fingerprint, Line, Money, PricedLine, Quote, UserId};
use tempfile::TempDir;

/// The service, and who uses it.
pub struct Shop {
    pub store: Arc<dyn CartStore>,
    pub carts: Carts,
    pub checkouts: Checkouts,
    pub env: Env,
    pub alice: UserId,
    _folder: Option<TempDir>,
}

impl Shop {
    pub async fn memory() -> Self {
        Self::on(Database::Memory, None).await
    }

    pub async fn sqlite() -> Self {
        let (database, folder) = kit_testing::sqlite("cart").await;
        Self::on(database, Some(folder)).await
    }

    pub async fn postgres() -> Self {
        Self::on(kit_testing::postgres("cart").await, None).await
    }

    /// On a database that is opened already.
    pub async fn on(database: Database, folder: Option<TempDir>) -> Self {
        database.migrate(&MIGRATIONS).await.unwrap();
        let env = Env::system();
        let store = store::open(&database, env.clone());
        let carts = Carts::new(Arc::clone(&store), Limits::default(), env.clone());
        let checkouts = Checkouts::new(Arc::clone(&store), Timing::default(), env.clone());
        Self { store, carts, checkouts, env, alice: user("alice"), _folder: folder }
    }

    /// The same carts, with other limits.
    pub fn carts_within(&self, limits: Limits) -> Carts {
        Carts::new(Arc::clone(&self.store), limits, self.env.clone())
    }

    /// The same checkouts, with other times.
    pub fn checkouts_in(&self, timing: Timing) -> Checkouts {
        Checkouts::new(Arc::clone(&self.store), timing, self.env.clone())
    }

    /// A new cart of Alice's.
    pub async fn cart(&self, raw: &[(&str, i32)]) -> Cart {
        self.carts
            .create(self.alice.clone(), None, lines(raw), CartDetails::default())
            .await
            .unwrap()
    }

    /// A cart of Alice's, and its pending checkout.
    pub async fn pending(&self) -> (Cart, Checkout) {
        let cart = self.cart(&[("A", 2)]).await;
        let request = format!("r-{}", cart.id);
        let checkout =
            self.checkouts.mark(&self.alice, &mark_command(&cart, &request)).await.unwrap();
        (self.read(&cart).await, checkout)
    }

    /// A cart of Alice's as it is now.
    pub async fn read(&self, cart: &Cart) -> Cart {
        self.carts.get(&self.alice, cart.id).await.unwrap()
    }

    /// Confirms a checkout of Alice's.
    pub async fn confirm(&self, checkout: &Checkout) -> Result<Checkout, Error> {
        let payment = "pay_1".parse().unwrap();
        let total = checkout.quote.total();
        self.checkouts.confirm(&self.alice, checkout.id, &payment, total).await
    }
}

pub fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub fn lines(raw: &[(&str, i32)]) -> Lines {
    Lines::parse(raw, &Limits::default()).unwrap()
}

/// Marks all of a cart, at 2.50 a piece.
pub fn mark_command(cart: &Cart, request: &str) -> MarkCommand {
    let gbp = |minor_units| Money::from_parts("GBP", minor_units).unwrap();
    let priced = |line: &Line| PricedLine {
        sku: line.sku.clone(),
        name: format!("{} “quoted” £", line.sku).parse().unwrap(),
        quantity: line.quantity,
        unit_price: gbp(250),
        line_total: gbp(250 * i64::from(line.quantity.get())),
    };
    let lines: Vec<_> = cart.lines.as_slice().iter().map(priced).collect();
    let total = gbp(lines.iter().map(|line| line.line_total.minor_units()).sum());
    MarkCommand {
        request: request.parse().unwrap(),
        fingerprint: Fingerprint::try_from([7; 32].as_slice()).unwrap(),
        cart: cart.id,
        expected_version: cart.version,
        quote: Quote::new(lines, total).unwrap(),
    }
}

/// Runs `count` tasks at once and gathers what they return.
pub async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|number| tokio::spawn(task(number))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
