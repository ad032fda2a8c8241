use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};

use crate::error::{Code, Error, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::{PortError, PortErrorKind};

/// How long a client may take to send a body that is read whole.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Reads a body of at most `limit` bytes, counting what comes, since a length need not be declared and
/// need not be true.
///
/// # Errors
/// [`Code::PayloadTooLarge`], [`Code::TimedOut`], or [`Code::MalformedRequest`] when the client broke off.
pub async fn read<S, B>(body: S, limit: usize) -> Result<Bytes>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let reading = async {
        let mut body = std::pin::pin!(body);
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let mut chunk = chunk.map_err(|error| {
                Error::new(Code::MalformedRequest, "The body ended before its time.").with_source(error)
            })?;
            if whole.len() + chunk.remaining() > limit {
                return Err(too_large(limit));
            }
            while chunk.has_remaining() {
                let piece = chunk.chunk();
                whole.extend_from_slice(piece);
                let length = piece.len();
                chunk.advance(length);
            }
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(TIME_LIMIT, reading)
        .await
        .map_err(|_| Error::new(Code::TimedOut, "The body did not arrive in time."))?
}

/// What a body over its limit is told.
pub fn too_large(limit: usize) -> Error {
    Error::new(Code::PayloadTooLarge, format!("The body may have at most {limit} bytes."))
}

/// The body as a stream of bytes for a store.
pub fn all<S, B>(body: S) -> ByteStream
where
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    Box::pin(body.map_ok(|mut chunk| chunk.copy_to_bytes(chunk.remaining())).map_err(|error| {
        PortError::new(PortErrorKind::InvalidRequest, "the body ended before its time").with_source(error)
    }))
}
