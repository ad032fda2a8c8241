//! Colours of other spaces in sRGB: what is sent bears no profile, and without one browsers assume sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::{Channels, Picture};

/// Turns the colours of a picture from those of its ICC profile to sRGB. A profile that cannot be read, or that is
/// not one of red, green and blue (the decoder has converted CMYK and grey by then), is passed over: the colours
/// are taken as sRGB.
pub(super) fn to_srgb(picture: Picture, profile: &[u8]) -> Picture {
    let layout = match picture.channels {
        Channels::Rgb => Layout::Rgb,
        Channels::Rgba => Layout::Rgba,
    };
    let Ok(profile) = ColorProfile::new_from_slice(profile) else { return picture };
    if profile.color_space != DataColorSpace::Rgb {
        return picture;
    }
    let target = ColorProfile::new_srgb();
    let Ok(transform) = profile.create_transform_8bit(layout, &target, layout, TransformOptions::default()) else {
        return picture;
    };
    let mut pixels = vec![0; picture.pixels.len()];
    match transform.transform(&picture.pixels, &mut pixels) {
        Ok(()) => Picture { pixels, ..picture },
        Err(_) => picture,
    }
}
