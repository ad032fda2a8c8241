//! What a recording sounds like, in figures.
//!
//! Loudness and true peak follow ITU-R BS.1770 and EBU R 128 (gated, -70 LUFS and -10 LU), all other
//! levels are decibels relative to a full-scale square wave. Works on blocks as they come; nothing
//! grows with the duration but the loudness gate's list, eight bytes per 100 ms.

use earshot::Detector;
use ebur128::{EbuR128, Mode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::decode::{Block, Spec};
use super::rejection::AnalyseError;
use super::resample::SPEECH_RATE_HZ;

/// The figures of one recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Measurements {
    /// Duration in milliseconds, counted in decoded samples.
    pub duration_ms: u64,
    /// Sample rate of the decoded audio, in hertz.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: u32,
    /// Integrated loudness in LUFS; none when nothing passes the gate of -70 LUFS or the recording is
    /// shorter than 400 ms.
    pub loudness_lufs: Option<f64>,
    /// True peak of the loudest channel in dBTP; none for digital silence.
    pub true_peak_dbtp: Option<f64>,
    /// Share of samples that stand at full scale in runs of three or more, from 0 to 1.
    pub clipped_ratio: f64,
    /// Share of the time in which somebody speaks, from 0 to 1.
    pub speech_ratio: f64,
    /// Level of the loud parts in dBFS: 95 % of all 20 ms frames are quieter.
    pub speech_level_dbfs: f64,
    /// Level of the pauses in dBFS: 10 % of all 20 ms frames are quieter. Not below -120.
    pub noise_floor_dbfs: f64,
}

impl Measurements {
    /// How far the loud parts stand out from the pauses, in decibels.
    pub fn dynamic_range_db(&self) -> f64 {
        self.speech_level_dbfs - self.noise_floor_dbfs
    }

    /// The time in which somebody speaks, in milliseconds.
    pub fn speech_ms(&self) -> f64 {
        self.duration_ms as f64 * self.speech_ratio
    }
}

/// A sample at or beyond this is at full scale; 16-bit maximum is 0.99997.
const FULL_SCALE: f32 = 0.999;
/// Consecutive samples at full scale that make a clip.
const CLIP_RUN: u64 = 3;

/// Gathers the figures that need the recording's own channels and sample rate.
pub struct ProgrammeMeter {
    spec: Spec,
    loudness: EbuR128,
    clip_runs: Vec<u64>,
    clipped: u64,
    samples: u64,
}

impl ProgrammeMeter {
    /// Starts for audio of `spec`.
    ///
    /// # Errors
    /// `Processing` for a sample rate or channel count beyond the library's (2.8 MHz, 64).
    pub fn new(spec: Spec) -> Result<Self, AnalyseError> {
        let loudness = EbuR128::new(spec.channels, spec.sample_rate_hz, Mode::I | Mode::TRUE_PEAK)
            .map_err(AnalyseError::processing)?;
        Ok(Self { spec, loudness, clip_runs: vec![0; spec.channels as usize], clipped: 0, samples: 0 })
    }

    /// Takes a block.
    ///
    /// # Errors
    /// `Processing` when the loudness meter fails.
    pub fn push(&mut self, block: &Block<'_>) -> Result<(), AnalyseError> {
        self.loudness.add_frames_f32(block.samples).map_err(AnalyseError::processing)?;
        self.samples += block.samples.len() as u64;
        for frame in block.samples.chunks_exact(self.clip_runs.len()) {
            for (sample, run) in frame.iter().zip(&mut self.clip_runs) {
                *run = if sample.abs() >= FULL_SCALE { *run + 1 } else { 0 };
                self.clipped += match *run {
                    CLIP_RUN => CLIP_RUN,
                    more if more > CLIP_RUN => 1,
                    _ => 0,
                };
            }
        }
        Ok(())
    }

    /// The duration so far, in milliseconds, rounded to the nearest.
    pub fn duration_ms(&self) -> u64 {
        let rate = u64::from(self.spec.sample_rate_hz);
        (self.samples / u64::from(self.spec.channels) * 1000 + rate / 2) / rate
    }

    /// Puts the figures together with those of the same recording as 16 kHz mono.
    ///
    /// # Errors
    /// `Processing` when the loudness meter fails.
    pub fn finish(self, speech: &SpeechMeter) -> Result<Measurements, AnalyseError> {
        let loudness = self.loudness.loudness_global().map_err(AnalyseError::processing)?;
        let mut peak = 0.0_f64;
        for channel in 0..self.spec.channels {
            peak = peak.max(self.loudness.true_peak(channel).map_err(AnalyseError::processing)?);
        }
        Ok(Measurements {
            duration_ms: self.duration_ms(),
            sample_rate_hz: self.spec.sample_rate_hz,
            channels: self.spec.channels,
            loudness_lufs: loudness.is_finite().then_some(loudness),
            true_peak_dbtp: (peak > 0.0).then(|| 20.0 * peak.log10()),
            clipped_ratio: self.clipped as f64 / self.samples.max(1) as f64,
            speech_ratio: speech.speech_ratio(),
            speech_level_dbfs: speech.levels.percentile(0.95),
            noise_floor_dbfs: speech.levels.percentile(0.10),
        })
    }
}

