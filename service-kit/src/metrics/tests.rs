//! What a scrape and a collector get to see, over real sockets. All tests of the process share one
//! set of instruments, so each looks for what only it does.

use std::time::Duration;

use opentelemetry_sdk::Resource;
use tokio::{sync::mpsc, time};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::*;
use crate::{
    env::Env,
    error::{Reason, Refusal},
    harness::{BOUND, Client, Collector, Echo, serve, serve_echo},
    server::{Server, ServerArgs},
    testing::series as value,
};

const CATALOG: &str = "oxcart.catalog.v1.CatalogService";

async fn call(client: &Client, path: &str) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(client.0.clone());
    grpc.ready().await?;
    let codec = ProstCodec::<String, String>::default();
    let answer = grpc.unary(Request::new(String::new()), path.parse().unwrap(), codec);
    time::timeout(BOUND, answer).await.unwrap().map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_call_is_measured_on_both_sides_by_method_code_and_reason() {
    let refuse = |_| async { Err(Refusal::new(Reason::ItemNotFound, "no such item").into()) };
    let server = serve_echo(Echo::new(refuse)).await;
    let method = format!("{CATALOG}/DeleteItem");
    call(&server.client(), &format!("/{method}")).await.unwrap_err();
    let text = text();
    let labels = [("method", &*method), ("code", "NOT_FOUND"), ("reason", "ITEM_NOT_FOUND")];
    for side in ["server", "client"] {
        let count = value(&format!("rpc_{side}_duration_seconds_count"), &labels);
        assert_eq!(count, Some(1.0), "{text}");
    }
}

#[tokio::test]
async fn a_success_has_no_reason() {
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    let method = format!("{CATALOG}/SearchItems");
    call(&server.client(), &format!("/{method}")).await.unwrap();
    let labels = [("method", &*method), ("code", "OK"), ("reason", "")];
    assert_eq!(value("rpc_server_duration_seconds_count", &labels), Some(1.0));
}

#[tokio::test]
async fn a_path_that_the_contract_does_not_have_makes_no_series_of_its_own() {
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    for made_up in ["UserAlice", "UserBob"] {
        call(&server.client(), &format!("/{CATALOG}/{made_up}")).await.unwrap();
    }
    call(&server.client(), "/No.Such/Service").await.unwrap_err();
    let text = text();
    assert!(!text.contains("UserAlice") && !text.contains("No.Such"), "{text}");
    let labels = [("method", "other"), ("code", "OK")];
    let count = value("rpc_server_duration_seconds_count", &labels);
    assert!(count.is_some_and(|count| count >= 2.0), "{text}");
}

#[tokio::test]
async fn calls_at_work_are_counted_while_they_are_and_shed_ones_when_they_are_shed() {
    let (began, mut beginning) = mpsc::unbounded_channel();
    let (go, gone) = tokio::sync::watch::channel(false);
    let echo = Echo::new(move |_| {
        let (began, mut gone) = (began.clone(), gone.clone());
        async move {
            began.send(()).ok();
            gone.wait_for(|gone| *gone).await.ok();
            Ok(String::new())
        }
    });
    let args = ServerArgs { max_in_flight: 1, ..ServerArgs::default() };
    let server = Server::new("busy", &args, Env::system()).add_service(echo);
    let server = serve(server).await;
    let client = server.client();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.say("").await }
    });
    beginning.recv().await.unwrap();
    let labels = [("server", "busy")];
    assert_eq!(value("rpc_server_in_flight", &labels), Some(1.0));
    client.say("").await.unwrap_err();
    assert_eq!(value("rpc_server_shed_total", &labels), Some(1.0));
    go.send(true).unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(value("rpc_server_in_flight", &labels), Some(0.0));
}

