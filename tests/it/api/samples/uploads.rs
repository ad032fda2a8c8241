//! The signed address: one blob, one verb, one size, for a while.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Duration;
use http::Method;
use pravis::containers::VOICE_UPLOADS;
use pravis::error::Code;
use pravis::ports::blobs::{BlobName, PutOptions, whole};

use super::{announce, blobs, hum};
use crate::support::app::TestApp;

const MAX: usize = 10 * 1024 * 1024;

#[tokio::test]
async fn an_upload_larger_than_agreed_is_refused_and_leaves_nothing() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    let large = vec![1_u8; MAX + 1];
    // The server may close the connection while the client still sends.
    if let Ok(answer) = announced.put(&app, large.clone()).try_send().await {
        answer.problem(413, Code::PayloadTooLarge);
    }
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> = large.chunks(1 << 20).map(|piece| Ok(piece.to_vec())).collect();
    let undeclared = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    if let Ok(answer) = announced.put(&app, undeclared).try_send().await {
        answer.problem(413, Code::PayloadTooLarge);
    }
    assert_eq!(blobs(&app, &announced.id).await, [""; 0]);
    announced.complete(&person).await.problem(409, Code::Conflict);
    // The right size still goes.
    announced.put(&app, hum(1.0)).await.expect(201);
    announced.complete(&person).await.expect(202);
    assert_eq!(announced.end(&person).await["status"], "completed");
}

/// Blob Storage takes whatever is sent to a signed address.
#[tokio::test]
async fn what_is_larger_than_agreed_all_the_same_is_refused_when_it_is_completed() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    let (tenant, user) = (&person.principal.tenant, &person.id);
    let upload = BlobName::new(VOICE_UPLOADS, format!("{tenant}/{user}/{}", announced.id));
    app.stores.blobs.put(&upload, whole(vec![1; MAX + 1]), PutOptions::default()).await.unwrap();
    announced.complete(&person).await.problem(413, Code::PayloadTooLarge);
    assert_eq!(blobs(&app, &announced.id).await, [""; 0]);
    assert_eq!(person.get(&announced.path()).await.json()["status"], "awaiting-upload");
    announced.put(&app, hum(1.0)).await.expect(201);
    announced.complete(&person).await.expect(202);
    assert_eq!(announced.end(&person).await["status"], "completed");
}

#[tokio::test]
async fn nothing_is_completed_before_it_is_uploaded() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    announced.complete(&person).await.problem(409, Code::Conflict);
    assert_eq!(person.get(&announced.path()).await.json()["status"], "awaiting-upload");
}

#[tokio::test]
async fn completed_many_times_at_once_it_is_worked_once() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    announced.put(&app, hum(1.0)).await.expect(201);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let call = person.post(&format!("{}/complete", announced.path()));
        calls.spawn(async move { call.await.expect(202) });
    }
    calls.join_all().await;
    let sample = announced.end(&person).await;
    assert_eq!(sample["status"], "completed");
    let history = person.get("/api/v1/voice/history").await.json()["items"].as_array().unwrap().len();
    assert!(history <= 1, "{history} interactions of one sample");
}

#[tokio::test]
async fn the_address_serves_one_verb() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    announced.put(&app, hum(1.0)).await.expect(201);
    for method in ["GET", "HEAD", "DELETE", "POST", "PATCH"] {
        let method: Method = method.parse().unwrap();
        app.client().call(method, &announced.url).await.expect(403);
    }
    // An account opens nothing here: the address alone does.
    let bare = announced.url.split('?').next().unwrap();
    person.get(bare).await.problem(403, Code::NotPermitted);
    person.put(bare).header("x-ms-blob-type", "BlockBlob").raw_body(hum(1.0)).await.problem(403, Code::NotPermitted);
}

