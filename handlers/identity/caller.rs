use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Permission;
use crate::error::{Code, Error, Result};
use crate::types::{ApiKeyId, SessionId, TenantId, TierId, UserId};

/// What a person or a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Customer,
    Staff,
    Admin,
    /// A program of ours or of a partner.
    Service,
}

/// By what a caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An access token of a session: a person has signed in.
    Session(SessionId),
    /// A key of a program, which may do what its scopes say.
    ApiKey { id: ApiKeyId, scopes: Vec<Permission> },
}

/// Who a valid credential speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person. For a program it is the twin of the key's id: nobody's account, and what the program
    /// stores is stored under it.
    pub user: UserId,
    pub tenant: TenantId,
    pub role: Role,
    pub tier: TierId,
    /// The version of the account that says so; see [`super::LiveSessions`]. 0 for a program.
    pub version: u64,
    pub credential: Credential,
}

impl Principal {
    /// Whether the caller may do this. It is the credential that counts: a program may less than its role.
    pub fn may(&self, permission: Permission) -> bool {
        match &self.credential {
            Credential::Session(_) => self.role.may(permission),
            Credential::ApiKey { scopes, .. } => scopes.contains(&permission),
        }
    }

    /// The session of the person who calls.
    ///
    /// # Errors
    /// [`Code::NotPermitted`] when the caller is a program.
    pub fn session(&self) -> Result<&SessionId> {
        match &self.credential {
            Credential::Session(session) => Ok(session),
            Credential::ApiKey { .. } => Err(Error::new(Code::NotPermitted, "This is for people who have signed in.")),
        }
    }
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    Anonymous { tenant: TenantId },
    Known(Principal),
}

impl Caller {
    /// The boutique whose data the caller may see.
    pub fn tenant(&self) -> &TenantId {
        match self {
            Self::Anonymous { tenant } => tenant,
            Self::Known(principal) => &principal.tenant,
        }
    }

    pub fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Anonymous { .. } => None,
            Self::Known(principal) => Some(principal),
        }
    }
}
