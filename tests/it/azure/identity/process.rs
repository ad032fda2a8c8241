//! Identities that the platform gives by variables: a process of its own has them, the one of the tests
//! does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use pravis::adapters::azure::{AzureTransport, credential};
use pravis::adapters::secrets::KeyVaultSecrets;
use pravis::ports::secrets::Secrets;
use pravis::settings::Settings;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::entra::{ASSERTION, CLIENT_ID, Entra};
use crate::support::loopback::Fault;
use crate::support::process::{PATIENCE, in_surroundings};
use crate::support::vault::{RESOURCE, Vault};

const SAID: &str = "OUTCOME ";

/// What the process of its own does: as the program would, it takes its settings from the environment, and
/// reads a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other tests of this module run it, in a process of its own"]
async fn reads_a_secret() {
    let settings = Settings::from_variables(&std::env::vars().collect()).unwrap().connections;
    let transport = AzureTransport::new().unwrap();
    let outcome = match credential(&settings.credential, &transport) {
        Ok(credential) => {
            let vault = settings.key_vault.unwrap();
            let secrets = KeyVaultSecrets::new(&vault, BTreeMap::new(), credential, &transport).unwrap();
            let started = Instant::now();
            match secrets.get("colour").await {
                Ok(value) => json!({ "value": value.map(|value| value.expose().to_owned()) }),
                Err(error) => {
                    json!({ "kind": error.kind().name(), "error": error.to_string(), "debug": format!("{error:?}"),
                                      "seconds": started.elapsed().as_secs_f64() })
                }
            }
        }
        Err(error) => json!({ "setting": error.name, "error": error.to_string() }),
    };
    println!("\n{SAID}{outcome}");
}

/// The doubles, and a directory for files.
struct Outside {
    entra: Entra,
    vault: Vault,
    place: TempDir,
}

impl Outside {
    async fn start() -> Self {
        let entra = Entra::start().await;
        let vault = Vault::start(&entra).await;
        vault.set("colour", "indigo");
        let place = tempfile::tempdir().unwrap();
        Self { entra, vault, place }
    }

    /// Runs [`reads_a_secret`] with `variables` besides those that name the vault.
    async fn process(&self, kind: &str, variables: impl IntoIterator<Item = (String, String)>) -> Value {
        let mut all = BTreeMap::from(self.vault.variables(self.place.path()));
        all.insert("AZURE_CREDENTIAL".into(), kind.into());
        all.extend(variables);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["azure::identity::process::reads_a_secret", "--exact", "--ignored", "--nocapture"]);
        in_surroundings(&mut command, &all, self.place.path());
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for (token, _) in self.entra.tokens.all() {
            assert!(!text.contains(&token), "{text}");
        }
        assert!(!text.contains("hush"), "{text}");
        let said = text.lines().find_map(|line| line.strip_prefix(SAID)).unwrap_or_else(|| panic!("{text}"));
        serde_json::from_str(said).unwrap()
    }
}

#[tokio::test]
async fn the_identity_of_app_service_reads_a_secret() {
    let outside = Outside::start().await;
    let said = outside.process("managed-identity", outside.entra.app_service()).await;
    assert_eq!(said, json!({ "value": "indigo" }));
    let issued = outside.entra.tokens.all();
    assert_eq!(issued.len(), 1);
    assert_eq!((issued[0].1.resource.as_str(), issued[0].1.client_id.as_deref()), (RESOURCE, None));
    assert_eq!((outside.entra.refused(), outside.vault.refused()), (vec![], vec![]));
}

#[tokio::test]
async fn a_user_assigned_identity_of_app_service_reads_a_secret() {
    let outside = Outside::start().await;
    let assigned = |id: &str| {
        let id = ("AZURE_CLIENT_ID".to_owned(), id.to_owned());
        outside.entra.app_service().into_iter().chain([id]).collect::<Vec<_>>()
    };
    let said = outside.process("managed-identity", assigned(CLIENT_ID)).await;
    assert_eq!(said, json!({ "value": "indigo" }));
    assert_eq!(outside.entra.tokens.all()[0].1.client_id.as_deref(), Some(CLIENT_ID));
    let said = outside.process("managed-identity", assigned("another")).await;
    assert_eq!(said["kind"], "unavailable", "{said}");
    assert_eq!(outside.entra.refused(), ["an identity that is not assigned"]);
}

