//! From settings to a running application: the only place that names adapters.

mod background;
mod parts;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use tokio::task::JoinSet;

use self::parts::Parts;
use crate::adapters::events::QueuedEvents;
use crate::adapters::payments::PaymentPage;
use crate::adapters::speech::LocalSpeech;
use crate::adapters::speech::local::{CommandLine, Corpus, LocalSpeechSettings};
use crate::audit::AuditLog;
use crate::caching::Caches;
use crate::containers::{BLOB_CONTAINERS, TENANT_CONTAINERS};
use crate::error::{Error, Result};
use crate::host::local::LocalStores;
use crate::identity::{LiveApiKeys, LiveSessions, PasswordHasher};
use crate::ports::clock::{Clock, SystemClock};
use crate::ports::documents::Homes;
use crate::ports::reporting::ReportingDb;
use crate::ports::secrets::Secret;
use crate::registry::{Registry, openapi};
use crate::services::accounts::{self, Appointed};
use crate::services::news::Listeners;
use crate::services::tenants::{Mover, Tenancy, Waits};
use crate::services::{analytics, shop};
use crate::settings::{Environment, SettingError, Settings};
use crate::state::{App, AppState, OpenApiDocument};
use crate::tiers::Tiers;
use crate::types::TenantId;
use crate::{telemetry, understanding};

/// An application that is ready to serve.
pub struct Application {
    pub state: AppState,
    pub registry: Arc<Registry>,
    pub stores: LocalStores,
}

/// Builds the application on the machine's clock.
///
/// # Errors
/// Settings that cannot be used, those of opening embedded stores, and of a registry that breaks its rules.
pub async fn build(settings: Settings) -> Result<Application> {
    build_at(settings, Arc::new(SystemClock)).await
}

/// Builds the application on a clock.
///
/// # Errors
/// As [`build`].
pub async fn build_at(settings: Settings, clock: Arc<dyn Clock>) -> Result<Application> {
    // Before any adapter makes an instrument.
    telemetry::metrics();
    if settings.environment == Environment::Production && settings.front_door_id.is_none() {
        tracing::warn!("FRONT_DOOR_ID is not set: requests are taken from anywhere");
    }
    let registry = Arc::new(Registry::of(&settings.services).map_err(Error::internal)?);
    let Parts {
        stores,
        tenants,
        dedicated_feeds,
        cache,
        shared_cache,
        limits,
        invalidations,
        reporting,
        secrets,
        keys,
        chat,
        ..
    } = Parts::of(&settings, &clock).await?;
    let sessions = Arc::new(LiveSessions::new(stores.documents.clone(), clock.clone()));
    let tiers = Tiers::new(stores.documents.clone());
    let api_keys = Arc::new(LiveApiKeys::new(stores.documents.clone(), clock.clone(), accounts::api_key_first_use));
    let caches = Caches::new(settings.cache_bytes, shared_cache, invalidations.clone(), clock.clone());
    let audit = Arc::new(AuditLog::new(stores.documents.clone(), clock.clone()));
    let mut tasks = JoinSet::new();
    background::audit(&mut tasks, audit.clone());
    let listeners = Listeners {
        sessions: sessions.clone(),
        api_keys: api_keys.clone(),
        tenants: tenants.clone(),
        tiers: tiers.clone(),
        caches: caches.clone(),
    };
    background::hear(&mut tasks, invalidations.clone(), listeners);
    match &stores.embedded.documents {
        _ if !settings.seed => {}
        Some(_) => {
            let count = shop::seed(stores.documents.as_ref(), &settings.tenant).await?;
            if count > 0 {
                tracing::info!(products = count, "sample catalogue written");
            }
        }
        None => {
            let documents = stores.documents.clone();
            background::seed(&mut tasks, documents, caches.clone(), settings.tenant.clone());
        }
    }
    let state = AppState::new(App {
        keys,
        // Half of the machine is left to all else.
        passwords: PasswordHasher::new(std::thread::available_parallelism().map_or(1, |count| count.get() / 2)),
        sessions,
        api_keys,
        audit,
        caches,
        openapi: describe(registry.clone(), settings.public_url.clone()),
        voice_slots: Arc::new(tokio::sync::Semaphore::new(settings.voice_concurrency)),
        documents: stores.documents.clone(),
        dedicated_feeds,
        tenants,
        tiers,
        blobs: stores.blobs.clone(),
        cache,
        limits,
        invalidations,
        reporting,
        events: Arc::new(QueuedEvents::new(stores.queues.clone())),
        secrets,
        speech: Arc::new(speech(&settings)?),
        payments: Arc::new(PaymentPage::new(settings.payment_page.clone())),
        chat,
        clock,
        settings,
        background: tasks,
    });
    Ok(Application { state, registry, stores })
}

