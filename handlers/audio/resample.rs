//! Mono streams at another sample rate, and the step to 16-bit samples.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use super::rejection::AnalyseError;

/// The sample rate that recognition, voice detection and the rendition work at, in hertz.
pub const SPEECH_RATE_HZ: u32 = 16_000;

/// The least input frames per step.
const CHUNK: usize = 512;

/// Averages the channels of interleaved `samples` into `mono`, which is overwritten.
pub fn downmix(samples: &[f32], channels: u32, mono: &mut Vec<f32>) {
    mono.clear();
    let channels = channels.max(1) as usize;
    let scale = 1.0 / channels as f32;
    mono.extend(samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * scale));
}

/// Converts full-scale ±1.0 to 16 bits, rounding and saturating.
pub fn to_i16(sample: f32) -> i16 {
    // A float-to-integer cast saturates.
    (sample * 32_768.0).round() as i16
}

/// A streaming resampler of one channel. Gives as much audio as it takes: the filter's delay is cut off
/// at the start and pumped out at the end.
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` when the rates are the same.
    filter: Option<Fft<f32>>,
    pending: Vec<f32>,
    chunk_out: Vec<f32>,
    /// Output frames of filter delay still to drop.
    delay: usize,
    frames_in: u64,
    frames_out: u64,
}

impl Resampler {
    /// Resamples from `from` to `to` hertz.
    ///
    /// # Errors
    /// `Processing` when a rate is zero.
    pub fn new(from: u32, to: u32) -> Result<Self, AnalyseError> {
        let filter = match from == to {
            true => None,
            false => Some(filter(from as usize, to as usize)?),
        };
        let delay = filter.as_ref().map_or(0, |filter| filter.output_delay());
        let chunk_out = vec![0.0; filter.as_ref().map_or(0, |filter| filter.output_frames_max())];
        Ok(Self { from, to, filter, pending: Vec::new(), chunk_out, delay, frames_in: 0, frames_out: 0 })
    }

    /// Takes samples and appends those that are ready to `out`.
    ///
    /// # Errors
    /// `Processing` when the filter fails.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), AnalyseError> {
        self.frames_in += samples.len() as u64;
        let Some(filter) = &self.filter else {
            out.extend_from_slice(samples);
            return Ok(());
        };
        let chunk_in = filter.input_frames_next();
        self.pending.extend_from_slice(samples);
        let whole = self.pending.len() / chunk_in * chunk_in;
        for start in (0..whole).step_by(chunk_in) {
            self.run(start, chunk_in, out)?;
        }
        self.pending.drain(..whole);
        Ok(())
    }

    /// Appends what is left to `out`, so that it has the duration of what was taken, rounded up to a
    /// frame. The end: nothing may be pushed after it.
    ///
    /// # Errors
    /// `Processing` when the filter fails.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), AnalyseError> {
        if self.filter.is_none() {
            return Ok(());
        }
        let wanted = (self.frames_in * u64::from(self.to)).div_ceil(u64::from(self.from));
        let mut left = self.pending.len();
        while self.frames_out < wanted {
            let before = out.len();
            self.run(0, left, out)?;
            left = 0;
            self.pending.clear();
            let surplus = usize::try_from(self.frames_out.saturating_sub(wanted)).unwrap_or(0);
            out.truncate(out.len() - surplus.min(out.len() - before));
        }
        Ok(())
    }

    /// Filters one chunk of `pending` from `start`, of which `length` frames are there and the rest is
    /// silence.
    fn run(&mut self, start: usize, length: usize, out: &mut Vec<f32>) -> Result<(), AnalyseError> {
        let Some(filter) = &mut self.filter else { return Ok(()) };
        let input = &self.pending[start..start + length];
        let room = self.chunk_out.len();
        let input = InterleavedSlice::new(input, 1, length).map_err(AnalyseError::processing)?;
        let mut output = InterleavedSlice::new_mut(&mut self.chunk_out, 1, room).map_err(AnalyseError::processing)?;
        let indexing = Indexing::new().partial_len(length);
        let (_, produced) =
            filter.process_into_buffer(&input, &mut output, Some(&indexing)).map_err(AnalyseError::processing)?;
        let dropped = produced.min(self.delay);
        self.delay -= dropped;
        self.frames_out += (produced - dropped) as u64;
        out.extend_from_slice(&self.chunk_out[dropped..produced]);
        Ok(())
    }
}

/// A filter whose steps are a power of two times the smallest whole ratio of the rates: such transforms
/// are fast for the usual rates, and the delay is a whole number of frames.
fn filter(from: usize, to: usize) -> Result<Fft<f32>, AnalyseError> {
    let unit = from / gcd(from, to).max(1);
    let chunk = unit * CHUNK.div_ceil(unit.max(1)).next_power_of_two().max(2);
    Fft::new_custom(from, to, chunk, 1, 1, WindowFunction::BlackmanHarris2, FixedSync::Both)
        .map_err(AnalyseError::processing)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Resamples a whole mono signal of 16-bit samples.
///
/// # Errors
/// As [`Resampler`].
pub fn resample_i16(samples: &[i16], from: u32, to: u32) -> Result<Vec<i16>, AnalyseError> {
    let mut resampler = Resampler::new(from, to)?;
    let mut out = Vec::new();
    let mut block = Vec::with_capacity(CHUNK);
    for chunk in samples.chunks(CHUNK) {
        block.clear();
        block.extend(chunk.iter().map(|sample| f32::from(*sample) / 32_768.0));
        resampler.push(&block, &mut out)?;
    }
    resampler.finish(&mut out)?;
    Ok(out.into_iter().map(to_i16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f32, rate: u32, frames: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * hertz / rate as f32;
        (0..frames).map(|frame| 0.5 * (step * frame as f32).sin()).collect()
    }

    /// Feeds blocks of changing size.
    fn resample(samples: &[f32], from: u32) -> Vec<f32> {
        let mut resampler = Resampler::new(from, SPEECH_RATE_HZ).unwrap();
        let mut out = Vec::new();
        let mut rest = samples;
        for size in (1..=7).cycle().map(|step| step * 331) {
            let (block, after) = rest.split_at(size.min(rest.len()));
            resampler.push(block, &mut out).unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_phase_and_length() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 47_999, 48_000, 192_000] {
            let frames = rate as usize * 6 / 5;
            let out = resample(&sine(400.0, rate, frames), rate);
            assert_eq!(out.len(), (frames * 16_000).div_ceil(rate as usize), "{rate} Hz");
            let wanted = sine(400.0, SPEECH_RATE_HZ, out.len());
            let worst = out.iter().zip(&wanted).skip(1600).take(16_000).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 0.002, "{rate} Hz: off by {worst}");
        }
    }

    #[test]
    fn what_cannot_be_represented_is_filtered_out() {
        let out = resample(&sine(11_000.0, 48_000, 48_000), 48_000);
        let worst = out[1600..14_400].iter().fold(0.0_f32, |worst, sample| worst.max(sample.abs()));
        assert!(worst < 0.001, "{worst}");
    }

    #[test]
    fn shorter_than_one_chunk_still_comes_out_whole() {
        assert_eq!(resample(&sine(400.0, 44_100, 441), 44_100).len(), 160);
        assert_eq!(resample_i16(&[7; 10], 8_000, 8_000).unwrap(), [7; 10]);
        assert!(Resampler::new(0, 16_000).is_err());
    }

    #[test]
    fn channels_are_averaged_and_samples_saturate() {
        let mut mono = vec![9.0];
        downmix(&[1.0, 0.0, -0.5, 0.5], 2, &mut mono);
        assert_eq!(mono, [0.5, 0.0]);
        assert_eq!([2.0, 1.0, -1.0, 0.5, f32::NAN].map(to_i16), [32_767, 32_767, -32_768, 16_384, 0]);
    }
}
