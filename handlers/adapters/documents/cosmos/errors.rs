//! What Cosmos DB answers, as errors of the port
//! (<https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb>).

use std::time::Duration;

use azure_data_cosmos::error::CosmosError;

use crate::ports::{PortError, PortErrorKind};

/// A document that is not there (404) has this sub-status or none; others tell of a container that is not
/// there (1003) or a replica that lags behind the session (1002).
const DOCUMENT_NOT_FOUND: u16 = 0;
/// The client cannot read what the service answered.
const UNREADABLE_ANSWER: u16 = 20020;
/// The service's messages may cite a whole query.
const MESSAGE_CHARS: usize = 500;
/// How long to wait where the service asks for patience and does not say how much.
const PATIENCE: Duration = Duration::from_secs(1);

/// The error of a call that failed. The message holds the service's own words, which name ids and fields
/// and never keys; nothing else of the client's error is kept.
pub(super) fn failed(operation: &str, error: &CosmosError) -> PortError {
    let (status, sub_status) = match statuses(error) {
        // The time was over while the client waited for the service's patience to return.
        (408, _) if was_throttled(error) => (429, 0),
        statuses => statuses,
    };
    let words: String = error.to_string().chars().take(MESSAGE_CHARS).collect();
    of_status(status, sub_status, format!("Cosmos DB {operation}: {words}"), retry_after(error))
}

/// The error of a container that could not be opened: never that of a missing document.
pub(super) fn not_opened(operation: &str, error: &CosmosError) -> PortError {
    let failed = failed(operation, error);
    match failed.kind() {
        PortErrorKind::NotFound => PortError::unavailable(format!("the container is missing: {failed}")),
        _ => failed,
    }
}

/// The error that an HTTP status and sub-status tell of.
pub(super) fn of_status(status: u16, sub_status: u16, message: String, retry_after: Option<Duration>) -> PortError {
    let kind = match (status, sub_status) {
        (400, _) => PortErrorKind::InvalidRequest,
        (404, DOCUMENT_NOT_FOUND) => PortErrorKind::NotFound,
        (408, _) => PortErrorKind::TimedOut,
        (409, _) => PortErrorKind::Conflict,
        (412, _) => PortErrorKind::PreconditionFailed,
        (413, _) => PortErrorKind::TooLarge,
        (429, _) => PortErrorKind::Throttled,
        (500, UNREADABLE_ANSWER) => PortErrorKind::Corrupt,
        _ => PortErrorKind::Unavailable,
    };
    let error = PortError::new(kind, message);
    match (kind, retry_after) {
        (_, Some(wait)) => error.with_retry_after(wait),
        (PortErrorKind::Throttled, None) => error.with_retry_after(PATIENCE),
        _ => error,
    }
}

/// Whether the account refuses the key or token.
pub(super) fn is_unauthorised(error: &CosmosError) -> bool {
    error.status().is_unauthorized()
}

/// Whether there is no such database or container, or another one under the same name than before.
pub(super) fn is_of_the_container(error: &CosmosError) -> bool {
    matches!(statuses(error), (404, 1003 | 1013) | (410, 1000))
}

fn was_throttled(error: &CosmosError) -> bool {
    let Some(diagnostics) = error.diagnostics() else { return false };
    diagnostics.requests().last().is_some_and(|request| request.status().is_throttled())
}

fn statuses(error: &CosmosError) -> (u16, u16) {
    let status = error.status();
    (u16::from(status.status_code()), status.sub_status().map_or(0, |sub_status| sub_status.value()))
}

fn retry_after(error: &CosmosError) -> Option<Duration> {
    error.response()?.headers().retry_after_ms.map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_container_is_not_a_missing_document() {
        let kind = |status, sub_status| of_status(status, sub_status, String::new(), None).kind();
        assert_eq!(kind(404, 0), PortErrorKind::NotFound);
        assert_eq!(kind(404, 1003), PortErrorKind::Unavailable);
        assert_eq!(kind(404, 1002), PortErrorKind::Unavailable);
    }

    #[test]
    fn a_throttled_caller_is_always_told_how_long_to_wait() {
        let wait = |given| of_status(429, 3200, String::new(), given).retry_after();
        assert_eq!(wait(Some(Duration::from_millis(70))), Some(Duration::from_millis(70)));
        assert_eq!(wait(None), Some(PATIENCE));
    }
}
