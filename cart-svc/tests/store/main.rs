//! One suite for every store: what the service promises, on memory, SQLite and PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod carts;
mod checkouts;
mod leases;
mod rows;
mod shop;

/// Makes each test once for each store.
macro_rules! suite {
    ($($room:ident { $($test:ident)+ })+) => {
        suite!(@store on_memory, memory, $($room { $($test)+ })+);
        suite!(@store on_sqlite, sqlite, $($room { $($test)+ })+);
        suite!(@store on_postgres, postgres, $($room { $($test)+ })+);
    };
    (@store $module:ident, $open:ident, $($room:ident { $($test:ident)+ })+) => {
        mod $module {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::$room::$test(crate::shop::Shop::$open().await).await;
                }
            )+)+
        }
    };
}

suite! {
    carts {
        a_cart_is_found_as_it_was_saved
        creating_a_cart_again_makes_no_second_one
        users_who_name_their_carts_alike_never_meet
        a_stale_version_changes_nothing
        sixteen_writers_of_one_cart_lose_nothing
        sixteen_writers_of_one_version_have_one_winner
        a_repeated_write_makes_no_new_version
        the_limit_of_carts_holds_however_many_are_created_at_once
        purchased_carts_do_not_count_towards_the_limit
        pages_show_every_cart_once_and_the_youngest_first
        purchases_are_listed_by_when_they_were_made
        carts_of_one_moment_are_ordered_by_id
        a_deleted_cart_is_gone_and_a_new_one_of_that_id_is_another
    }
    checkouts {
        a_captured_payment_purchases_the_cart_as_it_was_priced
        a_declined_payment_opens_the_cart_again
        a_frozen_cart_accepts_no_change
        a_repeated_request_finds_its_checkout_whatever_became_of_it
        a_request_id_means_one_thing_for_each_user
        the_same_request_twice_at_once_makes_one_checkout
        checkouts_of_one_cart_have_one_winner
        a_refused_checkout_that_is_delivered_again_stays_refused
        a_late_outcome_of_one_checkout_leaves_the_next_alone
        outcomes_may_be_repeated_and_are_logged_once
        a_purchased_cart_is_left_alone_by_late_copies_of_anything
        contrary_outcomes_at_once_leave_one_of_them
        somebody_elses_checkout_does_not_exist
        the_event_log_is_a_path
    }
    leases {
        an_overdue_checkout_is_handed_to_one_worker
        a_young_or_decided_checkout_is_not_handed_out
        a_lease_that_was_read_before_another_is_void
        the_most_overdue_are_handed_out_first
        the_time_to_charge_runs_out
    }
}
