//! Spoken commands are understood, from every kind of recorder, and answers are read out.

use std::collections::BTreeSet;
use std::io::Cursor;

use bytes::Bytes;
use pravis::audio::{Container, Limits, analyse};
use pravis::catalogue::product_id;
use pravis::containers::{VOICE_JOBS, VOICE_RESULTS, VOICE_UPLOADS};
use pravis::seed::{self, SeedProduct};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::Server;
use super::shopper::{Shopper, client, ok};
use super::stores::Stores;
use crate::support::recordings::{Format, Voice, probe, say, spoken};

const COMMAND: &str = "show me silk sarees under five thousand rupees";
const PATH: &str = "/shop?category=sarees&fabric=silk&maxPrice=5000";
const RMS: Voice = Voice::Flite("rms");

/// The ids of the seed's products that a shopper should be shown, by the data alone.
fn seeded(wanted: impl Fn(&SeedProduct) -> bool) -> BTreeSet<String> {
    let products = seed::products().expect("the seed is well formed");
    let ids = products.iter().filter(|product| wanted(product)).map(|product| {
        product_id(&product.key, product.added_on).expect("a key and a date make an id").as_str().to_owned()
    });
    ids.collect()
}

/// Whether a product is among those that a shopper should be shown.
type Wanted = fn(&SeedProduct) -> bool;

fn is_affordable_silk_saree(product: &SeedProduct) -> bool {
    product.category == "sarees" && product.fabric.contains("silk") && product.price_paise.0 <= 500_000
}

#[track_caller]
fn assert_shows(result: &Value, path: &str, wanted: &BTreeSet<String>) {
    assert_eq!(result["intent"], "search", "{result}");
    assert_eq!(result["action"]["path"], path, "{result}");
    let shown: Vec<&str> =
        result["products"].as_array().expect("products").iter().map(|p| p["id"].as_str().expect("id")).collect();
    assert_eq!(shown.len(), shown.iter().collect::<BTreeSet<_>>().len(), "a product is shown twice: {shown:?}");
    assert_eq!(shown.iter().map(|id| id.to_string()).collect::<BTreeSet<_>>(), *wanted, "{result}");
    assert_eq!(result["total"], wanted.len(), "{result}");
    assert!(result["text"].as_str().expect("text").contains(&wanted.len().to_string()), "{result}");
    assert!(result["ssml"].as_str().expect("ssml").starts_with("<speak>"), "{result}");
}

#[tokio::test]
async fn a_command_in_every_kind_of_recording_finds_the_products_that_fit() {
    let wanted = seeded(is_affordable_silk_saree);
    assert!((5..=50).contains(&wanted.len()), "the seed no longer suits this test: {wanted:?}");
    let server = Server::start();
    let shopper = Shopper::consenting(&server, "lakshmi").await;
    // 16-bit samples at 48 kHz behind a header.
    let duration_ms = (say(COMMAND, RMS).len() as u64 - 44) / 96;
    for format in Format::ALL {
        let recording = spoken(COMMAND, RMS, format);
        let announcement = json!({ "contentType": format.media_type(), "language": "en-IN" });
        let sample = shopper.send(announcement, &recording).await;
        assert_eq!(sample["status"], "completed", "{format:?}: {sample}");
        assert_eq!(sample["recognition"]["transcript"], COMMAND, "{format:?}");
        assert_eq!(sample["quality"], "good", "{format:?}: {}", sample["measurements"]);
        let measured = sample["measurements"]["durationMs"].as_u64().expect("durationMs");
        assert!(measured.abs_diff(duration_ms) <= 60, "{format:?}: {measured} ms instead of {duration_ms}");
        assert_shows(&sample["result"], PATH, &wanted);

        let url = sample["listenUrl"].as_str().expect("what is kept can be listened to");
        let rendition = client().get(url).send().await.expect("an answer").bytes().await.expect("a body");
        let heard = analyse(Cursor::new(rendition.to_vec()), &Limits::default()).expect("it plays");
        assert_eq!(heard.container, Container::Ogg, "{format:?}");
    }
    let history = shopper.get("v1/voice/history?limit=100").await;
    let exchanges = history["items"].as_array().expect("items");
    assert_eq!(exchanges.len(), Format::ALL.len());
    assert!(exchanges.iter().all(|exchange| exchange["query"] == COMMAND), "{history}");
    assert_kept(&server, Format::ALL.len()).await;
    assert_eq!(server.errors(), [""; 0]);
}

