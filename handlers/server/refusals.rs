//! Refusals of credentials and permissions, as the audit log hears of them.

use super::Server;
use crate::audit::{Note, Origin, Outcome, Subject, actions};
use crate::error::{Code, Error};
use crate::identity::Caller;

/// What is told about a token whose time is over. That happens to every client, and is no sign of anything.
pub const EXPIRED: &str = "The access token has expired; sign in again.";

/// Notes that a caller's token was not accepted. Only its tenant is known: the boutique that is asked.
pub fn token(server: &Server, origin: impl FnOnce() -> Origin, error: &Error) {
    if error.code() == Code::InvalidToken && error.detail() != EXPIRED {
        server.state.audit.note(Note {
            tenant: server.state.default_tenant().clone(),
            action: actions::TOKEN_REFUSED,
            outcome: Outcome::Refused,
            actor: None,
            subject: None,
            origin: origin(),
            reason: "invalidToken",
        });
    }
}

/// Notes that a known caller asked for what it may not do.
pub fn access(
    server: &Server,
    caller: &Caller,
    function: &'static str,
    origin: impl FnOnce() -> Origin,
    error: &Error,
) {
    let Some(principal) = caller.principal().filter(|_| error.code() == Code::NotPermitted) else { return };
    server.state.audit.note(Note {
        tenant: principal.tenant.clone(),
        action: actions::ACCESS_REFUSED,
        outcome: Outcome::Refused,
        actor: Some(principal.user.to_string()),
        subject: Some(Subject::Id(principal.user.to_string())),
        origin: origin(),
        reason: function,
    });
}
