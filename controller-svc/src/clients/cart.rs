//! The cart service over gRPC. What a user does goes with the user's own token; what a checkout does
//! goes with the controller's identity.

use async_trait::async_trait;
use kit_rpc::{auth::ServiceIdentity, channel::Outbound, retry};
use kit_service::Env;
use oxcart_proto::{
    BadFields,
    cart::{
        Cart as WireCart, Checkout as WireCheckout, ConfirmPurchaseRequest, CreateCartRequest,
        DeleteCartRequest, GetCartRequest, GetCheckoutRequest, LeaseOverdueRequest,
        ListCartsRequest, MarkPurchasedRequest, SetItemRequest, UnmarkPurchasedRequest,
        UpdateCartRequest, cart_service_client::CartServiceClient,
        checkout_service_client::CheckoutServiceClient, get_checkout_request::Name,
    },
    common,
    convert::FailureFields,
};
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, CheckoutFailure, CheckoutId, Line, Sku,
    UserId, Version,
};
use tonic::{Request, Status};

use super::{
    CallError, CartClient, CheckoutName, MAX_ANSWER_BYTES, Mark, PageRequest, Paged, Shopper,
    wire::{Unreadable, cart_from_wire, checkout_from_wire},
};
use crate::domain::{
    cart::Cart,
    checkout::{Capture, Checkout},
};

const NAME: &str = "the cart service";

/// A [`CartClient`] that speaks gRPC.
#[derive(Clone)]
pub struct GrpcCarts {
    client: CartServiceClient<Outbound>,
    checkouts: CheckoutServiceClient<Outbound>,
    identity: ServiceIdentity,
    env: Env,
}

impl GrpcCarts {
    /// Calls the cart service behind `channel`, as `identity` where no user is concerned.
    #[must_use]
    pub fn new(channel: Outbound, identity: ServiceIdentity, env: Env) -> Self {
        let client = CartServiceClient::new(channel.clone());
        let client = client.max_decoding_message_size(MAX_ANSWER_BYTES);
        Self { client, checkouts: CheckoutServiceClient::new(channel), identity, env }
    }

    fn client(&self) -> CartServiceClient<Outbound> {
        self.client.clone()
    }

    fn checkouts(&self) -> CheckoutServiceClient<Outbound> {
        self.checkouts.clone()
    }

    async fn retry<T, F>(&self, call: impl FnMut() -> F + Send) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Status>> + Send,
    {
        retry(&self.env, call).await.map_err(failed)
    }

    /// Tries once if the caller names a version: after a lost answer, a second try would meet the
    /// change of the first and get a version conflict.
    async fn retry_unless_versioned<T, F>(
        &self,
        expected_version: Option<Version>,
        mut call: impl FnMut() -> F + Send,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Status>> + Send,
    {
        match expected_version {
            Some(_) => call().await.map_err(failed),
            None => self.retry(call).await,
        }
    }

    async fn as_service<T>(&self, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.identity.bearer().await?);
        Ok(request)
    }
}

fn as_user<T>(shopper: &Shopper, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", shopper.token.clone());
    request
}

fn failed(status: Status) -> CallError {
    CallError::from_status(NAME, status)
}

fn own_failed(status: Status) -> CallError {
    CallError::from_own_call(NAME, status)
}

fn broken(unreadable: Unreadable) -> CallError {
    CallError::Broken { service: NAME, source: unreadable.into() }
}

fn cart(cart: Option<WireCart>) -> Result<Cart, CallError> {
    set("cart", cart).and_then(|cart| cart_from_wire(&cart)).map_err(broken)
}

fn checkout(checkout: Option<WireCheckout>) -> Result<Checkout, CallError> {
    set("checkout", checkout).and_then(checkout_from_wire).map_err(broken)
}

fn set<T>(field: &str, value: Option<T>) -> Result<T, Unreadable> {
    let mut bad = BadFields::default();
    let value = bad.required(field, value);
    Unreadable::check(value, &bad)
}

fn etag(expected_version: Option<Version>) -> String {
    expected_version.map(Version::to_etag).unwrap_or_default()
}

#[async_trait]
impl CartClient for GrpcCarts {
    async fn create(
        &self,
        shopper: &Shopper,
        id: Option<CartId>,
        lines: &[Line],
        details: &CartDetails,
    ) -> Result<Cart, CallError> {
        let message = CreateCartRequest {
            cart_id: id.map(|id| id.to_string()).unwrap_or_default(),
            lines: lines.iter().map(Into::into).collect(),
            ..CreateCartRequest::from(details)
        };
        let call = || {
            let (mut client, request) = (self.client(), as_user(shopper, message.clone()));
            async move { client.create_cart(request).await }
        };
        // Without an id of the client's own, a second try could make a second cart.
        let done = match id {
            Some(_) => self.retry(call).await,
            None => call().await.map_err(failed),
        };
        cart(done?.into_inner().cart)
    }

    async fn get(&self, shopper: &Shopper, id: CartId) -> Result<Cart, CallError> {
        let message = GetCartRequest { cart_id: id.to_string() };
        let call = || {
            let (mut client, request) = (self.client(), as_user(shopper, message.clone()));
            async move { client.get_cart(request).await }
        };
        cart(self.retry(call).await?.into_inner().cart)
    }

    async fn list(
        &self,
        shopper: &Shopper,
        filter: CartFilter,
        page: &PageRequest,
    ) -> Result<Paged<Cart>, CallError> {
        let message = ListCartsRequest {
            filter: common::CartFilter::from(filter).into(),
            page_size: page.size,
            page_token: page.token.clone(),
        };
        let call = || {
            let (mut client, request) = (self.client(), as_user(shopper, message.clone()));
            async move { client.list_carts(request).await }
        };
        let found = self.retry(call).await?.into_inner();
        let carts = found.carts.iter().map(cart_from_wire).collect::<Result<_, _>>();
        Ok(Paged { entries: carts.map_err(broken)?, next_page_token: found.next_page_token })
    }

