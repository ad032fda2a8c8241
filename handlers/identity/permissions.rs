//! Who may do what beyond their own account: one table from role to permissions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Role;

/// One thing that staff, administrators and programs do. A customer needs none: what is their own is
/// theirs by their token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    /// Reading the metrics of an instance.
    ReadMetrics,
    /// Reading what customers ask for, and other reports.
    ReadReports,
    /// Writing products, categories and policies.
    ManageCatalogue,
    /// Seeing customers' orders with their addresses, and moving them.
    ManageOrders,
    /// Having many recordings worked in one go.
    UseBatches,
    /// Finding accounts; disabling those of customers.
    ManageUsers,
    /// Giving roles; disabling any account.
    ManageRoles,
    /// Reading the tier table.
    ReadTiers,
    /// Writing the tier table; giving tiers.
    ManageTiers,
    /// Opening, moving and suspending boutiques.
    ManageTenants,
    /// Making and revoking API keys.
    ManageApiKeys,
    /// Reading the log of security events.
    ReadAudit,
    /// Caches, storage life, dead letters.
    ManageOperations,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 13] = [
        Self::ReadMetrics,
        Self::ReadReports,
        Self::ManageCatalogue,
        Self::ManageOrders,
        Self::UseBatches,
        Self::ManageUsers,
        Self::ManageRoles,
        Self::ReadTiers,
        Self::ManageTiers,
        Self::ManageTenants,
        Self::ManageApiKeys,
        Self::ReadAudit,
        Self::ManageOperations,
    ];

    /// Its name in JSON.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    }

    /// Whether an API key may hold it. A key is kept in the settings of a program, so it never decides who
    /// may do what.
    pub fn suits_a_key(self) -> bool {
        matches!(self, Self::ReadMetrics | Self::ReadReports | Self::ManageCatalogue | Self::UseBatches)
    }
}

impl Role {
    /// The table.
    pub fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Customer => &[],
            Self::Staff => &[
                Permission::ReadMetrics,
                Permission::ReadReports,
                Permission::ManageCatalogue,
                Permission::ManageOrders,
                Permission::UseBatches,
                Permission::ManageUsers,
                Permission::ReadTiers,
                Permission::ReadAudit,
            ],
            Self::Admin => &Permission::ALL,
            Self::Service => &[Permission::ReadMetrics],
        }
    }

    /// Whether the role gives a permission.
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_lesser_one_may() {
        for permission in Permission::ALL {
            assert!(!Role::Customer.may(permission), "{permission:?}");
            assert!(Role::Admin.may(permission), "{permission:?}");
        }
        for decides in
            [Permission::ManageRoles, Permission::ManageTiers, Permission::ManageTenants, Permission::ManageApiKeys]
        {
            assert!(!Role::Staff.may(decides) && !decides.suits_a_key(), "{decides:?}");
        }
    }
}
