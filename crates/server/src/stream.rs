//! Answers as server-sent events.
//!
//! Source: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::ApiError;
use crate::answers::{Delta, Generation};

/// How many pieces wait for the connection to take them.
const N_WAITING: usize = 2;

/// The sending end of a stream.
pub(crate) struct Events {
    sender: mpsc::Sender<Bytes>,
    /// What is written and not yet handed on.
    written: Vec<u8>,
}

impl Events {
    /// Writes an event that is only data.
    pub(crate) fn data(&mut self, value: &impl Serialize) {
        self.written.extend_from_slice(b"data: ");
        self.value(value);
    }

    /// Writes an event with a name.
    pub(crate) fn event(&mut self, name: &str, value: &impl Serialize) {
        self.written.extend_from_slice(b"event: ");
        self.written.extend_from_slice(name.as_bytes());
        self.written.extend_from_slice(b"\ndata: ");
        self.value(value);
    }

    /// Writes the end, as OpenAI's clients expect it.
    pub(crate) fn done(&mut self) {
        self.written.extend_from_slice(b"data: [DONE]\n\n");
    }

    /// JSON has no line breaks outside of strings, and none within them that is not escaped.
    fn value(&mut self, value: &impl Serialize) {
        if serde_json::to_writer(&mut self.written, value).is_err() {
            // Only a map with keys that are no strings cannot be written, and there is none.
            self.written.extend_from_slice(b"null");
        }
        self.written.extend_from_slice(b"\n\n");
    }

    /// Hands on what was written; waits if the client reads slowly. Whether anybody reads.
    pub(crate) async fn flush(&mut self) -> bool {
        if self.written.is_empty() {
            return !self.sender.is_closed();
        }
        let written = std::mem::take(&mut self.written);
        self.sender.send(written.into()).await.is_ok()
    }

    /// Waits for what is new of answers; nothing if nobody reads any more.
    pub(crate) async fn next(
        &mut self,
        generation: &mut Generation,
    ) -> Option<Result<Vec<Delta>, ApiError>> {
        tokio::select! {
            () = self.sender.closed() => None,
            deltas = generation.next() => Some(deltas),
        }
    }
}

/// A response that is written by `produce` as it goes.
pub(crate) fn events<F>(produce: impl FnOnce(Events) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(N_WAITING);
    tokio::spawn(produce(Events { sender, written: Vec::new() }));
    let mut response = Response::new(Body::new(Pieces(receiver)));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A body in pieces.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
