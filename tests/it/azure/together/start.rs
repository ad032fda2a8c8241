//! Starting: wrong settings are told by name and without secrets; services that are away are waited for by
//! nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pravis::error::Code;

use super::Services;
use crate::support::client::Client;
use crate::support::faults::Fault;
use crate::support::process::{self, Standalone, eventually};

/// A value that must not be seen.
const MARKER: &str = "c2VjcmV0LW1hcmtlcg";

/// Settings with one thing wrong each, and the setting that has to be named.
fn wrong() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let key = STANDARD.encode([7; 64]);
    let cosmos = ("COSMOS_ENDPOINT", "https://boutique.documents.example/".to_owned());
    vec![
        ("COSMOS_KEY", vec![cosmos.clone(), ("COSMOS_KEY", MARKER.into())]),
        ("COSMOS_KEY", vec![cosmos.clone(), ("COSMOS_KEY", format!("{MARKER} not base64"))]),
        ("COSMOS_REGIONS", vec![cosmos.clone(), ("COSMOS_KEY", key.clone()), ("COSMOS_REGIONS", "Atlantis".into())]),
        ("COSMOS_ENDPOINT", vec![("COSMOS_ENDPOINT", "http://boutique.documents.example".into()), ("COSMOS_KEY", key)]),
        ("COSMOS_KEY", vec![cosmos, ("COSMOS_KEY", "@keyvault(cosmos-key)".into())]),
        ("AzureWebJobsStorage", vec![("AzureWebJobsStorage", format!("AccountName=a;AccountKey={MARKER}"))]),
        ("AzureWebJobsStorage", vec![("AzureWebJobsStorage", MARKER.into())]),
        ("BLOB_SERVICE_URI", vec![("BLOB_SERVICE_URI", format!("https://a.blob.core.windows.net/?sig={MARKER}"))]),
        (
            "STORAGE_KEY",
            vec![("BLOB_SERVICE_URI", "https://a.blob.core.windows.net".into()), ("STORAGE_KEY", MARKER.into())],
        ),
        ("REDIS_URL", vec![("REDIS_URL", format!("http://:{MARKER}@cache.example:6380"))]),
        ("REDIS_USER", vec![("REDIS_URL", "rediss://cache.example:10000".into()), ("REDIS_AUTH", "entra".into())]),
        ("SQL_URL", vec![("SQL_URL", format!("Server=tcp:sql.example,1433;Database=pravis;Encrypt={MARKER}"))]),
        ("SQL_URL", vec![("SQL_URL", MARKER.into())]),
        (
            "SQL_READ_URL",
            vec![
                ("SQL_URL", format!("Server=tcp:sql.example,1433;Database=pravis;User ID=a;Password={MARKER}")),
                ("SQL_READ_URL", MARKER.into()),
            ],
        ),
        ("KEY_VAULT_URL", vec![("KEY_VAULT_URL", "http://boutique.vault.example".into())]),
    ]
}

#[tokio::test]
async fn a_wrong_setting_is_told_by_its_name_and_without_its_value() {
    let place = tempfile::tempdir().unwrap();
    for (setting, variables) in wrong() {
        let variables: BTreeMap<String, String> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let output = process::run(&["serve", "--listen", "127.0.0.1:0"], &variables, place.path()).await;
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{variables:?}");
        assert!(told.contains(&format!("setting {setting}:")), "{setting} is not named: {told}");
        assert!(!told.contains(MARKER), "{told}");
    }
}

#[tokio::test]
async fn production_starts_on_real_services_only() {
    let services = Services::start().await;
    let whole: BTreeMap<String, String> = services
        .variables()
        .into_iter()
        .chain(
            [("ENVIRONMENT", "production"), ("PRAVIS_RATE_LIMITS", "on")]
                .map(|(name, value)| (name.into(), value.into())),
        )
        .collect();
    for (left_out, named) in [
        ("COSMOS_ENDPOINT", "COSMOS_ENDPOINT"),
        ("AzureWebJobsStorage", "BLOB_SERVICE_URI"),
        ("REDIS_URL", "REDIS_URL"),
        ("SQL_URL", "SQL_URL"),
    ] {
        let mut variables = whole.clone();
        variables.remove(left_out);
        let output = process::run(&["serve", "--listen", "127.0.0.1:0"], &variables, services.place()).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(told.contains(&format!("setting {named}: required in production")), "{told}");
    }
    let program = Standalone::start_with(services.place(), &whole).await;
    Client::new(program.address, None).get("/api/v1/health/live").await.expect(200);
    let files: Vec<_> = std::fs::read_dir(services.place()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["roots.pem"], "production keeps no files");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_starts_without_its_services_and_takes_them_up_when_they_come() {
    let services = Services::prepared().await;
    let all = [&services.to_cosmos, &services.to_blobs, &services.to_queues, &services.to_redis, &services.to_sql];
    all.iter().for_each(|service| service.set(Fault::Gone));
    services.vault.fail(crate::support::loopback::Fault::Gone);
    let started = Instant::now();
    let program = Standalone::start_with(services.place(), &services.variables()).await;
    let client = Client::new(program.address, None);
    client.get("/api/v1/health/live").await.expect(200);
    assert!(started.elapsed() < Duration::from_secs(5), "started after {:?}", started.elapsed());
    client.get("/api/openapi.json").await.expect(200);
    client.get("/api/v1/products").await.problem(503, Code::Unavailable);
    let ready = client.get("/api/v1/health/ready").await.expect(503).json();
    for component in ["documents", "blobs", "signingKeys"] {
        assert_eq!(ready["components"][component]["status"], "unhealthy", "{ready:#}");
    }

    all.iter().for_each(|service| service.set(Fault::None));
    services.vault.fail(None);
    eventually("a ready program", async || (client.get("/api/v1/health/ready").await.status == 200).then_some(()))
        .await;
    eventually("a catalogue", async || {
        let products = client.get("/api/v1/products?limit=1").await;
        (products.status == 200 && products.json()["products"][0]["id"].is_string()).then_some(())
    })
    .await;
    let program = super::Program { _process: program, client };
    program.customer().await.get("/api/v1/auth/me").await.expect(200);
    eventually("health without a complaint", async || {
        let health = program.client.get("/api/v1/health").await.json();
        let services = ["documents", "blobs", "signingKeys", "cache", "reporting"];
        services.iter().all(|name| health["components"][name]["status"] == "healthy").then_some(())
    })
    .await;
}
