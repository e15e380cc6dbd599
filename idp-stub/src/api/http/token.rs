//! Tokens for clients that prove who they are (RFC 6749), and the end of a session (RFC 7009).

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::{
    error::OAuthError,
    params::{Params, decode},
};
use crate::{
    app::{CodeExchange, Idp, MAX_CODE_CHARS, MAX_SECRET_BYTES, ServiceToken, UserTokens},
    domain::{Client, Scopes},
};

/// A successful answer. A secret: never logged.
#[derive(Serialize)]
struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
}

/// Gives tokens.
pub(super) async fn token(
    State(idp): State<Arc<Idp>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let params = Params::form(&headers, &body)?;
    let grant = params.require("grant_type")?;
    let client = authenticate(&idp, &headers, &params).await?;
    let answer: TokenAnswer = match grant {
        "client_credentials" => {
            let scopes = requested_scopes(&params)?;
            idp.service_token(&client, &scopes)?.into()
        }
        "refresh_token" => {
            let presented = bounded(&params, "refresh_token")?;
            idp.refresh(presented, Some(&client.id)).await?.into()
        }
        "authorization_code" => {
            let exchange = CodeExchange {
                code: bounded(&params, "code")?,
                redirect_uri: params.require("redirect_uri")?,
                verifier: params.require("code_verifier")?,
            };
            idp.exchange_code(&client, &exchange).await?.into()
        }
        _ => {
            let description = "grant_type must be one that the discovery document names";
            return Err(OAuthError::refused("unsupported_grant_type", description));
        }
    };
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    Ok((no_store, Json(answer)).into_response())
}

/// Ends the session of a refresh token. Access tokens are verified offline, so they stay good until
/// they expire, and are refused here rather than answered with a lie.
pub(super) async fn revoke(
    State(idp): State<Arc<Idp>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OAuthError> {
    let params = Params::form(&headers, &body)?;
    let client = authenticate(&idp, &headers, &params).await?;
    let presented = params.require("token")?;
    // No refresh token holds a dot, every access token does.
    if presented.contains('.') {
        let description = "an access token cannot be revoked, it expires by itself";
        return Err(OAuthError::refused("unsupported_token_type", description));
    }
    if presented.len() <= MAX_CODE_CHARS {
        idp.revoke(presented, &client).await?;
    }
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

fn requested_scopes(params: &Params) -> Result<Scopes, OAuthError> {
    let scopes = params.get("scope").unwrap_or_default().parse::<Scopes>();
    scopes.map_err(|error| OAuthError::refused("invalid_scope", format!("scope {error}")))
}

fn bounded<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, OAuthError> {
    let value = params.require(name)?;
    if value.len() > MAX_CODE_CHARS {
        let description = format!("{name} is over {MAX_CODE_CHARS} characters");
        return Err(OAuthError::invalid_request(description));
    }
    Ok(value)
}

/// The client, proved by `client_secret_basic`, by `client_secret_post`, or by nothing at all if it
/// is a public one.
async fn authenticate(
    idp: &Idp,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Client, OAuthError> {
    let (id, secret) = presented(headers, params)?;
    if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() > MAX_SECRET_BYTES) {
        return Err(OAuthError::invalid_client());
    }
    let id = id.parse().map_err(|_| OAuthError::invalid_client())?;
    Ok(idp.client(&id, secret.as_ref()).await?)
}

/// The client's id and secret as the request has them.
fn presented(
    headers: &HeaderMap,
    params: &Params,
) -> Result<(String, Option<SecretString>), OAuthError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let id = params.get("client_id").ok_or_else(OAuthError::invalid_client)?;
        return Ok((id.to_owned(), params.get("client_secret").map(SecretString::from)));
    };
    let basic = value.to_str().ok().and_then(read_basic);
    let (id, secret) = basic.ok_or_else(OAuthError::invalid_client)?;
    let is_other = params.get("client_id").is_some_and(|other| other != id);
    if params.get("client_secret").is_some() || is_other {
        let description = "the client must prove itself in one way only";
        return Err(OAuthError::invalid_request(description));
    }
    Ok((id, Some(secret)))
}

/// RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
fn read_basic(value: &str) -> Option<(String, SecretString)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some((decode(id)?, decode(secret)?.into()))
}

impl From<ServiceToken> for TokenAnswer {
    fn from(token: ServiceToken) -> Self {
        Self {
            access_token: token.access_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: token.expires_in.as_secs(),
            refresh_token: None,
            id_token: None,
            scope: token.scope,
        }
    }
}

impl From<UserTokens> for TokenAnswer {
    fn from(tokens: UserTokens) -> Self {
        let text = |secret: SecretString| secret.expose_secret().to_owned();
        Self {
            access_token: text(tokens.access_token),
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
            refresh_token: tokens.refresh_token.map(text),
            id_token: tokens.id_token.map(text),
            scope: tokens.scope,
        }
    }
}
