//! What a shopper's requests cost on Cosmos DB, against the table of budgets, and that none of them asks
//! more than one partition. Charges are the emulator's, which are not the service's to the digit.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use pravis::containers::{CUSTOMERS, MEDIA, REVIEWS, VOICE_UPLOADS, customer};
use pravis::identity::{Credential, Principal, Role, Session, SigningKeys};
use pravis::ports::blobs::{AccessTier, BlobName, PutOptions, whole};
use pravis::ports::documents::{Filter, NewDocument, PartitionKey, Query, Scope};
use pravis::registry::Registry;
use pravis::types::{ReviewId, Service, TenantId, TierId, UserId};
use serde_json::{Value, json};

use super::{ISSUER, Services};
use crate::functions_host::FunctionsHost;
use crate::shop::payments::signature;
use crate::support::app::PASSWORD;
use crate::support::process::{Answer, eventually, request, sized};
use crate::triggers::stories::{SPEECH, Story};

const WEBHOOK_KEY: &str = "whsec-kalamkari";

/// The request units that an answer says it cost.
fn request_units(answer: &Answer) -> f64 {
    let timing = answer.header("server-timing");
    let Some((_, cosmos)) = timing.split_once("cosmos;") else { return 0.0 };
    let text = cosmos.split('"').nth(1).unwrap_or_default();
    text.split_once(" RU").map_or(0.0, |(before, _)| {
        let number = before.rsplit(' ').next().unwrap_or_default();
        number.parse().unwrap_or_else(|_| panic!("{timing}"))
    })
}

/// What comes out of the caches, whose loads are nobody's charge.
const CACHED: [&str; 2] = ["AccountsAuthMe", "AccountsPreferencesGet"];
/// Containers that are read into the caches only.
const LOADED: [&str; 3] = ["catalogue", "reviews", "tenants"];

/// What one request did.
#[derive(Debug)]
struct Seen {
    request_units: f64,
    partitions: usize,
}

/// Sends requests one at a time and notes what each did on Cosmos DB.
struct Walk<'a> {
    services: &'a Services,
    story: &'a Story,
    token: Option<String>,
    seen: BTreeMap<&'static str, Seen>,
}

