//! What a scrape and a collector get to see, over real sockets. All tests of the process share one
//! set of instruments, so each looks for what only it does.

use std::time::Duration;

use kit_rpc::{
    metrics::METRICS,
    server::{Server, ServerArgs},
};
use kit_service::{
    Env,
    metrics::{Metric, text},
};
use kit_testing::{
    echo::{BOUND, Client, Echo, serve, serve_echo},
    series as value,
};
use oxcart_proto::{Reason, Refusal};
use tokio::{sync::mpsc, time};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

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

#[tokio::test]
async fn every_metric_is_shown_with_its_kind_and_meaning() {
    let server = serve_echo(Echo::new(|_| async { Ok(String::new()) })).await;
    server.client().say("").await.unwrap();
    let text = text();
    for Metric { name, kind, help, .. } in &METRICS {
        let kind = format!("{kind:?}").to_lowercase();
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name}: {text}");
        assert!(text.contains(&format!("# HELP {name} {help}\n")), "{name}: {text}");
    }
}
