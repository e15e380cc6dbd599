//! A collector of traces and metrics, for tests.

use std::time::Duration;

use axum::{Router, body::Bytes, http::Uri};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time};

/// Waiting for anything ends here.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// Hands on the path and the body of what it is sent.
pub(crate) struct Collector {
    pub(crate) url: String,
    received: mpsc::UnboundedReceiver<(String, Bytes)>,
    task: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (send, received) = mpsc::unbounded_channel();
        let answer = async move |path: Uri, body: Bytes| {
            send.send((path.path().to_owned(), body)).ok();
            let empty_answer = Bytes::from_static(&[0; 5]);
            ([("content-type", "application/grpc"), ("grpc-status", "0")], empty_answer)
        };
        let router = Router::new().fallback(answer);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, received, task }
    }

    /// What comes next: its path, and its body as far as it is text.
    pub(crate) async fn next(&mut self) -> (String, String) {
        let (path, body) = time::timeout(BOUND, self.received.recv()).await.unwrap().unwrap();
        (path, String::from_utf8_lossy(&body).into_owned())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}
