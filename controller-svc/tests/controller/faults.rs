//! What a purchase does when something fails at any step, before or after it took effect.

use oxcart_types::{CartDetails, CartState, CheckoutFailure, CheckoutState, DeclineReason};
use std::time::Duration;

use controller_svc::{
    app::{
        Error,
        checkout::{Attempt, DriverConfig},
    },
    clients::{CallError, CheckoutName, PaymentToken},
    domain::checkout::{CHARGE_TRIES, Checkout},
};
use oxcart_proto::Reason;
use tokio::time::Instant;

use super::{
    saga::eventually,
    services::{Call, Fault},
    world::{Controller, World, config, impatient, is_paid},
};

const TROUBLE: [Fault; 4] = [Fault::Lost, Fault::AnswerLost, Fault::Late, Fault::Twice];

const CANCELLED: CheckoutState = CheckoutState::Failed(CheckoutFailure::Cancelled);
const DECLINED: CheckoutState =
    CheckoutState::Failed(CheckoutFailure::Declined(DeclineReason::Generic));

/// As a client does: the same request again for as long as the answer is "nobody knows".
async fn buy_until_told(world: &World, controller: &Controller, token: &str) -> Checkout {
    for _ in 0..5 {
        match controller.buy(world, "r1", token).await {
            Err(Error::Call(CallError::Unknown { .. })) => {}
            told => return told.unwrap(),
        }
    }
    panic!("never told");
}

fn stored(world: &World) -> Checkout {
    let name = CheckoutName::Request("r1".parse().unwrap());
    world.fakes.books().checkout(&world.alice.id, &name).unwrap()
}

#[tokio::test]
async fn a_purchase_succeeds_through_one_fault_at_any_step() {
    for call in [Call::Find, Call::Cart, Call::Describe, Call::Mark, Call::Charge, Call::Confirm] {
        for fault in TROUBLE {
            let world = World::new();
            world.fakes.fail_next(call, fault);
            let told = buy_until_told(&world, &world.controller(1, config()), "tok_visa").await;
            world.fakes.deliver_late(None);
            assert!(is_paid(&told), "{call:?} {fault:?}");
            assert_eq!(world.fakes.books().captures(), 1, "{call:?} {fault:?}");
            world.fakes.books().check();
        }
    }
}

#[tokio::test]
async fn a_decline_unwinds_through_one_fault_at_any_step() {
    for call in [Call::Mark, Call::Charge, Call::Unmark] {
        for fault in TROUBLE {
            let world = World::new();
            world.fakes.fail_next(call, fault);
            let told = buy_until_told(&world, &world.controller(1, config()), "tok_declined").await;
            world.fakes.deliver_late(None);
            assert_eq!(
                (told.state, world.state()),
                (DECLINED, CartState::Open),
                "{call:?} {fault:?}"
            );
            world.fakes.books().check();
        }
    }
}

#[tokio::test]
async fn a_call_without_any_answer_is_tried_again() {
    for call in [Call::Charge, Call::Confirm] {
        for fault in [Fault::Hangs, Fault::HangsBefore] {
            let world = World::new();
            world.fakes.fail_next(call, fault);
            let told = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
            assert!(is_paid(&told), "{call:?} {fault:?}");
            assert_eq!(world.fakes.books().captures(), 1);
        }
    }
}

