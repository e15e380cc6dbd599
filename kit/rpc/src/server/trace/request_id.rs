//! Names the request in its error, wherever the error stands: in the headers of a call that failed at
//! once, or in the trailers of a stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use opentelemetry::trace::TraceId;
use oxcart_proto::error;
use tonic::{Code, Status};

/// The response to the request `id`; `status` is what its headers say.
pub(super) fn name(id: TraceId, status: Option<Status>, response: Response) -> Response {
    match status {
        Some(status) if status.code() != Code::Ok => {
            error::with_request_id(&status, &id.to_string()).into_http()
        }
        Some(_) => response,
        None => response.map(|body| Body::new(Named { body, id })),
    }
}

/// A body whose trailers may be an error.
struct Named {
    body: Body,
    id: TraceId,
}

impl http_body::Body for Named {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let mut frame = frame?;
            if let Some(trailers) = frame.trailers_mut() {
                name_in(trailers, self.id);
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn name_in(trailers: &mut HeaderMap, id: TraceId) {
    let status = Status::from_header_map(trailers).filter(|status| status.code() != Code::Ok);
    if let Some(status) = status {
        // Refused only for a message that is no header, and this one was.
        error::with_request_id(&status, &id.to_string()).add_header(trailers).ok();
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the status of a call that went well")]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;
    use oxcart_proto::{Reason, Refusal};

    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    /// A stream that has begun when it fails with `status`.
    struct Failing(Option<HeaderMap>);

    impl http_body::Body for Failing {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Ready(self.0.take().map(|trailers| Ok(Frame::trailers(trailers))))
        }
    }

    async fn trailers(status: &Status) -> Status {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let response = Response::new(Body::new(Failing(Some(headers))));
        let mut body = name(TraceId::from_hex(ID).unwrap(), None, response).into_body();
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        Status::from_header_map(&frame.unwrap().unwrap().into_trailers().unwrap()).unwrap()
    }

    fn refused() -> Status {
        Refusal::new(Reason::Unavailable, "it stops").into()
    }

    #[tokio::test]
    async fn a_stream_that_fails_names_its_request() {
        let named = trailers(&refused()).await;
        assert_eq!(error::request_id(&named).as_deref(), Some(ID));
        assert_eq!(error::info(&named), error::info(&refused()));
    }

    #[tokio::test]
    async fn a_stream_that_ends_well_has_no_error() {
        let ended = trailers(&Status::new(Code::Ok, "")).await;
        assert_eq!((ended.code(), ended.details().len()), (Code::Ok, 0));
    }

    #[test]
    fn a_call_that_fails_at_once_names_its_request() {
        let response = refused().into_http();
        let named = name(TraceId::from_hex(ID).unwrap(), Some(refused()), response);
        let status = Status::from_header_map(named.headers()).unwrap();
        assert_eq!(error::request_id(&status).as_deref(), Some(ID));
    }
}
