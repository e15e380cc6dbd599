//! The login page and the way back to the client with a code (RFC 6749, RFC 7636, RFC 9207).
//!
//! Until the client and its redirect URI are known to belong together, nothing sends the browser
//! anywhere: an error is a page. After that an error goes back to the client.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tracing::error;

use super::{
    error::OAuthError,
    html::{self, Form},
    params::{Params, encode},
};
use crate::{
    app::{CodeRequest, Error, Idp, MAX_CODE_CHARS, MAX_SECRET_BYTES},
    domain::{RedirectUri, Username},
};

/// Ties a login form to the browser that asked for it, so that no other site can post one.
const COOKIE: &str = "idp_form";

/// The longest `state` of a client, in characters.
const MAX_STATE_CHARS: usize = 1024;

const WRONG: &str = "The user name or password is wrong.";

/// A request whose client and redirect URI belong together, so that errors can go there.
struct ClientRedirect {
    redirect_uri: RedirectUri,
    state: Option<String>,
}

/// Shows the login page.
pub(super) async fn get(
    State(idp): State<Arc<Idp>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    match Params::parse(query.as_deref().unwrap_or_default()) {
        Ok(params) => ask(&idp, &headers, &params).await,
        Err(error) => html::error(&error),
    }
}

/// Takes the login page's form, or shows the page: `OpenID` Connect lets a client ask by POST too.
pub(super) async fn post(State(idp): State<Arc<Idp>>, headers: HeaderMap, body: Bytes) -> Response {
    match Params::form(&headers, &body) {
        Ok(params) if params.get("form").is_some() => sign_in(&idp, &headers, &params).await,
        Ok(params) => ask(&idp, &headers, &params).await,
        Err(error) => html::error(&error),
    }
}

async fn ask(idp: &Idp, headers: &HeaderMap, params: &Params) -> Response {
    match check(idp, params).await {
        Ok((redirect, request)) => show(idp, headers, &redirect, &request, StatusCode::OK, None),
        Err(answer) => answer,
    }
}

async fn sign_in(idp: &Idp, headers: &HeaderMap, params: &Params) -> Response {
    let (redirect, request) = match check(idp, params).await {
        Ok(checked) => checked,
        Err(answer) => return answer,
    };
    let show = |status, message| show(idp, headers, &redirect, &request, status, Some(message));
    if !is_own_form(idp, headers, params) {
        let message = "This form has expired, or cookies are blocked. Please try again.";
        return show(StatusCode::FORBIDDEN, message);
    }
    let user = params.get("username").and_then(|name| name.parse::<Username>().ok());
    let password = params.get("password").filter(|text| text.len() <= MAX_SECRET_BYTES);
    let (Some(user), Some(password)) = (user, password) else {
        return show(StatusCode::BAD_REQUEST, WRONG);
    };
    match idp.authorize(request.clone(), user, password.into()).await {
        Ok(code) => redirect.send(idp, &[("code", &code)]),
        Err(Error::CredentialsWrong) => show(StatusCode::BAD_REQUEST, WRONG),
        Err(Error::Throttled { retry_after }) => {
            let message = "Too many wrong passwords. Please try again in a minute.";
            later(show(StatusCode::TOO_MANY_REQUESTS, message), retry_after.as_secs() + 1)
        }
        Err(Error::Busy) => {
            let message = "Too many people are signing in. Please try again in a moment.";
            later(show(StatusCode::SERVICE_UNAVAILABLE, message), 1)
        }
        Err(other) => {
            let error = OAuthError::from(other);
            redirect.send(idp, &[("error", error.code), ("error_description", &error.description)])
        }
    }
}

