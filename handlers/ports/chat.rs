//! A language model that fills in a form: messages and a JSON schema in, JSON out.

use async_trait::async_trait;
use serde_json::Value;

use super::PortResult;

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What the model is to do: ours, the same for all callers.
    pub instructions: String,
    /// What it is to be done with: may hold words of a stranger.
    pub message: String,
    /// The name of the schema: letters, digits, `_` and `-`, at most 64.
    pub schema_name: &'static str,
    /// What the answer must look like, in the part of JSON Schema that models are held to: every property
    /// required, no additional ones.
    pub schema: Value,
}

/// What a model answered, and what that took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub outcome: Outcome,
    pub usage: Usage,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The model's text. It should be JSON after the schema; whoever reads it makes sure.
    Text(String),
    /// The model, or the filter in front of it, will not answer this. It will not another time.
    Declined,
    /// The answer was longer than the model may write.
    Truncated,
}

/// Tokens that were charged; 0 where the service does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// A model behind an endpoint. Calls are few at a time and end in a time of the adapter's settings.
#[async_trait]
pub trait Chat: Send + Sync {
    /// The model's name, by which answers of different models are told apart.
    fn model(&self) -> &str;

    /// Asks once; nothing is repeated, since somebody waits.
    ///
    /// # Errors
    /// `Throttled` when the service asks for patience (it is then not asked before that time) or as many calls
    /// as may be are under way; `TimedOut`; `Corrupt` when the answer is none of the service's form; `Unavailable`
    /// also for a key that is refused; `InvalidRequest` and `NotFound` for settings that the service does not take.
    async fn complete(&self, asked: &Asked) -> PortResult<Completion>;
}
