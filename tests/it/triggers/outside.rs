//! Triggers cannot be fired from outside: not by their names, not by forged headers, not by paths that
//! become another on their way.

use http::{HeaderValue, Method, StatusCode};
use pravis::host::invoke::invoked;
use pravis::ports::blobs::{PutOptions, whole};
use pravis::registry::Registry;
use pravis::types::Service;

use super::stories::{SPEECH, Story, event};
use crate::functions_host::{FunctionsHost, HttpMode, payload};
use crate::support::process::{Standalone, chunked, request, send, sized};

/// Ways to write a path that may end at `/name`.
fn paths_to(name: &str) -> Vec<String> {
    [
        "/{}",
        "/{}/",
        "//{}",
        "///{}",
        "/./{}",
        "/api/{}",
        "/api//{}",
        "/api/../{}",
        "/api/./../{}",
        "/api/%2e%2e/{}",
        "/api/%2E./{}",
        "/api/..%2F{}",
        "/api/..%2f{}",
        "/api/..%5C{}",
        "/api/..%5c{}",
        "/api/..\\{}",
        "/api\\..\\{}",
        "/api/%252e%252e/{}",
        "/api/%252e%252e%252f{}",
        "/api/..%255C{}",
        "/api/v1/..%5C..%5C{}",
        "/api/v1/products/..%5C..%5C..%5C..%5C{}",
        "/api/%2F{}",
        "/api/%2F..%2F{}",
        "/%61pi/../{}",
        "/API/..%5C{}",
        "/api/..;/{}",
        "/api/%3F/../{}",
        "/api/..%5C{}%3Fx",
        "/api/..%5C{}%23",
        "/admin/functions/{}",
        "/admin/../{}",
        "/runtime/webhooks/blobs?functionName=Host.Functions.{}",
        "http://127.0.0.1/{}",
        "/api/..%5C{}?code=x",
    ]
    .map(|pattern| pattern.replace("{}", name))
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_from_outside_fires_a_trigger() {
    for mode in HttpMode::BOTH {
        let story = Story::with(FunctionsHost::setup().mode(mode)).await;
        let customer = story.customer().await;
        let id = story.upload(&customer, SPEECH).await;
        // Not written as a ticket, so that nothing but the outside can fire it.
        let ticket = customer.ticket(&id).to_string();
        let blob = super::stories::ticket_blob(&id);
        let written = story.stores.blobs.put(&blob, whole(ticket.clone()), PutOptions::default()).await.unwrap();
        let function = |name| story.host.function(name);
        let message = event("voice.sample.completed").to_string();
        let attacks = [
            ("VoiceJobsRun", payload::blob(function("VoiceJobsRun"), &blob, &written, ticket.into_bytes())),
            ("AnalyticsEventsProject", payload::message(function("AnalyticsEventsProject"), &message)),
        ];
        let mut left_api = 0;
        for (name, payload) in &attacks {
            for path in paths_to(name) {
                for host in ["shop.example", "127.0.0.1", "127.0.0.1:1", "localhost"] {
                    let forged = request(Method::POST, &path, host)
                        .header("content-type", "application/json; charset=utf-8")
                        .header("x-azure-functions-hostversion", "4.1052.200.0")
                        .header("x-azure-functions-invocationid", "2c6f0f0e-0000-0000-0000-000000000001")
                        .header("user-agent", "Azure-Functions-Host/4.1052.200.0");
                    let answer = story.host.request(forged.body(sized(payload.clone())).unwrap()).await;
                    assert!(answer.status.is_client_error(), "{mode:?} {host} {path}: {answer:?}");
                }
                left_api += story.host.bookings().iter().filter(|b| b.forwarded == format!("/{name}")).count();
            }
            let unlengthed = request(Method::POST, &format!("/api/{name}"), "shop.example");
            let answer = story.host.request(unlengthed.body(chunked(payload.clone())).unwrap()).await;
            assert!(!answer.status.is_success());
        }
        // Some paths do shed their prefix when they are forwarded, so there is something to be held off.
        assert_eq!(left_api > 0, mode == HttpMode::Forwarding);
        assert!(!story.anything_fired().await);
        assert_eq!(story.stored(&customer, &id).await["status"], "awaiting-upload");
        assert!(story.facts().await.is_empty());

        // The same payloads, from the host itself, do run.
        for (name, payload) in attacks {
            assert!(story.host.invoke(name, payload).await.succeeded(), "{name}");
        }
        assert_eq!(story.stored(&customer, &id).await["status"], "completed");
        assert_eq!(story.facts().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_its_own_the_program_takes_no_invocations() {
    // Composed for the same function as under the host.
    let host = FunctionsHost::setup().start().await;
    let message = event("voice.sample.completed").to_string();
    let payload = payload::message(host.function("AnalyticsEventsProject"), &message);
    let alone = tempfile::tempdir().unwrap();
    let mut program = Standalone::start(alone.path()).await;
    for path in paths_to("AnalyticsEventsProject").into_iter().filter(|path| path.starts_with('/')) {
        for host in ["127.0.0.1".to_owned(), program.address.to_string()] {
            let request = request(Method::POST, &path, &host)
                .header("content-type", "application/json")
                .header("x-azure-functions-invocationid", "2c6f0f0e-0000-0000-0000-000000000001");
            let answer = send(program.address, request.body(chunked(payload.clone())).unwrap()).await.unwrap();
            // 405 where the path happens to be that of another method's function.
            let refused = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&answer.status);
            assert!(refused, "{path}: {answer:?}");
            answer.problem();
        }
    }
    assert_eq!(program.process.exited(), None);
    let stores = crate::functions_host::storage::Stores::open(alone.path());
    assert!(super::stories::facts(&stores).await.is_empty());
}

#[test]
fn only_the_host_itself_fires_functions() {
    let registry = Registry::of(&Service::ALL).unwrap();
    let fired = |method: Method, path: &str, headers: &[(&'static str, &'static str)]| {
        let headers = headers.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        invoked(&registry, 43117, &method, path, &headers.collect()).map(|function| function.name)
    };
    let own = ("host", "127.0.0.1:43117");
    assert_eq!(fired(Method::POST, "/VoiceJobsRun", &[own]), Some("VoiceJobsRun"));
    assert_eq!(fired(Method::GET, "/VoiceJobsRun", &[own]), None);
    for path in ["//VoiceJobsRun", "/voicejobsrun", "/VoiceJobsRun/", "VoiceJobsRun", "/VoiceCommand", "/Nothing"] {
        assert_eq!(fired(Method::POST, path, &[own]), None, "{path}");
    }
    assert_eq!(fired(Method::POST, "/VoiceJobsRun", &[]), None);
    for host in ["shop.example", "127.0.0.1", "127.0.0.1:43118", "localhost:43117"] {
        assert_eq!(fired(Method::POST, "/VoiceJobsRun", &[("host", host)]), None, "{host}");
    }
    for sign in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"] {
        assert_eq!(fired(Method::POST, "/VoiceJobsRun", &[own, (sign, "203.0.113.7")]), None, "{sign}");
    }
}
