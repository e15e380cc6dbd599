//! One suite of named tests on memory, SQLite and PostgreSQL: the register by itself, and charging on
//! top of it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "store/charging.rs"]
mod charging;
#[path = "store/register.rs"]
mod register;

use std::{future::Future, time::Duration};

use kit_database::Database;
use oxcart_types::Money;
use payment_stub::{
    domain::{
        key::PaymentKey,
        payment::{ChargeTerms, Payment},
    },
    store::{MIGRATIONS, Stores},
};
use time::{OffsetDateTime, macros::datetime};

/// When every test begins.
const NOON: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Defines each test once for each store.
macro_rules! on_every_store {
    ($room:ident: $($name:ident),+ $(,)?) => {
        mod $room {
            $(mod $name {
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_memory() {
                    crate::on_memory(crate::$room::$name).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    crate::on_sqlite(crate::$room::$name).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    crate::on_postgres(crate::$room::$name).await;
                }
            })+
        }
    };
}

mod every_store {
    on_every_store!(register:
        what_is_written_reads_back,
        one_of_many_attempts_to_open_a_key_wins,
        charge_and_resolve_race_to_one_record,
        a_decided_record_never_changes,
        one_of_many_outcomes_is_stored,
        an_unopened_key_is_not_settled,
        a_refund_is_noted_once,
        pages_hold_every_payment_once_in_order,
        a_range_of_time_selects_payments,
        undecided_keys_are_found_and_no_others,
        what_is_kept_of_a_card_reads_back,
        the_acquirer_keeps_one_charge_for_a_key,
    );
    on_every_store!(charging:
        sixteen_charges_at_once_capture_once,
        charges_of_many_keys_at_once_capture_each_once,
        the_same_charge_gives_the_same_answer,
        a_key_is_not_reused_for_another_amount,
        a_tombstone_is_never_charged,
        a_charge_after_its_time_is_cancelled_for_good,
        resolve_leaves_what_is_under_way,
        captured_at_the_acquirer_but_unknown_here_is_found_after_boot,
        a_charge_that_never_reached_the_acquirer_is_made_after_boot,
        a_payment_that_outlives_the_process_is_decided_by_the_next,
        an_acquirer_that_fails_is_asked_again,
        a_declined_key_stays_declined,
        an_unknown_token_is_declined,
        a_late_payment_is_processing_until_its_time,
        a_refund_gives_back_once_and_only_what_was_captured,
        unavailable_calls_leave_no_trace,
        a_lost_reply_hides_a_capture_from_one_call_only,
        a_payment_without_replies_is_seen_by_resolve,
    );
}

/// Runs `test` on memory.
async fn on_memory<F: Future<Output = ()>>(test: impl FnOnce(Stores) -> F) {
    test(Stores::open(&Database::Memory)).await;
}

/// Runs `test` on a new SQLite file.
async fn on_sqlite<F: Future<Output = ()>>(test: impl FnOnce(Stores) -> F) {
    let (database, _folder) = kit_testing::sqlite("payment").await;
    database.migrate(&MIGRATIONS).await.unwrap();
    test(Stores::open(&database)).await;
}

/// Runs `test` on a new PostgreSQL database.
async fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(Stores) -> F) {
    let database = kit_testing::postgres("payment").await;
    database.migrate(&MIGRATIONS).await.unwrap();
    test(Stores::open(&database)).await;
}

/// The payment key `text`.
fn key(text: &str) -> PaymentKey {
    text.parse().unwrap()
}

/// `minor_units` pence with `token`.
fn terms(minor_units: i64, token: &str) -> ChargeTerms {
    let amount = Money::from_parts("GBP", minor_units).unwrap();
    ChargeTerms { amount, token: token.parse().unwrap() }
}

/// A payment under way since noon.
fn processing(name: &str) -> Payment {
    Payment::open(key(name), terms(1_250, "tok_visa"), None, NOON)
}
