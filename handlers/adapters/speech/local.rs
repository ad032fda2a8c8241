//! The place of the local engine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use crate::ports::speech::{EngineStatus, Pcm, Speech, Transcript, Voice};
use crate::ports::{PortError, PortResult};
use crate::types::Language;

pub struct Corpus {
    pub sentences: fn() -> Box<dyn Iterator<Item = String>>,
    pub vocabulary: fn() -> BTreeSet<String>,
}

pub struct LocalSpeechSettings {
    pub recogniser: Option<String>,
    pub synthesiser: Option<String>,
    pub model_dir: Option<PathBuf>,
    pub work_dir: PathBuf,
}

pub struct LocalSpeech;

impl LocalSpeech {
    pub fn discover(_settings: LocalSpeechSettings, _corpus: Corpus) -> Self {
        Self
    }
}

fn missing() -> EngineStatus {
    EngineStatus { engine: "local".into(), available: false, advice: Some("No speech engine is installed.".into()) }
}

#[async_trait]
impl Speech for LocalSpeech {
    fn recogniser(&self) -> EngineStatus {
        missing()
    }
    fn synthesiser(&self) -> EngineStatus {
        missing()
    }
    async fn transcribe(&self, _: Pcm, _: Option<Language>, _: Duration) -> PortResult<Transcript> {
        Err(PortError::unavailable("no engine"))
    }
    async fn synthesise(&self, _: &str, _: &str, _: Duration) -> PortResult<Pcm> {
        Err(PortError::unavailable("no engine"))
    }
    async fn voices(&self) -> PortResult<Vec<Voice>> {
        Ok(Vec::new())
    }
}
