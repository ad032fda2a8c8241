//! What failures of the storage services mean to the ports. The services' own errors print the addresses
//! of their requests, which may be signed, so nothing of them is kept but status, code and the last cause.

use std::error::Error as _;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::StatusCode;

use crate::ports::{PortError, PortErrorKind};

/// How long a throttled caller waits when the service does not say.
const PATIENCE: Duration = Duration::from_secs(2);

/// The code that the service gives a refusal, such as `BlobNotFound`.
pub fn code(error: &azure_core::Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::HttpResponse { error_code, .. } => error_code.as_deref(),
        _ => None,
    }
}

/// Whether the service says that what the call names does not exist.
pub fn is_missing(error: &azure_core::Error) -> bool {
    error.http_status() == Some(StatusCode::NotFound)
}

/// The failure of a call as the ports tell it. `what` names the service and the operation.
pub fn explained(what: &str, error: &azure_core::Error) -> PortError {
    match error.kind() {
        ErrorKind::HttpResponse { status, error_code, raw_response } => {
            let code = error_code.as_deref().unwrap_or("no code");
            let kind = kind_of(*status, code);
            let failure = PortError::new(kind, format!("{what}: {} {code}", u16::from(*status)));
            if kind == PortErrorKind::Throttled {
                let asked = raw_response
                    .as_ref()
                    .and_then(|response| response.headers().get_optional_str(&"retry-after".into())?.parse().ok());
                return failure.with_retry_after(asked.map_or(PATIENCE, Duration::from_secs));
            }
            failure
        }
        ErrorKind::Connection => PortError::unavailable(format!("{what}: no connection: {}", last_cause(error))),
        ErrorKind::Io => PortError::unavailable(format!("{what}: the connection broke: {}", last_cause(error))),
        ErrorKind::Credential => PortError::unavailable(format!("{what}: no token or key: {}", last_cause(error))),
        ErrorKind::DataConversion => PortError::corrupt(format!("{what}: the answer cannot be read")),
        // What fails within a policy, above all the credential, comes as this.
        _ => PortError::unavailable(format!("{what}: not sent: {}", last_cause(error))),
    }
}

fn kind_of(status: StatusCode, code: &str) -> PortErrorKind {
    match (u16::from(status), code) {
        (_, "ServerBusy") | (429, _) => PortErrorKind::Throttled,
        (_, "OperationTimedOut") | (408 | 504, _) => PortErrorKind::TimedOut,
        // Being deleted, it can be made again soon.
        (_, "ContainerBeingDeleted" | "QueueBeingDeleted") => PortErrorKind::Unavailable,
        (404, _) => PortErrorKind::NotFound,
        (409, _) => PortErrorKind::Conflict,
        (412, _) => PortErrorKind::PreconditionFailed,
        (413, _) => PortErrorKind::TooLarge,
        // A role or a key that is missing is set up sooner or later; no other call is better.
        (401 | 403, _) => PortErrorKind::Unavailable,
        (400..=499, _) => PortErrorKind::InvalidRequest,
        _ => PortErrorKind::Unavailable,
    }
}

/// The end of the chain of causes, such as `Connection refused (os error 111)`. What stands before it names
/// addresses.
fn last_cause(error: &azure_core::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.source();
    let mut last = None;
    while let Some(error) = cause {
        last = Some(error);
        cause = error.source();
    }
    match last {
        // reqwest prints the address with its own errors, wherever they stand.
        Some(last) if !last.is::<reqwest::Error>() => last.to_string(),
        _ => "no cause told".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_can_do_follows_from_status_and_code() {
        let cases = [
            (404, "BlobNotFound", PortErrorKind::NotFound),
            (409, "BlobAlreadyExists", PortErrorKind::Conflict),
            (409, "ContainerBeingDeleted", PortErrorKind::Unavailable),
            (412, "ConditionNotMet", PortErrorKind::PreconditionFailed),
            (413, "RequestBodyTooLarge", PortErrorKind::TooLarge),
            (416, "InvalidRange", PortErrorKind::InvalidRequest),
            (429, "TooManyRequests", PortErrorKind::Throttled),
            (503, "ServerBusy", PortErrorKind::Throttled),
            (500, "OperationTimedOut", PortErrorKind::TimedOut),
            (500, "InternalError", PortErrorKind::Unavailable),
            (403, "AuthenticationFailed", PortErrorKind::Unavailable),
        ];
        for (status, code, kind) in cases {
            assert_eq!(kind_of(StatusCode::from(status), code), kind, "{status} {code}");
        }
    }

    #[test]
    fn addresses_are_not_told() {
        let cause = std::io::Error::other("Connection refused");
        let error = azure_core::Error::with_error(ErrorKind::Connection, cause, "GET http://host/box?sig=secret");
        let told = explained("blobs get", &error);
        assert_eq!(told.to_string(), "blobs get: no connection: Connection refused");
        assert!(!format!("{told:?}").contains("secret"));
    }
}
