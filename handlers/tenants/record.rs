use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ports::documents::{Home, Writes};
use crate::types::{Placement, TenantId, TierId};

/// A boutique, as it is stored. A tenant without a record is an active one in the shared database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub kind: String,
    pub id: TenantId,
    pub name: String,
    /// The plan of its new customers.
    pub tier: TierId,
    /// Hosts of its storefront, in lower case: they choose the boutique for callers without a token.
    pub hosts: Vec<String>,
    pub suspended: bool,
    pub placement: Placement,
    /// Where its documents are being moved, while they are.
    pub movement: Option<Movement>,
    /// What the last movement left in another database.
    pub left_behind: Option<LeftBehind>,
    /// Counts the changes of the record, from 1.
    pub version: u64,
    pub created_at: DateTime<Utc>,
    pub changed_at: DateTime<Utc>,
}

/// A movement of a tenant's documents. Whoever works on it holds it for a while, so that two do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    pub to: Placement,
    pub step: Step,
    pub started_at: DateTime<Utc>,
    pub holder: String,
    pub held_until: DateTime<Utc>,
}

/// How far a movement has come; each step is done again when the one who did it died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase")]
pub enum Step {
    /// Waits until every process has learned that nothing may be written.
    Fencing,
    /// Copies, and compares what was copied.
    #[serde(rename_all = "camelCase")]
    Copying { since: DateTime<Utc> },
    /// The tenant is placed in the other database already; waits until every process has learned it.
    #[serde(rename_all = "camelCase")]
    Settling { from: Placement, copied_since: DateTime<Utc> },
}

/// Documents of a tenant in a database where it is no longer placed, or never was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftBehind {
    pub placement: Placement,
    /// Nothing there should have been written after this; what was is not in the new database. `None` where
    /// only copies lie.
    pub copied_since: Option<DateTime<Utc>>,
}

/// Whether a tenant can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    Active,
    /// It can be read; its documents are being moved to another database.
    Moving,
    /// Nobody can use it.
    Suspended,
}

impl Tenant {
    /// What marks records among the other documents of their container.
    pub const KIND: &'static str = "tenant";

    pub fn status(&self) -> Status {
        match &self.movement {
            _ if self.suspended => Status::Suspended,
            Some(_) => Status::Moving,
            None => Status::Active,
        }
    }

    /// Where its documents are.
    pub fn home(&self) -> Home {
        let writes = if self.movement.is_some() { Writes::Moving } else { Writes::Allowed };
        Home { placement: self.placement.clone(), writes }
    }

    /// The record after a change at `now`.
    pub fn changed(mut self, now: DateTime<Utc>) -> Self {
        self.version += 1;
        self.changed_at = now;
        self
    }
}
