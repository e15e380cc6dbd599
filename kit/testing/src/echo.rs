//! A small gRPC service over real sockets, whose handler is a closure.

#![expect(clippy::disallowed_methods, reason = "it has no stream")]

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{future::BoxFuture, stream::BoxStream};
use kit_rpc::{
    channel::{self, Outbound},
    server::{ServeError, Server, ServerArgs, quiet},
};
use kit_service::Env;
use tokio::{net::TcpListener, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, body::Body, codegen::http, server::NamedService};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::observe;

/// Waiting for anything ends here.
pub const BOUND: Duration = Duration::from_secs(20);

type Answer = Result<Response<String>, Status>;
type Answers = Result<Response<BoxStream<'static, Result<String, Status>>>, Status>;

/// Borrows the name of a service in the contract, so that reflection knows it.
#[derive(Clone)]
pub struct Echo {
    unary: Arc<dyn Fn(Request<String>) -> BoxFuture<'static, Answer> + Send + Sync>,
    stream: Arc<dyn Fn(Request<String>) -> BoxFuture<'static, Answers> + Send + Sync>,
}

impl Echo {
    /// Answers single requests by `handler`.
    #[must_use]
    pub fn new<F>(handler: impl Fn(Request<String>) -> F + Send + Sync + 'static) -> Self
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

    /// Asks that single requests be logged at DEBUG.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        let answer = self.unary;
        self.unary = Arc::new(move |request| {
            let answered = answer(request);
            Box::pin(async move { answered.await.map(quiet) })
        });
        self
    }

    /// Answers calls of the method `Watch` by `handler`.
    #[must_use]
    pub fn streaming(
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
pub struct Running {
    /// Where it is reached.
    pub url: String,
    /// Tells it to stop.
    pub shutdown: CancellationToken,
    /// Ends as the server does.
    pub server: JoinHandle<Result<(), ServeError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Runs `server` on a free port.
pub async fn serve(server: Server) -> Running {
    observe();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(server.serve(listener, shutdown.clone()));
    Running { url, shutdown, server }
}

/// Runs a server of `echo` alone, with the default limits.
pub async fn serve_echo(echo: Echo) -> Running {
    serve(server_with(&ServerArgs::default(), echo)).await
}

/// A server of `echo` with `args`.
pub fn server_with(args: &ServerArgs, echo: Echo) -> Server {
    Server::new("echo", args, Env::system()).add_service(echo)
}

impl Running {
    /// A client of it, with connections of its own.
    #[must_use]
    pub fn client(&self) -> Client {
        Client(channel::connect(&self.url).unwrap())
    }

    /// Tells the server to stop and waits until it has.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        time::timeout(BOUND, &mut self.server).await.unwrap().unwrap().unwrap();
    }
}

/// Calls an [`Echo`].
#[derive(Clone)]
pub struct Client(pub Outbound);

impl Client {
    /// Sends `text` to the method that takes a string.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn say(&self, text: &str) -> Result<String, Status> {
        self.send(Request::new(text.to_owned())).await
    }

    /// Sends any message to the method that takes a string.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn send<M>(&self, request: Request<M>) -> Result<String, Status>
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

    /// Calls the method `Watch`.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn watch(&self) -> Result<tonic::Streaming<String>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.0.clone());
        grpc.ready().await?;
        let path = format!("/{}/Watch", Echo::NAME).parse().unwrap();
        let codec = ProstCodec::<String, String>::default();
        let request = Request::new(String::new());
        grpc.server_streaming(request, path, codec).await.map(Response::into_inner)
    }
}
