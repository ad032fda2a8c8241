//! What is audited. A new kind of event takes one row in [`EVENTS`].

use super::record::Outcome;

/// What is noted directly, since it changes nothing.
pub const LOGIN_FAILED: &str = "login.failed";
pub const LOGIN_THROTTLED: &str = "login.throttled";
pub const ACCESS_REFUSED: &str = "access.refused";
pub const TOKEN_REFUSED: &str = "token.refused";

const NOTED: [&str; 4] = [LOGIN_FAILED, LOGIN_THROTTLED, ACCESS_REFUSED, TOKEN_REFUSED];

/// How an event becomes a record.
pub struct Row {
    /// The event's type.
    pub event: &'static str,
    /// A field of the event's data and its value that the row is for; of several rows the first counts.
    pub when: Option<(&'static str, &'static str)>,
    pub action: &'static str,
    pub outcome: Outcome,
    /// Fields of the event's data that are recorded: short texts, numbers, truth values; nothing personal,
    /// no secrets.
    pub details: &'static [&'static str],
}

const fn row(event: &'static str, action: &'static str, details: &'static [&'static str]) -> Row {
    Row { event, when: None, action, outcome: Outcome::Succeeded, details }
}

/// The events that are audited. `data.actor` says who acted; without it the account acted itself.
pub static EVENTS: [Row; 45] = [
    row("account.registered", "account.registered", &["role"]),
    row("account.sessionBegun", "login.succeeded", &["session", "by", "knownDevice"]),
    Row {
        event: "account.sessionEnded",
        when: Some(("reason", "tokenReused")),
        action: "session.refreshReused",
        outcome: Outcome::Refused,
        details: &["reason"],
    },
    row("account.sessionEnded", "session.ended", &["reason"]),
    row("account.sessionsEnded", "session.allEnded", &["reason"]),
    row("account.passwordChanged", "password.changed", &[]),
    row("account.passwordResetRequested", "password.resetRequested", &[]),
    row("account.passwordReset", "password.reset", &[]),
    row("account.phoneCodeRequested", "phone.codeRequested", &[]),
    row("account.phoneVerified", "phone.verified", &[]),
    row("account.phoneRemoved", "phone.removed", &[]),
    row("account.emailChangeRequested", "email.changeRequested", &[]),
    row("account.emailChanged", "email.changed", &[]),
    row("account.roleChanged", "role.changed", &["from", "to", "role"]),
    row("account.tierChanged", "tier.changed", &["from", "to", "tier"]),
    row("account.disabled", "account.disabled", &["reason"]),
    row("account.enabled", "account.enabled", &["reason"]),
    row("account.consentChanged", "consent.changed", &["purpose", "granted", "version"]),
    row("account.exportRequested", "export.requested", &[]),
    row("account.exportReady", "export.completed", &[]),
    Row {
        event: "account.exportFailed",
        when: None,
        action: "export.failed",
        outcome: Outcome::Failed,
        details: &["reason"],
    },
    row("account.exportDeleted", "export.deleted", &[]),
    row("account.erasureRequested", "erasure.requested", &[]),
    row("account.erasureCancelled", "erasure.cancelled", &[]),
    row("account.erased", "erasure.completed", &[]),
    row("apiKey.created", "apiKey.created", &["name", "tier", "expiresAt"]),
    row("apiKey.firstUsed", "apiKey.firstUsed", &[]),
    row("apiKey.revoked", "apiKey.revoked", &["reason"]),
    row("tenant.created", "tenant.created", &["placement", "tier"]),
    row("tenant.changed", "tenant.changed", &["status", "placement", "tier"]),
    row("tenant.suspended", "tenant.suspended", &["status"]),
    row("tenant.moving", "tenant.moving", &["from", "to"]),
    row("tenant.moved", "tenant.moved", &["from", "to"]),
    row("tenant.moveCancelled", "tenant.moveCancelled", &["from", "to"]),
    row("review.approved", "review.approved", &["productId"]),
    row("review.rejected", "review.rejected", &["productId"]),
    row("tiers.changed", "tiers.changed", &["tier"]),
    row("admin.created", "admin.created", &["by"]),
    row("product.created", "product.created", &["sku", "pricePaise"]),
    row("product.changed", "product.changed", &["sku", "fields", "priceFrom", "priceTo"]),
    row("product.archived", "product.archived", &["sku"]),
    row("product.restored", "product.restored", &["sku"]),
    row("products.imported", "products.imported", &["created", "changed", "skus"]),
    row("category.changed", "category.changed", &[]),
    row("policy.changed", "policy.changed", &[]),
];

/// Every action, each once.
pub fn all() -> impl Iterator<Item = &'static str> {
    NOTED.into_iter().chain(EVENTS.iter().map(|row| row.action))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_action_is_named_once_and_a_row_can_be_reached() {
        let names: BTreeSet<&str> = all().collect();
        assert_eq!(names.len(), all().count(), "an action stands in two rows");
        for (position, row) in EVENTS.iter().enumerate() {
            let hidden = EVENTS[..position].iter().any(|earlier| earlier.event == row.event && earlier.when.is_none());
            assert!(!hidden, "{} comes after a row that takes all of {}", row.action, row.event);
        }
    }

    #[test]
    fn no_row_takes_what_is_personal_or_secret() {
        let named = ["email", "phone", "token", "code", "password", "firstName", "lastName", "secret", "key"];
        for row in &EVENTS {
            assert!(!row.details.iter().any(|field| named.contains(field)), "{}", row.action);
        }
    }
}
