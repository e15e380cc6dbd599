//! What is logged and traced across two real hops.

use std::sync::{Arc, Mutex};

use clap::Parser as _;
use opentelemetry::trace::{SpanId, TraceId};
use tokio::task;
use tonic::{Request, metadata::MetadataValue};
use tracing::{Instrument as _, subscriber::DefaultGuard};

use super::*;
use crate::{
    harness::{Collector, Echo, observe, serve, serve_echo, server_with},
    server::ServerArgs,
    testing::TestIssuer,
};

#[derive(clap::Parser)]
struct Config {
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[test]
fn a_wrong_setting_is_refused_by_a_sentence_that_names_it() {
    let wrong = [
        ("--log", "cart=loud"),
        ("--otlp-endpoint", "localhost"),
        ("--log-format", "xml"),
        ("--trace-sample-ratio", "1.1"),
        ("--metrics-listen", "9464"),
    ];
    for (flag, value) in wrong {
        let refused = Config::try_parse_from(["cart-svc", flag, value]).err().unwrap();
        assert!(refused.to_string().contains(flag), "{refused}");
    }
    let config = Config::try_parse_from(["cart-svc"]).ok().unwrap();
    assert_eq!(config.telemetry.log_format, LogFormat::Human);
}

/// What this test's thread has logged so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Logs as [`init`] would, but into memory and for this thread only.
fn capture(filter: &str) -> (Lines, DefaultGuard) {
    observe();
    let lines = Lines::default();
    let writer = lines.clone();
    let provider = provider(resource("test"), 1.0, None);
    let to_memory = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry()
        .with(to_memory.json().flatten_event(true).with_span_list(false))
        .with(spans(provider.tracer("test")))
        .with(EnvFilter::new(filter));
    (lines, tracing::subscriber::set_default(subscriber))
}

fn ids() -> (TraceId, SpanId) {
    let context = Span::current().context();
    let span = context.span().span_context().clone();
    (span.trace_id(), span.span_id())
}

#[tokio::test]
async fn one_trace_goes_through_all_hops_and_stands_in_their_log_lines() {
    let (lines, _guard) = capture("info");
    let inner = serve_echo(Echo::new(|_| async { Ok(format!("{:?}", ids())) })).await;
    let client = inner.client();
    let outer = serve_echo(Echo::new(move |_| {
        let client = client.clone();
        async move { Ok(format!("{:?} {}", ids().0, client.say("").await?)) }
    }))
    .await;
    let span = tracing::info_span!("a client");
    let (trace_id, span_id) = span.in_scope(ids);
    assert_ne!(trace_id, TraceId::INVALID);
    let client = outer.client();
    let seen = client.say("").instrument(span).await.unwrap();
    let (outer_trace, inner_ids) = seen.split_once(' ').unwrap();
    assert_eq!(outer_trace, format!("{trace_id:?}"));
    assert!(inner_ids.contains(&format!("{trace_id:?}")), "{inner_ids} of {trace_id}");
    assert!(!inner_ids.contains(&format!("{span_id:?}")), "each hop has a span of its own");
    let with_trace_id = format!("\"trace_id\":\"{trace_id}\"");
    let text = lines.text();
    let answered: Vec<_> = text.lines().filter(|line| line.contains("answered")).collect();
    assert_eq!(answered.len(), 2, "{text}");
    assert!(answered.iter().all(|line| line.contains(&with_trace_id)), "{text}");
    assert!(answered[0].contains("\"grpc.code\":\"Ok\""), "{text}");
}

#[tokio::test]
async fn a_call_without_a_trace_begins_one() {
    let (_lines, _guard) = capture("info");
    let server = serve_echo(Echo::new(|_| async { Ok(format!("{:?}", ids().0)) })).await;
    let client = server.client();
    let (one, two) = (client.say("").await.unwrap(), client.say("").await.unwrap());
    assert_ne!(one, two);
    assert_ne!(one, format!("{:?}", TraceId::INVALID));
}

#[tokio::test]
async fn no_token_stands_in_any_log_line_of_ours_at_any_level() {
    let (lines, _guard) = capture("trace");
    let issuer = TestIssuer::start().await;
    let echo = Echo::new(|request: Request<String>| async move {
        tracing::info!(metadata = ?request.metadata(), "called");
        crate::auth::Caller::of(&request).user().map(|user| user.to_string())
    });
    let server = server_with(&ServerArgs::default(), echo);
    let server = serve(server.authenticator(issuer.authenticator())).await;
    for token in [issuer.user_token("alice"), issuer.expired_token("alice")] {
        let mut value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        value.set_sensitive(true);
        let mut request = Request::new(String::new());
        request.metadata_mut().insert("authorization", value);
        server.client().send(request).await.ok();
        let text = lines.text();
        let signature = token.rsplit_once('.').unwrap().1;
        assert!(text.contains("answered"));
        let leak = text.lines().find(|line| line.contains(signature));
        assert_eq!(leak, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_the_collector_that_is_configured() {
    let mut collector = Collector::start().await;
    observe();
    let provider = provider(resource("cart-svc"), 1.0, Some(&collector.url));
    let subscriber = tracing_subscriber::registry().with(spans(provider.tracer("cart-svc")));
    tracing::subscriber::with_default(subscriber, || tracing::info_span!("priced").in_scope(|| ()));
    task::spawn_blocking(move || drop(Guard { provider, scrape: None })).await.unwrap();
    let (path, text) = collector.next().await;
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert!(text.contains("priced") && text.contains("cart-svc"), "{text}");
}

#[tokio::test]
async fn a_trace_that_the_caller_does_not_keep_is_not_kept_by_us_either() {
    let (_lines, _guard) = capture("info");
    let is_kept =
        |_| async { Ok(Span::current().context().span().span_context().is_sampled().to_string()) };
    let server = serve_echo(Echo::new(is_kept)).await;
    for (flags, kept) in [("00", "false"), ("01", "true")] {
        let mut request = Request::new(String::new());
        let parent = format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
        let channel = tonic::transport::Endpoint::from_shared(server.url.clone()).unwrap();
        let answer = say_plainly(channel.connect().await.unwrap(), request).await;
        assert_eq!(answer, kept, "{parent}");
    }
}

/// Over a channel that leaves the headers alone.
async fn say_plainly(channel: tonic::transport::Channel, request: Request<String>) -> String {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = "/oxcart.catalog.v1.CatalogService/Unary".parse().unwrap();
    let codec = tonic_prost::ProstCodec::<String, String>::default();
    grpc.unary(request, path, codec).await.unwrap().into_inner()
}

#[test]
fn the_share_of_traces_that_begin_here_is_as_configured() {
    let sent = |ratio| {
        let provider = provider(resource("test"), ratio, None);
        let subscriber = tracing_subscriber::registry().with(spans(provider.tracer("test")));
        let is_sent = || {
            let span = tracing::info_span!("a call");
            span.context().span().span_context().is_sampled()
        };
        tracing::subscriber::with_default(subscriber, || (0..1_000).filter(|_| is_sent()).count())
    };
    observe();
    assert_eq!((sent(0.0), sent(1.0)), (0, 1_000));
    // Six standard deviations around the mean.
    assert!((440..=560).contains(&sent(0.5)));
}
