//! The files that the recogniser reads, made at the first recognition and kept for the next ones.
//!
//! They stand in a directory whose name carries a hash of all they are made from, and come into being by
//! one rename: whoever finds the directory finds it whole, however many processes make it at once.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use tracing::{info, warn};
use ulid::Ulid;

use super::dictionary::{self, Dictionary, OWN_PRONUNCIATIONS};
use super::language_model::{self, ModelBounds};
use crate::ports::{PortError, PortResult};

/// What the files begin with that are not finished or not needed after a crash.
pub(super) const TEMPORARY_PREFIX: &str = "speech-tmp-";

/// When a temporary file is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Changes with the code that makes the files.
const FORMAT: &str = "1";

/// What people say in the shop, which the language model is estimated from.
#[derive(Clone, Copy)]
pub struct Corpus {
    /// Lower-case words between blanks, numbers spelled out; the same at every call.
    pub sentences: fn() -> Box<dyn Iterator<Item = String>>,
    /// The words to recognise.
    pub vocabulary: fn() -> BTreeSet<String>,
}

/// Where the finished files stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelFiles {
    pub language_model: PathBuf,
    pub dictionary: PathBuf,
    pub fillers: PathBuf,
}

impl ModelFiles {
    fn inside(directory: &Path) -> Self {
        Self {
            language_model: directory.join("boutique.arpa"),
            dictionary: directory.join("boutique.dict"),
            fillers: directory.join("fillers.dict"),
        }
    }

    /// Finds the files of `corpus` in `work_dir` or makes them from it and the packaged dictionary
    /// `cmudict`. Takes up to a second of processor time: call it where blocking is allowed.
    pub(super) fn prepare(work_dir: &Path, cmudict: &Path, corpus: Corpus) -> PortResult<Self> {
        let failed = |cause: io::Error| {
            PortError::unavailable(format!("cannot make the speech model in {}", work_dir.display())).with_source(cause)
        };
        fs::create_dir_all(work_dir).map_err(failed)?;
        sweep(work_dir);

        let bounds = ModelBounds::default();
        let vocabulary = (corpus.vocabulary)();
        let packaged_size = cmudict.metadata().map_err(failed)?.len();
        let hash = fingerprint(&vocabulary, corpus, bounds, packaged_size);
        let directory = work_dir.join(format!("speech-model-{hash}"));
        if !directory.is_dir() {
            make(&directory, cmudict, &vocabulary, corpus, bounds).map_err(failed)?;
        }
        Ok(Self::inside(&directory))
    }
}

/// Makes the files under another name and renames their directory. Losing the race against another
/// process is as good as winning it.
fn make(
    directory: &Path,
    cmudict: &Path,
    vocabulary: &BTreeSet<String>,
    corpus: Corpus,
    bounds: ModelBounds,
) -> io::Result<()> {
    let packaged = BufReader::new(File::open(cmudict)?);
    let dictionary = Dictionary::cut(vocabulary, OWN_PRONUNCIATIONS, packaged)?;
    let (known, unknown): (BTreeSet<String>, BTreeSet<String>) =
        vocabulary.iter().cloned().partition(|word| dictionary.contains(word));
    let (model, left_out) = language_model::build(&known, (corpus.sentences)(), bounds);
    if !unknown.is_empty() {
        warn!(words = ?unknown, sentences = left_out, "words without a pronunciation cannot be recognised");
    }

    let unfinished = directory.with_file_name(format!("{TEMPORARY_PREFIX}{}", Ulid::generate()));
    fs::create_dir(&unfinished)?;
    let files = ModelFiles::inside(&unfinished);
    let written = fs::write(files.language_model, &model)
        .and_then(|()| fs::write(files.dictionary, dictionary.to_text()))
        .and_then(|()| fs::write(files.fillers, dictionary::fillers()))
        .and_then(|()| fs::rename(&unfinished, directory));
    if written.is_err() {
        // A failure to clean up is repaired by the next sweep.
        let _ = fs::remove_dir_all(&unfinished);
        return if directory.is_dir() { Ok(()) } else { written };
    }
    info!(words = known.len(), model_bytes = model.len(), "speech model made");
    Ok(())
}

