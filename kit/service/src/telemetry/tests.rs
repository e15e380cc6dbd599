//! What the settings of telemetry take, and what reaches a collector.

use clap::Parser as _;
use tokio::task;

use super::*;
use crate::collector::Collector;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_the_collector_that_is_configured() {
    let mut collector = Collector::start().await;
    let provider = provider(resource("cart-svc"), 1.0, Some(&collector.url));
    let subscriber = tracing_subscriber::registry().with(layers(provider.tracer("cart-svc")));
    tracing::subscriber::with_default(subscriber, || tracing::info_span!("priced").in_scope(|| ()));
    task::spawn_blocking(move || drop(Guard { provider, scrape: None })).await.unwrap();
    let (path, text) = collector.next().await;
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert!(text.contains("priced") && text.contains("cart-svc"), "{text}");
}

#[test]
fn the_share_of_traces_that_begin_here_is_as_configured() {
    let sent = |ratio| {
        let provider = provider(resource("test"), ratio, None);
        let subscriber = tracing_subscriber::registry().with(layers(provider.tracer("test")));
        let is_sent = || {
            let span = tracing::info_span!("a call");
            span.context().span().span_context().is_sampled()
        };
        tracing::subscriber::with_default(subscriber, || (0..1_000).filter(|_| is_sent()).count())
    };
    assert_eq!((sent(0.0), sent(1.0)), (0, 1_000));
    // Six standard deviations around the mean.
    assert!((440..=560).contains(&sent(0.5)));
}
