//! One user of the store: the controller's RPCs as that user, each repeated while that may help.
//!
//! Deliberately absent: what is bought and why.

use std::{sync::Arc, time::Duration};

use oxcart_proto::{
    common,
    controller::{
        Cart, Checkout, CheckoutRequest, CreateCartRequest, DeleteCartRequest, GetCartRequest,
        GetCheckoutRequest, GetStorefrontRequest, ListCartsRequest, ListItemsRequest,
        ListPurchasesRequest, SearchItemsRequest, SetItemRequest, UpdateCartRequest,
        WatchCheckoutRequest, WatchCheckoutResponse,
        controller_service_client::ControllerServiceClient, get_checkout_request::Name,
    },
};
use oxcart_types::UserId;
use tokio::time::Instant;
use tonic::{Request, Response, Status, Streaming, transport::Channel};

use crate::{
    call::{CallError, Tries},
    session::{Store, Token},
};

/// Tries of a call that should get through: enough for a controller that is restarted, 30 s or so.
const PATIENT_TRIES: u32 = 12;

/// Carts that are asked for at once: a page of carts of hundreds of lines fits one message.
const CARTS_PER_PAGE: i32 = 20;

/// The most pages of carts that are read.
const MAX_PAGES: usize = 10_000;

/// How long a checkout may stay undecided. The protocol promises 90 s once faults have stopped.
const DECISION_LIMIT: Duration = Duration::from_mins(2);

/// The pause between two looks at an undecided checkout, unless the store says otherwise.
const DECISION_PAUSE: Duration = Duration::from_millis(500);

type Client = ControllerServiceClient<Channel>;

/// A signed-in user.
pub struct Shopper {
    store: Arc<Store>,
    client: Client,
    user: UserId,
    token: Option<Token>,
    tries: u32,
}

impl Shopper {
    /// A user whose calls should get through. `index` picks the connection.
    pub fn patient(store: Arc<Store>, user: UserId, index: usize) -> Self {
        let client = store.controller(index);
        Self { store, client, user, token: None, tries: PATIENT_TRIES }
    }

    /// The same user with calls that are tried once, so that each failure is seen.
    pub fn impatient(self) -> Self {
        Self { tries: 1, ..self }
    }

    /// Who it is.
    pub const fn user(&self) -> &UserId {
        &self.user
    }

    /// Signs in, or again if the token is about to expire.
    pub async fn sign_in(&mut self) -> Result<(), CallError> {
        if !self.token.as_ref().is_some_and(Token::is_fresh) {
            self.token = Some(self.store.user_token(&self.user).await?);
        }
        Ok(())
    }

    /// `GetStorefront`; the answer itself is of no interest.
    pub async fn storefront(&mut self, page_size: i32) -> Result<(), CallError> {
        let message = GetStorefrontRequest { page_size };
        let answer = self.call("GetStorefront", message, |mut client, request| async move {
            client.get_storefront(request).await
        });
        answer.await.map(|_| ())
    }

    /// The first `page_size` items by SKU.
    pub async fn first_items(&mut self, page_size: i32) -> Result<Vec<common::Item>, CallError> {
        let message = ListItemsRequest { page_size, page_token: String::new() };
        let answer = self.call("ListItems", message, |mut client, request| async move {
            client.list_items(request).await
        });
        Ok(answer.await?.items)
    }

    /// `SearchItems`; the answer itself is of no interest.
    pub async fn search(&mut self, query: &str) -> Result<(), CallError> {
        let query = query.to_owned();
        let message = SearchItemsRequest { query, page_size: 20, page_token: String::new() };
        let answer = self.call("SearchItems", message, |mut client, request| async move {
            client.search_items(request).await
        });
        answer.await.map(|_| ())
    }

    /// Creates a cart, or returns the one that is there.
    pub async fn create_or_get_cart(&mut self, cart_id: &str) -> Result<Cart, CallError> {
        match self.create_cart(cart_id, Vec::new()).await {
            Err(error) if error.reason() == Some(common::ErrorReason::CartExists) => {
                self.cart(cart_id).await
            }
            created => created,
        }
    }

    /// `CreateCart`; with an empty `cart_id` the store chooses one.
    pub async fn create_cart(
        &mut self,
        cart_id: &str,
        lines: Vec<common::Line>,
    ) -> Result<Cart, CallError> {
        let rpc = "CreateCart";
        let message = CreateCartRequest { cart_id: cart_id.to_owned(), lines };
        let answer = self.call(rpc, message, |mut client, request| async move {
            client.create_cart(request).await
        });
        answer.await?.cart.ok_or_else(|| CallError::incomplete(rpc, "cart"))
    }

    /// `GetCart`.
    pub async fn cart(&mut self, cart_id: &str) -> Result<Cart, CallError> {
        let rpc = "GetCart";
        let message = GetCartRequest { cart_id: cart_id.to_owned() };
        let answer =
            self.call(
                rpc,
                message,
                |mut client, request| async move { client.get_cart(request).await },
            );
        answer.await?.cart.ok_or_else(|| CallError::incomplete(rpc, "cart"))
    }

    /// Replaces what a cart holds.
    pub async fn fill_cart(
        &mut self,
        cart_id: &str,
        lines: Vec<common::Line>,
    ) -> Result<Cart, CallError> {
        let rpc = "UpdateCart";
        let message = UpdateCartRequest { cart_id: cart_id.to_owned(), lines, etag: String::new() };
        let answer = self.call(rpc, message, |mut client, request| async move {
            client.update_cart(request).await
        });
        answer.await?.cart.ok_or_else(|| CallError::incomplete(rpc, "cart"))
    }