    async fn update(
        &self,
        shopper: &Shopper,
        id: CartId,
        lines: Option<&[Line]>,
        patch: &CartDetailsPatch,
        expected_version: Option<Version>,
    ) -> Result<Cart, CallError> {
        let message = UpdateCartRequest {
            cart_id: id.to_string(),
            lines: lines.unwrap_or_default().iter().map(Into::into).collect(),
            remove_all_lines: lines.is_some_and(<[Line]>::is_empty),
            etag: etag(expected_version),
            ..UpdateCartRequest::from(patch)
        };
        let call = || {
            let (mut client, request) = (self.client(), as_user(shopper, message.clone()));
            async move { client.update_cart(request).await }
        };
        cart(self.retry_unless_versioned(expected_version, call).await?.into_inner().cart)
    }

    async fn set_item(
        &self,
        shopper: &Shopper,
        id: CartId,
        sku: &Sku,
        pieces: i32,
        expected_version: Option<Version>,
    ) -> Result<Cart, CallError> {
        let message = SetItemRequest {
            cart_id: id.to_string(),
            line: Some(common::Line { sku: sku.to_string(), quantity: Some(pieces) }),
            etag: etag(expected_version),
        };
        let call = || {
            let (mut client, request) = (self.client(), as_user(shopper, message.clone()));
            async move { client.set_item(request).await }
        };
        cart(self.retry_unless_versioned(expected_version, call).await?.into_inner().cart)
    }

    async fn delete(
        &self,
        shopper: &Shopper,
        id: CartId,
        expected_version: Option<Version>,
    ) -> Result<(), CallError> {
        let message = DeleteCartRequest { cart_id: id.to_string(), etag: etag(expected_version) };
        // Tried once: after a lost answer a second try would say that there is no such cart.
        self.client().delete_cart(as_user(shopper, message)).await.map_err(failed)?;
        Ok(())
    }

    async fn mark(&self, shopper: &Shopper, mark: &Mark) -> Result<Checkout, CallError> {
        let message = MarkPurchasedRequest {
            request_id: mark.request.to_string(),
            fingerprint: mark.fingerprint.as_bytes().to_vec(),
            cart_id: mark.cart.to_string(),
            etag: mark.version.to_etag(),
            lines: mark.quote.lines().iter().map(Into::into).collect(),
            total: Some(mark.quote.total().into()),
        };
        let call = || {
            let (mut client, identity) = (self.checkouts(), self.identity.clone());
            let mut request = as_user(shopper, message.clone());
            async move {
                let own = identity.bearer().await?;
                request.metadata_mut().insert("service-authorization", own);
                client.mark_purchased(request).await
            }
        };
        let done = retry(&self.env, call).await.map_err(own_failed)?;
        checkout(done.into_inner().checkout)
    }

    async fn confirm(
        &self,
        owner: &UserId,
        id: CheckoutId,
        capture: &Capture,
    ) -> Result<Checkout, CallError> {
        let request = self.as_service(ConfirmPurchaseRequest {
            owner: owner.to_string(),
            checkout_id: id.to_string(),
            payment_id: capture.payment.to_string(),
            amount: Some(capture.amount.into()),
        });
        let done = self.checkouts().confirm_purchase(request.await.map_err(own_failed)?).await;
        checkout(done.map_err(own_failed)?.into_inner().checkout)
    }

    async fn unmark(
        &self,
        owner: &UserId,
        id: CheckoutId,
        failure: CheckoutFailure,
    ) -> Result<Checkout, CallError> {
        let FailureFields { failure, decline_reason } = failure.into();
        let request = self.as_service(UnmarkPurchasedRequest {
            owner: owner.to_string(),
            checkout_id: id.to_string(),
            failure,
            decline_reason,
        });
        let done = self.checkouts().unmark_purchased(request.await.map_err(own_failed)?).await;
        checkout(done.map_err(own_failed)?.into_inner().checkout)
    }

    async fn lease_overdue(&self, worker: &str, limit: u32) -> Result<Vec<Checkout>, CallError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let message = LeaseOverdueRequest { worker: worker.to_owned(), limit };
        // Tried once: a second try would lease others, and the first ones only later again.
        let request = self.as_service(message).await.map_err(own_failed)?;
        let leased =
            self.checkouts().lease_overdue(request).await.map_err(own_failed)?.into_inner();
        let read = leased.checkouts.into_iter().map(checkout_from_wire);
        // One row that cannot be read must not keep the others from being finished.
        let (good, bad): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
        for unreadable in bad.into_iter().filter_map(Result::err) {
            tracing::error!(error = %unreadable, "a leased checkout cannot be read, skipping it");
        }
        Ok(good.into_iter().flatten().collect())
    }

    async fn checkout(
        &self,
        shopper: &Shopper,
        name: &CheckoutName,
    ) -> Result<Checkout, CallError> {
        let name = match name {
            CheckoutName::Id(id) => Name::CheckoutId(id.to_string()),
            CheckoutName::Request(request) => Name::RequestId(request.to_string()),
        };
        let message = GetCheckoutRequest { name: Some(name) };
        let call = || {
            let (mut client, request) = (self.checkouts(), as_user(shopper, message.clone()));
            async move { client.get_checkout(request).await }
        };
        checkout(self.retry(call).await?.into_inner().checkout)
    }
}
