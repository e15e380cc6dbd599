//! An HTTP/1.1 server, for what is not gRPC: an identity provider's pages, metrics.
//!
//! axum's own would do, but waits endlessly for a client that says nothing or reads nothing, and has no
//! limit to how many there are: whoever reaches the port could take all file descriptors of the
//! process. Limits of one request are the router's.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::chain;

/// The pause after a connection could not be accepted, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What a client may take of the server.
const LIMITS: Limits = Limits {
    connections: 256,
    head: Duration::from_secs(10),
    age: Duration::from_mins(1),
    grace: Duration::from_secs(30),
};

/// Serves `router` until `stop` is cancelled, then finishes the requests at work, within 30 s.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    LIMITS.serve(listener, router, stop).await;
}

#[derive(Clone, Copy)]
struct Limits {
    /// Connections at the same time. More wait to be accepted.
    connections: usize,
    /// How long a client may take to send the head of a request, and be idle before the next.
    head: Duration,
    /// After this a connection takes no more requests.
    age: Duration,
    /// How long the last request of a connection may take, its answer's way to the client included.
    grace: Duration,
}

impl Limits {
    async fn serve(self, listener: TcpListener, router: Router, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.connections));
        let open = TaskTracker::new();
        let accepting = async {
            // Nobody closes the semaphore.
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let stream = accept(&listener).await;
                open.spawn(self.hold(stream, router.clone(), stop.clone(), place));
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop.cancelled() => {}
        }
        drop(listener);
        open.close();
        open.wait().await;
    }

    /// Answers one client, until it leaves or its time is over.
    async fn hold(
        self,
        stream: TcpStream,
        router: Router,
        stop: CancellationToken,
        _place: OwnedSemaphorePermit,
    ) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head);
        let service = TowerToHyperService::new(router);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = over(self.age, &stop) => {
                connection.as_mut().graceful_shutdown();
                let Ok(ended) = time::timeout(self.grace, connection).await else {
                    tracing::debug!("an http client does not take its answer");
                    return;
                };
                ended
            }
        };
        if let Err(failure) = ended {
            tracing::debug!(error = chain(&failure), "an http connection broke");
        }
    }
}

async fn over(age: Duration, stop: &CancellationToken) {
    time::timeout(age, stop.cancelled()).await.ok();
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(failure) if is_the_clients(&failure) => {}
            Err(failure) => {
                tracing::warn!(error = chain(&failure), "no http connection can be accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether only the one connection failed, before it was accepted.
fn is_the_clients(failure: &io::Error) -> bool {
    matches!(
        failure.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::Notify,
        task::JoinHandle,
    };

    use super::*;
    use crate::collector::BOUND;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

    const SHORT: Duration = Duration::from_millis(50);

    /// Whatever a test does not set is long enough for all of it.
    const LONG: Limits = Limits { connections: 9, head: BOUND, age: BOUND, grace: BOUND };

    struct Running {
        address: std::net::SocketAddr,
        stop: CancellationToken,
        task: JoinHandle<()>,
    }

    async fn start(limits: Limits, router: Router) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(limits.serve(listener, router, stop.clone()));
        Running { address, stop, task }
    }

    fn hello() -> Router {
        Router::new().route("/", get(async || "hello"))
    }

    async fn connect(server: &Running) -> TcpStream {
        TcpStream::connect(server.address).await.unwrap()
    }

    /// Everything that comes until the server closes the connection.
    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        let reading = stream.read_to_string(&mut text);
        time::timeout(BOUND, reading).await.expect("the connection stays open").ok();
        text
    }

    #[tokio::test]
    async fn a_client_that_sends_no_request_is_cut_off() {
        let server = start(Limits { head: SHORT, ..LONG }, hello()).await;
        for sent in ["", "GET / HTTP/1.1\r\nhost: he"] {
            let mut stream = connect(&server).await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            assert!(!rest(stream).await.contains("200 OK"));
        }
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let much = Router::new().route("/", get(async || vec![0_u8; 64 * 1024 * 1024]));
        let limits = Limits { connections: 1, age: SHORT, grace: SHORT, ..LONG };
        let server = start(limits, much).await;
        let mut deaf = connect(&server).await;
        deaf.write_all(REQUEST).await.unwrap();
        // It has the only place, so the next is answered only once the first is gone.
        let mut next = connect(&server).await;
        next.write_all(REQUEST).await.unwrap();
        let answered = time::timeout(BOUND, next.read_u8()).await;
        assert_eq!(answered.unwrap().unwrap(), b'H');
    }

    #[tokio::test]
    async fn a_connection_that_has_grown_old_takes_no_more_requests() {
        let server = start(Limits { age: Duration::from_secs(1), ..LONG }, hello()).await;
        let mut stream = connect(&server).await;
        stream.write_all(REQUEST).await.unwrap();
        let text = rest(stream).await;
        assert!(text.starts_with("HTTP/1.1 200 OK") && text.ends_with("hello"), "{text}");
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_waits_for_its_place() {
        let server = start(Limits { connections: 1, ..LONG }, hello()).await;
        let first = connect(&server).await;
        let mut second = connect(&server).await;
        second.write_all(REQUEST).await.unwrap();
        let early = time::timeout(Duration::from_millis(100), second.read_u8()).await;
        assert!(early.is_err(), "it was answered beside the first");
        drop(first);
        let answered = time::timeout(BOUND, second.read_u8()).await;
        assert_eq!(answered.unwrap().unwrap(), b'H');
    }

    #[tokio::test]
    async fn a_request_at_work_is_finished_and_an_idle_connection_closed() {
        let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (saying, waiting) = (Arc::clone(&began), Arc::clone(&go));
        let slow = async move || {
            saying.notify_one();
            waiting.notified().await;
            "done"
        };
        let server = start(LONG, Router::new().route("/", get(slow))).await;
        let idle = connect(&server).await;
        let mut busy = connect(&server).await;
        busy.write_all(REQUEST).await.unwrap();
        time::timeout(BOUND, began.notified()).await.unwrap();
        server.stop.cancel();
        assert_eq!(rest(idle).await, "");
        assert!(!server.task.is_finished());
        go.notify_one();
        assert!(rest(busy).await.ends_with("done"));
        time::timeout(BOUND, server.task).await.unwrap().unwrap();
    }
}
