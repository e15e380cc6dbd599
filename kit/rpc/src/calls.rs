//! What the spans of calls say, in the words of OpenTelemetry's conventions for gRPC.
//!
//! A call to another service has a span of its own, beside the one in which that service answers it:
//! the difference is the network, and one without an answer is seen all the same. A trace that is
//! not kept has none of it.

use http::{HeaderMap, Uri};
use kit_service::telemetry::{inject, is_kept};
use opentelemetry::trace;
use tonic::{Code, Status};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::metrics::code_name;

/// The codes by which a server says that it is at fault, not its caller.
const FAULTS: [Code; 6] = [
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
];

/// A call to another service. Its span ends when this is dropped; until [`Self::answered`] says
/// otherwise, no caller waited for the answer.
pub(crate) struct Made {
    span: Span,
    code: Code,
}

impl Made {
    /// Begins a call of `method` at `server` below the current span, and puts it into the `headers`.
    pub(crate) fn begin(method: &'static str, server: &Uri, headers: &mut HeaderMap) -> Self {
        let current = Span::current().context();
        if !is_kept(&current) {
            inject(&current, headers);
            return Self { span: Span::none(), code: Code::Cancelled };
        }
        let span = tracing::info_span!("call made", otel.name = method, otel.kind = "client");
        describe(&span, method);
        span.set_attribute("server.address", server.host().unwrap_or_default().to_owned());
        if let Some(port) = server.port_u16() {
            span.set_attribute("server.port", i64::from(port));
        }
        inject(&span.context(), headers);
        Self { span, code: Code::Cancelled }
    }

    /// Notes what was answered.
    pub(crate) fn answered<B>(&mut self, answer: &Result<http::Response<B>, Status>) {
        self.code = match answer {
            Ok(response) => {
                Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
            }
            Err(status) => status.code(),
        };
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.span.is_none() {
            end(&self.span, self.code, self.code != Code::Ok);
        }
    }
}

/// Says in the `span` of a call that was received what was called and how it ended.
pub(crate) fn received(span: &Span, method: &'static str, code: Code) {
    if is_kept(&span.context()) {
        describe(span, method);
        end(span, code, FAULTS.contains(&code));
    }
}

fn describe(span: &Span, method: &'static str) {
    span.set_attribute("rpc.system.name", "grpc");
    span.set_attribute("rpc.method", method);
}

fn end(span: &Span, code: Code, is_error: bool) {
    span.set_attribute("rpc.response.status_code", code_name(code));
    if is_error {
        span.set_attribute("error.type", code_name(code));
        // Without the message: it may hold what a caller has sent.
        span.set_status(trace::Status::error(""));
    }
}
