//! One span and one log line for each call, in the trace that the caller began.

use axum::{extract::Request, middleware::Next, response::Response};
use kit_service::telemetry;
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::{Instrument as _, Span};

use crate::{calls, metrics::Call};

/// A path is the caller's to choose; more of it is not logged.
const MAX_METHOD_CHARS: usize = 120;

/// Begins a span below the caller's and logs how the call ended.
pub(super) async fn trace(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let method: String = path.trim_start_matches('/').chars().take(MAX_METHOD_CHARS).collect();
    let span = tracing::info_span!(
        "call",
        otel.name = %method,
        otel.kind = "server",
        grpc.method = %method,
        trace_id = tracing::field::Empty,
    );
    telemetry::continue_trace(&span, request.headers());
    let mut call = Call::received(request.uri().path());
    let method = call.method();
    let mut line = Line { span: span.clone(), method, began_at: Instant::now(), code: None };
    let response = next.run(request).instrument(span).await;
    let status = Status::from_header_map(response.headers());
    call.ended(status.as_ref());
    line.code = Some(status.map_or(Code::Ok, |status| status.code()));
    response
}

/// Logs when it is dropped, so that a call whose client went away is logged too, and ends its span.
struct Line {
    span: Span,
    method: &'static str,
    began_at: Instant,
    code: Option<Code>,
}

impl Drop for Line {
    fn drop(&mut self) {
        calls::received(&self.span, self.method, self.code.unwrap_or(Code::Cancelled));
        let ms = u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _entered = self.span.enter();
        if let Some(code) = self.code {
            tracing::info!(grpc.code = ?code, ms, "answered");
        } else {
            tracing::info!(ms, "the client went away; the call runs on");
        }
    }
}
