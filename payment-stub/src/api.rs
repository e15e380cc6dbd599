//! `oxcart.payment.v1.PaymentService`: check who asks, read, ask, answer.

mod page;
mod request;
mod response;
mod status;

use std::{sync::Arc, time::Duration};

use kit_rpc::{auth::Caller, deadline, server};
use oxcart_proto::payment::{self as pb, payment_service_server::PaymentService};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    app::{Error, Payments},
    domain::scenario::Trouble,
};
use request::ListPayments;

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
        let card = request::tokenize(request.into_inner(), self.env.now())?;
        let tokenized = self.payments.tokenize(card).await?;
        Ok(Response::new(response::tokenized(&tokenized)))
    }

    async fn charge(
        &self,
        request: Request<pb::ChargeRequest>,
    ) -> Result<Response<pb::ChargeResponse>, Status> {
        Caller::of(&request).service("payment:charge")?;
        let stop = server::shutdown_signal(&request);
        let charge = request::charge(&request.into_inner())?;
        let charged = self.payments.charge(charge, self.patience()).await;
        if let Err(Error::Scripted(Trouble::NoReply)) = charged {
            outlast_the_caller(stop).await;
        }
        let payment = charged?;
        Ok(Response::new(pb::ChargeResponse { payment: Some(response::payment(&payment)) }))
    }

    async fn resolve(
        &self,
        request: Request<pb::ResolveRequest>,
    ) -> Result<Response<pb::ResolveResponse>, Status> {
        Caller::of(&request).service("payment:charge")?;
        let key = request::resolve(request.get_ref())?;
        let payment = self.payments.resolve(key).await?;
        Ok(Response::new(pb::ResolveResponse { payment: Some(response::payment(&payment)) }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        Caller::of(&request).service("payment:read")?;
        let key = request::get_payment(request.get_ref())?;
        let payment = self.payments.get(key).await?;
        Ok(Response::new(pb::GetPaymentResponse { payment: Some(response::payment(&payment)) }))
    }

    async fn refund(
        &self,
        request: Request<pb::RefundRequest>,
    ) -> Result<Response<pb::RefundResponse>, Status> {
        Caller::of(&request).service("payment:refund")?;
        let key = request::refund(request.get_ref())?;
        let payment = self.payments.refund(key).await?;
        Ok(Response::new(pb::RefundResponse { payment: Some(response::payment(&payment)) }))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        Caller::of(&request).service("payment:read")?;
        let ListPayments { range, after, size } = request::list_payments(&request.into_inner())?;
        // One more than asked for shows whether there is a next page.
        let found = self.payments.list(range, after.as_ref(), size + 1).await?;
        let size = size as usize;
        let last = found.get(size).map(|_| &found[size - 1]);
        let next_page_token = page::token(&range, last);
        let payments = found.iter().take(size).map(response::payment).collect();
        Ok(Response::new(pb::ListPaymentsResponse { payments, next_page_token }))
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
