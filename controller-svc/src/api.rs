//! The store's RPCs: parse, ask, answer.
//!
//! Deliberately absent: rules of the shop, and every decision about who may see what but "a user is
//! signed in": the cart service takes the owner from the user's own token.

mod answer;
mod import;
mod parse;
mod status;

use std::time::Duration;

use futures_util::{StreamExt as _, stream, stream::BoxStream};
use oxcart_proto::controller::{self as pb, controller_service_server::ControllerService};
use service_kit::{Reason, auth::Caller, error::Refusal, server::shutdown_signal};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use self::parse::{
    CartName, CartPage, NewCart, SetLine, UpdatedCart, items_page, parse_card, parse_checkout_id,
    parse_checkout_name, parse_purchase, parse_search, parse_skus, purchases_page,
};
use crate::{
    app::{App, AppError, checkout::Watch},
    clients::{CartFilter, CheckoutName, ServiceToken, Shopper},
};

/// The scope that an import needs.
const IMPORT_SCOPE: &str = "catalog:write";

/// When to watch a checkout again that was watched at a controller which stops.
const WATCH_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Serves the store's RPCs.
#[derive(Clone)]
pub struct Api {
    app: App,
}

impl Api {
    /// Serves the use cases of `app`.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self { app }
    }
}

/// The signed-in user who makes a call.
fn shopper<T>(request: &Request<T>) -> Result<Shopper, Status> {
    let caller = Caller::of(request);
    let id = caller.user()?;
    let token = caller.user_bearer();
    let token = token.ok_or_else(|| Refusal::new(Reason::SignInRequired, "sign in first"))?;
    Ok(Shopper { id, token })
}

#[tonic::async_trait]
impl ControllerService for Api {
    #[tracing::instrument(name = "controller.get_storefront", skip_all)]
    async fn get_storefront(
        &self,
        request: Request<pb::GetStorefrontRequest>,
    ) -> Result<Response<pb::GetStorefrontResponse>, Status> {
        let shopper = shopper(&request)?;
        let page = items_page(request.get_ref().page_size, String::new())?;
        let shown = self.app.sessions.storefront(&shopper, page.size).await?;
        Ok(Response::new(shown.into()))
    }

    #[tracing::instrument(name = "controller.list_items", skip_all)]
    async fn list_items(
        &self,
        request: Request<pb::ListItemsRequest>,
    ) -> Result<Response<pb::ListItemsResponse>, Status> {
        shopper(&request)?;
        let request = request.into_inner();
        let page = items_page(request.page_size, request.page_token)?;
        let found = self.app.catalogue.list(&page).await?;
        let items = found.entries.into_iter().map(answer::item).collect();
        Ok(Response::new(pb::ListItemsResponse { items, next_page_token: found.next_page_token }))
    }

    #[tracing::instrument(name = "controller.search_items", skip_all)]
    async fn search_items(
        &self,
        request: Request<pb::SearchItemsRequest>,
    ) -> Result<Response<pb::SearchItemsResponse>, Status> {
        shopper(&request)?;
        let (query, page) = parse_search(request.into_inner())?;
        let found = self.app.catalogue.search(&query, &page).await?;
        let items = found.entries.into_iter().map(answer::item).collect();
        let next_page_token = found.next_page_token;
        Ok(Response::new(pb::SearchItemsResponse { items, next_page_token }))
    }

    #[tracing::instrument(name = "controller.get_items", skip_all)]
    async fn get_items(
        &self,
        request: Request<pb::GetItemsRequest>,
    ) -> Result<Response<pb::GetItemsResponse>, Status> {
        shopper(&request)?;
        let skus = parse_skus(&request.into_inner().skus)?;
        let found = self.app.catalogue.get(&skus).await?;
        Ok(Response::new(found.into()))
    }

    #[tracing::instrument(name = "controller.import_items", skip_all)]
    async fn import_items(
        &self,
        request: Request<Streaming<pb::ImportItemsRequest>>,
    ) -> Result<Response<pb::ImportItemsResponse>, Status> {
        let caller = Caller::of(&request);
        caller.service(IMPORT_SCOPE)?;
        let token = caller.service_bearer().map(ServiceToken);
        let token = token.ok_or_else(|| Refusal::new(Reason::SignInRequired, "sign in first"))?;
        let chunks = import::chunks(request.into_inner());
        let done = self.app.catalogue.import(token, chunks).await?;
        Ok(Response::new(pb::ImportItemsResponse {
            created_count: done.created,
            updated_count: done.updated,
            unchanged_count: done.unchanged,
        }))
    }

