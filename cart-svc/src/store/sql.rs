//! The store in SQLite or PostgreSQL. Every statement but the read of overdue checkouts names one
//! owner, and transactions are of small statements on one owner, so that the tables can be spread by
//! owner: see "Spread over machines". For the same reason no update has a clock beside a column.
//!
//! Leases and the window to charge are by the database's clock alone. PostgreSQL has its own; that of
//! SQLite, which lives in this process, is bound as the last parameter.

use std::time::Duration;

use async_trait::async_trait;
use kit_database::{Dialect, Sql, SqlDatabase, Transaction, micros};
use kit_service::Env;
use oxcart_types::{
    CartFilter, CartId, CheckoutFailure, CheckoutId, CheckoutState, DeclineReason, UserId, Version,
};
use uuid::Uuid;

use super::{CartStore, CheckoutName, Cursor, Inserted, Overdue, StoreError, row, span_micros};
use crate::domain::{Cart, Checkout, CheckoutEvent, Decided, Marked};

macro_rules! cart_columns {
    () => {
        "select cart.cart_id, cart.state, cart.version, cart.checkout_id, cart.contents, \
         cart.created_at, cart.updated_at, checkout.items as quoted_items, \
         checkout.total as quoted_total, checkout.currency as quoted_currency \
         from cart left join checkout on checkout.owner = cart.owner \
         and checkout.checkout_id = cart.checkout_id \
         where cart.owner = $1 "
    };
}

macro_rules! checkout_columns {
    ($charge_left:literal) => {
        concat!(
            "select checkout_id, cart_id, request_id, fingerprint, items, total, currency, state, \
             fail_reason, decline_reason, payment_id, ",
            $charge_left,
            " as charge_left, attempts, created_at, updated_at from checkout where owner = $1 and "
        )
    };
    (sqlite) => {
        checkout_columns!("charge_until - $3")
    };
    (postgres) => {
        checkout_columns!("cast(extract(epoch from charge_until - now()) * 1000000 as bigint)")
    };
}

const CART: Sql = Sql::same(concat!(cart_columns!(), "and cart.cart_id = $2"));

const CART_OF_CHECKOUT: Sql = Sql::same(concat!(
    cart_columns!(),
    "and cart.cart_id = (select c.cart_id from checkout c where c.owner = $1 and c.checkout_id = $2)"
));

const UNPURCHASED: Sql = Sql::same(concat!(
    cart_columns!(),
    "and cart.state <> 'PAID' and (cart.created_at, cart.cart_id) < ($2, $3) \
     order by cart.created_at desc, cart.cart_id desc limit $4"
));

/// A purchased cart does not change again: it was last updated when it was purchased.
const PURCHASED: Sql = Sql::same(concat!(
    cart_columns!(),
    "and cart.state = 'PAID' and (cart.updated_at, cart.cart_id) < ($2, $3) \
     order by cart.updated_at desc, cart.cart_id desc limit $4"
));

/// Locks the owner's row until the transaction ends. SQLite needs none: it has one writer at a time.
const LOCK_OWNER: Sql = Sql::same(
    "insert into cart_owner (owner, carts_created) values ($1, 1) \
     on conflict (owner) do update set carts_created = cart_owner.carts_created + 1",
);

const INSERT_CART: Sql = Sql::same(
    "insert into cart (owner, cart_id, state, version, contents, created_at, updated_at) \
     values ($1, $2, 'OPEN', $3, $4, $5, $6) on conflict (owner, cart_id) do nothing",
);

const COUNT_UNPURCHASED: Sql =
    Sql::same("select count(*) as unpurchased from cart where owner = $1 and state <> 'PAID'");

const SAVE_CONTENTS: Sql = Sql::same(
    "update cart set contents = $4, version = $5, updated_at = $6 \
     where owner = $1 and cart_id = $2 and version = $3 and state = 'OPEN'",
);

const DELETE_CART: Sql = Sql::same(
    "delete from cart where owner = $1 and cart_id = $2 and version = $3 and state = 'OPEN'",
);

