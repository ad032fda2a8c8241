//! Invocations of triggers other than HTTP: a chunked `POST /<FunctionName>` straight to the handler, and
//! the host's judgement of the reply.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::payload::guid;
use super::{FunctionsHost, Shared, VERSION};
use crate::support::process::{Answer, chunked, request, send};

/// What the host makes of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The lines that the handler wants logged.
    Succeeded {
        logs: Vec<String>,
    },
    Failed(String),
    /// An empty or `null` body with a 2xx: the host waits until `functionTimeout`, then kills the
    /// handler.
    Hung,
}

/// One invocation and its end.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub function: String,
    pub verdict: Verdict,
    /// `None` when the handler did not answer.
    pub status: Option<StatusCode>,
}

impl Invocation {
    pub fn succeeded(&self) -> bool {
        matches!(self.verdict, Verdict::Succeeded { .. })
    }

    pub fn hung(&self) -> bool {
        self.verdict == Verdict::Hung
    }
}

impl FunctionsHost {
    /// Sends `payload` to the path of the function `name`, whatever both are.
    pub async fn invoke(&self, name: &str, payload: Vec<u8>) -> Invocation {
        self.shared.invoke(name, payload).await
    }
}

impl Shared {
    pub(super) async fn invoke(&self, name: &str, payload: Vec<u8>) -> Invocation {
        let reply = match self.worker.address().await {
            Some(address) => {
                let request = request(Method::POST, &format!("/{name}"), &address.to_string())
                    .header("content-type", "application/json; charset=utf-8")
                    .header("x-azure-functions-hostversion", VERSION)
                    .header("x-azure-functions-invocationid", guid())
                    .header("user-agent", format!("Azure-Functions-Host/{VERSION}"))
                    .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                    .body(chunked(Bytes::from(payload)))
                    .unwrap();
                send(address, request).await.map_err(|error| error.to_string())
            }
            None => Err("the handler does not run".into()),
        };
        let status = reply.as_ref().ok().map(|answer| answer.status);
        let verdict = reply.map_or_else(Verdict::Failed, |answer| judged(&answer));
        let invocation = Invocation { function: name.to_owned(), verdict, status };
        self.invocations.lock().unwrap().push(invocation.clone());
        invocation
    }
}

/// `ProcessDefaultInvocationRequest` of the host.
fn judged(answer: &Answer) -> Verdict {
    if !answer.status.is_success() {
        return Verdict::Failed(format!("status {}", answer.status));
    }
    if answer.body.trim_ascii().is_empty() || answer.body.trim_ascii() == b"null" {
        return Verdict::Hung;
    }
    let media_type = answer.header("content-type").split(';').next().unwrap_or_default().trim();
    if !matches!(media_type, "application/json" | "text/json") {
        return Verdict::Failed(format!("media type {media_type:?} is not supported"));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(result)) => {
            let lines = result.get("Logs").and_then(Value::as_array).into_iter().flatten();
            Verdict::Succeeded { logs: lines.filter_map(Value::as_str).map(str::to_owned).collect() }
        }
        Ok(_) => Verdict::Failed("the reply is no object".into()),
        Err(error) => Verdict::Failed(format!("the reply is not JSON: {error}")),
    }
}

#[test]
fn replies_are_judged_as_the_host_judges_them() {
    let judge = |status: u16, media_type: &'static str, body: &'static str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("content-type", http::HeaderValue::from_static(media_type));
        judged(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::from_static(body.as_bytes()),
        })
    };
    assert_eq!(judge(200, "application/json", r#"{"Logs":["a"]}"#), Verdict::Succeeded { logs: vec!["a".into()] });
    assert_eq!(judge(200, "application/json", ""), Verdict::Hung);
    assert_eq!(judge(204, "text/plain", ""), Verdict::Hung);
    assert_eq!(judge(200, "application/json", " null "), Verdict::Hung);
    for (status, media_type, body) in [
        (500, "application/json", "{}"),
        (200, "text/plain", "{}"),
        (200, "application/json", "{"),
        (200, "text/json", "[]"),
    ] {
        assert!(matches!(judge(status, media_type, body), Verdict::Failed(_)), "{status} {media_type} {body}");
    }
}
