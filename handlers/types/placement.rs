use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::IdError;

/// The name of a database that serves some tenants alone: a lower-case letter, then letters, digits and
/// hyphens, 2 to 32 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z][a-z0-9-]{1,31}$")]
pub struct DatabaseName(String);

impl DatabaseName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let sane = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if (2..=32).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(sane) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError { expected: "a database name of 2 to 32 lower-case letters, digits and hyphens" })
        }
    }
}

impl TryFrom<String> for DatabaseName {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<DatabaseName> for String {
    fn from(name: DatabaseName) -> String {
        name.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The database that holds a tenant's documents. As text: `shared` or `dedicated:NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Placement {
    /// With those of most others.
    #[default]
    Shared,
    /// In a database of its own, or one that a few tenants have for themselves.
    Dedicated { database: DatabaseName },
}

impl Placement {
    /// The dedicated database, if it is one.
    pub fn database(&self) -> Option<&DatabaseName> {
        match self {
            Self::Shared => None,
            Self::Dedicated { database } => Some(database),
        }
    }
}

impl FromStr for Placement {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text.split_once(':') {
            None if text == "shared" => Ok(Self::Shared),
            Some(("dedicated", database)) => Ok(Self::Dedicated { database: database.parse()? }),
            _ => Err(IdError { expected: "`shared` or `dedicated:NAME`" }),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("shared"),
            Self::Dedicated { database } => write!(f, "dedicated:{database}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placement_comes_back_from_its_text_and_from_its_json() {
        for text in ["shared", "dedicated:weaves"] {
            let placement: Placement = text.parse().unwrap();
            assert_eq!(placement.to_string(), text);
            let json = serde_json::to_value(&placement).unwrap();
            assert_eq!(serde_json::from_value::<Placement>(json).unwrap(), placement);
        }
        let weaves = serde_json::json!({ "type": "dedicated", "database": "weaves" });
        assert_eq!(serde_json::to_value("dedicated:weaves".parse::<Placement>().unwrap()).unwrap(), weaves);
    }

    #[test]
    fn databases_have_names_that_are_safe_in_paths() {
        for bad in ["", "Shared", "dedicated", "dedicated:", "dedicated:../x", "dedicated:a", "dedicated:9x", "own:a"] {
            assert!(bad.parse::<Placement>().is_err(), "{bad:?}");
        }
    }
}
