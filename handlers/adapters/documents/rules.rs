//! What every adapter refuses before it asks its service, and how a body is put together.
//! The limits are those of Cosmos DB ("Azure Cosmos DB service quotas").

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::ports::documents::{Container, Filter, NewDocument, Operation, Order, PartitionKey, Query, Scope, Ttl};
use crate::ports::{Condition, ETag, PortError, PortErrorKind, PortResult};

/// The largest body, and the largest sum of bodies in a batch, in bytes of JSON.
pub(super) const BODY_BYTES: usize = 2 << 20;

const ID_CHARS: usize = 255;
const PARTITION_BYTES: usize = 2048;
const BATCH_OPERATIONS: usize = 100;
const NESTING: usize = 128;
const IN_VALUES: usize = 100;
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1000;

/// A document ready to be stored.
#[derive(Debug)]
pub(super) struct Prepared {
    pub id: String,
    pub body: Box<RawValue>,
    /// Seconds from the write; `None` is for ever.
    pub lifetime: Option<u32>,
}

/// One write, checked.
#[derive(Debug)]
pub(super) enum Step {
    Create(Prepared),
    Upsert(Prepared),
    Replace(Prepared, Option<ETag>),
    Delete(String, Option<ETag>),
}

impl Step {
    pub fn of(container: &Container, partition: &PartitionKey, operation: Operation) -> PortResult<Self> {
        Ok(match operation {
            Operation::Create(document) => Self::Create(prepare(container, partition, document)?),
            Operation::Upsert(document) => Self::Upsert(prepare(container, partition, document)?),
            Operation::Replace(document, condition) => {
                Self::Replace(prepare(container, partition, document)?, version(condition)?)
            }
            Operation::Delete(id, condition) => {
                check_id(&id)?;
                Self::Delete(id, version(condition)?)
            }
        })
    }

    fn body_bytes(&self) -> usize {
        match self {
            Self::Create(document) | Self::Upsert(document) | Self::Replace(document, _) => document.body.get().len(),
            Self::Delete(..) => 0,
        }
    }
}

/// Checks a batch; on a refusal gives the position of the operation that is at fault.
pub(super) fn steps(
    container: &Container,
    partition: &PartitionKey,
    operations: Vec<Operation>,
) -> Result<Vec<Step>, (usize, PortError)> {
    if !(1..=BATCH_OPERATIONS).contains(&operations.len()) {
        return Err((0, PortError::invalid(format!("a batch of {} operations, not 1 to 100", operations.len()))));
    }
    let mut bytes = 0;
    let mut steps = Vec::with_capacity(operations.len());
    for (index, operation) in operations.into_iter().enumerate() {
        let step = Step::of(container, partition, operation).map_err(|error| (index, error))?;
        bytes += step.body_bytes();
        if bytes > BODY_BYTES {
            return Err((index, PortError::new(PortErrorKind::TooLarge, "a batch of more than 2 MB")));
        }
        steps.push(step);
    }
    Ok(steps)
}

pub(super) fn check_id(id: &str) -> PortResult<()> {
    let chars = id.chars().count();
    if !(1..=ID_CHARS).contains(&chars) {
        return Err(PortError::invalid(format!("a document id of {chars} characters, not 1 to 255")));
    }
    match id.contains(['/', '\\', '?', '#']) {
        true => Err(PortError::invalid("a document id with one of / \\ ? #")),
        false => Ok(()),
    }
}

pub(super) fn check_partition(container: &Container, partition: &PartitionKey) -> PortResult<()> {
    check_values(container, &partition.0)?;
    match partition.0.len() == container.partition_key.len() {
        true => Ok(()),
        false => Err(PortError::invalid(format!(
            "{} partition-key values where {} has {}",
            partition.0.len(),
            container.name,
            container.partition_key.len()
        ))),
    }
}

fn check_values(container: &Container, values: &[String]) -> PortResult<()> {
    let bytes: usize = values.iter().map(String::len).sum();
    if values.is_empty() || values.len() > container.partition_key.len() || bytes > PARTITION_BYTES {
        return Err(PortError::invalid(format!("not a partition key of {}", container.name)));
    }
    Ok(())
}

fn version(condition: Condition) -> PortResult<Option<ETag>> {
    match condition {
        Condition::None => Ok(None),
        Condition::IfMatch(etag) => Ok(Some(etag)),
        Condition::IfAbsent => Err(PortError::invalid("a replacement or deletion of what is absent")),
    }
}

fn prepare(container: &Container, partition: &PartitionKey, document: NewDocument) -> PortResult<Prepared> {
    let NewDocument { id, mut body, ttl } = document;
    check_id(&id)?;
    if let Some(name) = body.keys().find(|name| name.starts_with('_')) {
        return Err(PortError::invalid(format!("the field {name}: names with an underscore first are the service's")));
    }
    if body.values().any(|value| deeper_than(value, NESTING - 1)) {
        return Err(PortError::invalid("a document nested more than 128 deep"));
    }
    let lifetime = set_ttl(&mut body, ttl, container)?;
    for (&field, value) in container.partition_key.iter().zip(&partition.0) {
        body.insert(field.to_owned(), Value::String(value.clone()));
    }
    // Where the id is the partition key, both must be the same text.
    if container.partition_key.contains(&"id") && body.get("id") != Some(&Value::String(id.clone())) {
        return Err(PortError::invalid("an id that is not the partition key's"));
    }
    body.insert("id".to_owned(), Value::String(id.clone()));
    let body = to_raw_value(&body)
        .map_err(|error| PortError::invalid("a document that does not serialise").with_source(error))?;
    if body.get().len() > BODY_BYTES {
        return Err(PortError::new(PortErrorKind::TooLarge, format!("a document of {} bytes", body.get().len())));
    }
    Ok(Prepared { id, body, lifetime })
}

