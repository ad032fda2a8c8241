//! Signing keys that follow a secret of a vault, seen by instances that serve the same boutique.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::join_all;
use pravis::adapters::secrets::KeyVaultSecrets;
use pravis::error::Code;
use pravis::identity::{Credential, KeyRing, Principal, Role, Rotation, SigningKeys, TokenError, fresh_signing_key};
use pravis::ports::clock::Clock;
use pravis::ports::secrets::Secret;
use pravis::server::{Listener, Mode, Server};
use pravis::state::{App, AppState};
use pravis::types::{SessionId, TenantId, TierId, UserId};
use serde_json::json;
use tokio::task::JoinSet;
use ulid::Ulid;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::Client;
use crate::support::clock::ManualClock;
use crate::support::entra::Entra;
use crate::support::loopback::Fault;
use crate::support::process::eventually;
use crate::support::vault::Vault;

pub(super) const KEY: &str = "jwt-signing-key";
const ISSUER: &str = "https://boutique.example";
const AUDIENCE: &str = "pravis-boutique-api";
const NEVER: Duration = Duration::from_secs(3600);

/// A vault with a signing key, its users, and a clock.
pub(super) struct Place {
    pub entra: Entra,
    pub vault: Vault,
    pub clock: Arc<ManualClock>,
}

impl Place {
    async fn new() -> Self {
        let place = Self::empty(Arc::new(ManualClock::new())).await;
        place.rotate();
        place
    }

    /// A vault without a key.
    pub async fn empty(clock: Arc<ManualClock>) -> Self {
        let entra = Entra::start().await;
        let vault = Vault::start(&entra).await;
        Self { entra, vault, clock }
    }

    /// Stores a new key now, and gives it.
    fn rotate(&self) -> SigningKeys {
        SigningKeys::from_secret(&Secret::new(self.rotate_secret()), ISSUER, AUDIENCE).unwrap()
    }

    /// Stores a new key now, and gives the secret.
    pub fn rotate_secret(&self) -> String {
        let secret = fresh_signing_key().unwrap();
        self.vault.set_at(KEY, secret.expose(), self.clock.now());
        secret.expose().to_owned()
    }

    fn ring(&self) -> (KeyRing, Arc<KeyVaultSecrets>) {
        let secrets = Arc::new(self.vault.secrets(&self.entra, NEVER));
        (self.follow(secrets.clone()), secrets)
    }

    pub fn follow(&self, secrets: Arc<KeyVaultSecrets>) -> KeyRing {
        let rotation = Rotation {
            secret: KEY.into(),
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
            overlap: chrono::Duration::minutes(10),
        };
        KeyRing::follow(secrets, rotation, self.clock.clone())
    }

    pub async fn ready_ring(&self) -> (KeyRing, Arc<KeyVaultSecrets>) {
        let (ring, secrets) = self.ring();
        eventually("the first keys", async || ring.ready().then_some(())).await;
        (ring, secrets)
    }

    fn sign(&self, keys: &SigningKeys) -> String {
        keys.sign(&principal(), self.clock.now()).unwrap().token
    }
}

fn principal() -> Principal {
    Principal {
        user: UserId::generate(),
        tenant: TenantId::pravis(),
        role: Role::Customer,
        tier: TierId::FREE,
        version: 0,
        credential: Credential::Session(SessionId::generate()),
    }
}

