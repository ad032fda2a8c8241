use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Language;

/// A text in the languages that Ask Pravi speaks. Hindi and Telugu may be empty: English stands for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalisedText {
    #[serde(rename = "en-IN")]
    pub english: String,
    #[serde(rename = "hi-IN", default)]
    pub hindi: String,
    #[serde(rename = "te-IN", default)]
    pub telugu: String,
}

impl LocalisedText {
    /// The text in `language`; the English one where there is none.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Hindi if !self.hindi.is_empty() => &self.hindi,
            Language::Telugu if !self.telugu.is_empty() => &self.telugu,
            _ => &self.english,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_stands_for_what_is_not_translated() {
        let text: LocalisedText = serde_json::from_str(r#"{"en-IN":"Sarees","te-IN":"చీరలు"}"#).unwrap();
        assert_eq!(text.get(Language::Telugu), "చీరలు");
        assert_eq!(text.get(Language::Hindi), "Sarees");
        serde_json::from_str::<LocalisedText>(r#"{"hi-IN":"साड़ियाँ"}"#).unwrap_err();
    }
}
