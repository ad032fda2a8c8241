//! The shape of a recording: peaks for clients that draw, and a picture for those that don't.
//!
//! Memory is bounded whatever the duration: when the buckets are full, neighbours are merged and each
//! stands for twice as many samples from then on.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most buckets kept; a long recording ends with more than half of them.
pub const MAX_BUCKETS: usize = 512;

/// Peaks in the JSON format of audiowaveform, version 2 (github.com/bbc/audiowaveform,
/// doc/DataFormat.md), whose field names are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waveform {
    /// Version of the format: 2.
    pub version: u32,
    /// Channels: 1, the average of all.
    pub channels: u32,
    /// Sample rate of the recording, in hertz.
    pub sample_rate: u32,
    /// Samples that each pair stands for.
    pub samples_per_pixel: u64,
    /// Bits per value: 8.
    pub bits: u32,
    /// Number of pairs.
    pub length: usize,
    /// Lowest and highest value of each bucket in turn, full scale -128 to 127.
    pub data: Vec<i8>,
}

impl Waveform {
    /// Draws the peaks as an SVG image of one path, scaled by its `viewBox` and coloured by
    /// `currentColor`. `title` is its text alternative.
    pub fn to_svg(&self, title: &str) -> String {
        const MIDDLE: i32 = 128;
        let width = self.length.max(1);
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 256" preserveAspectRatio="none" role="img"><title>{}</title><path fill="currentColor" d="M0 {MIDDLE}"#,
            escape(title)
        );
        let pairs = || self.data.chunks_exact(2).enumerate();
        // Along the tops, back along the bottoms; at least a unit thick, so that silence is a line.
        for (x, pair) in pairs() {
            append(&mut svg, x, MIDDLE - i32::from(pair[1]));
        }
        for (x, pair) in pairs().rev() {
            append(&mut svg, x, (MIDDLE - i32::from(pair[0])).max(MIDDLE - i32::from(pair[1]) + 1));
        }
        svg.push_str(r#"Z"/></svg>"#);
        svg
    }
}

fn append(svg: &mut String, x: usize, y: i32) {
    // Writing to a string cannot fail.
    let _ = write!(svg, "L{x} {y}");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    lowest: f32,
    highest: f32,
}

impl Bucket {
    const EMPTY: Self = Self { lowest: f32::INFINITY, highest: f32::NEG_INFINITY };

    fn merge(self, other: Self) -> Self {
        Self { lowest: self.lowest.min(other.lowest), highest: self.highest.max(other.highest) }
    }
}

/// Gathers the peaks of a mono stream.
#[derive(Debug)]
pub struct Peaks {
    sample_rate_hz: u32,
    samples_per_bucket: u64,
    buckets: Vec<Bucket>,
    open: Bucket,
    open_samples: u64,
}

impl Peaks {
    /// Starts with a stream of `sample_rate_hz`.
    pub fn new(sample_rate_hz: u32) -> Self {
        Self {
            sample_rate_hz,
            samples_per_bucket: 1,
            buckets: Vec::with_capacity(MAX_BUCKETS),
            open: Bucket::EMPTY,
            open_samples: 0,
        }
    }

    /// Takes samples, full scale ±1.0.
    pub fn push(&mut self, mono: &[f32]) {
        for &sample in mono {
            self.open = self.open.merge(Bucket { lowest: sample, highest: sample });
            self.open_samples += 1;
            if self.open_samples == self.samples_per_bucket {
                self.close_bucket();
            }
        }
    }

    fn close_bucket(&mut self) {
        if self.buckets.len() == MAX_BUCKETS {
            let merged = self.buckets.chunks(2).map(|pair| pair[0].merge(pair[pair.len() - 1]));
            self.buckets = merged.collect();
            self.samples_per_bucket *= 2;
            // The open bucket holds half of what it now should.
            return;
        }
        self.buckets.push(std::mem::replace(&mut self.open, Bucket::EMPTY));
        self.open_samples = 0;
    }

    /// The peaks of all that was taken.
    pub fn finish(mut self) -> Waveform {
        if self.open_samples > 0 {
            self.buckets.push(self.open);
        }
        let data: Vec<i8> =
            self.buckets.iter().flat_map(|bucket| [to_i8(bucket.lowest), to_i8(bucket.highest)]).collect();
        Waveform {
            version: 2,
            channels: 1,
            sample_rate: self.sample_rate_hz,
            samples_per_pixel: self.samples_per_bucket,
            bits: 8,
            length: data.len() / 2,
            data,
        }
    }
}

fn to_i8(sample: f32) -> i8 {
    // A float-to-integer cast saturates.
    (sample * 128.0).round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_is_found_where_it_was() {
        let mut peaks = Peaks::new(16_000);
        for second in 0..100 {
            let mut samples = vec![0.0; 16_000];
            if second == 50 {
                samples[0] = -1.0;
                samples[1] = 0.5;
            }
            peaks.push(&samples);
        }
        let waveform = peaks.finish();
        let pixel = usize::try_from(50 * 16_000 / waveform.samples_per_pixel).unwrap();
        assert_eq!(waveform.data[2 * pixel..2 * pixel + 2], [-128, 64]);
        assert_eq!(waveform.data.iter().filter(|value| **value != 0).count(), 2);
        assert!((MAX_BUCKETS / 2..=MAX_BUCKETS + 1).contains(&waveform.length));
        assert_eq!(waveform.length as u64, 1_600_000_u64.div_ceil(waveform.samples_per_pixel));
    }

    #[test]
    fn the_field_names_are_audiowaveforms() {
        let mut peaks = Peaks::new(8_000);
        peaks.push(&[0.25, -0.25]);
        let json = serde_json::to_value(peaks.finish()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"version": 2, "channels": 1, "sample_rate": 8000, "samples_per_pixel": 1, "bits": 8,
                "length": 2, "data": [32, 32, -32, -32]})
        );
    }

    #[test]
    fn the_picture_is_one_closed_path_with_a_safe_title() {
        let mut peaks = Peaks::new(8_000);
        peaks.push(&[0.5, -0.5]);
        let svg = peaks.finish().to_svg("<4 s & loud>");
        assert!(svg.contains("<title>&lt;4 s &amp; loud&gt;</title>"), "{svg}");
        assert!(svg.contains(r#"viewBox="0 0 2 256""#) && svg.contains(r#"role="img""#), "{svg}");
        assert!(svg.ends_with(r#"d="M0 128L0 64L1 192L1 193L0 65Z"/></svg>"#), "{svg}");
    }

    #[test]
    fn nothing_gives_an_empty_picture() {
        let waveform = Peaks::new(8_000).finish();
        assert_eq!(waveform.length, 0);
        assert!(waveform.to_svg("").contains(r#"viewBox="0 0 1 256""#));
    }
}
