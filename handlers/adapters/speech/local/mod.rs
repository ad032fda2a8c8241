//! Speech without a cloud: PocketSphinx hears English commands, espeak-ng reads answers out, each as a
//! process per call that is limited in time, output and memory (`command`).
//!
//! ```text
//! transcribe: pieces of at most 30 s, noise laid under (front_end) -> recogniser -> confidence (recogniser)
//!             with files made at the first call (model_files: language_model, dictionary, pronunciations.txt)
//! synthesise: text made harmless (synthesiser) -> espeak-ng with a voice (voices) -> samples
//! ```
//! Any other recogniser can take PocketSphinx's place by a command line in the settings; the protocol is
//! told in `recogniser`. At most one recogniser runs per processor; a call that finds all of them busy waits
//! for up to half its time limit, then answers `Throttled`.

mod command;
mod dictionary;
mod front_end;
mod language_model;
mod model_files;
mod recogniser;
mod synthesiser;
#[cfg(test)]
mod tests;
mod voices;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::timeout;

pub use command::CommandLine;
pub use model_files::Corpus;

use crate::audio::wav;
use crate::ports::speech::{EngineStatus, Pcm, Segment, Speech, Transcript, UNSURE_BELOW, Voice};
use crate::ports::{PortError, PortErrorKind, PortResult};
use crate::types::Language;
use command::{Input, Limits, run};
use front_end::{LONGEST_SAMPLES, Piece, SAMPLE_RATE_HZ};
use model_files::ModelFiles;
use recogniser::{AcousticModel, Recording};

/// The share of explained speech (see `recogniser`) below which it was probably no command to a shop:
/// measured, 93 % of commands lie above it and 89 % of other speech below.
const UNSURE_SHARE: f32 = 0.45;

/// Placeholders of files that only exist once the language model has been made.
const MODEL_PLACEHOLDERS: [&str; 4] = ["{hmm}", "{lm}", "{dict}", "{fillers}"];

/// What the local engine is made of.
#[derive(Clone, Debug)]
pub struct LocalSpeechSettings {
    /// The recogniser, with the placeholders that `recogniser` documents; PocketSphinx 5 when absent.
    pub recogniser: Option<CommandLine>,
    /// The synthesiser, with `{voice}` (as espeak-ng's `-v`) and `{pitch}` (0 to 99) in its arguments: text
    /// comes in through standard input, a WAV stream goes out. espeak-ng when absent.
    pub synthesiser: Option<CommandLine>,
    /// The directory that holds PocketSphinx's `en-us/`; where the program was installed when absent.
    pub model_dir: Option<PathBuf>,
    /// Where the language model and temporary files may be written; made when needed.
    pub work_dir: PathBuf,
    /// Where programs are found that are given by name only: the value of `PATH`.
    pub search_path: OsString,
}

/// The local engine; cheap to make: programs are looked up, nothing is run or read.
pub struct LocalSpeech {
    recogniser: Result<Recogniser, Missing>,
    synthesiser: Result<CommandLine, Missing>,
    work_dir: PathBuf,
    search_path: OsString,
    corpus: Corpus,
    running: Semaphore,
}

/// A recogniser that can be called.
struct Recogniser {
    command: CommandLine,
    engine: String,
    /// Whether it is ours to tune: PocketSphinx as we call it.
    is_default: bool,
    /// Absent for a command that needs no files of ours.
    acoustic: Option<AcousticModel>,
    files: OnceCell<ModelFiles>,
}

/// An engine that is not there, and what to do about it.
struct Missing {
    engine: String,
    advice: String,
}

impl Missing {
    fn error(&self) -> PortError {
        PortError::unavailable(format!("{} is missing: {}", self.engine, self.advice))
    }
}

