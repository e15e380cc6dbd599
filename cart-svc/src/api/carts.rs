//! `oxcart.cart.v1.CartService`.

use kit_rpc::auth::Caller;
use oxcart_proto::cart::{self as pb, cart_service_server::CartService};
use tonic::{Request, Response, Status};

use super::{page, request, response};
use crate::app::Carts;

/// Answers the RPCs of `oxcart.cart.v1.CartService`.
pub struct CartApi {
    carts: Carts,
}

impl CartApi {
    /// Answers from these use cases.
    #[must_use]
    pub const fn new(carts: Carts) -> Self {
        Self { carts }
    }
}

#[tonic::async_trait]
impl CartService for CartApi {
    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Result<Response<pb::CreateCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let new = request::create_cart(&request.into_inner(), self.carts.limits())?;
        let cart = self.carts.create(owner, new.id, new.lines, new.details).await?;
        Ok(Response::new(pb::CreateCartResponse { cart: Some(response::cart(&cart)) }))
    }

    async fn get_cart(
        &self,
        request: Request<pb::GetCartRequest>,
    ) -> Result<Response<pb::GetCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let id = request::get_cart(&request.into_inner())?;
        let cart = self.carts.get(&owner, id).await?;
        Ok(Response::new(pb::GetCartResponse { cart: Some(response::cart(&cart)) }))
    }

    async fn list_carts(
        &self,
        request: Request<pb::ListCartsRequest>,
    ) -> Result<Response<pb::ListCartsResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let list = request::list_carts(&request.into_inner(), &owner)?;
        let (carts, next) = self.carts.list(&owner, list.filter, list.after, list.size).await?;
        let carts = carts.iter().map(response::cart).collect();
        let next_page_token = page::token(list.filter, &owner, next);
        Ok(Response::new(pb::ListCartsResponse { carts, next_page_token }))
    }

    async fn update_cart(
        &self,
        request: Request<pb::UpdateCartRequest>,
    ) -> Result<Response<pb::UpdateCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let update = request::update_cart(&request.into_inner(), self.carts.limits())?;
        let (id, expected_version) = (update.cart, update.expected_version);
        let cart =
            self.carts.update(&owner, id, expected_version, update.lines, &update.details).await?;
        Ok(Response::new(pb::UpdateCartResponse { cart: Some(response::cart(&cart)) }))
    }

    async fn set_item(
        &self,
        request: Request<pb::SetItemRequest>,
    ) -> Result<Response<pb::SetItemResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let set = request::set_item(&request.into_inner(), self.carts.limits())?;
        let (id, expected_version) = (set.cart, set.expected_version);
        let cart =
            self.carts.set_item(&owner, id, expected_version, &set.sku, set.quantity).await?;
        Ok(Response::new(pb::SetItemResponse { cart: Some(response::cart(&cart)) }))
    }

    async fn delete_cart(
        &self,
        request: Request<pb::DeleteCartRequest>,
    ) -> Result<Response<pb::DeleteCartResponse>, Status> {
        let owner = Caller::of(&request).user()?;
        let (id, expected_version) = request::delete_cart(&request.into_inner())?;
        self.carts.delete(&owner, id, expected_version).await?;
        Ok(Response::new(pb::DeleteCartResponse {}))
    }
}
