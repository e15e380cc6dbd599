//! Carts in memory, lost at exit: for trying out, and for tests that decide what fails and when.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kit_service::Env;
use oxcart_types::{CartFilter, CartId, CheckoutId, CheckoutState, UserId, Version};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{CartStore, CheckoutName, Cursor, Inserted, Overdue, StoreError};
use crate::domain::{Cart, Checkout, CheckoutEvent, Decided, Hold, Marked};

/// Keeps carts in memory.
pub struct MemoryStore {
    tables: Mutex<Tables>,
    env: Env,
}

#[derive(Default)]
struct Tables {
    carts: BTreeMap<(UserId, CartId), Cart>,
    checkouts: BTreeMap<(UserId, CheckoutId), Record>,
}

struct Record {
    checkout: Checkout,
    charge_until: OffsetDateTime,
    lease_until: OffsetDateTime,
    lease_epoch: i64,
    events: Vec<CheckoutEvent>,
}

impl MemoryStore {
    /// An empty store that uses the clock of `env` for leases.
    #[must_use]
    pub fn new(env: Env) -> Self {
        Self { tables: Mutex::default(), env }
    }

    /// Nothing in here panics half way through a change, so a poisoned lock still guards whole data.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn cart(&self, owner: &UserId, id: CartId) -> Option<&Cart> {
        self.carts.get(&(owner.clone(), id))
    }

    /// The compare of compare-and-set: the cart, if it is open at `expected`.
    fn open_cart(
        &mut self,
        owner: &UserId,
        id: CartId,
        expected: Version,
    ) -> Result<&mut Cart, StoreError> {
        let cart = self.carts.get_mut(&(owner.clone(), id));
        let is_expected = |cart: &&mut Cart| cart.hold == Hold::Free && cart.version == expected;
        cart.filter(is_expected).ok_or(StoreError::Conflict)
    }

    fn pending(&mut self, owner: &UserId, id: CheckoutId) -> Result<&mut Record, StoreError> {
        let record = self.checkouts.get_mut(&(owner.clone(), id));
        let is_pending = |record: &&mut Record| record.checkout.state == CheckoutState::Pending;
        record.filter(is_pending).ok_or(StoreError::Conflict)
    }

    fn carts_of<'a>(
        &'a self,
        owner: &'a UserId,
        filter: CartFilter,
    ) -> impl Iterator<Item = &'a Cart> {
        let is_wanted = move |cart: &&Cart| filter.selects(cart.hold.state());
        let first = (owner.clone(), Uuid::nil().into());
        let carts = self.carts.range(first..).map(|(_, cart)| cart);
        carts.take_while(|cart| cart.owner == *owner).filter(is_wanted)
    }

    fn find(&self, owner: &UserId, name: &CheckoutName) -> Option<&Record> {
        match name {
            CheckoutName::Id(id) => self.checkouts.get(&(owner.clone(), *id)),
            CheckoutName::Request(request) => {
                let first = (owner.clone(), Uuid::nil().into());
                let records = self.checkouts.range(first..).map(|(_, record)| record);
                let mut records = records.take_while(|record| record.checkout.owner == *owner);
                records.find(|record| record.checkout.request == *request)
            }
        }
    }
}

impl Record {
    fn read(&self, now: OffsetDateTime) -> Checkout {
        let is_pending = self.checkout.state == CheckoutState::Pending;
        let left = if is_pending { self.charge_until - now } else { time::Duration::ZERO };
        let charge_window = left.try_into().unwrap_or_default();
        Checkout { charge_window, ..self.checkout.clone() }
    }
}

#[async_trait]
impl CartStore for MemoryStore {
    async fn insert_cart(&self, cart: &Cart, max_carts: i64) -> Result<Inserted, StoreError> {
        let mut tables = self.tables();
        if tables.cart(&cart.owner, cart.id).is_some() {
            return Ok(Inserted::Exists);
        }
        let count = tables.carts_of(&cart.owner, CartFilter::Unpurchased).count();
        if i64::try_from(count).unwrap_or(i64::MAX) >= max_carts {
            return Ok(Inserted::TooMany);
        }
        tables.carts.insert((cart.owner.clone(), cart.id), cart.clone());
        Ok(Inserted::New)
    }

    async fn cart(&self, owner: &UserId, id: CartId) -> Result<Option<Cart>, StoreError> {
        Ok(self.tables().cart(owner, id).cloned())
    }

