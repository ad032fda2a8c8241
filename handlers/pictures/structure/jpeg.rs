//! The markers of a JPEG file (ITU-T T.81, annex B).

use crate::pictures::rejection::Rejection;

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Walks to the end of the image, and gives the number of its scans.
pub(super) fn scans(bytes: &[u8]) -> Result<u64, Rejection> {
    let mut at = 2;
    let mut scans = 0;
    loop {
        let marker = marker(bytes, &mut at)?;
        match marker {
            END_OF_IMAGE => break,
            // These stand alone.
            START_OF_IMAGE | 0x01 | 0xd0..=0xd7 => continue,
            0x00 => return Err(Rejection::corrupt("no marker where one belongs")),
            _ => {}
        }
        let length = bytes.get(at..at + 2).ok_or(Rejection::Truncated)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length < 2 {
            return Err(Rejection::corrupt("a segment shorter than its length"));
        }
        at += length;
        if marker == START_OF_SCAN {
            scans += 1;
            at = end_of_scan(bytes, at)?;
        }
    }
    if is_harmless(&bytes[at..]) { Ok(scans) } else { Err(Rejection::Polyglot) }
}

/// The code of the marker at `at`, and `at` behind it. Any number of 0xff may fill the place before it.
fn marker(bytes: &[u8], at: &mut usize) -> Result<u8, Rejection> {
    if *bytes.get(*at).ok_or(Rejection::Truncated)? != 0xff {
        return Err(Rejection::corrupt("no marker where one belongs"));
    }
    loop {
        *at += 1;
        match *bytes.get(*at).ok_or(Rejection::Truncated)? {
            0xff => {}
            code => {
                *at += 1;
                return Ok(code);
            }
        }
    }
}

/// Where the marker behind the coded data stands that begins at `at`: 0xff followed by neither zero, which
/// stuffs, nor a restart.
fn end_of_scan(bytes: &[u8], mut at: usize) -> Result<usize, Rejection> {
    loop {
        let rest = bytes.get(at..).ok_or(Rejection::Truncated)?;
        at += rest.iter().position(|byte| *byte == 0xff).ok_or(Rejection::Truncated)?;
        match bytes.get(at + 1).ok_or(Rejection::Truncated)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            _ => return Ok(at),
        }
    }
}

/// Whether what follows the image is what cameras put there: padding, or further JPEG images of the same scene
/// (CIPA DC-007, multi-picture format).
fn is_harmless(rest: &[u8]) -> bool {
    let padding = rest.iter().take_while(|byte| **byte == 0).count();
    let rest = &rest[padding..];
    rest.is_empty() || rest.starts_with(&[0xff, START_OF_IMAGE, 0xff])
}
