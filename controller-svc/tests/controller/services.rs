//! The services behind the controller, as it sees them: over a network that loses, delays and
//! repeats, and in front of processes that die.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use controller_svc::{
    clients::{
        CallError, Card, CartClient, CatalogClient, Charge, CheckoutName, CsvChunk, Imported,
        Interrupted, Mark, PageRequest, Paged, PaymentClient, PaymentToken, ServiceToken, Shopper,
        TokenizedCard,
    },
    domain::{
        cart::Cart,
        checkout::{Capture, Checkout, Payment},
        item::Items,
    },
};
use futures_util::{StreamExt as _, stream::BoxStream};
use oxcart_proto::Reason;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, CheckoutFailure, CheckoutId, Item, Line,
    Sku, UserId, Version,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::Notify;

use super::books::{Books, refused};

/// A call that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Describe,
    Cart,
    Find,
    Mark,
    Charge,
    Resolve,
    Confirm,
    Unmark,
    Lease,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is lost.
    Lost,
    /// The request arrives, the answer is lost.
    AnswerLost,
    /// The request arrives, the answer never does, nor an error.
    Hangs,
    /// The request never arrives, nor an error.
    HangsBefore,
    /// The request is taken for lost, and arrives later.
    Late,
    /// The request arrives twice, the second copy later.
    Twice,
    /// The service refuses.
    Refused(Reason),
}

type Effect = Box<dyn FnOnce(&mut Books) + Send>;

#[derive(Default)]
struct Trouble {
    scripted: BTreeMap<Call, VecDeque<Fault>>,
    always: BTreeMap<Call, Fault>,
    random: Option<(StdRng, f64)>,
    late: Vec<Effect>,
    intruders: BTreeMap<Call, Effect>,
    made: BTreeMap<Call, usize>,
    hanging: usize,
}

/// All services in one.
#[derive(Clone, Default)]
pub struct Fakes {
    books: Arc<Mutex<Books>>,
    trouble: Arc<Mutex<Trouble>>,
    called: Arc<Notify>,
}

impl Fakes {
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }

    /// The next call of this kind meets this fault; further ones queue behind it.
    pub fn fail_next(&self, call: Call, fault: Fault) {
        self.trouble.lock().unwrap().scripted.entry(call).or_default().push_back(fault);
    }

    /// Every call of this kind meets this fault, until told otherwise.
    pub fn fail_always(&self, call: Call, fault: Option<Fault>) {
        let always = &mut self.trouble.lock().unwrap().always;
        match fault {
            Some(fault) => always.insert(call, fault),
            None => always.remove(&call),
        };
    }

    /// Calls fail by chance, as often as `rate` says; none do at 0.
    pub fn fail_by_chance(&self, seed: u64, rate: f64) {
        self.trouble.lock().unwrap().random = Some((StdRng::seed_from_u64(seed), rate));
    }

    /// Delivers messages that are late: one by chance, or all of them.
    pub fn deliver_late(&self, pick: Option<usize>) {
        let mut trouble = self.trouble.lock().unwrap();
        let late = &mut trouble.late;
        let due = match pick {
            None => std::mem::take(late),
            Some(_) if late.is_empty() => return,
            Some(n) => vec![late.swap_remove(n % late.len())],
        };
        drop(trouble);
        let mut books = self.books.lock().unwrap();
        for effect in due {
            effect(&mut books);
        }
    }

    /// Somebody else is quicker: this happens right before the next call of this kind arrives.
    pub fn intrude(&self, call: Call, effect: impl FnOnce(&mut Books) + Send + 'static) {
        self.trouble.lock().unwrap().intruders.insert(call, Box::new(effect));
    }

    pub fn made(&self, call: Call) -> usize {
        self.trouble.lock().unwrap().made.get(&call).copied().unwrap_or_default()
    }

    /// Waits until so many calls of this kind have been made.
    pub async fn until_made(&self, call: Call, count: usize) {
        loop {
            let called = self.called.notified();
            if self.made(call) >= count {
                return;
            }
            called.await;
        }
    }

    /// Waits until a call hangs.
    pub async fn until_hanging(&self) {
        loop {
            let called = self.called.notified();
            if self.trouble.lock().unwrap().hanging > 0 {
                return;
            }
            called.await;
        }
    }

    async fn hang<T>(&self) -> T {
        self.trouble.lock().unwrap().hanging += 1;
        self.called.notify_waiters();
        std::future::pending().await
    }

    fn next_fault(&self, call: Call) -> Option<Fault> {
        let mut trouble = self.trouble.lock().unwrap();
        *trouble.made.entry(call).or_default() += 1;
        if let Some(fault) = trouble.scripted.get_mut(&call).and_then(VecDeque::pop_front) {
            return Some(fault);
        }
        if let Some(fault) = trouble.always.get(&call) {
            return Some(*fault);
        }
        let (rng, rate) = trouble.random.as_mut()?;
        let faults = [Fault::Lost, Fault::AnswerLost, Fault::Late, Fault::Twice];
        rng.random_bool(*rate).then(|| faults[rng.random_range(0..faults.len())])
    }

    async fn call<T>(
        &self,
        call: Call,
        effect: impl Fn(&mut Books) -> Result<T, CallError> + Clone + Send + 'static,
    ) -> Result<T, CallError> {
        let fault = self.next_fault(call);
        self.called.notify_waiters();
        // Others may run before and after the effect, as over a network.
        tokio::task::yield_now().await;
        let intruder = self.trouble.lock().unwrap().intruders.remove(&call);
        if let Some(intruder) = intruder {
            intruder(&mut self.books());
        }
        let apply = || effect(&mut self.books());
        let answer = match fault {
            None => apply(),
            Some(Fault::Lost) => Err(lost()),
            Some(Fault::AnswerLost) => apply().and(Err(lost())),
            Some(Fault::Hangs) => {
                let _ = apply();
                self.hang().await
            }
            Some(Fault::HangsBefore) => self.hang().await,
            Some(Fault::Late) => {
                self.delay(effect.clone());
                Err(lost())
            }
            Some(Fault::Twice) => {
                self.delay(effect.clone());
                apply()
            }
            Some(Fault::Refused(reason)) => Err(refused(reason, None)),
        };
        tokio::task::yield_now().await;
        answer
    }

    fn delay<T>(&self, effect: impl FnOnce(&mut Books) -> Result<T, CallError> + Send + 'static) {
        let effect = Box::new(move |books: &mut Books| drop(effect(books)));
        self.trouble.lock().unwrap().late.push(effect);
    }
}

