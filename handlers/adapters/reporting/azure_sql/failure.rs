//! What an error of the driver or of the server means.
//!
//! Numbers are from <https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues>
//! (transient faults, resource governance) and from the drivers' own list of what to repeat,
//! <https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconfigurableretryfactory>.

use std::time::Duration;

use tiberius::error::{Error, IoErrorKind};

use crate::ports::{PortError, PortErrorKind};

/// How long a throttled client stays away
/// (<https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues>: 10 seconds).
const PATIENCE: Duration = Duration::from_secs(10);

/// A failed attempt, and whether another may end differently.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: PortError,
    pub transient: bool,
}

impl Failure {
    /// One that another attempt cannot help, or may not.
    pub(super) fn lasting(self) -> Self {
        Self { transient: false, ..self }
    }

    pub(super) fn timed_out(what: &str) -> Self {
        Self { error: PortError::new(PortErrorKind::TimedOut, what), transient: true }
    }
}

/// A refusal of the call itself.
impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self { error, transient: false }
    }
}

/// Neither the text of the server, which may quote stored values, nor of the driver is kept.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let unavailable = |message: &str, transient| Self { error: PortError::unavailable(message), transient };
        match error {
            Error::Server(error) => of_server(error.code(), error.state(), error.class()),
            Error::Io { kind: IoErrorKind::TimedOut, .. } => {
                Self::timed_out("the database server did not answer in time")
            }
            Error::Io { kind, .. } => {
                unavailable(&format!("the connection to the database server broke: {kind}"), true)
            }
            Error::Protocol(_) => unavailable("the database server broke the protocol or off its answer", true),
            Error::Tls(_) => {
                unavailable("no secure connection to the database server: is its certificate trusted?", false)
            }
            Error::Routing { .. } => unavailable("the database server keeps referring to another", true),
            Error::BulkInput(_) => PortError::invalid("a value does not fit its column").into(),
            Error::Encoding(_) | Error::Conversion(_) | Error::Utf8 | Error::Utf16 | Error::ParseInt(_) => {
                PortError::corrupt("the database server answered what cannot be read").into()
            }
        }
    }
}

fn of_server(number: u32, state: u8, class: u8) -> Failure {
    use PortErrorKind::{Conflict, InvalidRequest, Throttled, Unavailable};
    let (kind, transient, meaning) = match number {
        1204 | 1205 | 1222 | 3960 => (Throttled, true, "other transactions are in the way"),
        10928 | 10929 | 10936 | 40501 | 49918..=49920 => (Throttled, true, "the database is at its limits"),
        // 3906: a connection from before a failover, now to a secondary.
        615 | 926 | 3906 | 4060 | 4221 | 40143 | 40197 | 40540 | 40613 | 42108 | 42109 => {
            (Unavailable, true, "the database is not available at the moment")
        }
        20 | 64 | 121 | 233 | 10053 | 10054 | 10060 => (Unavailable, true, "the connection broke"),
        18452 | 18456 | 18470 | 18486 | 18487 | 18488 => (Unavailable, false, "the login is refused"),
        40532 | 40615 | 40914 => (Unavailable, false, "the server does not let this address or login in"),
        229 | 230 | 262 | 300 | 916 => (Unavailable, false, "the login lacks a permission"),
        207 | 208 => (Unavailable, false, "a table or column is not there, or not yet"),
        1105 | 9002 | 40544 => (Unavailable, false, "the database is full"),
        2601 | 2627 => (Conflict, false, "a row with this key exists"),
        220 | 232 | 515 | 547 | 2628 | 8115 | 8152 => (InvalidRequest, false, "a value does not fit"),
        // Severity 20 and above ends the connection, 17 to 19 are the server's own troubles
        // (https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-error-severities).
        _ if class >= 20 => (Unavailable, true, "the server ended the connection"),
        _ if class >= 17 => (Unavailable, false, "the server cannot do it"),
        _ => (InvalidRequest, false, "the statement is refused"),
    };
    let error = PortError::new(kind, format!("SQL Server error {number}, state {state}: {meaning}"));
    let error = if kind == Throttled { error.with_retry_after(PATIENCE) } else { error };
    Failure { error, transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_meaning() {
        let cases = [
            (1205, 13, PortErrorKind::Throttled, true),
            (40501, 20, PortErrorKind::Throttled, true),
            (40613, 17, PortErrorKind::Unavailable, true),
            (18456, 14, PortErrorKind::Unavailable, false),
            (8115, 16, PortErrorKind::InvalidRequest, false),
            (2627, 14, PortErrorKind::Conflict, false),
            (102, 15, PortErrorKind::InvalidRequest, false),
            (99_999, 20, PortErrorKind::Unavailable, true),
        ];
        for (number, class, kind, transient) in cases {
            let failure = of_server(number, 1, class);
            assert_eq!((failure.error.kind(), failure.transient), (kind, transient), "{number}");
        }
    }
}
