use std::io::{Error as IoError, ErrorKind, Read, Result as IoResult, Seek, SeekFrom};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::runtime::Handle;

use crate::ports::blobs::{BlobName, BlobStore};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// How much of a recording is fetched at once.
const WINDOW: u64 = 512 * 1024;

/// A recording in storage, read by ranges from a blocking thread, so that it is never in memory whole.
pub struct BlobSource {
    blobs: Arc<dyn BlobStore>,
    name: BlobName,
    runtime: Handle,
    size: u64,
    position: u64,
    /// A stretch of the recording, from the position that it begins at.
    window: (u64, Bytes),
}

impl BlobSource {
    /// Opens a blob; `None` when there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open(blobs: Arc<dyn BlobStore>, name: BlobName) -> PortResult<Option<Self>> {
        let Some(properties) = blobs.properties(&name).await? else { return Ok(None) };
        let runtime = Handle::current();
        Ok(Some(Self { blobs, name, runtime, size: properties.size, position: 0, window: (0, Bytes::new()) }))
    }

    fn fetch(&mut self) -> PortResult<()> {
        let range = self.position..(self.position + WINDOW).min(self.size);
        let (blobs, name, start) = (self.blobs.clone(), self.name.clone(), range.start);
        let content = self.runtime.block_on(async move {
            let gone = || PortError::new(PortErrorKind::NotFound, "the recording is gone");
            let mut stream = blobs.get(&name, Some(range)).await?.ok_or_else(gone)?.stream;
            let mut content = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                content.extend_from_slice(&chunk?);
            }
            Ok::<_, PortError>(content.freeze())
        })?;
        self.window = (start, content);
        Ok(())
    }
}

impl Read for BlobSource {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        if self.position >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let held = self.window.0..self.window.0 + self.window.1.len() as u64;
        if !held.contains(&self.position) {
            self.fetch().map_err(|error| IoError::other(Box::new(error)))?;
        }
        let offset = (self.position - self.window.0) as usize;
        let available = self.window.1.get(offset..).unwrap_or_default();
        if available.is_empty() {
            return Err(IoError::new(ErrorKind::UnexpectedEof, "the recording is shorter than it was"));
        }
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for BlobSource {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position =
            target.ok_or_else(|| IoError::new(ErrorKind::InvalidInput, "a position before the beginning"))?;
        Ok(self.position)
    }
}
