//! The content files of a [`super::DirectoryBlobs`]: written once under a new id, then only read.
//!
//! A file counts only once the index names it. Until then its writer holds an exclusive lock on it
//! (`flock`, let go by the death of the process), by which the clean-up tells work in progress from
//! what a dead process left.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use ulid::Ulid;

use crate::adapters::sqlite::database::blocking;
use crate::ports::blobs::ByteStream;
use crate::ports::{PortError, PortErrorKind, PortResult};

/// How many bytes are collected for one write, and given by one read.
const CHUNK_BYTES: usize = 256 * 1024;

/// How many pieces are collected for one write, should they be tiny.
const CHUNK_PIECES: usize = 1024;

/// The directory that holds the content files, in one directory for each container.
#[derive(Clone)]
pub(super) struct ContentFiles {
    root: PathBuf,
}

impl ContentFiles {
    /// Makes the directory if need be. Blocks.
    pub fn open(root: PathBuf) -> PortResult<Self> {
        make_directory(&root).map_err(failed)?;
        Ok(Self { root })
    }

    fn path(&self, container: &str, id: &str) -> PathBuf {
        self.root.join(container).join(id)
    }

    /// Begins a new file. Blocks.
    pub fn begin(&self, container: &str) -> PortResult<PendingContent> {
        make_directory(&self.root.join(container)).map_err(failed)?;
        let id = Ulid::generate().to_string();
        let path = self.path(container, &id);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        let pending = PendingContent { id, path, size: 0, file: Arc::new(file), kept: false };
        pending.file.try_lock().map_err(|error| failed(error.into()))?;
        Ok(pending)
    }

    /// Writes a stream to a new file and makes it durable. An error of the stream, or dropping the
    /// future, removes it.
    pub async fn write(&self, container: &'static str, mut content: ByteStream) -> PortResult<PendingContent> {
        let files = self.clone();
        let mut pending = blocking(move || files.begin(container)).await?;
        let mut pieces = Vec::new();
        let mut bytes = 0;
        while let Some(piece) = content.next().await.transpose()? {
            bytes += piece.len();
            pieces.push(piece);
            if bytes >= CHUNK_BYTES || pieces.len() >= CHUNK_PIECES {
                pending.append(std::mem::take(&mut pieces)).await?;
                bytes = 0;
            }
        }
        pending.append(pieces).await?;
        blocking(move || pending.synchronised()).await
    }

    /// Opens a content file for reading; `None` when it is gone. `Corrupt` when it is not `size` bytes.
    pub fn read(&self, container: &str, id: &str, size: u64) -> PortResult<Option<File>> {
        let file = match File::open(self.path(container, id)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if file.metadata().map_err(failed)?.len() != size {
            return Err(PortError::corrupt(format!("the content file {id} has not the size that was written")));
        }
        Ok(Some(file))
    }

    /// Removes a file that the index no longer names. A failure is left to the clean-up.
    pub fn remove(&self, container: &str, id: &str) {
        if let Err(error) = fs::remove_file(self.path(container, id)) {
            tracing::debug!(id, %error, "content file left to the clean-up");
        }
    }

    /// Removes the files whose last write is older than `age` before `now`, that no writer holds and
    /// that `named` does not know; gives their number. Blocks; one file is looked at after the other.
    pub fn remove_orphans(
        &self,
        now: SystemTime,
        age: Duration,
        mut named: impl FnMut(&str) -> PortResult<bool>,
    ) -> PortResult<u64> {
        let mut removed = 0;
        for container in fs::read_dir(&self.root).map_err(failed)? {
            for entry in fs::read_dir(container.map_err(failed)?.path()).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let old = entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|since| since > age));
                if old && remove_orphan(&entry.path(), &mut named)? {
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

/// A writer keeps its lock until the index names the file: a file that can be locked and is not
/// named then never will be.
fn remove_orphan(path: &Path, named: &mut impl FnMut(&str) -> PortResult<bool>) -> PortResult<bool> {
    let Some(id) = path.file_name().and_then(|name| name.to_str()) else { return Ok(false) };
    if named(id)? {
        return Ok(false);
    }
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    if named(id)? {
        return Ok(false);
    }
    fs::remove_file(path).map_err(failed)?;
    Ok(true)
}

/// A content file that the index does not name yet; removed when dropped unless it is kept.
pub(super) struct PendingContent {
    pub id: String,
    pub size: u64,
    path: PathBuf,
    file: Arc<File>,
    kept: bool,
}

impl PendingContent {
    async fn append(&mut self, pieces: Vec<Bytes>) -> PortResult<()> {
        let file = Arc::clone(&self.file);
        self.size += blocking(move || {
            let mut written = 0;
            for piece in pieces {
                (&*file).write_all(&piece).map_err(failed)?;
                written += piece.len() as u64;
            }
            Ok(written)
        })
        .await?;
        Ok(())
    }

    /// Appends the whole of another file. Blocks.
    pub fn append_file(&mut self, mut source: File) -> PortResult<()> {
        self.size += io::copy(&mut source, &mut &*self.file).map_err(failed)?;
        Ok(())
    }

    /// Makes content and name survive a loss of power. Blocks.
    pub fn synchronised(self) -> PortResult<Self> {
        self.file.sync_all().map_err(failed)?;
        sync_directory_of(&self.path).map_err(failed)?;
        Ok(self)
    }

    /// Leaves the file to the index, which is about to name it, and gives what holds its lock until
    /// the index does.
    pub fn keep(mut self) -> Arc<File> {
        self.kept = true;
        Arc::clone(&self.file)
    }
}

impl Drop for PendingContent {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(id = self.id, %error, "content file left to the clean-up");
        }
    }
}

/// The bytes of `range` of a file, which must exist, in chunks read on blocking threads.
pub(super) fn stream_range(file: File, range: Range<u64>) -> ByteStream {
    Box::pin(stream::try_unfold((Some(file), range), |(file, range)| async move {
        let Some(file) = file.filter(|_| range.start < range.end) else { return Ok(None) };
        blocking(move || {
            let length = (range.end - range.start).min(CHUNK_BYTES as u64);
            let (file, chunk) = read_at(file, range.start, length as usize).map_err(failed)?;
            Ok(Some((chunk, (Some(file), range.start + length..range.end))))
        })
        .await
    }))
}

fn read_at(mut file: File, position: u64, length: usize) -> io::Result<(File, Bytes)> {
    let mut chunk = vec![0; length];
    file.seek(SeekFrom::Start(position))?;
    file.read_exact(&mut chunk)?;
    Ok((file, Bytes::from(chunk)))
}

fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    sync_directory_of(path)
}

/// Makes a new name survive a loss of power (POSIX keeps it in the directory).
#[cfg(unix)]
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Other systems keep their directories themselves.
#[cfg(not(unix))]
fn sync_directory_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn failed(error: io::Error) -> PortError {
    PortError::new(PortErrorKind::Unavailable, "the blobs' directory failed").with_source(error)
}
