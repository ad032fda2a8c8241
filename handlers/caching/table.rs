//! The table of all caches: what is kept, for whom, where, how long, and what ends it.

use std::time::Duration;

use super::ScopeKind;

/// One cache.
#[derive(Debug)]
pub struct CachePolicy {
    /// In metrics, keys and the staff's endpoints: lower-case letters and hyphens.
    pub name: &'static str,
    /// Who may be given what it holds.
    pub scope: ScopeKind,
    pub levels: Levels,
    /// How long a value is fresh at most.
    pub fresh: Duration,
    /// By how many percent of `fresh` a value may end earlier, so that not all end at once.
    pub jitter: u8,
    /// How long a value is shown past its freshness while it is read anew (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// How long a value is shown past its freshness, or after a change, because it cannot be read (RFC 5861 §4).
    pub stale_if_error: Duration,
    /// How long it is believed that there is nothing; zero to look each time.
    pub negative: Duration,
    /// The changes that end a value. None where the key names the content.
    pub invalidated_by: &'static [ChangeKind],
    /// Its part of the memory for caches in the process, in percent: a fixed one, so that no cache starves
    /// another.
    pub share: u8,
}

/// Where values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    /// In the memory of each process.
    Process,
    /// There, and in the cache that all processes share, where there is one.
    ProcessAndShared,
}

impl Levels {
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::ProcessAndShared => "process+shared",
        }
    }
}

/// A kind of change that ends cached values. The change names the scope and the key of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A product, category or policy of a tenant.
    Catalogue,
    /// What is shown of a product's reviews.
    Reviews,
    /// What an account says of itself.
    Account,
}

impl ChangeKind {
    pub const ALL: [ChangeKind; 3] = [Self::Catalogue, Self::Reviews, Self::Account];

    /// As it is told among instances; stable.
    pub fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Reviews => "reviews",
            Self::Account => "account",
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A tenant's products, categories and policies with their index; its key is empty.
pub static CATALOGUE: CachePolicy = CachePolicy {
    name: "catalogue",
    scope: ScopeKind::Tenant,
    levels: Levels::ProcessAndShared,
    fresh: MINUTE,
    jitter: 20,
    stale_while_revalidate: MINUTE,
    stale_if_error: HOUR,
    negative: Duration::ZERO,
    invalidated_by: &[ChangeKind::Catalogue],
    share: 37,
};

/// Lists, searches and views of products as they are sent. The key names the version of the catalogue that
/// they show, so that no change has to end them.
pub static PRODUCT_ANSWERS: CachePolicy = CachePolicy {
    name: "product-answers",
    scope: ScopeKind::Tenant,
    levels: Levels::Process,
    fresh: HOUR,
    jitter: 0,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    negative: Duration::ZERO,
    invalidated_by: &[],
    share: 15,
};

/// How many stars a product got in its reviews; the key is the product.
pub static REVIEW_SUMMARIES: CachePolicy = CachePolicy {
    name: "review-summaries",
    scope: ScopeKind::Tenant,
    levels: Levels::Process,
    fresh: MINUTE,
    jitter: 20,
    stale_while_revalidate: MINUTE,
    stale_if_error: HOUR,
    negative: Duration::ZERO,
    invalidated_by: &[ChangeKind::Reviews],
    share: 3,
};

/// First pages of reviews as they are sent. The key names the version of the summary, which changes with
/// everything that is shown; a page that was read from a replica behind it is read again after a minute.
pub static REVIEW_ANSWERS: CachePolicy = CachePolicy {
    name: "review-answers",
    scope: ScopeKind::Tenant,
    levels: Levels::Process,
    fresh: MINUTE,
    jitter: 20,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: HOUR,
    negative: Duration::ZERO,
    invalidated_by: &[],
    share: 7,
};

/// Public answers as they are sent to who takes them compressed, by the hash of what they are without.
pub static CODED_ANSWERS: CachePolicy = CachePolicy {
    name: "coded-answers",
    scope: ScopeKind::Public,
    levels: Levels::Process,
    fresh: HOUR,
    jitter: 0,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    negative: Duration::ZERO,
    invalidated_by: &[],
    share: 15,
};

/// Synthesised speech by its name, which is the hash of all that shapes it.
pub static SPEECH: CachePolicy = CachePolicy {
    name: "speech",
    scope: ScopeKind::Public,
    levels: Levels::ProcessAndShared,
    fresh: HOUR,
    jitter: 20,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    // Names cannot be guessed: who asks before there is such speech is not a shopper.
    negative: Duration::from_secs(5),
    invalidated_by: &[],
    share: 15,
};

/// What a language model made of sentences, in values of closed vocabularies. The key is the hash of all that
/// shapes it; no word of a sentence is kept.
pub static UNDERSTANDINGS: CachePolicy = CachePolicy {
    name: "understandings",
    scope: ScopeKind::Tenant,
    levels: Levels::ProcessAndShared,
    fresh: HOUR,
    jitter: 20,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    negative: Duration::ZERO,
    invalidated_by: &[],
    share: 2,
};

/// What an account shows of itself to its owner; its key is empty. Not in Redis, which is to hold no names and
/// addresses.
pub static PROFILES: CachePolicy = CachePolicy { name: "profiles", ..OF_AN_ACCOUNT };

/// What clients keep with an account; its key is empty.
pub static PREFERENCES: CachePolicy = CachePolicy { name: "preferences", ..OF_AN_ACCOUNT };

const OF_AN_ACCOUNT: CachePolicy = CachePolicy {
    name: "",
    scope: ScopeKind::Caller,
    levels: Levels::Process,
    fresh: MINUTE,
    jitter: 20,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    negative: Duration::ZERO,
    invalidated_by: &[ChangeKind::Account],
    share: 2,
};

/// Addresses that are signed for a customer, by the blob: so that a player that asks again gets the address whose
/// sound it has. They are good for a good deal longer than they are kept.
pub static SIGNED_URLS: CachePolicy = CachePolicy {
    name: "signed-urls",
    scope: ScopeKind::Caller,
    levels: Levels::Process,
    fresh: MINUTE,
    jitter: 0,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    negative: Duration::ZERO,
    invalidated_by: &[],
    share: 2,
};

/// Every cache.
pub static TABLE: [&CachePolicy; 10] = [
    &CATALOGUE,
    &PRODUCT_ANSWERS,
    &REVIEW_SUMMARIES,
    &REVIEW_ANSWERS,
    &CODED_ANSWERS,
    &SPEECH,
    &UNDERSTANDINGS,
    &PROFILES,
    &PREFERENCES,
    &SIGNED_URLS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_shares_are_a_whole() {
        let names: BTreeSet<_> = TABLE.iter().map(|policy| policy.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
        assert_eq!(TABLE.iter().map(|policy| u32::from(policy.share)).sum::<u32>(), 100);
        assert!(TABLE.iter().all(|policy| policy.jitter <= 50 && policy.fresh >= Duration::from_secs(1)));
    }
}
