//! The payment service over gRPC. A card passes through here and stays nowhere.

use async_trait::async_trait;
use kit_rpc::{auth::ServiceIdentity, channel::Outbound};
use oxcart_proto::{
    BadFields,
    convert::timestamp,
    payment::{
        Card as WireCard, ChargeRequest, Payment as WirePayment, ResolveRequest, TokenizeRequest,
        payment_service_client::PaymentServiceClient,
    },
};
use oxcart_types::{CheckoutId, PaymentState};
use tonic::{Request, Status};

use super::{
    CallError, Card, Charge, PaymentClient, PaymentToken, TokenizedCard, wire::Unreadable,
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

fn payment_from_wire(payment: Option<&WirePayment>) -> Result<Payment, CallError> {
    let mut bad = BadFields::default();
    let read = read_payment(payment, &mut bad);
    Unreadable::check(read, &bad)
        .map_err(|unreadable| CallError::Broken { service: NAME, source: unreadable.into() })
}

fn read_payment(payment: Option<&WirePayment>, bad: &mut BadFields) -> Option<Payment> {
    let payment = bad.required("payment", payment)?;
    Some(match bad.payment_state("payment", payment)? {
        PaymentState::Processing => Payment::Processing,
        PaymentState::Cancelled => Payment::Cancelled,
        PaymentState::Declined(reason) => Payment::Declined(reason),
        PaymentState::Captured { payment_id, .. } => {
            let amount = bad.money("payment.amount", payment.amount.as_ref())?;
            Payment::Captured(Capture { payment: payment_id, amount })
        }
    })
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
            amount: Some(charge.amount.into()),
            payment_token: charge.token.0.clone(),
            not_after: Some(timestamp(charge.not_after)),
        });
        let done = self.client.clone().charge(request.await?).await.map_err(failed)?;
        payment_from_wire(done.into_inner().payment.as_ref())
    }

    async fn resolve(&self, key: CheckoutId) -> Result<Payment, CallError> {
        let request = self.signed(ResolveRequest { key: key.to_string() }).await?;
        let done = self.client.clone().resolve(request).await.map_err(failed)?;
        payment_from_wire(done.into_inner().payment.as_ref())
    }
}