/// Prepares the services that are set: makes databases, containers and tables that are missing and brings
/// them up to their declarations. Harmless when done twice, by two at once, or when all is done. Gives a
/// line for each service.
///
/// # Errors
/// Settings that cannot be used; the first service that cannot be prepared.
pub async fn migrate(settings: &Settings) -> Result<Vec<String>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Parts { services, databases, tenants, .. } = Parts::of(settings, &clock).await?;
    let mut done: Vec<String> = Vec::new();
    if let Some(cosmos) = services.cosmos {
        cosmos.migrate().await?;
        done.push("Cosmos DB: database and containers are as declared".into());
    }
    for name in tenants.dedicated().await? {
        databases.prepare(&name).await?;
        done.push(format!("dedicated database {name}: containers are as declared"));
    }
    if let Some(blobs) = services.blobs {
        // In production the deployment states which origins may come; its identity may not change them.
        let origins = match settings.environment {
            Environment::Development => settings.cors_origins.as_slice(),
            Environment::Production => &[],
        };
        blobs.migrate(&BLOB_CONTAINERS, origins).await?;
        done.push("Blob Storage: containers are there".into());
    }
    if let Some(sql) = services.sql {
        sql.migrate(&analytics::TABLES).await?;
        done.push("Azure SQL: tables are as declared".into());
    }
    Ok(done)
}

/// What moves tenants between the databases that the settings choose.
///
/// # Errors
/// Settings that cannot be used; those of opening embedded stores.
pub async fn mover(settings: &Settings, progress: fn(&str)) -> Result<Mover> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Parts { stores, databases, invalidations, .. } = Parts::of(settings, &clock).await?;
    Ok(Mover {
        tenancy: Tenancy::new(stores.shared.clone(), invalidations),
        shared: stores.shared,
        databases,
        containers: &TENANT_CONTAINERS,
        clock,
        waits: Waits::after_records_of(settings.tenant_cache),
        progress,
    })
}

/// Makes the owner of an address an administrator of a boutique, in the stores that are set; see
/// [`accounts::appoint`].
///
/// # Errors
/// Those of [`build`] and of [`accounts::appoint`].
pub async fn appoint(
    settings: Settings,
    tenant: &TenantId,
    email: &str,
    password: Secret,
    another: bool,
) -> Result<Appointed> {
    let Application { state, .. } = build(Settings { seed: false, ..settings }).await?;
    accounts::appoint(&state, tenant, email, password, another).await
}

/// The local speech engine, its programs found but not run.
fn speech(settings: &Settings) -> Result<LocalSpeech> {
    let corpus =
        Corpus { sentences: || Box::new(understanding::training_sentences()), vocabulary: understanding::vocabulary };
    let settings = LocalSpeechSettings {
        recogniser: command_line("PRAVIS_RECOGNISER", settings.speech.recogniser.as_deref())?,
        synthesiser: command_line("PRAVIS_SYNTHESISER", settings.speech.synthesiser.as_deref())?,
        model_dir: settings.speech.model_dir.clone(),
        work_dir: settings.data_dir.join("speech"),
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
