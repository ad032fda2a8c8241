use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scope::{Owner, PerCaller, entry_key};
use super::{ChangeKind, PerTenant};
use crate::types::{ApiKeyId, ProductId, SessionId, TenantId, UserId};

/// The bytes of tags in one message at most: a message is at most 8 KiB.
const MESSAGE_BYTES: usize = 6 << 10;

/// A change that ends one value in each cache whose row names its kind. Its text form, the tag, is
/// `kind:scope:key`, such as `catalogue:pravis:`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    kind: &'static str,
    /// The key of the value within its cache.
    entry: String,
}

impl Change {
    /// Products, categories or policies of a tenant.
    pub fn catalogue(tenant: &TenantId) -> Self {
        Self { kind: ChangeKind::Catalogue.name(), entry: entry_key::<PerTenant>(tenant, "") }
    }

    /// What is shown of a product's reviews.
    pub fn reviews(tenant: &TenantId, product: &ProductId) -> Self {
        Self { kind: ChangeKind::Reviews.name(), entry: entry_key::<PerTenant>(tenant, product.as_str()) }
    }

    /// What an account says of itself: its profile, its preferences.
    pub fn account(owner: Owner<'_>) -> Self {
        Self { kind: ChangeKind::Account.name(), entry: entry_key::<PerCaller>(owner, "") }
    }

    /// The change that a tag names; `None` for a kind that this version does not know.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let (kind, entry) = tag.split_once(':')?;
        let kind = ChangeKind::ALL.into_iter().find(|known| known.name() == kind)?;
        entry.contains(':').then(|| Self { kind: kind.name(), entry: entry.to_owned() })
    }

    pub fn tag(&self) -> String {
        format!("{}:{}", self.kind, self.entry)
    }

    /// The tenant whose value it ends; empty for public ones.
    pub fn tenant(&self) -> &str {
        let scope = self.entry.split(':').next().unwrap_or_default();
        scope.split('/').next().unwrap_or_default()
    }

    pub(super) fn ends(&self, kinds: &[ChangeKind]) -> bool {
        kinds.iter().any(|kind| kind.name() == self.kind)
    }

    pub(super) fn entry(&self) -> &str {
        &self.entry
    }
}

/// What instances tell each other: the one form of all messages of
/// [`Invalidations`](crate::ports::cache::Invalidations). On the wire an object with one field, named after
/// the variant. Instances of other versions are among the listeners: a variant may be added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum News {
    /// Nobody is signed in by this session any more.
    SessionEnded(SessionId),
    /// Access tokens of the account that are of a lesser version are void.
    AccountChanged {
        user: UserId,
        version: u64,
    },
    /// The sessions of the account of earlier epochs have ended.
    SessionsEnded {
        user: UserId,
        epoch: u32,
    },
    ApiKeyRevoked(ApiKeyId),
    /// A boutique's record: its status, or where its documents are.
    TenantChanged(TenantId),
    /// A boutique's tier table.
    TiersChanged(TenantId),
    /// Tags of what changed.
    Changed(Vec<String>),
    /// Everything in one cache is to be forgotten, and the shared one is used under a new number.
    Cleared {
        cache: String,
        epoch: u64,
    },
}

/// What a listener makes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    News(News),
    /// Of a kind that this version has nothing for.
    Foreign,
    /// It may have been anything.
    Unreadable,
}

impl News {
    /// The news of changes, in as many messages as they need.
    pub fn of_changes(changes: &[Change]) -> Vec<Self> {
        let mut messages = Vec::new();
        let (mut tags, mut bytes) = (Vec::new(), 0);
        for tag in changes.iter().map(Change::tag) {
            if bytes + tag.len() > MESSAGE_BYTES && !tags.is_empty() {
                messages.push(Self::Changed(std::mem::take(&mut tags)));
                bytes = 0;
            }
            bytes += tag.len() + 3;
            tags.push(tag);
        }
        if !tags.is_empty() {
            messages.push(Self::Changed(tags));
        }
        messages
    }

    /// As it is published.
    pub fn message(&self) -> Bytes {
        // None of the variants can fail to serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// What was published. Who gets something unreadable must take it for a gap.
    pub fn read(message: &[u8]) -> Message {
        if let Ok(news) = serde_json::from_slice(message) {
            return Message::News(news);
        }
        match serde_json::from_slice(message) {
            Ok(Value::Object(fields)) if fields.len() == 1 && !fields.keys().any(|name| is_known(name)) => {
                Message::Foreign
            }
            _ => Message::Unreadable,
        }
    }
}

fn is_known(name: &str) -> bool {
    matches!(
        name,
        "sessionEnded"
            | "accountChanged"
            | "sessionsEnded"
            | "apiKeyRevoked"
            | "tenantChanged"
            | "tiersChanged"
            | "changed"
            | "cleared"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_read_as_they_were_written() {
        let session: SessionId = "ses_01KAXQ8W0V7D3T4Z5J6N8P9R2S".parse().unwrap();
        for (news, wire) in [
            (News::SessionEnded(session), r#"{"sessionEnded":"ses_01KAXQ8W0V7D3T4Z5J6N8P9R2S"}"#),
            (News::Changed(vec!["catalogue:pravis:".into()]), r#"{"changed":["catalogue:pravis:"]}"#),
            (News::Cleared { cache: "speech".into(), epoch: 7 }, r#"{"cleared":{"cache":"speech","epoch":7}}"#),
        ] {
            assert_eq!(news.message(), wire, "the form is known to instances of other versions");
            assert_eq!(News::read(wire.as_bytes()), Message::News(news));
        }
    }

    #[test]
    fn news_of_later_versions_are_passed_over_and_garbage_is_not() {
        assert_eq!(News::read(br#"{"tierChanged":{"tier":"premium"}}"#), Message::Foreign);
        for message in ["", "{}", "null", "\"changed\"", r#"{"changed":7}"#, r#"{"cleared":{}}"#, "\u{fffd}"] {
            assert_eq!(News::read(message.as_bytes()), Message::Unreadable, "{message}");
        }
    }

    #[test]
    fn a_tag_is_a_change() {
        let change = Change::catalogue(&TenantId::pravis());
        assert_eq!(change.tag(), "catalogue:pravis:");
        assert_eq!(change.tenant(), "pravis");
        assert_eq!(Change::of_tag("catalogue:pravis:"), Some(change));
        let product: ProductId = "prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S".parse().unwrap();
        let change = Change::reviews(&TenantId::pravis(), &product);
        assert_eq!(change.tag(), "reviews:pravis:prd_01KAXQ8W0V7D3T4Z5J6N8P9R2S");
        assert_eq!(Change::of_tag(&change.tag()), Some(change));
        for tag in ["", "catalogue", "catalogue:pravis", "weather:pravis:"] {
            assert_eq!(Change::of_tag(tag), None, "{tag}");
        }
    }

    #[test]
    fn many_changes_go_in_messages_of_the_size_that_may_be_published() {
        let changes: Vec<Change> =
            (0..500).map(|number| Change { kind: "catalogue", entry: format!("boutique-{number:020}:") }).collect();
        let messages = News::of_changes(&changes);
        assert!(messages.iter().all(|news| news.message().len() <= 8 << 10));
        let tags: Vec<String> = messages
            .into_iter()
            .flat_map(|news| match news {
                News::Changed(tags) => tags,
                _ => Vec::new(),
            })
            .collect();
        assert_eq!(tags, changes.iter().map(Change::tag).collect::<Vec<_>>());
        assert!(News::of_changes(&[]).is_empty());
    }
}
