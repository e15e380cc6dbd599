//! A client of an Oxcart store. It signs in where the store says, renews its token, gives each call a
//! deadline, repeats what is safe to repeat, and follows a checkout until it is decided: restarts,
//! crashes and lost answers of the store fail no call of it.
//!
//! ```no_run
//! use oxcart_client::{CheckoutError, Client, Outcome, Purchase, line};
//!
//! # async fn shop() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:8080")?;
//! let alice = client.sign_in("alice", "alice-password").await?;
//!
//! let cart = alice.create_cart([line("KITE-OCTO", 2)]).await?;
//! // Only if the cart is still as it was read. With `&cart.cart_id`: whatever it is by now.
//! let cart = alice.set_item(&cart, line("KITE-OCTO", 3)).await?;
//!
//! // At this total or not at all. Keep the purchase: bought again, it charges nothing more.
//! let purchase = Purchase::of(&cart, "tok_visa");
//! match alice.checkout(&purchase).await {
//!     Ok(Outcome::Paid(checkout)) => println!("paid, {}", checkout.payment_id),
//!     Ok(Outcome::Declined { reason, .. }) => println!("declined: {}", reason.as_str_name()),
//!     Ok(Outcome::Cancelled(_)) => println!("not charged, the cart is open again"),
//!     Err(CheckoutError::PriceChanged { total, .. }) => println!("it costs {total:?} now"),
//!     Err(CheckoutError::Unknown(error)) => println!("buy the same purchase again: {error}"),
//!     Err(error) => println!("nothing was charged: {error}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is repeated
//! A call that fails with `OVERLOADED`, `UNAVAILABLE`, `DEADLINE_EXCEEDED` or `INTERNAL`, or without a
//! reason, because a connection broke. Before each try the client waits as long as the store asks, and
//! a random time besides (exponential backoff from 0.2 to 2 s with full jitter); it gives up after 30 s
//! ([`Builder::time_budget`]).
//!
//! | call | repeated |
//! |---|---|
//! | reading, watching | yes |
//! | [`Shopper::create_cart`] | yes: the client chooses the cart's id, so there is one cart |
//! | [`Shopper::checkout`] | yes: one charge for each request id |
//! | [`Shopper::update_cart`], [`Shopper::set_item`] by id | yes: it says how many, not how many more |
//! | the same with the cart that was read, [`Shopper::delete_cart`] | only if the cart itself, read after the lost answer, shows that the change was not made |
//! | [`Shopper::tokenize_card`] | no |
//! | [`Client::sign_in`], [`Admin::import`] | yes |
//!
//! Deliberately absent: a cache. What it returns, the store has just said.

mod admin;
mod call;
mod cart;
mod checkout;
mod client;
mod error;
mod observe;
mod pages;
mod retry;
mod session;
mod shopper;
mod sign_in;

pub use oxcart_proto::{
    common::{
        CartState, CheckoutFailure, CheckoutState, DeclineReason, ErrorReason as Reason, Item,
        Line, Money, PricedLine,
    },
    controller::{
        Card, Cart, Checkout, GetItemsResponse, GetStorefrontResponse, ImportItemsResponse,
        TokenizeCardResponse,
    },
};

pub use admin::Admin;
pub use cart::{CartRef, Contents, line};
pub use checkout::{CheckoutError, Outcome, Purchase};
pub use client::{Builder, Client, IdentityProvider};
pub use error::{BadField, CallError, Error, InvalidUrl};
pub use observe::Attempt;
pub use pages::Pages;
pub use session::{Bearer, Session, SourceError, Token};
pub use shopper::{Controller, Shopper};
pub use sign_in::ClientCredentials;
