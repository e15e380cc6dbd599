//! How far checkouts and payments have come. A state of `oxcart-types` holds what belongs to it; in
//! messages that stands in fields beside the state.

use oxcart_types::{CheckoutFailure, CheckoutState, DeclineReason, PaymentState};
use prost_types::Timestamp;

use super::timestamp;
use crate::{BadFields, common, payment};

/// The fields of a message that say why a checkout failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailureFields {
    /// A `CheckoutFailure`.
    pub failure: i32,
    /// A `DeclineReason`, only if the payment was declined.
    pub decline_reason: i32,
}

impl From<CheckoutFailure> for FailureFields {
    fn from(failure: CheckoutFailure) -> Self {
        let kind = match failure {
            CheckoutFailure::Declined(_) => common::CheckoutFailure::Declined,
            CheckoutFailure::Cancelled => common::CheckoutFailure::Cancelled,
        };
        let reason = failure.decline_reason().map(common::DeclineReason::from);
        Self { failure: kind.into(), decline_reason: reason.unwrap_or_default().into() }
    }
}

/// The fields of a message that say how far a checkout has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateFields {
    /// A `CheckoutState`.
    pub state: i32,
    /// Why it failed, only if it did.
    pub failure: FailureFields,
    /// The processor's name for the payment, only if it is paid.
    pub payment_id: String,
}

impl From<&CheckoutState> for StateFields {
    fn from(state: &CheckoutState) -> Self {
        match state {
            CheckoutState::Pending => {
                Self { state: common::CheckoutState::Pending.into(), ..Self::default() }
            }
            CheckoutState::Paid { payment_id } => Self {
                state: common::CheckoutState::Paid.into(),
                payment_id: payment_id.to_string(),
                ..Self::default()
            },
            CheckoutState::Failed(failure) => Self {
                state: common::CheckoutState::Failed.into(),
                failure: (*failure).into(),
                ..Self::default()
            },
        }
    }
}

impl payment::Payment {
    /// The message with its state, and the fields that belong to it, as `state` says.
    #[must_use]
    pub fn with_state(mut self, state: &PaymentState) -> Self {
        match state {
            PaymentState::Processing => self.set_state(payment::PaymentState::Processing),
            PaymentState::Cancelled => self.set_state(payment::PaymentState::Cancelled),
            PaymentState::Declined(reason) => {
                self.set_state(payment::PaymentState::Declined);
                self.set_decline_reason((*reason).into());
            }
            PaymentState::Captured { payment_id, refunded_at } => {
                self.set_state(payment::PaymentState::Captured);
                self.payment_id = payment_id.to_string();
                self.refund_time = refunded_at.map(timestamp);
            }
        }
        self
    }
}

impl BadFields {
    /// Reads why a checkout failed, at the paths `failure` and `decline_reason` behind `path`. A
    /// decline without a reason is a generic one; so is one whose reason a newer contract has, where
    /// `is_lenient`: what matters of an answer is that the payment was declined.
    fn failure(
        &mut self,
        path: &str,
        fields: FailureFields,
        is_lenient: bool,
    ) -> Option<CheckoutFailure> {
        let reason = match common::DeclineReason::try_from(fields.decline_reason) {
            Ok(reason) => DeclineReason::try_from(reason).ok(),
            Err(_) if is_lenient => None,
            Err(_) => {
                self.push(format!("{path}decline_reason"), "must be a known DeclineReason");
                return None;
            }
        };
        match (common::CheckoutFailure::try_from(fields.failure), reason) {
            (Ok(common::CheckoutFailure::Declined), reason) => {
                Some(CheckoutFailure::Declined(reason.unwrap_or(DeclineReason::Generic)))
            }
            (Ok(common::CheckoutFailure::Cancelled), None) => Some(CheckoutFailure::Cancelled),
            (Ok(common::CheckoutFailure::Cancelled), Some(_)) => {
                let rule = "must be unset unless the payment was declined";
                self.push(format!("{path}decline_reason"), rule);
                None
            }
            (Ok(common::CheckoutFailure::Unspecified) | Err(_), _) => {
                let rule = "must be CHECKOUT_FAILURE_DECLINED or CHECKOUT_FAILURE_CANCELLED";
                self.push(format!("{path}failure"), rule);
                None
            }
        }
    }

    /// Reads why a checkout failed from a request, whose fields are `failure` and
    /// `decline_reason`. A decline without a reason is a generic one.
    pub fn checkout_failure(&mut self, fields: FailureFields) -> Option<CheckoutFailure> {
        self.failure("", fields, false)
    }

