//! gRPC in and out: check who asks, parse, ask, answer.

mod parse;
mod wire;

use std::{sync::Arc, time::Duration};

use kit_database::StoreError;
use kit_rpc::{auth::Caller, deadline, error, page, server};
use oxcart_proto::{
    Reason, Refusal,
    payment::{self as pb, payment_service_server::PaymentService},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    app::{Charge, PaymentError, Payments},
    domain::{card::CardNumber, key::PaymentKey, scenario::Trouble},
};
use parse::{FromNow, List};

/// What is kept of a caller's time to read the record again and send the answer.
const MARGIN: Duration = Duration::from_millis(100);

/// How long a call stays unanswered that is meant to, if the caller has no deadline.
const NEVER: Duration = Duration::from_secs(30);

/// Serves payments.
pub struct PaymentApi {
    payments: Arc<Payments>,
    charge_wait: Duration,
    env: kit_service::Env,
}

impl PaymentApi {
    /// Serves `payments`. Charge waits for an outcome no longer than `charge_wait`.
    #[must_use]
    pub const fn new(
        payments: Arc<Payments>,
        charge_wait: Duration,
        env: kit_service::Env,
    ) -> Self {
        Self { payments, charge_wait, env }
    }

    fn patience(&self) -> Duration {
        let left = deadline::remaining().map(|left| left.saturating_sub(MARGIN));
        left.map_or(self.charge_wait, |left| left.min(self.charge_wait))
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentApi {
    async fn tokenize(
        &self,
        request: Request<pb::TokenizeRequest>,
    ) -> Result<Response<pb::TokenizeResponse>, Status> {
        Caller::of(&request).service("payment:tokenize")?;
        let card = CardNumber::from_now(request.into_inner(), self.env.now())?;
        let tokenized = self.payments.tokenize(card).await.map_err(refuse)?;
        Ok(Response::new(tokenized.into()))
    }

    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        Caller::of(&request).service("payment:charge")?;
        let stop = server::shutdown_signal(&request);
        let charge = Charge::try_from(request.into_inner())?;
        let charged = self.payments.charge(charge, self.patience()).await;
        if let Err(PaymentError::Scripted(Trouble::NoReply)) = charged {
            outlast_the_caller(stop).await;
        }
        let payment = charged.map_err(refuse)?;
        Ok(Response::new(pb::ChargeResponse { payment: Some(payment.into()) }))
    }

    async fn resolve(
        &self,
        request: Request<pb::ResolveRequest>,
    ) -> Result<Response<pb::ResolveResponse>, Status> {
        Caller::of(&request).service("payment:charge")?;
        let key = parse::key(&request.get_ref().key)?;
        let payment = self.payments.resolve(key).await.map_err(refuse)?;
        Ok(Response::new(pb::ResolveResponse { payment: Some(payment.into()) }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Caller::of(&request).service("payment:read")?;
        let key = parse::key(&request.get_ref().key)?;
        let payment = self.payments.get(key).await.map_err(refuse)?;
        Ok(Response::new(pb::GetPaymentResponse { payment: Some(payment.into()) }))
    }

    async fn refund(
        &self,
        request: Request<pb::RefundRequest>,
    ) -> Result<Response<pb::RefundResponse>, Status> {
        Caller::of(&request).service("payment:refund")?;
        let key = parse::key(&request.get_ref().key)?;
        let payment = self.payments.refund(key).await.map_err(refuse)?;
        Ok(Response::new(pb::RefundResponse { payment: Some(payment.into()) }))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        Caller::of(&request).service("payment:read")?;
        let List { query, range, after, size } = List::try_from(request.into_inner())?;
        // One more than asked for shows whether there is a next page.
        let found = self.payments.list(range, after.as_ref(), size + 1).await.map_err(refuse)?;
        let size = size as usize;
        let cursor = found.get(size).map(|_| parse::cursor_text(&found[size - 1]));
        let next_page_token = cursor.map(|cursor| page::next_token(&query, &cursor));
        Ok(Response::new(pb::ListPaymentsResponse {
            payments: found.into_iter().take(size).map(Into::into).collect(),
            next_page_token: next_page_token.unwrap_or_default(),
        }))
    }
}

/// Waits until the caller's deadline has passed, so that it never sees the answer, but no longer than
/// the server runs.
async fn outlast_the_caller(stop: CancellationToken) {
    let left = deadline::remaining().map_or(NEVER, |left| left + MARGIN);
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(left) => {}
    }
}

/// The one place where an error gets its code and reason.
fn refuse(error: PaymentError) -> Status {
    let about = |reason: Reason, key: &PaymentKey| {
        Refusal::new(reason, error.to_string()).with("key", key).into()
    };
    match &error {
        PaymentError::NotFound { key } => about(Reason::PaymentNotFound, key),
        PaymentError::NotCaptured { key } => about(Reason::PaymentNotCaptured, key),
        PaymentError::KeyReused { key } => about(Reason::PaymentKeyReused, key),
        PaymentError::Scripted(trouble) => scripted(*trouble),
        PaymentError::Store(_) | PaymentError::Acquirer(_) => fault(error),
    }
}

fn fault(error: PaymentError) -> Status {
    let context = "the payment store failed";
    let cause = match error {
        PaymentError::Store(cause) => cause,
        PaymentError::Acquirer(error) => error.into_inner(),
        other => return error::internal(context, &other),
    };
    match cause {
        StoreError::Database(failure) => error::failed(context, &failure, failure.is_unavailable()),
        StoreError::Conflict => error::unavailable(context, &cause),
        StoreError::Unreadable { .. } => error::internal(context, &cause),
    }
}

#[expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]
fn scripted(trouble: Trouble) -> Status {
    match trouble {
        // As a connection that breaks would have it: no ErrorInfo, so the outcome is unknown.
        Trouble::ReplyLost | Trouble::NoReply => Status::unavailable("connection reset by peer"),
        Trouble::ErrorAfterCapture => {
            Refusal::new(Reason::Internal, "the processor failed, as its test token asks").into()
        }
        Trouble::Unavailable { .. } | Trouble::None | Trouble::Slow | Trouble::Late => {
            Refusal::new(Reason::Unavailable, "the processor is away, as its test token asks")
                .retry_after(MARGIN)
                .into()
        }
    }
}
