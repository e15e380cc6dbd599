//! The statements whose text is the same on both databases.
//!
//! sqlx's types know their database, so the functions are written once here and made once for each
//! by [`statements`]. Every statement names one owner, and no clock: see "Spread over machines".

use super::StoreError;

macro_rules! cart_columns {
    () => {
        "select cart.cart_id, cart.state, cart.version, cart.checkout_id, cart.contents, \
         cart.created_at, cart.updated_at, checkout.items as paid_items, \
         checkout.total as paid_total, checkout.currency as paid_currency \
         from cart left join checkout on checkout.owner = cart.owner \
         and checkout.checkout_id = cart.checkout_id and cart.state = 'PAID' \
         where cart.owner = $1 "
    };
}

pub(super) const CART: &str = concat!(cart_columns!(), "and cart.cart_id = $2");

pub(super) const CART_OF_CHECKOUT: &str = concat!(
    cart_columns!(),
    "and cart.cart_id = (select c.cart_id from checkout c where c.owner = $1 and c.checkout_id = $2)"
);

pub(super) const UNPURCHASED: &str = concat!(
    cart_columns!(),
    "and cart.state <> 'PAID' and (cart.created_at, cart.cart_id) < ($2, $3) \
     order by cart.created_at desc, cart.cart_id desc limit $4"
);

pub(super) const PURCHASED: &str = concat!(
    cart_columns!(),
    "and cart.state = 'PAID' and (cart.created_at, cart.cart_id) < ($2, $3) \
     order by cart.created_at desc, cart.cart_id desc limit $4"
);

pub(super) const INSERT_CART: &str = "insert into cart (owner, cart_id, state, version, contents, created_at, updated_at) \
     values ($1, $2, 'OPEN', $3, $4, $5, $6) on conflict (owner, cart_id) do nothing";

pub(super) const COUNT_UNPURCHASED: &str =
    "select count(*) from cart where owner = $1 and state <> 'PAID'";

pub(super) const SAVE_CONTENTS: &str = "update cart set contents = $4, version = $5, updated_at = $6 \
     where owner = $1 and cart_id = $2 and version = $3 and state = 'OPEN'";

pub(super) const DELETE_CART: &str =
    "delete from cart where owner = $1 and cart_id = $2 and version = $3 and state = 'OPEN'";

pub(super) const FREEZE_CART: &str = "update cart set state = 'PENDING', checkout_id = $4, version = $5, updated_at = $6 \
     where owner = $1 and cart_id = $2 and version = $3 and state = 'OPEN'";

pub(super) const RELEASE_CART: &str = "update cart set state = $4, checkout_id = $5, version = $6, updated_at = $7 \
     where owner = $1 and cart_id = $2 and checkout_id = $3 and state = 'PENDING'";

pub(super) const DECIDE_CHECKOUT: &str = "update checkout set state = $3, fail_reason = $4, decline_reason = $5, payment_id = $6, \
     updated_at = $7 where owner = $1 and checkout_id = $2 and state = 'PENDING'";

pub(super) const INSERT_EVENT: &str = "insert into checkout_event (owner, checkout_id, seq, from_state, to_state, evidence, \
     happened_at) values ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const EVENTS: &str = "select seq, from_state, to_state, evidence from checkout_event \
     where owner = $1 and checkout_id = $2 order by seq";

/// A failed statement. Decides by the kind of violation, never by a constraint's name: names carry
/// shard numbers on Citus.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    let is_conflict = error.as_database_error().is_some_and(|refusal| {
        // A serialization failure and a deadlock took no effect: load and decide again.
        refusal.is_unique_violation()
            || refusal.code().is_some_and(|code| code == "40001" || code == "40P01")
    });
    if is_conflict { StoreError::Conflict } else { StoreError::Database(error.into()) }
}

