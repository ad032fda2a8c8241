//! What a container is declared to be.

use serde_json::{Value, json};

/// A set of documents that share a partition-key definition and a default lifetime.
#[derive(Debug, PartialEq, Eq)]
pub struct Container {
    pub name: &'static str,
    /// The fields of the hierarchical partition key, outermost first, without the slash:
    /// one to three.
    pub partition_key: &'static [&'static str],
    /// How long documents live that do not say so themselves, in seconds; `None` is for ever.
    /// Cosmos DB ignores a document's own lifetime unless its container has one, so there
    /// `None` is a container lifetime of -1.
    pub default_ttl: Option<u32>,
    pub indexing: Indexing,
}

/// Which fields a service indexes. Every indexed field makes every write dearer, and what no query names
/// is read by its id alone, hence the choice
/// (<https://learn.microsoft.com/azure/cosmos-db/index-policy>). `id` is always indexed.
#[derive(Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Every field; no order but by one field within a partition.
    Everything,
    /// The partition key's fields and these.
    Only {
        /// What queries compare, as in [`super::Filter`].
        fields: &'static [&'static str],
        /// What queries order by.
        orders: &'static [OrderIndex],
    },
}

/// An index for queries in the order of `by`, either way, with comparisons for equality with each of
/// `equal`: Cosmos DB orders by several fields (ties go by id) only along a composite index, and
/// finds the equal ones in it when they stand in front.
#[derive(Debug, PartialEq, Eq)]
pub struct OrderIndex {
    pub equal: &'static [&'static str],
    pub by: &'static str,
}

impl OrderIndex {
    /// The fields of the composite index, in their order.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.equal.iter().copied().chain([self.by, "id"])
    }
}

impl Container {
    /// Whether its documents belong to tenants, so that each lies in the database of its tenant: the
    /// partition key begins with the tenant.
    pub fn is_of_tenants(&self) -> bool {
        self.partition_key.first() == Some(&"tenantId")
    }

    /// The container as Azure's APIs take it: the body that creates one, and `properties.resource` of
    /// `Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers`.
    pub fn definition(&self) -> Value {
        let paths: Vec<String> = self.partition_key.iter().map(|field| path(field)).collect();
        let kind = if self.partition_key.len() == 1 { "Hash" } else { "MultiHash" };
        json!({
            "id": self.name,
            "partitionKey": { "paths": paths, "kind": kind, "version": 2 },
            "defaultTtl": self.default_ttl.map_or(-1, i64::from),
            "indexingPolicy": self.indexing_policy(),
        })
    }

    fn indexing_policy(&self) -> Value {
        let paths = |fields: &[String]| fields.iter().map(|path| json!({ "path": path })).collect::<Vec<_>>();
        // The service adds the version to what is not indexed; with it the policy compares equal.
        let version = "/\"_etag\"/?".to_owned();
        let (included, excluded, orders): (_, _, &[OrderIndex]) = match &self.indexing {
            Indexing::Everything => (vec!["/*".to_owned()], vec![version], &[]),
            Indexing::Only { fields, orders } => {
                let named = self.partition_key.iter().chain(*fields).filter(|field| **field != "id");
                (named.map(|field| format!("{}/?", path(field))).collect(), vec!["/*".to_owned(), version], *orders)
            }
        };
        json!({
            "automatic": true,
            "indexingMode": "consistent",
            "includedPaths": paths(&included),
            "excludedPaths": paths(&excluded),
            "compositeIndexes": self.composite_indexes(orders),
        })
    }

    /// One for each order, and one for listings of several partitions, which go by id and then by
    /// partition key.
    fn composite_indexes(&self, orders: &[OrderIndex]) -> Vec<Value> {
        let index = |fields: &mut dyn Iterator<Item = &'static str>| {
            fields.map(|field| json!({ "path": path(field), "order": "ascending" })).collect::<Value>()
        };
        let mut indexes: Vec<Value> = orders.iter().map(|order| index(&mut order.fields())).collect();
        let by_id: Vec<&'static str> =
            ["id"].into_iter().chain(self.partition_key.iter().copied().filter(|field| *field != "id")).collect();
        if by_id.len() > 1 {
            indexes.push(index(&mut by_id.into_iter()));
        }
        indexes
    }
}

/// A field named with dots, as a path.
fn path(field: &str) -> String {
    format!("/{}", field.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_indexes_what_is_asked_and_nothing_else() {
        let container = Container {
            name: "customers",
            partition_key: &["tenantId", "userId"],
            default_ttl: None,
            indexing: Indexing::Only {
                fields: &["kind", "result.intent"],
                orders: &[OrderIndex { equal: &["kind"], by: "createdAt" }],
            },
        };
        let ascending = |field: &str| json!({ "path": field, "order": "ascending" });
        let expected = json!({
            "id": "customers",
            "partitionKey": { "paths": ["/tenantId", "/userId"], "kind": "MultiHash", "version": 2 },
            "defaultTtl": -1,
            "indexingPolicy": {
                "automatic": true,
                "indexingMode": "consistent",
                "includedPaths": [
                    { "path": "/tenantId/?" }, { "path": "/userId/?" }, { "path": "/kind/?" },
                    { "path": "/result/intent/?" }
                ],
                "excludedPaths": [{ "path": "/*" }, { "path": "/\"_etag\"/?" }],
                "compositeIndexes": [
                    [ascending("/kind"), ascending("/createdAt"), ascending("/id")],
                    [ascending("/id"), ascending("/tenantId"), ascending("/userId")],
                ],
            },
        });
        assert_eq!(container.definition(), expected);
    }

    #[test]
    fn where_the_id_is_the_partition_key_no_composite_index_is_needed() {
        let container = Container {
            name: "claims",
            partition_key: &["id"],
            default_ttl: Some(5),
            indexing: Indexing::Only { fields: &[], orders: &[] },
        };
        let definition = container.definition();
        assert_eq!(definition["defaultTtl"], json!(5));
        assert_eq!(definition["partitionKey"], json!({ "paths": ["/id"], "kind": "Hash", "version": 2 }));
        assert_eq!(definition["indexingPolicy"]["includedPaths"], json!([]));
        assert_eq!(definition["indexingPolicy"]["compositeIndexes"], json!([]));
    }
}
