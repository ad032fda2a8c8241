use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::types::{SessionId, TenantId, TierId, UserId};

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

/// Who a valid token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub user: UserId,
    pub tenant: TenantId,
    pub role: Role,
    pub tier: TierId,
    pub session: SessionId,
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
