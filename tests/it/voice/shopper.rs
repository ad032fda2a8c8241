//! A shopper's browser: signed in, with a microphone.

use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::server::Server;

/// How long a job may take from its upload to its end, on a busy machine with a debug build.
pub const JOB_LIMIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// Who is signed in, and how.
#[derive(Clone)]
pub struct Shopper {
    http: Client,
    base: String,
    token: String,
    /// `usr_…`.
    pub id: String,
    /// How long calls that get no answer (or one of 5xx) are made again.
    pub patience: Duration,
}

impl Shopper {
    /// Opens an account.
    pub async fn register(server: &Server, name: &str) -> Self {
        let http = client();
        let body = json!({ "email": format!("{name}@example.in"), "password": "kanjivaram-9", "firstName": name });
        let request = http.post(format!("{}/api/v1/auth/register", server.url())).json(&body);
        let signed_in = ok(request.send().await.expect("an answer"), StatusCode::CREATED).await;
        let text = |field: &str| signed_in[field].as_str().expect(field).to_owned();
        let (token, id) = (text("access_token"), text("user_id"));
        Self { http, base: server.url(), token, id, patience: Duration::ZERO }
    }

    /// Opens an account and lets voice be kept.
    pub async fn consenting(server: &Server, name: &str) -> Self {
        let shopper = Self::register(server, name).await;
        let body = json!({ "purpose": "voiceStorage", "granted": true, "version": "1.0" });
        let answer = shopper.call(Method::POST, "v1/users/me/consents", |request| request.json(&body)).await;
        ok(answer, StatusCode::CREATED).await;
        shopper
    }

    /// Calls the API until it answers, as long as patience lasts.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Response {
        let url = format!("{}/api/{path}", self.base);
        self.persist(|| complete(self.http.request(method.clone(), &url).bearer_auth(&self.token))).await
    }

    async fn persist(&self, request: impl Fn() -> RequestBuilder) -> Response {
        let deadline = Instant::now() + self.patience;
        loop {
            let outcome = request().send().await;
            let refused = match &outcome {
                Ok(answer) => answer.status().is_server_error(),
                Err(_) => true,
            };
            if !refused || Instant::now() >= deadline {
                return outcome.expect("an answer");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Gets a resource that is there.
    pub async fn get(&self, path: &str) -> Value {
        let deadline = Instant::now() + self.patience;
        loop {
            let answer = self.call(Method::GET, path, |request| request).await;
            let status = answer.status();
            // The body may break off where the head did not.
            match answer.json().await {
                Ok(body) => {
                    assert_eq!(status, StatusCode::OK, "{path}: {body}");
                    return body;
                }
                Err(error) => assert!(Instant::now() < deadline, "{path}: {error}"),
            }
        }
    }

    /// Announces a recording: the answer of `POST voice/samples`.
    pub async fn announce(&self, sample: &Value) -> Value {
        let deadline = Instant::now() + self.patience;
        loop {
            let answer = self.call(Method::POST, "v1/voice/samples", |request| request.json(sample)).await;
            let status = answer.status();
            match answer.json::<Value>().await {
                Ok(body) => {
                    assert_eq!(status, StatusCode::CREATED, "{body}");
                    return body;
                }
                Err(error) => assert!(Instant::now() < deadline, "announcing: {error}"),
            }
        }
    }

    /// Uploads to the signed address, without the token.
    pub async fn upload(&self, announced: &Value, recording: &Bytes) -> Response {
        let url = announced["uploadUrl"].as_str().expect("uploadUrl");
        let headers = announced["uploadHeaders"].as_object().expect("uploadHeaders");
        let request = || {
            let put = self.http.put(url).body(recording.clone());
            headers.iter().fold(put, |put, (name, value)| put.header(name, value.as_str().expect("text")))
        };
        self.persist(request).await
    }

    pub async fn complete(&self, id: &str) -> Response {
        self.call(Method::POST, &format!("v1/voice/samples/{id}/complete"), |request| request).await
    }

    /// Polls a sample until it has ended.
    pub async fn ended(&self, id: &str, limit: Duration) -> Value {
        let deadline = Instant::now() + limit;
        loop {
            let sample = self.get(&format!("v1/voice/samples/{id}")).await;
            if ["completed", "rejected", "failed"].contains(&sample["status"].as_str().expect("status")) {
                return sample;
            }
            assert!(Instant::now() < deadline, "not ended within {limit:?}: {sample}");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The whole way of a recording: announced as `sample` says, uploaded, completed, followed to its end.
    pub async fn send(&self, sample: Value, recording: &Bytes) -> Value {
        let announced = self.announce(&sample).await;
        let uploaded = self.upload(&announced, recording).await;
        assert_eq!(uploaded.status(), StatusCode::CREATED, "{}", uploaded.text().await.unwrap_or_default());
        let id = announced["id"].as_str().expect("id");
        let completed = self.complete(id).await;
        assert!(completed.headers().contains_key("operation-location"));
        ok(completed, StatusCode::ACCEPTED).await;
        self.ended(id, JOB_LIMIT).await
    }

    /// Speaks to `voice/transcribe`.
    pub async fn transcribe(&self, recording: &Bytes, media_type: &str) -> Response {
        self.call(Method::POST, "v1/voice/transcribe", |request| {
            request.header("content-type", media_type).body(recording.clone())
        })
        .await
    }
}

/// A client with a bound on every wait.
pub fn client() -> Client {
    Client::builder().timeout(REQUEST_LIMIT).build().expect("a client")
}

/// The JSON body of an answer that has this status.
pub async fn ok(answer: Response, status: StatusCode) -> Value {
    let found = answer.status();
    let text = answer.text().await.expect("a body");
    assert_eq!(found, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