    /// Reads how far a checkout has come from an answer. A reason that this version of the contract
    /// does not know is generic.
    pub fn checkout_state(&mut self, path: &str, fields: &StateFields) -> Option<CheckoutState> {
        match common::CheckoutState::try_from(fields.state) {
            Ok(common::CheckoutState::Pending) => Some(CheckoutState::Pending),
            Ok(common::CheckoutState::Paid) => {
                let payment_id = fields.payment_id.parse();
                let payment_id = self.take(format!("{path}.payment_id"), payment_id)?;
                Some(CheckoutState::Paid { payment_id })
            }
            Ok(common::CheckoutState::Failed) => {
                let failure = self.failure(&format!("{path}."), fields.failure, true)?;
                Some(CheckoutState::Failed(failure))
            }
            Ok(common::CheckoutState::Unspecified) | Err(_) => {
                self.push(format!("{path}.state"), "must be a known CheckoutState");
                None
            }
        }
    }

    /// Reads how far a payment has come from an answer. A reason that this version of the contract
    /// does not know is generic.
    pub fn payment_state(&mut self, path: &str, sent: &payment::Payment) -> Option<PaymentState> {
        match payment::PaymentState::try_from(sent.state) {
            Ok(payment::PaymentState::Processing) => Some(PaymentState::Processing),
            Ok(payment::PaymentState::Cancelled) => Some(PaymentState::Cancelled),
            Ok(payment::PaymentState::Declined) => {
                let reason = DeclineReason::try_from(sent.decline_reason());
                Some(PaymentState::Declined(reason.unwrap_or(DeclineReason::Generic)))
            }
            Ok(payment::PaymentState::Captured) => {
                let refund_time: Option<Timestamp> = sent.refund_time;
                let refunded_at =
                    self.optional_timestamp(&format!("{path}.refund_time"), refund_time);
                let payment_id = self.take(format!("{path}.payment_id"), sent.payment_id.parse());
                Some(PaymentState::Captured { payment_id: payment_id?, refunded_at })
            }
            Ok(payment::PaymentState::Unspecified) | Err(_) => {
                self.push(format!("{path}.state"), "must be a known PaymentState");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures() -> impl Iterator<Item = CheckoutFailure> {
        let declined = DeclineReason::ALL.iter().copied().map(CheckoutFailure::Declined);
        declined.chain([CheckoutFailure::Cancelled])
    }

    #[test]
    fn every_state_of_a_checkout_reads_back() {
        let paid = CheckoutState::Paid { payment_id: "pay_1".parse().unwrap() };
        let failed = failures().map(CheckoutState::Failed);
        for state in failed.chain([CheckoutState::Pending, paid]) {
            let mut bad = BadFields::default();
            let read = bad.checkout_state("checkout", &StateFields::from(&state));
            assert_eq!((read, bad.paths().len()), (Some(state), 0));
        }
    }

    #[test]
    fn every_state_of_a_payment_reads_back() {
        let payment_id = "pay_1".parse().unwrap();
        let refunded_at = Some(::time::OffsetDateTime::UNIX_EPOCH);
        let captured = PaymentState::Captured { payment_id, refunded_at };
        let declined = DeclineReason::ALL.iter().copied().map(PaymentState::Declined);
        let others = [PaymentState::Processing, PaymentState::Cancelled, captured];
        for state in declined.chain(others) {
            let message = payment::Payment::default().with_state(&state);
            let read = BadFields::default().payment_state("payment", &message);
            assert_eq!(read, Some(state));
        }
    }

    #[test]
    fn a_failure_that_breaks_the_contract_is_refused_by_field() {
        for (failure, decline_reason, path) in [
            (0, 0, "failure"),
            (99, 0, "failure"),
            (2, 1, "decline_reason"),
            (1, 99, "decline_reason"),
        ] {
            let mut bad = BadFields::default();
            assert_eq!(bad.checkout_failure(FailureFields { failure, decline_reason }), None);
            assert_eq!(bad.paths(), [path]);
        }
    }

    #[test]
    fn a_reason_of_a_newer_contract_is_generic_in_an_answer() {
        let failure = FailureFields { failure: 1, decline_reason: 99 };
        let fields = StateFields { state: 3, failure, payment_id: String::new() };
        let read = BadFields::default().checkout_state("checkout", &fields);
        let generic = CheckoutFailure::Declined(DeclineReason::Generic);
        assert_eq!(read, Some(CheckoutState::Failed(generic)));
    }
}