fn lost() -> CallError {
    CallError::timed_out("a fake")
}

#[async_trait]
impl CatalogClient for Fakes {
    async fn descriptions(&self, skus: &[Sku]) -> Result<Items, CallError> {
        let skus = skus.to_vec();
        self.call(Call::Describe, move |books| Ok(books.descriptions(&skus))).await
    }

    async fn list(&self, _page: &PageRequest) -> Result<Paged<Item>, CallError> {
        Ok(self.books().list())
    }

    async fn search(&self, _query: &str, _page: &PageRequest) -> Result<Paged<Item>, CallError> {
        Ok(self.books().list())
    }

    async fn import(
        &self,
        _token: ServiceToken,
        chunks: BoxStream<'static, Result<CsvChunk, Interrupted>>,
    ) -> Result<Imported, CallError> {
        let chunks: Vec<_> = chunks.collect().await;
        let whole = chunks.into_iter().collect::<Result<Vec<_>, _>>();
        let whole =
            whole.map_err(|cut| CallError::Unknown { service: "a fake", source: cut.into() })?;
        let bytes: usize = whole.iter().map(|chunk| chunk.bytes.len()).sum();
        Ok(Imported { created: i64::try_from(bytes).unwrap(), updated: 0, unchanged: 0 })
    }
}

#[async_trait]
impl CartClient for Fakes {
    async fn create(
        &self,
        shopper: &Shopper,
        cart: Option<CartId>,
        lines: &[Line],
        details: &CartDetails,
    ) -> Result<Cart, CallError> {
        self.books().create(&shopper.id, cart, lines, details)
    }

    async fn get(&self, shopper: &Shopper, cart: CartId) -> Result<Cart, CallError> {
        let user = shopper.id.clone();
        self.call(Call::Cart, move |books| books.get(&user, cart)).await
    }

    async fn list(
        &self,
        shopper: &Shopper,
        filter: CartFilter,
        page: &PageRequest,
    ) -> Result<Paged<Cart>, CallError> {
        self.books().list_carts(&shopper.id, filter, page)
    }

    async fn update(
        &self,
        shopper: &Shopper,
        cart: CartId,
        lines: Option<&[Line]>,
        patch: &CartDetailsPatch,
        expected_version: Option<Version>,
    ) -> Result<Cart, CallError> {
        self.books().update(&shopper.id, cart, lines, patch, expected_version)
    }

    async fn set_item(
        &self,
        shopper: &Shopper,
        cart: CartId,
        sku: &Sku,
        pieces: i32,
        expected_version: Option<Version>,
    ) -> Result<Cart, CallError> {
        self.books().set_item(&shopper.id, cart, sku, pieces, expected_version)
    }

    async fn delete(
        &self,
        shopper: &Shopper,
        cart: CartId,
        expected_version: Option<Version>,
    ) -> Result<(), CallError> {
        self.books().delete(&shopper.id, cart, expected_version)
    }

    async fn mark(&self, shopper: &Shopper, mark: &Mark) -> Result<Checkout, CallError> {
        let (user, mark) = (shopper.id.clone(), mark.clone());
        self.call(Call::Mark, move |books| books.mark(&user, &mark)).await
    }

    async fn confirm(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
        capture: &Capture,
    ) -> Result<Checkout, CallError> {
        let (owner, capture) = (owner.clone(), capture.clone());
        self.call(Call::Confirm, move |books| books.confirm(&owner, checkout, &capture)).await
    }

    async fn unmark(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
        failure: CheckoutFailure,
    ) -> Result<Checkout, CallError> {
        let owner = owner.clone();
        self.call(Call::Unmark, move |books| books.unmark(&owner, checkout, failure)).await
    }

    async fn lease_overdue(&self, _worker: &str, limit: u32) -> Result<Vec<Checkout>, CallError> {
        self.call(Call::Lease, move |books| Ok(books.lease_overdue(limit))).await
    }

    async fn checkout(
        &self,
        shopper: &Shopper,
        name: &CheckoutName,
    ) -> Result<Checkout, CallError> {
        let (user, name) = (shopper.id.clone(), name.clone());
        self.call(Call::Find, move |books| books.checkout(&user, &name)).await
    }
}

#[async_trait]
impl PaymentClient for Fakes {
    async fn tokenize(&self, card: Card) -> Result<TokenizedCard, CallError> {
        if card.number.starts_with("4242") {
            let last_four = card.number[card.number.len() - 4..].to_owned();
            return Ok(TokenizedCard { token: PaymentToken("tok_visa".into()), last_four });
        }
        Err(refused(Reason::FieldInvalid, None))
    }

    async fn charge(&self, charge: &Charge) -> Result<Payment, CallError> {
        let charge = charge.clone();
        self.call(Call::Charge, move |books| books.charge(&charge)).await
    }

    async fn resolve(&self, key: CheckoutId) -> Result<Payment, CallError> {
        self.call(Call::Resolve, move |books| Ok(books.resolve(key))).await
    }
}
