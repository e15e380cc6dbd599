//! The HTTP side: `OpenID` Connect discovery, keys, tokens, the login page.
//!
//! Deliberately absent: TLS and CORS. A proxy does both where they are needed.

mod authorize;
mod error;
mod html;
mod metadata;
mod params;
mod token;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};

use self::error::OAuthError;
use crate::app::Idp;

/// The longest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a request may take to come in, and again how long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Requests at work at once, at most. More are told to come back.
const MAX_IN_FLIGHT: usize = 256;

#[derive(Clone)]
struct Gate {
    in_flight: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// Serves until `stop`, then finishes what is in flight, for as long as `drain`.
pub async fn serve(idp: Arc<Idp>, listener: TcpListener, stop: CancellationToken, drain: Duration) {
    let tasks = TaskTracker::new();
    let gate = Gate { in_flight: Arc::new(Semaphore::new(MAX_IN_FLIGHT)), tasks: tasks.clone() };
    let serving = async {
        kit_service::http::serve(listener, router(idp, gate), stop.clone()).await;
        // Those too whose client is gone.
        tasks.close();
        tasks.wait().await;
    };
    tokio::select! {
        () = serving => {}
        () = overdue(&stop, drain) => warn!("http requests still open after {drain:?}, leaving them"),
    }
}

async fn overdue(stop: &CancellationToken, drain: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(drain).await;
}

fn router(idp: Arc<Idp>, gate: Gate) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata::discovery))
        .route("/jwks.json", get(metadata::jwks))
        .route("/userinfo", get(metadata::user_info).post(metadata::user_info))
        .route("/token", post(token::token))
        .route("/revoke", post(token::revoke))
        .route("/authorize", get(authorize::get).post(authorize::post))
        .fallback(async || OAuthError::not_found())
        .method_not_allowed_fallback(async || OAuthError::method_not_allowed())
        .layer(middleware::from_fn_with_state(gate, guard))
        .with_state(idp)
}

/// Bounds every request, and finishes what has begun even if the client hangs up: a handler that is
/// dropped inside a transaction could leave it open.
async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    // The path only: the query of /authorize is the client's business.
    let path: String = request.uri().path().chars().take(100).collect();
    let mut response = admit(gate, request, next).await;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    log(&method, &path, response.status(), millis);
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// What programs ask for again and again, keys and tokens, is logged at DEBUG if they get it.
fn log(method: &Method, path: &str, status: StatusCode, millis: u64) {
    let http_status = status.as_u16();
    if status.is_success() && !path.starts_with("/authorize") {
        debug!(http.method = %method, http.path = path, http.status = http_status, millis, "http request");
    } else {
        info!(http.method = %method, http.path = path, http.status = http_status, millis, "http request");
    }
}

async fn admit(gate: Gate, request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&gate.in_flight).try_acquire_owned() else {
        return OAuthError::busy().into_response();
    };
    let (parts, body) = request.into_parts();
    let body = match timeout(TIMEOUT, read(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return error.into_response(),
        Err(_) => return OAuthError::request_timeout().into_response(),
    };
    let request = Request::from_parts(parts, Body::from(body));
    let work = gate.tasks.spawn(async move {
        let _permit = permit;
        next.run(request).await
    });
    match timeout(TIMEOUT, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panicked)) => {
            error!("an http handler failed: {panicked}");
            OAuthError::server_error().into_response()
        }
        Err(_) => OAuthError::busy().into_response(),
    }
}

async fn read(body: Body) -> Result<Bytes, OAuthError> {
    use axum::body::HttpBody as _;
    let is_too_large = body.size_hint().lower() > MAX_BODY_BYTES as u64;
    let too_large = || {
        OAuthError::invalid_request(format!("the body is over {MAX_BODY_BYTES} bytes"))
            .with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    if is_too_large {
        return Err(too_large());
    }
    // A body of unknown length that cannot be read was cut off here or by the client.
    to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| too_large())
}
