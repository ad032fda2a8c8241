//! MPEG audio layer III: tags in front, frames that follow each other.

use std::io::{self, Read, Seek};

use super::{AnalyseError, PREFIX, Rejection, be_u32, read_at};

/// Most ID3v2 tags skipped.
const MAX_TAGS: usize = 8;

/// The end of the ID3v2 tags at the start (id3.org, ID3v2.4 structure, section 3.1), and of the zeros
/// with which some writers pad them.
pub(super) fn skip_id3v2<S: Read + Seek + ?Sized>(source: &mut S, end: u64) -> Result<u64, AnalyseError> {
    let mut start = 0;
    for _ in 0..MAX_TAGS {
        let head = read_at(source, start, 10)?;
        if head.len() < 10 || !head.starts_with(b"ID3") || head[6..10].iter().any(|byte| byte & 0x80 != 0) {
            break;
        }
        let size = head[6..10].iter().fold(0_u64, |size, byte| size << 7 | u64::from(*byte));
        let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
        start += 10 + size + footer;
        if start >= end {
            return Err(Rejection::Truncated.into());
        }
    }
    if start > 0 {
        let padding = read_at(source, start, PREFIX)?;
        start += padding.iter().take_while(|byte| **byte == 0).count() as u64;
    }
    Ok(start)
}

/// Whether two MPEG layer III frames of one kind follow each other at `start`; then, whether the first
/// is a Xing, Info or VBRI header, which states the length.
pub(super) fn frames<S: Read + Seek + ?Sized>(source: &mut S, start: u64, bytes: &[u8]) -> io::Result<Option<bool>> {
    let Some(first) = be_u32(bytes, 0).and_then(Frame::parse) else { return Ok(None) };
    let next = read_at(source, start + first.length, 4)?;
    let follows = be_u32(&next, 0).and_then(Frame::parse).is_some_and(|second| second.kind == first.kind);
    if !follows {
        return Ok(None);
    }
    let length = usize::try_from(first.length).unwrap_or(usize::MAX);
    let side_info = &bytes[..bytes.len().min(length).min(64)];
    let states_length = side_info.windows(4).any(|tag| matches!(tag, b"Xing" | b"Info" | b"VBRI"));
    Ok(Some(states_length))
}

struct Frame {
    /// Version and sample rate bits, which do not change within a stream.
    kind: u32,
    length: u64,
}

impl Frame {
    /// Reads a frame header (ISO/IEC 11172-3, 2.4.1.3); free format is not accepted.
    fn parse(header: u32) -> Option<Self> {
        const RATES_1: [u64; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const RATES_2: [u64; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        const HERTZ: [u64; 3] = [44_100, 48_000, 32_000];
        let (version, layer) = (header >> 19 & 3, header >> 17 & 3);
        if header >> 21 != 0x7ff || version == 1 || layer != 1 {
            return None;
        }
        let (divisor, samples_by_8, rates) = match version {
            3 => (1, 144, RATES_1),
            2 => (2, 72, RATES_2),
            _ => (4, 72, RATES_2),
        };
        let rate_index = (header >> 12 & 15).checked_sub(1)?;
        let kilobits = rates.get(usize::try_from(rate_index).ok()?)?;
        let hertz = HERTZ.get(usize::try_from(header >> 10 & 3).ok()?)? / divisor;
        let padding = u64::from(header >> 9 & 1);
        Some(Self { kind: header & 0x001e_0c00, length: samples_by_8 * kilobits * 1000 / hertz + padding })
    }
}
