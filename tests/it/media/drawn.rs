//! Pictures for tests, with everything that cameras and malice put into them.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};

/// Left half red, right half blue, the upper quarter green.
pub fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| match (x < width / 2, y < height / 4) {
        (_, true) => Rgb([0, 200, 0]),
        (true, false) => Rgb([200, 0, 0]),
        (false, false) => Rgb([0, 0, 200]),
    })
}

pub fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Transparent but for a disc in the middle.
pub fn transparent_png(side: u32) -> Vec<u8> {
    let disc = RgbaImage::from_fn(side, side, |x, y| {
        let (dx, dy) = (i64::from(x) - i64::from(side / 2), i64::from(y) - i64::from(side / 2));
        let inside = dx * dx + dy * dy < i64::from(side / 4).pow(2);
        Rgba([200, 0, 0, if inside { 255 } else { 0 }])
    });
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&disc, side, side, ExtendedColorType::Rgba8).unwrap();
    bytes
}

pub fn lossless_webp(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder.encode(image, image.width(), image.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A JPEG with another segment behind its first marker.
pub fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// The Exif segment of a telephone: the orientation, and where it was (GPS latitude reference `N`, the text
/// `SECRETPLACE`).
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut tiff = Vec::new();
    tiff.extend(b"MM\0*\0\0\0\x08");
    // Three entries: orientation, what the picture shows, and the directory of places.
    tiff.extend([0, 3]);
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    tiff.extend([0x01, 0x0e, 0, 2, 0, 0, 0, 12, 0, 0, 0, 50]);
    tiff.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 62]);
    tiff.extend([0; 4]);
    tiff.extend(b"SECRETPLACE\0");
    tiff.extend([0, 1, 0, 1, 0, 2, 0, 0, 0, 2, b'N', 0, 0, 0, 0, 0, 0, 0]);
    [b"Exif\0\0".as_slice(), &tiff].concat()
}

/// A PNG with another chunk behind its header.
pub fn with_chunk(png: &[u8], kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let header_end = 8 + 25;
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let checksum = crc32(&[kind.as_slice(), content].concat()).to_be_bytes();
    [&png[..header_end], &length, kind, content, &checksum, &png[header_end..]].concat()
}

/// The checksum of PNG (third edition, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A PNG that says it is so large, and has no pixels.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in
        [(b"IHDR", header.as_slice()), (b"IDAT", b"x\x9c\x03\0\0\0\0\x01".as_slice()), (b"IEND", b"".as_slice())]
    {
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(kind);
        bytes.extend(content);
        bytes.extend(crc32(&[kind.as_slice(), content].concat()).to_be_bytes());
    }
    bytes
}

/// A progressive JPEG of a large size that names the same pass over and over.
pub fn jpeg_of_many_scans(scans: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8];
    // One quantisation table of ones, a frame of one component of 8000 × 6000, one Huffman table.
    bytes.extend([0xff, 0xdb, 0, 67, 0]);
    bytes.extend([1; 64]);
    bytes.extend([0xff, 0xc2, 0, 11, 8, 0x17, 0x70, 0x1f, 0x40, 1, 1, 0x11, 0]);
    bytes.extend([0xff, 0xc4, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..scans {
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 0, 0, 0x55]);
    }
    bytes.extend([0xff, 0xd9]);
    bytes
}
