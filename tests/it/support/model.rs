//! A language model behind chat completions, as OpenAI and Azure OpenAI document them
//! (<https://platform.openai.com/docs/api-reference/chat>,
//! <https://learn.microsoft.com/azure/ai-foundry/openai/latest>). It says what it is told to say, takes nothing that
//! the services would refuse, and books all that it is sent.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::entra::Tokens;
use super::loopback::{Answered, Fault, Loopback};

pub const MODEL: &str = "small-model";
pub const KEY: &str = "hush-the-key-of-the-model";
/// Whom tokens for Azure OpenAI are for.
pub const RESOURCE: &str = "https://cognitiveservices.azure.com";

/// How the service is reached, and what it asks for.
#[derive(Clone)]
pub enum Flavour {
    /// `/v1/chat/completions` and a bearer key.
    OpenAi,
    /// The same on a server of one's own, which asks for no key.
    Own,
    /// `/openai/v1/chat/completions` and a key in `api-key`.
    Azure,
    /// The address of a deployment with a version, and a key in `api-key`.
    AzureDated,
    /// The v1 address and tokens of Entra ID.
    AzureEntra(Arc<Tokens>),
}

/// What the model answers.
#[derive(Clone, Debug)]
pub enum Says {
    /// A text, whole.
    Text(String),
    Refusal,
    /// The filter stopped the answer.
    Filtered,
    /// The filter stopped the question.
    QuestionFiltered,
    /// The answer was too long.
    Truncated,
    /// A body of its own.
    Body(String),
}

/// One call that was taken.
#[derive(Clone, Debug)]
pub struct Sent {
    pub headers: HeaderMap,
    pub body: Value,
}

impl Sent {
    /// What the model was told of the sentence.
    pub fn message(&self) -> Value {
        serde_json::from_str(self.body["messages"][1]["content"].as_str().unwrap()).unwrap()
    }
}

/// The service, until it is dropped.
pub struct Model {
    loopback: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    flavour: Flavour,
    says: Mutex<Says>,
    sent: Mutex<Vec<Sent>>,
    refused: Mutex<Vec<String>>,
}

impl Model {
    pub async fn start(flavour: Flavour) -> Self {
        let says = Mutex::new(Says::Text("{}".into()));
        let shared = Arc::new(Shared { flavour, says, sent: Mutex::default(), refused: Mutex::default() });
        let served = shared.clone();
        let loopback = Loopback::start(false, move |request| served.answer(&request)).await;
        Self { loopback, shared }
    }

    /// The settings that choose it.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let address = format!("http://{}", self.loopback.address);
        let (provider, endpoint) = match self.shared.flavour {
            Flavour::OpenAi | Flavour::Own => ("openai", format!("{address}/v1")),
            Flavour::Azure | Flavour::AzureDated | Flavour::AzureEntra(_) => ("azure-openai", address),
        };
        let mut variables = vec![
            ("CHAT_PROVIDER", provider.to_owned()),
            ("CHAT_ENDPOINT", endpoint),
            ("CHAT_MODEL", MODEL.to_owned()),
            ("CHAT_TIME_LIMIT_MS", "1000".to_owned()),
        ];
        if !matches!(self.shared.flavour, Flavour::Own | Flavour::AzureEntra(_)) {
            variables.push(("CHAT_KEY", KEY.to_owned()));
        }
        if matches!(self.shared.flavour, Flavour::AzureDated) {
            variables.push(("CHAT_API_VERSION", "2024-10-21".to_owned()));
        }
        variables
    }

    pub fn say(&self, says: Says) {
        *self.shared.says.lock().unwrap() = says;
    }

    /// Answers this JSON from now on.
    pub fn say_form(&self, form: &Value) {
        self.say(Says::Text(form.to_string()));
    }

    pub fn fail(&self, fault: impl Into<Option<Fault>>) {
        self.loopback.fail(fault);
    }

    /// Connections that were made for a call, answered or not.
    pub fn requests(&self) -> usize {
        self.loopback.requests()
    }

    /// The calls that were taken.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.sent.lock().unwrap().clone()
    }

    /// Why calls were refused.
    pub fn refused(&self) -> Vec<String> {
        self.shared.refused.lock().unwrap().clone()
    }
}