/// Waits until the tickets are gone, then sees that recordings and renditions are there, one of each.
async fn assert_kept(server: &Server, count: usize) {
    let stores = Stores::open(server.data_dir());
    stores.drained(VOICE_JOBS).await;
    assert_eq!(stores.paths(VOICE_UPLOADS).await.len(), count);
    assert_eq!(stores.paths(VOICE_RESULTS).await.len(), count);
}

#[tokio::test]
async fn commands_of_every_kind_are_understood_from_the_voice() {
    let server = Server::start();
    let shopper = Shopper::register(&server, "meera").await;
    let heard = async |text: &str| {
        let recording = spoken(text, RMS, Format::WebmOpus);
        let answer = ok(shopper.transcribe(&recording, "audio/webm").await, StatusCode::OK).await;
        assert!(answer["problem"].is_null() || answer["result"].is_null(), "{text}: {answer}");
        answer["result"].clone()
    };
    let searches: [(&str, &str, Wanted); 3] = [
        ("show me red sarees", "/shop?category=sarees&color=red", |product| {
            product.category == "sarees" && product.colors.iter().any(|color| color == "red")
        }),
        ("show me banarasi sarees", "/shop?category=sarees&weave=banarasi", |product| {
            product.category == "sarees" && product.weave == "banarasi"
        }),
        ("show me cotton kurtas", "/shop?category=kurtas&fabric=cotton", |product| {
            product.category == "kurtas" && product.fabric.contains("cotton")
        }),
    ];
    for (text, path, wanted) in searches {
        assert_shows(&heard(text).await, path, &seeded(wanted));
    }
    for (text, action) in [
        ("read my cart", json!({ "type": "readCart" })),
        ("open my cart", json!({ "type": "navigate", "path": "/cart" })),
        ("take me to the home page", json!({ "type": "navigate", "path": "/" })),
        ("go to checkout", json!({ "type": "checkout", "path": "/checkout" })),
        ("what is your return policy", json!({ "type": "answerPolicy", "topic": "returns" })),
        ("how long does delivery take", json!({ "type": "answerPolicy", "topic": "shipping" })),
    ] {
        let result = heard(text).await;
        assert_eq!(result["action"], action, "{text}: {result}");
    }
    for foreign in
        ["the president of france met the football players yesterday evening", "what is the weather in delhi today"]
    {
        let result = heard(foreign).await;
        assert_eq!(result["action"], json!({ "type": "unknown" }), "{foreign}: {result}");
        assert_eq!(result["products"], json!([]), "{foreign}: {result}");
        let text = result["text"].as_str().expect("text");
        assert!(text.contains("did not understand") || text.contains("didn't understand"), "{foreign}: {text}");
    }
}

#[tokio::test]
async fn what_is_on_the_screen_gives_positions_their_meaning() {
    let server = Server::start();
    let shopper = Shopper::register(&server, "anjali").await;
    let shown: Vec<String> = seeded(is_affordable_silk_saree).into_iter().collect();
    let spoken_to = async |text: &str| {
        let announcement = json!({ "contentType": "audio/webm", "context": { "products": shown } });
        let sample = shopper.send(announcement, &spoken(text, RMS, Format::WebmOpusLive)).await;
        assert_eq!(sample["status"], "completed", "{sample}");
        sample["result"]["action"].clone()
    };
    let added = spoken_to("add the second one to my cart").await;
    assert_eq!(added, json!({ "type": "addToCart", "productId": shown[1], "quantity": 1 }));
    let removed = spoken_to("remove the first one from my cart").await;
    assert_eq!(removed, json!({ "type": "removeFromCart", "productId": shown[0] }));
}

