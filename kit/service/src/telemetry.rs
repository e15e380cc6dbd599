//! Logs, traces and metrics of a process, and the W3C trace context that calls carry.
//!
//! Spans get trace ids also where no traces are exported, so that log lines of one request can be
//! found in all services. Which metrics there are is said in [`metrics`].

mod statements;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal as _},
    net::SocketAddr,
    panic,
};

use http::{HeaderMap, Uri};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, Injector, TextMapPropagator as _},
    trace::{TraceContextExt as _, TraceId, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};
use tracing::{Span, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, layer::SubscriberExt as _, registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use crate::{
    Env, chain,
    listen::BindError,
    metrics::{self, Readers, scrape},
};

pub use statements::ACQUIRE_DURATION;

/// What is logged and how, and where traces and metrics go.
#[derive(Debug, Clone, clap::Args)]
pub struct TelemetryArgs {
    /// What to log: a level, or directives such as `info,cart_svc=debug`
    #[arg(long, env = "OXCART_LOG", default_value = "info", value_name = "FILTER")]
    #[arg(value_parser = log_filter)]
    pub log: String,

    /// How to log, to standard error
    #[arg(long, env = "OXCART_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,

    /// Collector to send traces and metrics to, by OTLP over gRPC. Default: none
    #[arg(long, env = "OXCART_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    pub otlp_endpoint: Option<String>,

    /// Share of traces that are sent, from 0 to 1, where the caller has not decided it
    #[arg(long, env = "OXCART_TRACE_SAMPLE_RATIO", default_value_t = 0.1, value_name = "RATIO")]
    #[arg(value_parser = ratio)]
    pub trace_sample_ratio: f64,

    /// Address to serve metrics on, for Prometheus, at `/metrics`; port 0 takes a free one. Default: none
    #[arg(long, env = "OXCART_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
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

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: Option<f64> = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "must be a number from 0 to 1".to_owned())
}

/// Sends what is left of the traces and metrics when it is dropped.
#[must_use]
pub struct Guard {
    provider: SdkTracerProvider,
    scrape: Option<scrape::Scrape>,
}

impl Guard {
    /// Where metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.scrape.as_ref().map(|scrape| scrape.addr)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(failure) = self.provider.shutdown() {
            tracing::debug!(error = chain(&failure), "the last traces could not be sent");
        }
        metrics::shut_down();
    }
}

/// Starts logs, traces and metrics of the process `name`. Call it once, inside the runtime; whatever
/// was started before stays in charge.
///
/// # Errors
/// [`BindError`] if metrics cannot be served.
pub async fn init(name: &'static str, args: &TelemetryArgs) -> Result<Guard, BindError> {
    let resource = resource(name);
    let push_to = args.otlp_endpoint.as_deref();
    metrics::start(resource.clone(), Readers { scrape: args.metrics_listen.is_some(), push_to });
    let provider = provider(resource, args.trace_sample_ratio, push_to);
    start(args, provider.tracer(name));
    let scrape = match args.metrics_listen {
        Some(addr) => Some(scrape::serve(addr).await?),
        None => None,
    };
    Ok(Guard { provider, scrape })
}

fn start(args: &TelemetryArgs, tracer: SdkTracer) {
    let filter = EnvFilter::try_new(&args.log).unwrap_or_else(|_| EnvFilter::new("info"));
    // Colours are for a terminal; in a file or a pipe they are noise.
    let lines = tracing_subscriber::fmt::layer::<Registry>()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let lines = match args.log_format {
        LogFormat::Human => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(layers(tracer))
        .try_init();
    if started.is_ok() {
        panic::set_hook(Box::new(log_panic));
    }
}

/// What makes traces by `tracer` of a process's spans and of its databases' statements. [`init`] adds
/// it; only a test that sets up a subscriber of its own needs it besides.
#[must_use]
pub fn layers<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // What a reader of a trace needs, and not which line of code or thread it was.
    let spans = tracing_opentelemetry::layer()
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_tracer(tracer.clone())
        .with_filter(LevelFilter::INFO);
    spans.and_then(statements::layer(tracer))
}

/// What [`init`] makes traces with, for a test: of the process `name`, sending a share of `ratio` of
/// the traces that begin here to no collector.
#[must_use]
pub fn test_provider(name: &'static str, ratio: f64) -> SdkTracerProvider {
    provider(resource(name), ratio, None)
}

fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    let text = info.payload_as_str().unwrap_or("(no text)");
    tracing::error!(place, "panicked: {text}");
}

/// Who it is that sends traces and metrics.
fn resource(name: &'static str) -> Resource {
    let instance = Env::system().uuid_v7().to_string();
    Resource::builder()
        .with_service_name(name)
        .with_attribute(KeyValue::new("service.version", crate::version()))
        .with_attribute(KeyValue::new("service.instance.id", instance))
        .build()
}

/// A trace is sent whole or not at all: whoever begins it decides, all others follow. Also a process
/// that sends none decides, for those that it calls.
fn provider(resource: Resource, ratio: f64, endpoint: Option<&str>) -> SdkTracerProvider {
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    let builder = SdkTracerProvider::builder().with_resource(resource).with_sampler(sampler);
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

/// Puts `span` below the span that `headers` name, and the trace's id into its field `trace_id`, which
/// every log line of the call has. Returns the id; all zeros in a process without [`init`].
#[must_use]
pub fn continue_trace(span: &Span, headers: &HeaderMap) -> TraceId {
    let caller = TraceContextPropagator::new().extract(&Headers(headers));
    // Refused only where no traces are kept.
    span.set_parent(caller).ok();
    let context = span.context();
    let trace_id = context.span().span_context().trace_id();
    span.record("trace_id", tracing::field::display(trace_id));
    trace_id
}

/// Whether the trace is sent somewhere.
#[must_use]
pub fn is_kept(context: &Context) -> bool {
    context.span().span_context().is_sampled()
}

/// Puts the trace into the headers of a call.
pub fn inject(context: &Context, headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeadersMut(headers));
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
