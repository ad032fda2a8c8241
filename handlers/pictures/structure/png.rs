//! The chunks of a PNG file (<https://www.w3.org/TR/png-3/#5DataRep>).

use crate::pictures::rejection::Rejection;

const SIGNATURE: usize = 8;
/// Length, type and checksum of a chunk.
const FRAME: usize = 12;
/// Of an interlaced picture, which is decoded in as many.
const PASSES: u64 = 7;

/// Walks to the end of the image, and gives the passes that decoding takes.
pub(super) fn check(bytes: &[u8]) -> Result<u64, Rejection> {
    let mut at = SIGNATURE;
    loop {
        let head = bytes.get(at..at + 8).ok_or(Rejection::Truncated)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        at = at.checked_add(FRAME + length).filter(|end| *end <= bytes.len()).ok_or(Rejection::Truncated)?;
        match &head[4..8] {
            b"acTL" => return Err(Rejection::Animated),
            b"IEND" => break,
            _ => {}
        }
    }
    if at == bytes.len() { Ok(PASSES) } else { Err(Rejection::Polyglot) }
}
