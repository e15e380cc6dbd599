//! What a signed-in user may read. [`crate::cart`] changes carts, [`crate::checkout`] buys them.

use oxcart_proto::{
    common::{CartFilter, Item},
    controller::{
        Card, Cart, GetCartRequest, GetItemsRequest, GetItemsResponse, GetStorefrontRequest,
        GetStorefrontResponse, ListCartsRequest, ListItemsRequest, ListPurchasesRequest,
        SearchItemsRequest, TokenizeCardRequest, TokenizeCardResponse,
        controller_service_client::ControllerServiceClient,
    },
};
use tonic::{service::interceptor::InterceptedService, transport::Channel};

use crate::{
    call::Caller,
    client::Client,
    error::{CallError, Error},
    pages::{PageRequest, Pages},
    retry::Tries,
    session::{Bearer, Session},
};

/// The generated client.
pub(crate) type Store = ControllerServiceClient<Channel>;

/// The generated client of the controller, which sends one token, and a deadline of 10 s.
pub type Controller = ControllerServiceClient<InterceptedService<Channel, Bearer>>;

/// The store as one signed-in user sees it. A clone is the same user in the same session; tasks may
/// share either.
///
/// Answers are the contract's own messages. Every call may fail with [`Error::Call`]: refused with a
/// reason, or, after all tries, without an answer.
#[derive(Debug, Clone)]
pub struct Shopper {
    client: Client,
    pub(crate) caller: Caller<Store>,
    session: Session,
}

impl Shopper {
    pub(crate) fn new(client: &Client, session: Session) -> Self {
        Self { client: client.clone(), caller: client.caller(session.clone()), session }
    }

    /// The same user, each call tried once, so that every failure is seen. A token that is refused is
    /// replaced all the same.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.caller = self.caller.without_retries();
        self
    }

    /// The session that it calls in.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The generated client, with the token that is good now: for what has no method here. It repeats
    /// nothing and renews no token.
    ///
    /// # Errors
    /// Those of the session's source of tokens.
    pub async fn controller(&self) -> Result<Controller, Error> {
        Ok(self.client.controller_with(self.session.bearer().await?))
    }

    /// What the store shows first: the first items for sale, and the user's unpurchased carts. A
    /// `page_size` of 0 is the store's own choice.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn storefront(&self, page_size: u16) -> Result<GetStorefrontResponse, Error> {
        let message = GetStorefrontRequest { page_size: page_size.into() };
        let answer =
            self.caller.repeat("GetStorefront", message, |mut store, request| async move {
                store.get_storefront(request).await
            });
        answer.await
    }

    /// All items for sale, by SKU.
    #[must_use]
    pub fn items(&self) -> Pages<Item> {
        Pages::new(self, |shopper, PageRequest { page_size, page_token }| async move {
            let message = ListItemsRequest { page_size, page_token };
            let page =
                shopper.caller.repeat("ListItems", message, |mut store, request| async move {
                    store.list_items(request).await
                });
            page.await.map(|page| (page.items, page.next_page_token))
        })
    }

    /// The items whose names or descriptions have all words of `query`, the best match first.
    #[must_use]
    pub fn search(&self, query: impl Into<String>) -> Pages<Item> {
        let query = query.into();
        Pages::new(self, move |shopper, PageRequest { page_size, page_token }| {
            let message = SearchItemsRequest { query: query.clone(), page_size, page_token };
            async move {
                let page = shopper.caller.repeat(
                    "SearchItems",
                    message,
                    |mut store, request| async move { store.search_items(request).await },
                );
                page.await.map(|page| (page.items, page.next_page_token))
            }
        })
    }

    /// The items with these SKUs, and the SKUs that are not for sale.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn get_items(
        &self,
        skus: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<GetItemsResponse, Error> {
        let message = GetItemsRequest { skus: skus.into_iter().map(Into::into).collect() };
        let answer = self.caller.repeat("GetItems", message, |mut store, request| async move {
            store.get_items(request).await
        });
        answer.await
    }

    /// The user's carts that are not purchased, the last created first.
    #[must_use]
    pub fn carts(&self) -> Pages<Cart> {
        Pages::new(self, |shopper, PageRequest { page_size, page_token }| async move {
            let filter = CartFilter::Unpurchased.into();
            let message = ListCartsRequest { filter, page_size, page_token };
            let page =
                shopper.caller.repeat("ListCarts", message, |mut store, request| async move {
                    store.list_carts(request).await
                });
            page.await.map(|page| (page.carts, page.next_page_token))
        })
    }

    /// The user's purchases, with the prices paid, the cart last created first.
    #[must_use]
    pub fn purchases(&self) -> Pages<Cart> {
        Pages::new(self, |shopper, PageRequest { page_size, page_token }| async move {
            let message = ListPurchasesRequest { page_size, page_token };
            let page =
                shopper.caller.repeat("ListPurchases", message, |mut store, request| async move {
                    store.list_purchases(request).await
                });
            page.await.map(|page| (page.carts, page.next_page_token))
        })
    }

    /// A cart of the user. Somebody else's is `CART_NOT_FOUND`.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn get_cart(&self, cart_id: impl Into<String>) -> Result<Cart, Error> {
        self.get_cart_within(self.caller.tries(), cart_id.into()).await
    }

    pub(crate) async fn get_cart_within(
        &self,
        tries: Tries,
        cart_id: String,
    ) -> Result<Cart, Error> {
        let method = "GetCart";
        let message = GetCartRequest { cart_id };
        let answer =
            self.caller.repeat_within(tries, method, message, |mut store, request| async move {
                store.get_cart(request).await
            });
        Ok(answer.await?.cart.ok_or_else(|| CallError::incomplete(method, "cart"))?)
    }

    /// Hands a card over to the payment processor, for a token that stands for it. Tried once.
    ///
    /// # Errors
    /// See [`Shopper`].
    pub async fn tokenize_card(&self, card: Card) -> Result<TokenizeCardResponse, Error> {
        let message = TokenizeCardRequest { card: Some(card) };
        let tries = &mut self.caller.tries();
        let answer =
            self.caller.once(tries, "TokenizeCard", message, &|mut store, request| async move {
                store.tokenize_card(request).await
            });
        answer.await
    }
}