#[tokio::test]
async fn a_wrong_identity_header_is_refused_and_not_shown() {
    let outside = Outside::start().await;
    let [endpoint, (header, _)] = outside.entra.app_service();
    let said = outside.process("managed-identity", [endpoint, (header, "sig=hush".to_owned())]).await;
    assert_eq!(said["kind"], "unavailable", "{said}");
    assert!(said["error"].as_str().unwrap().contains("no token: HTTP 400"), "{said}");
    assert_eq!(outside.entra.refused(), ["a request without its x-identity-header"]);
}

#[tokio::test]
async fn an_identity_endpoint_that_fails_fails_the_call_and_not_the_start() {
    for (fault, expected) in [
        (Fault::Status(500, None), "HTTP 500"),
        (Fault::Status(429, Some(60)), "HTTP 429"),
        (Fault::Garbage, "cannot be read"),
        (Fault::Cut, "the connection broke"),
        (Fault::Gone, "the connection broke"),
        (Fault::Slow(Duration::from_secs(60)), "no answer within"),
    ] {
        let outside = Outside::start().await;
        outside.entra.fail(fault);
        let said = outside.process("managed-identity", outside.entra.app_service()).await;
        assert!(said["error"].as_str().unwrap().contains(expected), "{fault:?}: {said}");
        assert!(said["seconds"].as_f64().unwrap() < 10.0, "{fault:?}: {said}");
    }
}

#[tokio::test]
async fn a_federated_identity_reads_a_secret() {
    let outside = Outside::start().await;
    let file = outside.place.path().join("assertion");
    let said = outside.process("workload-identity", outside.entra.workload(&file)).await;
    assert_eq!(said["setting"], "AZURE_CREDENTIAL", "{said}");
    std::fs::write(&file, ASSERTION).unwrap();
    let said = outside.process("workload-identity", outside.entra.workload(&file)).await;
    assert_eq!(said, json!({ "value": "indigo" }));
    std::fs::write(&file, "sig=hush").unwrap();
    let said = outside.process("workload-identity", outside.entra.workload(&file)).await;
    assert_eq!(said["kind"], "unavailable", "{said}");
    assert_eq!(outside.entra.refused(), ["another assertion"]);
}

#[tokio::test]
async fn without_its_variables_a_federated_identity_is_refused_by_name_at_the_start() {
    let outside = Outside::start().await;
    let said = outside.process("workload-identity", []).await;
    assert_eq!(said["setting"], "AZURE_CREDENTIAL", "{said}");
    assert!(said["error"].as_str().unwrap().contains("AZURE_TENANT_ID"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn whoever_is_signed_in_to_the_azure_command_line_reads_a_secret() {
    let outside = Outside::start().await;
    let tools = outside.place.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let path = |tools: &Path| {
        let system = std::env::var("PATH").unwrap_or_default();
        [("PATH".to_owned(), format!("{}:{system}", tools.display()))]
    };
    let (token, expires_on) = outside.entra.tokens.issue(RESOURCE, None, Duration::from_secs(3600));
    let answer = json!({ "accessToken": token, "expiresOn": "2099-01-01 00:00:00.000000", "expires_on": expires_on,
                         "tokenType": "Bearer" });
    script(&tools.join("az"), &format!("echo '{answer}'"));
    let said = outside.process("developer", path(&tools)).await;
    assert_eq!(said, json!({ "value": "indigo" }));
    script(&tools.join("az"), "echo sig=hush >&2; exit 1");
    let said = outside.process("developer", path(&tools)).await;
    assert_eq!(said["kind"], "unavailable", "{said}");
}

#[cfg(unix)]
fn script(path: &Path, body: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}
