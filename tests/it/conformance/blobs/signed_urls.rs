//! The signed URLs of the embedded store: what they allow and what they refuse.

use std::time::Duration;

use chrono::TimeDelta;
use pravis::adapters::blobs::directory::signing::{Grant, Refusal, Right};
use pravis::ports::PortErrorKind;
use pravis::ports::blobs::{BlobName, BlobStore, SignedUrl};
use pravis::ports::clock::Clock;
use url::Url;

use super::{CONTAINER, Fixture, kind, open};

const HOUR: Duration = Duration::from_secs(3600);
const PATH: &str = "pravis/लाल साड़ी/a+b?c=d&e#f%2e.webm";

async fn upload(fixture: &Fixture) -> SignedUrl {
    fixture.store.upload_url(&BlobName::new(CONTAINER, PATH), "audio/webm;codecs=opus", 1000, HOUR).await.unwrap()
}

async fn download(fixture: &Fixture) -> SignedUrl {
    fixture.store.download_url(&BlobName::new(CONTAINER, PATH), HOUR).await.unwrap()
}

/// Asks as the server would for a request to `url`.
fn ask(fixture: &Fixture, method: &str, url: &str) -> Result<Grant, Refusal> {
    let url = Url::parse(url).unwrap();
    fixture.store.authorise(method, url.path(), url.query().unwrap_or_default())
}

#[tokio::test]
async fn an_upload_url_allows_what_was_signed() {
    let fixture = Fixture::new();
    let signed = upload(&fixture).await;
    assert!(signed.url.starts_with("http://127.0.0.1:7071/blobs/conformance/pravis/"), "{}", signed.url);
    assert!(signed.url.is_ascii());
    assert_eq!(signed.headers["x-ms-blob-type"], "BlockBlob");
    assert_eq!(signed.headers["content-type"], "audio/webm;codecs=opus");
    assert_eq!(signed.expires_at, fixture.clock.now() + HOUR);
    let right = Right::Write { content_type: "audio/webm;codecs=opus".to_owned(), max_bytes: 1000 };
    let grant = Grant { blob: BlobName::new(CONTAINER, PATH), right };
    assert_eq!(ask(&fixture, "PUT", &signed.url), Ok(grant.clone()));
    let block = format!("{}&comp=block&blockid=MDAwMQ%3D%3D", signed.url);
    assert_eq!(ask(&fixture, "PUT", &block), Ok(grant));
}

#[tokio::test]
async fn a_download_url_allows_reading_only() {
    let fixture = Fixture::new();
    let signed = download(&fixture).await;
    let grant = Grant { blob: BlobName::new(CONTAINER, PATH), right: Right::Read };
    assert_eq!(ask(&fixture, "GET", &signed.url), Ok(grant.clone()));
    assert_eq!(ask(&fixture, "HEAD", &signed.url), Ok(grant));
    for method in ["PUT", "POST", "DELETE", "get"] {
        assert_eq!(ask(&fixture, method, &signed.url), Err(Refusal::WrongVerb), "{method}");
    }
    let upload = upload(&fixture).await;
    for method in ["GET", "HEAD", "DELETE"] {
        assert_eq!(ask(&fixture, method, &upload.url), Err(Refusal::WrongVerb), "{method}");
    }
}

#[tokio::test]
async fn a_url_works_in_another_process_and_after_a_restart() {
    let fixture = Fixture::new();
    let signed = upload(&fixture).await;
    let url = Url::parse(&signed.url).unwrap();
    let other = open(&fixture.place, fixture.clock.clone());
    let grant = other.authorise("PUT", url.path(), url.query().unwrap()).unwrap();
    assert_eq!((grant.blob.container, grant.blob.path.as_str()), (CONTAINER, PATH));
}

#[tokio::test]
async fn a_url_expires() {
    let fixture = Fixture::new();
    let signed = download(&fixture).await;
    fixture.clock.advance(TimeDelta::seconds(3599));
    assert!(ask(&fixture, "GET", &signed.url).is_ok());
    fixture.clock.advance(TimeDelta::seconds(1));
    assert_eq!(ask(&fixture, "GET", &signed.url), Err(Refusal::Expired));
}

