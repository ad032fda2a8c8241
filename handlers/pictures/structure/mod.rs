//! What a file is and where it ends, told from its bytes without decoding them: neither its name nor what its
//! sender declares counts.

mod jpeg;
mod png;
mod webp;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rejection::Rejection;

/// The formats that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ITU-T T.81.
    Jpeg,
    /// Portable Network Graphics (W3C, third edition).
    Png,
    /// RFC 9649.
    WebP,
}

/// What the walk through a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    pub format: Format,
    /// Passes over the pixels that decoding takes.
    pub passes: u64,
}

/// Walks through a whole file.
///
/// # Errors
/// When it is none of the formats, moves, breaks off, or goes on behind its end.
pub fn outline(bytes: &[u8]) -> Result<Outline, Rejection> {
    let (format, passes) = match bytes {
        [0xff, 0xd8, 0xff, ..] => (Format::Jpeg, jpeg::scans(bytes)?),
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => (Format::Png, png::check(bytes)?),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => (Format::WebP, webp::check(bytes)?),
        _ => return Err(Rejection::UnsupportedFormat { found: name(bytes) }),
    };
    Ok(Outline { format, passes })
}

/// What a file of another format is, for who uploaded it.
fn name(bytes: &[u8]) -> &'static str {
    let begins = |mark: &[u8]| bytes.starts_with(mark);
    let brand = bytes.get(4..12).unwrap_or_default();
    match brand {
        b"ftypavif" | b"ftypavis" => return "an AVIF picture",
        b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftypmsf1" | b"ftyphevc" => return "a HEIC picture",
        [b'f', b't', b'y', b'p', ..] => return "a film",
        _ => {}
    }
    if begins(b"GIF8") {
        "a GIF picture"
    } else if begins(b"BM") {
        "a BMP picture"
    } else if begins(b"II*\0") || begins(b"MM\0*") {
        "a TIFF picture"
    } else if begins(b"%PDF") {
        "a PDF document"
    } else if is_markup(bytes) {
        "an SVG drawing or another text"
    } else {
        "no picture that is known here"
    }
}

/// Whether the first sign that is no blank opens a tag.
fn is_markup(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}
