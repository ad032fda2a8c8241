//! Signals and files for the tests of this module.

use std::io::Cursor;

use super::{Decoder, Limits, Spec};

/// A sine of `peak` (full scale 1.0).
pub fn tone(hertz: f64, peak: f64, sample_rate_hz: u32, frames: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * hertz / f64::from(sample_rate_hz);
    (0..frames).map(|frame| (peak * (step * frame as f64).sin()) as f32).collect()
}

/// Decibels relative to full scale as a factor.
pub fn from_db(decibels: f64) -> f64 {
    10_f64.powf(decibels / 20.0)
}

/// A decoded recording.
pub struct Decoded {
    pub spec: Spec,
    /// Interleaved.
    pub samples: Vec<f32>,
    pub non_finite: u64,
}

/// Decodes a whole file that must be good.
pub fn decode_all(file: Vec<u8>) -> Decoded {
    let mut decoder = Decoder::open(Cursor::new(file), &Limits::default()).unwrap();
    let mut samples = Vec::new();
    let mut spec = None;
    while let Some(block) = decoder.next_block().unwrap() {
        spec = Some(block.spec);
        samples.extend_from_slice(block.samples);
    }
    Decoded { spec: spec.unwrap(), samples, non_finite: decoder.non_finite_samples() }
}

/// The fields of a WAVE header, free to lie.
#[derive(Debug, Clone, Copy)]
pub struct WavHeader {
    pub tag: u16,
    pub channels: u16,
    pub sample_rate_hz: u32,
    pub bits: u16,
    pub block_align: u16,
    pub data_bytes: Option<u32>,
}

impl WavHeader {
    /// An honest header: tag 1 for integers, 3 for floats.
    pub fn honest(tag: u16, channels: u16, sample_rate_hz: u32, bits: u16) -> Self {
        Self { tag, channels, sample_rate_hz, bits, block_align: channels * (bits / 8), data_bytes: None }
    }

    /// The file with this header before `data`.
    pub fn file(&self, data: &[u8]) -> Vec<u8> {
        let data_bytes = self.data_bytes.unwrap_or(data.len() as u32);
        let mut file = b"RIFF".to_vec();
        file.extend(data_bytes.saturating_add(36).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0");
        file.extend(self.tag.to_le_bytes());
        file.extend(self.channels.to_le_bytes());
        file.extend(self.sample_rate_hz.to_le_bytes());
        file.extend(self.sample_rate_hz.wrapping_mul(u32::from(self.block_align)).to_le_bytes());
        file.extend(self.block_align.to_le_bytes());
        file.extend(self.bits.to_le_bytes());
        file.extend(b"data");
        file.extend(data_bytes.to_le_bytes());
        file.extend(data);
        file
    }
}

/// Float samples as a WAVE file of 32-bit floats.
pub fn float_wav(samples: &[f32], channels: u16, sample_rate_hz: u32) -> Vec<u8> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    WavHeader::honest(3, channels, sample_rate_hz, 32).file(&data)
}
