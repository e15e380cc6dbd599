//! A request's body that ends when the call's time is over.
//!
//! A handler is never cut off, so one that waits for the rest of its request would wait for as long as
//! the caller keeps the connection, and hold a place among the calls at work for nothing.
//!
//! A request that its client gives up fails. tonic takes such a one for one that has ended: half a
//! file would count as a whole.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use oxcart_proto::{Reason, Refusal};
use tokio::time::{self, Sleep};
use tonic::Status;

/// A body that fails once `ends` has come.
struct Timed {
    body: Body,
    ends: Pin<Box<Sleep>>,
}

/// The same body, for no longer than `limit`.
pub(super) fn timed(body: Body, limit: Duration) -> Body {
    Body::new(Timed { body, ends: Box::pin(time::sleep(limit)) })
}

/// With a code of ours in place of the transport's CANCELLED. Only the handler sees it: the client has
/// gone.
fn given_up() -> axum::Error {
    let refusal = Refusal::new(Reason::FieldInvalid, "the request is incomplete");
    axum::Error::new(Status::from(refusal))
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
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(|_| given_up())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
