//! From a recording to what was said in it: the part that a job and a request in a hurry share.

use std::time::Duration;

use super::model::Recognition;
use crate::audio::{self, AnalyseError, Analysis, Limits, Rejection, SPEECH_RATE_HZ, Source};
use crate::error::{Error, Result};
use crate::ports::PortErrorKind;
use crate::ports::speech::Pcm;
use crate::state::AppState;
use crate::types::Language;

/// How long recognition may take, whatever the length of the recording.
const RECOGNITION_BASE_LIMIT: Duration = Duration::from_secs(10);

/// Analyses a recording off the async threads, a few at a time.
///
/// # Errors
/// The outer one when the recording cannot be read now (try again), the inner one when it cannot be
/// used.
pub async fn analyse(
    state: &AppState,
    source: impl Source + 'static,
    limits: Limits,
) -> Result<Result<Analysis, Rejection>> {
    let slot = state.voice_slots.clone().acquire_owned().await.map_err(Error::internal)?;
    let analysed = AppState::blocking(move || {
        let _slot = slot;
        audio::analyse(source, &limits)
    })
    .await?;
    match analysed {
        Ok(analysis) => Ok(Ok(analysis)),
        Err(AnalyseError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(other) => Err(Error::internal(other)),
    }
}

/// What comes of recognition.
pub enum Recognised {
    /// Also when there was nothing to hear, or no engine to hear it: then it says so.
    Done(Recognition),
    /// The engine has no room now; says nothing about the recording.
    Busy(Error),
    /// The engine broke down; another try may work.
    Failed(Error),
}

/// Recognises 16 kHz speech.
pub async fn recognise(state: &AppState, speech: Vec<i16>, language: Option<Language>) -> Recognised {
    let status = state.speech.recogniser();
    let nothing = |problem: String| Recognition {
        engine: status.engine.clone(),
        transcript: None,
        language: language.unwrap_or_default(),
        confidence: 0.0,
        segments: Vec::new(),
        problem: Some(problem),
    };
    if let (false, Some(advice)) = (status.available, &status.advice) {
        return Recognised::Done(nothing(advice.clone()));
    }
    // Engines hear several times faster than people speak. 46 s for the longest recording leave room within
    // the time that a request may take, and one that hangs over a short one is told soon.
    let length = Duration::from_secs_f64(speech.len() as f64 / f64::from(SPEECH_RATE_HZ));
    let time_limit = RECOGNITION_BASE_LIMIT + length.mul_f64(0.3);
    let audio = Pcm { sample_rate_hz: SPEECH_RATE_HZ, samples: speech };
    match state.speech.transcribe(audio, language, time_limit).await {
        Ok(transcript) => Recognised::Done(Recognition {
            engine: transcript.engine,
            problem: transcript.text.is_empty().then(|| "No words were heard.".to_owned()),
            transcript: Some(transcript.text).filter(|text| !text.is_empty()),
            language: transcript.language,
            confidence: transcript.confidence,
            segments: transcript.segments,
        }),
        Err(error) => match error.kind() {
            // The engine tells in words for people which language or length it cannot do.
            PortErrorKind::InvalidRequest | PortErrorKind::TooLarge => Recognised::Done(nothing(error.to_string())),
            PortErrorKind::Throttled => Recognised::Busy(error.into()),
            _ => Recognised::Failed(error.into()),
        },
    }
}
