//! From pixels to the files that are sent.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rejection::MakeError;
use super::{Channels, Picture};

/// Of 100; above this files grow faster than pictures get better, on photographs of cloth too.
const WEBP_QUALITY: f32 = 80.0;
/// Of 100; about as good to look at.
const JPEG_QUALITY: u8 = 82;

/// The formats of what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Lossy, with alpha where the picture has some.
    WebP,
    /// For what shows no WebP; on white where the picture is transparent.
    Jpeg,
}

impl Encoding {
    /// Every format, the better one first.
    pub const ALL: [Self; 2] = [Self::WebP, Self::Jpeg];

    /// As in `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::WebP => "image/webp",
            Self::Jpeg => "image/jpeg",
        }
    }

    /// The end of a file's name, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::WebP => "webp",
            Self::Jpeg => "jpg",
        }
    }

    /// The format of which a file's name tells by its end.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.extension() == extension)
    }
}

pub(super) fn encode(picture: &Picture, encoding: Encoding) -> Result<Vec<u8>, MakeError> {
    match encoding {
        Encoding::WebP => to_webp(picture),
        Encoding::Jpeg => to_jpeg(picture),
    }
}

fn to_webp(picture: &Picture) -> Result<Vec<u8>, MakeError> {
    let Picture { width, height, pixels, .. } = picture;
    let encoder = match picture.channels {
        Channels::Rgb => webp::Encoder::from_rgb(pixels, *width, *height),
        Channels::Rgba => webp::Encoder::from_rgba(pixels, *width, *height),
    };
    let encoded = encoder.encode_simple(false, WEBP_QUALITY).map_err(MakeError::processing)?;
    Ok(encoded.to_vec())
}

fn to_jpeg(picture: &Picture) -> Result<Vec<u8>, MakeError> {
    let flat;
    let pixels = match picture.channels {
        Channels::Rgb => &picture.pixels,
        Channels::Rgba => {
            flat = on_white(&picture.pixels);
            &flat
        }
    };
    let mut encoded = Vec::with_capacity(pixels.len() / 8);
    JpegEncoder::new_with_quality(&mut encoded, JPEG_QUALITY)
        .encode(pixels, picture.width, picture.height, ExtendedColorType::Rgb8)
        .map_err(MakeError::processing)?;
    Ok(encoded)
}

/// Red, green and blue of pixels with alpha in front of white.
fn on_white(pixels: &[u8]) -> Vec<u8> {
    let channels = Channels::Rgba.count();
    let mut flat = Vec::with_capacity(pixels.len() / channels * Channels::Rgb.count());
    for pixel in pixels.chunks_exact(channels) {
        let alpha = u16::from(pixel[3]);
        let over = |channel: u8| (u16::from(channel) * alpha + 255 * (255 - alpha) + 127) / 255;
        flat.extend(pixel[..3].iter().map(|channel| over(*channel) as u8));
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_transparent_is_white() {
        assert_eq!(
            on_white(&[10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 128]),
            [10, 20, 30, 255, 255, 255, 127, 127, 127]
        );
    }

    #[test]
    fn a_name_tells_the_format() {
        for encoding in Encoding::ALL {
            assert_eq!(Encoding::of_extension(encoding.extension()), Some(encoding));
        }
        assert_eq!(Encoding::of_extension("svg"), None);
    }
}
