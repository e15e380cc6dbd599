//! A client of the store: signs in at the identity provider, then talks to the controller.
//!
//! It knows only the contract, as any client does. Deliberately absent: what it buys.

use std::time::Duration;

use oxcart_proto::{
    common::{CartFilter, CheckoutState, Item},
    controller::{
        Cart, Checkout, CheckoutRequest, CreateCartRequest, GetCheckoutRequest,
        GetStorefrontRequest, GetStorefrontResponse, ListCartsRequest, ListItemsRequest,
        ListPurchasesRequest, controller_service_client::ControllerServiceClient,
        get_checkout_request,
    },
    idp::{
        ImpersonateUserRequest, SignInRequest, UserTokens, idp_service_client::IdpServiceClient,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::{Sources, channel};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// Longest wait for the answer to one call.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often a pending checkout is asked for before the client gives up: it is decided within 90 s.
const MAX_CHECKOUT_POLLS: u32 = 120;

/// Wait between two such calls where the server names none.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Largest answer that the client takes: 200 carts with long descriptions fit.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

const PAGE_SIZE: i32 = 200;

/// Why the client could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is no URL.
    #[error("the address of the store is no URL")]
    Address(#[source] tonic::transport::Error),
    /// The token cannot be sent in a header.
    #[error("the identity provider's token is no token")]
    Token,
    /// The store refused a call, or did not answer. Shown without what is for programs.
    #[error("cannot {what}: {}", status.message())]
    Refused {
        /// What the client wanted.
        what: &'static str,
        /// What it was told.
        status: Box<Status>,
    },
    /// A checkout stayed pending for longer than the store promises.
    #[error("the checkout is still pending, look again later")]
    Undecided,
}

/// How a user of the built-in identity provider signs in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// With a password.
    Password {
        /// The user.
        username: String,
        /// Its password.
        password: SecretString,
    },
    /// Through a client that the identity provider trusts to name any user.
    Impersonated {
        /// The user.
        username: String,
        /// The client.
        client_id: String,
        /// The client's secret.
        client_secret: SecretString,
    },
}

/// Signs a user in at the identity provider's gRPC address.
///
/// # Errors
/// [`ClientError`].
pub async fn sign_in(
    idp_url: &str,
    credentials: &Credentials,
) -> Result<SecretString, ClientError> {
    let mut idp = IdpServiceClient::new(connect(idp_url)?);
    let tokens = match credentials {
        Credentials::Password { username, password } => {
            let request = SignInRequest {
                username: username.clone(),
                password: password.expose_secret().to_owned(),
            };
            idp.sign_in(with_deadline(request)).await.map(|answer| answer.into_inner().tokens)
        }
        Credentials::Impersonated { username, client_id, client_secret } => {
            let request = ImpersonateUserRequest {
                client_id: client_id.clone(),
                client_secret: client_secret.expose_secret().to_owned(),
                username: username.clone(),
            };
            idp.impersonate_user(with_deadline(request))
                .await
                .map(|answer| answer.into_inner().tokens)
        }
    };
    let UserTokens { access_token, .. } = tokens.map_err(refused("sign in"))?.unwrap_or_default();
    Ok(access_token.into())
}

/// Sends one token with every call.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// Of an access token.
    ///
    /// # Errors
    /// [`ClientError::Token`] if it cannot stand in a header.
    pub fn new(token: &SecretString) -> Result<Self, ClientError> {
        let header = format!("Bearer {}", token.expose_secret());
        let mut header: MetadataValue<Ascii> = header.parse().map_err(|_| ClientError::Token)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        request.set_timeout(DEADLINE);
        Ok(request)
    }
}

/// The generated client of the controller, with a token.
pub type Controller = ControllerServiceClient<InterceptedService<Channel, Bearer>>;

/// A signed-in client of the controller.
#[derive(Clone)]
pub struct Shopper {
    controller: Controller,
    sources: Sources,
}

impl Shopper {
    /// Talks to the controller at `url` as the user of `token`.
    ///
    /// # Errors
    /// [`ClientError`]; that nobody listens there shows with the first call.
    pub fn new(url: &str, token: &SecretString, sources: Sources) -> Result<Self, ClientError> {
        let channel = connect(url)?;
        let controller = ControllerServiceClient::with_interceptor(channel, Bearer::new(token)?)
            .max_decoding_message_size(MAX_ANSWER_BYTES);
        Ok(Self { controller, sources })
    }

