//! A request's body that ends when the call's time is over.
//!
//! A handler is never cut off, so one that waits for the rest of its request would wait for as long as
//! the caller keeps the connection, and hold a place among the calls at work for nothing.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::time::{self, Sleep};
use tonic::Status;

use crate::error::{Reason, Refusal};

/// A body that fails once `ends` has come.
struct Timed {
    body: Body,
    ends: Pin<Box<Sleep>>,
}

/// The same body, for no longer than `limit`.
pub(super) fn timed(body: Body, limit: Duration) -> Body {
    Body::new(Timed { body, ends: Box::pin(time::sleep(limit)) })
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ends.as_mut().poll(context).is_ready() {
            let message = "the request did not arrive in the call's time";
            let late = Status::from(Refusal::new(Reason::DeadlineExceeded, message));
            return Poll::Ready(Some(Err(axum::Error::new(late))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tokio::net::TcpStream;
    use tonic::{Code, server::NamedService as _};

    use super::*;
    use crate::{
        harness::{BOUND, Echo, serve, server_with},
        server::ServerArgs,
    };

    #[tokio::test]
    async fn a_request_that_never_arrives_whole_holds_no_place() {
        let args =
            ServerArgs { max_in_flight: 1, default_deadline_ms: 50, ..ServerArgs::default() };
        let server = serve(server_with(&args, Echo::new(|_| async { Ok(String::new()) }))).await;
        let address = server.url.trim_start_matches("http://");
        let socket = TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(socket).await.unwrap();
        let connection = tokio::spawn(connection);

        // The head of a call, and never its message.
        let head = Request::post(format!("{}/{}/Unary", server.url, Echo::NAME))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let mut client = client.ready().await.unwrap();
        let (answer, _rest) = client.send_request(head.body(()).unwrap(), false).unwrap();
        let answer = time::timeout(BOUND, answer).await.unwrap().unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded);

        let freed = async {
            while server.client().say("next").await.is_err() {
                time::sleep(Duration::from_millis(5)).await;
            }
        };
        time::timeout(BOUND, freed).await.unwrap();
        connection.abort();
    }
}
