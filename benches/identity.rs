//! What it costs to know who calls: access tokens and API keys from memory, a refresh and a login on the
//! embedded stores.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use pravis::app;
use pravis::function::Handler;
use pravis::http::{Body, Client, Request, Response};
use pravis::identity::{Caller, Lane, Role};
use pravis::ports::secrets::Secret;
use pravis::registry::Registry;
use pravis::services::accounts::appoint;
use pravis::settings::Settings;
use pravis::state::AppState;
use pravis::types::TenantId;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const PASSWORD: &str = "kanjivaram-9";
/// Sessions that refresh beside each other.
const CROWD: usize = 64;

struct Boutique {
    state: AppState,
    registry: Arc<Registry>,
    _dir: tempfile::TempDir,
}

impl Boutique {
    async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().to_string_lossy().into_owned();
        let variables = BTreeMap::from([("PRAVIS_DATA_DIR".to_owned(), place)]);
        let settings = Settings::from_variables(&variables).expect("settings");
        let application = app::build(settings).await.expect("an application");
        Self { state: application.state, registry: application.registry, _dir: dir }
    }

    fn handler(&self, function: &str) -> &Handler<Request, Response> {
        let function = self.registry.get(function).expect("the function exists");
        &function.http_trigger().expect("it takes HTTP").handler
    }

    async fn call(&self, function: &str, caller: &Caller, body: Value) -> Value {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request {
            id: "bench".into(),
            method: Method::POST,
            path: "/api".into(),
            params: Vec::new(),
            query: String::new(),
            headers,
            caller: caller.clone(),
            client: Client::default(),
            body: body.to_string().into(),
        };
        let response = self.handler(function)(self.state.clone(), request).await;
        let response = response.unwrap_or_else(|error| panic!("{function}: {}", error.chain()));
        let Body::Full(body) = response.into_body() else { panic!("{function} streams") };
        serde_json::from_slice(&body).expect("JSON")
    }

    fn stranger(&self) -> Caller {
        Caller::Anonymous { tenant: TenantId::pravis() }
    }

    async fn register(&self, number: usize) -> Value {
        let asked = json!({ "email": format!("bench{number}@example.in"), "password": PASSWORD });
        self.call("AccountsAuthRegister", &self.stranger(), asked).await
    }

    /// The headers of an administrator, and who that is.
    async fn admin(&self) -> (HeaderMap, Caller) {
        let tenant = TenantId::pravis();
        appoint(&self.state, &tenant, "admin@example.in", Secret::new(PASSWORD), false).await.expect("an admin");
        let asked = json!({ "email": "admin@example.in", "password": PASSWORD });
        let signed_in = self.call("AccountsAuthLogin", &self.stranger(), asked).await;
        let headers = bearer(&signed_in["access_token"]);
        let known = pravis::server::principal(&self.state, &headers).await.expect("a good token");
        let principal = known.expect("an account");
        assert_eq!(principal.role, Role::Admin);
        (headers, Caller::Known(principal))
    }
}

fn bearer(token: &Value) -> HeaderMap {
    let value = format!("Bearer {}", token.as_str().expect("a token"));
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).expect("a header"))])
}

/// Runs `once` so many times on the runtime, one after the other.
fn in_turn<F: Future>(runtime: &Runtime, times: u64, mut once: impl FnMut() -> F) -> Duration {
    runtime.block_on(async {
        let started = Instant::now();
        for _ in 0..times {
            std::hint::black_box(once().await);
        }
        started.elapsed()
    })
}

fn checks(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let boutique = runtime.block_on(Boutique::open());
    let (token, admin) = runtime.block_on(boutique.admin());
    let asked = json!({ "name": "bench", "scopes": ["readMetrics"] });
    let made = runtime.block_on(boutique.call("AccountsAdminApiKeysCreate", &admin, asked));
    let key = bearer(&made["key"]);
    let mut group = criterion.benchmark_group("caller");
    for (name, headers) in [("access token", &token), ("API key", &key)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                in_turn(&runtime, times, || async {
                    pravis::server::principal(&boutique.state, headers).await.expect("a good credential")
                })
            });
        });
    }
    group.finish();
}

fn refreshes(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let boutique = runtime.block_on(Boutique::open());
    let mut tokens: Vec<Value> = runtime.block_on(async {
        let mut tokens = Vec::new();
        for number in 0..CROWD {
            tokens.push(boutique.register(number).await["refresh_token"].clone());
        }
        tokens
    });
    let mut group = criterion.benchmark_group("refresh");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.bench_function(format!("{CROWD} sessions at once"), |bencher| {
        bencher.iter_custom(|times| {
            let rounds = times.div_ceil(CROWD as u64);
            let elapsed = runtime.block_on(async {
                let started = Instant::now();
                for _ in 0..rounds {
                    let refreshed = join_all(tokens.iter().map(async |token| {
                        let asked = json!({ "refresh_token": token });
                        boutique.call("AccountsAuthRefresh", &boutique.stranger(), asked).await
                    }));
                    tokens = refreshed.await.into_iter().map(|answer| answer["refresh_token"].clone()).collect();
                }
                started.elapsed()
            });
            elapsed.mul_f64(times as f64 / (rounds * CROWD as u64) as f64)
        });
    });
    group.finish();
}

fn logins(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let boutique = runtime.block_on(Boutique::open());
    let registered = runtime.block_on(boutique.register(0));
    // From a device that the account knows: strangers may not try as often.
    let device = &registered["device_token"];
    let asked = json!({ "email": "bench0@example.in", "password": PASSWORD, "device_token": device });
    let stored = runtime.block_on(boutique.state.passwords.hash(Lane::Trusted, Secret::new(PASSWORD))).expect("a hash");
    let mut group = criterion.benchmark_group("login");
    group.sample_size(10);
    group.bench_function("the password alone", |bencher| {
        bencher.iter_custom(|times| {
            in_turn(&runtime, times, || async {
                let given = Secret::new(PASSWORD);
                boutique.state.passwords.verify(Lane::Trusted, given, Some(stored.clone())).await.expect("a check")
            })
        });
    });
    group.bench_function("a login", |bencher| {
        bencher.iter_custom(|times| {
            in_turn(&runtime, times, || async {
                boutique.call("AccountsAuthLogin", &boutique.stranger(), asked.clone()).await
            })
        });
    });
    group.finish();
}

criterion_group!(benches, checks, refreshes, logins);
criterion_main!(benches);