/// Writes `ttl` as Cosmos DB reads it ("Time to Live in Azure Cosmos DB"): seconds, -1 for
/// ever, absent as the container says. Gives the seconds that follow from it.
fn set_ttl(body: &mut Map<String, Value>, ttl: Ttl, container: &Container) -> PortResult<Option<u32>> {
    match ttl {
        Ttl::Default => {
            body.remove("ttl");
            Ok(container.default_ttl)
        }
        Ttl::Never => {
            body.insert("ttl".to_owned(), Value::from(-1));
            Ok(None)
        }
        Ttl::Seconds(seconds) if seconds >= 1 && i32::try_from(seconds).is_ok() => {
            body.insert("ttl".to_owned(), Value::from(seconds));
            Ok(Some(seconds))
        }
        Ttl::Seconds(seconds) => Err(PortError::invalid(format!("a lifetime of {seconds} s, not 1 to 2147483647"))),
    }
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper_than(item, levels - 1)),
        Value::Object(fields) => levels == 0 || fields.values().any(|field| deeper_than(field, levels - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Checks what a query asks, so that an adapter may put its fields into a query's text.
pub(super) fn check_query(container: &Container, scope: &Scope<'_>, query: &Query) -> PortResult<()> {
    match scope {
        Scope::Partition(partition) => check_partition(container, partition)?,
        Scope::Prefix(values) => check_values(container, values)?,
        Scope::Container => {}
    }
    if let Some(Order::Ascending(field) | Order::Descending(field)) = query.order {
        check_field(field)?;
    }
    query.filters.iter().try_for_each(check_filter)
}

/// The documents of a page, from a caller's `limit`.
pub(super) fn page_size(limit: usize) -> PortResult<usize> {
    match limit {
        0 => Ok(PAGE_DEFAULT),
        1..=PAGE_MAX => Ok(limit),
        _ => Err(PortError::invalid(format!("a page of {limit} documents, not 1 to 1000"))),
    }
}

fn check_filter(filter: &Filter) -> PortResult<()> {
    match filter {
        Filter::Equal(field, value) | Filter::ArrayContains(field, value) => {
            check_field(field)?;
            check_scalar(value)
        }
        Filter::NotEqual(field, value) => {
            check_field(field)?;
            match value {
                // One null is like another, hence this could never hold.
                Value::Null => Err(PortError::invalid(format!("a comparison of {field} that nothing can pass"))),
                value => check_scalar(value),
            }
        }
        Filter::Less(field, value)
        | Filter::LessOrEqual(field, value)
        | Filter::Greater(field, value)
        | Filter::GreaterOrEqual(field, value) => {
            check_field(field)?;
            match value {
                Value::Number(_) | Value::String(_) => Ok(()),
                _ => Err(PortError::invalid(format!("an order of {field} by something without order"))),
            }
        }
        Filter::In(field, values) => {
            check_field(field)?;
            if values.len() > IN_VALUES {
                return Err(PortError::invalid(format!("{} values for {field}, not at most 100", values.len())));
            }
            values.iter().try_for_each(check_scalar)
        }
        Filter::StartsWith(field, _) => check_field(field),
    }
}

fn check_scalar(value: &Value) -> PortResult<()> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        Value::Array(_) | Value::Object(_) => Err(PortError::invalid("a comparison with an array or an object")),
    }
}

fn check_field(path: &str) -> PortResult<()> {
    let sane = |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    match path.split('.').all(sane) {
        true => Ok(()),
        false => Err(PortError::invalid(format!("{path:?} does not name a field"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::documents::Indexing;

    static CUSTOMERS: Container = Container {
        name: "customers",
        partition_key: &["tenantId", "userId"],
        default_ttl: None,
        indexing: Indexing::Everything,
    };

    fn prepared(body: &Value) -> PortResult<Prepared> {
        prepare(&CUSTOMERS, &PartitionKey::of(["t", "u"]), NewDocument::new("a", body)?)
    }

    #[test]
    fn the_call_wins_over_the_body() {
        let body = serde_json::json!({ "id": "x", "tenantId": 1, "userId": null, "ttl": 5, "n": 1 });
        let stored = prepared(&body).unwrap();
        assert_eq!(stored.body.get(), r#"{"id":"a","n":1,"tenantId":"t","userId":"u"}"#);
        assert_eq!(stored.lifetime, None);
    }

    #[test]
    fn nesting_ends_at_128_levels() {
        let nested = |levels| (1..levels).fold(Value::from(1), |inner, _| serde_json::json!({ "a": inner }));
        assert!(prepared(&nested(129)).is_ok());
        assert_eq!(prepared(&nested(130)).unwrap_err().kind(), PortErrorKind::InvalidRequest);
    }

    #[test]
    fn fields_are_paths_of_plain_names() {
        for good in ["a", "result.intent", "a_1.B.2"] {
            assert!(check_field(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", "a..b", "a b", "a'b", "a\"b", "a[0]", "$", "prénom"] {
            assert!(check_field(bad).is_err(), "{bad}");
        }
    }
}
