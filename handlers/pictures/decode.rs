//! From bytes to pixels, with what is needed to show them right.

use std::io::{Cursor, ErrorKind};

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageResult};

use super::limits::Limits;
use super::rejection::Rejection;
use super::structure::{Format, Outline};
use super::{Channels, Picture};

/// Larger profiles are not looked at; those of cameras and programs have a few kilobytes.
const MAX_PROFILE: usize = 1024 * 1024;

/// A picture as it is stored: perhaps lying, perhaps in other colours.
pub(super) struct Decoded {
    pub(super) picture: Picture,
    /// How it is to be turned.
    pub(super) orientation: Orientation,
    /// Its ICC profile; sRGB is assumed where there is none.
    pub(super) profile: Option<Vec<u8>>,
}

pub(super) fn decode(bytes: &[u8], outline: &Outline, limits: &Limits) -> Result<Decoded, Rejection> {
    let explain = |error: ImageError| explain(&error, limits);
    let mut reserved = image::Limits::default();
    reserved.max_image_width = Some(limits.max_side);
    reserved.max_image_height = Some(limits.max_side);
    // What decoders keep besides the pixels.
    reserved.max_alloc = Some(limits.max_decoded_bytes.saturating_mul(2));
    let mut decoder = open(bytes, outline.format, &reserved).map_err(explain)?;
    let (width, height) = decoder.dimensions();
    limits.check_dimensions(width, height, decoder.total_bytes())?;
    limits.check_passes(width, height, outline.passes)?;
    decoder.set_limits(reserved).map_err(explain)?;
    // What is beside the pixels may be damaged; the picture is shown without it.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten().filter(|profile| profile.len() <= MAX_PROFILE);
    let image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    Ok(Decoded { picture: eight_bits(image), orientation, profile })
}

fn open<'a>(bytes: &'a [u8], format: Format, limits: &image::Limits) -> ImageResult<Box<dyn ImageDecoder + 'a>> {
    let reader = Cursor::new(bytes);
    Ok(match format {
        Format::Jpeg => Box::new(JpegDecoder::new(reader)?),
        Format::Png => Box::new(PngDecoder::with_limits(reader, limits.clone())?),
        Format::WebP => Box::new(WebPDecoder::new(reader)?),
    })
}

/// The picture with 8 bits a channel, and with alpha where it is not whole everywhere.
fn eight_bits(image: DynamicImage) -> Picture {
    let (width, height) = (image.width(), image.height());
    if image.has_alpha() {
        let image = image.into_rgba8();
        if image.pixels().any(|pixel| pixel.0[3] != u8::MAX) {
            return Picture { width, height, channels: Channels::Rgba, pixels: image.into_raw() };
        }
        let image = DynamicImage::ImageRgba8(image);
        return Picture { width, height, channels: Channels::Rgb, pixels: image.into_rgb8().into_raw() };
    }
    Picture { width, height, channels: Channels::Rgb, pixels: image.into_rgb8().into_raw() }
}

fn explain(error: &ImageError, limits: &Limits) -> Rejection {
    match error {
        ImageError::Limits(_) => limits.too_many_pixels(),
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => Rejection::Truncated,
        other => Rejection::corrupt(other),
    }
}
