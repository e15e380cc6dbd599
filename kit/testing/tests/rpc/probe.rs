//! What a container's health check finds.

use std::net::SocketAddr;

use kit_rpc::server::{Server, ServerArgs, Unhealthy, probe};
use kit_service::chain;
use kit_testing::echo::{BOUND, Echo, server_with};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn server(is_ready: bool) -> Server {
    let echo = Echo::new(|_| async { Ok(String::new()) });
    server_with(&ServerArgs::default(), echo).ready_when(move || async move { is_ready })
}

/// Asks until the answer is as wanted: a server is not ready in the instant that it starts.
async fn until(listen: SocketAddr, wanted: impl Fn(&Result<(), Unhealthy>) -> bool) {
    let asking = async {
        while !wanted(&probe(listen).await) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, asking).await.unwrap();
}

#[tokio::test]
async fn a_server_is_asked_over_loopback_wherever_it_listens() {
    for host in ["127.0.0.1", "0.0.0.0", "[::]"] {
        let listener = TcpListener::bind(format!("{host}:0")).await.unwrap();
        let listen = listener.local_addr().unwrap();
        let task = tokio::spawn(server(true).serve(listener, CancellationToken::new()));
        until(listen, Result::is_ok).await;
        task.abort();
    }
}

#[tokio::test]
async fn a_server_that_is_not_ready_is_told_from_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap();
    let task = tokio::spawn(server(false).serve(listener, CancellationToken::new()));
    until(listen, |asked| matches!(asked, Err(Unhealthy::NotServing { .. }))).await;
    task.abort();
    until(listen, |asked| matches!(asked, Err(Unhealthy::Silent { .. }))).await;
    let text = chain(&probe(listen).await.unwrap_err());
    assert!(text.starts_with(&format!("the server on {listen} does not answer")), "{text}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let asked = probe(listener.local_addr().unwrap());
    let asked = tokio::time::timeout(BOUND, asked).await.unwrap();
    assert!(matches!(asked, Err(Unhealthy::Silent { .. })), "{asked:?}");
}
