//! The recogniser: a command that hears one piece of speech and prints one line of JSON.
//!
//! # The protocol
//! In the arguments of the command, `{lm}` stands for the file of our language model (ARPA), `{dict}` for
//! our pronouncing dictionary, `{fillers}` for the dictionary of garbage words, `{hmm}` for the directory
//! of the acoustic model and `{wav}` for the recording. Without `{wav}`, which is the default, standard input
//! is the recording: a file without a name, so nothing of a shopper's voice stays behind even when this
//! process is killed (a pipe would not do: PocketSphinx seeks). It is a WAV file of 16 kHz, 16 bits, one
//! channel, at most 30 s. The program answers on standard output:
//! ```json
//! {"t": "add two", "b": 0.0, "d": 1.2, "p": 0.4, "w": [{"t": "add", "b": 0.1, "d": 0.3, "p": 0.99}]}
//! ```
//! text, begin and duration in seconds, probability; the same per word in `w`, which may be missing. In
//! `w`, `<…>` and `[…]` are silence and noise, `++…++` is speech that is none of our words, and a
//! number in parentheses at the end of a word is the pronunciation that was heard.
//!
//! # Confidence
//! PocketSphinx's probability of the whole is the posterior of one path through its lattice: it falls with
//! every word that has a likely neighbour (`saree`, `sarees`), so it says little. Its probabilities of
//! words, with loose phones as competitors (`fillers`, at `-fillprob 1e-20`), say more: the confidence is
//! `Σ dᵢ pᵢ / Σ dⱼ`, over words above and words and loose phones below the line; that is, the share of the
//! speech that our words explain, each weighed by its posterior.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use ulid::Ulid;

use super::command::CommandLine;
use super::model_files::{ModelFiles, TEMPORARY_PREFIX};
use crate::ports::speech::Segment;
use crate::ports::{PortError, PortResult};

/// A JSON line of 30 s of speech is a few kilobytes.
pub(super) const OUTPUT_BYTES: usize = 256 * 1024;

/// PocketSphinx 5.1.1 needs 13 MiB; neural engines need more.
pub(super) const MEMORY_MIB: u64 = 4096;

/// What PocketSphinx is called with.
pub(super) fn pocketsphinx() -> CommandLine {
    let arguments = "-hmm {hmm} -lm {lm} -dict {dict} -fdict {fillers} -fillprob 1e-20 single -";
    CommandLine { program: "pocketsphinx".into(), arguments: arguments.split(' ').map(String::from).collect() }
}

/// Where the parts of PocketSphinx's English model stand below its model directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AcousticModel {
    pub hmm: PathBuf,
    pub cmudict: PathBuf,
}

impl AcousticModel {
    /// The model in `model_dir`, or else where the program's own installation keeps it; `None` when
    /// it is not there.
    pub(super) fn find(model_dir: Option<&Path>, program: &Path) -> Option<Self> {
        let installed = || Some(program.parent()?.parent()?.join("share/pocketsphinx/model"));
        let english = model_dir.map(Path::to_path_buf).or_else(installed)?.join("en-us");
        let model = Self { hmm: english.join("en-us"), cmudict: english.join("cmudict-en-us.dict") };
        (model.hmm.join("mdef").is_file() && model.cmudict.is_file()).then_some(model)
    }
}

/// A recording on disk for the one call that needs it.
#[derive(Debug)]
pub(super) enum Recording {
    /// To be handed over as standard input; already without a name.
    Open(File),
    /// To be handed over by name.
    Named(TemporaryFile),
}

/// A file that is gone when its owner is dropped.
#[derive(Debug)]
pub(super) struct TemporaryFile(pub PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = fs::remove_file(&self.0);
    }
}

impl Recording {
    /// Writes a recording below `work_dir` for a command that wants it `named` or not.
    pub(super) fn write(work_dir: &Path, wav: &[u8], named: bool) -> io::Result<Self> {
        fs::create_dir_all(work_dir)?;
        let path = work_dir.join(format!("{TEMPORARY_PREFIX}{}.wav", Ulid::generate()));
        let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
        // Guarded before it is written, so that a half-written file is removed too.
        let guard = TemporaryFile(path);
        if named {
            file.write_all(wav)?;
            return Ok(Self::Named(guard));
        }
        drop(guard);
        file.write_all(wav)?;
        file.rewind()?;
        Ok(Self::Open(file))
    }
}

/// The command with its placeholders replaced.
pub(super) fn filled(command: &CommandLine, model: Option<(&AcousticModel, &ModelFiles)>, wav: &str) -> CommandLine {
    let mut values = vec![("{wav}", wav.to_owned())];
    if let Some((acoustic, files)) = model {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        values.push(("{hmm}", shown(&acoustic.hmm)));
        values.push(("{lm}", shown(&files.language_model)));
        values.push(("{dict}", shown(&files.dictionary)));
        values.push(("{fillers}", shown(&files.fillers)));
    }
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    command.filled(&values)
}

/// One line of an engine's answer, or one word of it.
#[derive(Debug, Deserialize)]
struct Heard {
    #[serde(rename = "t")]
    text: String,
    #[serde(rename = "b", default)]
    begin_s: f64,
    #[serde(rename = "d", default)]
    duration_s: f64,
    #[serde(rename = "p", default)]
    probability: f64,
    #[serde(rename = "w", default)]
    words: Vec<Heard>,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Word,
    /// Speech that is none of our words.
    Loose,
    Silence,
}

