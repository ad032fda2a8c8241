//! Listings: queries in an order that is whole (it ends with id and partition key), continued after the last
//! document's place in it.
//!
//! The service's own continuation tokens are not used: one of an ordered query does not outlive a split of its
//! partition, nor documents that change. Fields are checked to be plain names; values are bound.
//!
//! Arrays and objects have no order of their own, so they are ties here; the service refuses to sort by them
//! over several partitions and elsewhere sorts them by an inner hash. Hence a listing can have two
//! parts, without them and of them alone.

mod filter;
mod place;

use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::error::CosmosError;
use azure_data_cosmos::feed::{FeedScope, Query as WireQuery};
use azure_data_cosmos::options::QueryOptions;
use futures_util::StreamExt;

use self::filter::Sql;
use self::place::{Place, SortKey};
use super::super::token;
use super::connection::Account;
use super::item::Stored;
use super::options::page_of;
use super::wire_key;
use crate::ports::documents::{Container, Document, Filter, Indexing, Order, OrderIndex, Query, Scope};
use crate::ports::{Page, PortResult};

/// A page ends once its bodies take this many bytes, as in the service, so that its memory is bounded.
const PAGE_BYTES: usize = 4 << 20;

/// A checked query.
pub(super) struct Listing<'a> {
    container: &'static Container,
    filters: &'a [Filter],
    scope: FeedScope,
    /// Values that the partition key begins with, where the scope alone may not say so.
    prefix: &'a [String],
    /// The field that the query is ordered by; only by id without one.
    by: Option<&'static str>,
    descending: bool,
    /// Whether several partitions are listed.
    wide: bool,
    after: Option<Place>,
    /// What its continuation tokens are bound to.
    name: String,
}

/// Which of its documents a listing is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// Those whose sort field is neither an array nor an object.
    Plain,
    /// The others, which come by id.
    Composite,
}

impl<'a> Listing<'a> {
    /// # Errors
    /// `InvalidRequest` for a continuation of another listing.
    pub fn new(container: &'static Container, scope: &'a Scope<'_>, query: &'a Query) -> PortResult<Self> {
        let name = format!("{} {scope:?} {:?} {:?}", container.name, query.filters, query.order);
        let after = query.continuation.as_ref().map(|given| token::decode(&name, given)).transpose()?;
        let (feed, prefix): (_, &[String]) = match scope {
            Scope::Partition(key) => (FeedScope::partition(wire_key(&key.0)?), &[]),
            Scope::Prefix(values) => (FeedScope::partition(wire_key(values)?), values),
            Scope::Container => (FeedScope::full_container(), &[]),
        };
        let by = match query.order {
            None | Some(Order::Ascending("id") | Order::Descending("id")) => None,
            Some(Order::Ascending(field) | Order::Descending(field)) => Some(field),
        };
        Ok(Self {
            container,
            filters: &query.filters,
            scope: feed,
            prefix,
            by,
            descending: matches!(query.order, Some(Order::Descending(_))),
            wide: !matches!(scope, Scope::Partition(_)),
            after,
            name,
        })
    }

    /// The next page.
    pub async fn page(&self, account: &Account, limit: usize) -> PortResult<Page<Document>> {
        // One more, so that the last page is known as such.
        let mut found = match self.by {
            Some(_) if self.wide => self.found_in_parts(account, limit + 1).await?,
            Some(_) => {
                let found = self.found(account, Part::All, limit + 1).await?;
                match found
                    .documents
                    .iter()
                    .any(|document| self.place(document).is_ok_and(|place| place.is_composite()))
                {
                    true => self.found_in_parts(account, limit + 1).await?,
                    false => found,
                }
            }
            None => self.found(account, Part::All, limit + 1).await?,
        };
        let more = found.cut || found.documents.len() > limit;
        found.documents.truncate(limit);
        let next = match found.documents.last() {
            Some(last) if more => Some(token::encode(&self.name, &self.place(last)?)?),
            _ => None,
        };
        let items = found
            .documents
            .into_iter()
            .map(|stored| stored.into_document(self.container))
            .collect::<PortResult<_>>()?;
        Ok(Page { items, next })
    }

