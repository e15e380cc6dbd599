//! What the register promises whoever is on top of it.

use std::collections::BTreeSet;

use oxcart_types::DeclineReason;
use payment_stub::{
    domain::{
        acquirer::AcquirerCharge,
        card::{CardNumber, KeptCard},
        payment::{Cursor, Outcome, Payment, Range},
    },
    store::Stores,
};
use time::Duration;

use crate::{NOON, key, processing, terms};

fn captured(payment_id: &str) -> Outcome {
    Outcome::Captured(payment_id.parse().unwrap())
}

/// Opens and settles a payment.
async fn decided(stores: &Stores, name: &str, outcome: Outcome) -> Payment {
    stores.payments.open(&processing(name)).await.unwrap();
    stores.payments.settle(&key(name), &outcome, NOON + Duration::SECOND).await.unwrap().unwrap()
}

pub async fn what_is_written_reads_back(stores: Stores) {
    let late = Payment::open(key("late"), terms(7, "tok_visa"), Some(NOON - Duration::HOUR), NOON);
    let mut written = vec![processing("open"), late, Payment::tombstone(key("none"), NOON)];
    for payment in &written {
        assert!(stores.payments.open(payment).await.unwrap().created);
    }
    written.push(decided(&stores, "paid", captured("pay_1")).await);
    for &reason in DeclineReason::ALL {
        written.push(decided(&stores, reason.as_str(), Outcome::Declined(reason)).await);
    }
    for payment in written {
        let read = stores.payments.find(&payment.key).await.unwrap();
        assert_eq!(read, Some(payment));
    }
    assert_eq!(stores.payments.find(&key("unheard-of")).await.unwrap(), None);
}

pub async fn one_of_many_attempts_to_open_a_key_wins(stores: Stores) {
    let attempts: Vec<_> = (1..=16)
        .map(|minor_units| {
            let store = stores.payments.clone();
            let payment = Payment::open(key("k"), terms(minor_units, "tok_visa"), None, NOON);
            tokio::spawn(async move { store.open(&payment).await.unwrap() })
        })
        .collect();
    let mut opened = Vec::new();
    for attempt in attempts {
        opened.push(attempt.await.unwrap());
    }
    assert_eq!(opened.iter().filter(|opened| opened.created).count(), 1);
    let winner = stores.payments.find(&key("k")).await.unwrap().unwrap();
    assert!(opened.iter().all(|opened| opened.payment == winner));
}

pub async fn charge_and_resolve_race_to_one_record(stores: Stores) {
    for round in 0..32 {
        let key = key(&format!("k{round}"));
        let attempts = [processing(key.as_str()), Payment::tombstone(key.clone(), NOON)];
        let [charge, resolve] = attempts.map(|payment| {
            let store = stores.payments.clone();
            tokio::spawn(async move { store.open(&payment).await.unwrap() })
        });
        let (charge, resolve) = (charge.await.unwrap(), resolve.await.unwrap());
        assert_eq!(charge.payment, resolve.payment, "{key}");
        assert_ne!(charge.created, resolve.created, "{key}");
        assert_eq!(stores.payments.find(&key).await.unwrap(), Some(charge.payment));
    }
}

pub async fn a_decided_record_never_changes(stores: Stores) {
    let tombstone = Payment::tombstone(key("cancelled"), NOON);
    stores.payments.open(&tombstone).await.unwrap();
    let declined = Outcome::Declined(DeclineReason::LostCard);
    let records = [
        decided(&stores, "captured", captured("pay_1")).await,
        decided(&stores, "declined", declined).await,
        tombstone,
    ];
    let later = NOON + Duration::DAY;
    for record in records {
        for outcome in [captured("pay_2"), Outcome::Declined(DeclineReason::Generic)] {
            let settled = stores.payments.settle(&record.key, &outcome, later).await.unwrap();
            assert_eq!(settled.as_ref(), Some(&record));
        }
        let attempt = Payment::open(record.key.clone(), terms(1_250, "tok_visa"), None, later);
        let opened = stores.payments.open(&attempt).await.unwrap();
        assert_eq!((opened.created, &opened.payment), (false, &record));
        if record.key != key("captured") {
            let refunded = stores.payments.refund(&record.key, later).await.unwrap();
            assert_eq!(refunded.as_ref(), Some(&record));
        }
        assert_eq!(stores.payments.find(&record.key).await.unwrap(), Some(record));
    }
}

pub async fn one_of_many_outcomes_is_stored(stores: Stores) {
    stores.payments.open(&processing("k")).await.unwrap();
    let attempts: Vec<_> = (0..16)
        .map(|number| {
            let store = stores.payments.clone();
            let outcome = match number % 2 {
                0 => captured(&format!("pay_{number}")),
                _ => Outcome::Declined(DeclineReason::ALL[number % 7]),
            };
            tokio::spawn(async move { store.settle(&key("k"), &outcome, NOON).await.unwrap() })
        })
        .collect();
    let mut seen = Vec::new();
    for attempt in attempts {
        seen.push(attempt.await.unwrap());
    }
    let winner = stores.payments.find(&key("k")).await.unwrap();
    assert!(winner.as_ref().is_some_and(Payment::is_terminal));
    assert!(seen.iter().all(|seen| *seen == winner));
}