#[tokio::test]
async fn no_parameter_can_be_changed() {
    let fixture = Fixture::new();
    let signed = upload(&fixture).await.url;
    let changes = [
        ("conformance/", "conformancf/"),
        ("/pravis/", "/prbvis/"),
        (".webm?", ".webm2?"),
        ("se=2026-", "se=2027-"),
        ("opus", "opuS"),
        ("mx=1000", "mx=10000"),
        ("sig=", "sig=AAAA"),
        // The literal `%2e` of the path read as an escape, and the other way round.
        ("%252e", "%2e"),
        ("%252e", "%25252e"),
    ];
    for (from, to) in changes {
        assert!(signed.contains(from), "{from} is not in {signed}");
        let refusal = ask(&fixture, "PUT", &signed.replacen(from, to, 1));
        assert_eq!(refusal, Err(Refusal::BadSignature), "{from} became {to}");
    }
    let unreadable =
        [("sp=w", "sp=r"), ("sp=w", "sp=rw"), ("mx=1000", "mx=-1"), ("mx=1000", "mx=x"), ("sig=", "sig=!")];
    for (from, to) in unreadable {
        assert_eq!(ask(&fixture, "PUT", &signed.replacen(from, to, 1)), Err(Refusal::Malformed), "{from} became {to}");
    }
    let reader = download(&fixture).await.url;
    let writer = format!("{}&ct=a&mx=9", reader.replacen("sp=r", "sp=w", 1));
    assert_eq!(ask(&fixture, "PUT", &writer), Err(Refusal::BadSignature));
}

#[tokio::test]
async fn missing_and_repeated_parameters_are_refused() {
    let fixture = Fixture::new();
    let signed = upload(&fixture).await.url;
    let (address, query) = signed.split_once('?').unwrap();
    let parameters: Vec<&str> = query.split('&').collect();
    assert_eq!(parameters.len(), 5);
    for left_out in &parameters {
        let rest: Vec<&str> = parameters.iter().copied().filter(|parameter| parameter != left_out).collect();
        let url = format!("{address}?{}", rest.join("&"));
        assert_eq!(ask(&fixture, "PUT", &url), Err(Refusal::Malformed), "without {left_out}");
        assert_eq!(ask(&fixture, "PUT", &format!("{signed}&{left_out}")), Err(Refusal::Malformed), "twice {left_out}");
    }
    assert_eq!(ask(&fixture, "PUT", address), Err(Refusal::Malformed));
}

#[tokio::test]
async fn tricks_with_the_path_are_refused() {
    let fixture = Fixture::new();
    let signed = fixture.store.download_url(&BlobName::new(CONTAINER, "a/b"), HOUR).await.unwrap().url;
    let (_, query) = signed.split_once('?').unwrap();
    let ask = |path: &str| fixture.store.authorise("GET", path, query);
    assert!(ask("/blobs/conformance/a/b").is_ok());
    assert!(ask("/blobs/conformance/a%2Fb").is_ok(), "another escape of the same name");
    let malformed = [
        "",
        "/",
        "/blobs",
        "/blobs/",
        "/blobs/conformance",
        "/blobs/conformance/",
        "/other/conformance/a/b",
        "/blobs/conformance/../a/b",
        "/blobs/conformance/x/%2e%2e/a/b",
        "/blobs/conformance//a/b",
        "/blobs/conformance/a/b/",
        "/blobs/conformance/a/b%00",
        "/blobs/conformance/a%5Cb",
        "/blobs/conformance/%FF",
        "/blobs/Conformance/a/b",
        "/blobs/../conformance/a/b",
        "//blobs/conformance/a/b",
    ];
    for path in malformed {
        assert_eq!(ask(path), Err(Refusal::Malformed), "{path}");
    }
    for path in ["/blobs/conformance/a/B", "/blobs/conformance/a%252Fb", "/blobs/other/a/b", "/blobs/conformance/a"] {
        assert_eq!(ask(path), Err(Refusal::BadSignature), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_signed_is_refused() {
    let fixture = Fixture::new();
    let name = BlobName::new(CONTAINER, "a");
    let week = Duration::from_secs(7 * 24 * 3600);
    assert!(fixture.store.download_url(&name, week).await.is_ok());
    let refusals = [
        fixture.store.download_url(&name, week + Duration::from_secs(1)).await,
        fixture.store.download_url(&name, Duration::MAX).await,
        fixture.store.upload_url(&name, "a\nb", 1, HOUR).await,
        fixture.store.upload_url(&name, "", 1, HOUR).await,
    ];
    for refusal in refusals {
        assert_eq!(kind(refusal), PortErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn the_base_follows_the_server() {
    let fixture = Fixture::new();
    fixture.store.set_base_url("https://example.com:1234/");
    let url = download(&fixture).await.url;
    assert!(url.starts_with("https://example.com:1234/blobs/conformance/"), "{url}");
    assert!(ask(&fixture, "GET", &url).is_ok());
}