    async fn found_in_parts(&self, account: &Account, wanted: usize) -> PortResult<Found> {
        let reached = self.after.as_ref().map(Place::is_composite);
        let parts: &[Part] = match (self.descending, reached) {
            (false, None | Some(false)) => &[Part::Plain, Part::Composite],
            (false, Some(true)) => &[Part::Composite],
            (true, None | Some(true)) => &[Part::Composite, Part::Plain],
            (true, Some(false)) => &[Part::Plain],
        };
        let mut all = Found::default();
        for part in parts {
            if all.documents.len() < wanted && !all.cut && !self.is_ruled_out(*part) {
                let found = self.found(account, *part, wanted - all.documents.len()).await?;
                all.documents.extend(found.documents);
                all.cut = found.cut;
            }
        }
        Ok(all)
    }

    /// Whether a filter says already that the sort field is no array and no object.
    fn is_ruled_out(&self, part: Part) -> bool {
        let plain = |filter: &Filter| match filter {
            Filter::Equal(field, _)
            | Filter::NotEqual(field, _)
            | Filter::Less(field, _)
            | Filter::LessOrEqual(field, _)
            | Filter::Greater(field, _)
            | Filter::GreaterOrEqual(field, _)
            | Filter::In(field, _)
            | Filter::StartsWith(field, _) => Some(*field) == self.by,
            Filter::ArrayContains(..) => false,
        };
        part == Part::Composite && self.filters.iter().any(plain)
    }

    async fn found(&self, account: &Account, part: Part, wanted: usize) -> PortResult<Found> {
        let sql = self.sql(part);
        let found = account.with_container("query", self.container, |client| {
            let (sql, scope) = (&sql, self.scope.clone());
            async move { fetch(&client, sql.query()?, scope, wanted).await }
        });
        found.await
    }

    fn sql(&self, part: Part) -> Sql {
        let mut sql = Sql::new();
        for (field, value) in self.container.partition_key.iter().zip(self.prefix) {
            sql.equal(field, value);
        }
        for filter in self.filters {
            sql.matches(filter);
        }
        let by = match part {
            Part::All => self.by,
            Part::Plain => {
                sql.and(&format!("NOT {}", filter::composite(self.by.unwrap_or("id"))));
                self.by
            }
            Part::Composite => {
                sql.and(&filter::composite(self.by.unwrap_or("id")));
                None
            }
        };
        // Of the part that comes second, all are beyond a place in the first.
        if let Some(place) = &self.after
            && (part == Part::All || place.is_composite() == (part == Part::Composite))
        {
            sql.beyond(place, by, self.descending, self.wide.then_some(self.container.partition_key));
        }
        sql.order(&self.sort_fields(by), self.descending);
        sql
    }

    /// What a page is sorted by: a composite index has these fields.
    fn sort_fields(&self, by: Option<&'static str>) -> Vec<&'static str> {
        let mut fields = match by.map(|by| (by, self.index(by))) {
            Some((_, Some(index))) => index.fields().collect(),
            Some((by, None)) => vec![by, "id"],
            None => vec!["id"],
        };
        if self.wide {
            fields.extend(self.container.partition_key);
        }
        let mut seen = Vec::with_capacity(fields.len());
        fields.retain(|field| {
            !seen.contains(field) && {
                seen.push(*field);
                true
            }
        });
        fields
    }

    /// The index for this order that uses most of the query's comparisons. Fields that are equal in all documents
    /// change nothing in their order.
    fn index(&self, by: &str) -> Option<&'static OrderIndex> {
        let Indexing::Only { orders, .. } = &self.container.indexing else { return None };
        let equal =
            |field: &&str| self.filters.iter().any(|filter| matches!(filter, Filter::Equal(held, _) if held == field));
        let fits = |index: &&OrderIndex| index.by == by && index.equal.iter().all(&equal);
        orders.iter().filter(fits).max_by_key(|index| index.equal.len())
    }

    fn place(&self, document: &Stored) -> PortResult<Place> {
        let value = self.by.map_or(SortKey::None, |field| SortKey::of(document.at(field)));
        let partition = match self.wide {
            true => self.container.partition_key.iter().map(|field| document.text(field)).collect::<PortResult<_>>()?,
            false => Vec::new(),
        };
        Ok(Place { value, id: document.text("id")?, partition })
    }
}

