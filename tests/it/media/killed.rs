//! The program is killed again and again (SIGKILL) while staff uploads pictures. Whatever was acknowledged comes to
//! one end, is shown once, and nothing is left behind.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pravis::containers::{MEDIA, MEDIA_JOBS, MEDIA_UPLOADS};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{announcement, photo};
use crate::support::process::HANDLER;
use crate::voice::server::Server;
use crate::voice::stores::Stores;

const KILLS: u32 = 20;
const PASSWORD: &str = "kanjivaram-9-temple";
/// How long what was acknowledged may take to its end once the killing is over.
const END_LIMIT: Duration = Duration::from_secs(90);

/// A member of the staff who does not give up while the program is down.
#[derive(Clone)]
struct Staff {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Staff {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
            if !self.token.is_empty() {
                request = request.bearer_auth(&self.token);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            if let Ok(answer) = request.send().await
                && !answer.status().is_server_error()
            {
                let status = answer.status();
                if let Ok(body) = answer.json().await {
                    return (status, body);
                }
            }
            assert!(Instant::now() < deadline, "no answer: {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn put(&self, announced: &Value, bytes: &[u8]) {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let mut request = self.http.put(announced["uploadUrl"].as_str().unwrap()).body(bytes.to_vec());
            for (name, value) in announced["uploadHeaders"].as_object().unwrap() {
                request = request.header(name, value.as_str().unwrap());
            }
            if request.send().await.is_ok_and(|answer| answer.status() == StatusCode::CREATED) {
                return;
            }
            assert!(Instant::now() < deadline, "not uploaded");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The whole way of a picture to the acknowledgement that it is queued.
    async fn submit(&self, product: &str, bytes: &[u8]) -> Option<String> {
        let media = format!("/api/v1/products/{product}/media");
        let (status, announced) = self.call(Method::POST, &media, Some(&announcement(bytes))).await;
        if status == StatusCode::CONFLICT {
            return None;
        }
        assert_eq!(status, StatusCode::CREATED, "{announced}");
        self.put(&announced, bytes).await;
        let path = format!("{media}/{}", announced["id"].as_str().unwrap());
        let (status, told) = self.call(Method::POST, &format!("{path}/complete"), None).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{told}");
        Some(path)
    }

    async fn ended(&self, path: &str) -> Value {
        let deadline = Instant::now() + END_LIMIT;
        loop {
            let (_, picture) = self.call(Method::GET, path, None).await;
            if ["ready", "rejected", "failed"].contains(&picture["status"].as_str().unwrap_or_default()) {
                return picture;
            }
            assert!(Instant::now() < deadline, "not ended: {picture}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn administrator(server: &Server) -> Staff {
    let mut child = Command::new(HANDLER)
        .args(["admin", "create", "--email", "asha@pravis.example", "--data-dir"])
        .arg(server.data_dir())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let stranger = Staff { http, base: server.url(), token: String::new() };
    let credentials = json!({ "email": "asha@pravis.example", "password": PASSWORD });
    let (status, signed_in) = stranger.call(Method::POST, "/api/v1/auth/login/json", Some(&credentials)).await;
    assert_eq!(status, StatusCode::OK, "{signed_in}");
    Staff { token: signed_in["access_token"].as_str().unwrap().to_owned(), ..stranger }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_picture_is_lost_doubled_or_left_lying() {
    let server = Server::restartable([]);
    let staff = administrator(&server).await;
    let (_, listed) = staff.call(Method::GET, "/api/v1/products?limit=4", None).await;
    let products: Vec<String> =
        listed["products"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap().to_owned()).collect();
    let over = Arc::new(AtomicBool::new(false));
    let uploading: Vec<_> = products
        .iter()
        .cloned()
        .zip(0..)
        .map(|(product, number)| {
            let (staff, over) = (staff.clone(), over.clone());
            tokio::spawn(async move {
                let mut sent = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    // Every other one has the bytes of one before, every fifth is damaged.
                    let shade = (sent.len() / 2) as u8;
                    let mut bytes = photo(700 + number, 500, shade);
                    let damaged = sent.len() % 5 == 4;
                    if damaged {
                        bytes.truncate(bytes.len() / 2);
                    }
                    match staff.submit(&product, &bytes).await {
                        Some(path) => sent.push((path, damaged)),
                        // Full: what is there is looked at in the end.
                        None => tokio::time::sleep(Duration::from_millis(100)).await,
                    }
                }
                sent
            })
        })
        .collect();
    let server = tokio::task::spawn_blocking(move || {
        let mut server = server;
        for kill in 0..KILLS {
            std::thread::sleep(Duration::from_millis(150 + u64::from(kill * 37 % 500)));
            server.kill();
            server.restart();
        }
        server
    })
    .await
    .unwrap();
    over.store(true, Ordering::Relaxed);
    let mut acknowledged = 0;
    let mut wanted: Vec<BTreeSet<String>> = Vec::new();
    for task in uploading {
        let mut ready = BTreeSet::new();
        for (path, damaged) in task.await.unwrap() {
            let picture = staff.ended(&path).await;
            assert_eq!(picture["status"], if damaged { "rejected" } else { "ready" }, "{picture}");
            acknowledged += 1;
            if !damaged {
                ready.insert(path.rsplit('/').next().unwrap().to_owned());
            }
        }
        wanted.push(ready);
    }
    println!("{acknowledged} pictures acknowledged over {KILLS} kills");
    assert!(acknowledged >= 8, "{acknowledged}");
    let mut shown = BTreeSet::new();
    for (product, wanted) in products.iter().zip(wanted) {
        let (_, listed) = staff.call(Method::GET, &format!("/api/v1/products/{product}/media"), None).await;
        let items = listed["items"].as_array().unwrap();
        let ready: Vec<&Value> = items.iter().filter(|item| item["status"] == "ready").collect();
        // A picture whose completion was not acknowledged may be ready too.
        let found: BTreeSet<String> = ready.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found.len(), ready.len(), "shown twice");
        assert!(found.is_superset(&wanted), "lost of {product}");
        for source in ready.iter().flat_map(|item| item["picture"]["sources"].as_array().unwrap()) {
            let url = source["url"].as_str().unwrap();
            shown.insert(url.split("/media/").nth(1).unwrap().to_owned());
        }
    }
    let stores = Stores::open(server.data_dir());
    stores.drained(MEDIA_JOBS).await;
    let waiting = stores.paths(MEDIA_UPLOADS).await;
    for path in &waiting {
        let media = path.rsplit('/').next().unwrap();
        let product = path.split('/').nth(1).unwrap();
        let (_, picture) = staff.call(Method::GET, &format!("/api/v1/products/{product}/media/{media}"), None).await;
        assert_eq!(picture["status"], "awaiting-upload", "{path} is left of an ended one");
    }
    let kept: BTreeSet<String> = stores.paths(MEDIA).await.into_iter().collect();
    assert!(kept.is_superset(&shown), "{:?} are shown and not there", shown.difference(&kept).collect::<Vec<_>>());
}