impl LocalSpeech {
    /// Looks the programs up along the search path. A missing one is no error here: its status says so.
    pub fn discover(settings: LocalSpeechSettings, corpus: Corpus) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            recogniser: discover_recogniser(&settings),
            synthesiser: discover_synthesiser(&settings),
            work_dir: settings.work_dir,
            search_path: settings.search_path,
            corpus,
            running: Semaphore::new(processors),
        }
    }

    /// Makes the files of the recogniser now rather than at the first recognition; a second of work the
    /// first time, little afterwards. Nothing to do for a missing engine or one that needs no files.
    pub async fn prepare(&self) -> PortResult<()> {
        if let Ok(recogniser) = &self.recogniser
            && let Some(acoustic) = &recogniser.acoustic
        {
            self.model_files(recogniser, acoustic).await?;
        }
        Ok(())
    }

    /// A place among the running recognisers.
    async fn place(&self, patience: Duration) -> PortResult<SemaphorePermit<'_>> {
        let busy = || {
            PortError::new(PortErrorKind::Throttled, "all recognisers are busy")
                .with_retry_after(Duration::from_secs(1))
        };
        match timeout(patience, self.running.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }

    /// The files of the language model, made at the first call.
    async fn model_files<'a>(
        &self,
        recogniser: &'a Recogniser,
        acoustic: &AcousticModel,
    ) -> PortResult<&'a ModelFiles> {
        let prepare = async || {
            let (work_dir, cmudict, corpus) = (self.work_dir.clone(), acoustic.cmudict.clone(), self.corpus);
            blocking(move || ModelFiles::prepare(&work_dir, &cmudict, corpus)).await?
        };
        recogniser.files.get_or_try_init(prepare).await
    }

    /// Recognises one piece before `deadline`.
    async fn recognise(&self, recogniser: &Recogniser, piece: Piece, deadline: Instant) -> PortResult<Option<Segment>> {
        let model = match &recogniser.acoustic {
            Some(acoustic) => Some((acoustic, self.model_files(recogniser, acoustic).await?)),
            None => None,
        };
        let offset = Duration::from_secs_f64(piece.offset as f64 / f64::from(SAMPLE_RATE_HZ));
        let (work_dir, named) = (self.work_dir.clone(), recogniser.command.mentions("{wav}"));
        let recording = blocking(move || {
            Recording::write(&work_dir, &wav::write(&piece.pcm.samples, piece.pcm.sample_rate_hz), named)
        })
        .await?
        .map_err(|cause| PortError::unavailable("cannot keep the recording").with_source(cause))?;
        // The guard of a named recording lives until the program has ended.
        let (input, _guard, name) = match recording {
            Recording::Open(file) => (Input::File(file), None, String::new()),
            Recording::Named(file) => {
                let name = file.0.to_string_lossy().into_owned();
                (Input::Nothing, Some(file), name)
            }
        };
        let limits = Limits {
            time: deadline.saturating_duration_since(Instant::now()),
            output_bytes: recogniser::OUTPUT_BYTES,
            memory_mib: recogniser::MEMORY_MIB,
        };
        let command = recogniser::filled(&recogniser.command, model, &name);
        recogniser::read_answer(&run(&command, input, &self.search_path, limits).await?, offset)
    }

    /// Recognises a whole recording before `deadline`.
    async fn transcribe_before(
        &self,
        recogniser: &Recogniser,
        audio: Pcm,
        deadline: Instant,
    ) -> PortResult<Transcript> {
        let tuned = recogniser.is_default;
        let pieces = blocking(move || {
            let mut pieces = front_end::pieces(&audio.samples);
            pieces.iter_mut().filter(|_| tuned).for_each(|piece| front_end::lay_noise_under(&mut piece.pcm));
            pieces
        })
        .await?;
        let mut segments = Vec::with_capacity(pieces.len());
        if !pieces.is_empty() {
            let _place = self.place(deadline.saturating_duration_since(Instant::now()) / 2).await?;
            for piece in pieces {
                segments.extend(self.recognise(recogniser, piece, deadline).await?);
            }
        }
        Ok(Transcript {
            text: segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" "),
            language: Language::English,
            confidence: match overall_confidence(&segments) {
                share if tuned => calibrated(share),
                stated => stated,
            },
            segments,
            engine: recogniser.engine.clone(),
        })
    }
}

/// Does what takes the processor or the disk away from the threads that serve requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> PortResult<T> {
    let broken = |cause: tokio::task::JoinError| PortError::unavailable("preparing speech failed").with_source(cause);
    tokio::task::spawn_blocking(work).await.map_err(broken)
}

fn discover_recogniser(settings: &LocalSpeechSettings) -> Result<Recogniser, Missing> {
    let wanted = settings.recogniser.clone().unwrap_or_else(recogniser::pocketsphinx);
    let engine = wanted.name();
    let missing = |advice: String| Missing { engine: engine.clone(), advice };
    let Some(command) = wanted.found(&settings.search_path) else {
        return Err(missing(match settings.recogniser {
            Some(_) => format!("no executable file {}; correct the recogniser's command", wanted.program.display()),
            None => {
                "install PocketSphinx 5.1 with tests/install.sh, or build it from the source package of PyPI".into()
            }
        }));
    };
    let needs_model = MODEL_PLACEHOLDERS.iter().any(|placeholder| command.mentions(placeholder));
    let acoustic = AcousticModel::find(settings.model_dir.as_deref(), &command.program);
    if needs_model && acoustic.is_none() {
        return Err(missing(
            "its English model (en-us/en-us and en-us/cmudict-en-us.dict) is not in the model directory; install \
             PocketSphinx 5.1 with tests/install.sh or name the directory in the settings"
                .into(),
        ));
    }
    let is_default = settings.recogniser.is_none();
    Ok(Recogniser { command, engine, is_default, acoustic: acoustic.filter(|_| needs_model), files: OnceCell::new() })
}

