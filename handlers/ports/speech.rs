//! Speech to text and text to speech.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PortResult;
use crate::types::Language;

/// The confidence below which a transcript was probably not said; engines report on this scale.
pub const UNSURE_BELOW: f32 = 0.5;

/// What an engine made of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transcript {
    /// What was said; empty when the engine heard no words.
    pub text: String,
    pub language: Language,
    /// 0 to 1, how sure the engine is of the whole; see [`UNSURE_BELOW`].
    pub confidence: f32,
    pub segments: Vec<Segment>,
    /// The engine that answered, such as `pocketsphinx`.
    pub engine: String,
}

/// A stretch of speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Milliseconds from the beginning of the recording.
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
    pub confidence: f32,
}

/// A voice that can read a text out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Voice {
    /// Names the voice in requests.
    pub id: String,
    pub name: String,
    pub gender: VoiceGender,
    pub language: Language,
    pub engine: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VoiceGender {
    Female,
    Male,
    Neutral,
}

/// Sound with 16-bit samples of one channel.
#[derive(Clone, Debug)]
pub struct Pcm {
    pub sample_rate_hz: u32,
    pub samples: Vec<i16>,
}

/// Whether an engine can be used, and if not, what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngineStatus {
    pub engine: String,
    pub available: bool,
    /// What is missing and how to install or configure it; only when not available.
    pub advice: Option<String>,
}

/// An engine of speech. A missing engine answers `Unavailable` with the advice of its status.
#[async_trait]
pub trait Speech: Send + Sync {
    /// Whether recordings can be transcribed here.
    fn recogniser(&self) -> EngineStatus;

    /// Whether texts can be read out here.
    fn synthesiser(&self) -> EngineStatus;

    /// Transcribes sound of 16 kHz within `time_limit`; `TimedOut` past it. `language` is a wish: an
    /// engine without it answers `InvalidRequest`.
    async fn transcribe(&self, audio: Pcm, language: Option<Language>, time_limit: Duration) -> PortResult<Transcript>;

    /// Reads `text` (1 to 2000 characters, plain) with a voice of [`Speech::voices`]; `NotFound` for another voice.
    async fn synthesise(&self, text: &str, voice: &str, time_limit: Duration) -> PortResult<Pcm>;

    /// The voices, the default one of each language first; none when there is no synthesiser.
    async fn voices(&self) -> PortResult<Vec<Voice>>;
}
