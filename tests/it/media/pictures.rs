//! What is made of a picture, and what is refused.

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage};
use pravis::pictures::{Encoding, Format, Limits, Made, Rejection, Rendition, make};
use proptest::prelude::*;

use super::drawn::*;

fn made(bytes: &[u8]) -> Made {
    make(bytes, &Limits::default()).unwrap()
}

fn rejected(bytes: &[u8]) -> Rejection {
    make(bytes, &Limits::default()).expect_err("it is refused").rejection().expect("it is to blame").clone()
}

fn shown(rendition: &Rendition) -> DynamicImage {
    let format = match rendition.encoding {
        Encoding::WebP => ImageFormat::WebP,
        Encoding::Jpeg => ImageFormat::Jpeg,
    };
    let image = image::load_from_memory_with_format(&rendition.bytes, format).unwrap();
    assert_eq!(image.dimensions(), (rendition.width, rendition.height));
    image
}

/// Whether a pixel is about of a colour.
fn is(image: &DynamicImage, x: u32, y: u32, colour: [u8; 3]) -> bool {
    let found = image.to_rgb8().get_pixel(x, y).0;
    found.iter().zip(colour).all(|(found, wanted)| found.abs_diff(wanted) < 24)
}

const RED: [u8; 3] = [200, 0, 0];
const BLUE: [u8; 3] = [0, 0, 200];
const GREEN: [u8; 3] = [0, 200, 0];

#[test]
fn every_format_becomes_all_sizes_in_both_formats() {
    let image = pattern(1600, 1200);
    for (bytes, format) in
        [(jpeg(&image), Format::Jpeg), (png(&image), Format::Png), (lossless_webp(&image), Format::WebP)]
    {
        let made = made(&bytes);
        assert_eq!(made.format, format);
        let sizes: Vec<_> = made.renditions.iter().map(|r| (r.width, r.height, r.encoding)).collect();
        let (webp, jpeg) = (Encoding::WebP, Encoding::Jpeg);
        let wanted = [(320, 240), (640, 480), (1280, 960)].map(|(w, h)| [(w, h, webp), (w, h, jpeg)]);
        assert_eq!(sizes, wanted.concat(), "{format:?}");
        for rendition in &made.renditions {
            let (image, w, h) = (shown(rendition), rendition.width, rendition.height);
            assert!(is(&image, w / 4, h * 3 / 4, RED) && is(&image, w * 3 / 4, h * 3 / 4, BLUE), "{format:?}");
            assert!(is(&image, w / 2, h / 8, GREEN), "{format:?}");
        }
    }
}

#[test]
fn the_same_bytes_give_the_same_files() {
    let bytes = jpeg(&pattern(700, 500));
    assert_eq!(made(&bytes), made(&bytes));
}

#[test]
fn a_small_picture_is_not_enlarged() {
    let made = made(&png(&pattern(100, 40)));
    let sizes: Vec<_> = made.renditions.iter().map(|rendition| (rendition.width, rendition.height)).collect();
    assert_eq!(sizes, [(100, 40), (100, 40)]);
}

#[test]
fn pictures_are_turned_upright_and_tell_nothing_of_where_they_were_taken() {
    // Each orientation of Exif (CIPA DC-008, 4.6.4) with the places of the green quarter and the red half.
    let image = pattern(800, 600);
    for (orientation, width, height, green, red) in [
        (1, 800, 600, (400, 20), (100, 500)),
        (2, 800, 600, (400, 20), (700, 500)),
        (3, 800, 600, (400, 580), (700, 100)),
        (4, 800, 600, (400, 580), (100, 100)),
        (5, 600, 800, (20, 400), (500, 100)),
        (6, 600, 800, (580, 400), (100, 100)),
        (7, 600, 800, (580, 400), (100, 700)),
        (8, 600, 800, (20, 400), (500, 700)),
    ] {
        let bytes = with_segment(&jpeg(&image), 0xe1, &exif(orientation));
        let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>SECRETPLACE</x:xmpmeta>";
        let bytes = with_segment(&with_segment(&bytes, 0xe1, xmp), 0xfe, b"SECRETPLACE");
        assert!(bytes.windows(11).any(|window| window == b"SECRETPLACE"));
        let made = made(&bytes);
        let largest = &made.renditions[made.renditions.len() - 1];
        assert_eq!((largest.width, largest.height), (width, height), "orientation {orientation}");
        let shown = shown(largest);
        assert!(is(&shown, green.0, green.1, GREEN), "green of orientation {orientation}");
        assert!(is(&shown, red.0, red.1, RED), "red of orientation {orientation}");
        for rendition in &made.renditions {
            for mark in [b"SECRETPLACE".as_slice(), b"Exif", b"EXIF", b"XMP ", b"http:", b"ICCP", b"ICC_PROFILE"] {
                let told = rendition.bytes.windows(mark.len()).any(|window| window == mark);
                assert!(!told, "{:?} holds {}", rendition.encoding, String::from_utf8_lossy(mark));
            }
        }
    }
}

#[test]
fn texts_of_a_png_are_left_out() {
    let bytes = with_chunk(&png(&pattern(64, 64)), b"tEXt", b"Comment\0SECRETPLACE");
    for rendition in made(&bytes).renditions {
        assert!(!rendition.bytes.windows(11).any(|window| window == b"SECRETPLACE"));
    }
}

