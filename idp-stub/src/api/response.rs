//! Answers: the tokens of the use cases as messages.

use oxcart_proto::{convert::duration, idp as pb};
use secrecy::ExposeSecret as _;

use crate::app::{ServiceToken, UserTokens};

/// A user's tokens. A secret: never logged.
pub(super) fn user_tokens(tokens: &UserTokens) -> pb::UserTokens {
    let refresh_token = tokens.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());
    pb::UserTokens {
        access_token: tokens.access_token.expose_secret().to_owned(),
        expires_in: Some(duration(tokens.expires_in)),
        refresh_token: refresh_token.unwrap_or_default(),
    }
}

/// A service's identity. A secret: never logged.
pub(super) fn service_token(token: &ServiceToken) -> pb::IssueServiceTokenResponse {
    pb::IssueServiceTokenResponse {
        access_token: token.access_token.expose_secret().to_owned(),
        expires_in: Some(duration(token.expires_in)),
    }
}
