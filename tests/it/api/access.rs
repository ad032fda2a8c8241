//! Who may call what: every function is called by every kind of caller, and what happens is compared
//! with what its row declares. A new function is in the walk without further ado.

mod programs;
mod tenants;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use http::StatusCode;
use pravis::error::Code;
use pravis::function::{Access, HttpTrigger};
use pravis::identity::{Credential, Principal, Role, SigningKeys, fresh_signing_key};
use pravis::ports::clock::Clock;
use pravis::services::accounts::team::{self, By, Change};
use pravis::types::SessionId;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client};

/// What everybody may call. A function must be put here by hand before it can be declared open.
const OPEN: &[&str] = &[
    "AccountsAuthLogin",
    "AccountsAuthLoginJson",
    "AccountsAuthRefresh",
    "AccountsAuthRegister",
    "AccountsAuthReset",
    "AccountsAuthResetRequest",
    "AccountsAuthRestore",
    "AccountsEmailVerify",
    "AccountsJwks",
    "OpsDocs",
    "OpsDocsFile",
    "OpsHealth",
    "OpsHealthLive",
    "OpsHealthReady",
    "OpsOpenApi",
    "ShopCartClear",
    "ShopCartGet",
    "ShopCartItemsAdd",
    "ShopCartItemsRemove",
    "ShopCartItemsSet",
    "ShopPaymentsWebhook",
    "ShopMediaFile",
    "ShopMediaList",
    "ShopProductsCategories",
    "ShopProductsFeatured",
    "ShopProductsList",
    "ShopProductsRelated",
    "ShopProductsSearch",
    "ShopProductsView",
    "ShopReviewsList",
    "VoiceCommand",
    "VoiceProcessCommand",
    "VoiceSpeechCreate",
    "VoiceSpeechGet",
    "VoiceTranscribe",
    "VoiceVoicesList",
];

/// The address of a function, with an id that nobody has.
fn address(function: &HttpTrigger) -> String {
    let kind = match function.route {
        route if route.contains("/history/") => "int",
        route if route.contains("/api-keys/") => "key",
        route if route.contains("/users/") => "usr",
        _ => "smp",
    };
    let id = format!("{kind}_01KAXQ8W0V7D3T4Z5J6N8P9R2S");
    let route = function.route.replace("{id}", &id).replace("{file}", "index.css").replace("{name}", "x.opus");
    format!("/api/{route}")
}

/// Calls a function without a body: enough to see whether the caller is let in.
async fn knock(caller: &Client, function: &HttpTrigger) -> Answer {
    caller.call(function.method.clone(), &address(function)).await
}

fn code(answer: &Answer) -> Option<Code> {
    (!answer.status.is_success()).then(|| serde_json::from_value(answer.json()["code"].clone()).unwrap())
}

#[tokio::test]
async fn only_what_is_listed_is_open_to_everybody() {
    let app = TestApp::start().await;
    for (name, function) in app.http_functions() {
        let open = function.access == Access::Anyone;
        assert_eq!(open, OPEN.contains(&name), "{name}: is it meant to be open to everybody?");
    }
}

#[tokio::test]
async fn strangers_reach_what_is_open_and_nothing_else() {
    let app = TestApp::start().await;
    for (name, function) in app.http_functions() {
        let answer = knock(&app.client(), function).await;
        match function.access {
            Access::Anyone => assert_ne!(code(&answer), Some(Code::NotAuthenticated), "{name}"),
            Access::SignedIn | Access::May(_) => {
                answer.problem(401, Code::NotAuthenticated);
                assert_eq!(answer.header("www-authenticate"), "Bearer", "{name}");
            }
        }
    }
}

