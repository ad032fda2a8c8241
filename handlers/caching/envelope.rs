//! How a value is kept in the shared cache: with its age, and compressed when that saves something.
//!
//! ```text
//! 0       version of this form: 1
//! 1       flags: 1 = known to be absent, 2 = compressed (LZ4 block)
//! 2..10   when its load began, milliseconds since 1970, big endian
//! 10..18  until when it is fresh, the same
//! 18..22  length of the value, big endian
//! 22..    the value
//! ```

use bytes::Bytes;

use crate::error::{Error, Result};

const VERSION: u8 = 1;
const ABSENT: u8 = 1;
const COMPRESSED: u8 = 2;
const HEAD: usize = 22;

/// Smaller values gain nothing by compression.
const COMPRESS_FROM: usize = 1024;
/// What a value may grow to: more than any process keeps.
const MAX_PLAIN: usize = 256 << 20;

/// A value on its way to or from the shared cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Milliseconds since 1970.
    pub loaded_at: i64,
    /// Milliseconds since 1970.
    pub fresh_until: i64,
    /// `None` when it is known that there is nothing.
    pub value: Option<Vec<u8>>,
}

impl Envelope {
    /// The bytes to keep.
    ///
    /// # Errors
    /// For a value of 256 MiB or more.
    pub(super) fn seal(&self) -> Result<Bytes> {
        let plain = self.value.as_deref().unwrap_or_default();
        let length = u32::try_from(plain.len()).ok().filter(|&length| (length as usize) < MAX_PLAIN);
        let length = length.ok_or_else(|| Error::internal("a value is too large for the shared cache"))?;
        let compressed = (plain.len() >= COMPRESS_FROM).then(|| lz4_flex::block::compress(plain));
        let compressed = compressed.filter(|compressed| compressed.len() < plain.len() / 10 * 9);
        let mut flags = 0;
        if self.value.is_none() {
            flags |= ABSENT;
        }
        if compressed.is_some() {
            flags |= COMPRESSED;
        }
        let body = compressed.as_deref().unwrap_or(plain);
        let mut sealed = Vec::with_capacity(HEAD + body.len());
        sealed.extend_from_slice(&[VERSION, flags]);
        sealed.extend_from_slice(&self.loaded_at.to_be_bytes());
        sealed.extend_from_slice(&self.fresh_until.to_be_bytes());
        sealed.extend_from_slice(&length.to_be_bytes());
        sealed.extend_from_slice(body);
        Ok(sealed.into())
    }

    /// What [`Envelope::seal`] kept.
    ///
    /// # Errors
    /// When another version or somebody else wrote it.
    pub(super) fn open(sealed: &[u8]) -> Result<Self> {
        let foreign = || Error::internal("the shared cache holds something of another form");
        let (head, body) = sealed.split_at_checked(HEAD).ok_or_else(foreign)?;
        let number = |from: usize| head[from..from + 8].try_into().map(i64::from_be_bytes).map_err(Error::internal);
        let length = head[18..].try_into().map(u32::from_be_bytes).map_err(Error::internal)? as usize;
        let flags = head[1];
        if head[0] != VERSION || flags & !(ABSENT | COMPRESSED) != 0 || length >= MAX_PLAIN {
            return Err(foreign());
        }
        let value = match flags & COMPRESSED != 0 {
            // LZ4 never makes more of a byte than 255.
            true if length / 255 <= body.len() => lz4_flex::block::decompress(body, length).map_err(Error::internal)?,
            true => return Err(foreign()),
            false => body.to_vec(),
        };
        if value.len() != length {
            return Err(foreign());
        }
        let value = (flags & ABSENT == 0).then_some(value);
        Ok(Self { loaded_at: number(2)?, fresh_until: number(10)?, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(value: Option<Vec<u8>>) -> Envelope {
        Envelope { loaded_at: -5, fresh_until: 1_768_458_600_000, value }
    }

    #[test]
    fn what_is_sealed_can_be_opened() {
        let random: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for value in [None, Some(Vec::new()), Some(vec![1; 1023]), Some(vec![2; 100_000]), Some(random)] {
            let envelope = envelope(value);
            assert_eq!(Envelope::open(&envelope.seal().unwrap()).unwrap(), envelope);
        }
    }

    #[test]
    fn only_what_gets_smaller_is_compressed() {
        let text = "saree ".repeat(1000).into_bytes();
        assert!(envelope(Some(text.clone())).seal().unwrap().len() < text.len() / 10);
        let small = b"saree saree saree saree saree".to_vec();
        assert_eq!(envelope(Some(small.clone())).seal().unwrap().len(), HEAD + small.len());
    }

    #[test]
    fn what_somebody_else_wrote_is_refused() {
        let good = envelope(Some(vec![7; 5000])).seal().unwrap();
        for end in 0..good.len() {
            assert!(Envelope::open(&good[..end]).is_err(), "cut at {end}");
        }
        for (place, byte) in [(0, 2), (1, 8), (1, 0), (18, 0xff), (20, 0), (21, 0)] {
            let mut bad = good.to_vec();
            bad[place] = byte;
            assert!(Envelope::open(&bad).is_err(), "{place}");
        }
    }
}
