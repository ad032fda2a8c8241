//! How much of a picture is worth looking at.

use std::time::{Duration, Instant};

use super::rejection::Rejection;

/// Hard caps on the work for one picture. Sizes are checked before anything of that size is reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the file, in bytes.
    pub max_bytes: u64,
    /// Most pixels of a row or a column.
    pub max_side: u32,
    /// Most pixels in all.
    pub max_pixels: u64,
    /// Bytes of decoded pixels: 16 bits a channel take twice as many as 8.
    pub max_decoded_bytes: u64,
    /// Pixels times passes over them. A progressive JPEG may name any number of passes in a few bytes each, and
    /// every one costs a walk over all pixels.
    pub max_pixel_passes: u64,
    /// Longest time by the clock on the wall; looked at between the steps, none of which is long within the
    /// other limits.
    pub max_wall_time: Duration,
}

impl Default for Limits {
    /// 15 MiB, 10,000 pixels a side, 50 megapixels, 256 MiB decoded, twenty passes over the largest, 30 s.
    fn default() -> Self {
        Self {
            max_bytes: 15 * 1024 * 1024,
            max_side: 10_000,
            max_pixels: 50_000_000,
            max_decoded_bytes: 256 * 1024 * 1024,
            max_pixel_passes: 1_000_000_000,
            max_wall_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    pub(super) fn check_size(&self, bytes: usize) -> Result<(), Rejection> {
        match bytes as u64 {
            0 => Err(Rejection::Empty),
            size if size > self.max_bytes => Err(Rejection::TooLarge { max_bytes: self.max_bytes }),
            _ => Ok(()),
        }
    }

    /// Checks what a header says before any of it is reserved; `decoded` is in bytes.
    pub(super) fn check_dimensions(&self, width: u32, height: u32, decoded: u64) -> Result<(), Rejection> {
        let pixels = u64::from(width) * u64::from(height);
        let fits = width.max(height) <= self.max_side && pixels <= self.max_pixels && decoded <= self.max_decoded_bytes;
        match (fits, pixels) {
            (_, 0) => Err(Rejection::corrupt("no pixels")),
            (true, _) => Ok(()),
            (false, _) => Err(self.too_many_pixels()),
        }
    }

    pub(super) fn check_passes(&self, width: u32, height: u32, passes: u64) -> Result<(), Rejection> {
        let work = (u64::from(width) * u64::from(height)).saturating_mul(passes);
        if work <= self.max_pixel_passes { Ok(()) } else { Err(Rejection::TooComplex) }
    }

    pub(super) fn too_many_pixels(&self) -> Rejection {
        Rejection::TooManyPixels { max_side: self.max_side, max_megapixels: self.max_pixels / 1_000_000 }
    }
}

/// When the work on a picture must be over.
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn of(limits: &Limits) -> Self {
        Self(Instant::now() + limits.max_wall_time)
    }

    pub(super) fn check(&self) -> Result<(), Rejection> {
        if Instant::now() < self.0 { Ok(()) } else { Err(Rejection::TooComplex) }
    }
}
