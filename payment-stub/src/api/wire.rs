//! Words of the domain into answers.

use oxcart_proto::{common, payment as pb};
use oxcart_types::{DeclineReason, Money, PaymentState};
use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::domain::{payment::Payment, token::Tokenized};

impl From<Tokenized> for pb::TokenizeResponse {
    fn from(tokenized: Tokenized) -> Self {
        let payment_token = tokenized.token.expose().to_owned();
        Self { payment_token, last_four: tokenized.last_four }
    }
}

impl From<Payment> for pb::Payment {
    fn from(payment: Payment) -> Self {
        let mut wire = Self {
            key: payment.key.to_string(),
            amount: payment.order.map(|order| money(order.amount)),
            create_time: Some(timestamp(payment.created_at)),
            update_time: Some(timestamp(payment.updated_at)),
            ..Self::default()
        };
        match payment.state {
            PaymentState::Processing => wire.set_state(pb::PaymentState::Processing),
            PaymentState::Cancelled => wire.set_state(pb::PaymentState::Cancelled),
            PaymentState::Declined(reason) => {
                wire.set_state(pb::PaymentState::Declined);
                wire.set_decline_reason(decline_reason(reason));
            }
            PaymentState::Captured { payment_id, refunded_at } => {
                wire.set_state(pb::PaymentState::Captured);
                wire.payment_id = payment_id.to_string();
                wire.refund_time = refunded_at.map(timestamp);
            }
        }
        wire
    }
}

const fn decline_reason(reason: DeclineReason) -> common::DeclineReason {
    match reason {
        DeclineReason::Generic => common::DeclineReason::Generic,
        DeclineReason::InsufficientFunds => common::DeclineReason::InsufficientFunds,
        DeclineReason::LostCard => common::DeclineReason::LostCard,
        DeclineReason::StolenCard => common::DeclineReason::StolenCard,
        DeclineReason::ExpiredCard => common::DeclineReason::ExpiredCard,
        DeclineReason::ProcessingError => common::DeclineReason::ProcessingError,
        DeclineReason::UnknownToken => common::DeclineReason::UnknownToken,
    }
}

fn money(amount: Money) -> common::Money {
    let currency_code = amount.currency().code().to_owned();
    common::Money { currency_code, minor_units: amount.minor_units() }
}

fn timestamp(time: OffsetDateTime) -> Timestamp {
    let nanos = i32::try_from(time.nanosecond()).unwrap_or_default();
    Timestamp { seconds: time.unix_timestamp(), nanos }
}
