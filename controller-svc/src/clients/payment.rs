//! The payment service over gRPC. A card passes through here and stays nowhere.

use async_trait::async_trait;
use oxcart_proto::payment::{
    Card as WireCard, ChargeRequest, Payment as WirePayment, PaymentState, ResolveRequest,
    TokenizeRequest, payment_service_client::PaymentServiceClient,
};
use oxcart_types::CheckoutId;
use service_kit::{auth::ServiceIdentity, channel::Outbound};
use tonic::{Request, Status};

use super::{
    CallError, Card, Charge, PaymentClient, PaymentToken, TokenizedCard,
    wire::{Unreadable, decline_from_wire, money, money_to_wire, parse, set, timestamp_to_wire},
};
use crate::domain::checkout::{Capture, Payment};

const NAME: &str = "the payment service";

/// A [`PaymentClient`] that speaks gRPC with the controller's own identity.
#[derive(Clone)]
pub struct GrpcPayments {
    client: PaymentServiceClient<Outbound>,
    identity: ServiceIdentity,
}

impl GrpcPayments {
    /// Calls the payment service behind `channel` as `identity`.
    #[must_use]
    pub fn new(channel: Outbound, identity: ServiceIdentity) -> Self {
        Self { client: PaymentServiceClient::new(channel), identity }
    }

    async fn signed<T>(&self, message: T) -> Result<Request<T>, CallError> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.identity.bearer().await.map_err(failed)?);
        Ok(request)
    }
}

fn failed(status: Status) -> CallError {
    CallError::from_own_call(NAME, status)
}

fn payment_from_wire(payment: Option<WirePayment>) -> Result<Payment, CallError> {
    let read = || {
        let payment = set("payment", payment)?;
        Ok(match payment.state() {
            PaymentState::Processing => Payment::Processing,
            PaymentState::Cancelled => Payment::Cancelled,
            PaymentState::Declined => {
                Payment::Declined(decline_from_wire(payment.decline_reason()))
            }
            PaymentState::Captured => Payment::Captured(Capture {
                payment: parse("payment.payment_id", &payment.payment_id)?,
                amount: money("payment.amount", payment.amount)?,
            }),
            PaymentState::Unspecified => return Err(Unreadable("payment.state")),
        })
    };
    read().map_err(|unreadable| CallError::Broken { service: NAME, source: unreadable.into() })
}

#[async_trait]
impl PaymentClient for GrpcPayments {
    async fn tokenize(&self, card: Card) -> Result<TokenizedCard, CallError> {
        let card = WireCard {
            number: card.number,
            expiry_month: card.expiry_month,
            expiry_year: card.expiry_year,
            cvc: card.cvc,
        };
        let request = self.signed(TokenizeRequest { card: Some(card) }).await?;
        let done = self.client.clone().tokenize(request).await.map_err(failed)?.into_inner();
        Ok(TokenizedCard { token: PaymentToken(done.payment_token), last_four: done.last_four })
    }

    async fn charge(&self, charge: &Charge) -> Result<Payment, CallError> {
        let request = self.signed(ChargeRequest {
            key: charge.key.to_string(),
            amount: Some(money_to_wire(charge.amount)),
            payment_token: charge.token.0.clone(),
            not_after: Some(timestamp_to_wire(charge.not_after)),
        });
        let done = self.client.clone().charge(request.await?).await.map_err(failed)?;
        payment_from_wire(done.into_inner().payment)
    }

    async fn resolve(&self, key: CheckoutId) -> Result<Payment, CallError> {
        let request = self.signed(ResolveRequest { key: key.to_string() }).await?;
        let done = self.client.clone().resolve(request).await.map_err(failed)?;
        payment_from_wire(done.into_inner().payment)
    }
}
