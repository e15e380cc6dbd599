//! The demo: one user's visit to the store, as tables.
//!
//! It shows the items and the carts that earlier visits left, buys them or fills another one, and
//! ends with everything the user has ever bought. It does nothing
//! that another client of the controller could not do.

mod choice;
mod show;

use std::io::{self, Write};

use kit_service::Env;
use oxcart_client::{
    CallError, Cart, CheckoutError, Client, ClientCredentials, Error, InvalidUrl, Outcome,
    Purchase, Shopper,
};
use secrecy::SecretString;

/// Stands for a test card that always pays, see the payment service.
const PAYMENT_TOKEN: &str = "tok_visa";

/// Items or carts that are asked for at once.
const PAGE_SIZE: u16 = 200;

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The store refused something that it should not, or does not answer.
    #[error(transparent)]
    Client(#[from] Error),
    /// The address of the store is none.
    #[error(transparent)]
    Address(#[from] InvalidUrl),
    /// The tables could not be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
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
        trusted: ClientCredentials,
    },
}

impl Credentials {
    /// Signs in to the store whose controller is at `url`.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn sign_in(self, url: &str) -> Result<Shopper, DemoError> {
        let client = Client::new(url)?;
        match self {
            Self::Password { username, password } => Ok(client.sign_in(username, password).await?),
            Self::Impersonated { username, trusted } => Ok(client.impersonate(trusted, username)),
        }
    }
}

/// How the visit goes.
pub struct Visit<'a> {
    /// Who visits, for the headline.
    pub user: &'a str,
    /// Buy every cart there is, rather than fill another one.
    pub purchase: bool,
    /// Decides what goes into the cart and whether it is bought.
    pub choices: Env,
}

impl Visit<'_> {
    /// Plays the visit and writes what happens to `out`.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn play(&self, shopper: &Shopper, out: &mut impl Write) -> Result<(), DemoError> {
        let storefront = shopper.storefront(0).await?;
        show::items(out, &storefront)?;
        let carts = shopper.carts().page_size(PAGE_SIZE).all().await?;
        show::carts(out, &format!("Carts that {} has not purchased", self.user), &carts)?;
        if self.purchase {
            for cart in &carts {
                self.buy(shopper, cart, out).await?;
            }
        } else {
            self.fill_one(shopper, out).await?;
        }
        let purchases = shopper.purchases().page_size(PAGE_SIZE).all().await?;
        show::carts(out, &format!("Purchases of {}, at the prices paid", self.user), &purchases)?;
        Ok(())
    }

    async fn fill_one(&self, shopper: &Shopper, out: &mut impl Write) -> Result<(), DemoError> {
        let items = shopper.items().page_size(PAGE_SIZE).all().await?;
        let lines = choice::lines(&self.choices, &items);
        if lines.is_empty() {
            writeln!(out, "\nThe store has nothing for sale; `oxcart import` loads a catalogue.")?;
            return Ok(());
        }
        let cart = shopper.create_cart(lines).await?;
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
        match shopper.checkout(&Purchase::of(cart, PAYMENT_TOKEN)).await {
            Ok(outcome) => report(out, cart, &outcome)?,
            Err(CheckoutError::Unknown(error)) => return Err(error.into()),
            Err(refused) => {
                let why = refused.error().call().map_or("it was refused", CallError::message);
                writeln!(out, "\nCart {} stays as it is: {why}.", cart.cart_id)?;
            }
        }
        Ok(())
    }
}

fn report(out: &mut impl Write, cart: &Cart, outcome: &Outcome) -> io::Result<()> {
    let id = &cart.cart_id;
    let failure = match outcome {
        Outcome::Paid(checkout) => {
            let total = show::money(checkout.total.as_ref());
            let payment = &checkout.payment_id;
            return writeln!(out, "\nCart {id} is purchased for {total}, payment {payment}.");
        }
        Outcome::Declined { .. } => "declined",
        Outcome::Cancelled(_) => "cancelled",
    };
    writeln!(out, "\nCart {id} stays as it is, the payment was {failure}.")
}