    /// The generated client, for calls that need nothing else.
    pub const fn controller(&mut self) -> &mut Controller {
        &mut self.controller
    }

    /// What the store shows first.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn storefront(&self) -> Result<GetStorefrontResponse, ClientError> {
        let call = async || {
            let request = GetStorefrontRequest::default();
            Ok(self.controller.clone().get_storefront(request).await?.into_inner())
        };
        channel::retry(&self.sources, call).await.map_err(refused("enter the store"))
    }

    /// Every item for sale.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn items(&self) -> Result<Vec<Item>, ClientError> {
        let page = async |page_token| {
            let request = ListItemsRequest { page_size: PAGE_SIZE, page_token };
            let page = self.controller.clone().list_items(request).await?.into_inner();
            Ok((page.items, page.next_page_token))
        };
        self.every_page(page).await.map_err(refused("list the items"))
    }

    /// The user's carts that are not purchased, the youngest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn unpurchased(&self) -> Result<Vec<Cart>, ClientError> {
        let page = async |page_token| {
            let filter = CartFilter::Unpurchased.into();
            let request = ListCartsRequest { filter, page_size: PAGE_SIZE, page_token };
            let page = self.controller.clone().list_carts(request).await?.into_inner();
            Ok((page.carts, page.next_page_token))
        };
        self.every_page(page).await.map_err(refused("list the carts"))
    }

    /// The user's purchases, the youngest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn purchases(&self) -> Result<Vec<Cart>, ClientError> {
        let page = async |page_token| {
            let request = ListPurchasesRequest { page_size: PAGE_SIZE, page_token };
            let page = self.controller.clone().list_purchases(request).await?.into_inner();
            Ok((page.carts, page.next_page_token))
        };
        self.every_page(page).await.map_err(refused("list the purchases"))
    }

    /// Creates a cart. `request.cart_id` must be set, so that a repeated call creates one cart.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub async fn create_cart(&self, request: CreateCartRequest) -> Result<Cart, ClientError> {
        let call = async || {
            let answer = self.controller.clone().create_cart(request.clone()).await?;
            Ok(answer.into_inner().cart.unwrap_or_default())
        };
        channel::retry(&self.sources, call).await.map_err(refused("create a cart"))
    }

    /// Purchases a cart and waits until it is decided.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it was refused before anything was charged, or is unknown.
    /// [`ClientError::Undecided`] if it is pending for longer than the store promises.
    pub async fn checkout(&self, request: CheckoutRequest) -> Result<Checkout, ClientError> {
        let call = async || {
            let answer = self.controller.clone().checkout(request.clone()).await?;
            Ok(answer.into_inner().checkout.unwrap_or_default())
        };
        let checkout = channel::retry(&self.sources, call).await.map_err(refused("check out"))?;
        self.decided(checkout).await
    }

    async fn decided(&self, mut checkout: Checkout) -> Result<Checkout, ClientError> {
        for _ in 0..MAX_CHECKOUT_POLLS {
            if checkout.state() != CheckoutState::Pending {
                return Ok(checkout);
            }
            let wait = checkout.retry_after.and_then(|after| after.try_into().ok());
            tokio::time::sleep(wait.unwrap_or(DEFAULT_RETRY_AFTER)).await;
            let call = async || {
                let id = get_checkout_request::Name::CheckoutId(checkout.checkout_id.clone());
                let request = GetCheckoutRequest { name: Some(id) };
                let answer = self.controller.clone().get_checkout(request).await?;
                Ok(answer.into_inner().checkout.unwrap_or_default())
            };
            checkout =
                channel::retry(&self.sources, call).await.map_err(refused("look at a checkout"))?;
        }
        Err(ClientError::Undecided)
    }

    async fn every_page<T>(
        &self,
        page: impl AsyncFn(String) -> Result<(Vec<T>, String), Status>,
    ) -> Result<Vec<T>, Status> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let (more, next) =
                channel::retry(&self.sources, async || page(token.clone()).await).await?;
            all.extend(more);
            if next.is_empty() {
                return Ok(all);
            }
            token = next;
        }
    }
}

pub(crate) fn connect(url: &str) -> Result<Channel, ClientError> {
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(ClientError::Address)?;
    Ok(endpoint.connect_timeout(DEADLINE).connect_lazy())
}

pub(crate) fn with_deadline<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

pub(crate) fn refused(what: &'static str) -> impl FnOnce(Status) -> ClientError {
    move |status| ClientError::Refused { what, status: Box::new(status) }
}
