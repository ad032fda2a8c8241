//! What every adapter of the secrets port must do.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pravis::adapters::secrets::settings::SettingsSecrets;
use pravis::ports::PortErrorKind;
use pravis::ports::secrets::{Secret, Secrets};
use tempfile::TempDir;
use ulid::Ulid;

use crate::support::entra::Entra;
use crate::support::vault::Vault;

/// What the suite tests: secrets of which one is known.
pub struct Subject {
    pub secrets: Arc<dyn Secrets>,
    pub known: (String, Secret),
    /// Lives as long as the secrets: a folder, a server.
    pub _kept: Box<dyn std::any::Any + Send + Sync>,
}

/// A test for each case, for one adapter: `subject` is an `async fn() -> Subject`.
macro_rules! secrets_suite {
    ($adapter:ident, $subject:expr; $($case:ident),+ $(,)?) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    crate::conformance::secrets::$case($subject().await).await;
                }
            )+
        }
    };
    ($adapter:ident, $subject:expr) => {
        secrets_suite!(
            $adapter, $subject;
            an_unknown_secret_is_none,
            a_known_secret_is_found,
            names_that_key_vault_refuses_are_refused,
        );
    };
}

secrets_suite!(settings, super::in_settings);
secrets_suite!(key_vault, super::in_key_vault);

async fn in_key_vault() -> Subject {
    let entra = Entra::start().await;
    let vault = Vault::start(&entra).await;
    let (name, value) = (name(), Secret::new("first \"quoted\" गुप्त\n"));
    vault.set(&name, value.expose());
    let secrets = vault.secrets(&entra, Duration::from_secs(300));
    Subject { secrets: Arc::new(secrets), known: (name, value), _kept: Box::new((entra, vault)) }
}

async fn in_settings() -> Subject {
    let (place, file) = secrets_file();
    let (name, value) = (name(), Secret::new("first \"quoted\" गुप्त\n"));
    let secrets = in_file(&file);
    secrets.get_or_create(&name, value.clone()).await.unwrap();
    Subject { secrets: Arc::new(secrets), known: (name, value), _kept: Box::new(place) }
}

fn in_file(file: &Path) -> SettingsSecrets {
    SettingsSecrets::new(BTreeMap::new(), Some(file.to_owned()))
}

fn secrets_file() -> (TempDir, std::path::PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("secrets.json");
    (place, file)
}

/// A name that no other run uses: the vault may be shared.
fn name() -> String {
    format!("conformance-{}", Ulid::generate())
}

async fn an_unknown_secret_is_none(subject: Subject) {
    assert_eq!(subject.secrets.get(&name()).await.unwrap(), None);
}

async fn a_known_secret_is_found(subject: Subject) {
    let (name, value) = subject.known;
    assert_eq!(subject.secrets.get(&name).await.unwrap(), Some(value));
}

async fn names_that_key_vault_refuses_are_refused(subject: Subject) {
    for name in ["", "a_b", "a/b", "../x", "ключ", "a b", &"x".repeat(128)] {
        assert_eq!(subject.secrets.get(name).await.unwrap_err().kind(), PortErrorKind::InvalidRequest, "{name:?}");
    }
    assert_eq!(subject.secrets.get(&"x".repeat(127)).await.unwrap(), None);
}

#[tokio::test]
async fn names_that_key_vault_refuses_are_not_created() {
    let (_place, file) = secrets_file();
    let created = in_file(&file).get_or_create("a_b", Secret::new("value")).await;
    assert_eq!(created.unwrap_err().kind(), PortErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_created_secret_is_found_and_kept() {
    let (_place, file) = secrets_file();
    let (secrets, first) = (in_file(&file), Secret::new("first"));
    assert_eq!(secrets.get_or_create("name", first.clone()).await.unwrap(), first);
    assert_eq!(secrets.get_or_create("name", Secret::new("second")).await.unwrap(), first);
    assert_eq!(secrets.get("name").await.unwrap(), Some(first));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creators_one_wins() {
    let (_place, file) = secrets_file();
    let secrets = Arc::new(in_file(&file));
    let creators = (0..8).map(|creator| {
        let secrets = Arc::clone(&secrets);
        tokio::spawn(async move { secrets.get_or_create("name", Secret::new(creator.to_string())).await.unwrap() })
    });
    let given: Vec<Secret> = join_all(creators).await.into_iter().map(Result::unwrap).collect();
    assert!(given.iter().all(|secret| *secret == given[0]), "two creators hold two values");
    assert_eq!(secrets.get("name").await.unwrap().as_ref(), given.first());
}

#[tokio::test]
async fn a_created_secret_survives_a_restart() {
    let (_place, file) = secrets_file();
    for name in ["one", "two", "three"] {
        in_file(&file).get_or_create(name, Secret::new(name)).await.unwrap();
    }
    for name in ["one", "two", "three"] {
        let found = in_file(&file).get_or_create(name, Secret::new("other")).await.unwrap();
        assert_eq!(found.expose(), name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_that_create_at_once_lose_no_secret() {
    let (_place, file) = secrets_file();
    let creators = (0..16).map(|number: usize| {
        let secrets = in_file(&file);
        tokio::spawn(async move {
            let own = secrets.get_or_create(&format!("own-{number}"), Secret::new("mine")).await.unwrap();
            assert_eq!(own.expose(), "mine");
            secrets.get_or_create("shared", Secret::new(number.to_string())).await.unwrap()
        })
    });
    let shared: Vec<Secret> = join_all(creators).await.into_iter().map(Result::unwrap).collect();
    assert!(shared.iter().all(|secret| *secret == shared[0]));
    for number in 0..16 {
        assert!(in_file(&file).get(&format!("own-{number}")).await.unwrap().is_some(), "own-{number} was lost");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let (place, file) = secrets_file();
    in_file(&file).get_or_create("key", Secret::new("value")).await.unwrap();
    for entry in fs::read_dir(place.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn the_settings_win_over_the_file() {
    let (_place, file) = secrets_file();
    in_file(&file).get_or_create("key", Secret::new("file")).await.unwrap();
    let values = BTreeMap::from([("key".to_owned(), Secret::new("settings"))]);
    let secrets = SettingsSecrets::new(values, Some(file));
    assert_eq!(secrets.get("key").await.unwrap(), Some(Secret::new("settings")));
    assert_eq!(secrets.get_or_create("key", Secret::new("fresh")).await.unwrap().expose(), "settings");
}

#[tokio::test]
async fn without_a_file_the_error_names_the_secret_to_configure() {
    let secrets = SettingsSecrets::new(BTreeMap::new(), None);
    assert_eq!(secrets.get("url-signing-key").await.unwrap(), None);
    let error = secrets.get_or_create("url-signing-key", Secret::new("s3cret")).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::InvalidRequest);
    assert!(error.to_string().contains("url-signing-key"));
    assert!(!format!("{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_damaged_file_is_corrupt_and_left_alone() {
    let (_place, file) = secrets_file();
    fs::write(&file, "{ \"key\": \"va").unwrap();
    let error = in_file(&file).get_or_create("other", Secret::new("value")).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Corrupt);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ \"key\": \"va");
}

#[tokio::test]
async fn a_half_written_draft_of_a_dead_process_does_no_harm() {
    let (place, file) = secrets_file();
    fs::write(place.path().join("secrets.json.new"), "{ \"half").unwrap();
    in_file(&file).get_or_create("key", Secret::new("value")).await.unwrap();
    assert_eq!(in_file(&file).get("key").await.unwrap(), Some(Secret::new("value")));
}