const FREEZE_CART: Sql = Sql::same(
    "update cart set state = 'PENDING', checkout_id = $4, version = $5, updated_at = $6 \
     where owner = $1 and cart_id = $2 and version = $3 and state = 'OPEN'",
);

const RELEASE_CART: Sql = Sql::same(
    "update cart set state = $4, checkout_id = $5, version = $6, updated_at = $7 \
     where owner = $1 and cart_id = $2 and checkout_id = $3 and state = 'PENDING'",
);

const INSERT_CHECKOUT: Sql = Sql {
    sqlite: "insert into checkout (owner, checkout_id, cart_id, request_id, \
         fingerprint, items, total, currency, state, charge_until, lease_epoch, lease_until, \
         attempts, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'PENDING', $12 + $9, 1, $12 + $10, 0, $11, $11)",
    postgres: "insert into checkout (owner, checkout_id, cart_id, request_id, \
         fingerprint, items, total, currency, state, charge_until, lease_epoch, lease_until, \
         attempts, created_at, updated_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'PENDING', \
         now() + $9::bigint * interval '1 microsecond', 1, \
         now() + $10::bigint * interval '1 microsecond', 0, $11, $11)",
};

const CHECKOUT_BY_ID: Sql = Sql {
    sqlite: concat!(checkout_columns!(sqlite), "checkout_id = $2"),
    postgres: concat!(checkout_columns!(postgres), "checkout_id = $2"),
};

const CHECKOUT_BY_REQUEST: Sql = Sql {
    sqlite: concat!(checkout_columns!(sqlite), "request_id = $2"),
    postgres: concat!(checkout_columns!(postgres), "request_id = $2"),
};

const DECIDE_CHECKOUT: Sql = Sql::same(
    "update checkout set state = $3, fail_reason = $4, decline_reason = $5, payment_id = $6, \
     updated_at = $7 where owner = $1 and checkout_id = $2 and state = 'PENDING'",
);

const OVERDUE: Sql = Sql {
    sqlite: "select owner, checkout_id, lease_epoch, attempts from checkout \
         where state = 'PENDING' and lease_until < $2 order by lease_until limit $1",
    postgres: "select owner, checkout_id, lease_epoch, attempts from checkout \
         where state = 'PENDING' and lease_until < now() order by lease_until limit $1",
};

const LEASE: Sql = Sql {
    sqlite: "update checkout set lease_epoch = lease_epoch + 1, attempts = attempts + 1, \
         lease_until = $5 + $4 \
         where owner = $1 and checkout_id = $2 and lease_epoch = $3 and state = 'PENDING'",
    postgres: "update checkout set lease_epoch = lease_epoch + 1, attempts = attempts + 1, \
         lease_until = now() + $4::bigint * interval '1 microsecond' \
         where owner = $1 and checkout_id = $2 and lease_epoch = $3 and state = 'PENDING'",
};

const INSERT_EVENT: Sql = Sql::same(
    "insert into checkout_event (owner, checkout_id, seq, from_state, to_state, evidence, \
     happened_at) values ($1, $2, $3, $4, $5, $6, $7)",
);

const EVENTS: Sql = Sql::same(
    "select seq, from_state, to_state, evidence from checkout_event \
     where owner = $1 and checkout_id = $2 order by seq",
);

/// Carts and checkouts in a database.
pub struct SqlStore {
    database: SqlDatabase,
    env: Env,
}

impl SqlStore {
    /// Keeps carts in `database`, which is migrated. The clock of `env` is SQLite's.
    #[must_use]
    pub const fn new(database: SqlDatabase, env: Env) -> Self {
        Self { database, env }
    }

    fn now_micros(&self) -> i64 {
        micros(self.env.now())
    }

    async fn insert_checkout(
        &self,
        on: &mut Transaction,
        checkout: &Checkout,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let insert = on
            .query(INSERT_CHECKOUT)
            .bind(checkout.owner.as_str())
            .bind(checkout.id.as_uuid())
            .bind(checkout.cart.as_uuid())
            .bind(checkout.request.as_str())
            .bind(checkout.fingerprint.as_bytes().as_slice())
            .bind(row::priced_items(&checkout.quote))
            .bind(checkout.quote.total().minor_units())
            .bind(checkout.quote.total().currency().code())
            .bind(span_micros(checkout.charge_window))
            .bind(span_micros(lease))
            .bind(micros(checkout.created_at))
            .bind_on(Dialect::Sqlite, self.now_micros());
        insert.execute_one().await
    }
}

