//! How records stand in columns, the same in both databases.

use oxcart_types::{Money, PaymentId};
use service_kit::database::{from_micros, micros};

use super::StoreError;
use crate::domain::{
    acquirer::AcquirerCharge,
    card::{Brand, KeptCard},
    key::PaymentKey,
    payment::{Cursor, DeclineReason, Order, Outcome, Payment, Range, State},
    scenario::Verdict,
    token::PaymentToken,
};

/// Key, amount, currency, token, state, payment id, decline reason, created, updated, refunded.
pub(super) type PaymentRow = (
    String,
    Option<i64>,
    Option<String>,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    i64,
    i64,
    Option<i64>,
);

/// Key, amount, currency, payment id, decline reason, decided, created, refunded.
pub(super) type ChargeRow =
    (String, i64, String, Option<String>, Option<String>, i64, i64, Option<i64>);

/// Decline reason, brand, last four.
pub(super) type CardRow = (Option<String>, String, String);

/// A state in its columns.
pub(super) struct StateColumns<'a> {
    pub(super) state: &'static str,
    pub(super) payment_id: Option<&'a str>,
    pub(super) decline_reason: Option<&'static str>,
    pub(super) refunded_at: Option<i64>,
}

impl<'a> From<&'a State> for StateColumns<'a> {
    fn from(state: &'a State) -> Self {
        let plain =
            |state| Self { state, payment_id: None, decline_reason: None, refunded_at: None };
        match state {
            State::Processing => plain("PROCESSING"),
            State::Cancelled => plain("CANCELLED"),
            State::Declined(reason) => {
                Self { decline_reason: Some(reason.name()), ..plain("DECLINED") }
            }
            State::Captured { payment_id, refunded_at } => Self {
                payment_id: Some(payment_id.as_str()),
                refunded_at: refunded_at.map(micros),
                ..plain("CAPTURED")
            },
        }
    }
}

pub(super) fn payment(row: PaymentRow) -> Result<Payment, StoreError> {
    let (key, amount, currency, token, state, payment_id, reason, created, updated, refunded) = row;
    let order = match (amount, currency, token) {
        (Some(minor_units), Some(currency), Some(token)) => Some(Order {
            amount: money(&currency, minor_units)?,
            token: token.parse().map_err(|_| StoreError::Corrupt("payment token"))?,
        }),
        _ => None,
    };
    let state = match state.as_str() {
        "PROCESSING" => State::Processing,
        "CANCELLED" => State::Cancelled,
        _ => match (outcome(payment_id, reason)?, refunded.map(from_micros)) {
            (Outcome::Captured(payment_id), refunded_at) => {
                State::Captured { payment_id, refunded_at }
            }
            (Outcome::Declined(reason), _) => State::Declined(reason),
        },
    };
    Ok(Payment {
        key: payment_key(&key)?,
        order,
        state,
        created_at: from_micros(created),
        updated_at: from_micros(updated),
    })
}

pub(super) fn charge(row: ChargeRow) -> Result<AcquirerCharge, StoreError> {
    let (key, minor_units, currency, payment_id, reason, decided, created, refunded) = row;
    Ok(AcquirerCharge {
        key: payment_key(&key)?,
        amount: money(&currency, minor_units)?,
        outcome: outcome(payment_id, reason)?,
        decided_at: from_micros(decided),
        created_at: from_micros(created),
        refunded_at: refunded.map(from_micros),
    })
}

pub(super) fn card(row: CardRow) -> Result<KeptCard, StoreError> {
    let (reason, brand, last_four) = row;
    let verdict = match reason {
        None => Verdict::Paid,
        Some(reason) => Verdict::Declined(decline_reason(&reason)?),
    };
    let brand = Brand::from_name(&brand).ok_or(StoreError::Corrupt("card brand"))?;
    Ok(KeptCard { verdict, brand, last_four })
}

/// The columns of an outcome: payment id and decline reason, one of them null.
pub(super) fn outcome_columns(outcome: &Outcome) -> (Option<&str>, Option<&'static str>) {
    match outcome {
        Outcome::Captured(payment_id) => (Some(payment_id.as_str()), None),
        Outcome::Declined(reason) => (None, Some(reason.name())),
    }
}

/// The column of a verdict.
pub(super) const fn verdict_column(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Paid => None,
        Verdict::Declined(reason) => Some(reason.name()),
    }
}

/// The columns of what is to be paid, all null or none.
pub(super) fn order_columns(
    order: Option<&Order>,
) -> (Option<i64>, Option<&'static str>, Option<&str>) {
    let amount = order.map(|order| order.amount);
    (
        amount.map(Money::minor_units),
        amount.map(|amount| amount.currency().code()),
        order.map(|order| PaymentToken::expose(&order.token)),
    )
}

/// A page's limits: from, before, and the pair to start behind. No key is empty, so that the empty
/// one stands before all.
pub(super) fn list_limits(range: Range, after: Option<&Cursor>) -> (i64, i64, i64, &str) {
    let start = range.start.map_or(i64::MIN, micros);
    let end = range.end.map_or(i64::MAX, micros);
    let (created_at, key) =
        after.map_or((i64::MIN, ""), |after| (micros(after.created_at), after.key.as_str()));
    (start, end, created_at, key)
}

pub(super) fn payment_key(text: &str) -> Result<PaymentKey, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt("payment key"))
}

fn money(currency: &str, minor_units: i64) -> Result<Money, StoreError> {
    Money::from_parts(currency, minor_units).map_err(|_| StoreError::Corrupt("amount"))
}

fn decline_reason(name: &str) -> Result<DeclineReason, StoreError> {
    DeclineReason::from_name(name).ok_or(StoreError::Corrupt("decline reason"))
}

fn outcome(payment_id: Option<String>, reason: Option<String>) -> Result<Outcome, StoreError> {
    match (payment_id, reason) {
        (Some(payment_id), None) => {
            let payment_id = payment_id.parse::<PaymentId>();
            Ok(Outcome::Captured(payment_id.map_err(|_| StoreError::Corrupt("payment id"))?))
        }
        (None, Some(reason)) => Ok(Outcome::Declined(decline_reason(&reason)?)),
        _ => Err(StoreError::Corrupt("outcome")),
    }
}
