//! Buys one of the first item for sale, in a store that runs: `cargo run -p oxcart -- up` starts one.

#![expect(clippy::print_stdout, reason = "it shows what happens")]

use std::error::Error;

use oxcart_client::{CheckoutError, Client, Outcome, Purchase, line};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new("http://127.0.0.1:8080")?;
    let alice = client.sign_in("alice", "alice-password").await?;

    let mut items = alice.items();
    let item = loop {
        let item = items.next().await.ok_or("nothing is for sale that costs something")??;
        if item.price.as_ref().is_some_and(|price| price.minor_units > 0) {
            break item;
        }
    };
    let cart = alice.create_cart([line(item.sku, 1)]).await?;
    println!("Cart {} holds {}", cart.cart_id, item.name);

    // A shop keeps the purchase with its order before it buys, and buys it again after a crash.
    let mut purchase = Purchase::of(&cart, "tok_visa");
    let outcome = match alice.checkout(&purchase).await {
        Err(CheckoutError::PriceChanged { total, .. }) => {
            println!("It costs {} {} now", total.minor_units, total.currency_code);
            purchase = Purchase::of(&alice.get_cart(&cart.cart_id).await?, "tok_visa");
            alice.checkout(&purchase).await?
        }
        outcome => outcome?,
    };
    match outcome {
        Outcome::Paid(checkout) => println!("Paid, payment {}", checkout.payment_id),
        Outcome::Declined { reason, .. } => println!("Declined: {}", reason.as_str_name()),
        Outcome::Cancelled(_) => println!("Not charged; the cart is open again"),
    }
    println!("{} purchases so far", alice.purchases().all().await?.len());
    Ok(())
}