    #[tracing::instrument(name = "controller.create_cart", skip_all)]
    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Result<Response<pb::CreateCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let new = NewCart::try_from(request.into_inner())?;
        let cart = self.app.carts.create(&shopper, new.id, &new.lines).await?;
        Ok(Response::new(pb::CreateCartResponse { cart: Some(cart.into()) }))
    }

    #[tracing::instrument(name = "controller.get_cart", skip_all)]
    async fn get_cart(
        &self,
        request: Request<pb::GetCartRequest>,
    ) -> Result<Response<pb::GetCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let name = CartName::parse(&request.get_ref().cart_id, "")?;
        let cart = self.app.carts.get(&shopper, name.id).await?;
        Ok(Response::new(pb::GetCartResponse { cart: Some(cart.into()) }))
    }

    #[tracing::instrument(name = "controller.list_carts", skip_all)]
    async fn list_carts(
        &self,
        request: Request<pb::ListCartsRequest>,
    ) -> Result<Response<pb::ListCartsResponse>, Status> {
        let shopper = shopper(&request)?;
        let CartPage { filter, page } = CartPage::try_from(request.into_inner())?;
        let found = self.app.carts.list(&shopper, filter, &page).await?;
        let carts = found.entries.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListCartsResponse { carts, next_page_token: found.next_page_token }))
    }

    #[tracing::instrument(name = "controller.update_cart", skip_all)]
    async fn update_cart(
        &self,
        request: Request<pb::UpdateCartRequest>,
    ) -> Result<Response<pb::UpdateCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let UpdatedCart { name, lines } = request.into_inner().try_into()?;
        let cart = self.app.carts.update(&shopper, name.id, &lines, name.seen).await?;
        Ok(Response::new(pb::UpdateCartResponse { cart: Some(cart.into()) }))
    }

    #[tracing::instrument(name = "controller.set_item", skip_all)]
    async fn set_item(
        &self,
        request: Request<pb::SetItemRequest>,
    ) -> Result<Response<pb::SetItemResponse>, Status> {
        let shopper = shopper(&request)?;
        let SetLine { name, sku, quantity } = request.into_inner().try_into()?;
        let cart = self.app.carts.set_item(&shopper, name.id, &sku, quantity, name.seen).await?;
        Ok(Response::new(pb::SetItemResponse { cart: Some(cart.into()) }))
    }

    #[tracing::instrument(name = "controller.delete_cart", skip_all)]
    async fn delete_cart(
        &self,
        request: Request<pb::DeleteCartRequest>,
    ) -> Result<Response<pb::DeleteCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let name = CartName::parse(&request.get_ref().cart_id, &request.get_ref().etag)?;
        self.app.carts.delete(&shopper, name.id, name.seen).await?;
        Ok(Response::new(pb::DeleteCartResponse {}))
    }

    #[tracing::instrument(name = "controller.tokenize_card", skip_all)]
    async fn tokenize_card(
        &self,
        request: Request<pb::TokenizeCardRequest>,
    ) -> Result<Response<pb::TokenizeCardResponse>, Status> {
        shopper(&request)?;
        let card = parse_card(request.into_inner())?;
        let done = self.app.payments.tokenize(card).await.map_err(AppError::from)?;
        Ok(Response::new(pb::TokenizeCardResponse {
            payment_token: done.token.0,
            last_four: done.last_four,
        }))
    }

    #[tracing::instrument(name = "controller.checkout", skip_all)]
    async fn checkout(
        &self,
        request: Request<pb::CheckoutRequest>,
    ) -> Result<Response<pb::CheckoutResponse>, Status> {
        let shopper = shopper(&request)?;
        let purchase = parse_purchase(request.into_inner())?;
        let checkout = self.app.checkouts.purchase(&shopper, purchase).await?;
        Ok(Response::new(pb::CheckoutResponse { checkout: Some(checkout.into()) }))
    }

    #[tracing::instrument(name = "controller.get_checkout", skip_all)]
    async fn get_checkout(
        &self,
        request: Request<pb::GetCheckoutRequest>,
    ) -> Result<Response<pb::GetCheckoutResponse>, Status> {
        let shopper = shopper(&request)?;
        let name = parse_checkout_name(request.into_inner())?;
        let checkout = self.app.checkouts.get(&shopper, &name).await?;
        Ok(Response::new(pb::GetCheckoutResponse { checkout: Some(checkout.into()) }))
    }

    type WatchCheckoutStream = BoxStream<'static, Result<pb::WatchCheckoutResponse, Status>>;

    #[tracing::instrument(name = "controller.watch_checkout", skip_all)]
    async fn watch_checkout(
        &self,
        request: Request<pb::WatchCheckoutRequest>,
    ) -> Result<Response<Self::WatchCheckoutStream>, Status> {
        let shopper = shopper(&request)?;
        let shutdown = shutdown_signal(&request);
        let name = CheckoutName::Id(parse_checkout_id(&request.get_ref().checkout_id)?);
        let watch = self.app.checkouts.watch(shopper, name).await?;
        let changes = stream::unfold(Some((watch, shutdown)), changes);
        Ok(Response::new(changes.boxed()))
    }

    #[tracing::instrument(name = "controller.list_purchases", skip_all)]
    async fn list_purchases(
        &self,
        request: Request<pb::ListPurchasesRequest>,
    ) -> Result<Response<pb::ListPurchasesResponse>, Status> {
        let shopper = shopper(&request)?;
        let page = purchases_page(request.into_inner())?;
        let found = self.app.carts.list(&shopper, CartFilter::Purchased, &page).await?;
        let carts = found.entries.into_iter().map(Into::into).collect();
        let next_page_token = found.next_page_token;
        Ok(Response::new(pb::ListPurchasesResponse { carts, next_page_token }))
    }
}

/// The next message of a watch, and the watch; an error is the last message.
async fn changes(
    watch: Option<(Watch, CancellationToken)>,
) -> Option<(Result<pb::WatchCheckoutResponse, Status>, Option<(Watch, CancellationToken)>)> {
    let (mut watch, shutdown) = watch?;
    let changed = tokio::select! {
        // The checkout as it is comes first, and at once, even if the controller stops meanwhile.
        biased;
        changed = watch.changed() => changed,
        () = shutdown.cancelled() => return Some((Err(go_elsewhere()), None)),
    };
    match changed {
        Err(error) => Some((Err(error.into()), None)),
        Ok(None) => None,
        Ok(Some(checkout)) => {
            let checkout = Some(checkout.into());
            Some((Ok(pb::WatchCheckoutResponse { checkout }), Some((watch, shutdown))))
        }
    }
}

/// An end without an error would look like a checkout that stays pending for ever.
fn go_elsewhere() -> Status {
    let refusal = Refusal::new(Reason::Unavailable, "the controller stops: watch again");
    refusal.retry_after(WATCH_AGAIN_AFTER).into()
}
