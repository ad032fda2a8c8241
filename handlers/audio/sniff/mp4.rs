//! MP4: brands for audio or video, boxes that are whole.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::{AnalyseError, Rejection, be_u32};

/// Most boxes walked at the top of an MP4 file: a minute of fragments of 20 ms is 6000.
const MAX_BOXES: usize = 65_536;

/// Accepts a file-type box of a brand for audio or video, and top-level boxes that lie within the file.
pub(super) fn check<S: Read + Seek + ?Sized>(source: &mut S, bytes: &[u8], end: u64) -> Result<(), AnalyseError> {
    const BRANDS: [&[u8]; 9] = [b"iso", b"mp4", b"M4A", b"M4B", b"M4V", b"dash", b"cmf", b"3gp", b"avc1"];
    let size = usize::try_from(be_u32(bytes, 0).unwrap_or(0)).unwrap_or(0);
    let brands = bytes.get(8..size.min(bytes.len())).unwrap_or_default().chunks_exact(4);
    if !brands.into_iter().any(|brand| BRANDS.iter().any(|known| brand.starts_with(known))) {
        return Err(Rejection::UnsupportedContainer.into());
    }
    let mut at = 0;
    source.seek(SeekFrom::Start(at))?;
    let mut source = BufReader::new(source);
    for _ in 0..MAX_BOXES {
        if at == end {
            return Ok(());
        }
        let read = source.stream_position()?;
        // Both are within the file, hence the difference fits.
        source.seek_relative(at as i64 - read as i64)?;
        let mut head = Vec::with_capacity(16);
        source.by_ref().take(16).read_to_end(&mut head)?;
        let size = match be_u32(&head, 0) {
            Some(0) => end - at,
            Some(1) => match (be_u32(&head, 8), be_u32(&head, 12)) {
                (Some(high), Some(low)) => u64::from(high) << 32 | u64::from(low),
                _ => return Err(Rejection::Truncated.into()),
            },
            Some(size) => u64::from(size),
            None => return Err(Rejection::Truncated.into()),
        };
        if size < 8 {
            return Err(Rejection::corrupt("a box is shorter than its own header").into());
        }
        at = at.checked_add(size).filter(|next| *next <= end).ok_or(Rejection::Truncated)?;
    }
    Err(Rejection::corrupt("too many boxes").into())
}
