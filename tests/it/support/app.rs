//! The real application on its embedded adapters, in a directory of its own, on a port of its own,
//! under a clock that stands still. It finds no speech engine, whatever the machine has, unless it is told
//! the `PATH`: what depends on one is tested elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use pravis::app::{Application, build_at};
use pravis::containers::{CUSTOMERS, customer};
use pravis::function::{BlobWritten, DocumentsChanged, HttpTrigger, Outcome, TimerTick, Trigger};
use pravis::host::local::{LocalHost, LocalStores};
use pravis::identity::{Credential, Principal, Role, Session};
use pravis::ports::blobs::BlobName;
use pravis::ports::documents::NewDocument;
use pravis::registry::Registry;
use pravis::server::{Listener, Mode, Server};
use pravis::services::accounts::{self, User, team};
use pravis::settings::Settings;
use pravis::state::AppState;
use pravis::types::{TenantId, TierId, UserId};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use ulid::Ulid;

use super::client::Client;
use super::clock::ManualClock;

/// The password of every customer that the harness registers.
pub const PASSWORD: &str = "kanjivaram-9";

/// An application that is being served. Dropped, it stops.
pub struct TestApp {
    pub state: AppState,
    pub registry: Arc<Registry>,
    pub stores: LocalStores,
    pub clock: Arc<ManualClock>,
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    dir: TempDir,
}

/// A caller with an account.
pub struct Person {
    api: Client,
    pub id: UserId,
    pub email: String,
    pub principal: Principal,
}

impl Deref for Person {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.api
    }
}

impl Person {
    /// The same person with another token.
    pub fn with_fresh(self, token: impl Into<String>) -> Self {
        Self { api: self.api.with_token(token), ..self }
    }
}

