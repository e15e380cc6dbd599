//! What is logged and traced across two real hops.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::Uri, response::IntoResponse};
use clap::Parser as _;
use opentelemetry::trace::{SpanId, TraceId};
use tokio::{net::TcpListener, sync::mpsc, task, time};
use tonic::{Request, metadata::MetadataValue};
use tracing::{Instrument as _, subscriber::DefaultGuard};

use super::*;
use crate::{
    harness::{BOUND, Echo, observe, serve, serve_echo, server_with},
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
    let wrong = [("--log", "cart=loud"), ("--otlp-endpoint", "localhost"), ("--log-format", "xml")];
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
    let provider = provider("test", None);
    let to_memory = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
    let subscriber = tracing_subscriber::registry()
        .with(to_memory.json().flatten_event(true).with_span_list(false))
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")))
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (received, mut receive) = mpsc::unbounded_channel();
    let collector = Router::new().fallback(async move |path: Uri, body: Bytes| {
        received.send((path.path().to_owned(), body)).ok();
        let empty_answer = Bytes::from_static(&[0; 5]);
        ([("content-type", "application/grpc"), ("grpc-status", "0")], empty_answer).into_response()
    });
    let collector = tokio::spawn(async move { axum::serve(listener, collector).await });
    observe();
    let provider = provider("cart-svc", Some(&url));
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("cart-svc"));
    let subscriber = tracing_subscriber::registry().with(spans);
    tracing::subscriber::with_default(subscriber, || tracing::info_span!("priced").in_scope(|| ()));
    task::spawn_blocking(move || drop(Guard(provider))).await.unwrap();
    let (path, body) = time::timeout(BOUND, receive.recv()).await.unwrap().unwrap();
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("priced") && text.contains("cart-svc"), "{text}");
    collector.abort();
}
