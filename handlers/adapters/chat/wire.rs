//! The bodies of chat completions, both ways.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ports::chat::{Asked, Completion, Outcome, Usage};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// The body of a call. No temperature is set, since some models refuse one.
///
/// # Errors
/// When it cannot be written down.
pub(super) fn request(model: &str, max_tokens: u32, asked: &Asked) -> PortResult<Vec<u8>> {
    let body = json!({
        "model": model,
        "messages": [
            { "role": "system", "content": asked.instructions },
            { "role": "user", "content": asked.message }
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": { "name": asked.schema_name, "strict": true, "schema": asked.schema }
        },
        "max_completion_tokens": max_tokens,
        "n": 1
    });
    serde_json::to_vec(&body)
        .map_err(|error| PortError::invalid("chat: the question cannot be sent").with_source(error))
}

#[derive(Deserialize)]
struct Body {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// Reads the body of an answer with status 200.
///
/// # Errors
/// `Corrupt` when it is none.
pub(super) fn completion(body: &[u8]) -> PortResult<Completion> {
    let foreign = || PortError::corrupt("chat: the answer is no chat completion");
    let Body { choices, usage } = serde_json::from_slice(body).map_err(|_| foreign())?;
    let Choice { message, finish_reason } = choices.into_iter().next().ok_or_else(foreign)?;
    let refused = message.refusal.is_some_and(|refusal| !refusal.is_empty());
    let outcome = match (finish_reason.as_deref(), message.content) {
        (Some("content_filter"), _) => Outcome::Declined,
        (Some("length"), _) => Outcome::Truncated,
        _ if refused => Outcome::Declined,
        (_, Some(text)) => Outcome::Text(text),
        (_, None) => return Err(foreign()),
    };
    let usage = usage.map_or(Usage::default(), |tokens| Usage {
        input_tokens: tokens.prompt_tokens,
        output_tokens: tokens.completion_tokens,
    });
    Ok(Completion { outcome, usage })
}

/// The answer of a filter that will not let the question through: 400 with the code `content_filter`
/// (<https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter>).
pub(super) fn declined(status: u16, body: &[u8]) -> Option<Completion> {
    let body: Value = serde_json::from_slice(body).ok().filter(|_| status == 400)?;
    let filtered = body.pointer("/error/code")?.as_str()? == "content_filter";
    filtered.then_some(Completion { outcome: Outcome::Declined, usage: Usage::default() })
}

/// What a status without an answer means.
pub(super) fn kind_of(status: u16) -> PortErrorKind {
    match status {
        404 | 410 => PortErrorKind::NotFound,
        413 => PortErrorKind::TooLarge,
        429 => PortErrorKind::Throttled,
        408 | 504 => PortErrorKind::TimedOut,
        // A key or a role that is refused is mended without a new release.
        401 | 403 => PortErrorKind::Unavailable,
        400..=499 => PortErrorKind::InvalidRequest,
        _ => PortErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &Value) -> PortResult<Completion> {
        completion(body.to_string().as_bytes())
    }

    #[test]
    fn how_an_answer_ended_is_told() {
        let answer = |message: Value, reason: &str| {
            json!({ "choices": [{ "message": message, "finish_reason": reason }],
                "usage": { "prompt_tokens": 7, "completion_tokens": 3 } })
        };
        for (message, reason, outcome) in [
            (json!({ "content": "{}", "refusal": null }), "stop", Outcome::Text("{}".into())),
            (json!({ "content": null, "refusal": "I cannot help with that." }), "stop", Outcome::Declined),
            (json!({ "content": "", "refusal": null }), "content_filter", Outcome::Declined),
            (json!({ "content": "{\"inte", "refusal": null }), "length", Outcome::Truncated),
        ] {
            let read = read(&answer(message, reason)).unwrap();
            assert_eq!(read, Completion { outcome, usage: Usage { input_tokens: 7, output_tokens: 3 } });
        }
    }

    #[test]
    fn what_is_no_completion_is_corrupt() {
        for body in [json!({}), json!({ "choices": [] }), json!({ "choices": [{ "message": {} }] }), json!("x")] {
            assert_eq!(read(&body).unwrap_err().kind(), PortErrorKind::Corrupt, "{body}");
        }
    }

    #[test]
    fn only_the_filter_declines_by_status() {
        let filtered = br#"{"error":{"code":"content_filter","message":"filtered"}}"#;
        assert!(declined(400, filtered).is_some());
        assert!(declined(500, filtered).is_none());
        assert!(declined(400, br#"{"error":{"code":"invalid_value"}}"#).is_none());
        assert!(declined(400, b"nonsense").is_none());
    }
}
