//! The guarded source that decoders read from.
//!
//! It hides what stands before the audio (ID3 tags), never reads past the length seen at the
//! start, and refuses to read once the time is up. Decoders swallow read errors now and then, so the
//! first one is kept in a [`Tripwire`] for the caller to look at.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use symphonia::core::io::MediaSource;

use super::rejection::{AnalyseError, Rejection};

/// Anything that can be decoded: a file, bytes in memory, a reader over ranges of a blob.
pub trait Source: Read + Seek + Send + Sync {}

impl<T: Read + Seek + Send + Sync> Source for T {}

#[derive(Debug)]
enum Trip {
    Deadline,
    Io(io::Error),
}

/// Remembers why a source stopped giving bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Tripwire(Arc<Mutex<Option<Trip>>>);

impl Tripwire {
    fn trip(&self, trip: Trip) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trip);
    }

    /// Fails with the reason when the source has stopped.
    pub(super) fn check(&self) -> Result<(), AnalyseError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(Trip::Deadline) => Err(Rejection::TimeLimit.into()),
            Some(Trip::Io(error)) => Err(error.into()),
        }
    }
}

/// The part of a source from `start` to `end`, seen as a whole file.
pub(super) struct GuardedSource<S> {
    inner: S,
    start: u64,
    end: u64,
    /// Where the next read takes place, from the start of `inner`.
    position: u64,
    deadline: Instant,
    tripwire: Tripwire,
}

impl<S: Source> GuardedSource<S> {
    /// Takes the bytes `start..end` of `inner`.
    pub(super) fn new(mut inner: S, start: u64, end: u64, deadline: Instant) -> io::Result<Self> {
        inner.seek(SeekFrom::Start(start))?;
        Ok(Self { inner, start, end, position: start, deadline, tripwire: Tripwire::default() })
    }

    pub(super) fn tripwire(&self) -> Tripwire {
        self.tripwire.clone()
    }

    fn trip_io(&self, error: io::Error) -> io::Error {
        let copy = io::Error::new(error.kind(), error.to_string());
        self.tripwire.trip(Trip::Io(error));
        copy
    }
}

impl<S: Source> Read for GuardedSource<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            self.tripwire.trip(Trip::Deadline);
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        loop {
            match self.inner.read(&mut buffer[..wanted]) {
                Ok(read) => {
                    self.position += read as u64;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.trip_io(error)),
            }
        }
    }
}

impl<S: Source> Seek for GuardedSource<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => self.start.checked_add(offset),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let target = target.filter(|target| *target >= self.start);
        // An offset from the file itself, so nonsense is the file's fault and not the source's.
        let target = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        // As with a file, a seek beyond the end succeeds and the read after it finds nothing.
        self.inner.seek(SeekFrom::Start(target.min(self.end))).map_err(|error| self.trip_io(error))?;
        self.position = target;
        Ok(target - self.start)
    }
}

impl<S: Source> MediaSource for GuardedSource<S> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.end - self.start)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_chosen_part_is_seen() {
        let later = Instant::now() + Duration::from_secs(60);
        let mut source = GuardedSource::new(Cursor::new(b"0123456789".to_vec()), 2, 8, later).unwrap();
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        assert_eq!(text, "234567");
        assert_eq!(source.seek(SeekFrom::End(-1)).unwrap(), 5);
        assert_eq!(source.seek(SeekFrom::Start(u64::MAX)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(source.seek(SeekFrom::Current(-6)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(source.seek(SeekFrom::Start(1 << 40)).unwrap(), 1 << 40);
        assert_eq!(source.read(&mut [0; 4]).unwrap(), 0);
        assert!(source.tripwire().check().is_ok());
    }

    #[test]
    fn a_passed_deadline_stops_the_reading() {
        let mut source = GuardedSource::new(Cursor::new(vec![0; 8]), 0, 8, Instant::now()).unwrap();
        assert_eq!(source.read(&mut [0; 4]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let error = source.tripwire().check().unwrap_err();
        assert_eq!(error.rejection(), Some(&Rejection::TimeLimit));
    }

    #[test]
    fn a_broken_source_is_not_a_rejection() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        impl Seek for Broken {
            fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        let later = Instant::now() + Duration::from_secs(60);
        let mut source = GuardedSource::new(Broken, 0, 8, later).unwrap();
        assert!(source.read(&mut [0; 4]).is_err());
        assert!(matches!(source.tripwire().check(), Err(AnalyseError::Unreadable(_))));
    }
}
