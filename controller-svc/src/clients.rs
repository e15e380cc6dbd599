//! What the controller asks of the services behind it, in the words of its domain.
//!
//! The traits are what `app/` knows; the implementations below `clients/` speak gRPC and are the only
//! place, beside `api/`, that names wire types. Only reads and
//! idempotent writes are retried.

mod cart;
mod catalog;
mod failure;
mod payment;
mod wire;

use std::fmt;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use oxcart_types::{
    CartDetails, CartDetailsPatch, CartFilter, CartId, CheckoutFailure, CheckoutId, Fingerprint,
    Item, Line, Money, Quote, RequestId, Sku, UserId, Version,
};
use time::OffsetDateTime;
use tonic::metadata::{Ascii, MetadataValue};

pub use cart::GrpcCarts;
pub use catalog::GrpcCatalog;
pub use failure::{CallError, Refused};
pub use payment::GrpcPayments;
pub(crate) use wire::priced_line_to_wire;

use crate::domain::{
    cart::Cart,
    checkout::{Capture, Checkout, Payment},
    item::Items,
};

/// The most SKUs that one call to the catalogue may name.
pub const MAX_SKUS_PER_CALL: usize = 1_000;

/// The largest answer that is read, in bytes: 200 carts of 1,000 lines, or 1,000 items with long
/// descriptions.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// A signed-in user, and the token to act for them.
#[derive(Clone)]
pub struct Shopper {
    /// Who it is.
    pub id: UserId,
    /// The token as it came; goes to the cart service, which verifies it again.
    pub token: MetadataValue<Ascii>,
}

/// Shows who, never the token.
impl fmt::Debug for Shopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shopper").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The token of a service that calls, to act for it. Never shown.
#[derive(Clone)]
pub struct ServiceToken(pub MetadataValue<Ascii>);

/// What stands for a card. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentToken(pub String);

impl fmt::Debug for PaymentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentToken(…)")
    }
}

/// A card on its way to the payment service. Never shown, never kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    /// 12 to 19 digits, perhaps with spaces.
    pub number: String,
    /// 1 to 12.
    pub expiry_month: i32,
    /// Four digits.
    pub expiry_year: i32,
    /// 3 or 4 digits.
    pub cvc: String,
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Card(…)")
    }
}

/// What stands for a card, and what its owner knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizedCard {
    /// Use this from now on.
    pub token: PaymentToken,
    /// The last four digits.
    pub last_four: String,
}

/// Which page of a list. The token is the listing service's, opaque here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// 0 for the listing service's default.
    pub size: i32,
    /// Empty for the first page.
    pub token: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paged<T> {
    /// In the listing service's order.
    pub entries: Vec<T>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// A part of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvChunk {
    /// The next bytes.
    pub bytes: Vec<u8>,
    /// For rows without a currency; counts in the first chunk only.
    pub default_currency_code: String,
}

/// A file broke off before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the file broke off before its end")]
pub struct Interrupted;

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Items that were new.
    pub created: i64,
    /// Items that changed.
    pub updated: i64,
    /// Items that stayed the same.
    pub unchanged: i64,
}

/// What freezes a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The client's name for the purchase.
    pub request: RequestId,
    /// What it asked for.
    pub fingerprint: Fingerprint,
    /// The cart.
    pub cart: CartId,
    /// The version that was priced.
    pub version: Version,
    /// What is to be paid.
    pub quote: Quote,
}

/// A payment to be made, once per key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The key.
    pub key: CheckoutId,
    /// How much.
    pub amount: Money,
    /// Whose money.
    pub token: PaymentToken,
    /// A key that is first seen after this time is cancelled.
    pub not_after: OffsetDateTime,
}

/// How a checkout is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckoutName {
    /// By its id.
    Id(CheckoutId),
    /// By the client's name for the request that started it.
    Request(RequestId),
}

/// The catalogue.
#[async_trait]
pub trait CatalogClient: Send + Sync {
    /// The items with these SKUs, at most [`MAX_SKUS_PER_CALL`]; the others are absent.
    async fn descriptions(&self, skus: &[Sku]) -> Result<Items, CallError>;

    /// A page of all items, by SKU.
    async fn list(&self, page: &PageRequest) -> Result<Paged<Item>, CallError>;

    /// A page of the items that match, best first.
    async fn search(&self, query: &str, page: &PageRequest) -> Result<Paged<Item>, CallError>;

    /// Loads a catalogue on behalf of the service whose `token` it is. A file that breaks off is
    /// never passed for a whole one.
    async fn import(
        &self,
        token: ServiceToken,
        chunks: BoxStream<'static, Result<CsvChunk, Interrupted>>,
    ) -> Result<Imported, CallError>;
}

/// The carts and the records of checkouts.
#[async_trait]
pub trait CartClient: Send + Sync {
    /// Creates a cart; without an id the service chooses one.
    async fn create(
        &self,
        shopper: &Shopper,
        cart: Option<CartId>,
        lines: &[Line],
        details: &CartDetails,
    ) -> Result<Cart, CallError>;

    /// A cart of the shopper.
    async fn get(&self, shopper: &Shopper, cart: CartId) -> Result<Cart, CallError>;

    /// A page of the shopper's carts, the last created first.
    async fn list(
        &self,
        shopper: &Shopper,
        filter: CartFilter,
        page: &PageRequest,
    ) -> Result<Paged<Cart>, CallError>;

    /// Replaces the lines of a cart if there are others, and changes its details as `patch` says.
    async fn update(
        &self,
        shopper: &Shopper,
        cart: CartId,
        lines: Option<&[Line]>,
        patch: &CartDetailsPatch,
        expected_version: Option<Version>,
    ) -> Result<Cart, CallError>;

    /// Sets one line; zero pieces remove it.
    async fn set_item(
        &self,
        shopper: &Shopper,
        cart: CartId,
        sku: &Sku,
        pieces: i32,
        expected_version: Option<Version>,
    ) -> Result<Cart, CallError>;

    /// Deletes a cart.
    async fn delete(
        &self,
        shopper: &Shopper,
        cart: CartId,
        expected_version: Option<Version>,
    ) -> Result<(), CallError>;

    /// Freezes a cart. Answers with the checkout that is there if the request has been here before.
    async fn mark(&self, shopper: &Shopper, mark: &Mark) -> Result<Checkout, CallError>;

    /// Records that the payment was captured.
    async fn confirm(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
        capture: &Capture,
    ) -> Result<Checkout, CallError>;

    /// Records that the payment failed.
    async fn unmark(
        &self,
        owner: &UserId,
        checkout: CheckoutId,
        failure: CheckoutFailure,
    ) -> Result<Checkout, CallError>;

    /// Checkouts that should have ended by now, at most `limit`, for this worker for a while.
    async fn lease_overdue(&self, worker: &str, limit: u32) -> Result<Vec<Checkout>, CallError>;

    /// A checkout of the shopper.
    async fn checkout(&self, shopper: &Shopper, name: &CheckoutName)
    -> Result<Checkout, CallError>;
}

/// The payment service.
#[async_trait]
pub trait PaymentClient: Send + Sync {
    /// Exchanges a card for a token.
    async fn tokenize(&self, card: Card) -> Result<TokenizedCard, CallError>;

    /// Pays, once per key; answers with what is stored under it. Tried once: the saga's rule says
    /// what a lost answer means.
    async fn charge(&self, charge: &Charge) -> Result<Payment, CallError>;

    /// Settles what became of a key; one that was never charged never will be.
    async fn resolve(&self, key: CheckoutId) -> Result<Payment, CallError>;
}
