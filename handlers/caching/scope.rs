use crate::types::{TenantId, UserId};

/// Who may be given what a cache holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeKind {
    /// Everybody.
    Public,
    /// Everybody in one boutique.
    Tenant,
    /// One customer.
    Caller,
}

impl ScopeKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Tenant => "tenant",
            Self::Caller => "caller",
        }
    }
}

/// A scope as a type: what a cache of this scope must be told to be read.
pub trait Scope: 'static {
    type Of<'a>: Copy;
    const KIND: ScopeKind;

    /// The scope in the keys of its cache; ends before the first colon, which no tenant and no user has.
    fn text(of: Self::Of<'_>) -> String;
}

/// The same for everybody.
pub enum Public {}

/// One for each boutique.
pub enum PerTenant {}

/// One for each customer.
pub enum PerCaller {}

/// Whose a private value is: taken from the caller's token.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub tenant: &'a TenantId,
    pub user: &'a UserId,
}

impl Scope for Public {
    type Of<'a> = ();
    const KIND: ScopeKind = ScopeKind::Public;

    fn text((): ()) -> String {
        String::new()
    }
}

impl Scope for PerTenant {
    type Of<'a> = &'a TenantId;
    const KIND: ScopeKind = ScopeKind::Tenant;

    fn text(tenant: &TenantId) -> String {
        tenant.to_string()
    }
}

impl Scope for PerCaller {
    type Of<'a> = Owner<'a>;
    const KIND: ScopeKind = ScopeKind::Caller;

    fn text(owner: Owner<'_>) -> String {
        format!("{}/{}", owner.tenant, owner.user)
    }
}

/// The key of a value within its cache.
pub(super) fn entry_key<S: Scope>(scope: S::Of<'_>, key: &str) -> String {
    let mut entry = S::text(scope);
    entry.reserve(key.len() + 1);
    entry.push(':');
    entry.push_str(key);
    entry
}
