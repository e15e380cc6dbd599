//! The service over gRPC: who calls, what is asked, the answer.
//!
//! Deliberately absent: decisions. A handler authenticates before it reads the request, so that
//! nobody learns from an error what a caller without a token may not know.

mod answer;
mod parse;
mod refuse;

use oxcart_proto::cart::{self as pb, cart_service_server::CartService};
use service_kit::auth::Caller;
use tonic::{Request, Response, Status};

use crate::app::{Carts, Checkouts};

/// What a service must hold to move a checkout along.
const CHECKOUT_SCOPE: &str = "cart:checkout";

/// Answers the RPCs of `oxcart.cart.v1.CartService`.
pub struct CartApi {
    carts: Carts,
    checkouts: Checkouts,
}

impl CartApi {
    /// Answers from these use cases.
    #[must_use]
    pub const fn new(carts: Carts, checkouts: Checkouts) -> Self {
        Self { carts, checkouts }
    }
}

#[tonic::async_trait]
impl CartService for CartApi {
    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Result<Response<pb::CreateCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let (id, lines) = parse::create_cart(&request.into_inner(), self.carts.limits())?;
        let cart = self.carts.create(owner, id, lines).await.map_err(refuse::status)?;
        Ok(Response::new(pb::CreateCartResponse { cart: Some(answer::cart(&cart)) }))
    }

    async fn get_cart(
        &self,
        request: Request<pb::GetCartRequest>,
    ) -> Result<Response<pb::GetCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let id = parse::get_cart(&request.into_inner())?;
        let cart = self.carts.get(&owner, id).await.map_err(refuse::status)?;
        Ok(Response::new(pb::GetCartResponse { cart: Some(answer::cart(&cart)) }))
    }

    async fn find_carts(
        &self,
        request: Request<pb::FindCartsRequest>,
    ) -> Result<Response<pb::FindCartsResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let find = parse::find_carts(&request.into_inner(), &owner)?;
        let found = self.carts.find(&owner, find.shelf, find.after, find.size).await;
        let (carts, next) = found.map_err(refuse::status)?;
        let carts = carts.iter().map(answer::cart).collect();
        let next_page_token = answer::page_token(find.shelf, &owner, next);
        Ok(Response::new(pb::FindCartsResponse { carts, next_page_token }))
    }

    async fn update_cart(
        &self,
        request: Request<pb::UpdateCartRequest>,
    ) -> Result<Response<pb::UpdateCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let (id, seen, lines) = parse::update_cart(&request.into_inner(), self.carts.limits())?;
        let cart = self.carts.update(&owner, id, seen, lines).await.map_err(refuse::status)?;
        Ok(Response::new(pb::UpdateCartResponse { cart: Some(answer::cart(&cart)) }))
    }

    async fn set_item(
        &self,
        request: Request<pb::SetItemRequest>,
    ) -> Result<Response<pb::SetItemResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let set = parse::set_item(&request.into_inner(), self.carts.limits())?;
        let done = self.carts.set_item(&owner, set.cart, set.seen, &set.sku, set.quantity).await;
        let cart = done.map_err(refuse::status)?;
        Ok(Response::new(pb::SetItemResponse { cart: Some(answer::cart(&cart)) }))
    }

    async fn delete_cart(
        &self,
        request: Request<pb::DeleteCartRequest>,
    ) -> Result<Response<pb::DeleteCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let (id, seen) = parse::delete_cart(&request.into_inner())?;
        self.carts.delete(&owner, id, seen).await.map_err(refuse::status)?;
        Ok(Response::new(pb::DeleteCartResponse {}))
    }

    async fn mark_purchased(
        &self,
        request: Request<pb::MarkPurchasedRequest>,
    ) -> Result<Response<pb::MarkPurchasedResponse>, Status> {
        let caller = Caller::of(&request);
        let owner = caller.user()?;
        caller.service(CHECKOUT_SCOPE)?;
        let order = parse::mark_purchased(request.into_inner())?;
        let checkout = self.checkouts.start(&owner, &order).await.map_err(refuse::status)?;
        let checkout = Some(answer::checkout(&checkout));
        Ok(Response::new(pb::MarkPurchasedResponse { checkout }))
    }

    async fn confirm_purchase(
        &self,
        request: Request<pb::ConfirmPurchaseRequest>,
    ) -> Result<Response<pb::ConfirmPurchaseResponse>, Status> {
        Caller::of(&request).service(CHECKOUT_SCOPE)?;
        let paid = parse::confirm_purchase(&request.into_inner())?;
        let (owner, id) = (&paid.owner, paid.checkout);
        let done = self.checkouts.confirm(owner, id, &paid.payment, paid.amount).await;
        let checkout = Some(answer::checkout(&done.map_err(refuse::status)?));
        Ok(Response::new(pb::ConfirmPurchaseResponse { checkout }))
    }

    async fn unmark_purchased(
        &self,
        request: Request<pb::UnmarkPurchasedRequest>,
    ) -> Result<Response<pb::UnmarkPurchasedResponse>, Status> {
        Caller::of(&request).service(CHECKOUT_SCOPE)?;
        let (owner, id, failure) = parse::unmark_purchased(&request.into_inner())?;
        let done = self.checkouts.fail(&owner, id, failure).await;
        let checkout = Some(answer::checkout(&done.map_err(refuse::status)?));
        Ok(Response::new(pb::UnmarkPurchasedResponse { checkout }))
    }

    async fn lease_overdue(
        &self,
        request: Request<pb::LeaseOverdueRequest>,
    ) -> Result<Response<pb::LeaseOverdueResponse>, Status> {
        Caller::of(&request).service(CHECKOUT_SCOPE)?;
        let (worker, limit) = parse::lease_overdue(request.into_inner())?;
        let leased = self.checkouts.lease_overdue(&worker, limit).await.map_err(refuse::status)?;
        let checkouts = leased.iter().map(answer::checkout).collect();
        Ok(Response::new(pb::LeaseOverdueResponse { checkouts }))
    }

    async fn get_checkout(
        &self,
        request: Request<pb::GetCheckoutRequest>,
    ) -> Result<Response<pb::GetCheckoutResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let name = parse::get_checkout(request.into_inner())?;
        let checkout = self.checkouts.get(&owner, &name).await.map_err(refuse::status)?;
        let checkout = Some(answer::checkout(&checkout));
        Ok(Response::new(pb::GetCheckoutResponse { checkout }))
    }
}
