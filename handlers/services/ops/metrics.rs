//! What the process has counted and measured.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};

use crate::error::Result;
use crate::function::{Access, Function};
use crate::http::{Body, Request, Response};
use crate::identity::Permission;
use crate::state::AppState;
use crate::telemetry;
use crate::types::Service;

/// This resource's rows of the registry.
pub fn functions() -> Vec<Function> {
    vec![
        Function::http("OpsMetrics", Service::Ops, Method::GET, "v1/metrics", metrics)
            .access(Access::May(Permission::ReadMetrics))
            .summary("Gives the metrics of the instance that answers, for Prometheus.")
            .answers_bytes(StatusCode::OK, "The metrics.", telemetry::TEXT_FORMAT)
            .into(),
    ]
}

async fn metrics(_state: AppState, _request: Request) -> Result<Response> {
    let mut response = Response::new(Body::Full(telemetry::metrics().text()?.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(telemetry::TEXT_FORMAT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
