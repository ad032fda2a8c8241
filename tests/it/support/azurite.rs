//! Azurite, Microsoft's emulator of Blob Storage and Storage queues, in memory and on ports that the system
//! picks. It dies with the process of the tests, however that ends.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pravis::adapters::azure::AzureTransport;
use pravis::adapters::secrets::SettingsSecrets;
use pravis::adapters::storage_account::StorageAccount;
use pravis::ports::secrets::{Secret, SecretRef, SecretSource};
use pravis::settings::StorageSettings;
use serde_json::json;
use url::Url;

/// The account that every Azurite has, and its key, which its documentation tells everybody.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// How long it may take to start, on a machine that does other work besides.
const PATIENCE: Duration = Duration::from_secs(60);
/// Runs a command, and kills it as soon as standard input ends: with whoever holds the other end of it.
const WITH_OWNER: &str = r#""$@" & child=$!; cat >/dev/null; kill -9 $child"#;

/// How callers make themselves known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// By the account key, over http.
    Key,
    /// By a token of Microsoft Entra ID, over https. Azurite checks its claims, not its signature.
    Token,
}

/// A running Azurite. Dropped, it is killed.
pub struct Azurite {
    login: Login,
    process: Child,
    blobs: SocketAddr,
    queues: SocketAddr,
    /// The certificate that it shows, in PEM.
    certificate: Option<String>,
}

/// The one that all tests of the process share; each works on blobs and queues of its own.
pub async fn shared(login: Login) -> &'static Azurite {
    static BY_KEY: OnceLock<Azurite> = OnceLock::new();
    static BY_TOKEN: OnceLock<Azurite> = OnceLock::new();
    let place = match login {
        Login::Key => &BY_KEY,
        Login::Token => &BY_TOKEN,
    };
    tokio::task::spawn_blocking(move || place.get_or_init(|| Azurite::start(login))).await.unwrap()
}

impl Azurite {
    /// Starts one and waits until it listens. Blocks.
    pub fn start(login: Login) -> Self {
        Self::listen(login, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// The same, with the blob service at an address where one listened before.
    pub fn listen(login: Login, blobs: SocketAddr) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|place| place.join("azurite").is_file());
        assert!(found, "azurite is not on the PATH: install it with `tests/install.sh azurite`");
        let place = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WITH_OWNER, "sh", "azurite", "--inMemoryPersistence", "--disableTelemetry", "--silent"]);
        command.args(["--blobPort", &blobs.port().to_string(), "--queuePort", "0", "--tablePort", "0"]);
        let certificate = (login == Login::Token).then(|| {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
            std::fs::write(place.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            std::fs::write(place.path().join("cert.pem"), made.cert.pem()).unwrap();
            command.args(["--oauth", "basic", "--cert", "cert.pem", "--key", "key.pem"]);
            made.cert.pem()
        });
        // A group of its own, so that an interrupt at the terminal leaves it to its owner.
        command.current_dir(&place).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let (told, listening) = mpsc::channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The other end is gone once both are told; the rest is read so that the pipe never fills.
                let _ = line
                    .split_once("successfully listening at ")
                    .map(|(who, url)| told.send((who.to_owned(), Url::parse(url.trim()).unwrap())).ok());
            }
        });
        let mut services = [None, None];
        while services.iter().any(Option::is_none) {
            let (who, url) = listening.recv_timeout(PATIENCE).expect("azurite listens in time");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, url.port().unwrap()));
            match who.trim() {
                "Azurite Blob service is" => services[0] = Some(address),
                "Azurite Queue service is" => services[1] = Some(address),
                _ => {}
            }
        }
        let [blobs, queues] = services.map(Option::unwrap);
        Self { login, process, blobs, queues, certificate }
    }

    /// Where the blob service listens.
    pub fn blobs(&self) -> SocketAddr {
        self.blobs
    }

    /// Where the queue service listens.
    pub fn queues(&self) -> SocketAddr {
        self.queues
    }

    /// The settings that lead to it.
    pub fn account_settings(&self) -> StorageSettings {
        self.settings(self.blobs, self.queues)
    }

    fn settings(&self, blobs: SocketAddr, queues: SocketAddr) -> StorageSettings {
        let scheme = if self.login == Login::Token { "https" } else { "http" };
        let endpoint = |address| Url::parse(&format!("{scheme}://{address}/{ACCOUNT}")).unwrap();
        StorageSettings {
            blob_endpoint: endpoint(blobs),
            queue_endpoint: endpoint(queues),
            account: ACCOUNT.to_owned(),
            key: (self.login == Login::Key).then(|| SecretRef::Given(Secret::new(KEY))),
        }
    }

    /// Its account, as the product knows it.
    pub fn account(&self) -> StorageAccount {
        self.account_between(self.blobs, self.queues)
    }

    /// The same, with its services said to be at other addresses.
    pub fn account_between(&self, blobs: SocketAddr, queues: SocketAddr) -> StorageAccount {
        let settings = self.settings(blobs, queues);
        let secrets = Arc::new(SettingsSecrets::new(Default::default(), None));
        let key = settings.key.clone().map(|key| SecretSource::new(key, secrets));
        let transport = match &self.certificate {
            Some(pem) => AzureTransport::trusting(pem.as_bytes()).unwrap(),
            None => AzureTransport::new().unwrap(),
        };
        StorageAccount::new(&settings, key, Arc::new(UnsignedToken), &transport).unwrap()
    }

    /// A browser's, or any other client's, way to it.
    pub fn client(&self) -> reqwest::Client {
        self.trusting(reqwest::Client::builder()).build().unwrap()
    }

    fn trusting(&self, builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        match &self.certificate {
            Some(pem) => builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]),
            None => builder,
        }
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A token that claims what a storage account's token claims, and is signed by nobody.
#[derive(Debug)]
pub struct UnsignedToken;

#[async_trait]
impl TokenCredential for UnsignedToken {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://storage.azure.com/.default"]);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let tenant = "6d8e5d3c-8a1b-4d5a-9a6f-0e2b7c9d1f10";
        let claims = json!({
            "aud": "https://storage.azure.com", "iss": format!("https://sts.windows.net/{tenant}/"), "iat": now - 60,
            "nbf": now - 60, "exp": now + 3600, "oid": "1f0c3b52-77aa-4a0c-b0e5-5d2f6f1f7a11", "tid": tenant,
        });
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.none", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims));
        Ok(AccessToken::new(token, OffsetDateTime::from_unix_timestamp(now + 3600).unwrap()))
    }
}