fn discover_synthesiser(settings: &LocalSpeechSettings) -> Result<CommandLine, Missing> {
    let wanted = settings.synthesiser.clone().unwrap_or_else(synthesiser::espeak_ng);
    wanted.found(&settings.search_path).ok_or_else(|| Missing {
        engine: wanted.name(),
        advice: "install the package espeak-ng (tests/install.sh does), or correct the synthesiser's command".into(),
    })
}

/// The mean over the segments, weighed by their length; 0 when nothing was heard.
fn overall_confidence(segments: &[Segment]) -> f32 {
    let length = |segment: &Segment| segment.end_ms.saturating_sub(segment.start_ms).max(1) as f32;
    let total: f32 = segments.iter().map(length).sum();
    if total == 0.0 {
        return 0.0;
    }
    segments.iter().map(|segment| segment.confidence * length(segment)).sum::<f32>() / total
}

/// The share of explained speech on the port's scale, where [`UNSURE_BELOW`] parts the sure from the unsure.
fn calibrated(share: f32) -> f32 {
    if share < UNSURE_SHARE {
        share / UNSURE_SHARE * UNSURE_BELOW
    } else {
        UNSURE_BELOW + (share - UNSURE_SHARE) / (1.0 - UNSURE_SHARE) * (1.0 - UNSURE_BELOW)
    }
}

fn status(engine: &str, missing: Option<&Missing>) -> EngineStatus {
    EngineStatus {
        engine: engine.to_owned(),
        available: missing.is_none(),
        advice: missing.map(|missing| missing.advice.clone()),
    }
}

#[async_trait]
impl Speech for LocalSpeech {
    fn recogniser(&self) -> EngineStatus {
        match &self.recogniser {
            Ok(recogniser) => status(&recogniser.engine, None),
            Err(missing) => status(&missing.engine, Some(missing)),
        }
    }

    fn synthesiser(&self) -> EngineStatus {
        match &self.synthesiser {
            Ok(command) => status(&command.name(), None),
            Err(missing) => status(&missing.engine, Some(missing)),
        }
    }

    /// English only. At most ten minutes of sound (`TooLarge`); silence gives an empty text with a
    /// confidence of 0; `Throttled` when all processors are busy with recognition.
    async fn transcribe(&self, audio: Pcm, language: Option<Language>, time_limit: Duration) -> PortResult<Transcript> {
        let recogniser = self.recogniser.as_ref().map_err(Missing::error)?;
        if let Some(language @ (Language::Hindi | Language::Telugu)) = language {
            return Err(PortError::invalid(format!(
                "{} understands English only; speech in {language} needs a cloud engine",
                recogniser.engine
            )));
        }
        if audio.sample_rate_hz != SAMPLE_RATE_HZ {
            return Err(PortError::invalid(format!("expected {SAMPLE_RATE_HZ} Hz, not {}", audio.sample_rate_hz)));
        }
        if audio.samples.len() > LONGEST_SAMPLES {
            return Err(PortError::new(PortErrorKind::TooLarge, "the recording is longer than ten minutes"));
        }
        let deadline = Instant::now() + time_limit;
        let late = |_| PortError::new(PortErrorKind::TimedOut, format!("recognition took longer than {time_limit:?}"));
        timeout(time_limit, self.transcribe_before(recogniser, audio, deadline)).await.map_err(late)?
    }

    async fn synthesise(&self, text: &str, voice: &str, time_limit: Duration) -> PortResult<Pcm> {
        let command = self.synthesiser.as_ref().map_err(Missing::error)?;
        let voice = voices::find(voice).ok_or_else(|| PortError::not_found(format!("there is no voice {voice:?}")))?;
        let text = synthesiser::readable(text)?;
        let limits =
            Limits { time: time_limit, output_bytes: synthesiser::OUTPUT_BYTES, memory_mib: synthesiser::MEMORY_MIB };
        let command = synthesiser::filled(command, voice);
        let _place = self.place(time_limit / 2).await?;
        let sound = run(&command, Input::Bytes(text.into_bytes()), &self.search_path, limits).await?;
        let sound = wav::parse(&sound)
            .map_err(|cause| PortError::corrupt("the synthesiser gave no WAVE file").with_source(cause))?;
        if sound.channels != 1 {
            return Err(PortError::corrupt("the synthesiser gave more than one channel"));
        }
        Ok(Pcm { sample_rate_hz: sound.sample_rate_hz, samples: sound.samples })
    }

    async fn voices(&self) -> PortResult<Vec<Voice>> {
        if self.synthesiser.is_err() {
            return Ok(Vec::new());
        }
        Ok(voices::VOICES.iter().map(voices::LocalVoice::describe).collect())
    }
}