#[derive(Default)]
struct Found {
    documents: Vec<Stored>,
    /// Whether there were more, but too many bytes.
    cut: bool,
}

/// The first documents of a query.
async fn fetch(
    client: &ContainerClient,
    query: WireQuery,
    scope: FeedScope,
    wanted: usize,
) -> Result<Found, CosmosError> {
    let options = QueryOptions::default().with_max_item_count(page_of(wanted));
    let mut pages = client.query_items::<Stored>(query, scope, Some(options)).await?.into_pages();
    let mut found = Found::default();
    let mut bytes = 0;
    while let Some(page) = pages.next().await {
        for document in page?.into_items() {
            if found.documents.len() == wanted || bytes >= PAGE_BYTES {
                found.cut = found.documents.len() < wanted;
                return Ok(found);
            }
            bytes += document.size();
            found.documents.push(document);
        }
        if found.documents.len() >= wanted {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ports::documents::PartitionKey;

    static CUSTOMERS: Container = Container {
        name: "customers",
        partition_key: &["tenantId", "userId"],
        default_ttl: None,
        indexing: Indexing::Only {
            fields: &["kind"],
            orders: &[
                OrderIndex { equal: &["kind"], by: "createdAt" },
                OrderIndex { equal: &["kind", "status"], by: "createdAt" },
            ],
        },
    };

    fn text(scope: &Scope<'_>, query: &Query) -> String {
        let listing = Listing::new(&CUSTOMERS, scope, query).unwrap();
        let sql = serde_json::to_value(listing.sql(Part::All).query().unwrap()).unwrap();
        sql["query"].as_str().unwrap().to_owned()
    }

    /// The service refuses an order by several fields that no composite index has, in this order.
    #[test]
    fn an_order_goes_along_the_index_that_fits_best() {
        let ana = PartitionKey::of(["t", "ana"]);
        let equal = |field| Filter::Equal(field, json!("x"));
        let order = Some(Order::Descending("createdAt"));
        let of = |filters| text(&Scope::Partition(&ana), &Query { filters, order, ..Query::default() });
        assert_eq!(
            of(vec![equal("kind")]),
            "SELECT * FROM c WHERE c.kind = @p0 ORDER BY c.kind DESC, c.createdAt DESC, c.id DESC"
        );
        let both = of(vec![equal("status"), equal("kind")]);
        assert!(both.ends_with(" ORDER BY c.kind DESC, c.status DESC, c.createdAt DESC, c.id DESC"), "{both}");
    }

    #[test]
    fn a_listing_without_order_needs_no_index_in_one_partition() {
        let ana = PartitionKey::of(["t", "ana"]);
        assert_eq!(text(&Scope::Partition(&ana), &Query::default()), "SELECT * FROM c ORDER BY c.id ASC");
        let wide = text(&Scope::Container, &Query::default());
        assert_eq!(wide, "SELECT * FROM c ORDER BY c.id ASC, c.tenantId ASC, c.userId ASC");
    }

    #[test]
    fn a_page_goes_on_after_a_place_of_any_type() {
        let place = |value| Place { value, id: "a".to_owned(), partition: Vec::new() };
        let beyond = |value, descending| {
            let mut sql = Sql::new();
            sql.beyond(&place(value), Some("v"), descending, None);
            let query = serde_json::to_value(sql.query().unwrap()).unwrap();
            query["query"].as_str().unwrap().trim_start_matches("SELECT * FROM c WHERE ").to_owned()
        };
        let number = || SortKey::Scalar(json!(5));
        assert_eq!(
            beyond(number(), false),
            "((IS_NUMBER(c.v) AND c.v > @p2) OR IS_STRING(c.v) OR (IS_ARRAY(c.v) OR IS_OBJECT(c.v)) \
             OR (c.v = @p1 AND c.id > @p0))"
        );
        assert_eq!(
            beyond(number(), true),
            "((IS_NUMBER(c.v) AND c.v < @p2) OR NOT IS_DEFINED(c.v) OR IS_NULL(c.v) OR c.v = false OR c.v = true \
             OR (c.v = @p1 AND c.id < @p0))"
        );
        assert_eq!(beyond(SortKey::Absent, true), "((NOT IS_DEFINED(c.v) AND c.id < @p0))");
    }
}
