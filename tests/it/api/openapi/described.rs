//! That the document is OpenAPI 3.1, and says everything about every function.

use std::collections::BTreeSet;

use http::StatusCode;
use jsonschema::Draft;
use pravis::error::Code;
use pravis::function::Access;
use pravis::http::problem;
use serde_json::{Value, json};

use super::Description;
use crate::support::app::TestApp;
use crate::support::client::FOREIGN_NAMES;

#[tokio::test]
async fn the_document_is_openapi_3_1() {
    let app = TestApp::start().await;
    let document = Description::of(&app).await.document;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let schema: Value = serde_json::from_str(include_str!("schema-3.1.json")).unwrap();
    let validator = jsonschema::options().with_draft(Draft::Draft202012).build(&schema).unwrap();
    let broken: Vec<String> =
        validator.iter_errors(&document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(broken, [""; 0]);
    // Schemas are JSON Schema of the dialect that 3.1 has by default.
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let meta = jsonschema::draft202012::meta::validate(schema);
        assert!(meta.is_ok(), "{name}: {}", meta.unwrap_err());
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let app = TestApp::start().await;
    let document = Description::of(&app).await.document;
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("references stay within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn properties_are_named_as_they_are_sent() {
    let app = TestApp::start().await;
    let document = Description::of(&app).await.document;
    fn check(value: &Value) {
        if let Some(properties) = value["properties"].as_object() {
            for name in properties.keys() {
                assert!(!name.contains('_') || FOREIGN_NAMES.contains(&name.as_str()), "{name} in {value:.300}");
            }
        }
        match value {
            Value::Object(fields) => fields.values().for_each(check),
            Value::Array(items) => items.iter().for_each(check),
            _ => {}
        }
    }
    check(&document["components"]["schemas"]);
}

#[tokio::test]
async fn it_tells_of_exactly_the_functions_of_the_registry() {
    let app = TestApp::start().await;
    let document = Description::of(&app).await.document;
    let mut told = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(told.insert((method.to_uppercase(), path.clone(), id)), "{method} {path} is told twice");
        }
    }
    let of_registry: BTreeSet<_> = app
        .http_functions()
        .map(|(name, function)| (function.method.to_string(), format!("/api/{}", function.route), name.to_owned()))
        .collect();
    assert_eq!(told, of_registry);
    assert_eq!(document["servers"][0]["url"], app.state.settings.public_url);
}

#[tokio::test]
async fn every_operation_says_what_it_does_takes_and_answers() {
    let app = TestApp::start().await;
    let description = Description::of(&app).await;
    for (name, function) in app.http_functions() {
        let operation = description.operation(function);
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(summary.len() > 10 && summary.ends_with('.') && summary.chars().count() <= 120, "{name}: {summary:?}");
        let tags = operation["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 1, "{name}");
        let anonymous = operation["security"].as_array().unwrap().contains(&json!({}));
        assert_eq!(anonymous, function.access == Access::Anyone, "{name}: security");
        assert!(operation["security"].as_array().unwrap().contains(&json!({ "bearer": [] })), "{name}: security");
        parameters(name, function.route, operation);
        let bodies = operation["requestBody"]["content"].as_object();
        assert_eq!(bodies.map_or(0, |bodies| bodies.len()), function.operation.bodies.len(), "{name}");
        for (kind, content) in bodies.into_iter().flatten() {
            // A file of lines is shown in its documentation.
            let is_text = kind.ends_with("json") && !kind.contains("ndjson") || kind.contains("form-urlencoded");
            let has_example = content["example"].is_object() || content["example"].is_array();
            assert!(!is_text || (has_example && content["schema"].is_object()), "{name}: {kind}");
        }
        answers(
            name,
            function.operation.answers.iter().map(|a| (a.status, a.content.as_ref().map(|c| c.media_type))),
            operation,
        );
    }
}

/// Every name in braces is a parameter, and every parameter has a schema.
fn parameters(name: &str, route: &str, operation: &Value) {
    let empty = Vec::new();
    let listed = operation["parameters"].as_array().unwrap_or(&empty);
    let in_path: BTreeSet<&str> =
        listed.iter().filter(|p| p["in"] == "path").map(|p| p["name"].as_str().unwrap()).collect();
    let in_route: BTreeSet<&str> =
        route.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    assert_eq!(in_path, in_route, "{name}");
    for parameter in listed {
        assert!(parameter["schema"].is_object(), "{name}: {parameter}");
        let described = parameter["in"] == "path" || parameter["description"].is_string();
        let plain = ["category", "fabric", "weave", "color", "size", "occasion", "inStock"];
        assert!(described || plain.contains(&parameter["name"].as_str().unwrap()), "{name}: {parameter}");
    }
}

/// Every answer that the row declares is there in each of its forms, and every failure is a problem.
fn answers<'a>(name: &str, declared: impl Iterator<Item = (StatusCode, Option<&'a str>)>, operation: &Value) {
    let told = operation["responses"].as_object().unwrap();
    let mut successes = 0;
    for (status, media_type) in declared {
        let answer = &told[status.as_str()];
        assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}: {status}");
        if let Some(media_type) = media_type {
            let content = &answer["content"][media_type];
            assert!(content.is_object(), "{name}: {status} as {media_type} is not told");
            assert!(media_type != "application/json" || content["example"].is_object(), "{name}: no example");
        }
        successes += 1;
    }
    assert!(successes > 0, "{name}");
    for status in ["401", "406", "500", "503"] {
        assert!(told.contains_key(status), "{name}: {status}");
    }
    for (status, answer) in told.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
        let content = &answer["content"][problem::MEDIA_TYPE];
        assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{name}: {status}");
        let code: Code = serde_json::from_value(content["example"]["code"].clone()).unwrap();
        assert_eq!(problem::status(code).as_str(), status, "{name}");
    }
}

#[tokio::test]
async fn examples_are_valid_by_the_schemas_beside_them() {
    let app = TestApp::start().await;
    let mut description = Description::of(&app).await;
    let mut wrong = Vec::new();
    let paths = description.document["paths"].clone();
    for operation in paths.as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values()) {
        let responses = operation["responses"].as_object().unwrap().values();
        for content in responses.chain([&operation["requestBody"]]).filter_map(|part| part["content"].as_object()) {
            for form in content.values().filter(|form| form["example"].is_object() && form["schema"].is_object()) {
                for problem in description.breaks(&form["schema"], &form["example"]) {
                    wrong.push(format!("{}: {problem}", operation["operationId"]));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
