//! What the spans of calls say.

use kit_rpc::channel;
use kit_testing::{
    RecordedSpans,
    echo::{BOUND, Client, Echo, serve_echo},
    keep,
};
use opentelemetry::trace::{SpanKind, Status as SpanStatus};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use oxcart_proto::{Reason, Refusal};
use tonic::Status;
use tracing::Instrument as _;

/// Waits for so many spans: a server's ends a moment after its answer.
async fn ended(kept: &RecordedSpans, count: usize) -> Vec<SpanData> {
    let waiting = async {
        while kept.spans().len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, waiting).await.unwrap();
    kept.spans()
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(found.value.as_str().into_owned())
}

fn of_kind<'a>(spans: &'a [SpanData], kind: &SpanKind) -> &'a SpanData {
    spans.iter().find(|span| span.span_kind == *kind).unwrap()
}

async fn say(client: &Client) -> Result<String, Status> {
    client.say("my card is 4242").instrument(tracing::info_span!("shopping")).await
}

#[tokio::test]
async fn a_call_is_a_span_of_its_caller_and_below_it_one_of_the_service() {
    let (kept, _guard) = keep(Sampler::AlwaysOn);
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    say(&server.client()).await.unwrap();
    let spans = ended(&kept, 3).await;
    let shopping = spans.iter().find(|span| span.name == "shopping").unwrap();
    let (made, received) = (of_kind(&spans, &SpanKind::Client), of_kind(&spans, &SpanKind::Server));
    assert_eq!(made.parent_span_id, shopping.span_context.span_id());
    assert_eq!(received.parent_span_id, made.span_context.span_id());
    for span in [made, received] {
        assert_eq!(attribute(span, "rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(attribute(span, "rpc.response.status_code").as_deref(), Some("OK"));
        assert_eq!(span.status, SpanStatus::Unset);
    }
    assert_eq!(attribute(made, "server.address").as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_refusal_is_an_error_of_the_caller_and_a_fault_one_of_both() {
    for (reason, code, is_fault) in
        [(Reason::CartNotFound, "NOT_FOUND", false), (Reason::Unavailable, "UNAVAILABLE", true)]
    {
        let (kept, _guard) = keep(Sampler::AlwaysOn);
        let refuse = move |_| async move { Err(Refusal::new(reason, "no, 4242").into()) };
        let server = serve_echo(Echo::new(refuse)).await;
        say(&server.client()).await.unwrap_err();
        let spans = ended(&kept, 3).await;
        for (kind, is_error) in [(SpanKind::Client, true), (SpanKind::Server, is_fault)] {
            let span = of_kind(&spans, &kind);
            assert_eq!(attribute(span, "rpc.response.status_code").as_deref(), Some(code));
            assert_eq!(span.status == SpanStatus::error(""), is_error, "{span:?}");
        }
        let text = format!("{spans:?}");
        assert!(!text.contains("4242"), "{text}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_answers_is_seen_all_the_same() {
    let (kept, _guard) = keep(Sampler::AlwaysOn);
    let nobody = Client(channel::connect("http://127.0.0.1:1").unwrap());
    say(&nobody).await.unwrap_err();
    let spans = ended(&kept, 2).await;
    let code = attribute(of_kind(&spans, &SpanKind::Client), "error.type");
    assert_eq!(code.as_deref(), Some("UNAVAILABLE"));
}

#[tokio::test]
async fn nothing_is_kept_of_a_call_whose_trace_is_not() {
    let (kept, _guard) = keep(Sampler::AlwaysOff);
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    say(&server.client()).await.unwrap();
    server.stop().await;
    assert!(kept.spans().is_empty());
}
