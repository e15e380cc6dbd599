//! To pay: write the key down, have it decided, wait a while.
//!
//! A detached task calls the acquirer, because a caller that goes away must not leave it half done.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Error, Payments};
use crate::domain::{
    key::PaymentKey,
    payment::{ChargeTerms, Payment},
    scenario::{Scenario, Trouble},
};
use oxcart_types::PaymentState;

/// A request to pay.
#[derive(Debug)]
pub struct Charge {
    /// What the caller calls it.
    pub key: PaymentKey,
    /// What is to be paid, and how.
    pub terms: ChargeTerms,
    /// A key that is first seen after this time is cancelled.
    pub not_after: Option<OffsetDateTime>,
}

pub(super) async fn charge(
    payments: &Payments,
    charge: Charge,
    patience: Duration,
) -> Result<Payment, Error> {
    let Charge { key, terms, not_after } = charge;
    let amount = terms.amount;
    fail_before(payments, &key, trouble(&terms)).await?;
    let attempt = Payment::open(key, terms, not_after, payments.env.now());
    let opened = payments.store.open(&attempt).await?;
    if !opened.payment.is_for(amount) {
        let key = opened.payment.key;
        tracing::error!(payment.key = %key, "payment key {key} came again with another amount");
        return Err(Error::KeyReused { key });
    }
    let payment = outcome_within(payments, opened.payment, patience).await?;
    fail_after(&payment, opened.created)?;
    Ok(payment)
}

/// The payment once it is decided, or as it is when `patience` ends.
async fn outcome_within(
    payments: &Payments,
    payment: Payment,
    patience: Duration,
) -> Result<Payment, Error> {
    if payment.is_terminal() {
        return Ok(payment);
    }
    // With too many under way none is started: the sweep takes it up.
    let settling = payments.settler.start(&payment.key, payment.terms);
    let done = async {
        match settling {
            Some(settling) => settling.done().await,
            None => None,
        }
    };
    match tokio::time::timeout(patience, done).await {
        Ok(Some(settled)) => Ok(settled),
        // The time budget is used up, or no task is running: the record says how far it is.
        _ => payments.get(payment.key).await,
    }
}

fn trouble(terms: &ChargeTerms) -> Trouble {
    Scenario::of_named(&terms.token).map_or(Trouble::None, |scenario| scenario.trouble)
}

/// Fails the call if the script has it fail without a trace.
async fn fail_before(payments: &Payments, key: &PaymentKey, trouble: Trouble) -> Result<(), Error> {
    let Trouble::Unavailable { calls } = trouble else { return Ok(()) };
    let is_known = payments.store.find(key).await?.is_some();
    if !is_known && payments.script.is_one_of_the_first(key, calls) {
        return Err(Error::Scripted(trouble));
    }
    Ok(())
}

/// Fails the call if the script has its answer lost. `is_first`: it opened the record.
fn fail_after(payment: &Payment, is_first: bool) -> Result<(), Error> {
    let trouble = payment.terms.as_ref().map_or(Trouble::None, trouble);
    match (trouble, &payment.state) {
        // Cancelled: no processor was asked, so none had trouble.
        (_, PaymentState::Cancelled) => Ok(()),
        (Trouble::NoReply, _) => Err(Error::Scripted(trouble)),
        (Trouble::ReplyLost | Trouble::ErrorAfterCapture, _) if is_first => {
            Err(Error::Scripted(trouble))
        }
        _ => Ok(()),
    }
}
