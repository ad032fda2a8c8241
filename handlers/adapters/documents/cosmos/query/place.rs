//! Places in a listing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a document stands in the order of a listing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub value: SortKey,
    pub id: String,
    /// Empty where one partition is listed.
    pub partition: Vec<String>,
}

/// The value of the sort field.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum SortKey {
    /// The listing goes by id.
    None,
    Absent,
    /// Null, a boolean, a number or text.
    Scalar(Value),
    /// An array or an object: all alike.
    Composite,
}

impl SortKey {
    pub fn of(value: Option<Value>) -> Self {
        match value {
            None => Self::Absent,
            Some(Value::Array(_) | Value::Object(_)) => Self::Composite,
            Some(scalar) => Self::Scalar(scalar),
        }
    }
}

impl Place {
    pub fn is_composite(&self) -> bool {
        self.value == SortKey::Composite
    }
}
