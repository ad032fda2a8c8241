//! Cross-origin requests of the storefront (the Fetch standard, §3.2). The platform can answer them
//! too; where it is not configured to, this does.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Body, Response};

const ALLOWED_HEADERS: &str = "accept, accept-language, authorization, content-type, ect, idempotency-key, if-match, if-none-match, save-data, \
     x-cart-id, x-ms-blob-type, x-request-id";
const EXPOSED_HEADERS: &str = "etag, idempotent-replayed, link, location, operation-location, ratelimit, \
                               ratelimit-policy, retry-after, server-timing, x-cache, x-cart-id, x-request-id";

/// The origins whose pages may call the API with the shopper's credentials.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    pub origins: Vec<String>,
}

impl Cors {
    /// Adds the headers that let an allowed origin read the answer.
    pub fn apply(&self, request: &HeaderMap, response: &mut Response) {
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed(request) else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    }

    /// The answer to a preflight for a path with these methods.
    pub fn preflight(&self, request: &HeaderMap, methods: &str) -> Response {
        let mut response = Response::new(Body::Full(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allowed(request).is_some() {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
            if let Ok(methods) = HeaderValue::from_str(methods) {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            }
        }
        response
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        self.origins.iter().any(|allowed| allowed == text).then(|| origin.clone())
    }
}
