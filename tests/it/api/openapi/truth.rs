//! That the server does what the document says.

use serde_json::{Value, json};

use super::Description;
use crate::support::app::{Person, TestApp, eventually};
use crate::support::client::{Answer, Client};

/// Checks an answer against what the document tells of its status.
fn check(description: &mut Description, name: &str, operation: &Value, answer: &Answer) {
    let told = &operation["responses"][answer.status.as_str()];
    assert!(told.is_object(), "{name}: nothing is told of {answer:.200}");
    let kind = answer.header("content-type").split(';').next().unwrap().trim().to_owned();
    let forms = told["content"].as_object().unwrap_or_else(|| panic!("{name}: no content is told of {answer:.200}"));
    let essence = |form: &str| form.split(';').next().unwrap().trim().to_owned();
    let form = forms.iter().find(|(form, _)| essence(form) == kind || *form == "*/*");
    let (_, form) = form.unwrap_or_else(|| panic!("{name}: {kind} is not told of {}", answer.status));
    if kind.ends_with("json") && form["schema"].is_object() {
        let breaks = description.breaks(&form["schema"].clone(), &answer.json());
        assert!(breaks.is_empty(), "{name}: {breaks:#?} in {answer:.500}");
    }
}

/// Ids that exist: of a product, of a completed sample and of an exchange of `person`.
async fn ids(app: &TestApp, person: &Person) -> [(&'static str, String); 3] {
    let list = app.client().get("/api/v1/products?limit=1").await.expect(200).json();
    let sample =
        person.post("/api/v1/voice/samples").json(&json!({ "contentType": "audio/wav" })).await.expect(201).json();
    let call = app.client().put(sample["uploadUrl"].as_str().unwrap()).header("x-ms-blob-type", "BlockBlob");
    call.body("audio/wav", crate::api::samples::hum(1.0)).await.expect(201);
    let id = sample["id"].as_str().unwrap().to_owned();
    person.post(&format!("/api/v1/voice/samples/{id}/complete")).await.expect(202);
    let ended = || async {
        let sample = person.get(&format!("/api/v1/voice/samples/{id}")).await.expect(200).json();
        (sample["status"] == "completed").then_some(())
    };
    eventually("the end of the sample", ended).await;
    let said =
        person.post("/api/v1/voice/command").json(&json!({ "text": "red silk sarees" })).await.expect(200).json();
    [
        ("v1/products/", list["products"][0]["id"].as_str().unwrap().to_owned()),
        ("v1/voice/samples/", id),
        ("v1/voice/history/", said["interactionId"].as_str().unwrap().to_owned()),
    ]
}

fn fill(route: &str, ids: &[(&'static str, String)]) -> String {
    let id = ids.iter().find(|(prefix, _)| route.starts_with(prefix)).map_or("x", |(_, id)| id.as_str());
    format!("/api/{}", route.replace("{id}", id).replace("{file}", "index.css").replace("{name}", "x.opus"))
}

/// Calls with the example of each form of the body, or without one.
async fn calls(caller: &Client, name: &str, function: &pravis::function::HttpTrigger, path: &str) -> Vec<Answer> {
    let call = || caller.call(function.method.clone(), path);
    let mut answers = vec![call().await];
    for body in &function.operation.bodies {
        let Some(example) = &body.example else { continue };
        let answer = match body.media_type {
            "application/x-www-form-urlencoded" => {
                let fields: Vec<(String, String)> =
                    serde_json::from_value::<std::collections::BTreeMap<_, _>>(example.clone())
                        .unwrap()
                        .into_iter()
                        .collect();
                let fields: Vec<(&str, &str)> =
                    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                call().form(&fields).await
            }
            _ => call().json(example).await,
        };
        let status = answer.status.as_u16();
        // Its code, its signature, or the pictures that it names are others each time.
        let changes = ["AccountsPhoneVerify", "ShopPaymentsWebhook", "ShopMediaOrder"].contains(&name);
        let is_taken = !matches!(status, 400 | 413 | 415 | 422) || changes;
        assert!(is_taken, "the example is refused: {answer:.500}");
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn answers_are_what_the_document_says_and_its_examples_are_taken() {
    let app = TestApp::start().await;
    let mut description = Description::of(&app).await;
    let mut seen = 0;
    for caller in ["nobody", "customer", "admin"] {
        let person = if caller == "admin" { app.admin().await } else { app.customer().await };
        let ids = ids(&app, &person).await;
        let client = if caller == "nobody" { app.client() } else { (*person).clone() };
        // What takes away comes last, so that there is something to show before.
        let mut functions: Vec<_> = app.http_functions().collect();
        functions.sort_by_key(|(_, function)| match function.route {
            "v1/auth/logout" => 3,
            // It closes the account.
            "v1/users/me" => 2,
            _ => u8::from(function.method == http::Method::DELETE),
        });
        for (name, function) in functions {
            let operation = description.operation(function).clone();
            let path = fill(function.route, &ids);
            for answer in calls(&client, name, function, &path).await {
                check(&mut description, name, &operation, &answer);
                seen += usize::from(answer.status.is_success());
            }
            for query in ["?limit=0", "?cursor=%00", "?lang=xx"] {
                let answer = client.call(function.method.clone(), &format!("{path}{query}")).await;
                check(&mut description, name, &operation, &answer);
            }
        }
    }
    assert!(seen >= 60, "only {seen} successes were looked at");
}

#[tokio::test]
async fn search_results_of_every_kind_fit_the_schema() {
    let app = TestApp::start().await;
    let mut description = Description::of(&app).await;
    for said in [
        "silk sarees",
        "open the cart",
        "help",
        "stop",
        "empty my cart",
        "can i return it",
        "xyzzy",
        "silk sarees under ten rupees",
        "what is in my cart",
        "check out",
    ] {
        let answer = app.client().post("/api/v1/voice/command").json(&json!({ "text": said })).await.expect(200);
        let breaks = description.breaks(&json!({ "$ref": "#/components/schemas/Answer" }), &answer.json());
        assert!(breaks.is_empty(), "{said}: {breaks:#?}");
    }
    // The validator is not one that takes everything.
    assert!(!description.breaks(&json!({ "$ref": "#/components/schemas/Answer" }), &json!({ "text": 5 })).is_empty());
}