/// Frame of the voice detector: 16 ms.
const VOICE_FRAME: usize = 256;
/// Scores from here on are speech, as the detector's makers advise.
const VOICE_SCORE: f32 = 0.5;
/// Frame of the levels: 20 ms.
const LEVEL_FRAME: usize = SPEECH_RATE_HZ as usize / 50;
/// A recording none of whose 20 ms frames is as loud as this is silent, in dBFS: far below speech in
/// the farthest corner of a room, above the noise of a muted converter.
const SILENCE_DBFS: f64 = -60.0;

/// Gathers the figures of the 16 kHz mono signal: voice activity and levels.
pub struct SpeechMeter {
    detector: Box<Detector>,
    voice_pending: Vec<i16>,
    voice_frames: u64,
    frames: u64,
    level_pending: Vec<i16>,
    levels: Levels,
}

impl Default for SpeechMeter {
    fn default() -> Self {
        Self {
            detector: Box::default(),
            voice_pending: Vec::with_capacity(VOICE_FRAME),
            voice_frames: 0,
            frames: 0,
            level_pending: Vec::with_capacity(LEVEL_FRAME),
            levels: Levels::default(),
        }
    }
}

impl SpeechMeter {
    /// Takes samples at 16 kHz.
    pub fn push(&mut self, samples: &[i16]) {
        in_frames(&mut self.voice_pending, samples, VOICE_FRAME, |frame| {
            self.frames += 1;
            self.voice_frames += u64::from(self.detector.predict_i16(frame) >= VOICE_SCORE);
        });
        in_frames(&mut self.level_pending, samples, LEVEL_FRAME, |frame| self.levels.add(frame));
    }

    /// Whether nothing in it can be heard.
    pub fn is_silent(&self) -> bool {
        self.levels.loudest < SILENCE_DBFS
    }

    fn speech_ratio(&self) -> f64 {
        self.voice_frames as f64 / self.frames.max(1) as f64
    }
}

/// Cuts a stream into frames of `size`; `pending` keeps the unfinished one between calls.
fn in_frames(pending: &mut Vec<i16>, mut samples: &[i16], size: usize, mut each: impl FnMut(&[i16])) {
    while !samples.is_empty() {
        let (taken, rest) = samples.split_at(samples.len().min(size - pending.len()));
        pending.extend_from_slice(taken);
        samples = rest;
        if pending.len() == size {
            each(pending);
            pending.clear();
        }
    }
}

/// The lowest level told apart, in dBFS.
const FLOOR_DBFS: f64 = -120.0;
const BINS_PER_DB: f64 = 4.0;

/// A histogram of frame levels in quarters of a decibel.
struct Levels {
    bins: [u64; (-FLOOR_DBFS * BINS_PER_DB) as usize + 1],
    loudest: f64,
}

impl Default for Levels {
    fn default() -> Self {
        Self { bins: [0; _], loudest: FLOOR_DBFS }
    }
}

impl Levels {
    fn add(&mut self, frame: &[i16]) {
        let energy: f64 = frame.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum();
        let level = (10.0 * (energy / frame.len() as f64).log10()).clamp(FLOOR_DBFS, 0.0);
        self.loudest = self.loudest.max(level);
        self.bins[((level - FLOOR_DBFS) * BINS_PER_DB).round() as usize] += 1;
    }

