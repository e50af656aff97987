//! The body of an answer, chunk by chunk or whole, never unbounded.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, Stream, StreamExt as _};

use crate::failure::{TransportError, TransportErrorKind};

/// A body as a stream of chunks. An answer that is cut short ends in an error, never in silence.
///
/// ```
/// use bytes::Bytes;
/// use unicrm_http::BodyStream;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), unicrm_http::TransportError> {
/// let mut body = BodyStream::from(Bytes::from_static(b"Id,Name\n"));
/// assert_eq!(body.chunk().await?.as_deref(), Some(b"Id,Name\n".as_slice()));
/// assert_eq!(body.chunk().await?, None);
/// assert!(BodyStream::from(Bytes::from_static(b"too long")).collect(3).await.is_err());
/// # Ok(()) }
/// ```
pub struct BodyStream {
    chunks: BoxStream<'static, Result<Bytes, TransportError>>,
    target: Arc<str>,
}

impl BodyStream {
    /// A body out of any stream of chunks.
    pub fn new(chunks: impl Stream<Item = Result<Bytes, TransportError>> + Send + 'static) -> Self {
        Self { chunks: chunks.boxed(), target: Arc::from("answer") }
    }

    /// Names the request that this body answers, for error messages.
    pub(crate) fn of_request(mut self, target: Arc<str>) -> Self {
        self.target = target;
        self
    }

    pub(crate) fn target(&self) -> Arc<str> {
        Arc::clone(&self.target)
    }

    /// The next chunk, or none at the proper end.
    ///
    /// # Errors
    /// The answer was cut short, damaged, or did not come in time.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.chunks.next().await.transpose()
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// As [`BodyStream::chunk`], and [`TransportErrorKind::TooLarge`].
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let within = |length: usize, target: &Arc<str>| {
            let too_large = || TransportError::at(TransportErrorKind::TooLarge { limit }, &**target);
            if length > limit { Err(too_large()) } else { Ok(()) }
        };
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        within(first.len(), &self.target)?;
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            within(whole.len().saturating_add(chunk.len()), &self.target)?;
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(whole.freeze())
    }
}

impl From<Bytes> for BodyStream {
    fn from(bytes: Bytes) -> Self {
        Self::new(stream::iter((!bytes.is_empty()).then_some(Ok(bytes))))
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_next_unpin(context)
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream").field("of", &self.target).finish_non_exhaustive()
    }
}