async fn freeze_cart(
    on: &mut Transaction,
    cart: &Cart,
    expected: Version,
) -> Result<(), StoreError> {
    let freeze = on
        .query(FREEZE_CART)
        .bind(cart.owner.as_str())
        .bind(cart.id.as_uuid())
        .bind(expected.get())
        .bind(cart.hold.checkout().map(CheckoutId::as_uuid))
        .bind(cart.version.get())
        .bind(micros(cart.updated_at));
    freeze.execute_one().await
}

async fn release_cart(
    on: &mut Transaction,
    cart: &Cart,
    from: CheckoutId,
) -> Result<(), StoreError> {
    let release = on
        .query(RELEASE_CART)
        .bind(cart.owner.as_str())
        .bind(cart.id.as_uuid())
        .bind(from.as_uuid())
        .bind(cart.hold.state().as_str())
        .bind(cart.hold.checkout().map(CheckoutId::as_uuid))
        .bind(cart.version.get())
        .bind(micros(cart.updated_at));
    release.execute_one().await
}

async fn decide_checkout(on: &mut Transaction, checkout: &Checkout) -> Result<(), StoreError> {
    let (payment, failure) = match &checkout.state {
        CheckoutState::Pending => (None, None),
        CheckoutState::Paid { payment_id } => (Some(payment_id.as_str()), None),
        CheckoutState::Failed(failure) => (None, Some(*failure)),
    };
    let decline_reason = failure.and_then(CheckoutFailure::decline_reason);
    let decide = on
        .query(DECIDE_CHECKOUT)
        .bind(checkout.owner.as_str())
        .bind(checkout.id.as_uuid())
        .bind(checkout.state.as_str())
        .bind(failure.map(CheckoutFailure::as_str))
        .bind(decline_reason.map(DeclineReason::as_str))
        .bind(payment)
        .bind(micros(checkout.updated_at));
    decide.execute_one().await
}

async fn insert_event(
    on: &mut Transaction,
    checkout: &Checkout,
    event: &CheckoutEvent,
) -> Result<(), StoreError> {
    let insert = on
        .query(INSERT_EVENT)
        .bind(checkout.owner.as_str())
        .bind(checkout.id.as_uuid())
        .bind(event.seq)
        .bind(event.from.as_str())
        .bind(event.to.as_str())
        .bind(event.evidence.as_str())
        .bind(micros(checkout.updated_at));
    insert.execute_one().await
}

#[async_trait]
impl CartStore for SqlStore {
    async fn insert_cart(&self, cart: &Cart, max_carts: i64) -> Result<Inserted, StoreError> {
        let owner = cart.owner.as_str();
        let mut transaction = self.database.begin().await?;
        if self.database.dialect() == Dialect::Postgres {
            transaction.query(LOCK_OWNER).bind(owner).execute_one().await?;
        }
        let insert = transaction
            .query(INSERT_CART)
            .bind(owner)
            .bind(cart.id.as_uuid())
            .bind(cart.version.get())
            .bind(row::contents(cart))
            .bind(micros(cart.created_at))
            .bind(micros(cart.updated_at));
        if insert.execute().await? == 0 {
            transaction.rollback().await?;
            return Ok(Inserted::Exists);
        }
        let count = transaction.query(COUNT_UNPURCHASED).bind(owner).fetch_optional().await?;
        if count.as_ref().map(row::unpurchased).transpose()?.unwrap_or_default() > max_carts {
            transaction.rollback().await?;
            return Ok(Inserted::TooMany);
        }
        transaction.commit().await?;
        Ok(Inserted::New)
    }

    async fn cart(&self, owner: &UserId, id: CartId) -> Result<Option<Cart>, StoreError> {
        let find = self.database.query(CART).bind(owner.as_str()).bind(id.as_uuid());
        find.fetch_optional().await?.map(|found| row::cart(&found, owner)).transpose()
    }

