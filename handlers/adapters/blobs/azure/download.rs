//! Reading a blob as a stream that survives broken connections: it goes on at the next byte of the same
//! version. What the connection has ready is all that is in memory.

use std::num::NonZero;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::{AsyncResponseBody, Etag};
use azure_storage_blob::models::{BlobClientDownloadOptions, BlobClientDownloadResult, HttpRange};
use futures_util::{StreamExt, stream};

use super::{Service, properties, quoted};
use crate::ports::blobs::{BlobContent, BlobName, ByteStream};
use crate::ports::{ETag, PortError, PortErrorKind, PortResult};

/// More than any blob has, so that the whole range comes in one answer, and not in parts that are held.
const ONE_PART: NonZero<usize> = NonZero::new(1 << 52).expect("more than nothing");
/// Connections that break, one after the other, without bringing a byte.
const MAX_FAILURES: u32 = 4;
/// How long to wait before the first new connection; doubled for each that brought nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// The content of a blob, or of the part of `range` that exists.
pub(super) async fn get(
    service: &Arc<Service>,
    name: &BlobName,
    range: Option<Range<u64>>,
) -> PortResult<Option<BlobContent>> {
    if range.as_ref().is_some_and(Range::is_empty) {
        return Err(PortError::invalid("the range has no byte of the blob"));
    }
    let answer = match service.find("get", open(service, name, range.clone(), None)).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return Ok(None),
        Err(error) => return Err(out_of_range(service, name, range, error).await),
    };
    let (present, size) = extent(&answer)?;
    // Azurite answers a range that begins at the end with nothing, where the service refuses it.
    if range.is_some_and(|range| range.start >= size) {
        return Err(PortError::invalid("the range has no byte of the blob"));
    }
    let properties = properties::of_content(answer.properties, size)?;
    let reader = Reader {
        service: service.clone(),
        name: name.clone(),
        etag: properties.etag.clone(),
        left: present,
        body: answer.body,
        failures: 0,
    };
    Ok(Some(BlobContent { properties, stream: reader.stream() }))
}

/// Azurite answers for the first byte of an empty blob what cannot be read; the service refuses the range.
async fn out_of_range(service: &Service, name: &BlobName, range: Option<Range<u64>>, error: PortError) -> PortError {
    if error.kind() != PortErrorKind::Corrupt {
        return error;
    }
    match (properties::read(service, name).await, range) {
        (Ok(Some(found)), Some(range)) if range.start >= found.size => {
            PortError::invalid("the range has no byte of the blob")
        }
        _ => error,
    }
}

/// Asks for a range of a blob, of one version of it where `version` is given.
async fn open(
    service: &Service,
    name: &BlobName,
    range: Option<Range<u64>>,
    version: Option<Etag>,
) -> azure_core::Result<BlobClientDownloadResult> {
    let range = range.map(|range| match range.end.min(1 << 52) {
        end if end > range.start => HttpRange::new(range.start, end - range.start),
        _ => HttpRange::from_offset(range.start),
    });
    let options = BlobClientDownloadOptions {
        range,
        if_match: version,
        partition_size: Some(ONE_PART),
        parallel: NonZero::new(1),
        ..Default::default()
    };
    service.blob(name).download(Some(options)).await
}

/// The bytes that an answer brings, and the size of the whole blob.
fn extent(answer: &BlobClientDownloadResult) -> PortResult<(Range<u64>, u64)> {
    let length = answer.properties.content_length;
    let Some(told) = answer.headers.get_optional_str(&"content-range".into()) else {
        let size = length.ok_or_else(|| properties::unreadable("get"))?;
        return Ok((0..size, size));
    };
    let parsed = || {
        let (range, size) = told.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
    };
    parsed().ok_or_else(|| properties::unreadable("get"))
}

/// A download that is under way.
struct Reader {
    service: Arc<Service>,
    name: BlobName,
    etag: ETag,
    /// What is still to come.
    left: Range<u64>,
    body: AsyncResponseBody,
    /// Connections that broke since the last byte.
    failures: u32,
}

impl Reader {
    fn stream(self) -> ByteStream {
        Box::pin(stream::try_unfold(self, |mut reader| async move {
            while !reader.left.is_empty() {
                match tokio::time::timeout(reader.service.idle_limit, reader.body.next()).await {
                    Ok(Some(Ok(piece))) if piece.is_empty() => {}
                    Ok(Some(Ok(piece))) => {
                        reader.left.start += piece.len() as u64;
                        reader.failures = 0;
                        return Ok(Some((piece, reader)));
                    }
                    // The connection broke, ended too early, or brings nothing any more.
                    Ok(Some(Err(_)) | None) | Err(_) => reader.go_on().await?,
                }
            }
            Ok(None)
        }))
    }

    /// Asks for what is still to come.
    async fn go_on(&mut self) -> PortResult<()> {
        if self.failures == MAX_FAILURES {
            return Err(PortError::unavailable("blobs get: the connection broke too often"));
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(self.failures)).await;
        self.failures += 1;
        let asked = open(&self.service, &self.name, Some(self.left.clone()), Some(quoted(&self.etag)));
        let answer = self.service.call("get", asked).await.map_err(changed)?;
        if extent(&answer)?.0.start != self.left.start {
            return Err(properties::unreadable("get"));
        }
        self.body = answer.body;
        Ok(())
    }
}

/// The version that was being read may be gone when the download goes on.
fn changed(error: PortError) -> PortError {
    match error.kind() {
        PortErrorKind::PreconditionFailed | PortErrorKind::NotFound => {
            PortError::precondition_failed("blobs get: the blob was replaced or deleted while it was read")
        }
        _ => error,
    }
}