    /// `SetItem`; the answer itself is of no interest.
    pub async fn set_item(&mut self, cart_id: &str, line: common::Line) -> Result<(), CallError> {
        let message =
            SetItemRequest { cart_id: cart_id.to_owned(), line: Some(line), etag: String::new() };
        let answer = self.call("SetItem", message, |mut client, request| async move {
            client.set_item(request).await
        });
        answer.await.map(|_| ())
    }

    /// `DeleteCart`.
    pub async fn delete_cart(&mut self, cart_id: &str) -> Result<(), CallError> {
        let message = DeleteCartRequest { cart_id: cart_id.to_owned(), etag: String::new() };
        let answer = self.call("DeleteCart", message, |mut client, request| async move {
            client.delete_cart(request).await
        });
        answer.await.map(|_| ())
    }

    /// The first page of the carts that are not purchased.
    pub async fn unpurchased_carts(&mut self) -> Result<Vec<Cart>, CallError> {
        let message = ListCartsRequest {
            filter: common::CartFilter::Unpurchased.into(),
            page_size: CARTS_PER_PAGE,
            page_token: String::new(),
        };
        let answer = self.call("ListCarts", message, |mut client, request| async move {
            client.list_carts(request).await
        });
        Ok(answer.await?.carts)
    }

    /// All purchased carts.
    pub async fn purchases(&mut self) -> Result<Vec<Cart>, CallError> {
        let rpc = "ListPurchases";
        let (mut carts, mut page_token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let message = ListPurchasesRequest { page_size: CARTS_PER_PAGE, page_token };
            let answer = self.call(rpc, message, |mut client, request| async move {
                client.list_purchases(request).await
            });
            let page = answer.await?;
            carts.extend(page.carts);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(carts);
            }
        }
        Err(CallError::incomplete(rpc, "last page"))
    }

    /// Pays for a cart.
    pub async fn check_out(
        &mut self,
        cart_id: &str,
        request_id: &str,
        payment_token: &str,
    ) -> Result<Checkout, CallError> {
        let rpc = "Checkout";
        let message = CheckoutRequest {
            request_id: request_id.to_owned(),
            cart_id: cart_id.to_owned(),
            etag: String::new(),
            expected_total: None,
            payment_token: payment_token.to_owned(),
        };
        let answer =
            self.call(
                rpc,
                message,
                |mut client, request| async move { client.checkout(request).await },
            );
        answer.await?.checkout.ok_or_else(|| CallError::incomplete(rpc, "checkout"))
    }

    /// `GetCheckout`.
    async fn checkout(&mut self, checkout_id: &str) -> Result<Checkout, CallError> {
        let rpc = "GetCheckout";
        let message = GetCheckoutRequest { name: Some(Name::CheckoutId(checkout_id.to_owned())) };
        let answer = self.call(rpc, message, |mut client, request| async move {
            client.get_checkout(request).await
        });
        answer.await?.checkout.ok_or_else(|| CallError::incomplete(rpc, "checkout"))
    }

    /// Waits until a checkout is decided, at most [`DECISION_LIMIT`].
    pub async fn decision(&mut self, checkout_id: &str) -> Result<Checkout, CallError> {
        let give_up_at = Instant::now() + DECISION_LIMIT;
        loop {
            // A watch that breaks tells nothing: the look afterwards does.
            let _ = tokio::time::timeout_at(give_up_at, self.watch(checkout_id)).await;
            let checkout = self.checkout(checkout_id).await?;
            if is_decided(&checkout) {
                return Ok(checkout);
            }
            if Instant::now() >= give_up_at {
                let late = format!("checkout {checkout_id} is still pending");
                return Err(CallError::new("GetCheckout", Status::deadline_exceeded(late)));
            }
            tokio::time::sleep(pause(&checkout)).await;
        }
    }

    /// Reads the changes of a checkout until it is decided or the stream ends.
    async fn watch(&mut self, checkout_id: &str) -> Result<(), CallError> {
        let rpc = "WatchCheckout";
        let message = WatchCheckoutRequest { checkout_id: checkout_id.to_owned() };
        let answer = self.call(rpc, message, |mut client, request| async move {
            client.watch_checkout(request).await
        });
        let mut changes: Streaming<WatchCheckoutResponse> = answer.await?;
        while let Some(change) =
            changes.message().await.map_err(|status| CallError::new(rpc, status))?
        {
            if change.checkout.as_ref().is_some_and(is_decided) {
                break;
            }
        }
        Ok(())
    }

    /// Calls as this user until there is an answer, or an error that will not go away.
    async fn call<Q, A, F>(
        &mut self,
        rpc: &'static str,
        message: Q,
        send: impl Fn(Client, Request<Q>) -> F,
    ) -> Result<A, CallError>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut tries = Tries::new(self.tries, self.user.as_str());
        let mut may_renew = true;
        loop {
            let request = self.request(message.clone()).await?;
            let error = match send(self.client.clone(), request).await {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => CallError::new(rpc, status),
            };
            if may_renew && error.is_token_refused() {
                (self.token, may_renew) = (None, false);
            } else {
                tries.pause_or_give_up(error).await?;
            }
        }
    }

    async fn request<Q>(&mut self, message: Q) -> Result<Request<Q>, CallError> {
        self.sign_in().await?;
        let mut request = Request::new(message);
        request.set_timeout(self.store.call_timeout());
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.bearer());
        }
        Ok(request)
    }
}

fn is_decided(checkout: &Checkout) -> bool {
    checkout.state() != common::CheckoutState::Pending
}

fn pause(checkout: &Checkout) -> Duration {
    let asked = checkout.retry_after.and_then(|pause| Duration::try_from(pause).ok());
    asked.unwrap_or(DECISION_PAUSE).clamp(DECISION_PAUSE / 5, DECISION_PAUSE * 4)
}
