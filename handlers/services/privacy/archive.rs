//! A zip file that is stored while it is written, so that it is never in memory whole.

use std::io::{Error as IoError, Result as IoResult, Write};

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};
use zip::{CompressionMethod, DateTime};

use crate::error::{Error, Result};
use crate::ports::blobs::ByteStream;
use crate::ports::{PortError, PortResult};

/// Bytes that are collected before they go to the store.
const CHUNK_BYTES: usize = 64 * 1024;
/// Pieces that wait on either side of the compressor.
const WAITING: usize = 4;

/// Where the files of an archive are written, one after the other. Dropped before [`Archive::finish`], it
/// ends its stream with an error, so that no half of an archive is stored.
pub struct Archive(mpsc::Sender<Piece>);

enum Piece {
    File { path: String, compressed: bool },
    Data(Bytes),
    End,
}

impl Archive {
    /// A new archive, and the stream of its bytes, which has to be read while it is written.
    pub fn begin() -> (Self, ByteStream) {
        let (pieces, written) = mpsc::channel(WAITING);
        let (bytes, read) = mpsc::channel(WAITING);
        // Compressing keeps a processor busy, so it has a thread.
        tokio::task::spawn_blocking(move || compress(written, bytes));
        let stream = stream::unfold(read, async |mut read| read.recv().await.map(|piece| (piece, read)));
        (Self(pieces), Box::pin(stream))
    }

    /// Begins a file; what is written next goes into it. Sound is not compressed, since it is already.
    ///
    /// # Errors
    /// When the archive is no longer read, as are those of the others.
    pub async fn file(&self, path: impl Into<String>, compressed: bool) -> Result<()> {
        self.send(Piece::File { path: path.into(), compressed }).await
    }

    /// Goes on with the file that was begun.
    pub async fn write(&self, data: impl Into<Bytes>) -> Result<()> {
        self.send(Piece::Data(data.into())).await
    }

    /// Ends the archive.
    pub async fn finish(self) -> Result<()> {
        self.send(Piece::End).await
    }

    async fn send(&self, piece: Piece) -> Result<()> {
        self.0.send(piece).await.map_err(|_| Error::internal("the archive is no longer read"))
    }
}

fn compress(mut pieces: mpsc::Receiver<Piece>, bytes: mpsc::Sender<PortResult<Bytes>>) {
    let mut zip = ZipWriter::new_stream(Chunks { bytes: bytes.clone(), collected: Vec::with_capacity(CHUNK_BYTES) });
    let outcome = loop {
        let done = match pieces.blocking_recv() {
            Some(Piece::File { path, compressed }) => zip.start_file(path, options(compressed)).map_err(IoError::from),
            Some(Piece::Data(data)) => zip.write_all(&data),
            Some(Piece::End) => break zip.finish().map_err(IoError::from).map(StreamWriter::into_inner),
            None => break Err(IoError::other("the archive was abandoned")),
        };
        if let Err(error) = done {
            break Err(error);
        }
    };
    let outcome = outcome.and_then(|mut chunks| chunks.flush());
    if let Err(error) = outcome {
        // Nobody is there to hear it once the reader has gone.
        let _ = bytes.blocking_send(Err(PortError::unavailable("an archive was not written").with_source(error)));
    }
}

fn options(compressed: bool) -> SimpleFileOptions {
    let method = if compressed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::default())
}

/// Passes bytes on in large pieces.
struct Chunks {
    bytes: mpsc::Sender<PortResult<Bytes>>,
    collected: Vec<u8>,
}

impl Write for Chunks {
    fn write(&mut self, buffer: &[u8]) -> IoResult<usize> {
        self.collected.extend_from_slice(buffer);
        if self.collected.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> IoResult<()> {
        if self.collected.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.collected, Vec::with_capacity(CHUNK_BYTES));
        self.bytes.blocking_send(Ok(piece.into())).map_err(|_| IoError::other("nobody reads the archive"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn what_is_written_can_be_unpacked() {
        let (archive, stream) = Archive::begin();
        let sound: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        let writing = async {
            archive.file("a/words.json", true).await.unwrap();
            archive.write("[1, ").await.unwrap();
            archive.write("2]").await.unwrap();
            archive.file("a/sound.opus", false).await.unwrap();
            for part in sound.chunks(10_000) {
                archive.write(part.to_vec()).await.unwrap();
            }
            archive.finish().await.unwrap();
        };
        let (stored, ()) = tokio::join!(
            stream.try_fold(Vec::new(), async |mut all, piece| {
                all.extend_from_slice(&piece);
                Ok(all)
            }),
            writing
        );
        let mut zip = zip::ZipArchive::new(Cursor::new(stored.unwrap())).unwrap();
        let mut words = String::new();
        zip.by_name("a/words.json").unwrap().read_to_string(&mut words).unwrap();
        assert_eq!(words, "[1, 2]");
        let mut unpacked = Vec::new();
        zip.by_name("a/sound.opus").unwrap().read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, sound);
    }

    #[tokio::test]
    async fn an_archive_that_is_abandoned_is_an_error() {
        let (archive, stream) = Archive::begin();
        archive.file("words.json", true).await.unwrap();
        drop(archive);
        assert!(stream.try_collect::<Vec<_>>().await.is_err());
    }
}
