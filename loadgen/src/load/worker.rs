//! One user under load.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, OnceLock},
    time::Duration,
};

use oxcart_client::{
    Cart, CartState, CheckoutState, Client, Error, Item, Line, Purchase, Reason, Shopper, line,
};
use oxcart_types::UserId;
use secrecy::SecretString;
use tokio::time::Instant;
use uuid::Uuid;

use super::Tally;
use crate::config::Operation;

/// The namespace of the cart ids of users under load.
const NAMESPACE: Uuid = Uuid::from_u128(0x3f0c_2a11_8e55_52d8_a7b9_6c1e_90d4_f3a7);

/// Carts of a user that reads.
const CARTS: usize = 3;

/// Lines of each of these carts.
const LINES: usize = 5;

/// Items of a storefront.
const STOREFRONT_ITEMS: u16 = 20;

/// Items of a search.
const FOUND_ITEMS: u16 = 20;

/// Carts that are asked for at once.
const CARTS_PER_PAGE: u16 = 20;

/// The test card that pays.
const TOKEN_PAYS: &str = "tok_visa";

/// The pause after a failed call, so that a store that is down is not asked a million times.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(20);

/// The time in which calls count. A clone is the same window.
#[derive(Debug, Clone)]
pub struct Window {
    begins_at: Instant,
    ends_at: Instant,
    cut: Arc<OnceLock<Instant>>,
}

impl Window {
    /// From `begins_at`, for so long.
    pub fn new(begins_at: Instant, length: Duration) -> Self {
        Self { begins_at, ends_at: begins_at + length, cut: Arc::default() }
    }

    /// Ends it now, unless it has ended.
    pub fn cut(&self) {
        self.cut.get_or_init(Instant::now);
    }

    /// How long it is, or was until it was cut.
    pub fn length(&self) -> Duration {
        self.end().saturating_duration_since(self.begins_at)
    }

    fn end(&self) -> Instant {
        self.cut.get().map_or(self.ends_at, |cut_at| self.ends_at.min(*cut_at))
    }

    /// When it begins.
    pub const fn begins_at(&self) -> Instant {
        self.begins_at
    }

    /// Whether something that happened at `at` counts.
    fn holds(&self, at: Instant) -> bool {
        (self.begins_at..self.end()).contains(&at)
    }
}

/// Who signs in by password, and on which connection.
pub struct Login {
    pub client: Client,
    pub username: String,
    pub password: SecretString,
}

/// One user and what it calls.
pub struct Worker {
    shopper: Shopper,
    user: UserId,
    login: Login,
    operation: Operation,
    items: Arc<Vec<Item>>,
    carts: Vec<String>,
    turn: usize,
    /// Tells this run from others.
    run: u64,
    window: Option<Window>,
    tally: Tally,
}

impl Worker {
    /// Signs the user in and makes its carts.
    pub async fn prepare(
        shopper: Shopper,
        user: UserId,
        login: Login,
        operation: Operation,
        items: Arc<Vec<Item>>,
        index: usize,
    ) -> Result<Self, Error> {
        let mut carts = Vec::new();
        let wanted = match operation {
            Operation::Read => CARTS,
            Operation::Update => 1,
            Operation::Checkout | Operation::SignIn => 0,
        };
        for number in 0..wanted {
            let name = format!("{}\n{number}", user.as_str());
            let cart_id = Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string();
            match shopper.create_cart_as(&cart_id, []).await {
                // From an earlier run.
                Err(error) if error.reason() == Some(Reason::CartExists) => {}
                created => drop(created?),
            }
            shopper.update_cart(&cart_id, first_lines(&items, index)).await?;
            carts.push(cart_id);
        }
        if operation == Operation::Checkout {
            delete_leftovers(&shopper).await?;
        }
        // Not while it is measured.
        shopper.session().token().await?;
        // Keyed at random in every process.
        let run = RandomState::new().hash_one(index);
        let tally = Tally::default();
        let (turn, window) = (index, None);
        Ok(Self { shopper, user, login, operation, items, carts, turn, run, window, tally })
    }

    /// The same user, whose calls from now on are tried once.
    pub fn impatient(self) -> Self {
        let login = Login { client: self.login.client.without_retries(), ..self.login };
        Self { shopper: self.shopper.without_retries(), login, ..self }
    }

    /// Calls until the window ends.
    pub async fn run(mut self, window: Window) -> Tally {
        self.window = Some(window.clone());
        while Instant::now() < window.end() {
            let done = match self.operation {
                Operation::Read => self.read().await,
                Operation::Update => self.update().await,
                Operation::Checkout => self.check_out().await,
                Operation::SignIn => self.sign_in().await,
            };
            if done.is_none() {
                tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
            }
            self.turn += 1;
        }
        self.tally
    }

