//! What the issuer says about itself, and about the user of a token.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::error::OAuthError;
use crate::{app::Idp, domain::OPENID};

/// Keys change rarely; a verifier that meets an unknown one asks again by itself.
const CACHED: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=300");

/// The discovery document. Names what works and nothing else.
pub(super) async fn discovery(State(idp): State<Arc<Idp>>) -> impl IntoResponse {
    ([CACHED], Json(document(&idp.policy.issuer)))
}

fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "scopes_supported": [OPENID],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce",
            "preferred_username"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

/// The public keys.
pub(super) async fn jwks(State(idp): State<Arc<Idp>>) -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "application/jwk-set+json");
    ([kind, CACHED], idp.jwks().to_owned())
}

/// Who the user of the token in `authorization` is. A token in a query or body is not looked for: it
/// would end in logs.
pub(super) async fn user_info(
    State(idp): State<Arc<Idp>>,
    headers: HeaderMap,
) -> Result<Response, OAuthError> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) =
        value.and_then(|value| value.split_once(' ')).ok_or_else(OAuthError::token_missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(OAuthError::token_missing());
    }
    let user = idp.user_info(token.trim())?;
    let body = Json(json!({ "sub": user, "preferred_username": user }));
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}
