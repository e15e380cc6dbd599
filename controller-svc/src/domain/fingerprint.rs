//! What a checkout request asked for, as a digest, so that a request id cannot be used twice for
//! different things.

use oxcart_types::{CartId, Fingerprint, Money};
use ring::digest::{Context, SHA256};

/// Digests the cart, the total that the client expects, and the payment token.
///
/// The etag is left out: it says what the client has seen, not what it wants, and a client
/// that repeats a request after it looked at its (now frozen) cart may send a newer one.
///
/// Every part is preceded by its length, so that no two requests are encoded alike.
#[must_use]
pub fn fingerprint(
    cart: CartId,
    expected_total: Option<Money>,
    payment_token: &str,
) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    part(b"oxcart.checkout.v1");
    part(cart.as_uuid().as_bytes());
    match expected_total {
        None => part(b""),
        Some(total) => {
            part(total.currency().code().as_bytes());
            part(&total.minor_units().to_be_bytes());
        }
    }
    part(payment_token.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_request_changes_its_fingerprint() {
        let cart = |last: u8| CartId::from(uuid::Uuid::from_bytes([last; 16]));
        let money = |code, units| Some(Money::from_parts(code, units).unwrap());
        let requests = [
            fingerprint(cart(1), None, "tok_visa"),
            fingerprint(cart(2), None, "tok_visa"),
            fingerprint(cart(1), None, "tok_declined"),
            fingerprint(cart(1), None, ""),
            fingerprint(cart(1), money("GBP", 0), "tok_visa"),
            fingerprint(cart(1), money("GBP", 1), "tok_visa"),
            fingerprint(cart(1), money("EUR", 1), "tok_visa"),
        ];
        for (index, one) in requests.iter().enumerate() {
            assert!(requests.iter().skip(index + 1).all(|other| one != other), "{index}");
        }
        assert_eq!(requests[0], fingerprint(cart(1), None, "tok_visa"));
        assert_eq!(Fingerprint::from(*requests[0].as_bytes()), requests[0]);
    }
}