#[tokio::test]
async fn a_call_that_is_not_waited_for_is_counted_as_abandoned() {
    let (began, mut beginning) = mpsc::unbounded_channel();
    let echo = Echo::new(move |_| {
        began.send(()).ok();
        std::future::pending()
    });
    let server = serve_echo(echo).await;
    let client = server.client();
    let path = format!("/{CATALOG}/ImportItems");
    tokio::select! {
        answer = call(&client, &path) => panic!("{answer:?}"),
        began = time::timeout(BOUND, beginning.recv()) => assert!(began.unwrap().is_some()),
    }
    let labels = [("method", &path[1..]), ("code", "CANCELLED"), ("reason", "ABANDONED")];
    let counted = async {
        for side in ["client", "server"] {
            let name = format!("rpc_{side}_duration_seconds_count");
            while value(&name, &labels) != Some(1.0) {
                time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    time::timeout(BOUND, counted).await.unwrap();
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn connections_are_shown_for_as_long_as_the_database_is_served() {
    use crate::{database::Database, testing};

    let Database::Postgres(pool) = testing::postgres("pooled").await else { panic!("it is") };
    let (sqlite, _folder) = testing::sqlite("filed").await;
    let postgres = Database::Postgres(pool.clone());
    let shown = [database::watch("pooled", &postgres), database::watch("filed", &sqlite)];
    let connection = pool.acquire().await.unwrap();
    let in_use = |state| {
        let labels = [("server", "pooled"), ("pool", "postgres"), ("state", state)];
        value("db_pool_connections", &labels)
    };
    assert_eq!(in_use("in_use"), Some(1.0));
    drop(connection);
    let given_back = async {
        while in_use("in_use") != Some(0.0) {
            time::sleep(Duration::from_millis(5)).await;
        }
    };
    time::timeout(BOUND, given_back).await.unwrap();
    assert!(in_use("idle").is_some_and(|idle| idle >= 1.0));
    let most = |pool| value("db_pool_max_connections", &[("server", "filed"), ("pool", pool)]);
    assert_eq!((most("write"), most("read")), (Some(1.0), Some(4.0)));
    drop(shown);
    assert_eq!((in_use("idle"), most("write")), (None, None));
}

#[tokio::test]
async fn a_failed_statement_is_counted_by_kind() {
    use crate::database::Failure;

    let _: Failure = sqlx::Error::PoolTimedOut.into();
    let _: Failure = sqlx::Error::RowNotFound.into();
    let text = text();
    for kind in ["no_connection", "broken"] {
        assert!(value("db_failures_total", &[("kind", kind)]).is_some(), "{text}");
    }
}

#[tokio::test]
async fn a_scrape_shows_every_metric_of_the_process_with_its_kind_and_meaning() {
    for touch in SERVED {
        touch();
    }
    let scrape = scrape::serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    crate::auth::install_crypto();
    let answer = reqwest::get(format!("http://{}/metrics", scrape.addr)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    for metric in METRICS.iter().filter(|metric| !metric.name.starts_with("db_pool_c")) {
        let Metric { name, kind, .. } = metric;
        if [database::MAX_CONNECTIONS.name].contains(name) {
            continue;
        }
        let kind = format!("{kind:?}").to_lowercase();
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {text}");
        assert!(text.contains(&format!("# HELP {name} {}\n", metric.help)), "{name}: {text}");
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]
    {
        assert!(value(name, &[]).is_some_and(|value| value > 1.0), "{name}: {text}");
    }
    let version = [("version", crate::version())];
    assert_eq!(value("build_info", &version), Some(1.0));
    let elsewhere = reqwest::get(format!("http://{}/", scrape.addr)).await.unwrap();
    assert_eq!(elsewhere.status(), 404);
}

/// Uses what is only shown once it was used.
const SERVED: [fn(); 6] = [
    || rpc::SERVER_DURATION.record(0.0, ["other", "OK", ""]),
    || rpc::CLIENT_DURATION.record(0.0, ["other", "OK", ""]),
    || drop(rpc::SERVER_IN_FLIGHT.enter(["touched"])),
    || rpc::SERVER_SHED.add(1, ["touched"]),
    || database::ACQUIRE_DURATION.record(0.0, []),
    || database::FAILURES.add(1, ["broken"]),
];

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
