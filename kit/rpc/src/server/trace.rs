//! One span and one log line for each call, in the trace that the caller began. An error is given the
//! trace's id, so that a user can quote it and an operator finds it in the logs of all services.

mod request_id;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use kit_service::telemetry;
use opentelemetry::trace::TraceId;
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::{Instrument as _, Span};

use crate::{calls, metrics::Call};

/// A path is the caller's to choose; more of it is not logged.
const MAX_METHOD_CHARS: usize = 120;

/// Marks the response of a call that is logged at DEBUG.
#[derive(Clone, Copy)]
struct Quiet;

/// Logs the call at DEBUG instead of INFO: for what is asked again and again, and found nothing to do.
#[must_use]
pub fn quiet<T>(mut response: tonic::Response<T>) -> tonic::Response<T> {
    response.extensions_mut().insert(Quiet);
    response
}

/// Begins a span below the caller's and logs how the call of the server `name` ended.
pub(super) async fn trace(
    State(name): State<&'static str>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let method: String = path.trim_start_matches('/').chars().take(MAX_METHOD_CHARS).collect();
    let span = tracing::info_span!(
        "call",
        otel.name = %method,
        otel.kind = "server",
        service = name,
        grpc.method = %method,
        trace_id = tracing::field::Empty,
    );
    let trace_id = telemetry::continue_trace(&span, request.headers());
    let mut call = Call::received(request.uri().path());
    let method = call.method();
    let mut line = Line::begin(span.clone(), method);
    let response = next.run(request).instrument(span).await;
    let status = Status::from_header_map(response.headers());
    call.ended(status.as_ref());
    line.is_quiet = response.extensions().get::<Quiet>().is_some();
    line.code = Some(status.as_ref().map_or(Code::Ok, Status::code));
    if trace_id == TraceId::INVALID {
        return response;
    }
    request_id::name(trace_id, status, response)
}

/// Logs when it is dropped, so that a call whose client went away is logged too, and ends its span.
struct Line {
    span: Span,
    method: &'static str,
    began_at: Instant,
    is_quiet: bool,
    code: Option<Code>,
}

impl Line {
    fn begin(span: Span, method: &'static str) -> Self {
        Self { span, method, began_at: Instant::now(), is_quiet: false, code: None }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        calls::received(&self.span, self.method, self.code.unwrap_or(Code::Cancelled));
        let ms = u64::try_from(self.began_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let _entered = self.span.enter();
        match self.code {
            Some(code) if self.is_quiet => tracing::debug!(grpc.code = ?code, ms, "answered"),
            Some(code) => tracing::info!(grpc.code = ?code, ms, "answered"),
            None => tracing::info!(ms, "the client went away; the call runs on"),
        }
    }
}