#[tokio::test]
async fn a_changed_address_is_refused() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let (mine, other) = (announce(&person, "audio/wav").await, announce(&person, "audio/wav").await);
    let changed = |from: &str, to: &str| {
        assert!(mine.url.contains(from), "{} in {}", from, mine.url);
        mine.url.replacen(from, to, 1)
    };
    for url in [
        changed(&mine.id, &other.id),
        changed("voice-uploads", "voice-results"),
        changed("sp=w", "sp=r"),
        changed("06%3A45", "07%3A45"),
        changed("mx=10485760", "mx=99999999"),
        changed("audio%2Fwav", "text%2Fhtml"),
        changed("&sig=", "&sig=A"),
        changed("&sig=", "&nosig="),
        format!("{}&sp=w", mine.url),
        changed("/pravis/", "/pravis/../pravis/"),
        changed("/pravis/", "/another/"),
    ] {
        let call = app.client().put(&url).header("x-ms-blob-type", "BlockBlob").raw_body(hum(0.5));
        let status = call.await.status.as_u16();
        // Clients resolve `..` before they send, which leads to the signed blob.
        assert!(status == 403 || (url.contains("..") && status == 201), "{status}: {url}");
    }
}

#[tokio::test]
async fn the_address_ends_with_its_time() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    app.clock.advance(Duration::seconds(14 * 60 + 59));
    announced.put(&app, hum(0.5)).await.expect(201);
    app.clock.advance(Duration::seconds(2));
    announced.put(&app, hum(0.5)).await.problem(403, Code::NotPermitted);
}

#[tokio::test]
async fn the_headers_of_the_upload_are_those_of_blob_storage() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    for kind in ["", "PageBlob"] {
        let call = app.client().put(&announced.url).header("x-ms-blob-type", kind).raw_body(hum(0.5));
        assert_eq!(call.await.refused_fields(), ["x-ms-blob-type"]);
    }
    let query = |extra: &str| format!("{}&{extra}", announced.url);
    assert_eq!(app.client().put(&query("comp=page")).raw_body("x").await.refused_fields(), ["comp"]);
    assert_eq!(app.client().put(&query("comp=block")).raw_body("x").await.refused_fields(), ["blockid"]);
}

#[tokio::test]
async fn a_recording_can_come_in_blocks_in_any_order_and_again() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    let recording = hum(3.0);
    let block = |number: usize| STANDARD.encode(format!("block-{number:04}"));
    let url = |query: String| format!("{}&{query}", announced.url);
    let escaped = |id: &str| url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>();
    let pieces: Vec<&[u8]> = recording.chunks(20_000).collect();
    // The last first, and one of them twice, as after a broken connection.
    for number in (0..pieces.len()).rev().chain([1]) {
        let path = url(format!("comp=block&blockid={}", escaped(&block(number))));
        app.client().put(&path).raw_body(pieces[number].to_vec()).await.expect(201);
    }
    announced.complete(&person).await.problem(409, Code::Conflict);
    let list = |ids: &[String]| {
        let ids: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{ids}</BlockList>")
    };
    let commit = url("comp=blocklist".into());
    for wrong in [list(&[block(0), block(99)]), "nonsense".into(), "<Other/>".into(), String::new()] {
        let answer = app.client().put(&commit).body("application/xml", wrong.clone()).await;
        assert!(answer.status.is_client_error(), "{wrong}: {answer:?}");
    }
    let all: Vec<String> = (0..pieces.len()).map(block).collect();
    app.client().put(&commit).body("application/xml", list(&all)).await.expect(201);
    announced.complete(&person).await.expect(202);
    let sample = announced.end(&person).await;
    assert_eq!(
        (sample["status"].as_str(), sample["measurements"]["durationMs"].as_u64()),
        (Some("completed"), Some(3_000))
    );
}

#[tokio::test]
async fn blocks_cannot_exceed_the_agreed_size_together() {
    let app = TestApp::start().await;
    let person = app.customer().await;
    let announced = announce(&person, "audio/wav").await;
    let mut statuses = Vec::new();
    for number in 0..4 {
        let id = STANDARD.encode(format!("b{number:02}"));
        let path = format!("{}&comp=block&blockid={id}", announced.url);
        if let Ok(answer) = app.client().put(&path).raw_body(vec![1_u8; 3 * 1024 * 1024]).try_send().await {
            statuses.push(answer.status.as_u16());
        }
    }
    assert_eq!(statuses.get(..3), Some(&[201, 201, 201][..]));
    assert!(statuses.get(3).is_none_or(|status| *status == 413), "{statuses:?}");
}
