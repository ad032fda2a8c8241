//! Secrets in Azure Key Vault, kept in memory and read again from time to time.
//!
//! What was once read stays when the vault cannot be reached. A secret is read by one call for all who
//! wait for it, and the call does not end with them.

mod vault;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use self::vault::Vault;
use super::rules::check_name;
use crate::adapters::azure::AzureTransport;
use crate::ports::secrets::{Replaced, Secret, SecretRef, Secrets};
use crate::ports::{PortError, PortResult};
use crate::settings::{KeyVaultSettings, SettingError};

/// Secrets that are kept in memory. The program names a dozen.
const MAX_NAMES: usize = 256;
/// Calls at once when all are read again.
const READS_AT_ONCE: usize = 4;
/// How long it is believed that there is no secret under a name.
const ABSENCE_BELIEVED: Duration = Duration::from_secs(10);
/// After a round that failed; doubled up to [`LONGEST_PAUSE`] or the period, whichever is shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

type Outcome = Result<Option<Secret>, Arc<PortError>>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// Secrets of a vault, behind those that the settings give.
pub struct KeyVaultSecrets {
    given: BTreeMap<String, SecretRef>,
    known: Arc<Known>,
    /// Ends with this value.
    refresher: OnceLock<JoinSet<()>>,
}

struct Known {
    vault: Vault,
    period: Duration,
    entries: Mutex<BTreeMap<String, Entry>>,
    changes: watch::Sender<u64>,
    /// Somebody does not want to wait for the next round.
    wanted: Notify,
}

/// A name that somebody asked for.
struct Entry {
    asked_at: Instant,
    read: Option<Read>,
    flight: Option<Flight>,
}

#[derive(Clone)]
struct Read {
    value: Option<Secret>,
    at: Instant,
}

impl KeyVaultSecrets {
    /// `given` are the secrets of the settings by name: a value wins over the vault's, a reference is the
    /// name of the secret in the vault. Opens no connection.
    ///
    /// # Errors
    /// When the vault's address or a reference cannot be used.
    pub fn new(
        settings: &KeyVaultSettings,
        given: BTreeMap<String, SecretRef>,
        credential: Arc<dyn TokenCredential>,
        transport: &AzureTransport,
    ) -> Result<Self, SettingError> {
        for (name, reference) in &given {
            if let SecretRef::Named(other) = reference
                && check_name(other).is_err()
            {
                let setting = format!("PRAVIS_SECRET_{}", name.to_ascii_uppercase().replace('-', "_"));
                return Err(SettingError::new(&setting, "@keyvault(…) needs letters, digits and hyphens, at most 127"));
            }
        }
        let known = Known {
            vault: Vault::new(settings, credential, transport)?,
            period: settings.refresh,
            entries: Mutex::default(),
            changes: watch::Sender::new(0),
            wanted: Notify::new(),
        };
        Ok(Self { given, known: Arc::new(known), refresher: OnceLock::new() })
    }

    /// Reads secrets in the background, until each has been read once and then with all others. To be
    /// called within a Tokio runtime.
    pub fn preload<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            if let Ok(Wanted::Kept(name)) = self.resolve(name) {
                self.known.note(name);
            }
        }
        let running = self.refresher.get().is_some();
        self.keep_refreshing();
        if running {
            self.known.wanted.notify_one();
        }
    }

    /// Reads every secret that is in use again.
    ///
    /// # Errors
    /// The first; the others are read all the same.
    pub async fn refresh(&self) -> PortResult<()> {
        self.known.round().await
    }

    fn resolve<'a>(&'a self, name: &'a str) -> PortResult<Wanted<'a>> {
        check_name(name)?;
        Ok(match self.given.get(name) {
            Some(SecretRef::Given(value)) => Wanted::Given(value),
            Some(SecretRef::Named(other)) => Wanted::Kept(other),
            None => Wanted::Kept(name),
        })
    }

    fn keep_refreshing(&self) {
        self.refresher.get_or_init(|| {
            let mut tasks = JoinSet::new();
            tasks.spawn(self.known.clone().refresh_for_ever());
            tasks
        });
    }
}

