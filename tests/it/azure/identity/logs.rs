//! What is logged while secrets and keys are read, and what is not.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pravis::identity::{KeyRing, Rotation, fresh_signing_key};
use pravis::ports::clock::SystemClock;
use pravis::ports::secrets::Secrets;
use tokio::process::Command;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::entra::{Entra, IDENTITY_HEADER};
use crate::support::loopback::Fault;
use crate::support::process::{PATIENCE, eventually, in_surroundings};
use crate::support::vault::Vault;

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_log_of_any_level_shows_a_token_or_a_secret() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["azure::identity::logs::everything_is_logged", "--exact", "--ignored", "--nocapture"]);
    let place = tempfile::tempdir().unwrap();
    in_surroundings(&mut command, &BTreeMap::new(), place.path());
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "the other test runs it, in a process of its own, of which the log is"]
async fn everything_is_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let entra = Entra::start().await;
    let vault = Vault::start(&entra).await;
    let key = fresh_signing_key().unwrap();
    vault.set("colour", "indigo-of-the-vault");
    vault.set("jwt-signing-key", "hush-this-is-no-key");
    let secrets = Arc::new(vault.secrets(&entra, Duration::from_millis(100)));
    let rotation = Rotation {
        secret: "jwt-signing-key".into(),
        issuer: "https://boutique.example".into(),
        audience: "pravis".into(),
        overlap: chrono::Duration::minutes(10),
    };
    let ring = KeyRing::follow(secrets.clone(), rotation, Arc::new(SystemClock));
    eventually("the word on the bad key", async || log.text().contains("it is neither a key").then_some(())).await;
    vault.set("jwt-signing-key", key.expose());
    eventually("the keys", async || ring.ready().then_some(())).await;
    vault.expire("colour");
    secrets.get("colour").await.unwrap();
    for fault in [Fault::Status(500, None), Fault::Garbage, Fault::Cut, Fault::Gone, Fault::Status(429, Some(9))] {
        vault.fail(fault);
        secrets.refresh().await.unwrap_err();
    }
    let text = log.text();
    for word in ["signing keys taken up", "has expired", "secrets not read again"] {
        assert!(text.contains(word), "{word} is not told");
    }
    let issued = entra.tokens.all();
    assert!(!issued.is_empty());
    let tokens = issued.iter().map(|(token, _)| token.as_str());
    for hidden in tokens.chain([key.expose(), "indigo-of-the-vault", "hush", IDENTITY_HEADER]) {
        assert!(!text.contains(hidden), "{hidden} is told");
    }
}
