//! The API's own description, and a page to read it on that needs no network.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use std::sync::{Arc, LazyLock};
use utoipa::ToSchema;
use utoipa_swagger_ui::Config;

use crate::error::{Error, Result};
use crate::function::{Function, LimitClass};
use crate::http::conditional::with_content_etag;
use crate::http::{Body, Request, Response};
use crate::state::AppState;
use crate::types::Service;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("OpsDocs", Service::Ops, Method::GET, "docs", page)
            .limit(LimitClass::Unlimited)
            .summary("The page that shows this description.")
            .answers_bytes(StatusCode::OK, "A page.", "text/html")
            .into(),
        Function::http("OpsDocsFile", Service::Ops, Method::GET, "docs/{file}", file)
            .limit(LimitClass::Unlimited)
            .summary("A part of the page.")
            .answers_bytes(StatusCode::OK, "A file.", "*/*")
            .into(),
        Function::http("OpsOpenApi", Service::Ops, Method::GET, "openapi.json", openapi)
            .limit(LimitClass::Unlimited)
            .summary("This description, as OpenAPI 3.1.")
            .answers::<OpenApiDocument>(StatusCode::OK, "The document.", json!({ "openapi": "3.1.0" }))
            .into(),
    ]
}

/// An OpenAPI 3.1 document.
#[derive(Serialize, ToSchema)]
struct OpenApiDocument {
    openapi: String,
}

async fn openapi(state: AppState, _request: Request) -> Result<Response> {
    let mut response = Response::new(Body::Full(state.openapi.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    Ok(with_content_etag(response))
}

static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/api/openapi.json").try_it_out_enabled(true)));

async fn page(_state: AppState, _request: Request) -> Result<Response> {
    let mut response = part("index.html")?;
    // The page names its parts relative to `docs/`, but is itself at `docs`.
    if let Body::Full(page) = response.body() {
        let text = String::from_utf8_lossy(page)
            .replace("\"./", "\"docs/")
            .replace("href=\"index.css\"", "href=\"docs/index.css\"");
        *response.body_mut() = Body::Full(text.into());
    }
    Ok(response)
}

async fn file(_state: AppState, request: Request) -> Result<Response> {
    part(&request.param::<String>("file")?)
}

fn part(name: &str) -> Result<Response> {
    let missing = || Error::not_found("There is no such part of the page.");
    let file = utoipa_swagger_ui::serve(name, CONFIG.clone()).map_err(|_| missing())?.ok_or_else(missing)?;
    let mut response = Response::new(Body::Full(file.bytes.into_owned().into()));
    let content_type = HeaderValue::from_str(&file.content_type).map_err(Error::internal)?;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Ok(with_content_etag(response))
}
