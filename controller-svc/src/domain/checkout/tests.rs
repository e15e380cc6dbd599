use super::*;

fn capture(payment: &str) -> Capture {
    let amount = Money::from_parts("GBP", 1_250).unwrap();
    Capture { payment: payment.parse().unwrap(), amount }
}

const DECLINED: CheckoutFailure = CheckoutFailure::Declined(DeclineReason::LostCard);

fn steps() -> Vec<Step> {
    vec![
        Step::Charge { tries: 3 },
        Step::Charge { tries: 2 },
        Step::Charge { tries: 1 },
        Step::Charge { tries: 0 },
        Step::Resolve,
        Step::Confirm(capture("p1")),
        Step::Unmark(DECLINED),
        Step::Unmark(CheckoutFailure::Cancelled),
    ]
}

fn sights() -> Vec<Observation> {
    vec![
        Observation::Unknown,
        Observation::WindowOver,
        Observation::Refused,
        Observation::Contradicted,
        Observation::Record(Payment::Processing),
        Observation::Record(Payment::Captured(capture("p1"))),
        Observation::Record(Payment::Declined(DeclineReason::LostCard)),
        Observation::Record(Payment::Cancelled),
        Observation::Stored(CheckoutState::Pending),
        Observation::Stored(CheckoutState::Paid { payment_id: "p1".parse().unwrap() }),
        Observation::Stored(CheckoutState::Paid { payment_id: "p2".parse().unwrap() }),
        Observation::Stored(CheckoutState::Failed(DECLINED)),
        Observation::Stored(CheckoutState::Failed(CheckoutFailure::Cancelled)),
    ]
}

fn asks_payment(step: &Step) -> bool {
    matches!(step, Step::Charge { .. } | Step::Resolve)
}

/// What the rule should say, written the other way round: by outcome.
fn expected(step: &Step, seen: &Observation) -> Option<Next> {
    let stored = |state: &CheckoutState| match (step, state) {
        (Step::Confirm(capture), CheckoutState::Paid { payment_id: payment }) => {
            capture.payment == *payment
        }
        (Step::Unmark(failure), CheckoutState::Failed(stored)) => failure == stored,
        _ => false,
    };
    match seen {
        Observation::Record(Payment::Processing) if asks_payment(step) => {
            Some(Next::Later(Step::Resolve))
        }
        Observation::Record(Payment::Captured(it)) if asks_payment(step) => {
            Some(Next::Now(Step::Confirm(it.clone())))
        }
        Observation::Record(Payment::Declined(reason)) if asks_payment(step) => {
            Some(Next::Now(Step::Unmark(CheckoutFailure::Declined(*reason))))
        }
        Observation::Record(Payment::Cancelled) if asks_payment(step) => {
            Some(Next::Now(Step::Unmark(CheckoutFailure::Cancelled)))
        }
        Observation::Stored(state) if stored(state) => Some(Next::Decided),
        Observation::Unknown => Some(Next::Later(match step {
            Step::Charge { tries: 3 } => Step::Charge { tries: 2 },
            Step::Charge { tries: 2 } => Step::Charge { tries: 1 },
            Step::Charge { .. } => Step::Resolve,
            other => other.clone(),
        })),
        Observation::Refused | Observation::WindowOver if matches!(step, Step::Charge { .. }) => {
            Some(Next::Now(Step::Resolve))
        }
        Observation::Refused => Some(Next::Later(step.clone())),
        _ => None,
    }
}

#[test]
fn every_step_and_sight_has_the_one_right_answer() {
    for step in steps() {
        for seen in sights() {
            let said = next(step.clone(), seen.clone()).ok();
            assert_eq!(said, expected(&step, &seen), "{step:?} saw {seen:?}");
        }
    }
}

#[test]
fn a_checkout_is_unmarked_only_on_a_terminal_record_that_was_read_back() {
    for step in steps().into_iter().filter(|step| !matches!(step, Step::Unmark(_))) {
        for seen in sights() {
            let record =
                matches!(seen, Observation::Record(Payment::Declined(_) | Payment::Cancelled));
            let said = next(step.clone(), seen);
            let unmarks =
                matches!(said, Ok(Next::Now(Step::Unmark(_)) | Next::Later(Step::Unmark(_))));
            assert!(!unmarks || record, "{step:?}");
        }
    }
}

#[test]
fn recovery_never_charges() {
    let mut reached = vec![Step::first(false)];
    let mut index = 0;
    while let Some(step) = reached.get(index).cloned() {
        assert!(!matches!(step, Step::Charge { .. }), "{step:?}");
        for seen in sights() {
            if let Ok(Next::Now(step) | Next::Later(step)) = next(step.clone(), seen)
                && !reached.contains(&step)
            {
                reached.push(step);
            }
        }
        index += 1;
    }
}

#[test]
fn an_unknown_charge_is_asked_again_and_then_resolved() {
    let mut step = Step::first(true);
    let mut charges = 0;
    while matches!(step, Step::Charge { .. }) {
        charges += 1;
        let Ok(Next::Later(after)) = next(step, Observation::Unknown) else { panic!("not later") };
        step = after;
    }
    assert_eq!((charges, step), (CHARGE_TRIES, Step::Resolve));
}
