//! The chunks of a WebP file (RFC 9649, §2).

use crate::pictures::rejection::Rejection;

/// `RIFF`, the size, `WEBP`.
const HEAD: usize = 12;
/// The flag of an animation in the first byte of `VP8X`.
const ANIMATION: u8 = 0x02;

/// Walks to the end of the file, and gives the passes that decoding takes.
pub(super) fn check(bytes: &[u8]) -> Result<u64, Rejection> {
    let end = even(u32_at(bytes, 4)?).saturating_add(8);
    if bytes.len() < end {
        return Err(Rejection::Truncated);
    }
    if bytes.len() > end {
        return Err(Rejection::Polyglot);
    }
    let mut at = HEAD;
    while at < end {
        let kind = bytes.get(at..at + 4).ok_or(Rejection::Truncated)?;
        let size = u32_at(bytes, at + 4)?;
        let content = at + 8;
        let moves = match kind {
            b"ANIM" | b"ANMF" => true,
            b"VP8X" => bytes.get(content).is_some_and(|flags| flags & ANIMATION != 0),
            _ => false,
        };
        if moves {
            return Err(Rejection::Animated);
        }
        at = content.checked_add(even(size)).ok_or(Rejection::Truncated)?;
    }
    if at == end { Ok(1) } else { Err(Rejection::Truncated) }
}

/// A chunk of an odd size is followed by one byte of padding.
fn even(size: usize) -> usize {
    size.saturating_add(size % 2)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize, Rejection> {
    let bytes = bytes.get(at..at + 4).ok_or(Rejection::Truncated)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
}