pub async fn an_unopened_key_is_not_settled(stores: Stores) {
    let settled = stores.payments.settle(&key("k"), &captured("pay_1"), NOON).await.unwrap();
    assert_eq!(settled, None);
    assert_eq!(stores.payments.refund(&key("k"), NOON).await.unwrap(), None);
    assert_eq!(stores.payments.find(&key("k")).await.unwrap(), None);
}

pub async fn a_refund_is_noted_once(stores: Stores) {
    let before = decided(&stores, "k", captured("pay_1")).await;
    let at = NOON + Duration::HOUR;
    let refunded = stores.payments.refund(&key("k"), at).await.unwrap().unwrap();
    assert_eq!(refunded, before.refund(at).unwrap());
    let again = stores.payments.refund(&key("k"), at + Duration::HOUR).await.unwrap();
    assert_eq!(again, Some(refunded));
}

pub async fn pages_hold_every_payment_once_in_order(stores: Stores) {
    let mut written = Vec::new();
    for number in 0..25 {
        // Four of a time each, with keys that order otherwise in most collations.
        let created_at = NOON + Duration::seconds(number / 4);
        let name =
            format!("{}{number}", ["a", "B", "_", "-"][usize::try_from(number % 4).unwrap()]);
        let payment = Payment::open(key(&name), terms(1, "tok_visa"), None, created_at);
        stores.payments.open(&payment).await.unwrap();
        written.push(payment);
    }
    written.sort_by_key(|payment| (payment.created_at, payment.key.clone()));
    let (mut read, mut after) = (Vec::<Payment>::new(), None);
    loop {
        let page = stores.payments.list(Range::default(), after.as_ref(), 4).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Cursor { created_at: last.created_at, key: last.key.clone() });
        read.extend(page);
    }
    assert_eq!(read, written);
}

pub async fn a_range_of_time_selects_payments(stores: Stores) {
    for number in 0..5 {
        let created_at = NOON + Duration::seconds(number);
        let payment = Payment::tombstone(key(&number.to_string()), created_at);
        stores.payments.open(&payment).await.unwrap();
    }
    let second = |number| Some(NOON + Duration::seconds(number));
    for (start, end, keys) in [
        (None, None, "01234"),
        (second(2), None, "234"),
        (None, second(2), "01"),
        (second(1), second(3), "12"),
        (second(2), second(2), ""),
    ] {
        let found = stores.payments.list(Range { start, end }, None, 10).await.unwrap();
        assert_eq!(found.iter().map(|payment| payment.key.as_str()).collect::<String>(), keys);
    }
}

pub async fn undecided_keys_are_found_and_no_others(stores: Stores) {
    decided(&stores, "paid", captured("pay_1")).await;
    decided(&stores, "declined", Outcome::Declined(DeclineReason::Generic)).await;
    stores.payments.open(&Payment::tombstone(key("none"), NOON)).await.unwrap();
    let open: BTreeSet<_> = (0..7).map(|number| key(&format!("open{number}"))).collect();
    for key in &open {
        stores.payments.open(&processing(key.as_str())).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = stores.payments.undecided(after.as_ref(), 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        found.extend(page);
    }
    assert_eq!(found, Vec::from_iter(open));
}

pub async fn what_is_kept_of_a_card_reads_back(stores: Stores) {
    for number in ["4242424242424242", "378282246310005", "4000000000009979"] {
        let token = format!("tok_of_{number}").parse().unwrap();
        let card = KeptCard::from(&CardNumber::parse(number).ok().unwrap());
        stores.acquirer.keep_card(&token, &card, NOON).await.unwrap();
        assert_eq!(stores.acquirer.card(&token).await.unwrap(), Some(card));
    }
    let unknown = "tok_unknown".parse().unwrap();
    assert_eq!(stores.acquirer.card(&unknown).await.unwrap(), None);
}

pub async fn the_acquirer_keeps_one_charge_for_a_key(stores: Stores) {
    let charge = |outcome, at| AcquirerCharge {
        key: key("k"),
        amount: terms(1, "tok_visa").amount,
        outcome,
        decided_at: at + Duration::SECOND,
        created_at: at,
        refunded_at: None,
    };
    let first = charge(captured("pay_1"), NOON);
    assert_eq!(stores.acquirer.charge(&first).await.unwrap(), first);
    let second = charge(Outcome::Declined(DeclineReason::Generic), NOON + Duration::HOUR);
    assert_eq!(stores.acquirer.charge(&second).await.unwrap(), first);
    for hour in 1..3 {
        stores.acquirer.refund_charge(&key("k"), NOON + Duration::hours(hour)).await.unwrap();
    }
    let refunded = AcquirerCharge { refunded_at: Some(NOON + Duration::HOUR), ..first };
    assert_eq!(stores.acquirer.find_charge(&key("k")).await.unwrap(), Some(refunded));
}