impl Walk<'_> {
    /// Sends what succeeds, by the name of its function; the dearest sending of a function counts.
    async fn send(&mut self, name: &'static str, method: Method, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, "application/json", body.to_string().into_bytes()).await;
        self.note(name, &answer);
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    async fn call(&self, method: Method, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.call_at(method, &format!("/api/v1/{path}"), content_type, body).await
    }

    async fn call_at(&self, method: Method, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        self.services.cosmos.asked();
        let mut request = request(method, path, "shop.example").header("content-type", content_type);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request = request.header("idempotency-key", ulid::Ulid::generate().to_string());
        let answer = self.story.host.request(request.body(sized(body)).unwrap()).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer
    }

    fn note(&mut self, name: &'static str, answer: &Answer) {
        let asked = self.services.cosmos.asked();
        // The records of tenants are read anew beside the requests, every few seconds.
        for request in asked.iter().filter(|request| request.container != "tenants") {
            assert!(request.partition.is_some(), "{name} asks all partitions of {}", request.container);
        }
        let of_customers = asked.iter().filter(|request| request.container == "customers");
        // Whoever is not found is looked for all the same, under the name of nobody; and a merge takes a stranger's
        // cart to the account.
        let partitions = of_customers.filter_map(|request| request.partition.as_ref());
        let partitions =
            partitions.filter(|key| !key.contains("nobody") && !key.contains("guest-")).collect::<BTreeSet<_>>().len();
        let request_units = request_units(answer);
        let free = CACHED.contains(&name) || asked.iter().all(|request| LOADED.contains(&request.container.as_str()));
        assert!(request_units > 0.0 || free, "{name} asked {asked:?} and booked nothing");
        let dearest = self.seen.get(name).map_or(0.0, |seen| seen.request_units);
        self.seen.insert(name, Seen { request_units: request_units.max(dearest), partitions });
    }

    async fn shop(&mut self) {
        let listed = self.send("ShopProductsList", Method::GET, "products?limit=2", Value::Null).await;
        let id = listed["products"][0]["id"].as_str().unwrap().to_owned();
        let view = format!("products/{id}");
        for (name, path) in [
            ("ShopProductsCategories", "products/categories"),
            ("ShopProductsFeatured", "products/featured"),
            ("ShopProductsSearch", "products/search?q=silk"),
            ("ShopProductsView", view.as_str()),
            ("ShopProductsRelated", &format!("{view}/related")),
            ("ShopMediaList", &format!("{view}/media")),
            ("AccountsJwks", ".well-known/jwks.json"),
            ("VoiceVoicesList", "voice/voices"),
        ] {
            self.send(name, Method::GET, path, Value::Null).await;
        }
    }

    /// Carts, orders and what the payment provider tells.
    async fn order(&mut self) {
        let listed = self.send("ShopProductsList", Method::GET, "products?inStock=true&limit=3", Value::Null).await;
        let ids: Vec<&Value> = listed["products"].as_array().unwrap().iter().map(|product| &product["id"]).collect();
        let token = self.token.take();
        let put = json!({ "productId": ids[0] });
        let guest = self.send("ShopCartItemsAdd", Method::POST, "cart/items", put).await["guestCartId"].clone();
        self.token = token;
        self.send("ShopCartMerge", Method::POST, "cart/merge", json!({ "guestCartId": guest })).await;
        for id in &ids {
            self.send("ShopCartItemsAdd", Method::POST, "cart/items", json!({ "productId": id })).await;
        }
        let cart = self.send("ShopCartGet", Method::GET, "cart", Value::Null).await;
        let line = |position: usize| format!("cart/items/{}", cart["items"][position]["id"].as_str().unwrap());
        self.send("ShopCartItemsSet", Method::PUT, &line(0), json!({ "quantity": 1 })).await;
        self.send("ShopCartItemsRemove", Method::DELETE, &line(1), Value::Null).await;
        let said = json!({ "text": "add this to my cart", "context": { "currentProduct": ids[1] }, "apply": true });
        self.send("VoiceCommand", Method::POST, "voice/command", said.clone()).await;
        self.send("VoiceProcessCommand", Method::POST, "voice/process-command", said).await;
        let mut asked = json!({ "shippingAddress": {
            "name": "Lakshmi Rao", "phone": "+91 98480 12345", "addressLine1": "12, Temple Street", "city": "Hyderabad",
            "state": "Telangana", "postalCode": "500001"
        } });
        asked["paymentMethod"] = json!("online");
        let placed = self.send("ShopOrdersCreate", Method::POST, "orders", asked).await;
        self.send("ShopOrdersList", Method::GET, "orders", Value::Null).await;
        let path = format!("orders/{}", placed["orderId"].as_str().unwrap());
        self.send("ShopOrdersView", Method::GET, &path, Value::Null).await;
        self.hear_of_payment(&placed["order"]).await;
        self.send("ShopOrdersCancel", Method::POST, &format!("{path}/cancel"), json!({})).await;
        self.send("ShopCartClear", Method::DELETE, "cart", Value::Null).await;
    }

    async fn hear_of_payment(&mut self, order: &Value) {
        let page: url::Url = order["payment"]["page"].as_str().unwrap().parse().unwrap();
        let reference = page.query_pairs().find(|(name, _)| name == "reference").unwrap().1.into_owned();
        let news = json!({
            "id": "evt_1", "type": "payment.succeeded", "reference": reference, "amountPaise": order["totalPaise"],
            "currency": "INR"
        });
        let signature = signature(WEBHOOK_KEY, chrono::Utc::now().timestamp(), &news.to_string());
        self.services.cosmos.asked();
        let request = request(Method::POST, "/api/v1/payments/webhook", "shop.example")
            .header("content-type", "application/json")
            .header("x-payment-signature", signature);
        let answer = self.story.host.request(request.body(sized(news.to_string())).unwrap()).await;
        assert!(answer.status.is_success(), "{answer:?}");
        self.note("ShopPaymentsWebhook", &answer);
    }

    /// A file of a picture, which lies there.
    async fn picture(&mut self) {
        let path = format!("pravis/{}-320.webp", "0".repeat(48));
        let file = BlobName::new(MEDIA, path.clone());
        self.story.stores.blobs.put(&file, whole("a picture"), PutOptions::default()).await.unwrap();
        let answer = self.call(Method::GET, &format!("media/{path}"), "application/json", Vec::new()).await;
        self.note("ShopMediaFile", &answer);
    }

    async fn account(&mut self) {
        let credentials = json!({ "email": "lakshmi@example.in", "password": PASSWORD });
        self.send("AccountsAuthRegister", Method::POST, "auth/register", credentials.clone()).await;
        self.send("AccountsAuthLoginJson", Method::POST, "auth/login/json", credentials.clone()).await;
        let signed_in = self.send("AccountsAuthLogin", Method::POST, "auth/login", credentials).await;
        let refresh = json!({ "refresh_token": signed_in["refresh_token"] });
        let signed_in = self.send("AccountsAuthRefresh", Method::POST, "auth/refresh", refresh).await;
        self.token = Some(signed_in["access_token"].as_str().unwrap().to_owned());
        self.send("AccountsAuthMe", Method::GET, "auth/me", Value::Null).await;
        let consent = json!({ "purpose": "voiceStorage", "granted": true, "version": "1.0" });
        self.send("AccountsAuthProfile", Method::PUT, "auth/profile", json!({ "lastName": "Rao" })).await;
        let preferences = json!({ "voice-volume": 0.5 });
        self.send("AccountsPreferencesPatch", Method::PATCH, "users/me/preferences", preferences).await;
        self.send("AccountsPreferencesGet", Method::GET, "users/me/preferences", Value::Null).await;
        self.send("AccountsConsentsCreate", Method::POST, "users/me/consents", consent).await;
        self.send("AccountsConsentsList", Method::GET, "users/me/consents", Value::Null).await;
        self.contacts().await;
        self.send("AccountsConsentsHistory", Method::GET, "users/me/consents/history", Value::Null).await;
        let sessions = self.send("AccountsSessionsList", Method::GET, "auth/sessions", Value::Null).await;
        let other = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
        let path = format!("auth/sessions/{}", other["id"].as_str().unwrap());
        self.send("AccountsSessionsDelete", Method::DELETE, &path, Value::Null).await;
        let changed = json!({ "currentPassword": PASSWORD, "newPassword": "pochampally-7" });
        self.send("AccountsAuthPassword", Method::PUT, "auth/password", changed).await;
        let forgotten = json!({ "email": "lakshmi@example.in" });
        self.send("AccountsAuthResetRequest", Method::POST, "auth/password-reset-request", forgotten).await;
    }

    /// Another number in the place of a first one, and another address that becomes the first again.
    async fn contacts(&mut self) {
        for phone in ["+919876543210", "+919876543211"] {
            self.send("AccountsPhoneCreate", Method::POST, "users/me/phone", json!({ "phone": phone })).await;
            let code = handed_over(self.story, "account.phoneCodeRequested", "phone", phone).await["code"].clone();
            self.send("AccountsPhoneVerify", Method::POST, "users/me/phone/verify", json!({ "code": code })).await;
        }
        self.send("AccountsPhoneDelete", Method::DELETE, "users/me/phone", Value::Null).await;
        for email in ["lakshmi.rao@example.in", "lakshmi@example.in"] {
            let asked = json!({ "email": email, "currentPassword": PASSWORD });
            self.send("AccountsEmailCreate", Method::POST, "users/me/email", asked).await;
            let token = handed_over(self.story, "account.emailChangeRequested", "email", email).await["token"].clone();
            self.send("AccountsEmailVerify", Method::POST, "users/email/verify", json!({ "token": token })).await;
        }
    }

    async fn reviews(&mut self) {
        let listed = self.send("ShopProductsList", Method::GET, "products?limit=1", Value::Null).await;
        let product = listed["products"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("products/{product}/reviews");
        let said = |content: &str| json!({ "rating": 5, "title": "As I found it", "content": content });
        let written = self.send("ShopReviewsCreate", Method::POST, &path, said("Lovely")).await;
        self.send("ShopReviewsCreate", Method::POST, &path, said("Lovely all the same")).await;
        let own = format!("users/me/reviews/{}", written["review"]["id"].as_str().unwrap());
        self.send("ShopReviewsOwnList", Method::GET, "users/me/reviews", Value::Null).await;
        self.send("ShopReviewsOwnGet", Method::GET, &own, Value::Null).await;
        self.send("ShopReviewsOwnUpdate", Method::PUT, &own, said("Lovely again")).await;
        self.send("ShopReviewsOwnDelete", Method::DELETE, &own, Value::Null).await;
        for number in 0..2 {
            let shown = json!({
                "part": "shown", "version": 1, "author": "Lakshmi", "rating": 5, "title": "", "content": "Lovely",
                "verifiedPurchase": true, "at": number, "rank": number,
            });
            let document = NewDocument::new(ReviewId::generate().as_str(), &shown).unwrap();
            let partition = PartitionKey::of(["pravis", &product]);
            self.story.stores.documents.create(&REVIEWS, &partition, document).await.unwrap();
        }
        // What the first reading costs is its caches'.
        let path = format!("{path}?limit=1");
        self.call(Method::GET, &path, "application/json", Vec::new()).await;
        let first = self.send("ShopReviewsList", Method::GET, &path, Value::Null).await;
        let path = format!("{path}&cursor={}", first["next"].as_str().unwrap());
        self.send("ShopReviewsList", Method::GET, &path, Value::Null).await;
    }

    async fn exports(&mut self) {
        let path = "users/me/exports";
        let export = self.send("AccountsExportsCreate", Method::POST, path, Value::Null).await;
        self.send("AccountsExportsList", Method::GET, path, Value::Null).await;
        let path = format!("{path}/{}", export["id"].as_str().unwrap());
        self.send("AccountsExportsView", Method::GET, &path, Value::Null).await;
        self.send("AccountsExportsDelete", Method::DELETE, &path, Value::Null).await;
    }

    async fn samples(&mut self) {
        let asked = json!({ "contentType": "audio/webm", "language": "en-IN" });
        let sample = self.send("VoiceSamplesCreate", Method::POST, "voice/samples", asked).await;
        let upload = reqwest::Client::new().put(sample["uploadUrl"].as_str().unwrap()).body(SPEECH);
        let upload = upload.header("x-ms-blob-type", "BlockBlob").header("content-type", "audio/webm");
        assert_eq!(upload.send().await.unwrap().status(), 201);
        let id = sample["id"].as_str().unwrap();
        let path = format!("voice/samples/{id}");
        self.send("VoiceSamplesComplete", Method::POST, &format!("{path}/complete"), Value::Null).await;
        let ticket = self.story.ticket_payload(id).await.unwrap();
        assert!(self.story.host.invoke("VoiceJobsRun", ticket).await.succeeded());
        self.send("VoiceSamplesGet", Method::GET, &path, Value::Null).await;
        self.send("VoiceSamplesList", Method::GET, "voice/samples", Value::Null).await;
        let answer = self.call(Method::GET, &format!("{path}/waveform"), "application/json", Vec::new()).await;
        self.note("VoiceSamplesWaveform", &answer);
        let user = self.send("AccountsAuthMe", Method::GET, "auth/me", Value::Null).await;
        let user = user["id"].as_str().or(user["user_id"].as_str()).unwrap();
        let recording = BlobName::new(VOICE_UPLOADS, format!("pravis/{user}/{id}"));
        self.story.stores.blobs.set_tier(&recording, AccessTier::Archive).await.unwrap();
        let asked = self.send("VoiceSamplesRehydrate", Method::POST, &format!("{path}/rehydrate"), Value::Null).await;
        assert_eq!(asked["recording"]["status"], "restoring");
        self.send("VoiceSamplesDelete", Method::DELETE, &path, Value::Null).await;
    }

    async fn talk(&mut self) {
        let said = json!({ "text": "silk sarees under five thousand rupees" });
        let mut exchanges = Vec::new();
        for (name, path) in [("VoiceCommand", "voice/command"), ("VoiceProcessCommand", "voice/process-command")] {
            for _ in 0..10 {
                exchanges.push(self.send(name, Method::POST, path, said.clone()).await);
            }
        }
        let answer = self.call(Method::POST, "voice/transcribe?save_audio=true", "audio/webm", SPEECH.to_vec()).await;
        self.note("VoiceTranscribe", &answer);
        self.send("VoiceUsage", Method::GET, "voice/usage", Value::Null).await;
        self.send("VoiceHistoryList", Method::GET, "voice/history", Value::Null).await;
        let path = format!("voice/history/{}", exchanges[0]["interactionId"].as_str().unwrap());
        self.send("VoiceHistoryDelete", Method::DELETE, &path, Value::Null).await;
        self.send("VoiceHistoryClear", Method::DELETE, "voice/history", Value::Null).await;
        for _ in 0..10 {
            self.send("VoiceCommand", Method::POST, "voice/command", said.clone()).await;
        }
        self.send("VoiceHistoryClearOld", Method::DELETE, "voice/clear-history", Value::Null).await;
        for _ in 0..10 {
            self.send("VoiceCommand", Method::POST, "voice/command", said.clone()).await;
        }
        let answer = self.call_at(Method::DELETE, "/api/voice/clear-history", "application/json", Vec::new()).await;
        self.note("VoiceHistoryClearSite", &answer);
        let spoken =
            self.call(Method::POST, "voice/text-to-speech", "application/json", br#"{"text":"Namaste"}"#.to_vec());
        let spoken = spoken.await;
        self.note("VoiceSpeechCreate", &spoken);
        let path = spoken.header("content-location").trim_start_matches("/api/v1/").to_owned();
        let answer = self.call(Method::GET, &path, "application/json", Vec::new()).await;
        self.note("VoiceSpeechGet", &answer);
    }
}

/// The data of the event that was handed to the mailer for an address or a number.
async fn handed_over(story: &Story, kind: &str, field: &str, to: &str) -> Value {
    let query = Query { filters: vec![Filter::Equal("kind", "outbox".into())], limit: 1000, ..Query::default() };
    let found = story.stores.documents.query(&CUSTOMERS, Scope::Container, query).await.unwrap();
    let mut events = found.items.iter().map(|document| document.read::<Value>().unwrap()["event"].clone());
    events.find(|event| event["type"] == kind && event["data"][field] == to).unwrap()["data"].clone()
}

/// An access token of a member of the staff.
async fn staff(services: &Services, story: &Story) -> String {
    let tenant = TenantId::pravis();
    let user = UserId::generate();
    let (session, _) = Session::begin(&tenant, &user, "test", chrono::Utc::now()).unwrap();
    let document = NewDocument::new(session.id.as_str(), &session).unwrap();
    let account = NewDocument::new(user.as_str(), &json!({ "kind": "user", "active": true })).unwrap();
    for document in [document, account] {
        story.stores.documents.create(&CUSTOMERS, &customer(&tenant, user.as_str()), document).await.unwrap();
    }
    let keys = SigningKeys::from_secret(&services.signing_key, ISSUER, "pravis-boutique-api").unwrap();
    let credential = Credential::Session(session.id);
    let principal = Principal { user, tenant, role: Role::Staff, tier: TierId::FREE, version: 0, credential };
    keys.sign(&principal, chrono::Utc::now()).unwrap().token
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_of_a_shopper_stays_in_its_partition_and_its_budget() {
    let services = Services::prepared().await;
    let mut setup = FunctionsHost::setup();
    for (name, value) in services.variables() {
        setup = setup.setting(&name, value);
    }
    setup = setup.setting("PRAVIS_PAYMENT_PAGE", "https://pay.example/pravis");
    services.vault.set("payment-webhook-key", WEBHOOK_KEY);
    let story = Story::over(setup, services.stores()).await;
    eventually("a catalogue", async || {
        let products = story.call(None, Method::GET, "/api/v1/products?limit=1", Value::Null).await;
        (products.status == 200 && products.json::<Value>()["products"][0]["id"].is_string()).then_some(())
    })
    .await;
    let mut walk = Walk { services: &services, story: &story, token: None, seen: BTreeMap::new() };
    walk.shop().await;
    walk.picture().await;
    walk.account().await;
    walk.order().await;
    walk.reviews().await;
    walk.exports().await;
    walk.samples().await;
    walk.talk().await;
    walk.send("AccountsAuthLogout", Method::POST, "auth/logout", Value::Null).await;
    walk.token = None;
    let reset = handed_over(&story, "account.passwordResetRequested", "email", "lakshmi@example.in").await;
    let reset = json!({ "token": reset["token"], "newPassword": "kanjivaram-9" });
    walk.send("AccountsAuthReset", Method::POST, "auth/password-reset", reset).await;

    let credentials = json!({ "email": "lakshmi@example.in", "password": "kanjivaram-9" });
    let signed_in = walk.send("AccountsAuthLogin", Method::POST, "auth/login", credentials.clone()).await;
    walk.token = Some(signed_in["access_token"].as_str().unwrap().to_owned());
    walk.send("AccountsErasureRequest", Method::DELETE, "users/me", json!({ "password": "kanjivaram-9" })).await;
    walk.token = None;
    walk.send("AccountsAuthRestore", Method::POST, "auth/restore", credentials).await;

    let registry = Registry::of(&Service::ALL).unwrap();
    let mut beyond = Vec::new();
    for function in registry.functions() {
        let Some(budget) = function.http_trigger().and_then(|http| http.request_units) else { continue };
        let seen = walk.seen.get(function.name).unwrap_or_else(|| panic!("{} was not called", function.name));
        println!("{:24} {:6.2} of {budget:5.1} RU", function.name, seen.request_units);
        if seen.request_units > budget {
            beyond.push(format!("{}: {} RU of {budget}", function.name, seen.request_units));
        }
        assert!(seen.partitions <= 1, "{} asks {} partitions of customers", function.name, seen.partitions);
    }
    assert!(beyond.is_empty(), "{beyond:#?}");
    let metrics = story.call(Some(&staff(&services, &story).await), Method::GET, "/api/v1/metrics", Value::Null).await;
    let text = String::from_utf8_lossy(&metrics.body);
    for named in [
        "http_server_request_duration_seconds_count{faas_name=\"ShopProductsList\"",
        "azure_cosmosdb_client_operation_request_charge",
        "pravis_dependency_duration_seconds_bucket{",
        "service=\"redis\"",
    ] {
        assert!(text.contains(named), "{named} is not in {text}");
    }
    // The program tells of each that is dearer than it may be; none was.
    assert!(!story.host.output().await.iter().any(|line| line.contains("cost more than its function may")));
}