#[tokio::test]
async fn what_is_left_behind_at_any_step_is_finished_by_recovery() {
    for token in ["tok_visa", "tok_declined"] {
        for call in [Call::Charge, Call::Confirm, Call::Unmark] {
            for fault in TROUBLE {
                let world = World::new();
                world.fakes.fail_next(call, fault);
                let first =
                    world.controller(1, impatient()).buy(&world, "r1", token).await.unwrap();
                let charges = world.fakes.made(Call::Charge);
                world.recover().await;
                world.fakes.deliver_late(None);
                let end = stored(&world);
                assert!(end.is_decided(), "{token} {call:?} {fault:?}");
                assert!(
                    !first.is_decided() || first.state == end.state,
                    "{token} {call:?} {fault:?}"
                );
                assert_eq!(world.fakes.made(Call::Charge), charges, "recovery never charges");
                world.fakes.books().check();
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_charge_is_asked_again_and_never_undone() {
    let world = World::new();
    world.fakes.fail_always(Call::Charge, Some(Fault::AnswerLost));
    let told = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(is_paid(&told));
    let charges = usize::from(CHARGE_TRIES);
    assert_eq!((world.fakes.made(Call::Charge), world.fakes.made(Call::Unmark)), (charges, 0));
}

#[tokio::test]
async fn a_charge_that_never_arrives_is_cancelled_for_good() {
    let world = World::new();
    world.fakes.fail_always(Call::Charge, Some(Fault::Late));
    let told = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((told.state, world.state()), (CANCELLED, CartState::Open));
    world.fakes.deliver_late(None);
    assert_eq!(world.fakes.books().captures(), 0, "a charge that arrives late is not captured");
    world.fakes.books().check();
}

#[tokio::test]
async fn a_slow_payment_stays_pending_until_the_processor_answers() {
    for (token, end) in [("tok_slow", None), ("tok_slow_declined", Some(DECLINED))] {
        let world = World::new();
        let controller = world.controller(1, impatient());
        let first = controller.buy(&world, "r1", token).await.unwrap();
        assert_eq!(first.state, CheckoutState::Pending);
        world.let_leases_end();
        controller.recovery.round().await;
        assert_eq!(world.state(), CartState::Pending, "still nobody knows");
        world.fakes.books().settle();
        world.recover().await;
        let state = stored(&world).state;
        assert!(end.is_none_or(|end| end == state) && state != CheckoutState::Pending);
        world.fakes.books().check();
    }
}

#[tokio::test]
async fn after_the_charge_window_a_repetition_only_asks() {
    let world = World::new();
    world.fakes.fail_always(Call::Charge, Some(Fault::Lost));
    world.controller(1, impatient()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((world.state(), world.fakes.made(Call::Charge)), (CartState::Pending, 1));
    world.fakes.fail_always(Call::Charge, None);
    world.fakes.books().now_ms += 8_001;
    let told = world.controller(2, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((told.state, world.fakes.made(Call::Charge)), (CANCELLED, 1));
}

#[tokio::test]
async fn within_the_charge_window_a_repetition_drives_too() {
    let world = World::new();
    world.fakes.fail_next(Call::Charge, Fault::Lost);
    let first = world.controller(1, impatient()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!(first.state, CheckoutState::Pending);
    let told = world.controller(2, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((told.id, is_paid(&told)), (first.id, true));
}

#[tokio::test]
async fn a_token_that_the_processor_cannot_read_cancels_the_purchase() {
    let world = World::new();
    let told = world.controller(1, config()).buy(&world, "r1", "tok_malformed").await.unwrap();
    assert_eq!((told.state, world.state()), (CANCELLED, CartState::Open));
}

#[tokio::test]
async fn a_contradiction_changes_nothing_and_is_left_to_a_person() {
    let world = World::new();
    world.fakes.fail_always(Call::Charge, Some(Fault::Refused(Reason::PaymentKeyReused)));
    let told = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((told.state, world.state()), (CheckoutState::Pending, CartState::Pending));
    let world = World::new();
    world.fakes.fail_always(Call::Confirm, Some(Fault::Refused(Reason::CheckoutContradicted)));
    let told = world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!((told.state, world.fakes.made(Call::Confirm)), (CheckoutState::Pending, 1));
    assert_eq!(world.fakes.made(Call::Unmark), 0);
}

#[tokio::test]
async fn one_checkout_that_cannot_be_finished_stops_no_other() {
    let world = World::new();
    let bob = super::world::shopper("bob");
    let lines = world.cart_now().lines;
    let other =
        world.fakes.books().create(&bob.id, None, &lines, &CartDetails::default()).unwrap().id;
    let controller = world.controller(1, impatient());
    world.fakes.fail_always(Call::Charge, Some(Fault::Lost));
    controller.buy(&world, "r1", "tok_visa").await.unwrap();
    let purchase =
        controller_svc::app::checkout::Purchase { cart: other, ..world.purchase("r1", "tok_visa") };
    controller.app.checkouts.purchase(&bob, purchase).await.unwrap();
    world.fakes.fail_next(Call::Resolve, Fault::HangsBefore);
    world.let_leases_end();
    assert_eq!(controller.recovery.round().await, 2);
    let decided = |world: &World| {
        let books = world.fakes.books();
        books.checkouts.values().filter(|row| row.checkout.is_decided()).count()
    };
    assert_eq!(decided(&world), 1, "one hangs, the other is done");
    world.recover().await;
    assert_eq!(decided(&world), 2);
}

#[tokio::test]
async fn the_recovery_loop_finishes_what_is_overdue_and_stops() {
    let world = World::new();
    world.fakes.fail_next(Call::Confirm, Fault::Lost);
    world.controller(1, impatient()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert_eq!(world.state(), CartState::Pending);
    world.fakes.fail_next(Call::Lease, Fault::Lost);
    world.let_leases_end();
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(world.controller(2, config()).recovery.run(stop.clone()));
    eventually(|| world.state() == CartState::Paid).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_driver_that_stood_still_meanwhile_changes_nothing() {
    for (fault, token, end) in [
        (Fault::Lost, "tok_visa", Some(CANCELLED)),
        (Fault::AnswerLost, "tok_visa", None),
        (Fault::AnswerLost, "tok_declined", Some(DECLINED)),
    ] {
        let world = World::new();
        let controller = world.controller(1, impatient());
        world.fakes.fail_next(Call::Charge, fault);
        let stale = controller.buy(&world, "r1", token).await.unwrap();
        assert_eq!(stale.state, CheckoutState::Pending);
        world.recover().await;
        let (ended, cart) = (stored(&world), world.cart_now());
        assert!(end.map_or(is_paid(&ended), |end| ended.state == end), "{fault:?} {token}");

        // It goes on with what it knew, and still believes that it may charge.
        let window_ends = Instant::now() + Duration::from_secs(8);
        let token = Some((PaymentToken(token.into()), window_ends));
        let run = Attempt { token, time_budget: Duration::from_secs(1) };
        let charges = world.fakes.made(Call::Charge);
        let told = controller.app.checkouts.driver().drive(&stale, run).await.unwrap();
        assert_eq!(world.fakes.made(Call::Charge), charges + 1);
        assert_eq!((told.state, world.cart_now()), (ended.state, cart));
        world.fakes.books().check();
    }
}

#[tokio::test]
async fn two_workers_with_one_checkout_bring_it_to_one_end() {
    for (fault, token) in [
        (Fault::Lost, "tok_visa"),
        (Fault::AnswerLost, "tok_visa"),
        (Fault::AnswerLost, "tok_declined"),
    ] {
        let world = World::new();
        let (one, other) = (world.controller(1, impatient()), world.controller(2, impatient()));
        world.fakes.fail_next(Call::Charge, fault);
        let pending = one.buy(&world, "r1", token).await.unwrap();
        let run = Attempt { token: None, time_budget: Duration::from_secs(1) };
        let (first, second) = tokio::join!(
            one.app.checkouts.driver().drive(&pending, run.clone()),
            other.app.checkouts.driver().drive(&pending, run),
        );
        assert_eq!(world.fakes.made(Call::Resolve), 2, "both were at it");
        let ended = stored(&world);
        assert!(ended.is_decided());
        assert_eq!(
            [first.unwrap().state, second.unwrap().state],
            [ended.state.clone(), ended.state]
        );
        world.fakes.books().check();
    }
}

#[tokio::test]
async fn a_captured_payment_waits_for_a_cart_service_that_is_away() {
    let world = World::new();
    let controller = world.controller(1, impatient());
    world.fakes.fail_always(Call::Confirm, Some(Fault::Lost));
    controller.buy(&world, "r1", "tok_visa").await.unwrap();
    for leases in [1, 0] {
        world.let_leases_end();
        assert_eq!(controller.recovery.round().await, leases);
        assert_eq!((world.state(), world.fakes.books().captures()), (CartState::Pending, 1));
        world.fakes.fail_always(Call::Lease, Some(Fault::Lost));
    }
    world.fakes.fail_always(Call::Confirm, None);
    world.fakes.fail_always(Call::Lease, None);
    world.recover().await;
    assert_eq!((world.state(), world.fakes.made(Call::Unmark)), (CartState::Paid, 0));
    world.fakes.books().check();
}

/// Kills a controller, as `kill -9` does, while a call hangs before or after it took effect.
fn kill_at(world: &World, token: &'static str, call: Call, fault: Fault) {
    world.fakes.fail_next(call, fault);
    let doomed = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let patient = DriverConfig { call_limit: Duration::from_hours(1), ..config() };
    let controller = world.controller(1, patient);
    let (alice, purchase) = (world.alice.clone(), world.purchase("r1", token));
    doomed.spawn(async move { controller.app.checkouts.purchase(&alice, purchase).await });
    doomed.block_on(world.fakes.until_hanging());
    doomed.shutdown_background();
}

fn recover_after_kill(token: &'static str, call: Call, fault: Fault) -> (World, CheckoutState) {
    let world = World::new();
    kill_at(&world, token, call, fault);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(world.recover());
    world.fakes.books().check();
    let end = stored(&world).state;
    (world, end)
}

#[test]
fn killed_between_mark_and_charge_the_purchase_is_cancelled() {
    for (call, fault) in [(Call::Mark, Fault::Hangs), (Call::Charge, Fault::HangsBefore)] {
        let (world, end) = recover_after_kill("tok_visa", call, fault);
        assert_eq!((end, world.state()), (CANCELLED, CartState::Open), "{call:?}");
        assert_eq!(world.fakes.books().captures(), 0);
    }
}

#[test]
fn killed_between_charge_and_confirm_the_purchase_is_paid() {
    for (call, fault) in [
        (Call::Charge, Fault::Hangs),
        (Call::Confirm, Fault::HangsBefore),
        (Call::Confirm, Fault::Hangs),
    ] {
        let (world, end) = recover_after_kill("tok_visa", call, fault);
        assert!(matches!(end, CheckoutState::Paid { .. }), "{call:?} {fault:?}");
        assert_eq!((world.state(), world.fakes.books().captures()), (CartState::Paid, 1));
    }
}

#[test]
fn killed_between_decline_and_unmark_the_cart_opens_again() {
    for (call, fault) in [
        (Call::Charge, Fault::Hangs),
        (Call::Unmark, Fault::HangsBefore),
        (Call::Unmark, Fault::Hangs),
    ] {
        let (world, end) = recover_after_kill("tok_declined", call, fault);
        assert_eq!((end, world.state()), (DECLINED, CartState::Open), "{call:?} {fault:?}");
    }
}

#[test]
fn killed_while_the_processor_decides_the_purchase_ends_as_it_says() {
    for (token, end) in [("tok_slow", CartState::Paid), ("tok_slow_declined", CartState::Open)] {
        let world = World::new();
        kill_at(&world, token, Call::Charge, Fault::Hangs);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        world.let_leases_end();
        assert_eq!(runtime.block_on(world.controller(2, impatient()).recovery.round()), 1);
        assert_eq!(world.state(), CartState::Pending, "nobody knows yet");
        world.fakes.books().settle();
        runtime.block_on(world.recover());
        assert_eq!(world.state(), end);
        world.fakes.books().check();
    }
}

#[test]
fn killed_before_the_mark_nothing_has_happened() {
    let world = World::new();
    kill_at(&world, "tok_visa", Call::Mark, Fault::HangsBefore);
    assert_eq!(world.state(), CartState::Open);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(world.controller(2, config()).buy(&world, "r1", "tok_visa"));
    assert!(is_paid(&told.unwrap()));
}
