//! The served description: whole, valid, and true.

mod described;
mod page;
mod truth;

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use pravis::function::HttpTrigger;
use serde_json::{Value, json};

use crate::support::app::TestApp;

/// The document with validators for its schemas.
struct Description {
    document: Value,
    made: BTreeMap<String, Validator>,
}

impl Description {
    async fn of(app: &TestApp) -> Self {
        let document = app.client().get("/api/openapi.json").await.expect(200).json();
        Self { document, made: BTreeMap::new() }
    }

    fn operation(&self, function: &HttpTrigger) -> &Value {
        let method = function.method.as_str().to_lowercase();
        &self.document["paths"][format!("/api/{}", function.route)][method]
    }

    /// What a value breaks of a schema of the document; empty when it is valid.
    fn breaks(&mut self, schema: &Value, value: &Value) -> Vec<String> {
        let components = &self.document["components"];
        let validator = self.made.entry(schema.to_string()).or_insert_with(|| {
            let whole = json!({ "allOf": [schema], "components": components });
            jsonschema::options().with_draft(Draft::Draft202012).build(&whole).unwrap()
        });
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }
}
