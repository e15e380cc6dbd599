//! A small gRPC service for the kit's own tests, over real sockets. Its handler is a closure.

use std::{
    convert::Infallible,
    future::Future,
    sync::{Arc, Once},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{future::BoxFuture, stream::BoxStream};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, body::Body, codegen::http, server::NamedService};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::{
    channel::{self, Outbound},
    env::Env,
    server::{ServeError, Server, ServerArgs},
};

/// Waiting for anything ends here.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

type Answer = Result<Response<String>, Status>;
type Answers = Result<Response<BoxStream<'static, Result<String, Status>>>, Status>;

/// Borrows the name of a service in the contract, so that reflection knows it.
#[derive(Clone)]
pub(crate) struct Echo {
    unary: Arc<dyn Fn(Request<String>) -> BoxFuture<'static, Answer> + Send + Sync>,
    stream: Arc<dyn Fn(Request<String>) -> BoxFuture<'static, Answers> + Send + Sync>,
}

impl Echo {
    pub(crate) fn new<F>(handler: impl Fn(Request<String>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, Status>> + Send + 'static,
    {
        let unary = move |request| -> BoxFuture<'static, Answer> {
            let answer = handler(request);
            Box::pin(async move { answer.await.map(Response::new) })
        };
        let no_stream = |_| -> BoxFuture<'static, Answers> {
            Box::pin(async { Err(Status::unimplemented("no stream here")) })
        };
        Self { unary: Arc::new(unary), stream: Arc::new(no_stream) }
    }

    pub(crate) fn streaming(
        mut self,
        handler: impl Fn(&Request<String>) -> BoxStream<'static, Result<String, Status>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.stream = Arc::new(move |request| {
            let answers = handler(&request);
            Box::pin(async move { Ok(Response::new(answers)) })
        });
        self
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "oxcart.catalog.v1.CatalogService";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { unary, stream } = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
            if request.uri().path().ends_with("/Watch") {
                Ok(grpc.server_streaming(service_fn(move |r| stream(r)), request).await)
            } else {
                Ok(grpc.unary(service_fn(move |r| unary(r)), request).await)
            }
        })
    }
}

/// A server on a free port of loopback.
pub(crate) struct Running {
    pub(crate) url: String,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<Result<(), ServeError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A collector of traces and metrics, which hands on the path and the body of what it is sent.
pub(crate) struct Collector {
    pub(crate) url: String,
    received: mpsc::UnboundedReceiver<(String, axum::body::Bytes)>,
    task: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (send, received) = mpsc::unbounded_channel();
        let answer = async move |path: http::Uri, body: axum::body::Bytes| {
            send.send((path.path().to_owned(), body)).ok();
            let empty_answer = axum::body::Bytes::from_static(&[0; 5]);
            ([("content-type", "application/grpc"), ("grpc-status", "0")], empty_answer)
        };
        let router = axum::Router::new().fallback(answer);
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

/// Makes tracing ask this thread's subscriber about every span and event. Without it, what a test
/// captures depends on which other test ran into the same line of code first, and had no subscriber.
pub(crate) fn observe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::Registry::default()).unwrap();
    });
}

pub(crate) async fn serve(server: Server) -> Running {
    observe();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(server.serve(listener, shutdown.clone()));
    Running { url, shutdown, server }
}

pub(crate) async fn serve_echo(echo: Echo) -> Running {
    serve(server_with(&ServerArgs::default(), echo)).await
}

pub(crate) fn server_with(args: &ServerArgs, echo: Echo) -> Server {
    Server::new("echo", args, Env::system()).add_service(echo)
}

impl Running {
    pub(crate) fn client(&self) -> Client {
        Client(channel::connect(&self.url).unwrap())
    }

    /// Tells the server to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        time::timeout(BOUND, &mut self.server).await.unwrap().unwrap().unwrap();
    }
}

#[derive(Clone)]
pub(crate) struct Client(pub(crate) Outbound);

impl Client {
    pub(crate) async fn say(&self, text: &str) -> Result<String, Status> {
        self.send(Request::new(text.to_owned())).await
    }

    /// Sends any message to the method that takes a string.
    pub(crate) async fn send<M>(&self, request: Request<M>) -> Result<String, Status>
    where
        M: prost::Message + Default + Send + Sync + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await?;
        let path = format!("/{}/Unary", Echo::NAME).parse().unwrap();
        let codec = ProstCodec::<M, String>::default();
        let answer = time::timeout(BOUND, grpc.unary(request, path, codec)).await;
        answer.unwrap().map(Response::into_inner)
    }

    pub(crate) async fn watch(&self) -> Result<tonic::Streaming<String>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await?;
        let path = format!("/{}/Watch", Echo::NAME).parse().unwrap();
        let codec = ProstCodec::<String, String>::default();
        let request = Request::new(String::new());
        grpc.server_streaming(request, path, codec).await.map(Response::into_inner)
    }
}
