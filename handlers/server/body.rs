use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Code, Error, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::{PortError, PortErrorKind};

/// How long a client may take to send a body that is read whole.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What is read and thrown away of a refused body, and for how long.
const DISCARDED_BYTES: usize = 16 * 1024 * 1024;
const DISCARD_TIME_LIMIT: Duration = Duration::from_secs(2);

/// All bodies that are in memory at once; a request that finds no room waits a little, then is told to
/// come back.
pub struct BodyBudget {
    units: Arc<Semaphore>,
    bytes: usize,
    patience: Duration,
}

/// Room for one body; given back when it goes away.
pub struct BodyRoom(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

impl BodyBudget {
    const UNIT: usize = 64 * 1024;

    /// Room for `bytes` of bodies, for which a request waits at most `patience`.
    pub fn new(bytes: usize, patience: Duration) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes / Self::UNIT)), bytes, patience }
    }

    /// Takes room for a body of at most `bytes`.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when there is none for a while.
    pub async fn take(&self, bytes: usize) -> Result<BodyRoom> {
        let units = bytes.min(self.bytes).div_ceil(Self::UNIT) as u32;
        if units == 0 {
            return Ok(BodyRoom(None));
        }
        let full = || {
            Error::new(Code::Unavailable, "Too much is being uploaded at this moment; please try again.")
                .with_retry_after(Duration::from_secs(2))
        };
        let waiting = self.units.clone().acquire_many_owned(units);
        match tokio::time::timeout(self.patience, waiting).await {
            Ok(Ok(permit)) => Ok(BodyRoom(Some(permit))),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }
}

/// Reads a body of at most `limit` bytes, counting what comes, since a length need not be declared and
/// need not be true.
///
/// # Errors
/// [`Code::PayloadTooLarge`], [`Code::RequestTimeout`], or [`Code::MalformedRequest`] when the client broke off.
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
                discard(body).await;
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
        .map_err(|_| Error::new(Code::RequestTimeout, "The body did not arrive in time."))?
}

/// Reads on past a refused body, within bounds: a client that is still sending when the connection
/// closes never sees why (RFC 9112 §9.6).
pub async fn discard<S, B>(body: S)
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let reading = async {
        let mut body = std::pin::pin!(body);
        let mut seen = 0;
        while let Some(Ok(chunk)) = body.next().await {
            seen += chunk.remaining();
            if seen > DISCARDED_BYTES {
                return;
            }
        }
    };
    // Whether it ended or not, the refusal goes out now.
    let _ = tokio::time::timeout(DISCARD_TIME_LIMIT, reading).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_beyond_the_budget_are_told_to_come_back() {
        let budget = BodyBudget::new(1 << 20, Duration::from_millis(20));
        let first = budget.take(1 << 20).await.unwrap();
        let refused = budget.take(1).await.err().unwrap();
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.retry_after().is_some());
        budget.take(0).await.unwrap();
        drop(first);
        budget.take(1).await.unwrap();
    }
}
