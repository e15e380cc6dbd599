//! A request's body that can be sent again.

#![expect(clippy::disallowed_methods, reason = "a transport's errors have no reason")]

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use http_body::Frame;
use tonic::{Status, body::Body, codegen::Bytes};

/// A longer request is sent once only: what may be sent again is kept until the answer begins.
const LONGEST_BYTES: usize = 256 * 1024;

/// Keeps what was read of a body.
pub(crate) struct Replay(Arc<Mutex<Recording>>);

struct Recording {
    source: Body,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    is_whole: bool,
    is_at_end: bool,
    reader: u32,
}

/// One reading of the body, from its start.
struct Reader {
    recording: Arc<Mutex<Recording>>,
    number: u32,
    at: usize,
}

impl Replay {
    pub(crate) fn new(source: Body) -> Self {
        Self(Arc::new(Mutex::new(Recording {
            source,
            kept: Vec::new(),
            kept_bytes: 0,
            is_whole: true,
            is_at_end: false,
            reader: 0,
        })))
    }

    /// The body, from its start. An earlier reading ends here. None if not all of it was kept.
    pub(crate) fn body(&self) -> Option<Body> {
        let mut recording = lock(&self.0);
        recording.reader += 1;
        let number = recording.reader;
        let recording = recording.is_whole.then(|| Arc::clone(&self.0))?;
        Some(Body::new(Reader { recording, number, at: 0 }))
    }
}

impl Recording {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        self.kept_bytes += frame.data_ref().map_or(0, Bytes::len);
        match frame.data_ref() {
            Some(data) if self.is_whole && self.kept_bytes <= LONGEST_BYTES => {
                self.kept.push(data.clone());
            }
            _ => {
                self.is_whole = false;
                mem::take(&mut self.kept);
            }
        }
    }
}

impl http_body::Body for Reader {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let shared = Arc::clone(&self.recording);
        let mut recording = lock(&shared);
        if recording.reader != self.number {
            return Poll::Ready(Some(Err(Status::cancelled("the call is made elsewhere"))));
        }
        if let Some(data) = recording.kept.get(self.at) {
            let frame = Frame::data(data.clone());
            self.at += 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        if recording.is_at_end {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut recording.source).poll_frame(context));
        match &next {
            Some(Ok(frame)) => {
                recording.keep(frame);
                self.at = recording.kept.len();
            }
            Some(Err(_)) => recording.is_whole = false,
            None => recording.is_at_end = true,
        }
        Poll::Ready(next)
    }
}

/// Nothing in here panics while it holds the lock, but for the body itself.
fn lock(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures_util::stream;
    use http_body::Body as _;

    use super::*;

    fn body(chunks: Vec<Bytes>) -> Body {
        let chunks = chunks.into_iter().map(Ok::<_, Status>);
        Body::new(axum::body::Body::from_stream(stream::iter(chunks)))
    }

    async fn read(body: Body) -> Result<Bytes, axum::Error> {
        to_bytes(axum::body::Body::new(body), usize::MAX).await
    }

    #[tokio::test]
    async fn a_body_reads_the_same_every_time() {
        let replay = Replay::new(body(vec!["one ".into(), "two".into()]));
        for _ in 0..3 {
            assert_eq!(read(replay.body().unwrap()).await.unwrap(), "one two");
        }
    }

    #[tokio::test]
    async fn a_reading_that_was_left_half_way_takes_nothing_from_the_next() {
        let replay = Replay::new(body(vec!["one ".into(), "two".into()]));
        let mut first = replay.body().unwrap();
        std::future::poll_fn(|context| Pin::new(&mut first).poll_frame(context)).await;
        let second = replay.body().unwrap();
        assert!(read(first).await.is_err());
        assert_eq!(read(second).await.unwrap(), "one two");
    }

    #[tokio::test]
    async fn a_long_body_is_read_once() {
        let long = Bytes::from(vec![7; LONGEST_BYTES]);
        let replay = Replay::new(body(vec![long.clone(), long.clone(), long]));
        assert_eq!(read(replay.body().unwrap()).await.unwrap().len(), 3 * LONGEST_BYTES);
        assert!(replay.body().is_none());
    }
}
