//! `Debug` for messages that hold a secret: their names, none of their contents.
//!
//! prost derives a `Debug` that prints every field, so one `?request` in a log line would print a
//! card number. `build.rs` leaves the derived one out for the messages listed here.

use std::fmt;

macro_rules! redacted {
    ($($message:path),+ $(,)?) => {$(
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($message)).finish_non_exhaustive()
            }
        }
    )+};
}

redacted!(
    crate::cart::Checkout,
    crate::cart::MarkPurchasedRequest,
    crate::controller::Card,
    crate::controller::CheckoutRequest,
    crate::controller::TokenizeCardResponse,
    crate::idp::ImpersonateUserRequest,
    crate::idp::IssueServiceTokenRequest,
    crate::idp::IssueServiceTokenResponse,
    crate::idp::RefreshRequest,
    crate::idp::SignInRequest,
    crate::idp::UserTokens,
    crate::payment::Card,
    crate::payment::ChargeRequest,
    crate::payment::TokenizeResponse,
);

#[cfg(test)]
mod tests {
    use crate::payment::Card;

    #[test]
    fn a_card_never_shows_in_debug_output() {
        let card = Card {
            number: "4242424242424242".into(),
            expiry_month: 1,
            expiry_year: 2030,
            cvc: "123".into(),
        };
        let shown = format!("{card:?}");
        assert!(shown.contains("Card"), "{shown}");
        assert!(!shown.contains("4242") && !shown.contains("123"), "{shown}");
    }
}
