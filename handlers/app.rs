//! From settings to a running application: the only place that names adapters.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::adapters::blobs::DirectoryBlobs;
use crate::adapters::cache::{MemoryCache, MemoryInvalidations};
use crate::adapters::documents::SqliteDocuments;
use crate::adapters::events::QueuedEvents;
use crate::adapters::queues::LocalQueue;
use crate::adapters::reporting::SqliteReporting;
use crate::adapters::secrets::SettingsSecrets;
use crate::adapters::speech::LocalSpeech;
use crate::adapters::speech::local::{CommandLine, Corpus, LocalSpeechSettings};
use crate::catalogue::CatalogueIndex;
use crate::containers::DOCUMENT_CONTAINERS;
use crate::error::{Error, Result};
use crate::host::local::{EmbeddedStores, LEASES, LocalStores};
use crate::identity::{KeyRing, LiveSessions, PasswordHasher, SigningKeys, fresh_signing_key};
use crate::ports::clock::{Clock, SystemClock};
use crate::ports::documents::Container;
use crate::ports::reporting::ReportingDb;
use crate::ports::secrets::{Secret, SecretRef, Secrets};
use crate::registry::{Registry, openapi};
use crate::services::{analytics, shop};
use crate::settings::{SettingError, Settings};
use crate::state::{App, AppState, OpenApiDocument};
use crate::telemetry;
use crate::understanding;

/// The containers of the embedded document store: the product's, and the local host's own.
static EMBEDDED_CONTAINERS: LazyLock<Vec<&'static Container>> =
    LazyLock::new(|| DOCUMENT_CONTAINERS.into_iter().chain([&LEASES]).collect());

/// An application that is ready to serve.
pub struct Application {
    pub state: AppState,
    pub registry: Arc<Registry>,
    pub stores: LocalStores,
}

/// Builds the application on the machine's clock.
///
/// # Errors
/// Those of opening the adapters, and of a registry that breaks its rules.
pub async fn build(settings: Settings) -> Result<Application> {
    build_at(settings, Arc::new(SystemClock)).await
}

/// Builds the application on a clock.
pub async fn build_at(settings: Settings, clock: Arc<dyn Clock>) -> Result<Application> {
    // Before any adapter makes an instrument.
    telemetry::metrics();
    let registry = Arc::new(Registry::of(&settings.services).map_err(Error::internal)?);
    let dir = settings.data_dir.clone();
    std::fs::create_dir_all(&dir).map_err(Error::internal)?;
    let secrets = SettingsSecrets::new(given(&settings), Some(dir.join("secrets.json")));
    let signing = secret(&secrets, "jwt-signing-key", fresh_signing_key).await?;
    let url_key = secret(&secrets, "blob-url-key", fresh_key).await?;

    let documents = Arc::new(SqliteDocuments::open(&dir.join("documents.db"), &EMBEDDED_CONTAINERS, clock.clone())?);
    let blobs = Arc::new(DirectoryBlobs::open(
        &dir.join("blobs"),
        url_key.expose().as_bytes(),
        &settings.public_url,
        clock.clone(),
    )?);
    let stores = LocalStores {
        documents: documents.clone(),
        blobs: blobs.clone(),
        queues: Arc::new(LocalQueue::open(&dir.join("queue.db"), clock.clone())?),
        embedded: EmbeddedStores { documents: Some(documents), blobs: Some(blobs) },
    };
    let reporting = SqliteReporting::open(&dir.join("reporting.db"))?;
    reporting.migrate(&analytics::TABLES).await?;
    if settings.seed {
        let count = shop::seed(stores.documents.as_ref(), &settings.tenant).await?;
        if count > 0 {
            tracing::info!(products = count, "sample catalogue written");
        }
    }
    let state = AppState::new(App {
        keys: KeyRing::fixed(SigningKeys::from_secret(&signing, &settings.token_issuer, &settings.token_audience)?),
        passwords: PasswordHasher::new(2),
        sessions: LiveSessions::new(stores.documents.clone(), clock.clone()),
        catalogue: CatalogueIndex::new(),
        openapi: describe(registry.clone(), settings.public_url.clone()),
        voice_slots: Arc::new(tokio::sync::Semaphore::new(settings.voice_concurrency)),
        documents: stores.documents.clone(),
        blobs: stores.blobs.clone(),
        cache: Arc::new(MemoryCache::new(settings.cache_bytes)),
        invalidations: Arc::new(MemoryInvalidations::new()),
        reporting: Arc::new(reporting),
        events: Arc::new(QueuedEvents::new(stores.queues.clone())),
        secrets: Arc::new(secrets),
        speech: Arc::new(speech(&settings, &dir)?),
        clock,
        settings,
    });
    Ok(Application { state, registry, stores })
}

/// The secrets that the settings themselves give.
fn given(settings: &Settings) -> BTreeMap<String, Secret> {
    let given = settings.secrets.iter().filter_map(|(name, secret)| match secret {
        SecretRef::Given(secret) => Some((name.clone(), secret.clone())),
        SecretRef::Named(_) => None,
    });
    given.collect()
}

/// A secret that is made when there is none. Only then: the first random bytes cost a start more than
/// all else.
async fn secret(secrets: &SettingsSecrets, name: &str, fresh: impl Fn() -> Result<Secret>) -> Result<Secret> {
    match secrets.get(name).await? {
        Some(secret) => Ok(secret),
        None => Ok(secrets.get_or_create(name, fresh()?).await?),
    }
}

/// The local speech engine, its programs found but not run.
fn speech(settings: &Settings, dir: &Path) -> Result<LocalSpeech> {
    let corpus =
        Corpus { sentences: || Box::new(understanding::training_sentences()), vocabulary: understanding::vocabulary };
    let settings = LocalSpeechSettings {
        recogniser: command_line("PRAVIS_RECOGNISER", settings.speech.recogniser.as_deref())?,
        synthesiser: command_line("PRAVIS_SYNTHESISER", settings.speech.synthesiser.as_deref())?,
        model_dir: settings.speech.model_dir.clone(),
        work_dir: dir.join("speech"),
        search_path: settings.search_path.clone(),
    };
    Ok(LocalSpeech::discover(settings, corpus))
}

fn command_line(setting: &str, line: Option<&str>) -> Result<Option<CommandLine>> {
    line.map(|line| line.parse().map_err(|problem: &str| Error::internal(SettingError::new(setting, problem))))
        .transpose()
}

/// The OpenAPI document, made when somebody asks for it.
fn describe(registry: Arc<Registry>, public_url: String) -> OpenApiDocument {
    LazyLock::new(Box::new(move || {
        let document = openapi(&registry, &public_url).to_pretty_json();
        document.map(Bytes::from).unwrap_or_else(|error| {
            tracing::error!(%error, "OpenAPI document not made");
            Bytes::from_static(b"{}")
        })
    }))
}

fn fresh_key() -> Result<Secret> {
    use base64::Engine;
    let mut key = [0_u8; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(Error::internal)?;
    Ok(Secret::new(base64::engine::general_purpose::STANDARD.encode(key)))
}
