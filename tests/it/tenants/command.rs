//! The command, beside the running program, on the stores of its data directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use pravis::adapters::cache::MemoryInvalidations;
use pravis::adapters::documents::SqliteDocuments;
use pravis::containers::{DOCUMENT_CONTAINERS, TENANTS, tenant};
use pravis::ports::clock::{Clock, SystemClock};
use pravis::ports::documents::{DocumentStore, NewDocument};
use pravis::services::tenants::Tenancy;
use pravis::tenants::Tenant;
use pravis::types::{Placement, TenantId, TierId};
use serde_json::json;

use crate::support::app::PASSWORD;
use crate::support::client::Client;
use crate::support::process::{self, Process, Standalone, eventually};

const PREFERENCES: &str = "/api/v1/users/me/preferences";

fn variables() -> BTreeMap<String, String> {
    [("PRAVIS_TENANT_CACHE_SECONDS", "1"), ("PRAVIS_DATA_DIR", "."), ("PRAVIS_LOG", "error")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

async fn told(arguments: &[&str], place: &Path) -> (bool, String) {
    let output = process::run(arguments, &variables(), place).await;
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn boutique(id: &TenantId) -> Tenant {
    let now = SystemClock.now();
    Tenant {
        kind: Tenant::KIND.into(),
        id: id.clone(),
        name: "Weavers of Gadwal".into(),
        tier: TierId::FREE,
        hosts: vec!["gadwal.example".into()],
        suspended: false,
        placement: Placement::Shared,
        movement: None,
        left_behind: None,
        version: 1,
        created_at: now,
        changed_at: now,
    }
}

/// A customer of the boutique, once the program knows it.
async fn customer(program: &Standalone) -> Client {
    let client = Client::new(program.address, None);
    let token = eventually("a customer of the boutique", async || {
        let asked = json!({ "email": format!("{}@example.in", ulid::Ulid::generate()), "password": PASSWORD });
        let call = client.call(Method::POST, "/api/v1/auth/register").header("origin", "https://gadwal.example");
        let told = call.json(&asked).await.expect(201).json();
        let is_theirs = told["refresh_token"].as_str().unwrap().starts_with("gadwal.");
        is_theirs.then(|| told["access_token"].as_str().unwrap().to_owned())
    })
    .await;
    client.with_token(token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_moved_beside_the_running_program_also_after_the_command_was_killed() {
    let place = tempfile::tempdir().unwrap();
    let program = Standalone::start_with(place.path(), &variables()).await;
    let file = place.path().join("documents.db");
    let shared: Arc<dyn DocumentStore> =
        Arc::new(SqliteDocuments::open(&file, &DOCUMENT_CONTAINERS, Arc::new(SystemClock)).unwrap());
    let id: TenantId = "gadwal".parse().unwrap();
    let record = NewDocument::new(id.as_str(), &boutique(&id)).unwrap();
    shared.create(&TENANTS, &tenant(&id), record).await.unwrap();
    let tenancy = Tenancy::new(shared, Arc::new(MemoryInvalidations::new()));
    let person = customer(&program).await;
    let write = async |n: u32| person.call(Method::PATCH, PREFERENCES).json(&json!({ "n": n })).await;
    write(1).await.expect(200);

    let (done, text) = told(&["tenants", "move", "nobody", "--to", "shared"], place.path()).await;
    assert!(!done && text.contains("there is no tenant nobody"), "{text}");
    let (done, text) = told(&["tenants", "move", "gadwal", "--to", "elsewhere"], place.path()).await;
    assert!(!done && text.contains("dedicated:NAME"), "{text}");
    let moving = ["tenants", "move", "gadwal", "--to", "dedicated:weaves", "--purge"];
    let (done, text) = told(&[&moving[..], &["--dry-run"]].concat(), place.path()).await;
    assert!(done && text.contains("customers") && text.contains("would go to dedicated:weaves"), "{text}");
    assert_eq!(tenancy.find(&id).await.unwrap().unwrap().0.version, 1, "nothing was changed");

    let mut killed = Process::spawn(process::command(&moving, &variables(), place.path())).unwrap();
    eventually("the fence", async || {
        killed.output().iter().any(|line| line.contains("writes are refused")).then_some(())
    })
    .await;
    killed.kill().await;
    eventually("a refused write", async || (write(2).await.status == 503).then_some(())).await;
    person.get(PREFERENCES).await.expect(200);
    let (done, text) = told(&moving, place.path()).await;
    assert!(!done && text.contains("another process"), "{text}");

    // A minute later.
    let (mut record, etag) = tenancy.find(&id).await.unwrap().unwrap();
    record.movement.as_mut().unwrap().held_until = SystemClock.now();
    tenancy.replace(&record, etag, None).await.unwrap();
    let (done, text) = told(&moving, place.path()).await;
    assert!(done && text.contains("is in dedicated:weaves") && text.contains("removed from where it was"), "{text}");
    assert!(place.path().join("documents-weaves.db").exists());
    eventually("writes in the new database", async || (write(3).await.status == 200).then_some(())).await;
    assert_eq!(person.get(PREFERENCES).await.expect(200).json()["preferences"]["n"], 3);
    person.get("/api/v1/auth/me").await.expect(200);
}
