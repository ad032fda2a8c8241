//! What a failure of the Azure SDK means to a port, told without anything that the SDK quotes: its
//! messages may hold signed addresses, tokens and bodies.

use std::error::Error as StdError;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;
use azure_core::http::headers::{Headers, RETRY_AFTER, RETRY_AFTER_MS, X_MS_RETRY_AFTER_MS};
use azure_core::http::policies::get_retry_after;
use azure_core::time::OffsetDateTime;

use crate::ports::{PortError, PortErrorKind};

/// The longest code of a service that is repeated.
const MAX_CODE_LENGTH: usize = 64;

/// Why there is no token; made by [`super::credential()`] and safe to show.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct TokenFailure {
    pub message: String,
    pub retry_after: Option<Duration>,
}

/// The failure of a call, named in the message by `what`: by its status where the service answered,
/// else `Unavailable`. Of the SDK's own message nothing is kept.
pub fn port_error(what: &str, error: &azure_core::Error) -> PortError {
    if let Some(failure) = token_failure(error) {
        let told = PortError::unavailable(format!("{what}: {failure}"));
        return with_pause(told, failure.retry_after);
    }
    let deepest = deepest(error);
    let Some((status, headers)) = answer(deepest) else {
        return PortError::unavailable(format!("{what}: {}", without_answer(deepest.kind())));
    };
    let code = error_code(deepest).map(|code| format!(" ({code})")).unwrap_or_default();
    let told = PortError::new(kind_of(status), format!("{what}: HTTP {}{code}", u16::from(status)));
    with_pause(told, headers.and_then(retry_after))
}

/// The service's own code of a failure, such as `SecretNotFound`, when it is a plain word.
pub fn error_code(error: &azure_core::Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::HttpResponse { error_code, .. } => error_code.as_deref().filter(|code| is_plain(code)),
        _ => None,
    }
}

/// Whether a text of a service can be repeated in a log.
pub(crate) fn is_plain(code: &str) -> bool {
    (1..=MAX_CODE_LENGTH).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// How long a service asks to be left alone.
pub fn retry_after(headers: &Headers) -> Option<Duration> {
    let names = [X_MS_RETRY_AFTER_MS, RETRY_AFTER_MS, RETRY_AFTER];
    Duration::try_from(get_retry_after(headers, OffsetDateTime::now_utc, &names)?).ok()
}

fn with_pause(error: PortError, pause: Option<Duration>) -> PortError {
    match pause {
        Some(pause) => error.with_retry_after(pause),
        None => error,
    }
}

/// The SDK wraps failures in others as they pass through it; what happened is the innermost.
fn deepest(error: &azure_core::Error) -> &azure_core::Error {
    causes(error).filter_map(|cause| cause.downcast_ref()).last().unwrap_or(error)
}

fn token_failure(error: &azure_core::Error) -> Option<&TokenFailure> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn causes<'a>(error: &'a azure_core::Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let first: &'a (dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |cause| (*cause).source())
}

fn answer(error: &azure_core::Error) -> Option<(StatusCode, Option<&Headers>)> {
    match error.kind() {
        ErrorKind::HttpResponse { status, raw_response, .. } => {
            Some((*status, raw_response.as_ref().map(|response| response.headers())))
        }
        _ => None,
    }
}

fn kind_of(status: StatusCode) -> PortErrorKind {
    match u16::from(status) {
        404 | 410 => PortErrorKind::NotFound,
        409 => PortErrorKind::Conflict,
        412 => PortErrorKind::PreconditionFailed,
        413 => PortErrorKind::TooLarge,
        429 => PortErrorKind::Throttled,
        408 | 504 => PortErrorKind::TimedOut,
        // An identity without its role is not the caller's fault, and mended without a new release.
        401 | 403 => PortErrorKind::Unavailable,
        400..=499 => PortErrorKind::InvalidRequest,
        _ => PortErrorKind::Unavailable,
    }
}

fn without_answer(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Connection => "no connection",
        ErrorKind::Io => "the connection broke",
        ErrorKind::DataConversion => "the answer cannot be read",
        ErrorKind::Credential => "no token",
        _ => "the call failed",
    }
}

#[cfg(test)]
mod tests {
    use azure_core::http::RawResponse;

    use super::*;

    fn answered(status: u16, code: &str, pause: Option<&'static str>) -> azure_core::Error {
        let mut headers = Headers::new();
        if let Some(pause) = pause {
            headers.insert(RETRY_AFTER, pause);
        }
        let status = StatusCode::from(status);
        let raw_response = Some(Box::new(RawResponse::from_bytes(status, headers, "sig=hush")));
        let kind = ErrorKind::HttpResponse { status, error_code: Some(code.to_owned()), raw_response };
        azure_core::Error::with_message(kind, "https://boutique.example/?sig=hush")
    }

    #[test]
    fn the_status_decides_and_nothing_of_the_answer_is_shown() {
        for (status, kind) in [
            (400, PortErrorKind::InvalidRequest),
            (401, PortErrorKind::Unavailable),
            (403, PortErrorKind::Unavailable),
            (404, PortErrorKind::NotFound),
            (409, PortErrorKind::Conflict),
            (412, PortErrorKind::PreconditionFailed),
            (413, PortErrorKind::TooLarge),
            (429, PortErrorKind::Throttled),
            (500, PortErrorKind::Unavailable),
            (504, PortErrorKind::TimedOut),
        ] {
            let error = answered(status, "Reason", None).with_context("wrapped").with_context("again");
            let error = port_error("vault: read", &error);
            assert_eq!(error.kind(), kind, "{status}");
            assert_eq!(error.to_string(), format!("vault: read: HTTP {status} (Reason)"));
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn a_code_that_is_no_word_is_not_repeated() {
        let error = port_error("read", &answered(500, "sig=hush", None));
        assert_eq!(error.to_string(), "read: HTTP 500");
    }

    #[test]
    fn a_wished_pause_is_handed_on() {
        let error = port_error("read", &answered(429, "Throttled", Some("7")));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    }

    #[test]
    fn without_an_answer_the_service_is_unavailable() {
        let lost = azure_core::Error::with_message(ErrorKind::Io, "GET https://x/?sig=hush").with_context("policy");
        let error = port_error("read", &lost);
        assert_eq!(
            (error.kind(), error.to_string()),
            (PortErrorKind::Unavailable, "read: the connection broke".into())
        );
        let failure = TokenFailure { message: "no identity".into(), retry_after: Some(Duration::from_secs(5)) };
        let untrusted = azure_core::Error::with_error(ErrorKind::Credential, failure, "x").with_context("policy");
        let error = port_error("read", &untrusted);
        assert_eq!(
            (error.to_string(), error.retry_after()),
            ("read: no identity".into(), Some(Duration::from_secs(5)))
        );
    }
}