impl TestApp {
    /// Builds and serves the application, its triggers included.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with variables set.
    pub async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::begin(variables, true).await
    }

    /// The same without triggers: only what a test fires runs.
    pub async fn start_idle(variables: &[(&str, &str)]) -> Self {
        Self::begin(variables, false).await
    }

    async fn begin(variables: &[(&str, &str)], triggers: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = Listener::bind(SocketAddr::from(([0, 0, 0, 0], 0))).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], listener.address().port()));
        let mut settings: std::collections::BTreeMap<String, String> =
            variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        // Tests hammer; those of limits turn them on.
        settings.entry("PRAVIS_RATE_LIMITS".into()).or_insert_with(|| "off".into());
        settings.insert("PRAVIS_DATA_DIR".into(), dir.path().to_string_lossy().into_owned());
        settings.insert("PRAVIS_PUBLIC_URL".into(), format!("http://{address}"));
        let clock = Arc::new(ManualClock::new());
        let settings = Settings::from_variables(&settings).unwrap();
        let Application { state, registry, stores } = build_at(settings, clock.clone()).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let host = LocalHost::new(state.clone(), registry.clone(), stores.clone());
        let mode = Mode::Standalone { blobs: stores.embedded.blobs.clone() };
        let server = Server::new(state.clone(), registry.clone(), mode);
        let server = Arc::new(server.unwrap());
        let mut told = stop.subscribe();
        let serving = async move {
            listener.serve(server, async move { drop(told.wait_for(|stop| *stop).await) }).await;
        };
        let mut tasks = vec![tokio::spawn(serving)];
        if triggers {
            tasks.push(tokio::spawn(host.run(stopped)));
        }
        Self { state, registry, stores, clock, address, stop, tasks, dir }
    }

    /// A caller whom nobody knows.
    pub fn client(&self) -> Client {
        Client::new(self.address, None)
    }

    /// A stranger at another address of this machine: all of 127.0.0.0/8 is.
    pub fn client_at(&self, address: [u8; 4]) -> Client {
        Client::new(self.address, Some(IpAddr::from(address)))
    }

    /// A new customer, registered through the API.
    pub async fn customer(&self) -> Person {
        let email = format!("{}@example.in", Ulid::generate().to_string().to_lowercase());
        let asked = json!({ "email": email, "password": PASSWORD, "firstName": "Lakshmi", "lastName": "Rao" });
        let signed_in = self.client().post("/api/v1/auth/register").json(&asked).await.expect(201).json();
        let token = signed_in["access_token"].as_str().unwrap();
        let principal = self.state.keys.verify(token, pravis::ports::clock::Clock::now(&*self.clock)).unwrap();
        Person { api: self.client().with_token(token), id: principal.user.clone(), email, principal }
    }

    pub async fn staff(&self) -> Person {
        self.person(Role::Staff).await
    }

    pub async fn admin(&self) -> Person {
        self.person(Role::Admin).await
    }

    /// Somebody of the staff of another boutique.
    pub async fn staff_of(&self, tenant: &str) -> Person {
        self.person_of(&tenant.parse().unwrap(), Role::Staff).await
    }

    /// A new account with a role that no endpoint gives.
    pub async fn person(&self, role: Role) -> Person {
        self.person_of(&TenantId::pravis(), role).await
    }

    /// The same in any boutique.
    pub async fn person_of(&self, tenant: &TenantId, role: Role) -> Person {
        let email = format!("{}@pravis.example", Ulid::generate().to_string().to_lowercase());
        // A role comes after the account; that of programs is no account's.
        let opened_as = if role == Role::Service { role } else { Role::Customer };
        let user: User = serde_json::from_value(json!({
            "kind": User::KIND, "id": UserId::generate(), "email": email, "passwordHash": "none", "firstName": "Asha",
            "lastName": "Iyer", "role": opened_as, "tier": "free", "active": true, "createdAt": self.state.clock.now(),
        }))
        .unwrap();
        accounts::create_user(&self.state, tenant, &user).await.unwrap();
        let version = match role {
            Role::Staff | Role::Admin => {
                let change = team::Change::Role(role);
                team::change(&self.state, tenant, &user.id, change, &team::By::operator()).await.unwrap().version
            }
            Role::Customer | Role::Service => 0,
        };
        let (session, _) = Session::begin(tenant, &user.id, "test", self.state.clock.now()).unwrap();
        let document = NewDocument::new(session.id.as_str(), &session).unwrap();
        self.state.documents.create(&CUSTOMERS, &customer(tenant, user.id.as_str()), document).await.unwrap();
        let credential = Credential::Session(session.id);
        let tenant = tenant.clone();
        let principal = Principal { user: user.id.clone(), tenant, role, tier: TierId::FREE, version, credential };
        let token = self.state.keys.sign(&principal, self.state.clock.now()).unwrap().token;
        Person { api: self.client().with_token(token), id: user.id, email, principal }
    }

    /// Where the embedded stores keep their files.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Every HTTP function with its name.
    pub fn http_functions(&self) -> impl Iterator<Item = (&'static str, &HttpTrigger)> {
        self.registry.functions().iter().filter_map(|function| Some((function.name, function.http_trigger()?)))
    }

    /// Lets a timer come due.
    pub async fn tick(&self, timer: &str) -> String {
        let Trigger::Timer { handler, .. } = &self.registry.get(timer).expect("the timer exists").trigger else {
            panic!("{timer} is no timer")
        };
        handler(self.state.clone(), TimerTick { past_due: false }).await.unwrap().summary
    }

    /// Tells a change-feed function of documents.
    pub async fn changed(&self, function: &str, documents: Vec<Value>) -> String {
        let Trigger::ChangeFeed { handler, .. } = &self.registry.get(function).expect("it exists").trigger else {
            panic!("{function} hears of no changes")
        };
        handler(self.state.clone(), DocumentsChanged { documents }).await.unwrap().summary
    }

    /// Hands every blob of a container to the function that it fires, once, in this application or another
    /// over its stores; gives what they did.
    pub async fn fire(&self, function: &str, state: &AppState) -> Vec<pravis::error::Result<Outcome>> {
        let Trigger::Blob { container, handler } = &self.registry.get(function).expect("it exists").trigger else {
            panic!("{function} is fired by no blob")
        };
        let mut outcomes = Vec::new();
        for item in self.state.blobs.list(container, "", 1000, None).await.unwrap().items {
            let content = self.blob(&BlobName::new(container, item.path)).await.unwrap_or_default();
            outcomes.push(handler(state.clone(), BlobWritten { content }).await);
        }
        outcomes
    }

    /// The content of a blob.
    pub async fn blob(&self, name: &BlobName) -> Option<Bytes> {
        let content = self.state.blobs.get(name, None).await.unwrap()?;
        Some(content.stream.try_collect::<BytesMut>().await.unwrap().freeze())
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Asks again until there is an answer; fails after 30 seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}