/// The same answer, to be asked for again after so many seconds.
fn later(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

/// Checks a request for a code. The error is the whole answer: a page, or the way back.
async fn check(idp: &Idp, params: &Params) -> Result<(ClientRedirect, CodeRequest), Response> {
    let redirect = registered(idp, params).await.map_err(|error| html::error(&error))?;
    match read(&redirect, params) {
        Ok(request) => Ok((redirect, request)),
        Err(error) => {
            Err(redirect
                .send(idp, &[("error", error.code), ("error_description", &error.description)]))
        }
    }
}

async fn registered(idp: &Idp, params: &Params) -> Result<ClientRedirect, OAuthError> {
    let unknown = || OAuthError::invalid_request("no such client has registered this redirect_uri");
    let client = params.require("client_id")?.parse().map_err(|_| unknown())?;
    let redirect_uri = params.require("redirect_uri")?;
    let redirect_uri = idp.registered(&client, redirect_uri).await?.ok_or_else(unknown)?;
    let state = params.get("state");
    if state.is_some_and(|state| state.len() > MAX_STATE_CHARS) {
        let description = format!("state is over {MAX_STATE_CHARS} characters");
        return Err(OAuthError::invalid_request(description));
    }
    Ok(ClientRedirect { redirect_uri, state: state.map(str::to_owned) })
}

fn read(redirect: &ClientRedirect, params: &Params) -> Result<CodeRequest, OAuthError> {
    let refused = OAuthError::refused;
    if params.get("request").is_some() {
        return Err(refused("request_not_supported", "send plain parameters"));
    }
    if params.get("request_uri").is_some() {
        return Err(refused("request_uri_not_supported", "send plain parameters"));
    }
    if params.require("response_type")? != "code" {
        return Err(refused("unsupported_response_type", "response_type must be code"));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OAuthError::invalid_request("response_mode must be query"));
    }
    if params.require("code_challenge_method")? != "S256" {
        return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
    }
    let challenge = params.require("code_challenge")?.parse();
    let challenge = challenge
        .map_err(|error| OAuthError::invalid_request(format!("code_challenge {error}")))?;
    if params.get("nonce").is_some_and(|nonce| nonce.len() > MAX_CODE_CHARS) {
        let description = format!("nonce is over {MAX_CODE_CHARS} characters");
        return Err(OAuthError::invalid_request(description));
    }
    let scopes = params.get("scope").unwrap_or_default().parse();
    let scopes =
        scopes.map_err(|error| OAuthError::refused("invalid_scope", format!("scope {error}")))?;
    if params.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "none")) {
        return Err(refused("login_required", "nobody is signed in before the login page"));
    }
    let client = params.require("client_id")?.parse();
    Ok(CodeRequest {
        client: client.map_err(|_| OAuthError::invalid_request("client_id is wrong"))?,
        redirect_uri: redirect.redirect_uri.clone(),
        scopes,
        challenge,
        nonce: params.get("nonce").map(str::to_owned),
    })
}

impl ClientRedirect {
    /// Sends the browser back to the client. 303, so that it never posts the password there.
    fn send(&self, idp: &Idp, answer: &[(&str, &str)]) -> Response {
        let state = self.state.as_deref().map(|state| ("state", state));
        let issuer = ("iss", idp.policy.issuer.as_str());
        let mut location = self.redirect_uri.to_string();
        let mut separator = if location.contains('?') { '&' } else { '?' };
        for (name, value) in answer.iter().copied().chain(state).chain([issuer]) {
            location.push(separator);
            location.push_str(name);
            location.push('=');
            location.push_str(&encode(value));
            separator = '&';
        }
        let Ok(location) = HeaderValue::from_str(&location) else {
            error!("a redirect URI does not fit into a header");
            return OAuthError::server_error().into_response();
        };
        let headers = [
            (header::LOCATION, location),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        (StatusCode::SEE_OTHER, headers).into_response()
    }
}

fn show(
    idp: &Idp,
    headers: &HeaderMap,
    redirect: &ClientRedirect,
    request: &CodeRequest,
    status: StatusCode,
    message: Option<&str>,
) -> Response {
    // Kept if there is one, so that a form in another tab stays good.
    let known = cookie(headers).map(str::to_owned);
    let browser = known.unwrap_or_else(|| URL_SAFE_NO_PAD.encode(idp.random::<32>()));
    let token = idp.signer.form_token(&browser);
    let form = Form {
        client: request.client.as_str(),
        origin: redirect.redirect_uri.origin(),
        message,
        hidden: &[
            ("client_id", Some(request.client.as_str())),
            ("redirect_uri", Some(request.redirect_uri.as_str())),
            ("response_type", Some("code")),
            ("scope", Some(&request.scopes.to_string())),
            ("state", redirect.state.as_deref()),
            ("nonce", request.nonce.as_deref()),
            ("code_challenge", Some(request.challenge.as_str())),
            ("code_challenge_method", Some("S256")),
            ("form", Some(&token)),
        ],
    };
    let mut response = html::login(status, &form);
    let secure = if idp.policy.issuer.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={browser}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Whether this provider gave the form to this browser, and a page of its own sent it.
fn is_own_form(idp: &Idp, headers: &HeaderMap, params: &Params) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let is_same_site = site.is_none_or(|site| site == "same-origin");
    let token = params.get("form").unwrap_or_default();
    is_same_site && cookie(headers).is_some_and(|browser| idp.signer.is_form_token(browser, token))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let is_ours = value.len() == 43
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    is_ours.then_some(value)
}
