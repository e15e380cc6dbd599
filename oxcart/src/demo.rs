//! The demo: one user's visit to the store, as tables.
//!
//! It shows the items and the carts that earlier visits left, buys them or fills another one, and
//! ends with everything the user has ever bought. Deliberately absent: anything that another client
//! of the controller could not do.

mod choice;
mod show;

use std::io::{self, Write};

use oxcart_proto::{
    common::{CheckoutState, Line},
    controller::{Cart, Checkout, CheckoutRequest, CreateCartRequest},
};
use service_kit::Sources;

use crate::client::{ClientError, Shopper};

/// Stands for a test card that always pays, see the payment service.
const PAYMENT_TOKEN: &str = "tok_visa";

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The store refused something that it should not.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The tables could not be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
}

/// How the visit goes.
pub struct Visit<'a> {
    /// Who visits, for the headline.
    pub user: &'a str,
    /// Buy every cart there is, rather than fill another one.
    pub purchase: bool,
    /// Decides what goes into the cart and whether it is bought.
    pub choices: Sources,
    /// Names carts and checkouts. Never the same twice, also where the choices are.
    pub ids: Sources,
}

impl Visit<'_> {
    /// Plays the visit and writes what happens to `out`.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn play(&self, shopper: &Shopper, out: &mut impl Write) -> Result<(), DemoError> {
        let storefront = shopper.storefront().await?;
        show::items(out, &storefront)?;
        let carts = shopper.unpurchased().await?;
        show::carts(out, &format!("Carts that {} has not purchased", self.user), &carts)?;
        if self.purchase {
            for cart in &carts {
                self.buy(shopper, cart, out).await?;
            }
        } else {
            self.fill_one(shopper, out).await?;
        }
        let purchases = shopper.purchases().await?;
        show::carts(out, &format!("Purchases of {}, at the prices paid", self.user), &purchases)?;
        Ok(())
    }

    async fn fill_one(&self, shopper: &Shopper, out: &mut impl Write) -> Result<(), DemoError> {
        let items = shopper.items().await?;
        let lines: Vec<Line> = choice::lines(&self.choices, &items);
        if lines.is_empty() {
            writeln!(out, "\nThe store has nothing for sale; `oxcart import` loads a catalogue.")?;
            return Ok(());
        }
        let request = CreateCartRequest { cart_id: self.ids.uuid_v7().to_string(), lines };
        let cart = shopper.create_cart(request).await?;
        show::carts(out, "A new cart", std::slice::from_ref(&cart))?;
        if choice::buys(&self.choices) {
            self.buy(shopper, &cart, out).await
        } else {
            writeln!(out, "\nLeft for the next visit.")?;
            Ok(())
        }
    }

    /// A cart that cannot be bought, such as an empty one, is no reason to leave the store.
    async fn buy(
        &self,
        shopper: &Shopper,
        cart: &Cart,
        out: &mut impl Write,
    ) -> Result<(), DemoError> {
        let request = CheckoutRequest {
            request_id: self.ids.uuid_v7().to_string(),
            cart_id: cart.cart_id.clone(),
            etag: cart.etag.clone(),
            expected_total: cart.total.clone(),
            payment_token: PAYMENT_TOKEN.to_owned(),
        };
        match shopper.checkout(request).await {
            Ok(checkout) => report(out, cart, &checkout)?,
            Err(ClientError::Refused { status, .. })
                if service_kit::error::info(&status).is_some() =>
            {
                writeln!(out, "\nCart {} stays as it is: {}.", cart.cart_id, status.message())?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn report(out: &mut impl Write, cart: &Cart, checkout: &Checkout) -> io::Result<()> {
    let id = &cart.cart_id;
    if checkout.state() == CheckoutState::Paid {
        let total = show::money(checkout.total.as_ref());
        writeln!(out, "\nCart {id} is purchased for {total}, payment {}.", checkout.payment_id)
    } else {
        let failure = checkout.failure().as_str_name().trim_start_matches("CHECKOUT_FAILURE_");
        writeln!(out, "\nCart {id} stays as it is, the payment was {}.", failure.to_lowercase())
    }
}
