//! Every RPC of the controller once, each with a good request about one cart and one checkout.

use oxcart_proto::{
    FILE_DESCRIPTOR_SET,
    common::CartFilter,
    controller::{
        Card, CheckoutRequest, CreateCartRequest, DeleteCartRequest, GetCartRequest,
        GetCheckoutRequest, GetItemsRequest, GetStorefrontRequest, ImportItemsRequest,
        ListCartsRequest, ListItemsRequest, ListPurchasesRequest, SearchItemsRequest,
        SetItemRequest, TokenizeCardRequest, UpdateCartRequest,
        controller_service_client::ControllerServiceClient, get_checkout_request::Name,
    },
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use crate::world::{line, watch_request};

/// What a call came to.
pub type Outcome = (&'static str, Result<(), Status>);

/// Calls the controller with whatever stands in `authorization`.
#[derive(Clone)]
pub struct Calls {
    client: ControllerServiceClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
}

impl Calls {
    /// Calls over `channel`.
    pub fn new(channel: Channel, authorization: Option<&str>) -> Self {
        let authorization = authorization.map(|value| value.parse().unwrap());
        Self { client: ControllerServiceClient::new(channel), authorization }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request
    }

    /// Those that name a cart.
    pub async fn about_cart(&mut self, cart_id: &str) -> Vec<Outcome> {
        let cart_id = || cart_id.to_owned();
        let get = self.request(GetCartRequest { cart_id: cart_id() });
        let update = self.request(UpdateCartRequest {
            cart_id: cart_id(),
            lines: vec![line("1001", 1)],
            etag: String::new(),
            ..Default::default()
        });
        let set = self.request(SetItemRequest {
            cart_id: cart_id(),
            line: Some(line("1001", 1)),
            etag: String::new(),
        });
        let delete = self.request(DeleteCartRequest { cart_id: cart_id(), etag: String::new() });
        let checkout = self.request(CheckoutRequest {
            request_id: "calls".to_owned(),
            cart_id: cart_id(),
            etag: String::new(),
            expected_total: None,
            payment_token: "tok_visa".to_owned(),
            accept_any_total: true,
        });
        vec![
            ("GetCart", self.client.get_cart(get).await.map(drop)),
            ("UpdateCart", self.client.update_cart(update).await.map(drop)),
            ("SetItem", self.client.set_item(set).await.map(drop)),
            ("DeleteCart", self.client.delete_cart(delete).await.map(drop)),
            ("Checkout", self.client.checkout(checkout).await.map(drop)),
        ]
    }

    /// Those that name a checkout.
    pub async fn about_checkout(&mut self, checkout_id: &str) -> Vec<Outcome> {
        let id = || checkout_id.to_owned();
        let get = self.request(GetCheckoutRequest { name: Some(Name::CheckoutId(id())) });
        let watch = self.request(watch_request(id()));
        let got = self.client.get_checkout(get).await.map(drop);
        let watched = match self.client.watch_checkout(watch).await {
            Ok(stream) => stream.into_inner().message().await.map(drop),
            Err(status) => Err(status),
        };
        vec![("GetCheckout", got), ("WatchCheckout", watched)]
    }

    /// Those that name neither.
    pub async fn about_nothing(&mut self) -> Vec<Outcome> {
        let storefront = self.request(GetStorefrontRequest::default());
        let list_items = self.request(ListItemsRequest::default());
        let search =
            self.request(SearchItemsRequest { query: "ox".to_owned(), ..Default::default() });
        let get_items = self.request(GetItemsRequest::default());
        let create = self.request(CreateCartRequest::default());
        let filter = CartFilter::Unpurchased.into();
        let list_carts = self.request(ListCartsRequest { filter, ..Default::default() });
        let purchases = self.request(ListPurchasesRequest::default());
        let card = Card {
            number: "4242424242424242".to_owned(),
            expiry_month: 1,
            expiry_year: 2035,
            cvc: "123".to_owned(),
        };
        let tokenize = self.request(TokenizeCardRequest { card: Some(card) });
        let csv_chunk = b"sku,name,price,description\n".to_vec();
        let rows = ImportItemsRequest { csv_chunk, default_currency_code: String::new() };
        let import = self.request(tokio_stream::once(rows));
        vec![
            ("GetStorefront", self.client.get_storefront(storefront).await.map(drop)),
            ("ListItems", self.client.list_items(list_items).await.map(drop)),
            ("SearchItems", self.client.search_items(search).await.map(drop)),
            ("GetItems", self.client.get_items(get_items).await.map(drop)),
            ("CreateCart", self.client.create_cart(create).await.map(drop)),
            ("ListCarts", self.client.list_carts(list_carts).await.map(drop)),
            ("ListPurchases", self.client.list_purchases(purchases).await.map(drop)),
            ("TokenizeCard", self.client.tokenize_card(tokenize).await.map(drop)),
            ("ImportItems", self.client.import_items(import).await.map(drop)),
        ]
    }

    /// All of them.
    pub async fn all(&mut self, cart_id: &str, checkout_id: &str) -> Vec<Outcome> {
        let mut all = self.about_nothing().await;
        all.extend(self.about_checkout(checkout_id).await);
        all.extend(self.about_cart(cart_id).await);
        all
    }
}

/// The names of all RPCs of the controller, from the contract.
pub fn rpcs() -> Vec<String> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let services = files.iter().flat_map(|file| &file.service);
    let controller = services.filter(|service| service.name() == "ControllerService");
    controller.flat_map(|service| &service.method).map(|rpc| rpc.name().to_owned()).collect()
}