    async fn cart_of_checkout(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Option<Cart>, StoreError> {
        let find = self.database.query(CART_OF_CHECKOUT).bind(owner.as_str());
        let found = find.bind(checkout.as_uuid()).fetch_optional().await?;
        found.map(|found| row::cart(&found, owner)).transpose()
    }

    async fn carts(
        &self,
        owner: &UserId,
        filter: CartFilter,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Cart>, StoreError> {
        let text = match filter {
            CartFilter::Unpurchased => UNPURCHASED,
            CartFilter::Purchased => PURCHASED,
        };
        let first = (i64::MAX, Uuid::max());
        let after = after.map(|last| (micros(last.at), last.cart.as_uuid()));
        let (at, id) = after.unwrap_or(first);
        let list = self.database.query(text).bind(owner.as_str());
        let found = list.bind(at).bind(id).bind(limit).fetch_all().await?;
        found.iter().map(|found| row::cart(found, owner)).collect()
    }

    async fn save_contents(&self, cart: &Cart, expected: Version) -> Result<(), StoreError> {
        let save = self
            .database
            .query(SAVE_CONTENTS)
            .bind(cart.owner.as_str())
            .bind(cart.id.as_uuid())
            .bind(expected.get())
            .bind(row::contents(cart))
            .bind(cart.version.get())
            .bind(micros(cart.updated_at));
        save.execute_one().await
    }

    async fn delete_cart(
        &self,
        owner: &UserId,
        id: CartId,
        expected: Version,
    ) -> Result<(), StoreError> {
        let delete = self.database.query(DELETE_CART).bind(owner.as_str());
        delete.bind(id.as_uuid()).bind(expected.get()).execute_one().await
    }

    async fn checkout(
        &self,
        owner: &UserId,
        name: &CheckoutName,
    ) -> Result<Option<Checkout>, StoreError> {
        let select = |text| self.database.query(text).bind(owner.as_str());
        let find = match name {
            CheckoutName::Id(id) => select(CHECKOUT_BY_ID).bind(id.as_uuid()),
            CheckoutName::Request(request) => select(CHECKOUT_BY_REQUEST).bind(request.as_str()),
        };
        let found = find.bind_on(Dialect::Sqlite, self.now_micros()).fetch_optional().await?;
        found.map(|found| row::checkout(&found, owner)).transpose()
    }

    async fn mark(
        &self,
        marked: &Marked,
        expected: Version,
        lease: Duration,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        freeze_cart(&mut transaction, &marked.cart, expected).await?;
        self.insert_checkout(&mut transaction, &marked.checkout, lease).await?;
        insert_event(&mut transaction, &marked.checkout, &marked.event).await?;
        transaction.commit().await
    }

    async fn decide(&self, decided: &Decided) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        release_cart(&mut transaction, &decided.cart, decided.checkout.id).await?;
        decide_checkout(&mut transaction, &decided.checkout).await?;
        insert_event(&mut transaction, &decided.checkout, &decided.event).await?;
        transaction.commit().await
    }

    async fn overdue(&self, limit: i64) -> Result<Vec<Overdue>, StoreError> {
        let list = self.database.query(OVERDUE).bind(limit);
        let found = list.bind_on(Dialect::Sqlite, self.now_micros()).fetch_all().await?;
        Ok(row::readable_overdue(&found))
    }

    async fn lease(&self, overdue: &Overdue, lease: Duration) -> Result<(), StoreError> {
        let take = self
            .database
            .query(LEASE)
            .bind(overdue.owner.as_str())
            .bind(overdue.checkout.as_uuid())
            .bind(overdue.lease_epoch)
            .bind(span_micros(lease))
            .bind_on(Dialect::Sqlite, self.now_micros());
        take.execute_one().await
    }

    async fn events(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
    ) -> Result<Vec<CheckoutEvent>, StoreError> {
        let list = self.database.query(EVENTS).bind(owner.as_str()).bind(checkout.as_uuid());
        list.fetch_all().await?.iter().map(row::event).collect()
    }
}