#[tokio::test]
async fn without_consent_the_answer_comes_and_nothing_is_kept() {
    let server = Server::start();
    let shopper = Shopper::register(&server, "kavya").await;
    let recording = spoken(COMMAND, RMS, Format::Mp4Aac);
    let sample = shopper.send(json!({ "contentType": "audio/mp4" }), &recording).await;
    assert_eq!(sample["status"], "completed", "{sample}");
    assert_shows(&sample["result"], PATH, &seeded(is_affordable_silk_saree));
    assert_eq!(sample["recognition"]["transcript"], Value::Null, "{sample}");
    assert_eq!(sample["recognition"]["segments"], json!([]), "{sample}");
    assert_eq!(sample["listenUrl"], Value::Null);
    let history = shopper.get("v1/voice/history").await;
    assert_eq!(history["items"].as_array().expect("items").len(), 1, "{history}");
    assert_eq!(history["items"][0]["query"], Value::Null, "{history}");
    assert_kept(&server, 0).await;
}

#[tokio::test]
async fn hindi_is_not_forced_into_english_words() {
    let server = Server::start();
    let shopper = Shopper::consenting(&server, "asha").await;
    let recording = spoken("मुझे पाँच हज़ार से कम की रेशमी साड़ी दिखाओ", Voice::Espeak("hi"), Format::OggOpus);
    let announcement = json!({ "contentType": "audio/ogg", "language": "hi-IN" });
    let sample = shopper.send(announcement, &recording).await;
    assert_eq!(sample["status"], "completed", "{sample}");
    let problem = sample["recognition"]["problem"].as_str().expect("it says why there is no transcript");
    assert!(problem.contains("English only") && problem.contains("hi-IN"), "{problem}");
    assert_eq!(sample["recognition"]["transcript"], Value::Null, "{sample}");
    assert_eq!(sample["result"], Value::Null, "{sample}");
    assert!(sample["measurements"]["durationMs"].as_u64().expect("durationMs") > 1000, "{sample}");
}

#[tokio::test]
async fn answers_are_read_out_once_kept_for_ever_and_heard_again() {
    let server = Server::start();
    let shopper = Shopper::register(&server, "divya").await;
    let request = json!({ "text": COMMAND, "voice": "fable" });
    let read_out = async |request: &Value| {
        let answer = shopper.call(Method::POST, "v1/voice/text-to-speech", |call| call.json(request)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        let (cache, address, kind) = (header("x-cache"), header("content-location"), header("content-type"));
        (cache, address, kind, answer.bytes().await.expect("a body"))
    };
    let (cache, address, kind, sound) = read_out(&request).await;
    assert_eq!(cache, "MISS");
    assert!(kind.starts_with("audio/ogg"), "{kind}");
    let (again, same_address, _, same_sound) = read_out(&request).await;
    assert_eq!((again.as_str(), same_address.as_str()), ("HIT", address.as_str()));
    assert!(same_sound == sound);

    let kept = client().get(format!("{}{address}", server.url())).send().await.expect("an answer");
    let control = kept.headers()["cache-control"].to_str().expect("text").to_owned();
    assert!(control.contains("public") && control.contains("immutable"), "{control}");
    assert!(kept.bytes().await.expect("a body") == sound);

    let probed = probe(&sound);
    assert!(probed.contains("codec_name=opus") && probed.contains("channels=1"), "{probed}");
    let heard = analyse(Cursor::new(sound.to_vec()), &Limits::default()).expect("it plays").measurements;
    let duration = probed.lines().find_map(|line| line.strip_prefix("duration=")?.parse::<f64>().ok());
    let difference = duration.expect("ffprobe tells it") * 1000.0 - heard.duration_ms as f64;
    assert!(difference.abs() < 50.0, "{probed} {heard:?}");

    let wav: Bytes = read_out(&json!({ "text": COMMAND, "voice": "fable", "format": "wav" })).await.3;
    assert!(probe(&wav).contains("codec_name=pcm_s16le"));
    for (recording, media_type) in [(&sound, "audio/ogg"), (&wav, "audio/wav")] {
        let answer = ok(shopper.transcribe(recording, media_type).await, StatusCode::OK).await;
        assert_eq!(answer["result"]["action"]["path"], PATH, "{answer}");
    }
}
