//! Addresses as the host sees them: what the web server makes of a request's path, which route takes
//! it, and what path and query the handler is sent.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::script_root::{FunctionFile, Refusal, ScriptRoot, TriggerFile};

/// A route template of ASP.NET: literals, `{id}`, `{id?}` and `{*rest}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter { optional: bool },
    CatchAll,
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let segments = text.split('/').map(|segment| {
            let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match inner {
                None if segment.is_empty() || segment.contains(['{', '}', '?', '*']) => {
                    Err(Refusal(format!("route {text}: the segment {segment:?} is malformed or not simulated")))
                }
                None => Ok(Segment::Literal(segment.to_owned())),
                Some(inner) if inner.starts_with('*') => Ok(Segment::CatchAll),
                Some(inner) if inner.contains([':', '=']) => {
                    Err(Refusal(format!("route {text}: constraints are not simulated")))
                }
                Some(inner) => Ok(Segment::Parameter { optional: inner.ends_with('?') }),
            }
        });
        let segments: Vec<Segment> = segments.collect::<Result<_, _>>()?;
        let last = segments.len() - 1;
        if segments[..last].iter().any(|s| matches!(s, Segment::CatchAll | Segment::Parameter { optional: true })) {
            return Err(Refusal(format!("route {text}: only its last segment may be optional or catch all")));
        }
        Ok(Self(segments))
    }

    /// Literals match without regard to case; a parameter takes one segment that is not empty.
    fn matches(&self, path: &[&str]) -> bool {
        let mut path = path.iter();
        for segment in &self.0 {
            match (segment, path.next()) {
                (Segment::CatchAll, _) => return true,
                (Segment::Literal(literal), Some(found)) if literal.eq_ignore_ascii_case(found) => {}
                (Segment::Parameter { .. }, Some(found)) if !found.is_empty() => {}
                (Segment::Parameter { optional: true }, None) => {}
                _ => return false,
            }
        }
        path.next().is_none()
    }
}

/// The first function, in the order of names, whose route and methods take the request. `path` is
/// what [`request_path`] gives.
pub fn route<'a>(root: &'a ScriptRoot, method: &Method, path: &str) -> Option<&'a FunctionFile> {
    let path = path.strip_prefix('/')?;
    let mut segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    if !root.route_prefix.is_empty() {
        if !segments[0].eq_ignore_ascii_case(&root.route_prefix) {
            return None;
        }
        segments.remove(0);
    }
    root.functions.iter().find(|function| match &function.trigger {
        TriggerFile::Http { methods, route } => {
            (methods.is_empty() || methods.contains(method)) && route.matches(&segments)
        }
        _ => false,
    })
}

/// The path as the web server (Kestrel) hands it to routing: escapes decoded except `%2F`, dot
/// segments removed after that. `None` is answered with 400.
pub fn request_path(raw: &str) -> Option<String> {
    // A slash that was escaped stays so: hidden from decoding, put back after it.
    let hidden = raw.replace("%2F", "%252F").replace("%2f", "%252f");
    let decoded = percent_decode_str(&hidden).decode_utf8().ok()?;
    if decoded.contains('\0') || !decoded.starts_with('/') {
        return None;
    }
    Some(without_dots(&decoded))
}

/// The path that forwarding sends on: `Uri.AbsolutePath` of the decoded address, for which .NET turns
/// backslashes to slashes, decodes unreserved characters, ends the path at `?` and `#`, and
/// removes dot segments once more. This is how a path from outside can shed its route prefix.
pub fn forwarded_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let slashed = path.replace('\\', "/").replace("%2e", ".").replace("%2E", ".");
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/')
        .remove(b'%')
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=')
        .remove(b':')
        .remove(b'@');
    utf8_percent_encode(&without_dots(&slashed), KEPT).to_string()
}

/// The path that proxying sends on: the decoded path, escaped again in full (YARP's `EncodePath`).
pub fn proxied_path(path: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~')
        .remove(b'/')
        .remove(b'!')
        .remove(b'$')
        .remove(b'&')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*')
        .remove(b'+')
        .remove(b',')
        .remove(b';')
        .remove(b'=')
        .remove(b':')
        .remove(b'@');
    // An escaped slash is not escaped twice: it was never decoded.
    utf8_percent_encode(path, KEPT).to_string().replace("%252F", "%2F").replace("%252f", "%2f")
}

/// The query that forwarding rebuilds: repeated keys (case-insensitive) become one with commas.
pub fn forwarded_query(query: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let mut merged: Vec<(String, String)> = Vec::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match merged.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            Some((_, values)) => *values = format!("{values},{value}"),
            None => merged.push((key.into_owned(), value.into_owned())),
        }
    }
    let encode = |text: &str| utf8_percent_encode(text, KEPT).to_string();
    merged.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect::<Vec<_>>().join("&")
}

/// RFC 3986 §5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in path.split('/').skip(1) {
        ends_in_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    if ends_in_dots {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[test]
fn paths_are_read_as_the_web_server_reads_them() {
    for (raw, path) in [
        ("/api/v1/products", "/api/v1/products"),
        ("/api/../VoiceJobsRun", "/VoiceJobsRun"),
        ("/api/%2e%2e/VoiceJobsRun", "/VoiceJobsRun"),
        ("/api/..%2FVoiceJobsRun", "/api/..%2FVoiceJobsRun"),
        ("/api/..%5CVoiceJobsRun", "/api/..\\VoiceJobsRun"),
        ("/../..", "/"),
    ] {
        assert_eq!(request_path(raw).as_deref(), Some(path), "{raw}");
    }
    assert_eq!(request_path("/api/%00"), None);
    assert_eq!(forwarded_path("/api/..\\VoiceJobsRun"), "/VoiceJobsRun");
    assert_eq!(proxied_path("/api/..\\VoiceJobsRun"), "/api/..%5CVoiceJobsRun");
    assert_eq!(proxied_path("/api/a b%2Fc"), "/api/a%20b%2Fc");
}

#[test]
fn repeated_keys_of_a_query_are_merged_by_forwarding() {
    assert_eq!(forwarded_query("a=1&b=x+y&A=2&c"), "a=1%2C2&b=x%20y&c=");
}

#[test]
fn templates_match_segments() {
    let path = |text: &'static str| text.split('/').collect::<Vec<_>>();
    let template = |text| Template::parse(text).unwrap();
    assert!(template("v1/products/{id}").matches(&path("V1/Products/7")));
    assert!(!template("v1/products/{id}").matches(&path("v1/products")));
    assert!(!template("v1/products/{id}").matches(&path("v1/products/")));
    assert!(template("v1/products/{id?}").matches(&path("v1/products")));
    assert!(template("{*rest}").matches(&path("a/b/c")));
    assert!(template("{*rest}").matches(&[]));
    assert!(Template::parse("v1/{*rest}/more").is_err());
    assert!(Template::parse("v1/{id:guid}").is_err());
}
