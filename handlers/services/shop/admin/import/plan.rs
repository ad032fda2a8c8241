//! What is to be done about each line of a file, given what is stored. Pure.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::lines::Line;
use crate::catalogue::{Category, Product};
use crate::error::FieldError;
use crate::ports::ETag;
use crate::services::shop::admin::draft::{Draft, sku_of};
use crate::services::shop::admin::products::patched;

/// What is wrong with one line at most; more says nothing more.
const MAX_PROBLEMS: usize = 20;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ImportOutcome)]
pub enum Outcome {
    Created,
    Updated,
    Unchanged,
    Refused,
}

/// What is to be done about a line.
pub enum Step {
    Create(Box<Draft>),
    Update { before: Box<Product>, etag: ETag, after: Box<Product> },
    Nothing,
    Refuse(Vec<FieldError>),
}

impl Step {
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Create(_) => Outcome::Created,
            Self::Update { .. } => Outcome::Updated,
            Self::Nothing => Outcome::Unchanged,
            Self::Refuse(_) => Outcome::Refused,
        }
    }

    /// Refuses a line for one reason.
    pub fn refuse(field: &str, message: impl Into<String>) -> Self {
        Self::Refuse(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }
}

/// A line with what is to be done about it.
pub struct Planned {
    pub number: u64,
    /// In capitals; absent where the line has none that can be one.
    pub sku: Option<String>,
    pub form: Map<String, Value>,
    pub step: Step,
}

/// Products by sku, with their versions.
pub type Stored = HashMap<String, (Product, ETag)>;

/// Decides about each line. Of several with the same sku the first counts.
pub fn plan(lines: Vec<Line>, stored: &Stored, categories: &[Category]) -> Vec<Planned> {
    let mut first: HashMap<String, u64> = HashMap::new();
    let mut planned = Vec::with_capacity(lines.len());
    for Line { number, form } in lines {
        let form = match form {
            Ok(form) => form,
            Err(problem) => {
                planned.push(Planned { number, sku: None, form: Map::new(), step: Step::Refuse(vec![problem]) });
                continue;
            }
        };
        let Some(sku) = form.get("sku").and_then(Value::as_str).and_then(sku_of) else {
            let step = Step::refuse("sku", "expected 1 to 40 letters, digits, `-`, `_` and `.`");
            planned.push(Planned { number, sku: None, form, step });
            continue;
        };
        let step = match first.get(&sku) {
            Some(earlier) => Step::refuse("sku", format!("line {earlier} has the same sku")),
            None => decide(&form, stored.get(&sku), categories),
        };
        first.entry(sku.clone()).or_insert(number);
        planned.push(Planned { number, sku: Some(sku), form, step });
    }
    planned
}

/// Decides about a form. It is a merge patch upon the product with its sku: what it leaves out stays. Its stock is
/// that of a new product; a stored one has its own.
pub fn decide(form: &Map<String, Value>, stored: Option<&(Product, ETag)>, categories: &[Category]) -> Step {
    let mut form = form.clone();
    let Some((before, etag)) = stored else {
        let mut whole = Value::Object(Map::new());
        json_patch::merge(&mut whole, &Value::Object(form));
        let Value::Object(whole) = whole else { return Step::refuse("", "expected an object") };
        return match Draft::read(whole, None, categories) {
            Ok(draft) => Step::Create(Box::new(draft)),
            Err(problems) => refused(problems),
        };
    };
    form.remove("stock");
    form.insert("sku".to_owned(), before.sku.as_str().into());
    match Draft::read(patched(before, &Value::Object(form)), Some(before), categories) {
        Ok(draft) => {
            let after = draft.onto(before);
            if after == *before {
                return Step::Nothing;
            }
            Step::Update { before: Box::new(before.clone()), etag: etag.clone(), after: Box::new(after) }
        }
        Err(problems) => refused(problems),
    }
}

fn refused(mut problems: Vec<FieldError>) -> Step {
    problems.truncate(MAX_PROBLEMS);
    Step::Refuse(problems)
}
