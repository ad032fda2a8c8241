//! Signed URLs, as browsers and attackers use them, by account key and by user delegation key.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::future::join_all;
use pravis::adapters::blobs::AzureBlobs;
use pravis::ports::blobs::{BlobName, BlobStore, PutOptions, SignedUrl, whole};
use pravis::ports::clock::Clock;
use pravis::ports::{PortErrorKind, spent};
use reqwest::{Method, Response, StatusCode};

use super::{store, unique};
use crate::support::azurite::{self, Login};
use crate::support::clock::ManualClock;
use crate::support::process::eventually;

const MINUTE: Duration = Duration::from_secs(60);

macro_rules! both_logins {
    ($($case:ident),+ $(,)?) => {
        mod by_key {
            $(#[tokio::test] async fn $case() { super::$case(super::Login::Key).await; })+
        }
        mod by_token {
            $(#[tokio::test] async fn $case() { super::$case(super::Login::Token).await; })+
        }
    };
}

both_logins!(
    what_a_browser_uploads_is_there_and_can_be_downloaded,
    an_interrupted_upload_in_blocks_goes_on,
    nothing_else_can_be_reached_or_done,
    a_url_ends_with_its_time,
    a_browser_of_the_shop_is_let_in,
    what_cannot_be_signed_is_refused,
);

async fn upload_url(store: &dyn BlobStore, name: &BlobName) -> SignedUrl {
    store.upload_url(name, "audio/webm;codecs=opus", 1000, MINUTE).await.unwrap()
}

async fn put(login: Login, signed: &SignedUrl, url: &str, content: &str) -> Response {
    let mut request = azurite::shared(login).await.client().put(url).body(content.to_owned());
    for (name, value) in &signed.headers {
        request = request.header(name, value);
    }
    request.send().await.unwrap()
}

async fn call(login: Login, method: Method, url: &str) -> Response {
    azurite::shared(login).await.client().request(method, url).send().await.unwrap()
}

async fn what_a_browser_uploads_is_there_and_can_be_downloaded(login: Login) {
    let store = store(login).await;
    let name = unique("लाल साड़ी/a+b?c=d&e#f%2e.webm");
    let signed = upload_url(&store, &name).await;
    assert!(signed.url.is_ascii());
    assert_eq!(signed.url.starts_with("https://"), login == Login::Token);
    assert_eq!(put(login, &signed, &signed.url, "0123456789").await.status(), StatusCode::CREATED);
    let written = store.properties(&name).await.unwrap().unwrap();
    assert_eq!((written.size, written.content_type.as_str()), (10, "audio/webm;codecs=opus"));

    let download = store.download_url(&name, MINUTE).await.unwrap();
    let answer = call(login, Method::GET, &download.url).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "audio/webm;codecs=opus");
    assert_eq!(answer.text().await.unwrap(), "0123456789");
    let client = azurite::shared(login).await.client();
    let part = client.get(&download.url).header("range", "bytes=3-5").send().await.unwrap();
    assert_eq!((part.status(), part.text().await.unwrap().as_str()), (StatusCode::PARTIAL_CONTENT, "345"));
}

async fn an_interrupted_upload_in_blocks_goes_on(login: Login) {
    let store = store(login).await;
    let name = unique("blocks");
    let signed = upload_url(&store, &name).await;
    let client = azurite::shared(login).await.client();
    let block = |number: u8| {
        let id = STANDARD.encode(format!("{number:04}"));
        format!("{}&comp=block&blockid={}", signed.url, id.replace('=', "%3D"))
    };
    for (number, content) in [(0, "first "), (2, "third")] {
        assert_eq!(client.put(block(number)).body(content).send().await.unwrap().status(), StatusCode::CREATED);
    }
    // The client goes away in the middle of a block.
    let cut = futures_util::stream::iter([Ok("sec"), Err(std::io::Error::other("cut off"))]);
    assert!(client.put(block(1)).body(reqwest::Body::wrap_stream(cut)).send().await.is_err());
    assert!(store.properties(&name).await.unwrap().is_none(), "staged blocks are no blob");
    let ids: String =
        (0..3).map(|number| format!("<Latest>{}</Latest>", STANDARD.encode(format!("{number:04}")))).collect();
    let list = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{ids}</BlockList>");
    let commit = format!("{}&comp=blocklist", signed.url);
    let early = client.put(&commit).body(list.clone()).send().await.unwrap();
    assert_eq!(early.status(), StatusCode::BAD_REQUEST, "the second block is missing");
    assert_eq!(client.put(block(1)).body("second ").send().await.unwrap().status(), StatusCode::CREATED);
    let commit = client.put(&commit).header("x-ms-blob-content-type", "audio/webm").body(list).send().await.unwrap();
    assert_eq!(commit.status(), StatusCode::CREATED);
    let download = store.download_url(&name, MINUTE).await.unwrap();
    assert_eq!(call(login, Method::GET, &download.url).await.text().await.unwrap(), "first second third");
}

async fn nothing_else_can_be_reached_or_done(login: Login) {
    let store = store(login).await;
    let (name, other) = (unique("mine"), unique("other"));
    store.put(&name, whole("old"), PutOptions::default()).await.unwrap();
    let upload = upload_url(&store, &name).await;
    let download = store.download_url(&name, MINUTE).await.unwrap();
    let swapped = |url: &str, from: &str, to: &str| {
        assert!(url.contains(from), "{from} is not in {url}");
        url.replacen(from, to, 1)
    };
    let expiry = |year: i32| format!("&se={year}-");
    let year = chrono::Datelike::year(&upload.expires_at);
    let writes = [
        swapped(&upload.url, &name.path, &other.path),
        swapped(&upload.url, "/behaviour/", "/conformance/"),
        swapped(&upload.url, &expiry(year), &expiry(year + 1)),
        swapped(&upload.url, "sig=", "sig=A"),
        swapped(&upload.url, "sig=", "nosig="),
        swapped(&download.url, "sp=r", "sp=cw"),
        download.url.clone(),
    ];
    for url in writes {
        assert_eq!(put(login, &upload, &url, "new").await.status(), StatusCode::FORBIDDEN, "{url}");
    }
    for url in [&upload.url, &swapped(&download.url, &name.path, &other.path)] {
        assert_eq!(call(login, Method::GET, url).await.status(), StatusCode::FORBIDDEN, "{url}");
    }
    for url in [&upload.url, &download.url] {
        assert_eq!(call(login, Method::DELETE, url).await.status(), StatusCode::FORBIDDEN, "{url}");
        let tier = format!("{url}&comp=metadata");
        if url == &download.url {
            assert_eq!(call(login, Method::PUT, &tier).await.status(), StatusCode::FORBIDDEN, "{tier}");
        }
    }
    let listing = swapped(&download.url, &format!("/{}?", name.path), "?restype=container&comp=list&");
    assert_eq!(call(login, Method::GET, &listing).await.status(), StatusCode::FORBIDDEN, "{listing}");
    assert!(store.properties(&other).await.unwrap().is_none());
    assert_eq!(call(login, Method::GET, &download.url).await.text().await.unwrap(), "old");
}

async fn a_url_ends_with_its_time(login: Login) {
    let store = store(login).await;
    let name = unique("short");
    let signed = store.upload_url(&name, "audio/webm", 1000, Duration::from_secs(2)).await.unwrap();
    eventually("the end of the URL", async || {
        (put(login, &signed, &signed.url, "content").await.status() == StatusCode::FORBIDDEN).then_some(())
    })
    .await;
    assert!(chrono::Utc::now() >= signed.expires_at);
}

async fn a_browser_of_the_shop_is_let_in(login: Login) {
    let store = store(login).await;
    let signed = upload_url(&store, &unique("cors")).await;
    let preflight = async |origin: &'static str| {
        let client = azurite::shared(login).await.client();
        let request = client.request(Method::OPTIONS, &signed.url).header("origin", origin);
        let request = request.header("access-control-request-method", "PUT");
        request.header("access-control-request-headers", "content-type,x-ms-blob-type").send().await.unwrap()
    };
    let answer = preflight("https://shop.example").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://shop.example");
    assert!(answer.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
    assert_eq!(preflight("https://elsewhere.example").await.status(), StatusCode::FORBIDDEN);
}

async fn what_cannot_be_signed_is_refused(login: Login) {
    let store = store(login).await;
    let name = unique("a");
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    assert!(store.download_url(&name, days(6)).await.is_ok());
    let refusals = [
        store.download_url(&name, days(6) + Duration::from_secs(1)).await,
        store.download_url(&name, Duration::MAX).await,
        store.upload_url(&name, "a\nb", 1, MINUTE).await,
        store.upload_url(&name, "", 1, MINUTE).await,
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn a_delegation_key_is_asked_for_once() {
    let store = store(Login::Token).await;
    let name = unique("many");
    let sign = || join_all((0..20).map(|_| store.download_url(&name, MINUTE)));
    let (urls, first) = spent::counted(sign()).await;
    assert!(urls.iter().all(Result::is_ok));
    assert_eq!(first["blobs"].calls, 1);
    let (_, second) = spent::counted(sign()).await;
    assert!(second.is_empty(), "{second:?}");
}

#[tokio::test]
async fn a_delegation_key_is_renewed_before_it_ends() {
    let clock = Arc::new(ManualClock::new());
    clock.advance(chrono::Utc::now() - clock.now());
    let account = azurite::shared(Login::Token).await.account();
    let store = AzureBlobs::new(&account, clock.clone()).unwrap();
    let name = unique("renewed");
    let calls = async |valid_for| {
        let (signed, spent) = spent::counted(store.download_url(&name, valid_for)).await;
        signed.unwrap();
        spent.get("blobs").map_or(0, |spent| spent.calls)
    };
    assert_eq!(calls(MINUTE).await, 1);
    clock.advance(TimeDelta::days(5));
    assert_eq!(calls(MINUTE).await, 0);
    // No key signs for longer than it lives itself.
    assert_eq!(calls(Duration::from_secs(6 * 24 * 3600)).await, 1);
    clock.advance(TimeDelta::days(6) + TimeDelta::hours(21));
    assert_eq!(calls(MINUTE).await, 0);
    clock.advance(TimeDelta::hours(1) + TimeDelta::minutes(1));
    assert_eq!(calls(MINUTE).await, 1, "less than an hour is left");
}