#[tokio::test]
async fn each_role_reaches_what_the_row_says() {
    let app = TestApp::start().await;
    for role in [Role::Customer, Role::Staff, Role::Admin, Role::Service] {
        for (name, function) in app.http_functions() {
            // Each call has a session of its own: one of the functions ends it.
            let person = app.person(role).await;
            let answer = knock(&person, function).await;
            let allowed = match function.access {
                Access::Anyone | Access::SignedIn => true,
                Access::May(permission) => role.may(permission),
            };
            if allowed {
                assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{name} as {role:?}");
                assert_ne!(answer.status, StatusCode::FORBIDDEN, "{name} as {role:?}");
            } else {
                answer.problem(403, Code::NotPermitted);
            }
        }
    }
}

/// A token of our own claims and header, signed by `signer` if there is one.
fn forged(header: Value, payload: &str, signature: &str) -> String {
    format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// Tokens that must not be accepted, with what is wrong with them.
async fn bad_tokens(app: &TestApp) -> Vec<(&'static str, String)> {
    let settings = &app.state.settings;
    let principal: Principal = app.person(Role::Admin).await.principal.clone();
    let now = app.clock.now();
    let sign = |keys: &SigningKeys, at| keys.sign(&principal, at).unwrap().token;
    let sign_as = |principal: Principal| app.state.keys.sign(&principal, now).unwrap().token;
    let others = |issuer: &str, audience: &str| {
        SigningKeys::from_secret(&fresh_signing_key().unwrap(), issuer, audience).unwrap()
    };
    // Our own key under another name: what a neighbour of the same key ring would sign.
    let ours = app.state.secrets.get("jwt-signing-key").await.unwrap().expect("the key is kept");
    let elsewhere = SigningKeys::from_secret(&ours, "https://elsewhere.example", &settings.token_audience).unwrap();
    let for_others = SigningKeys::from_secret(&ours, &settings.token_issuer, "another-api").unwrap();
    let keys = app.state.keys.current().expect("the keys are there");
    let good = sign(&keys, now);
    let [head, payload, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let kid = serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap()["kid"].clone();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    claims["sub"] = json!("usr_01KAXQ8W0V7D3T4Z5J6N8P9R2S");
    let other_claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let ended = app.person(Role::Admin).await;
    ended.post("/api/v1/auth/logout").await.expect(200);
    let closed = app.person(Role::Admin).await;
    let changed = app.person(Role::Admin).await;
    for (person, change) in [(&closed, Change::Active(false)), (&changed, Change::Role(Role::Staff))] {
        let tenant = &person.principal.tenant;
        team::change(&app.state, tenant, &person.id, change, &By::operator()).await.unwrap();
    }
    let without_session = Principal { credential: Credential::Session(SessionId::generate()), ..principal.clone() };
    vec![
        ("of an ended session", ended.token().to_owned()),
        ("of a closed account", closed.token().to_owned()),
        ("of an account that was another", changed.token().to_owned()),
        ("of the same account elsewhere", sign_as(Principal { tenant: "rival".parse().unwrap(), ..principal.clone() })),
        ("of no session", keys.sign(&without_session, now).unwrap().token),
        ("expired", sign(&keys, now - Duration::minutes(16))),
        ("from the future", sign(&keys, now + Duration::minutes(5))),
        ("of another key", sign(&others(&settings.token_issuer, &settings.token_audience), now)),
        ("of another issuer", sign(&elsewhere, now)),
        ("for another audience", sign(&for_others, now)),
        ("with other claims", format!("{head}.{other_claims}.{signature}")),
        ("with a cut signature", format!("{head}.{payload}.{}", &signature[..signature.len() - 4])),
        ("without a signature", format!("{head}.{payload}.")),
        ("unsigned (alg none)", forged(json!({ "alg": "none", "kid": kid }), payload, "")),
        ("unsigned (alg NONE)", forged(json!({ "alg": "NONE", "kid": kid }), payload, signature)),
        ("of HS256", forged(json!({ "alg": "HS256", "kid": kid }), payload, signature)),
        ("of an unknown key", forged(json!({ "alg": "EdDSA", "kid": "../../dev/null" }), payload, signature)),
        (
            "with a key of its own",
            forged(json!({ "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": "AA" } }), payload, signature),
        ),
        ("no token at all", "nonsense".into()),
        ("empty", String::new()),
        ("only dots", "..".into()),
        ("long", "x".repeat(20_000)),
    ]
}

#[tokio::test]
async fn a_bad_token_is_refused_everywhere_also_where_none_is_needed() {
    let app = TestApp::start().await;
    for (what, token) in bad_tokens(&app).await {
        let caller = app.client().with_token(token);
        for (name, function) in app.http_functions() {
            let answer = knock(&caller, function).await;
            assert_eq!(answer.status, 401, "{name} took a token that is {what}");
            answer.problem(401, Code::InvalidToken);
            assert_eq!(answer.header("www-authenticate"), r#"Bearer error="invalid_token""#);
        }
    }
}

#[tokio::test]
async fn only_bearer_tokens_are_credentials() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    for value in [
        "Basic bGFrc2htaUBleGFtcGxlLmluOng=".to_owned(),
        "Bearer".to_owned(),
        customer.token().to_owned(),
        format!("Token {}", customer.token()),
        format!("Bearer {0} {0}", customer.token()),
    ] {
        let answer = app.client().get("/api/v1/auth/me").header("authorization", &value).await;
        answer.problem(401, Code::InvalidToken);
    }
    for scheme in ["bearer", "BEARER"] {
        let value = format!("{scheme} {}", customer.token());
        app.client().get("/api/v1/auth/me").header("authorization", &value).await.expect(200);
    }
}

#[tokio::test]
async fn a_token_serves_until_it_expires() {
    let app = TestApp::start().await;
    let customer = app.customer().await;
    app.clock.advance(Duration::minutes(14));
    customer.get("/api/v1/auth/me").await.expect(200);
    app.clock.advance(Duration::minutes(2));
    let problem = customer.get("/api/v1/auth/me").await.problem(401, Code::InvalidToken);
    assert!(problem.detail.contains("expired"), "{}", problem.detail);
}

/// Whether a function is about one thing that somebody owns.
fn is_of_an_owner(function: &HttpTrigger) -> bool {
    function.route.contains("{id}") && !matches!(function.access, Access::May(_))
}

#[tokio::test]
async fn what_belongs_to_others_does_not_exist() {
    let app = TestApp::start().await;
    let (owner, other) = (app.customer().await, app.customer().await);
    let (staff, admin) = (app.staff().await, app.admin().await);
    let sample =
        owner.post("/api/v1/voice/samples").json(&json!({ "contentType": "audio/wav" })).await.expect(201).json();
    let said = owner.post("/api/v1/voice/command").json(&json!({ "text": "silk sarees" })).await.expect(200).json();
    let ids = [sample["id"].as_str().unwrap(), said["interactionId"].as_str().unwrap()];
    let mut tried = 0;
    for (name, function) in app.http_functions().filter(|(_, function)| is_of_an_owner(function)) {
        for id in ids {
            for caller in [&other, &staff, &admin] {
                let path = format!("/api/{}", function.route.replace("{id}", id));
                let answer = caller.call(function.method.clone(), &path).await;
                assert_eq!(answer.status, 404, "{name}");
                answer.problem(404, Code::NotFound);
                tried += 1;
            }
        }
    }
    assert!(tried >= 36, "only {tried}");
    for path in ["/api/v1/voice/samples", "/api/v1/voice/history"] {
        assert_eq!(other.get(path).await.expect(200).json()["items"], json!([]));
        assert_eq!(owner.get(path).await.expect(200).json()["items"].as_array().unwrap().len(), 1, "{path}");
    }
    other.delete("/api/v1/voice/history").await.expect(200);
    owner.get(&format!("/api/v1/voice/samples/{}", ids[0])).await.expect(200);
}
