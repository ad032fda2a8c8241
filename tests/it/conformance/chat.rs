//! The suite of the language model's port, on chat completions in all their flavours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pravis::adapters::azure::{AzureTransport, credential};
use pravis::adapters::chat::ChatCompletions;
use pravis::adapters::secrets::SettingsSecrets;
use pravis::ports::PortErrorKind;
use pravis::ports::chat::{Asked, Chat, Outcome, Usage};
use pravis::ports::secrets::SecretSource;
use pravis::settings::{CredentialKind, CredentialSettings, Settings};
use serde_json::json;

use crate::support::entra::Entra;
use crate::support::loopback::Fault;
use crate::support::model::{Flavour, MODEL, Model, Says};

fn asked() -> Asked {
    Asked {
        instructions: "Fill in the form.".into(),
        message: "kuchh aisa".into(),
        schema_name: "form",
        schema: json!({ "type": "object", "additionalProperties": false, "required": ["intent"],
            "properties": { "intent": { "type": ["string", "null"], "enum": ["search", null] } } }),
    }
}

/// The adapter that a process with these settings would make.
fn adapter(model: &Model, entra: Option<&Entra>) -> ChatCompletions {
    let variables: BTreeMap<String, String> =
        model.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let settings = Settings::from_variables(&variables).unwrap().chat.unwrap();
    let secrets = Arc::new(SettingsSecrets::new(BTreeMap::new(), None));
    let key = settings.key.clone().map(|key| SecretSource::new(key, secrets));
    let credential = entra.map(|entra| {
        let settings = CredentialSettings { kind: CredentialKind::ManagedIdentity, client_id: None };
        credential(&settings, &AzureTransport::over(entra.transport())).unwrap()
    });
    ChatCompletions::new(&settings, key, credential).unwrap()
}

async fn own() -> (Model, ChatCompletions) {
    let model = Model::start(Flavour::Own).await;
    let adapter = adapter(&model, None);
    (model, adapter)
}

#[tokio::test]
async fn every_flavour_is_asked_as_it_documents() {
    let entra = Entra::start().await;
    let flavours =
        [Flavour::OpenAi, Flavour::Own, Flavour::Azure, Flavour::AzureDated, Flavour::AzureEntra(entra.tokens.clone())];
    for flavour in flavours {
        let by_token = matches!(flavour, Flavour::AzureEntra(_));
        let model = Model::start(flavour).await;
        model.say(Says::Text(r#"{"intent":"search"}"#.into()));
        let chat = adapter(&model, by_token.then_some(&entra));
        let completion = chat.complete(&asked()).await.unwrap();
        assert_eq!(model.refused(), Vec::<String>::new());
        assert_eq!(completion.outcome, Outcome::Text(r#"{"intent":"search"}"#.into()));
        assert_eq!(completion.usage, Usage { input_tokens: 700, output_tokens: 60 });
        assert_eq!(chat.model(), MODEL);
        let sent = &model.sent()[0].body;
        assert_eq!(sent["messages"][0]["content"], "Fill in the form.");
        assert_eq!(sent["messages"][1]["content"], "kuchh aisa");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_apart() {
    let (model, chat) = own().await;
    for (says, outcome) in [
        (Says::Refusal, Outcome::Declined),
        (Says::Filtered, Outcome::Declined),
        (Says::QuestionFiltered, Outcome::Declined),
        (Says::Truncated, Outcome::Truncated),
    ] {
        model.say(says.clone());
        assert_eq!(chat.complete(&asked()).await.unwrap().outcome, outcome, "{says:?}");
    }
    let long = "x".repeat(300 * 1024);
    for body in ["[]", "{\"choices\":[]}", "not JSON", &long] {
        model.say(Says::Body(body.into()));
        assert_eq!(chat.complete(&asked()).await.unwrap_err().kind(), PortErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn each_failure_has_its_kind_and_tells_nothing() {
    for (fault, kind) in [
        (Fault::Status(400, None), PortErrorKind::InvalidRequest),
        (Fault::Status(401, None), PortErrorKind::Unavailable),
        (Fault::Status(403, None), PortErrorKind::Unavailable),
        (Fault::Status(404, None), PortErrorKind::NotFound),
        (Fault::Status(429, None), PortErrorKind::Throttled),
        (Fault::Status(500, None), PortErrorKind::Unavailable),
        (Fault::Status(503, Some(3)), PortErrorKind::Unavailable),
        (Fault::Status(302, None), PortErrorKind::Unavailable),
        (Fault::Slow(Duration::from_secs(20)), PortErrorKind::TimedOut),
        (Fault::Cut, PortErrorKind::Unavailable),
        (Fault::Garbage, PortErrorKind::Corrupt),
        (Fault::Gone, PortErrorKind::Unavailable),
    ] {
        let model = Model::start(Flavour::OpenAi).await;
        let chat = adapter(&model, None);
        model.fail(fault);
        let began = Instant::now();
        let error = chat.complete(&asked()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert!(began.elapsed() < Duration::from_secs(2), "{fault:?}");
        let told = format!("{error:?} {error}");
        assert!(!told.contains("hush") && !told.contains("kuchh"), "{told}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let model = Model::start(Flavour::OpenAi).await;
    let other = Model::start(Flavour::Own).await;
    let mut variables: BTreeMap<String, String> =
        other.variables().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    variables
        .extend(model.variables().into_iter().filter(|(name, _)| *name == "CHAT_ENDPOINT").map(|(n, v)| (n.into(), v)));
    let settings = Settings::from_variables(&variables).unwrap().chat.unwrap();
    let error = ChatCompletions::new(&settings, None, None).unwrap().complete(&asked()).await.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (PortErrorKind::Unavailable, "chat: HTTP 401"));
    assert_eq!(model.refused(), ["another login is asked for"]);
}

#[tokio::test]
async fn a_service_that_asks_for_patience_gets_it() {
    let (model, chat) = own().await;
    model.fail(Fault::Status(429, Some(60)));
    let error = chat.complete(&asked()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (PortErrorKind::Throttled, Some(Duration::from_secs(60))));
    model.fail(None);
    for _ in 0..5 {
        let error = chat.complete(&asked()).await.unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Throttled);
        assert!(error.retry_after().is_some_and(|left| left > Duration::from_secs(50)));
    }
    assert_eq!(model.requests(), 1);
}

#[tokio::test]
async fn a_service_that_keeps_failing_is_left_alone() {
    let (model, chat) = own().await;
    model.fail(Fault::Status(500, None));
    for _ in 0..40 {
        assert_eq!(chat.complete(&asked()).await.unwrap_err().kind(), PortErrorKind::Unavailable);
    }
    assert!(model.requests() < 30, "{} calls", model.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn few_calls_are_under_way_at_once() {
    let (model, chat) = own().await;
    model.fail(Fault::Slow(Duration::from_millis(300)));
    let asked = asked();
    let all = join_all((0..30).map(|_| chat.complete(&asked))).await;
    let throttled = all.iter().filter(|outcome| outcome.as_ref().is_err_and(|e| e.kind() == PortErrorKind::Throttled));
    assert_eq!((throttled.count(), model.requests()), (22, 8));
}
