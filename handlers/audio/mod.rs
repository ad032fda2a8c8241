//! Recordings: what they are, what they sound like, and the forms that others need.
//!
//! One pass over the bytes, in bounded memory and time: [`sniff`] the container → [`Decoder`] → at the
//! recording's own rate [`ProgrammeMeter`] and [`Peaks`] →
//! averaged and [resampled](resample) to 16 kHz → [`SpeechMeter`], the samples
//! for recognition, and a small Ogg/Opus [rendition]. Pure and synchronous: callers run it on a
//! blocking thread. The bytes come from strangers, so every stage is capped by [`Limits`], a panic of a
//! parser is a rejection like any other, and every reason has a code and a sentence ([`Rejection`]).

mod decode;
mod limits;
pub mod measure;
mod quality;
mod rejection;
pub mod rendition;
pub mod resample;
mod sniff;
mod source;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
pub mod wav;
pub mod waveform;

pub use decode::{Block, Codec, Decoder, Spec};
pub use limits::Limits;
pub use measure::Measurements;
pub use quality::Quality;
pub use rejection::{AnalyseError, Rejection};
pub use rendition::encode_opus;
pub use resample::{SPEECH_RATE_HZ, to_i16};
pub use sniff::{Container, Sniffed, sniff};
pub use source::Source;
pub use waveform::Waveform;

use measure::{ProgrammeMeter, SpeechMeter};
use rendition::OpusStream;
use resample::{Resampler, downmix};
use waveform::Peaks;

use crate::panics;

/// All that one pass over a recording gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// The container found.
    pub container: Container,
    /// The codec found.
    pub codec: Codec,
    /// The figures.
    pub measurements: Measurements,
    /// The verdict on them.
    pub quality: Quality,
    /// The peaks.
    pub waveform: Waveform,
    /// Mono samples at [`SPEECH_RATE_HZ`], for recognition.
    pub speech: Vec<i16>,
    /// An Ogg/Opus file to listen to, of type [`rendition::MEDIA_TYPE`].
    pub rendition: Vec<u8>,
}

/// Analyses the recording that `source` holds from its start to its end.
///
/// # Errors
/// `Rejected` with the reason; `Unreadable` when `source` itself fails; `Processing` when a signal
/// processing library does.
pub fn analyse<S: Source>(source: S, limits: &Limits) -> Result<Analysis, AnalyseError> {
    match panics::catch(|| analyse_unguarded(source, limits)) {
        Ok(outcome) => outcome,
        Err(panic) => Err(Rejection::corrupt(format!("panic: {panic}")).into()),
    }
}

fn analyse_unguarded<S: Source>(source: S, limits: &Limits) -> Result<Analysis, AnalyseError> {
    let mut decoder = Decoder::open(source, limits)?;
    let (container, codec) = (decoder.container(), decoder.codec());
    let mut pipeline = None;
    while let Some(block) = decoder.next_block()? {
        let running = match &mut pipeline {
            Some(running) => running,
            None => pipeline.insert(Pipeline::new(block.spec)?),
        };
        running.push(&block)?;
    }
    let pipeline = pipeline.ok_or_else(|| limits.too_short())?;
    pipeline.finish(container, codec, limits)
}

/// The stages behind the decoder.
struct Pipeline {
    programme: ProgrammeMeter,
    peaks: Peaks,
    resampler: Resampler,
    speech_meter: SpeechMeter,
    opus: OpusStream,
    speech: Vec<i16>,
    mono: Vec<f32>,
    resampled: Vec<f32>,
}

impl Pipeline {
    fn new(spec: Spec) -> Result<Self, AnalyseError> {
        Ok(Self {
            programme: ProgrammeMeter::new(spec)?,
            peaks: Peaks::new(spec.sample_rate_hz),
            resampler: Resampler::new(spec.sample_rate_hz, SPEECH_RATE_HZ)?,
            speech_meter: SpeechMeter::default(),
            opus: OpusStream::new(SPEECH_RATE_HZ)?,
            speech: Vec::new(),
            mono: Vec::new(),
            resampled: Vec::new(),
        })
    }

    fn push(&mut self, block: &Block<'_>) -> Result<(), AnalyseError> {
        self.programme.push(block)?;
        downmix(block.samples, block.spec.channels, &mut self.mono);
        self.peaks.push(&self.mono);
        self.resampler.push(&self.mono, &mut self.resampled)?;
        self.take_resampled()
    }

    fn take_resampled(&mut self) -> Result<(), AnalyseError> {
        let start = self.speech.len();
        self.speech.extend(self.resampled.drain(..).map(to_i16));
        let fresh = &self.speech[start..];
        self.speech_meter.push(fresh);
        self.opus.push(fresh)
    }

    fn finish(mut self, container: Container, codec: Codec, limits: &Limits) -> Result<Analysis, AnalyseError> {
        if u128::from(self.programme.duration_ms()) < limits.min_duration.as_millis() {
            return Err(limits.too_short().into());
        }
        self.resampler.finish(&mut self.resampled)?;
        self.take_resampled()?;
        if self.speech_meter.is_silent() {
            return Err(Rejection::Silent.into());
        }
        let measurements = self.programme.finish(&self.speech_meter)?;
        let quality = Quality::of(&measurements);
        Ok(Analysis {
            container,
            codec,
            measurements,
            quality,
            waveform: self.peaks.finish(),
            speech: self.speech,
            rendition: self.opus.finish()?,
        })
    }
}
