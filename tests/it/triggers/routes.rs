//! Every address reaches its own function, by both ways the host has of handing requests on.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use pravis::registry::Registry;
use pravis::types::Service;
use serde_json::{Value, json};

use super::stories::Story;
use crate::functions_host::{FunctionsHost, HttpMode};
use crate::support::process::{eventually, request, sized};

/// A route with its parameters filled in.
fn example(route: &str) -> String {
    let parameter = |segment: &str| match segment.starts_with('{') {
        true => "smp_01KAXQ8W0V7D3T4Z5J6N8P9R2S".to_owned(),
        false => segment.to_owned(),
    };
    let segments: Vec<String> = route.split('/').map(parameter).collect();
    format!("/api/{}", segments.join("/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_is_reached_by_its_route() {
    let registry = Registry::of(&Service::ALL).unwrap();
    for mode in HttpMode::BOTH {
        let host = FunctionsHost::setup().mode(mode).start().await;
        let mut wanted = BTreeMap::new();
        for function in registry.functions() {
            let Some(http) = function.http_trigger() else { continue };
            let path = example(http.route);
            let request = request(http.method.clone(), &path, "shop.example")
                .header("x-request-id", format!("of-{}", function.name))
                .header("content-type", "application/json");
            let answer = host.request(request.body(sized("{}")).unwrap()).await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{}", function.name);
            assert!(!answer.status.is_server_error(), "{}: {answer:?}", function.name);
            wanted.insert(function.name, (http.method.clone(), path));
        }
        // As the host books it …
        let bookings = host.bookings();
        assert_eq!(bookings.len(), wanted.len());
        for booking in bookings {
            let (method, path) = &wanted[booking.function.as_str()];
            assert_eq!((&booking.method, &booking.target, &booking.forwarded), (method, path, path));
            assert!(booking.status.is_some(), "{booking:?}");
        }
        // … and as the handler itself matches it.
        for name in wanted.keys() {
            eventually(&format!("the log line of {name}"), async || {
                let id = format!("\"of-{name}\"");
                let line = host.output().await.into_iter().find(|line| line.contains(&id) && line.contains("answered"));
                line.map(|line| assert!(line.contains(&format!("\"{name}\"")), "{line}"))
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matches_gets_a_problem_document() {
    for mode in HttpMode::BOTH {
        let host = FunctionsHost::setup().mode(mode).start().await;
        for (method, path, status) in [
            (Method::GET, "/api/v1/nothing", StatusCode::NOT_FOUND),
            (Method::POST, "/api/v1/nothing", StatusCode::NOT_FOUND),
            (Method::GET, "/api", StatusCode::NOT_FOUND),
            (Method::GET, "/api/", StatusCode::NOT_FOUND),
            (Method::GET, "/api//v1/products", StatusCode::NOT_FOUND),
            (Method::GET, "/api/v1/products/x/y/z", StatusCode::NOT_FOUND),
            (Method::DELETE, "/api/v1/products", StatusCode::METHOD_NOT_ALLOWED),
            (Method::PATCH, "/api/v1/voice/samples", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/api/v1/auth/login", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let answer = host.request(request(method.clone(), path, "shop.example").body(sized("")).unwrap()).await;
            assert_eq!(answer.status, status, "{mode:?} {method} {path}");
            answer.problem();
            assert_eq!(answer.headers.contains_key("allow"), status == StatusCode::METHOD_NOT_ALLOWED);
            let booking = host.bookings().pop().unwrap();
            assert_eq!((booking.function.as_str(), booking.target.as_str()), ("ZzUnmatched", path));
        }
        // The host matches routes without regard to case; the handler does not, and says so properly.
        let answer =
            host.request(request(Method::GET, "/API/V1/Products", "shop.example").body(sized("")).unwrap()).await;
        assert_eq!(answer.problem()["code"], "not_found");
        assert_eq!(host.bookings().pop().unwrap().function, "ShopProductsList");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_hosts_own_never_reaches_the_handler() {
    let host = FunctionsHost::setup().start().await;
    for (method, path, status) in [
        (Method::GET, "/", StatusCode::OK),
        (Method::GET, "/admin/host/status", StatusCode::NOT_FOUND),
        (Method::POST, "/runtime/webhooks/blobs", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/products", StatusCode::NOT_FOUND),
        (Method::TRACE, "/api/v1/products", StatusCode::NOT_FOUND),
    ] {
        let answer = host.request(request(method, path, "shop.example").body(sized("")).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert!(host.bookings().is_empty(), "{:?}", host.bookings());
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_preflight_reach_the_function_of_their_path() {
    for mode in HttpMode::BOTH {
        let host = FunctionsHost::setup().mode(mode).start().await;
        let head =
            host.request(request(Method::HEAD, "/api/v1/products", "shop.example").body(sized("")).unwrap()).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
        let preflight = request(Method::OPTIONS, "/api/v1/products", "shop.example")
            .header("origin", "http://localhost:5173")
            .header("access-control-request-method", "GET");
        let preflight = host.request(preflight.body(sized("")).unwrap()).await;
        assert_eq!(preflight.header("access-control-allow-origin"), "http://localhost:5173", "{preflight:?}");
        assert!(host.bookings().iter().all(|booking| booking.function == "ShopProductsList"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_give_the_same_answers() {
    let mut answers = Vec::new();
    for mode in HttpMode::BOTH {
        let story = Story::with(FunctionsHost::setup().mode(mode)).await;
        let mut given: Vec<(StatusCode, Value)> = Vec::new();
        for path in [
            "/api/v1/products?category=sarees&color=red,green&limit=3",
            "/api/v1/products/search?q=laal%20saree&maxPrice=5000",
            "/api/v1/products/search?q=%E0%A4%B2%E0%A4%BE%E0%A4%B2&limit=2",
        ] {
            let answer = story.call(None, Method::GET, path, json!({})).await;
            given.push((answer.status, answer.json()));
        }
        assert!(given.iter().all(|(status, _)| *status == StatusCode::OK), "{given:#?}");
        answers.push(given);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_runs_until_it_is_killed_and_comes_back() {
    let host = FunctionsHost::setup().start().await;
    let ask = || request(Method::GET, "/api/v1/health/live", "shop.example").body(sized("")).unwrap();
    assert_eq!(host.request(ask()).await.status, StatusCode::OK);
    assert_eq!(host.exited().await, None);
    host.kill().await;
    assert_eq!(host.request(ask()).await.status, StatusCode::BAD_GATEWAY);
    host.restart().await;
    assert_eq!(host.request(ask()).await.status, StatusCode::OK);
}

/// Fails to sign in, from where the platform's front end says.
async fn failed_sign_in(story: &Story, from: &str) -> StatusCode {
    let body = json!({ "email": "lakshmi@example.in", "password": "not-hers-at-all" }).to_string();
    let request = request(Method::POST, "/api/v1/auth/login", "shop.example")
        .header("content-type", "application/json")
        .header("x-forwarded-for", from);
    story.host.request(request.body(sized(body)).unwrap()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_the_front_end_saw_last() {
    let story = Story::with(FunctionsHost::setup().mode(HttpMode::Forwarding)).await;
    // Whatever a client claims before it, the front end's entry decides who waits …
    let mut statuses = Vec::new();
    for turn in 0..12 {
        statuses.push(failed_sign_in(&story, &format!("198.51.{turn}.1, 203.0.113.7:4711")).await);
    }
    assert_eq!(statuses[0], StatusCode::UNAUTHORIZED);
    assert_eq!(statuses[11], StatusCode::TOO_MANY_REQUESTS);
    // … and nobody elsewhere waits with them.
    assert_eq!(failed_sign_in(&story, "192.0.2.9:4711").await, StatusCode::UNAUTHORIZED);
}
