use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The languages that Ask Pravi speaks, by BCP 47 tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Language {
    /// English as spoken in India.
    #[default]
    #[serde(rename = "en-IN", alias = "en", alias = "en-US", alias = "en-GB")]
    English,
    #[serde(rename = "hi-IN", alias = "hi")]
    Hindi,
    #[serde(rename = "te-IN", alias = "te")]
    Telugu,
}

impl Language {
    /// Every language, in the order of preference.
    pub const ALL: [Language; 3] = [Self::English, Self::Hindi, Self::Telugu];

    /// The BCP 47 tag, such as `en-IN`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en-IN",
            Self::Hindi => "hi-IN",
            Self::Telugu => "te-IN",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

impl FromStr for Language {
    type Err = String;

    /// Accepts any tag whose primary subtag is `en`, `hi` or `te`.
    fn from_str(tag: &str) -> Result<Self, Self::Err> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "en" => Ok(Self::English),
            "hi" => Ok(Self::Hindi),
            "te" => Ok(Self::Telugu),
            _ => Err("expected a language tag that begins with en, hi or te".into()),
        }
    }
}
