//! The sizes in which a picture is sent.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};

use super::decode::Decoded;
use super::rejection::MakeError;
use super::{Channels, Picture, colour};

/// The widths, in pixels: a card on a phone, a card on a large screen, the page of the product.
const WIDTHS: [u32; 3] = [320, 640, 1280];

/// Makes the sizes of a picture, upright and in sRGB, the narrowest first; never larger than it is. The largest is
/// made of the picture itself, and the others of the largest.
pub(super) fn make(decoded: Decoded) -> Result<Vec<Picture>, MakeError> {
    let Decoded { picture, orientation, profile } = decoded;
    let turned = swaps_sides(orientation);
    let upright = |width, height| if turned { (height, width) } else { (width, height) };
    let whole = upright(picture.width, picture.height);
    let widths = widths(whole.0);
    let most = widths.last().copied().unwrap_or(whole.0);
    let (width, height) = fitting(whole, most);
    let (stored_width, stored_height) = upright(width, height);
    // Turned and converted when it is small, which takes less time and memory.
    let mut largest = resize(&picture, stored_width, stored_height)?;
    drop(picture);
    if let Some(profile) = profile {
        largest = colour::to_srgb(largest, &profile);
    }
    let largest = turn(largest, orientation)?;
    let mut sizes = Vec::with_capacity(widths.len());
    for width in widths.iter().copied().filter(|width| *width < most) {
        let (width, height) = fitting(whole, width);
        sizes.push(resize(&largest, width, height)?);
    }
    sizes.push(largest);
    Ok(sizes)
}

/// The widths of a picture that is `whole` pixels wide.
fn widths(whole: u32) -> Vec<u32> {
    let most = WIDTHS[WIDTHS.len() - 1].min(whole);
    let smaller = WIDTHS.into_iter().filter(|width| *width < most);
    smaller.chain([most]).collect()
}

/// Width and height of a picture of the same shape that is `width` pixels wide.
fn fitting(whole: (u32, u32), width: u32) -> (u32, u32) {
    let (whole_width, whole_height) = (u64::from(whole.0), u64::from(whole.1));
    let height = (whole_height * u64::from(width) + whole_width / 2) / whole_width.max(1);
    (width, u32::try_from(height).unwrap_or(u32::MAX).max(1))
}

fn swaps_sides(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    )
}

fn resize(picture: &Picture, width: u32, height: u32) -> Result<Picture, MakeError> {
    if (width, height) == (picture.width, picture.height) {
        return Ok(picture.clone());
    }
    let kind = match picture.channels {
        Channels::Rgb => PixelType::U8x3,
        Channels::Rgba => PixelType::U8x4,
    };
    let source = ImageRef::new(picture.width, picture.height, &picture.pixels, kind).map_err(MakeError::processing)?;
    let mut target = Image::new(width, height, kind);
    // What is transparent has no part in the colours around it.
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(true);
    Resizer::new().resize(&source, &mut target, &options).map_err(MakeError::processing)?;
    Ok(Picture { width, height, channels: picture.channels, pixels: target.into_vec() })
}

fn turn(picture: Picture, orientation: Orientation) -> Result<Picture, MakeError> {
    if orientation == Orientation::NoTransforms {
        return Ok(picture);
    }
    let Picture { width, height, channels, pixels } = picture;
    let image = match channels {
        Channels::Rgb => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        Channels::Rgba => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
    };
    let mut image = image.ok_or_else(|| MakeError::processing("pixels are missing"))?;
    image.apply_orientation(orientation);
    let (width, height) = (image.width(), image.height());
    Ok(Picture { width, height, channels, pixels: image.into_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_size_is_wider_than_the_picture() {
        assert_eq!(widths(4000), [320, 640, 1280]);
        assert_eq!(widths(1280), [320, 640, 1280]);
        assert_eq!(widths(1000), [320, 640, 1000]);
        assert_eq!(widths(640), [320, 640]);
        assert_eq!(widths(320), [320]);
        assert_eq!(widths(7), [7]);
    }

    #[test]
    fn the_shape_stays() {
        assert_eq!(fitting((4000, 3000), 1280), (1280, 960));
        assert_eq!(fitting((3000, 4000), 320), (320, 427));
        assert_eq!(fitting((10_000, 1), 320), (320, 1));
    }
}