    /// The level below which a share of all frames lies, in dBFS.
    fn percentile(&self, share: f64) -> f64 {
        let frames: u64 = self.bins.iter().sum();
        let wanted = (frames as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let bin = self.bins.iter().position(|count| {
            below += count;
            below >= wanted
        });
        bin.map_or(FLOOR_DBFS, |bin| FLOOR_DBFS + bin as f64 / BINS_PER_DB)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{from_db, tone};
    use super::*;

    /// Plays stretches of a stereo tone of 997 Hz at 48 kHz, given as level in dBFS and seconds.
    fn loudness_of(stretches: &[(f64, f64)]) -> Measurements {
        let spec = Spec { sample_rate_hz: 48_000, channels: 2 };
        let mut meter = ProgrammeMeter::new(spec).unwrap();
        for (level, seconds) in stretches {
            let mono = tone(997.0, from_db(*level), 48_000, (seconds * 48_000.0) as usize);
            let stereo: Vec<f32> = mono.iter().flat_map(|sample| [*sample, *sample]).collect();
            meter.push(&Block { spec, samples: &stereo }).unwrap();
        }
        meter.finish(&SpeechMeter::default()).unwrap()
    }

    /// EBU Tech 3341 (2023), table 1, minimum requirements test signals 1 to 5: ±0.1 LU.
    #[test]
    fn integrated_loudness_meets_ebu_tech_3341() {
        let cases: [(&[(f64, f64)], f64); 5] = [
            (&[(-23.0, 20.0)], -23.0),
            (&[(-33.0, 20.0)], -33.0),
            (&[(-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0)], -23.0),
            (&[(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)], -23.0),
            (&[(-26.0, 20.0), (-20.0, 20.1), (-26.0, 20.0)], -23.0),
        ];
        for (stretches, wanted) in cases {
            let loudness = loudness_of(stretches).loudness_lufs.unwrap();
            assert!((loudness - wanted).abs() <= 0.1, "{stretches:?}: {loudness}");
        }
    }

    #[test]
    fn one_channel_is_three_decibels_below_two() {
        // BS.1770-5: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LKFS.
        let spec = Spec { sample_rate_hz: 48_000, channels: 1 };
        let mut meter = ProgrammeMeter::new(spec).unwrap();
        meter.push(&Block { spec, samples: &tone(997.0, 1.0, 48_000, 96_000) }).unwrap();
        let loudness = meter.finish(&SpeechMeter::default()).unwrap().loudness_lufs.unwrap();
        assert!((loudness + 3.01).abs() < 0.05, "{loudness}");
    }

    /// EBU Tech 3341, true-peak test signal 15: a quarter of the sample rate, 45 degrees off, so that no
    /// sample meets the peak of -6 dBTP; +0.2/-0.4 dB.
    #[test]
    fn true_peak_is_found_between_samples() {
        let spec = Spec { sample_rate_hz: 48_000, channels: 1 };
        let samples: Vec<f32> = (0..48_000_u32)
            .map(|n| 0.5 * (std::f32::consts::FRAC_PI_2 * (n % 4) as f32 + std::f32::consts::FRAC_PI_4).sin())
            .collect();
        let mut meter = ProgrammeMeter::new(spec).unwrap();
        meter.push(&Block { spec, samples: &samples }).unwrap();
        let peak = meter.finish(&SpeechMeter::default()).unwrap().true_peak_dbtp.unwrap();
        assert!((-6.4..=-5.8).contains(&peak), "{peak}");
    }

    #[test]
    fn silence_has_neither_loudness_nor_peak() {
        let spec = Spec { sample_rate_hz: 8_000, channels: 1 };
        let mut meter = ProgrammeMeter::new(spec).unwrap();
        meter.push(&Block { spec, samples: &[0.0; 8_000] }).unwrap();
        let mut speech = SpeechMeter::default();
        speech.push(&[0; 16_000]);
        assert!(speech.is_silent());
        let measured = meter.finish(&speech).unwrap();
        assert_eq!((measured.loudness_lufs, measured.true_peak_dbtp, measured.duration_ms), (None, None, 1000));
        assert_eq!((measured.noise_floor_dbfs, measured.speech_ratio), (FLOOR_DBFS, 0.0));
    }

    #[test]
    fn clipping_counts_runs_of_three_in_a_channel_across_blocks() {
        let spec = Spec { sample_rate_hz: 8_000, channels: 2 };
        let mut meter = ProgrammeMeter::new(spec).unwrap();
        // Left: two at full scale, a pause, four in a run over the border. Right: never.
        for left in [&[1.0, -1.0, 0.0, 1.0, 1.0][..], &[1.0, 1.0, 0.0, 0.0, 0.0]] {
            let samples: Vec<f32> = left.iter().flat_map(|sample| [*sample, 0.0]).collect();
            meter.push(&Block { spec, samples: &samples }).unwrap();
        }
        assert_eq!(meter.finish(&SpeechMeter::default()).unwrap().clipped_ratio, 4.0 / 20.0);
    }

    #[test]
    fn levels_are_those_of_the_loud_and_the_quiet_parts() {
        let mut meter = SpeechMeter::default();
        for _ in 0..10 {
            let loud = tone(500.0, from_db(-20.0), 16_000, 8_000);
            let quiet = tone(500.0, from_db(-70.0), 16_000, 8_000);
            for part in [loud, quiet] {
                let samples: Vec<i16> = part.into_iter().map(super::super::to_i16).collect();
                samples.chunks(777).for_each(|chunk| meter.push(chunk));
            }
        }
        // A sine's level is 3.01 dB below its peak.
        assert!((meter.levels.percentile(0.95) + 23.0).abs() < 0.3);
        assert!((meter.levels.percentile(0.10) + 73.0).abs() < 0.5);
        assert!(!meter.is_silent());
    }
}