impl Shared {
    fn answer(&self, request: &http::Request<Bytes>) -> Answered {
        let body = match self.check(request) {
            Ok(body) => body,
            Err((status, why)) => {
                self.refused.lock().unwrap().push(why.clone());
                return answered(status, &json!({ "error": { "code": "refused", "message": why } }));
            }
        };
        self.sent.lock().unwrap().push(Sent { headers: request.headers().clone(), body });
        let completion = |message: Value, reason: &str| {
            let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": reason });
            let usage = json!({ "prompt_tokens": 700, "completion_tokens": 60, "total_tokens": 760 });
            answered(
                200,
                &json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": MODEL,
                    "choices": [choice], "usage": usage }),
            )
        };
        let said =
            |content: Value, refusal: Value| json!({ "role": "assistant", "content": content, "refusal": refusal });
        match self.says.lock().unwrap().clone() {
            Says::Text(text) => completion(said(text.into(), Value::Null), "stop"),
            Says::Refusal => completion(said(Value::Null, "I'm sorry, I can't help with that.".into()), "stop"),
            Says::Filtered => completion(said(Value::Null, Value::Null), "content_filter"),
            Says::Truncated => completion(said("{\"intent\":\"sea".into(), Value::Null), "length"),
            Says::QuestionFiltered => answered(
                400,
                &json!({ "error": { "code": "content_filter", "status": 400, "param": "prompt", "type": null,
                    "message": "The response was filtered.",
                    "innererror": { "code": "ResponsibleAIPolicyViolation", "content_filter_result": {} } } }),
            ),
            Says::Body(body) => {
                let mut response = Response::new(Bytes::from(body));
                response.headers_mut().insert("content-type", "application/json".parse().unwrap());
                response
            }
        }
    }

    fn check(&self, request: &http::Request<Bytes>) -> Result<Value, (u16, String)> {
        let path = match self.flavour {
            Flavour::OpenAi | Flavour::Own => "/v1/chat/completions".to_owned(),
            Flavour::Azure | Flavour::AzureEntra(_) => "/openai/v1/chat/completions".to_owned(),
            Flavour::AzureDated => format!("/openai/deployments/{MODEL}/chat/completions?api-version=2024-10-21"),
        };
        let asked = request.uri().path_and_query().map_or("", |path| path.as_str());
        if request.method() != Method::POST || asked != path {
            return Err((404, format!("{} {asked}", request.method())));
        }
        self.check_login(request.headers()).map_err(|why| (401, why))?;
        if request.headers().get("content-type").is_none_or(|kind| kind != "application/json") {
            return Err((415, "no JSON".into()));
        }
        let body: Value = serde_json::from_slice(request.body()).map_err(|error| (400, error.to_string()))?;
        check_body(&body).map_err(|why| (400, why))?;
        Ok(body)
    }

    fn check_login(&self, headers: &HeaderMap) -> Result<(), String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (bearer, key) = (header("authorization"), header("api-key"));
        match &self.flavour {
            Flavour::Own if bearer.is_none() && key.is_none() => Ok(()),
            Flavour::OpenAi if bearer == Some(&format!("Bearer {KEY}")) && key.is_none() => Ok(()),
            Flavour::Azure | Flavour::AzureDated if key == Some(KEY) && bearer.is_none() => Ok(()),
            Flavour::AzureEntra(tokens) if key.is_none() => {
                let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")).ok_or("no token")?;
                tokens.check(token, RESOURCE)
            }
            _ => Err("another login is asked for".into()),
        }
    }
}

/// What the services look at: known fields, two messages, and a schema in the part of JSON Schema that they take
/// (<https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>).
fn check_body(body: &Value) -> Result<(), String> {
    let known = ["model", "messages", "response_format", "max_completion_tokens", "n"];
    let fields = body.as_object().ok_or("no object")?;
    if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(format!("unknown parameter {field}"));
    }
    if body["model"] != MODEL || !(1..=4096).contains(&body["max_completion_tokens"].as_u64().unwrap_or(0)) {
        return Err("no model, or no bound of tokens".into());
    }
    let roles: Vec<&Value> =
        body["messages"].as_array().into_iter().flatten().map(|message| &message["role"]).collect();
    if roles != ["system", "user"] {
        return Err(format!("roles {roles:?}"));
    }
    let format = &body["response_format"];
    let name = format["json_schema"]["name"].as_str().unwrap_or_default();
    let named = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if format["type"] != "json_schema" || format["json_schema"]["strict"] != true || !named {
        return Err("no strict json_schema".into());
    }
    check_schema(&format["json_schema"]["schema"])
}

fn check_schema(schema: &Value) -> Result<(), String> {
    let types = &schema["type"];
    let is = |name: &str| types == name || types.as_array().is_some_and(|types| types.contains(&name.into()));
    if is("array") {
        return check_schema(&schema["items"]);
    }
    if !is("object") {
        let simple = ["string", "integer", "number", "boolean", "null"].iter().any(|name| is(name));
        return if simple { Ok(()) } else { Err(format!("type {types}")) };
    }
    let properties = schema["properties"].as_object().ok_or("no properties")?;
    let required = schema["required"].as_array().ok_or("nothing is required")?;
    if schema["additionalProperties"] != false || required.len() != properties.len() {
        return Err("an object must require all of its properties and no others".into());
    }
    properties.values().try_for_each(check_schema)
}

fn answered(status: u16, body: &Value) -> Answered {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}
