//! What caches outside this process may do with an answer (RFC 9111), and how it came out of ours.
//!
//! The CDN in front, Azure Front Door, keeps answers by their URL: it does not look at `Vary`
//! (<https://learn.microsoft.com/azure/frontdoor/front-door-caching>). So only an answer that its URL alone
//! determines is `public`. What a header had a part in is `private`: the caller's own cache, which does look
//! at `Vary`, keeps it. Front Door purges by path and knows no tags; `Surrogate-Key` and `Cache-Tag` are
//! for CDNs that do.

use http::HeaderValue;
use http::header::{AUTHORIZATION, CACHE_CONTROL, VARY};

use super::{Request, Response};
use crate::caching::CacheStatus;

const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=30, stale-while-revalidate=60");
const PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=30, stale-while-revalidate=60");

/// The client hints that choose a leaner answer: data saving, and the effective type of the connection
/// (<https://wicg.github.io/savedata/>, <https://wicg.github.io/netinfo/#ect-request-header-field>).
const HINTS: HeaderValue = HeaderValue::from_static("Save-Data, ECT");

/// Whether the caller's connection is poor, or it asks for little data.
pub fn wants_little(request: &Request) -> bool {
    let saves = request.header("save-data").is_some_and(|value| value.trim().eq_ignore_ascii_case("on"));
    let slow = request.header("ect").is_some_and(|value| matches!(value.trim(), "slow-2g" | "2g" | "3g"));
    saves || slow
}

/// Tells how an answer came out of our caches.
pub fn with_cache_status(mut response: Response, status: CacheStatus) -> Response {
    response.headers_mut().insert("x-cache", HeaderValue::from_static(status.as_str()));
    response
}

/// Lets caches keep an answer to a read for half a minute; `by_url` says that no header had a part in it.
/// `vary` names those that can have.
pub fn cacheable(mut response: Response, request: &Request, by_url: bool, vary: &'static str) -> Response {
    let everybodys = by_url && !request.headers.contains_key(AUTHORIZATION);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, if everybodys { PUBLIC } else { PRIVATE });
    headers.append(VARY, HeaderValue::from_static(vary));
    response
}

/// Asks clients for the hints that choose a leaner answer.
pub fn asking_for_hints(mut response: Response) -> Response {
    response.headers_mut().insert("accept-ch", HINTS);
    response
}

/// Names what an answer shows, for CDNs that purge by tag. Tags are printable ASCII without spaces and
/// commas; others are left out.
pub fn tagged(mut response: Response, tags: &[String]) -> Response {
    let fits = |tag: &&String| tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    let tags: Vec<&str> = tags.iter().filter(fits).map(String::as_str).collect();
    for (name, separator) in [("surrogate-key", " "), ("cache-tag", ",")] {
        if let Ok(value) = HeaderValue::from_str(&tags.join(separator)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