/// 64 bits in hexadecimal of SHA-256 over everything that the files depend on.
fn fingerprint(vocabulary: &BTreeSet<String>, corpus: Corpus, bounds: ModelBounds, packaged_size: u64) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(format!("{FORMAT} {packaged_size} {bounds:?}\n").as_bytes());
    context.update(OWN_PRONUNCIATIONS.as_bytes());
    for line in vocabulary.iter().cloned().chain((corpus.sentences)().take(bounds.sentences)) {
        context.update(line.as_bytes());
        context.update(b"\n");
    }
    context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes what processes left behind that died over their work.
fn sweep(work_dir: &Path) {
    let Ok(entries) = fs::read_dir(work_dir) else { return };
    for entry in entries.flatten() {
        let is_temporary = entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX);
        let age =
            entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| SystemTime::now().duration_since(t).ok());
        if is_temporary && age.is_some_and(|age| age > ABANDONED) {
            let path = entry.path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(error) = removed {
                warn!(path = %path.display(), %error, "cannot remove an abandoned file");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn corpus() -> Corpus {
        Corpus {
            sentences: || Box::new(["show me a saree", "add two to the zzyzx"].map(String::from).into_iter()),
            vocabulary: || "show me a saree add two to the zzyzx".split(' ').map(String::from).collect(),
        }
    }

    fn other_corpus() -> Corpus {
        Corpus { sentences: || Box::new(std::iter::once("show me a kurta".to_owned())), ..corpus() }
    }

    fn cmudict(place: &Path) -> PathBuf {
        let file = place.join("cmudict");
        fs::write(&file, "show SH OW\nme M IY\na AH\nadd AE D\ntwo T UW\nto T UW\nthe DH AH\n").unwrap();
        file
    }

    fn names(place: &Path) -> Vec<String> {
        fs::read_dir(place).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn files_are_made_once_and_anew_for_another_corpus() {
        let place = tempfile::tempdir().unwrap();
        let (work, dict) = (place.path().join("deep/work"), cmudict(place.path()));
        let files = ModelFiles::prepare(&work, &dict, corpus()).unwrap();
        let made = files.language_model.metadata().unwrap().modified().unwrap();
        let model = fs::read_to_string(&files.language_model).unwrap();
        assert!(model.contains(" show me") && !model.contains("zzyzx"), "{model}");
        assert!(fs::read_to_string(&files.fillers).unwrap().contains("++ZH++ ZH"));

        assert_eq!(ModelFiles::prepare(&work, &dict, corpus()).unwrap(), files);
        assert_eq!(files.language_model.metadata().unwrap().modified().unwrap(), made);
        assert_ne!(ModelFiles::prepare(&work, &dict, other_corpus()).unwrap(), files);
    }

    #[test]
    fn many_at_once_leave_one_whole_model_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let (work, dict) = (place.path().join("work"), cmudict(place.path()));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let files = ModelFiles::prepare(&work, &dict, corpus()).unwrap();
                    assert!(fs::read_to_string(files.language_model).unwrap().ends_with("\\end\\\n"));
                });
            }
        });
        let names = names(&work);
        assert!(names.len() == 1 && names[0].starts_with("speech-model-"), "{names:?}");
    }

    #[test]
    fn what_a_dead_process_left_is_swept_after_an_hour() {
        let place = tempfile::tempdir().unwrap();
        let (old, young) = (place.path().join("speech-tmp-old.wav"), place.path().join("speech-tmp-young.wav"));
        fs::write(&young, "").unwrap();
        let long_ago = SystemTime::now() - 2 * ABANDONED;
        File::create(&old).unwrap().set_modified(long_ago).unwrap();
        ModelFiles::prepare(place.path(), &cmudict(place.path()), corpus()).unwrap();
        assert!(!old.exists() && young.exists());
    }

    #[test]
    fn a_missing_dictionary_is_unavailable() {
        let place = tempfile::tempdir().unwrap();
        let error = ModelFiles::prepare(place.path(), &place.path().join("none"), corpus()).unwrap_err();
        assert_eq!(error.kind(), crate::ports::PortErrorKind::Unavailable);
    }
}