    async fn read(&mut self) -> Option<()> {
        let begun_at = Instant::now();
        match self.turn % 3 {
            0 => {
                let answer = self.shopper.storefront(STOREFRONT_ITEMS).await;
                self.record("GetStorefront", begun_at, answer).map(drop)
            }
            1 => {
                let cart_id = &self.carts[self.turn / 3 % self.carts.len()];
                let answer = self.shopper.get_cart(cart_id).await;
                self.record("GetCart", begun_at, answer).map(drop)
            }
            _ => {
                let name = &self.items[self.turn % self.items.len()].name;
                let word = name.split(' ').next().unwrap_or(name);
                let mut found = self.shopper.search(word).page_size(FOUND_ITEMS);
                let answer = found.next().await.transpose();
                self.record("SearchItems", begun_at, answer).map(drop)
            }
        }
    }

    async fn update(&mut self) -> Option<()> {
        let line = self.line();
        let begun_at = Instant::now();
        let answer = self.shopper.set_item(&self.carts[0], line).await;
        self.record("SetItem", begun_at, answer).map(drop)
    }

    async fn check_out(&mut self) -> Option<()> {
        let line = self.line();
        let cart_id = self.new_cart_id();
        let begun_at = Instant::now();
        let answer = self.shopper.create_cart_as(cart_id, [line]).await;
        let cart = self.record("CreateCart", begun_at, answer)?;
        let paid = self.pay(&cart).await;
        if paid.is_none() {
            // Else open carts would pile up until the store allows no more.
            let _ = self.shopper.delete_cart(&cart.cart_id).await;
        }
        paid
    }

    async fn pay(&mut self, cart: &Cart) -> Option<()> {
        let purchase = Purchase::of_whatever(&cart.cart_id, TOKEN_PAYS);
        let purchase = purchase.with_request_id(format!("load-{}", cart.cart_id));
        let begun_at = Instant::now();
        let answer = self.shopper.begin_checkout(&purchase).await;
        match answer.map(|checkout| checkout.state()) {
            Ok(CheckoutState::Paid) => self.record("Checkout", begun_at, Ok(())),
            Ok(CheckoutState::Pending) => {
                self.tally.undecided += u64::from(self.counts(begun_at));
                Some(())
            }
            Ok(_) => {
                if self.counts(begun_at) {
                    self.tally.fail("Checkout", "not paid");
                }
                None
            }
            Err(error) => self.record("Checkout", begun_at, Err(error.into())),
        }
    }

    async fn sign_in(&mut self) -> Option<()> {
        let Login { client, username, password } = &self.login;
        let begun_at = Instant::now();
        let answer = client.sign_in(username.as_str(), password.clone()).await;
        self.record("SignIn", begun_at, answer).map(drop)
    }

    /// Another one in each turn and run, so that a repeated call makes one cart.
    fn new_cart_id(&self) -> String {
        let name = format!("{}\n{}\n{}", self.user.as_str(), self.run, self.turn);
        Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
    }

    /// Any item that costs something; how many changes with every turn.
    fn line(&self) -> Line {
        let costs = |item: &&Item| item.price.as_ref().is_some_and(|price| price.minor_units > 0);
        let shift = self.turn * 7 % self.items.len();
        let item = self.items[shift..].iter().chain(self.items.iter()).find(costs);
        let sku = item.unwrap_or(&self.items[0]).sku.clone();
        line(sku, i32::try_from(self.turn % 9).unwrap_or(0) + 1)
    }

    fn counts(&self, at: Instant) -> bool {
        self.window.as_ref().is_some_and(|window| window.holds(at))
    }

    fn record<T>(
        &mut self,
        rpc: &'static str,
        begun_at: Instant,
        answer: Result<T, Error>,
    ) -> Option<T> {
        match answer {
            Ok(answer) => {
                if self.counts(Instant::now()) {
                    self.tally.record(rpc, begun_at.elapsed());
                }
                Some(answer)
            }
            Err(error) => {
                // However late it failed: a call that hangs fails after the window has ended.
                if self.counts(begun_at) {
                    self.tally.fail(rpc, &label(&error));
                }
                None
            }
        }
    }
}

/// Different first contents for each user, one piece of each item.
fn first_lines(items: &[Item], index: usize) -> Vec<Line> {
    let places = (0..LINES.min(items.len())).map(|number| (index * LINES + number) % items.len());
    places.map(|place| line(&items[place].sku, 1)).collect()
}

/// A short name to count errors by.
fn label(error: &Error) -> String {
    let Some(call) = error.call() else { return error.to_string() };
    let named = call.reason().map(|reason| reason.wire_name().to_owned());
    named.unwrap_or_else(|| format!("transport: {:?}", call.code()))
}

/// Deletes the carts that an interrupted run has left.
async fn delete_leftovers(shopper: &Shopper) -> Result<(), Error> {
    for cart in shopper.carts().page_size(CARTS_PER_PAGE).all().await? {
        if cart.state() == CartState::Open {
            shopper.delete_cart(&cart.cart_id).await?;
        }
    }
    Ok(())
}
