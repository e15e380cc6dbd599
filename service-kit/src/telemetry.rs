//! Logs and traces of a process, and the W3C trace context that calls carry.
//!
//! Spans get trace ids also where no traces are exported, so that log lines of one request can be
//! found in all services. Deliberately absent: metrics.

#[cfg(test)]
mod tests;

use std::{io, panic};

use http::{HeaderMap, Uri};
use opentelemetry::{
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::error::chain;

/// What is logged and how, and where traces go.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// What to log: a level, or directives such as `info,cart_svc=debug`
    #[arg(long, env = "OXCART_LOG", default_value = "info", value_name = "FILTER")]
    #[arg(value_parser = log_filter)]
    pub log: String,

    /// How to log, to standard error
    #[arg(long, env = "OXCART_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,

    /// Collector to send traces to, by OTLP over gRPC. Default: none
    #[arg(long, env = "OXCART_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    pub otlp_endpoint: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn endpoint(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|_| "must read http://HOST:PORT".to_owned())?;
    let is_whole = uri.scheme_str() == Some("http") && uri.authority().is_some();
    if is_whole { Ok(text.to_owned()) } else { Err("must read http://HOST:PORT".to_owned()) }
}

/// Sends what is left of the traces when it is dropped.
#[must_use]
pub struct Guard(SdkTracerProvider);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(failure) = self.0.shutdown() {
            tracing::debug!(error = chain(&failure), "the last traces could not be sent");
        }
    }
}

/// Starts logs and traces of the process `name`. Call it once, inside the runtime; whatever was
/// started before stays in charge.
pub fn init(name: &'static str, args: &TelemetryArgs) -> Guard {
    let provider = provider(name, args.otlp_endpoint.as_deref());
    let filter = EnvFilter::try_new(&args.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt::layer::<Registry>().with_writer(io::stderr);
    let lines = match args.log_format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer(name));
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(spans.with_filter(LevelFilter::INFO))
        .try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
    Guard(provider)
}

fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let text = info.payload_as_str().unwrap_or("(no text)");
    tracing::error!(place, "panicked: {text}");
}

fn provider(name: &'static str, endpoint: Option<&str>) -> SdkTracerProvider {
    let resource = Resource::builder().with_service_name(name).build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = endpoint else { return builder.build() };
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    match exporter.build() {
        Ok(exporter) => builder.with_batch_exporter(exporter).build(),
        Err(failure) => {
            tracing::warn!(error = chain(&failure), "traces are not exported");
            builder.build()
        }
    }
}

/// Puts `span` below the caller's, and the trace's id into its field `trace_id`.
pub(crate) fn continue_trace(span: &Span, headers: &HeaderMap) {
    let caller = TraceContextPropagator::new().extract(&Headers(headers));
    // Refused only where no traces are kept.
    span.set_parent(caller).ok();
    let context = span.context();
    let trace_id = context.span().span_context().trace_id();
    span.record("trace_id", tracing::field::display(trace_id));
}

/// Puts the current span's trace into the headers of a call.
pub(crate) fn pass_trace_on(headers: &mut HeaderMap) {
    let context = Span::current().context();
    TraceContextPropagator::new().inject_context(&context, &mut HeadersMut(headers));
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = http::HeaderName::try_from(key);
        if let (Ok(name), Ok(value)) = (name, http::HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
