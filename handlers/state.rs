//! What handlers receive: the ports and the few things that live as long as the process.

use std::ops::Deref;
use std::sync::Arc;

use crate::audit::AuditLog;
use crate::caching::Caches;
use crate::error::{Code, Error, Result};
use crate::http::idempotency::Idempotency;
use crate::identity::{KeyRing, LiveApiKeys, LiveSessions, PasswordHasher};
use crate::ports::blobs::BlobStore;
use crate::ports::cache::{Cache, Invalidations};
use crate::ports::chat::Chat;
use crate::ports::clock::Clock;
use crate::ports::documents::{DedicatedFeeds, DocumentStore};
use crate::ports::events::EventBus;
use crate::ports::limits::RateLimits;
use crate::ports::payments::Payments;
use crate::ports::reporting::ReportingDb;
use crate::ports::secrets::Secrets;
use crate::ports::speech::Speech;
use crate::settings::Settings;
use crate::tenants::TenantDirectory;
use crate::tiers::Tiers;
use crate::types::TenantId;

/// The application as its handlers see it; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<App>);

/// A text that is made when it is first needed.
pub type OpenApiDocument = std::sync::LazyLock<bytes::Bytes, Box<dyn FnOnce() -> bytes::Bytes + Send>>;

/// The parts of an [`AppState`].
pub struct App {
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
    pub documents: Arc<dyn DocumentStore>,
    /// What no change-feed trigger is bound to.
    pub dedicated_feeds: Arc<dyn DedicatedFeeds>,
    pub tenants: TenantDirectory,
    pub tiers: Tiers,
    pub blobs: Arc<dyn BlobStore>,
    pub cache: Arc<dyn Cache>,
    pub limits: Arc<dyn RateLimits>,
    pub invalidations: Arc<dyn Invalidations>,
    pub reporting: Arc<dyn ReportingDb>,
    pub events: Arc<dyn EventBus>,
    pub secrets: Arc<dyn Secrets>,
    pub speech: Arc<dyn Speech>,
    pub payments: Arc<dyn Payments>,
    /// The language model that may be asked where the rules do not understand.
    pub chat: Option<Arc<dyn Chat>>,
    pub keys: KeyRing,
    pub passwords: PasswordHasher,
    pub sessions: Arc<LiveSessions>,
    pub api_keys: Arc<LiveApiKeys>,
    pub audit: Arc<AuditLog>,
    pub caches: Caches,
    /// The OpenAPI document of the functions that this process serves; made when it is first asked for.
    pub openapi: OpenApiDocument,
    /// Bounds the voice jobs that are worked at once, so that decoding never takes all cores.
    pub voice_slots: Arc<tokio::sync::Semaphore>,
    /// What goes on beside the requests; ends with the application.
    pub background: tokio::task::JoinSet<()>,
}

impl AppState {
    pub fn new(app: App) -> Self {
        Self(Arc::new(app))
    }

    /// The rule of `Idempotency-Key` over this application's documents.
    pub fn idempotency(&self) -> Idempotency {
        Idempotency::new(self.documents.clone(), self.clock.clone())
    }

    /// The boutique that a request without a token is for.
    pub fn default_tenant(&self) -> &TenantId {
        &self.settings.tenant
    }

    /// Refuses everybody of a boutique that is suspended. Where its record cannot be read, what needs its
    /// documents fails by itself.
    ///
    /// # Errors
    /// [`Code::NotPermitted`].
    pub async fn check_open(&self, tenant: &TenantId) -> Result<()> {
        match self.tenants.tenant(tenant).await {
            Some(tenant) if tenant.suspended => Err(Error::new(Code::NotPermitted, "This boutique is closed for now.")),
            _ => Ok(()),
        }
    }

    /// Runs CPU-bound or blocking work off the async threads.
    ///
    /// # Errors
    /// An internal error when the work panicked.
    pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Error::new(Code::Internal, "Something went wrong on our side.").with_source(error))
    }
}

impl Deref for AppState {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}