/// Where the value of a name is.
enum Wanted<'a> {
    Given(&'a Secret),
    Kept(&'a str),
}

#[async_trait]
impl Secrets for KeyVaultSecrets {
    async fn get(&self, name: &str) -> PortResult<Option<Secret>> {
        let name = match self.resolve(name)? {
            Wanted::Given(value) => return Ok(Some(value.clone())),
            Wanted::Kept(name) => name,
        };
        self.keep_refreshing();
        let last = self.known.note(name);
        match last {
            Some(Read { value: Some(value), .. }) => Ok(Some(value)),
            Some(Read { value: None, at }) if at.elapsed() < ABSENCE_BELIEVED => Ok(None),
            Some(Read { value: None, .. }) => Ok(self.known.read(name).await.unwrap_or(None)),
            None => self.known.read(name).await,
        }
    }

    async fn fresh(&self, name: &str) -> PortResult<Option<Secret>> {
        let name = match self.resolve(name)? {
            Wanted::Given(value) => return Ok(Some(value.clone())),
            Wanted::Kept(name) => name,
        };
        self.keep_refreshing();
        // A call that began before this one may have seen what is old by now.
        if let Some(earlier) = self.known.under_way(name) {
            let _ = earlier.await;
        }
        self.known.read(name).await
    }

    async fn replaced(&self, name: &str) -> PortResult<Option<Replaced>> {
        match self.resolve(name)? {
            Wanted::Given(_) => Ok(None),
            Wanted::Kept(name) => self.known.vault.replaced(name).await,
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.known.changes.subscribe()
    }
}

impl Known {
    /// Has a name read from now on, and gives what is known of it.
    fn note(&self, name: &str) -> Option<Read> {
        let mut entries = self.lock();
        let entry = entry(&mut entries, name);
        entry.asked_at = Instant::now();
        entry.read.clone()
    }

    fn under_way(&self, name: &str) -> Option<Flight> {
        self.lock().get(name)?.flight.clone().filter(|flight| flight.peek().is_none())
    }

    /// Reads one secret, together with whoever reads it already.
    async fn read(self: &Arc<Self>, name: &str) -> PortResult<Option<Secret>> {
        let flight = {
            let mut entries = self.lock();
            let entry = entry(&mut entries, name);
            // A flight that has landed and is still here has crashed.
            let under_way = entry.flight.take().filter(|flight| flight.peek().is_none());
            let flight = under_way.unwrap_or_else(|| self.clone().fly(name.to_owned()));
            entry.flight = Some(flight.clone());
            flight
        };
        flight.await.map_err(|error| {
            let told = PortError::new(error.kind(), error.to_string());
            error.retry_after().into_iter().fold(told, PortError::with_retry_after)
        })
    }

    fn fly(self: Arc<Self>, name: String) -> Flight {
        let task = tokio::spawn(async move {
            let outcome = self.vault.get(&name).await.map_err(Arc::new);
            let changed = self.keep(&name, outcome.as_ref().ok().cloned());
            if changed {
                self.changes.send_modify(|count| *count += 1);
            }
            outcome
        });
        task.map(|outcome| outcome.unwrap_or_else(|_| Err(Arc::new(PortError::unavailable("key-vault: broke off")))))
            .boxed()
            .shared()
    }

    /// Keeps what was read, if anything, and tells whether it is new.
    fn keep(&self, name: &str, read: Option<Option<Secret>>) -> bool {
        let mut entries = self.lock();
        let entry = entry(&mut entries, name);
        entry.flight = None;
        let Some(value) = read else { return false };
        let changed = entry.read.as_ref().is_none_or(|before| before.value != value);
        entry.read = Some(Read { value, at: Instant::now() });
        changed
    }

    async fn refresh_for_ever(self: Arc<Self>) {
        let longest = LONGEST_PAUSE.min(self.period);
        let mut pause = FIRST_PAUSE.min(longest);
        loop {
            let delay = match self.round().await {
                Ok(()) => {
                    pause = FIRST_PAUSE.min(longest);
                    self.period
                }
                Err(error) => {
                    tracing::warn!(%error, "secrets not read again; the last values stay");
                    let delay = pause;
                    pause = (pause * 2).min(longest);
                    delay
                }
            };
            tokio::select! {
                () = tokio::time::sleep(jittered(delay)) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Reads all names.
    async fn round(self: &Arc<Self>) -> PortResult<()> {
        let names: Vec<String> = self.lock().keys().cloned().collect();
        let reads = names.into_iter().map(|name| async move { self.read(&name).await.map(drop) });
        let outcomes: Vec<PortResult<()>> = stream::iter(reads).buffer_unordered(READS_AT_ONCE).collect().await;
        outcomes.into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a name, for which the one that was not asked for longest makes room.
fn entry<'a>(entries: &'a mut BTreeMap<String, Entry>, name: &str) -> &'a mut Entry {
    if entries.len() >= MAX_NAMES && !entries.contains_key(name) {
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.asked_at).map(|(name, _)| name.clone());
        oldest.and_then(|oldest| entries.remove(&oldest));
    }
    entries.entry(name.to_owned()).or_insert_with(|| Entry { asked_at: Instant::now(), read: None, flight: None })
}

/// Up to a tenth more or less, so that instances that start together do not ask together for ever.
fn jittered(delay: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without randomness nothing is spread, and that is all.
    let _ = aws_lc_rs::rand::fill(&mut random);
    delay.mul_f64(0.9 + f64::from(random[0]) / 255.0 * 0.2)
}
