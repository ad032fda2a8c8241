use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Language;

/// A text in every language that Ask Pravi speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalisedText {
    #[serde(rename = "en-IN")]
    pub english: String,
    #[serde(rename = "hi-IN")]
    pub hindi: String,
    #[serde(rename = "te-IN")]
    pub telugu: String,
}

impl LocalisedText {
    /// The text in `language`.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::English => &self.english,
            Language::Hindi => &self.hindi,
            Language::Telugu => &self.telugu,
        }
    }
}

/// Where a piece was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Town or village.
    pub place: String,
    /// State or union territory of India.
    pub state: String,
}
