//! How records stand in columns, the same in both databases.

use kit_database::{Row, micros};
use oxcart_types::{DeclineReason, Money, PaymentState};

use super::StoreError;
use crate::domain::{
    acquirer::AcquirerCharge,
    card::{Brand, KeptCard},
    payment::{ChargeTerms, Cursor, Outcome, Payment, Range},
    scenario::Verdict,
    token::PaymentToken,
};

/// A state in its columns.
pub(super) struct StateColumns<'a> {
    pub(super) state: &'static str,
    pub(super) payment_id: Option<&'a str>,
    pub(super) decline_reason: Option<&'static str>,
    pub(super) refunded_at: Option<i64>,
}

impl<'a> From<&'a PaymentState> for StateColumns<'a> {
    fn from(state: &'a PaymentState) -> Self {
        let plain =
            |state| Self { state, payment_id: None, decline_reason: None, refunded_at: None };
        match state {
            PaymentState::Processing => plain("PROCESSING"),
            PaymentState::Cancelled => plain("CANCELLED"),
            PaymentState::Declined(reason) => {
                Self { decline_reason: Some(reason.as_str()), ..plain("DECLINED") }
            }
            PaymentState::Captured { payment_id, refunded_at } => Self {
                payment_id: Some(payment_id.as_str()),
                refunded_at: refunded_at.map(micros),
                ..plain("CAPTURED")
            },
        }
    }
}

/// A payment from the columns of `payment`.
pub(super) fn payment(row: &Row) -> Result<Payment, StoreError> {
    let state = match row.get("state")? {
        "PROCESSING" => PaymentState::Processing,
        "CANCELLED" => PaymentState::Cancelled,
        _ => match outcome(row)? {
            Outcome::Declined(reason) => PaymentState::Declined(reason),
            Outcome::Captured(payment_id) => PaymentState::Captured {
                payment_id,
                refunded_at: row.time_optional("refunded_at")?,
            },
        },
    };
    Ok(Payment {
        key: row.parse("payment_key")?,
        terms: terms(row)?,
        state,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// A charge from the columns of `acquirer_charge`.
pub(super) fn charge(row: &Row) -> Result<AcquirerCharge, StoreError> {
    Ok(AcquirerCharge {
        key: row.parse("payment_key")?,
        amount: money(row.get("currency")?, row.get("amount_minor")?)?,
        outcome: outcome(row)?,
        decided_at: row.time("decided_at")?,
        created_at: row.time("created_at")?,
        refunded_at: row.time_optional("refunded_at")?,
    })
}

/// A card from the columns of `acquirer_card`.
pub(super) fn card(row: &Row) -> Result<KeptCard, StoreError> {
    let reason: Option<&str> = row.get("decline_reason")?;
    let verdict = match reason {
        None => Verdict::Paid,
        Some(reason) => Verdict::Declined(decline_reason(reason)?),
    };
    let brand = Brand::from_name(row.get("brand")?);
    let brand = brand.ok_or_else(|| StoreError::inconsistent("card brand"))?;
    Ok(KeptCard { verdict, brand, last_four: row.get("last_four")? })
}

/// The columns of an outcome: payment id and decline reason, one of them null.
pub(super) fn outcome_columns(outcome: &Outcome) -> (Option<&str>, Option<&'static str>) {
    match outcome {
        Outcome::Captured(payment_id) => (Some(payment_id.as_str()), None),
        Outcome::Declined(reason) => (None, Some(reason.as_str())),
    }
}

/// The column of a verdict.
pub(super) const fn verdict_column(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Paid => None,
        Verdict::Declined(reason) => Some(reason.as_str()),
    }
}

/// The columns of what is to be paid, all null or none.
pub(super) fn terms_columns(
    terms: Option<&ChargeTerms>,
) -> (Option<i64>, Option<&'static str>, Option<&str>) {
    let amount = terms.map(|terms| terms.amount);
    (
        amount.map(Money::minor_units),
        amount.map(|amount| amount.currency().code()),
        terms.map(|terms| PaymentToken::expose(&terms.token)),
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

fn terms(row: &Row) -> Result<Option<ChargeTerms>, StoreError> {
    let token = row.parse_optional("token_ref")?;
    match (row.get("currency")?, row.get("amount_minor")?, token) {
        (Some(currency), Some(minor_units), Some(token)) => {
            Ok(Some(ChargeTerms { amount: money(currency, minor_units)?, token }))
        }
        _ => Ok(None),
    }
}

fn outcome(row: &Row) -> Result<Outcome, StoreError> {
    match (row.parse_optional("payment_id")?, row.get("decline_reason")?) {
        (Some(payment_id), None) => Ok(Outcome::Captured(payment_id)),
        (None, Some(reason)) => Ok(Outcome::Declined(decline_reason(reason)?)),
        _ => Err(StoreError::inconsistent("outcome")),
    }
}

fn money(currency: &str, minor_units: i64) -> Result<Money, StoreError> {
    Money::from_parts(currency, minor_units)
        .map_err(|error| StoreError::unreadable("amount", error))
}

fn decline_reason(name: &str) -> Result<DeclineReason, StoreError> {
    name.parse().map_err(|error| StoreError::unreadable("decline reason", error))
}
