//! Errors as RFC 6749 (section 5.2) and RFC 6750 have them: JSON with `error` and
//! `error_description`.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kit_database::Failure;
use kit_service::chain;
use serde_json::json;

use crate::app::{Error, StoreError};

/// An error for a client.
#[derive(Debug)]
pub(super) struct OAuthError {
    pub(super) status: StatusCode,
    /// From the registry of RFC 6749.
    pub(super) code: &'static str,
    /// For a person to read. ASCII without quotes, as the RFC asks.
    pub(super) description: String,
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl OAuthError {
    fn new(status: StatusCode, code: &'static str, description: impl Into<String>) -> Self {
        let description = description.into();
        Self { status, code, description, challenge: None, retry_after: None }
    }

    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn refused(code: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, description)
    }

    pub(super) fn invalid_client() -> Self {
        let error = Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "the client or its secret is wrong",
        );
        Self { challenge: Some("Basic realm=\"idp\""), ..error }
    }

    /// A call without any token: RFC 6750 wants no error code then.
    pub(super) fn token_missing() -> Self {
        let error = Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request",
            "send an access token as authorization: Bearer",
        );
        Self { challenge: Some("Bearer realm=\"idp\""), ..error }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
    }

    pub(super) fn method_not_allowed() -> Self {
        let description = "this address takes another method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", description)
    }

    pub(super) fn request_timeout() -> Self {
        Self::invalid_request("the request took too long to come in")
            .with_status(StatusCode::REQUEST_TIMEOUT)
    }

    pub(super) fn busy() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let error = Self::new(status, "temporarily_unavailable", "too much to do, try again");
        Self { retry_after: Some(Duration::from_secs(1)), ..error }
    }

    pub(super) fn server_error() -> Self {
        let description = "a fault of the server, logged there";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", description)
    }

    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl From<Error> for OAuthError {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::CredentialsWrong => Self::invalid_client(),
            Error::Throttled { retry_after } => {
                let status = StatusCode::TOO_MANY_REQUESTS;
                let error = Self::new(status, "temporarily_unavailable", text);
                Self { retry_after: Some(retry_after), ..error }
            }
            Error::Busy => Self::busy(),
            Error::ScopeRefused { .. } => Self::refused("invalid_scope", text),
            Error::ImpersonationRefused | Error::PublicClient => {
                Self::refused("unauthorized_client", text)
            }
            Error::RefreshTokenInvalid | Error::CodeInvalid => Self::refused("invalid_grant", text),
            Error::TokenInvalid(_) => {
                let error = Self::new(StatusCode::UNAUTHORIZED, "invalid_token", text);
                Self { challenge: Some("Bearer error=\"invalid_token\""), ..error }
            }
            Error::NotOpenid => {
                let error = Self::new(StatusCode::FORBIDDEN, "insufficient_scope", text);
                let challenge = "Bearer error=\"insufficient_scope\", scope=\"openid\"";
                Self { challenge: Some(challenge), ..error }
            }
            Error::Store(StoreError::Database(Failure::Unavailable(_)) | StoreError::Conflict) => {
                tracing::warn!(error = chain(&error), "the identity store failed, for now");
                Self::busy()
            }
            Error::Store(
                StoreError::Database(Failure::Broken(_)) | StoreError::Unreadable { .. },
            )
            | Error::Key(_)
            | Error::Passwords(_) => {
                tracing::error!(error = chain(&error), "an http request failed");
                Self::server_error()
            }
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code, "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(delay) = self.retry_after {
            // Whole seconds, rounded up.
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