impl Heard {
    fn kind(&self) -> Kind {
        match self.text.as_bytes() {
            [] | [b'<', ..] => Kind::Silence,
            b"[SPEECH]" => Kind::Loose,
            [b'[', ..] => Kind::Silence,
            [b'+', b'+', ..] => Kind::Loose,
            _ => Kind::Word,
        }
    }

    fn duration(&self) -> f64 {
        // A stranger's program may print anything, NaN and infinity excepted: JSON has neither.
        self.duration_s.clamp(0.0, 3600.0)
    }

    fn end(&self) -> f64 {
        self.begin_s.clamp(0.0, 3600.0) + self.duration()
    }
}

/// Reads the first line of an answer as a stretch of speech that began `offset` into the recording;
/// `None` when no words were heard. `Corrupt` when it is not what the protocol says.
pub(super) fn read_answer(output: &[u8], offset: Duration) -> PortResult<Option<Segment>> {
    let line = output.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let heard: Heard = serde_json::from_slice(line)
        .map_err(|cause| PortError::corrupt("the recogniser's answer is not a line of JSON").with_source(cause))?;
    let text = heard.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Ok(None);
    }
    let words = || heard.words.iter().filter(|word| word.kind() == Kind::Word);
    let begin = words().next().map_or(heard.begin_s.clamp(0.0, 3600.0), |word| word.begin_s.clamp(0.0, 3600.0));
    let end = words().next_back().map_or(heard.end(), Heard::end).max(begin);
    let milliseconds = |seconds: f64| (offset + Duration::from_secs_f64(seconds)).as_millis() as u64;
    Ok(Some(Segment {
        start_ms: milliseconds(begin),
        end_ms: milliseconds(end),
        text,
        confidence: confidence(&heard) as f32,
    }))
}

/// The share of the speech that our words explain (module header).
fn confidence(heard: &Heard) -> f64 {
    let mut explained = 0.0;
    let mut speech = 0.0;
    for word in &heard.words {
        match word.kind() {
            Kind::Word => {
                explained += word.duration() * word.probability.clamp(0.0, 1.0);
                speech += word.duration();
            }
            Kind::Loose => speech += word.duration(),
            Kind::Silence => {}
        }
    }
    if speech > 0.0 { explained / speech } else { heard.probability.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PortErrorKind;

    fn read(line: &str) -> PortResult<Option<Segment>> {
        read_answer(line.as_bytes(), Duration::from_secs(10))
    }

    #[test]
    fn words_are_timed_and_weighed() {
        let answer = concat!(
            r#"{"b":0.0,"d":2.0,"p":0.01,"t":"add saree","w":["#,
            r#"{"b":0.0,"d":0.2,"p":1.0,"t":"<s>"},{"b":0.2,"d":0.3,"p":1.001,"t":"add"},"#,
            r#"{"b":0.5,"d":0.2,"p":0.9,"t":"++AA++"},{"b":0.7,"d":0.5,"p":0.5,"t":"saree(2)"},"#,
            r#"{"b":1.2,"d":0.8,"p":1.0,"t":"</s>"}]}"#,
            "\n"
        );
        let segment = read(answer).unwrap().unwrap();
        assert_eq!((segment.start_ms, segment.end_ms, segment.text.as_str()), (10_200, 11_200, "add saree"));
        assert!((segment.confidence - 0.55).abs() < 1e-6, "{}", segment.confidence);
    }

    #[test]
    fn an_engine_without_words_is_taken_at_its_probability() {
        let segment = read(r#"{"t":" add  this ","d":1.5,"p":0.7}"#).unwrap().unwrap();
        assert_eq!((segment.text.as_str(), segment.end_ms, segment.confidence), ("add this", 11_500, 0.7));
    }

    #[test]
    fn nothing_heard_is_none_and_garbage_is_corrupt() {
        assert!(read(r#"{"t":"","w":[]}"#).unwrap().is_none());
        for garbage in ["", "\n\n", "hello", "{}", "[1]", r#"{"t":7}"#, "{\"t\":\"a", r#"{"t":"a","p":1e999}"#, "\u{0}"]
        {
            assert_eq!(read(garbage).unwrap_err().kind(), PortErrorKind::Corrupt, "{garbage}");
        }
    }

    #[test]
    fn wild_numbers_stay_in_range() {
        let segment = read(r#"{"t":"a","w":[{"t":"a","b":-1e300,"d":1e300,"p":-5}]}"#).unwrap().unwrap();
        assert_eq!((segment.start_ms, segment.end_ms, segment.confidence), (10_000, 3_610_000, 0.0));
    }

    #[test]
    fn a_recording_goes_with_its_owner_or_has_no_name() {
        let place = tempfile::tempdir().unwrap();
        let count = || fs::read_dir(place.path()).unwrap().count();
        let named = Recording::write(place.path(), b"RIFF", true).unwrap();
        assert!(matches!(&named, Recording::Named(file) if fs::read(&file.0).unwrap() == b"RIFF"));
        drop(named);
        assert_eq!(count(), 0);
        let Recording::Open(file) = Recording::write(place.path(), b"RIFF", false).unwrap() else { panic!("named") };
        assert_eq!(count(), 0);
        assert_eq!(io::read_to_string(file).unwrap(), "RIFF");
    }
}
