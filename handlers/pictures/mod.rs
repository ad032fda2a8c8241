//! Pictures: what they are, whether they are fit to be shown, and the sizes and formats that a shop sends.
//!
//! One pass: the structure of the file (`structure`) is walked without decoding (its real format, its end, whether it
//! moves) → it is decoded within [`Limits`] → made smaller → turned upright, in sRGB → encoded as WebP and JPEG.
//! Every file that comes out is encoded from pixels alone, so nothing of what went in beside them is left: no
//! Exif, no XMP, no place, no profile. Pure and synchronous: callers run it on a blocking thread. The bytes come
//! from outside, so a panic of a decoder is a rejection like any other, and every reason has a code and a sentence
//! ([`Rejection`]).
//!
//! AVIF is not made: its encoders take many times longer, and WebP is shown by every browser of these years.

mod colour;
mod decode;
mod encode;
mod limits;
mod rejection;
mod sizes;
mod structure;

pub use encode::Encoding;
pub use limits::Limits;
pub use rejection::{MakeError, Rejection};
pub use structure::Format;

use limits::Deadline;

use crate::panics;

/// One file of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    pub encoding: Encoding,
    pub bytes: Vec<u8>,
}

/// All that is made of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it was.
    pub format: Format,
    /// The files, the narrowest first; of each width WebP before JPEG. The same bytes in give the same files.
    pub renditions: Vec<Rendition>,
}

/// Makes the renditions of the picture that `bytes` hold.
///
/// # Errors
/// `Rejected` with the reason; `Processing` when a library refuses to work on pixels that were decoded.
pub fn make(bytes: &[u8], limits: &Limits) -> Result<Made, MakeError> {
    match panics::catch(|| make_unguarded(bytes, limits)) {
        Ok(outcome) => outcome,
        Err(panic) => Err(Rejection::corrupt(format!("panic: {panic}")).into()),
    }
}

fn make_unguarded(bytes: &[u8], limits: &Limits) -> Result<Made, MakeError> {
    let deadline = Deadline::of(limits);
    limits.check_size(bytes.len())?;
    let outline = structure::outline(bytes)?;
    let decoded = decode::decode(bytes, &outline, limits)?;
    deadline.check()?;
    let mut renditions = Vec::new();
    for picture in sizes::make(decoded)? {
        for encoding in Encoding::ALL {
            deadline.check()?;
            let bytes = encode::encode(&picture, encoding)?;
            renditions.push(Rendition { width: picture.width, height: picture.height, encoding, bytes });
        }
    }
    Ok(Made { format: outline.format, renditions })
}

/// Pixels in rows from the top, 8 bits a channel, in sRGB unless it is said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Picture {
    width: u32,
    height: u32,
    channels: Channels,
    pixels: Vec<u8>,
}

/// What a pixel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channels {
    Rgb,
    Rgba,
}

impl Channels {
    /// Bytes of a pixel.
    fn count(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}
