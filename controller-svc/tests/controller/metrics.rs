//! What an operator sees of checkouts. The tests of a process share its metrics, so each compares
//! before and after.

use kit_testing::metric;
use oxcart_proto::Reason;

use super::{
    services::{Call, Fault},
    world::{World, config, impatient},
};

fn runs(by: &str, outcome: &str) -> f64 {
    metric("saga_run_duration_seconds_count", &[("by", by), ("outcome", outcome)])
}

fn steps(step: &str, seen: &str) -> f64 {
    metric("saga_steps_total", &[("step", step), ("seen", seen)])
}

fn alarms(alarm: &str) -> f64 {
    metric("saga_alarms_total", &[("alarm", alarm)])
}

#[tokio::test]
async fn a_run_is_counted_by_how_it_ends() {
    for (token, outcome) in [("tok_visa", "paid"), ("tok_declined", "declined")] {
        let before = runs("client", outcome);
        let world = World::new();
        world.controller(1, config()).buy(&world, "r1", token).await.unwrap();
        assert!(runs("client", outcome) > before, "{outcome}");
    }
    let before = runs("client", "cancelled");
    let world = World::new();
    world.fakes.fail_always(Call::Charge, Some(Fault::Late));
    world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(runs("client", "cancelled") > before);
}

#[tokio::test]
async fn each_try_of_a_charge_is_counted_by_what_it_showed() {
    let before = steps("charge", "unknown");
    let world = World::new();
    world.fakes.fail_always(Call::Charge, Some(Fault::AnswerLost));
    world.controller(1, config()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(steps("charge", "unknown") >= before + 3.0);
}

#[tokio::test]
async fn what_recovery_finishes_is_counted_as_its_own() {
    let pending = runs("client", "pending");
    let (leased, paid) = (metric("saga_recovery_attempts_count", &[]), runs("recovery", "paid"));
    let world = World::new();
    world.fakes.fail_next(Call::Confirm, Fault::Lost);
    world.controller(1, impatient()).buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(runs("client", "pending") > pending);
    world.recover().await;
    assert!(metric("saga_recovery_attempts_count", &[]) > leased);
    assert!(runs("recovery", "paid") > paid);
}

#[tokio::test]
async fn what_a_person_has_to_look_at_rings() {
    let (contradictions, stuck) = (alarms("contradiction"), alarms("stuck"));
    let world = World::new();
    let contradicted = Fault::Refused(Reason::CheckoutContradicted);
    world.fakes.fail_always(Call::Confirm, Some(contradicted));
    let controller = world.controller(1, impatient());
    controller.buy(&world, "r1", "tok_visa").await.unwrap();
    assert!(alarms("contradiction") > contradictions);
    for _ in 0..10 {
        world.let_leases_end();
        controller.recovery.round().await;
    }
    assert!(alarms("stuck") > stuck);
}