pub(super) fn kids(ring: &KeyRing, clock: &ManualClock) -> Vec<String> {
    let keys = ring.jwks(clock.now()).unwrap()["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// A token that is right in all but its key, which nobody has.
fn hostile(token: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let kid = format!("{:0>43}", Ulid::generate().to_string());
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid });
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// One of several processes over the stores of `base`, with keys of its own.
pub(super) struct Instance {
    pub client: Client,
    pub state: AppState,
    _serving: JoinSet<()>,
}

impl Instance {
    pub async fn start(base: &TestApp, keys: KeyRing) -> Self {
        let given = &base.state;
        let state = AppState::new(App {
            settings: given.settings.clone(),
            clock: given.clock.clone(),
            documents: given.documents.clone(),
            dedicated_feeds: given.dedicated_feeds.clone(),
            tenants: given.tenants.clone(),
            tiers: given.tiers.clone(),
            blobs: given.blobs.clone(),
            cache: given.cache.clone(),
            limits: given.limits.clone(),
            sessions: given.sessions.clone(),
            audit: given.audit.clone(),
            api_keys: given.api_keys.clone(),
            background: JoinSet::new(),
            invalidations: given.invalidations.clone(),
            reporting: given.reporting.clone(),
            events: given.events.clone(),
            secrets: given.secrets.clone(),
            speech: given.speech.clone(),
            payments: given.payments.clone(),
            chat: given.chat.clone(),
            keys,
            passwords: given.passwords.clone(),
            caches: given.caches.clone(),
            openapi: LazyLock::new(Box::new(Bytes::new)),
            voice_slots: given.voice_slots.clone(),
        });
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.address();
        let mode = Mode::Standalone { blobs: base.stores.embedded.blobs.clone() };
        let server = Arc::new(Server::new(state.clone(), base.registry.clone(), mode).unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { listener.serve(server, std::future::pending()).await });
        Self { client: Client::new(address, None), state, _serving: serving }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn until_the_keys_are_there_only_what_needs_them_has_to_wait() {
    let (base, place) = (TestApp::start().await, Place::new().await);
    place.vault.fail(Fault::Gone);
    let (ring, _secrets) = place.ring();
    let instance = Instance::start(&base, ring).await;
    let client = &instance.client;
    let asked =
        json!({ "email": "lakshmi@example.in", "password": PASSWORD, "firstName": "Lakshmi", "lastName": "Rao" });
    client.get("/api/v1/products").await.expect(200);
    let token = place.sign(&place.rotate());
    for refused in [
        client.with_token(token).get("/api/v1/products").await,
        client.post("/api/v1/auth/register").json(&asked).await,
        client.get("/api/v1/.well-known/jwks.json").await,
    ] {
        refused.problem(503, Code::Unavailable);
        assert_eq!(refused.header("retry-after"), "2");
    }
    assert!(!instance.state.keys.ready());
    place.vault.fail(None);
    eventually("the keys", async || instance.state.keys.ready().then_some(())).await;
    // The registration that was refused has left nothing behind.
    let signed_in = client.post("/api/v1/auth/register").json(&asked).await.expect(201).json();
    let token = signed_in["access_token"].as_str().unwrap();
    client.with_token(token).get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keys_change_under_load_and_no_request_fails() {
    let base = TestApp::start().await;
    let person = base.customer().await;
    let place = Place { clock: base.clock.clone(), ..Place::new().await };
    let ((first, secrets), (second, _others)) = (place.ready_ring().await, place.ready_ring().await);
    let instances = Arc::new([Instance::start(&base, first).await, Instance::start(&base, second).await]);
    let sign = |instance: &Instance| instance.state.keys.sign(&person.principal, base.clock.now()).unwrap().token;
    let old = sign(&instances[0]);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = JoinSet::new();
    for number in 0..8 {
        let (instances, stop, answered) = (instances.clone(), stop.clone(), answered.clone());
        let (principal, now, old) = (person.principal.clone(), base.clock.now(), old.clone());
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                // Signed by one, shown to the other, which may know less.
                let signer = &instances[number % 2].state.keys;
                let token = signer.sign(&principal, now).unwrap().token;
                for token in [token, old.clone()] {
                    instances[(number + 1) % 2].client.with_token(token).get("/api/v1/auth/me").await.expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let mut newest = String::new();
    for _ in 0..2 {
        newest = place.rotate().kid().to_owned();
        // Only one of the instances finds it by itself.
        secrets.refresh().await.unwrap();
        eventually("the new key everywhere", async || {
            let known = instances.iter().all(|instance| instance.state.keys.current().unwrap().kid() == newest);
            (known || load.is_empty()).then_some(())
        })
        .await;
    }
    let before = answered.load(Ordering::Relaxed);
    eventually("load on the last key", async || (answered.load(Ordering::Relaxed) > before + 50).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    load.join_all().await;

    for instance in &*instances {
        let shown = kids(&instance.state.keys, &base.clock);
        assert_eq!((shown.len(), &shown[0]), (3, &newest));
    }
    base.clock.advance(chrono::Duration::minutes(14));
    for instance in &*instances {
        instance.client.with_token(&old).get("/api/v1/auth/me").await.expect(200);
    }
    base.clock.advance(chrono::Duration::minutes(2));
    for instance in &*instances {
        let refused = instance.client.with_token(&old).get("/api/v1/auth/me").await;
        assert!(refused.problem(401, Code::InvalidToken).detail.contains("expired"));
    }
    base.clock.advance(chrono::Duration::minutes(10));
    for instance in &*instances {
        assert_eq!(kids(&instance.state.keys, &base.clock), [newest.clone()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_of_unknown_keys_neither_flood_the_vault_nor_hide_a_new_key() {
    let place = Place::new().await;
    let (ring, _secrets) = place.ready_ring().await;
    let ring = Arc::new(ring);
    let token = place.sign(&ring.current().unwrap());
    let before = place.vault.reads(KEY);
    let started = Instant::now();
    let flood = |count: usize| {
        let attempts = (0..count).map(|_| {
            let (ring, token, now) = (ring.clone(), hostile(&token), place.clock.now());
            tokio::spawn(async move { ring.authenticate(&token, now).await })
        });
        join_all(attempts.collect::<Vec<_>>())
    };
    for outcome in flood(2000).await {
        assert_eq!(outcome.unwrap(), Err(TokenError::Invalid));
    }
    let (hostile, honest) = tokio::join!(flood(200), async {
        let token = place.sign(&place.rotate());
        ring.authenticate(&token, place.clock.now()).await
    });
    honest.unwrap();
    assert!(hostile.into_iter().all(|outcome| outcome.unwrap() == Err(TokenError::Invalid)));
    // Besides those of the flood: of the refresher, and for the former key.
    let allowed = 3 + started.elapsed().as_secs() as usize / 2;
    let reads = place.vault.reads(KEY) - before;
    assert!(reads <= allowed, "{reads} reads where {allowed} are allowed");
}

#[tokio::test]
async fn without_the_vault_a_token_of_an_unknown_key_is_not_called_invalid() {
    let place = Place::new().await;
    let (ring, _secrets) = place.ready_ring().await;
    let known = place.sign(&ring.current().unwrap());
    let unknown = place.sign(&place.rotate());
    for fault in [Fault::Gone, Fault::Slow(Duration::from_secs(60))] {
        place.vault.fail(fault);
        let started = Instant::now();
        assert_eq!(ring.authenticate(&unknown, place.clock.now()).await, Err(TokenError::NotReady), "{fault:?}");
        assert!(started.elapsed() < Duration::from_secs(8), "{fault:?}");
        ring.authenticate(&known, place.clock.now()).await.unwrap();
    }
    place.vault.fail(None);
    eventually("the new key", async || ring.authenticate(&unknown, place.clock.now()).await.ok()).await;
}

#[tokio::test]
async fn a_secret_that_is_no_key_leaves_the_last_good_keys() {
    let place = Place::new().await;
    let (ring, secrets) = place.ready_ring().await;
    let (good, token) = (ring.current().unwrap(), place.sign(&ring.current().unwrap()));
    let two_current = format!(r#"{{"keys":[{0},{0}]}}"#, r#"{"state":"current","key":"bm9uc2Vuc2U="}"#);
    for bad in ["", "nonsense", "bm9uc2Vuc2U=", "{", r#"{"keys":[]}"#, &two_current] {
        place.vault.set(KEY, bad);
        secrets.refresh().await.unwrap();
        // Answered after the secret was read once more.
        ring.authenticate(&hostile(&token), place.clock.now()).await.unwrap_err();
        assert_eq!(ring.current().unwrap().kid(), good.kid(), "{bad:?}");
        ring.verify(&token, place.clock.now()).unwrap();
    }
    place.vault.delete(KEY);
    secrets.refresh().await.unwrap();
    assert_eq!(ring.current().unwrap().kid(), good.kid());
    let next = place.rotate();
    secrets.refresh().await.unwrap();
    eventually("the next key", async || (ring.current().unwrap().kid() == next.kid()).then_some(())).await;
    ring.verify(&token, place.clock.now()).unwrap();
}

#[tokio::test]
async fn a_start_after_a_change_knows_the_former_key_while_its_tokens_live() {
    let place = Place::new().await;
    place.clock.advance(chrono::Duration::minutes(1));
    let former = place.rotate();
    place.clock.advance(chrono::Duration::minutes(1));
    let token = place.sign(&former);
    place.clock.advance(chrono::Duration::minutes(1));
    let current = place.rotate();
    let (ring, _secrets) = place.ready_ring().await;
    assert_eq!(ring.current().unwrap().kid(), current.kid());
    ring.authenticate(&token, place.clock.now()).await.unwrap();
    assert_eq!(kids(&ring, &place.clock), [current.kid(), former.kid()]);

    place.clock.advance(chrono::Duration::minutes(26));
    let (ring, _secrets) = place.ready_ring().await;
    let late = place.sign(&former);
    assert_eq!(ring.authenticate(&late, place.clock.now()).await, Err(TokenError::Invalid));
    assert_eq!(kids(&ring, &place.clock), [current.kid()]);
}

#[tokio::test]
async fn while_the_former_key_cannot_be_read_its_tokens_are_not_called_invalid() {
    let place = Place::new().await;
    let (former, _secrets) = place.ready_ring().await;
    let token = place.sign(&former.current().unwrap());
    place.clock.advance(chrono::Duration::minutes(1));
    place.rotate();
    place.vault.forbid_listing(true);
    let (ring, _secrets) = place.ready_ring().await;
    assert_eq!(ring.authenticate(&token, place.clock.now()).await, Err(TokenError::NotReady));
    ring.authenticate(&place.sign(&ring.current().unwrap()), place.clock.now()).await.unwrap();
    place.vault.forbid_listing(false);
    eventually("the former key", async || ring.authenticate(&token, place.clock.now()).await.ok()).await;
}