#[test]
fn colours_of_a_wider_space_are_those_that_were_seen() {
    // The red of sRGB as a telephone with a Display P3 screen writes it down.
    let image = RgbImage::from_pixel(64, 64, Rgb([234, 51, 35]));
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let content = [b"ICC_PROFILE\0\x01\x01".as_slice(), &profile].concat();
    let bytes = with_segment(&jpeg(&image), 0xe2, &content);
    for rendition in made(&bytes).renditions {
        assert!(is(&shown(&rendition), 32, 32, [255, 0, 0]), "{:?}", shown(&rendition).get_pixel(32, 32));
    }
    // One that is none is passed over.
    let bytes = with_segment(&jpeg(&image), 0xe2, b"ICC_PROFILE\0\x01\x01nonsense");
    assert!(is(&shown(&made(&bytes).renditions[0]), 32, 32, [234, 51, 35]));
}

#[test]
fn what_is_transparent_stays_so_in_webp_and_is_white_in_jpeg() {
    for rendition in made(&transparent_png(400)).renditions {
        let (image, middle) = (shown(&rendition), rendition.width / 2);
        assert!(is(&image, middle, middle, RED));
        match rendition.encoding {
            Encoding::WebP => assert_eq!(image.get_pixel(0, 0).0[3], 0),
            Encoding::Jpeg => assert!(is(&image, 0, 0, [255, 255, 255])),
        }
    }
}

#[test]
fn sixteen_bits_and_grey_are_pictures_too() {
    for image in [
        DynamicImage::ImageRgb8(pattern(50, 50)).into_rgb16().into(),
        DynamicImage::ImageRgb8(pattern(50, 50)).grayscale(),
    ] {
        let image: DynamicImage = image;
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        assert_eq!(made(bytes.get_ref()).renditions.len(), 2);
    }
}

#[test]
fn the_bytes_tell_what_a_file_is() {
    for (bytes, found) in [
        (b"GIF89a\x01\0\x01\0".as_slice(), "GIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "film"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "SVG"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?><svg/>", "SVG"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MZ\x90\0", "no picture"),
        (b"\xff\xd8", "no picture"),
    ] {
        let rejection = rejected(bytes);
        assert_eq!(rejection.code(), "unsupported_format");
        assert!(rejection.to_string().contains(found), "{rejection}");
    }
    assert_eq!(rejected(b""), Rejection::Empty);
}

#[test]
fn what_moves_is_refused() {
    let png = with_chunk(&png(&pattern(8, 8)), b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
    assert_eq!(rejected(&png), Rejection::Animated);
    let still = lossless_webp(&pattern(8, 8));
    let moving = [b"VP8X\x0a\0\0\0\x02\0\0\0\x07\0\0\x07\0\0".as_slice(), &still[12..]].concat();
    let size = u32::try_from(moving.len() + 4).unwrap().to_le_bytes();
    assert_eq!(rejected(&[b"RIFF".as_slice(), &size, b"WEBP", &moving].concat()), Rejection::Animated);
}

#[test]
fn a_picture_that_breaks_off_anywhere_is_refused() {
    let image = pattern(60, 60);
    for bytes in [jpeg(&image), png(&image), lossless_webp(&image)] {
        for end in 1..bytes.len() {
            let rejection = rejected(&bytes[..end]);
            let code = rejection.code();
            assert!(matches!(code, "truncated" | "unsupported_format" | "corrupt"), "{end} of {}: {code}", bytes.len());
        }
    }
}

#[test]
fn nothing_may_hide_behind_a_picture() {
    let image = pattern(16, 16);
    for bytes in [jpeg(&image), png(&image), lossless_webp(&image)] {
        for hidden in [b"<script>alert(1)</script>".as_slice(), b"PK\x03\x04", b"MZ", b"\0\0\0\x18ftypmp42"] {
            assert_eq!(rejected(&[bytes.as_slice(), hidden].concat()), Rejection::Polyglot);
        }
    }
    // Cameras put padding and smaller pictures of the same scene there.
    let two = [jpeg(&image), vec![0; 20], jpeg(&pattern(8, 8))].concat();
    assert_eq!(made(&two).renditions[0].width, 16);
}

#[test]
fn bombs_are_refused_before_they_take_room() {
    let begun = std::time::Instant::now();
    for (width, height) in [(30_000, 30_000), (10_001, 1), (1, 10_001), (9_000, 9_000), (u32::MAX, u32::MAX)] {
        let code = rejected(&png_claiming(width, height)).code();
        assert!(matches!(code, "too_many_pixels" | "corrupt"), "{width} × {height}: {code}");
    }
    assert_eq!(rejected(&png_claiming(30_000, 30_000)).code(), "too_many_pixels");
    assert_eq!(rejected(&png_claiming(0, 5)).code(), "corrupt");
    assert_eq!(rejected(&jpeg_of_many_scans(100)), Rejection::TooComplex);
    assert_eq!(rejected(&vec![0; 16 * 1024 * 1024]).code(), "too_large");
    // A million pixels in a kilobyte of zeros, as text that is told and thrown away.
    let text = with_chunk(&png(&pattern(8, 8)), b"zTXt", &[b"k\0\0".as_slice(), &[0; 1000]].concat());
    assert_eq!(made(&text).renditions.len(), 2);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_pictures_are_made_or_refused_and_nothing_else(
        which in 0..3_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let image = pattern(40, 30);
        let mut bytes = match which {
            0 => with_segment(&jpeg(&image), 0xe1, &exif(6)),
            1 => png(&image),
            _ => lossless_webp(&image),
        };
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Err(error) = make(&bytes, &Limits::default()) {
            prop_assert!(error.rejection().is_some(), "{error}");
        }
    }
}
