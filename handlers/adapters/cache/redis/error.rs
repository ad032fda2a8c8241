//! Redis' errors as those of the ports. Messages are made here: what Redis says may quote a command, and
//! with it a key, a value or a password.

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::ports::{PortError, PortErrorKind};

/// What came of a call, told without anything that was sent.
pub(super) fn port_error(operation: &str, error: &RedisError) -> PortError {
    if error.code() == Some("ERR") && error.detail().is_some_and(|detail| detail.contains("not an integer")) {
        return crate::adapters::cache::rules::not_a_counter();
    }
    let kind = match error.kind() {
        ErrorKind::Io if error.is_timeout() => PortErrorKind::TimedOut,
        ErrorKind::UnexpectedReturnType => PortErrorKind::Corrupt,
        ErrorKind::Extension if error.code() == Some("WRONGTYPE") => PortErrorKind::Corrupt,
        _ => PortErrorKind::Unavailable,
    };
    PortError::new(kind, format!("redis {operation}: {}", cause(error)))
}

/// Whether Redis does not, or no longer, take this process for who it says it is.
pub(super) fn is_refused_login(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed || matches!(error.code(), Some("WRONGPASS" | "NOAUTH"))
}

/// Whether the connection that gave the error is of no more use.
pub(super) fn ends_connection(error: &RedisError, cluster: bool) -> bool {
    if is_refused_login(error) {
        return true;
    }
    match error.kind() {
        // The cluster's client mends the connections to its nodes itself.
        _ if cluster => error.kind() == ErrorKind::ClusterConnectionNotFound,
        // Behind the same name there is another primary by now.
        ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => true,
        _ => error.is_unrecoverable_error(),
    }
}

fn cause(error: &RedisError) -> String {
    if is_refused_login(error) {
        return "the login is refused".to_owned();
    }
    match (error.code(), std::error::Error::source(error).and_then(io_kind)) {
        (Some(code), _) => format!("{code} ({})", error.category()),
        (None, Some(kind)) => format!("{} ({kind})", error.category()),
        (None, None) => error.category().to_owned(),
    }
}

fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    // The crate keeps causes in an `Arc`.
    let shared = error.downcast_ref::<std::sync::Arc<dyn std::error::Error + Send + Sync>>();
    let error = shared.map_or(error, |shared| &**shared as &(dyn std::error::Error + 'static));
    error.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
}
