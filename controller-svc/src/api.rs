//! The store's RPCs: who calls, what is asked, the answer.
//!
//! Who may see what is decided behind: the cart service takes the owner from the user's own token.

mod import;
mod request;
mod response;
mod status;

use std::time::Duration;

use futures_util::{StreamExt as _, stream, stream::BoxStream};
use kit_rpc::{auth::Caller, server::shutdown_signal};
use oxcart_proto::{
    Reason, Refusal,
    controller::{self as pb, controller_service_server::ControllerService},
};
use oxcart_types::CartFilter;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    app::{App, Error, checkout::Watch},
    clients::{ServiceToken, Shopper},
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
    async fn get_storefront(
        &self,
        request: Request<pb::GetStorefrontRequest>,
    ) -> Result<Response<pb::GetStorefrontResponse>, Status> {
        let shopper = shopper(&request)?;
        let item_count = request::get_storefront(request.into_inner())?;
        let shown = self.app.sessions.storefront(&shopper, item_count).await?;
        Ok(Response::new(response::get_storefront(shown)))
    }

    async fn list_items(
        &self,
        request: Request<pb::ListItemsRequest>,
    ) -> Result<Response<pb::ListItemsResponse>, Status> {
        shopper(&request)?;
        let page = request::list_items(request.into_inner())?;
        let found = self.app.catalogue.list(&page).await?;
        let items = found.entries.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListItemsResponse { items, next_page_token: found.next_page_token }))
    }

    async fn search_items(
        &self,
        request: Request<pb::SearchItemsRequest>,
    ) -> Result<Response<pb::SearchItemsResponse>, Status> {
        shopper(&request)?;
        let (query, page) = request::search_items(request.into_inner())?;
        let found = self.app.catalogue.search(&query, &page).await?;
        let items = found.entries.into_iter().map(Into::into).collect();
        let next_page_token = found.next_page_token;
        Ok(Response::new(pb::SearchItemsResponse { items, next_page_token }))
    }

    async fn get_items(
        &self,
        request: Request<pb::GetItemsRequest>,
    ) -> Result<Response<pb::GetItemsResponse>, Status> {
        shopper(&request)?;
        let skus = request::get_items(&request.into_inner())?;
        let found = self.app.catalogue.get(&skus).await?;
        Ok(Response::new(response::get_items(found)))
    }

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

    async fn create_cart(
        &self,
        request: Request<pb::CreateCartRequest>,
    ) -> Result<Response<pb::CreateCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let new = request::create_cart(&request.into_inner())?;
        let cart = self.app.carts.create(&shopper, new.id, &new.lines, &new.details).await?;
        Ok(Response::new(pb::CreateCartResponse { cart: Some(response::cart(cart)) }))
    }

    async fn get_cart(
        &self,
        request: Request<pb::GetCartRequest>,
    ) -> Result<Response<pb::GetCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let id = request::get_cart(&request.into_inner())?;
        let cart = self.app.carts.get(&shopper, id).await?;
        Ok(Response::new(pb::GetCartResponse { cart: Some(response::cart(cart)) }))
    }

    async fn list_carts(
        &self,
        request: Request<pb::ListCartsRequest>,
    ) -> Result<Response<pb::ListCartsResponse>, Status> {
        let shopper = shopper(&request)?;
        let (filter, page) = request::list_carts(request.into_inner())?;
        let found = self.app.carts.list(&shopper, filter, &page).await?;
        let carts = found.entries.into_iter().map(response::cart).collect();
        Ok(Response::new(pb::ListCartsResponse { carts, next_page_token: found.next_page_token }))
    }

    async fn update_cart(
        &self,
        request: Request<pb::UpdateCartRequest>,
    ) -> Result<Response<pb::UpdateCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let request::UpdateCart { cart, lines, details } =
            request::update_cart(&request.into_inner())?;
        let (id, expected_version) = (cart.id, cart.expected_version);
        let updated = self
            .app
            .carts
            .update(&shopper, id, lines.as_deref(), &details, expected_version)
            .await?;
        Ok(Response::new(pb::UpdateCartResponse { cart: Some(response::cart(updated)) }))
    }

    async fn set_item(
        &self,
        request: Request<pb::SetItemRequest>,
    ) -> Result<Response<pb::SetItemResponse>, Status> {
        let shopper = shopper(&request)?;
        let request::SetItem { cart, sku, quantity } = request::set_item(&request.into_inner())?;
        let (id, expected_version) = (cart.id, cart.expected_version);
        let changed =
            self.app.carts.set_item(&shopper, id, &sku, quantity, expected_version).await?;
        Ok(Response::new(pb::SetItemResponse { cart: Some(response::cart(changed)) }))
    }

    async fn delete_cart(
        &self,
        request: Request<pb::DeleteCartRequest>,
    ) -> Result<Response<pb::DeleteCartResponse>, Status> {
        let shopper = shopper(&request)?;
        let cart = request::delete_cart(&request.into_inner())?;
        self.app.carts.delete(&shopper, cart.id, cart.expected_version).await?;
        Ok(Response::new(pb::DeleteCartResponse {}))
    }

    async fn tokenize_card(
        &self,
        request: Request<pb::TokenizeCardRequest>,
    ) -> Result<Response<pb::TokenizeCardResponse>, Status> {
        shopper(&request)?;
        let card = request::tokenize_card(request.into_inner())?;
        let done = self.app.payments.tokenize(card).await.map_err(Error::from)?;
        Ok(Response::new(pb::TokenizeCardResponse {
            payment_token: done.token.0,
            last_four: done.last_four,
        }))
    }

    async fn checkout(
        &self,
        request: Request<pb::CheckoutRequest>,
    ) -> Result<Response<pb::CheckoutResponse>, Status> {
        let shopper = shopper(&request)?;
        let purchase = request::checkout(request.into_inner())?;
        let checkout = self.app.checkouts.purchase(&shopper, purchase).await?;
        Ok(Response::new(pb::CheckoutResponse { checkout: Some(response::checkout(&checkout)) }))
    }

    async fn get_checkout(
        &self,
        request: Request<pb::GetCheckoutRequest>,
    ) -> Result<Response<pb::GetCheckoutResponse>, Status> {
        let shopper = shopper(&request)?;
        let name = request::get_checkout(request.into_inner())?;
        let checkout = self.app.checkouts.get(&shopper, &name).await?;
        Ok(Response::new(pb::GetCheckoutResponse { checkout: Some(response::checkout(&checkout)) }))
    }

    type WatchCheckoutStream = BoxStream<'static, Result<pb::WatchCheckoutResponse, Status>>;

    async fn watch_checkout(
        &self,
        request: Request<pb::WatchCheckoutRequest>,
    ) -> Result<Response<Self::WatchCheckoutStream>, Status> {
        let shopper = shopper(&request)?;
        let shutdown = shutdown_signal(&request);
        let name = request::watch_checkout(request.into_inner())?;
        let watch = self.app.checkouts.watch(shopper, name).await?;
        let changes = stream::unfold(Some((watch, shutdown)), changes);
        Ok(Response::new(changes.boxed()))
    }

    async fn list_purchases(
        &self,
        request: Request<pb::ListPurchasesRequest>,
    ) -> Result<Response<pb::ListPurchasesResponse>, Status> {
        let shopper = shopper(&request)?;
        let page = request::list_purchases(request.into_inner())?;
        let found = self.app.carts.list(&shopper, CartFilter::Purchased, &page).await?;
        let carts = found.entries.into_iter().map(response::cart).collect();
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
            let checkout = Some(response::checkout(&checkout));
            Some((Ok(pb::WatchCheckoutResponse { checkout }), Some((watch, shutdown))))
        }
    }
}

/// An end without an error would look like a checkout that never ends.
fn go_elsewhere() -> Status {
    let refusal = Refusal::new(Reason::Unavailable, "the controller stops: watch again");
    refusal.retry_after(WATCH_AGAIN_AFTER).into()
}
