//! What a process shows of itself, as started by `telemetry::init`: one test, because a process has
//! one telemetry.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{collections::BTreeMap, time::Duration};

use axum::{Router, body::Bytes, http::Uri};
use clap::Parser as _;
use kit_database::Database;
use kit_service::telemetry::{self, TelemetryArgs};
use kit_testing::{postgres, sqlite};
use tokio::{net::TcpListener, sync::mpsc, time};
use tracing::Instrument as _;

const BOUND: Duration = Duration::from_secs(20);

/// What a bound parameter holds.
const SECRET: &str = "4242424242424242";

#[derive(clap::Parser)]
struct Config {
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

async fn work(database: &Database) {
    let sql = "select 1 where 'x' <> $1";
    match database {
        Database::Sqlite(sqlite) => {
            sqlx::query(sql).bind(SECRET).fetch_one(&sqlite.read).await.unwrap();
        }
        Database::Postgres(pool) => {
            sqlx::query(sql).bind(SECRET).fetch_one(pool).await.unwrap();
        }
        Database::Memory => panic!("it has no statements"),
    }
}

/// Collects what is sent, by path, as far as it is text, until both traces and metrics are there.
async fn collect(
    mut received: mpsc::UnboundedReceiver<(String, Bytes)>,
) -> BTreeMap<String, String> {
    let mut collected = BTreeMap::<String, String>::new();
    while collected.len() < 2 {
        let (path, body) = time::timeout(BOUND, received.recv()).await.unwrap().unwrap();
        let signal = path.rsplit('/').nth(1).unwrap().to_owned();
        collected.entry(signal).or_default().push_str(&String::from_utf8_lossy(&body));
    }
    collected
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_of_both_databases_and_metrics_are_shown_without_any_parameter() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, received) = mpsc::unbounded_channel();
    let collector = Router::new().fallback(async move |path: Uri, body: Bytes| {
        send.send((path.path().to_owned(), body)).ok();
        ([("content-type", "application/grpc"), ("grpc-status", "0")], Bytes::from_static(&[0; 5]))
    });
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let flags = ["--trace-sample-ratio=1", "--metrics-listen=127.0.0.1:0", "--otlp-endpoint", &url];
    let config = Config::parse_from([&["cart-svc"], &flags[..]].concat());
    let guard = telemetry::init("cart-svc", &config.telemetry).await.unwrap();
    let scrape = format!("http://{}/metrics", guard.metrics_address().unwrap());

    let (on_sqlite, _folder) = sqlite("note").await;
    work(&on_sqlite).instrument(tracing::info_span!("on sqlite")).await;
    let on_postgres = postgres("note").await;
    work(&on_postgres).instrument(tracing::info_span!("on postgres")).await;

    let scraped = get(&scrape).await;
    assert!(scraped.contains("\ndb_pool_acquire_duration_seconds_count "), "{scraped}");
    assert!(scraped.contains("\nprocess_cpu_seconds_total "), "{scraped}");

    tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
    let collected = collect(received).await;
    let spans = &collected["opentelemetry.proto.collector.trace.v1.TraceService"];
    assert!(spans.contains("on sqlite") && spans.contains("on postgres"), "{spans}");
    assert_eq!(spans.matches("select 1 where 'x' <> $1").count(), 2, "{spans}");
    let metrics = &collected["opentelemetry.proto.collector.metrics.v1.MetricsService"];
    assert!(metrics.contains("db_pool_acquire_duration_seconds"), "{metrics}");
    for text in [spans, metrics, &scraped] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// Reads `url` by hand: no client of HTTP stands between the test and the bytes.
async fn get(url: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let authority = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut stream = tokio::net::TcpStream::connect(authority).await.unwrap();
    let request =
        format!("GET /metrics HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    time::timeout(BOUND, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}
