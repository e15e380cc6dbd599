//! Answers: the domain's values as messages.

use oxcart_proto::{convert::timestamp, payment as pb};

use crate::domain::{payment::Payment, token::Tokenized};

/// What stands for a card from now on.
pub(super) fn tokenized(tokenized: &Tokenized) -> pb::TokenizeResponse {
    pb::TokenizeResponse {
        payment_token: tokenized.token.expose().to_owned(),
        last_four: tokenized.last_four.clone(),
    }
}

/// A payment's record.
pub(super) fn payment(payment: &Payment) -> pb::Payment {
    let message = pb::Payment {
        key: payment.key.to_string(),
        amount: payment.terms.as_ref().map(|terms| terms.amount.into()),
        create_time: Some(timestamp(payment.created_at)),
        update_time: Some(timestamp(payment.updated_at)),
        ..pb::Payment::default()
    };
    message.with_state(&payment.state)
}
