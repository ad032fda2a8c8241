//! Signals and files for the tests of this module.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// An hour of a tone as 8 kHz mono WAV, made as it is read.
pub struct Hour {
    header: Vec<u8>,
    position: u64,
    taken: Arc<AtomicU64>,
}

impl Hour {
    const DATA: u32 = 3600 * 8000 * 2;

    /// Counts the bytes read in `taken`.
    pub fn new(taken: &Arc<AtomicU64>) -> Self {
        let header = WavHeader { data_bytes: Some(Self::DATA), ..WavHeader::honest(1, 1, 8_000, 16) }.file(&[]);
        Self { header, position: 0, taken: Arc::clone(taken) }
    }

    fn end(&self) -> u64 {
        self.header.len() as u64 + u64::from(Self::DATA)
    }
}

impl Read for Hour {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min((self.end() - self.position) as usize);
        for (at, byte) in (self.position as usize..).zip(&mut buffer[..count]) {
            *byte = *self.header.get(at).unwrap_or(&(at as u8));
        }
        self.position += count as u64;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Hour {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(offset) => self.end().saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        }
        .min(self.end());
        Ok(self.position)
    }
}

/// Writes the checksum (RFC 3533, section 6) of every page that can still be found.
pub fn seal_ogg_pages(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(4).position(|mark| mark == b"OggS") {
        at += found;
        let lacing = bytes.get(at + 26).map_or(0, |count| usize::from(*count));
        let Some(body) = bytes.get(at + 27..at + 27 + lacing) else { return };
        let length = 27 + lacing + body.iter().map(|size| usize::from(*size)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..at + length) else { return };
        page[22..26].fill(0);
        let crc = page.iter().fold(0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        at += 4;
    }
}

/// A xorshift generator (Marsaglia 2003): the same numbers in every run.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next().unwrap_or(0) % bound as u64) as usize
    }
}

impl Iterator for Random {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Some(self.0)
    }
}