    async fn cart_of_checkout(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Option<Cart>, StoreError> {
        let tables = self.tables();
        let record = tables.find(owner, &CheckoutName::Id(checkout));
        Ok(record.and_then(|record| tables.cart(owner, record.checkout.cart)).cloned())
    }

    async fn carts(
        &self,
        owner: &UserId,
        filter: CartFilter,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Cart>, StoreError> {
        let tables = self.tables();
        let is_behind = |cart: &&Cart| after.is_none_or(|after| Cursor::from(*cart) < after);
        let mut carts: Vec<_> = tables.carts_of(owner, filter).filter(is_behind).collect();
        carts.sort_by_key(|cart| std::cmp::Reverse(Cursor::from(*cart)));
        Ok(carts.into_iter().take(usize::try_from(limit).unwrap_or(0)).cloned().collect())
    }

    async fn save_contents(&self, cart: &Cart, expected: Version) -> Result<(), StoreError> {
        *self.tables().open_cart(&cart.owner, cart.id, expected)? = cart.clone();
        Ok(())
    }

    async fn delete_cart(
        &self,
        owner: &UserId,
        id: CartId,
        expected: Version,
    ) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.open_cart(owner, id, expected)?;
        tables.carts.remove(&(owner.clone(), id));
        Ok(())
    }

    async fn checkout(
        &self,
        owner: &UserId,
        name: &CheckoutName,
    ) -> Result<Option<Checkout>, StoreError> {
        let now = self.env.now();
        Ok(self.tables().find(owner, name).map(|record| record.read(now)))
    }

    async fn mark(
        &self,
        marked: &Marked,
        expected: Version,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let Marked { cart, checkout, event } = marked;
        let now = self.env.now();
        let mut tables = self.tables();
        let request = CheckoutName::Request(checkout.request.clone());
        if tables.find(&checkout.owner, &request).is_some() {
            return Err(StoreError::Conflict);
        }
        *tables.open_cart(&cart.owner, cart.id, expected)? = cart.clone();
        let record = Record {
            checkout: checkout.clone(),
            charge_until: now + checkout.charge_window,
            lease_until: now + lease,
            lease_epoch: 1,
            events: vec![event.clone()],
        };
        tables.checkouts.insert((checkout.owner.clone(), checkout.id), record);
        Ok(())
    }

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        let Decided { cart, checkout, event } = decided;
        let mut tables = self.tables();
        let held = tables.cart(&cart.owner, cart.id).map(|cart| cart.hold);
        if held != Some(Hold::Pending(checkout.id)) {
            return Err(StoreError::Conflict);
        }
        let record = tables.pending(&checkout.owner, checkout.id)?;
        let attempts = record.checkout.attempts;
        record.checkout = Checkout { attempts, ..checkout.clone() };
        record.events.push(event.clone());
        tables.carts.insert((cart.owner.clone(), cart.id), cart.clone());
        Ok(())
    }

    async fn overdue(&self, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        let now = self.env.now();
        let tables = self.tables();
        let is_overdue = |record: &&Record| {
            record.checkout.state == CheckoutState::Pending && record.lease_until < now
        };
        let mut records: Vec<_> = tables.checkouts.values().filter(is_overdue).collect();
        records.sort_by_key(|record| record.lease_until);
        let overdue = |record: &Record| Overdue {
            owner: record.checkout.owner.clone(),
            checkout: record.checkout.id,
            lease_epoch: record.lease_epoch,
            attempts: record.checkout.attempts,
        };
        Ok(records.into_iter().take(usize::try_from(limit).unwrap_or(0)).map(overdue).collect())
    }

    async fn lease(&self, overdue: &Overdue, lease: Duration) -> Result<(), StoreError> {
        let now = self.env.now();
        let mut tables = self.tables();
        let record = tables.pending(&overdue.owner, overdue.checkout)?;
        if record.lease_epoch != overdue.lease_epoch {
            return Err(StoreError::Conflict);
        }
        record.lease_epoch += 1;
        record.checkout.attempts += 1;
        record.lease_until = now + lease;
        Ok(())
    }

    async fn events(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Vec<CheckoutEvent>, StoreError> {
        let tables = self.tables();
        let record = tables.find(owner, &CheckoutName::Id(checkout));
        Ok(record.map(|record| record.events.clone()).unwrap_or_default())
    }
}
