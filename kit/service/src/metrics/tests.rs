//! What a scrape and a collector get to see, over real sockets.

use opentelemetry_sdk::Resource;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;
use crate::collector::Collector;

/// Everything that the server at `addr` answers to a request for `path`.
async fn get(addr: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The value of the series `name`, whatever its labels.
fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.split(['{', ' ']).next() == Some(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn a_scrape_shows_every_metric_of_the_process_with_its_kind_and_meaning() {
    let scrape = scrape::serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let text = get(scrape.addr, "/metrics").await;
    assert!(text.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{text}");
    for Metric { name, kind, help, .. } in &METRICS {
        let kind = format!("{kind:?}").to_lowercase();
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {text}");
        assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}: {text}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]
    {
        assert!(value(&text, name).is_some_and(|value| value > 1.0), "{name}: {text}");
    }
    let build_info = format!("build_info{{version=\"{}\"}} 1\n", crate::version());
    assert!(text.contains(&build_info), "{text}");
    assert!(get(scrape.addr, "/").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_taken_address_is_refused_by_its_port() {
    let first = scrape::serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let refused = scrape::serve(first.addr).await.err().unwrap().to_string();
    assert!(refused.contains(&format!("port {} is taken", first.addr.port())), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_pushed_to_the_collector_that_is_configured() {
    let mut collector = Collector::start().await;
    let resource = Resource::builder().with_service_name("cart-svc").build();
    let readers = Readers { scrape: false, push_to: Some(&collector.url) };
    let export = export::Export::new(resource, readers);
    let provider = export.provider.clone();
    tokio::task::spawn_blocking(move || provider.shutdown().unwrap()).await.unwrap();
    let (path, text) = collector.next().await;
    assert_eq!(path, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
    assert!(text.contains("process_resident_memory_bytes") && text.contains("cart-svc"), "{text}");
}

#[test]
fn names_end_in_their_units_and_labels_name_nobody() {
    for metric in &METRICS {
        let Metric { name, kind, labels, .. } = metric;
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        assert!(!labels.iter().any(|label| ["user", "owner", "id"].contains(label)), "{name}");
    }
}
