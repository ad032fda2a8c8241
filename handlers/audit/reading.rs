//! The log as staff read it: newest first, a day's partition after the other.

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::AuditLog;
use super::record::{Record, partition, sortable_text};
use crate::containers::AUDIT;
use crate::ports::documents::{Filter, Order, Query, Scope};
use crate::ports::{Continuation, PortError, PortResult};
use crate::types::TenantId;

/// What one search may span.
pub const MAX_RANGE: Duration = Duration::days(31);

/// Which records are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// The first moment, and the one after the last.
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    pub action: Option<String>,
    pub actor: Option<String>,
    pub subject: Option<String>,
}

/// Where a search goes on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    pub search: Search,
    day: NaiveDate,
    after: Option<Continuation>,
}

impl Place {
    /// The beginning of a search: its newest record.
    pub fn first(search: Search) -> Self {
        Self { day: search.to.date_naive(), search, after: None }
    }
}

impl AuditLog {
    /// The next records of a tenant, `limit` at most, and where to go on. It asks one partition for each
    /// day of the search.
    ///
    /// # Errors
    /// `InvalidRequest` for a place that is none; those of the queries.
    pub async fn page(
        &self,
        tenant: &TenantId,
        place: Place,
        limit: usize,
    ) -> PortResult<(Vec<Record>, Option<Place>)> {
        let Place { search, mut day, mut after } = place;
        if search.to - search.from > MAX_RANGE || day > search.to.date_naive() {
            return Err(PortError::invalid("the place is outside of its search"));
        }
        let mut found = Vec::new();
        while day >= search.from.date_naive() {
            let query = Query {
                filters: search.filters(),
                order: Some(Order::Descending("at")),
                limit: limit - found.len(),
                continuation: after.take(),
            };
            let partition = partition(tenant, day);
            let page = self.documents.query(&AUDIT, Scope::Partition(&partition), query).await?;
            for document in &page.items {
                found.push(document.read::<Record>()?);
            }
            after = page.next;
            if after.is_none() {
                let Some(before) = day.checked_sub_days(Days::new(1)) else { break };
                day = before;
            }
            if found.len() >= limit {
                let more = day >= search.from.date_naive();
                return Ok((found, more.then_some(Place { search, day, after })));
            }
        }
        Ok((found, None))
    }
}

impl Search {
    fn filters(&self) -> Vec<Filter> {
        let equal = [("action", &self.action), ("actor", &self.actor), ("subject", &self.subject)];
        let equal = equal.into_iter().filter_map(|(field, value)| Some(Filter::Equal(field, value.clone()?.into())));
        let range = [
            Filter::GreaterOrEqual("at", sortable_text(self.from).into()),
            Filter::Less("at", sortable_text(self.to).into()),
        ];
        equal.chain(range).collect()
    }
}
