//! What is logged and traced across two real hops.

use std::{
    io,
    sync::{Arc, Mutex},
};

use kit_rpc::{auth::Caller, server::ServerArgs};
use kit_service::telemetry;
use kit_testing::{
    TestIssuer,
    echo::{Echo, serve, serve_echo, server_with},
    observe,
};
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceId, TracerProvider as _};
use tonic::{Request, metadata::MetadataValue};
use tracing::{Instrument as _, Span, subscriber::DefaultGuard};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _};

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

/// Logs as `telemetry::init` would, but into memory and for this thread only.
fn capture(filter: &str) -> (Lines, DefaultGuard) {
    observe();
    let lines = Lines::default();
    let writer = lines.clone();
    let provider = telemetry::test_provider("test", 1.0);
    let to_memory = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry()
        .with(to_memory.json().flatten_event(true).with_span_list(false))
        .with(telemetry::layers(provider.tracer("test")))
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
        Caller::of(&request).user().map(|user| user.to_string())
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

#[tokio::test]
async fn a_call_that_asks_to_be_quiet_is_logged_at_debug() {
    let echo = Echo::new(|_| async { Ok(String::new()) });
    let server = serve_echo(echo.quiet()).await;
    for (filter, is_logged) in [("info", false), ("debug", true)] {
        let (lines, _guard) = capture(filter);
        server.client().say("").await.unwrap();
        assert_eq!(lines.text().contains("\"answered\""), is_logged, "{}", lines.text());
    }
}