/// Checks that a compare-and-set found its row.
pub(super) fn won(rows: u64) -> Result<(), StoreError> {
    if rows == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

/// Makes the functions for one database.
macro_rules! statements {
    ($database:ty, $connection:ty) => {
        use kit_database::micros;
        use oxcart_types::{
            CartFilter, CartId, CheckoutFailure, CheckoutId, CheckoutState, UserId, Version,
        };
        use uuid::Uuid;

        use crate::{
            domain::{Cart, Checkout, CheckoutEvent, Decided},
            store::{
                Cursor, StoreError,
                row::{CartRow, Contents, EventRow},
                sql::{self, failed, won},
            },
        };

        pub(super) async fn cart(
            on: &mut $connection,
            owner: &UserId,
            id: CartId,
        ) -> Result<Option<Cart>, StoreError> {
            let query = sqlx::query_as::<$database, CartRow>(sql::CART);
            let row = query.bind(owner.as_str()).bind(id.as_uuid()).fetch_optional(on).await;
            row.map_err(failed)?.map(|row| row.into_cart(owner)).transpose()
        }

        pub(super) async fn cart_of_checkout(
            on: &mut $connection,
            owner: &UserId,
            checkout: CheckoutId,
        ) -> Result<Option<Cart>, StoreError> {
            let query = sqlx::query_as::<$database, CartRow>(sql::CART_OF_CHECKOUT);
            let row = query.bind(owner.as_str()).bind(checkout.as_uuid()).fetch_optional(on).await;
            row.map_err(failed)?.map(|row| row.into_cart(owner)).transpose()
        }

        pub(super) async fn carts(
            on: &mut $connection,
            owner: &UserId,
            filter: CartFilter,
            after: Option<Cursor>,
            limit: i64,
        ) -> Result<Vec<Cart>, StoreError> {
            let text = match filter {
                CartFilter::Unpurchased => sql::UNPURCHASED,
                CartFilter::Purchased => sql::PURCHASED,
            };
            let first = (i64::MAX, Uuid::max());
            let after = after.map(|last| (micros(last.created_at), last.cart.as_uuid()));
            let (created_at, id) = after.unwrap_or(first);
            let rows = sqlx::query_as::<$database, CartRow>(text)
                .bind(owner.as_str())
                .bind(created_at)
                .bind(id)
                .bind(limit)
                .fetch_all(on)
                .await;
            rows.map_err(failed)?.into_iter().map(|row| row.into_cart(owner)).collect()
        }

        /// Whether the id was free.
        pub(super) async fn insert_cart(
            on: &mut $connection,
            cart: &Cart,
        ) -> Result<bool, StoreError> {
            let done = sqlx::query::<$database>(sql::INSERT_CART)
                .bind(cart.owner.as_str())
                .bind(cart.id.as_uuid())
                .bind(cart.version.get())
                .bind(Contents::of(cart))
                .bind(micros(cart.created_at))
                .bind(micros(cart.updated_at))
                .execute(on)
                .await;
            Ok(done.map_err(failed)?.rows_affected() == 1)
        }

        pub(super) async fn count_unpurchased(
            on: &mut $connection,
            owner: &UserId,
        ) -> Result<i64, StoreError> {
            let query = sqlx::query_scalar::<$database, i64>(sql::COUNT_UNPURCHASED);
            query.bind(owner.as_str()).fetch_one(on).await.map_err(failed)
        }

        pub(super) async fn save_contents(
            on: &mut $connection,
            cart: &Cart,
            expected: Version,
        ) -> Result<(), StoreError> {
            let done = sqlx::query::<$database>(sql::SAVE_CONTENTS)
                .bind(cart.owner.as_str())
                .bind(cart.id.as_uuid())
                .bind(expected.get())
                .bind(Contents::of(cart))
                .bind(cart.version.get())
                .bind(micros(cart.updated_at))
                .execute(on)
                .await;
            won(done.map_err(failed)?.rows_affected())
        }

        pub(super) async fn delete_cart(
            on: &mut $connection,
            owner: &UserId,
            id: CartId,
            expected: Version,
        ) -> Result<(), StoreError> {
            let done = sqlx::query::<$database>(sql::DELETE_CART)
                .bind(owner.as_str())
                .bind(id.as_uuid())
                .bind(expected.get())
                .execute(on)
                .await;
            won(done.map_err(failed)?.rows_affected())
        }

        pub(super) async fn freeze_cart(
            on: &mut $connection,
            cart: &Cart,
            expected: Version,
        ) -> Result<(), StoreError> {
            let done = sqlx::query::<$database>(sql::FREEZE_CART)
                .bind(cart.owner.as_str())
                .bind(cart.id.as_uuid())
                .bind(expected.get())
                .bind(cart.hold.checkout().map(CheckoutId::as_uuid))
                .bind(cart.version.get())
                .bind(micros(cart.updated_at))
                .execute(on)
                .await;
            won(done.map_err(failed)?.rows_affected())
        }

        /// Saves a decided checkout, its cart and the event.
        pub(super) async fn decide(
            on: &mut $connection,
            decided: &Decided,
        ) -> Result<(), StoreError> {
            release_cart(on, &decided.cart, decided.checkout.id).await?;
            decide_checkout(on, &decided.checkout).await?;
            insert_event(on, &decided.checkout, &decided.event).await
        }

        async fn release_cart(
            on: &mut $connection,
            cart: &Cart,
            from: CheckoutId,
        ) -> Result<(), StoreError> {
            let done = sqlx::query::<$database>(sql::RELEASE_CART)
                .bind(cart.owner.as_str())
                .bind(cart.id.as_uuid())
                .bind(from.as_uuid())
                .bind(cart.hold.state().as_str())
                .bind(cart.hold.checkout().map(CheckoutId::as_uuid))
                .bind(cart.version.get())
                .bind(micros(cart.updated_at))
                .execute(on)
                .await;
            won(done.map_err(failed)?.rows_affected())
        }

        async fn decide_checkout(
            on: &mut $connection,
            checkout: &Checkout,
        ) -> Result<(), StoreError> {
            let (payment, failure) = match &checkout.state {
                CheckoutState::Pending => (None, None),
                CheckoutState::Paid { payment_id } => (Some(payment_id.as_str()), None),
                CheckoutState::Failed(failure) => (None, Some(*failure)),
            };
            let done = sqlx::query::<$database>(sql::DECIDE_CHECKOUT)
                .bind(checkout.owner.as_str())
                .bind(checkout.id.as_uuid())
                .bind(checkout.state.as_str())
                .bind(failure.map(CheckoutFailure::as_str))
                .bind(
                    failure.and_then(CheckoutFailure::decline_reason).map(|reason| reason.as_str()),
                )
                .bind(payment)
                .bind(micros(checkout.updated_at))
                .execute(on)
                .await;
            won(done.map_err(failed)?.rows_affected())
        }

        pub(super) async fn insert_event(
            on: &mut $connection,
            checkout: &Checkout,
            event: &CheckoutEvent,
        ) -> Result<(), StoreError> {
            let done = sqlx::query::<$database>(sql::INSERT_EVENT)
                .bind(checkout.owner.as_str())
                .bind(checkout.id.as_uuid())
                .bind(event.seq)
                .bind(event.from.as_str())
                .bind(event.to.as_str())
                .bind(event.evidence.as_str())
                .bind(micros(checkout.updated_at))
                .execute(on)
                .await;
            done.map(drop).map_err(failed)
        }

        pub(super) async fn events(
            on: &mut $connection,
            owner: &UserId,
            checkout: CheckoutId,
        ) -> Result<Vec<CheckoutEvent>, StoreError> {
            let query = sqlx::query_as::<$database, EventRow>(sql::EVENTS);
            let rows = query.bind(owner.as_str()).bind(checkout.as_uuid()).fetch_all(on).await;
            rows.map_err(failed)?.into_iter().map(EventRow::into_event).collect()
        }
    };
}

pub(super) use statements;
