//! `oxcart.cart.v1.CheckoutService`.

use kit_rpc::{auth::Caller, server::quiet};
use oxcart_proto::cart::{self as pb, checkout_service_server::CheckoutService};
use tonic::{Request, Response, Status};

use super::{request, response};
use crate::app::Checkouts;

/// What a service must hold to move a checkout along.
const CHECKOUT_SCOPE: &str = "cart:checkout";

/// Answers the RPCs of `oxcart.cart.v1.CheckoutService`.
pub struct CheckoutApi {
    checkouts: Checkouts,
}

impl CheckoutApi {
    /// Answers from these use cases.
    #[must_use]
    pub const fn new(checkouts: Checkouts) -> Self {
        Self { checkouts }
    }
}

#[tonic::async_trait]
impl CheckoutService for CheckoutApi {
    async fn mark_purchased(
        &self,
        request: Request<pb::MarkPurchasedRequest>,
    ) -> Result<Response<pb::MarkPurchasedResponse>, Status> {
        let caller = Caller::of(&request);
        let owner = caller.user()?;
        caller.service(CHECKOUT_SCOPE)?;
        let command = request::mark_purchased(&request.into_inner())?;
        let checkout = self.checkouts.mark(&owner, &command).await?;
        let checkout = Some(response::checkout(&checkout));
        Ok(Response::new(pb::MarkPurchasedResponse { checkout }))
    }

    async fn confirm_purchase(
        &self,
        request: Request<pb::ConfirmPurchaseRequest>,
    ) -> Result<Response<pb::ConfirmPurchaseResponse>, Status> {
        Caller::of(&request).service(CHECKOUT_SCOPE)?;
        let paid = request::confirm_purchase(&request.into_inner())?;
        let (owner, id) = (&paid.owner, paid.checkout);
        let checkout = self.checkouts.confirm(owner, id, &paid.payment, paid.amount).await?;
        let checkout = Some(response::checkout(&checkout));
        Ok(Response::new(pb::ConfirmPurchaseResponse { checkout }))
    }

    async fn unmark_purchased(
        &self,
        request: Request<pb::UnmarkPurchasedRequest>,
    ) -> Result<Response<pb::UnmarkPurchasedResponse>, Status> {
        Caller::of(&request).service(CHECKOUT_SCOPE)?;
        let (owner, id, failure) = request::unmark_purchased(&request.into_inner())?;
        let checkout = self.checkouts.unmark(&owner, id, failure).await?;
        let checkout = Some(response::checkout(&checkout));
        Ok(Response::new(pb::UnmarkPurchasedResponse { checkout }))
    }

    async fn lease_overdue(
        &self,
        request: Request<pb::LeaseOverdueRequest>,
    ) -> Result<Response<pb::LeaseOverdueResponse>, Status> {
        Caller::of(&request).service(CHECKOUT_SCOPE)?;
        let (worker, limit) = request::lease_overdue(request.into_inner())?;
        let leased = self.checkouts.lease_overdue(&worker, limit).await?;
        let checkouts = leased.iter().map(response::checkout).collect();
        let response = Response::new(pb::LeaseOverdueResponse { checkouts });
        // Every controller asks once a second.
        Ok(if leased.is_empty() { quiet(response) } else { response })
    }

    async fn get_checkout(
        &self,
        request: Request<pb::GetCheckoutRequest>,
    ) -> Result<Response<pb::GetCheckoutResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let name = request::get_checkout(request.into_inner())?;
        let checkout = self.checkouts.get(&owner, &name).await?;
        let checkout = Some(response::checkout(&checkout));
        Ok(Response::new(pb::GetCheckoutResponse { checkout }))
    }
}
