//! Queries as SQL.
//!
//! Values are bound, never written into the text; fields are (they are checked to be plain
//! names). Comparisons look at the JSON type first, so `5` is not `"5"`. The order of mixed types
//! is Cosmos DB's: absent, null, false, true, numbers, strings, then arrays and objects; strings by
//! code point. Pages go on after the last row's sort key (keyset), which is unique because it
//! ends with id and partition, so writes in between neither repeat nor hide a row.

use rusqlite::Row;
use rusqlite::types::Value as SqlValue;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::super::token;
use super::read::COLUMNS;
use super::{Now, partition_text};
use crate::ports::documents::{Filter, Order, Query, Scope};
use crate::ports::{PortError, PortResult};

/// A query ready to be asked: gives, after the columns of a document, the sort key.
pub(super) struct Listing {
    pub sql: String,
    pub values: Vec<SqlValue>,
    /// What its continuation tokens are bound to.
    pub name: String,
}

/// A column of a sort key, and how to find it in a [`Position`].
type SortColumn = (String, fn(&Position) -> SqlValue);

/// The sort key of a page's last row.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Position {
    rank: i64,
    value: SortValue,
    id: String,
    partition: String,
}

#[derive(Debug, Serialize, Deserialize)]
enum SortValue {
    Integer(i64),
    /// The bits, since decimal digits may lose the last one.
    Real(u64),
    Text(String),
}

impl Position {
    /// Reads what follows the columns of a document.
    pub fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let value = match row.get(6)? {
            SqlValue::Integer(value) => SortValue::Integer(value),
            SqlValue::Real(value) => SortValue::Real(value.to_bits()),
            SqlValue::Text(value) => SortValue::Text(value),
            SqlValue::Null | SqlValue::Blob(_) => SortValue::Integer(0),
        };
        Ok(Self { rank: row.get(5)?, value, id: row.get(2)?, partition: row.get(1)? })
    }
}

impl SortValue {
    fn to_sql(&self) -> SqlValue {
        match self {
            Self::Integer(value) => SqlValue::Integer(*value),
            Self::Real(bits) => SqlValue::Real(f64::from_bits(*bits)),
            Self::Text(value) => SqlValue::Text(value.clone()),
        }
    }
}

impl Listing {
    /// Puts a checked query into SQL, after the position of its continuation.
    ///
    /// # Errors
    /// [`crate::ports::PortErrorKind::InvalidRequest`] for a continuation of another listing.
    pub fn new(container: &'static str, scope: &Scope<'_>, query: &Query, now: Now) -> PortResult<Self> {
        let name = format!("{container} {scope:?} {:?} {:?}", query.filters, query.order);
        let mut sql = Sql::default();
        let (rank, value) = sort_key(query.order);
        sql.push(&format!("SELECT {COLUMNS}, {rank}, {value} FROM documents WHERE container = "));
        sql.bind(container.to_owned());
        in_scope(&mut sql, scope)?;
        sql.push(" AND (expires_at IS NULL OR expires_at > ");
        sql.bind(now.millis());
        sql.push(")");
        for filter in &query.filters {
            sql.push(" AND ");
            matches(&mut sql, filter)?;
        }
        let keys = sort_keys(query.order, scope);
        let descending = matches!(query.order, Some(Order::Descending(_)));
        if let Some(token) = &query.continuation {
            beyond(&mut sql, &keys, descending, &token::decode(&name, token)?);
        }
        let direction = if descending { " DESC" } else { "" };
        let keys: Vec<String> = keys.iter().map(|(key, _)| format!("{key}{direction}")).collect();
        sql.push(&format!(" ORDER BY {}", keys.join(", ")));
        Ok(Self { sql: sql.text, values: sql.values, name })
    }
}

/// What a listing is sorted by, and where a [`Position`] holds it. No more than needed, so that a
/// page by id walks along the index.
fn sort_keys(order: Option<Order>, scope: &Scope<'_>) -> Vec<SortColumn> {
    let mut keys: Vec<SortColumn> = Vec::with_capacity(4);
    if order.is_some() {
        let (rank, value) = sort_key(order);
        keys.push((rank, |position| position.rank.into()));
        keys.push((value, |position| position.value.to_sql()));
    }
    keys.push(("id".to_owned(), |position| position.id.clone().into()));
    if !matches!(scope, Scope::Partition(_)) {
        keys.push(("partition".to_owned(), |position| position.partition.clone().into()));
    }
    keys
}

/// Leaves out what comes up to and with `position`.
fn beyond(sql: &mut Sql, keys: &[SortColumn], descending: bool, position: &Position) {
    let names: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
    sql.push(&format!(" AND ({}) {} (", names.join(", "), if descending { "<" } else { ">" }));
    for (place, (_, held)) in keys.iter().enumerate() {
        if place > 0 {
            sql.push(", ");
        }
        sql.bind(held(position));
    }
    sql.push(")");
}

#[derive(Default)]
struct Sql {
    text: String,
    values: Vec<SqlValue>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, value: impl Into<SqlValue>) {
        self.text.push('?');
        self.values.push(value.into());
    }
}

fn in_scope(sql: &mut Sql, scope: &Scope<'_>) -> PortResult<()> {
    match scope {
        Scope::Container => {}
        Scope::Partition(partition) => {
            sql.push(" AND partition = ");
            sql.bind(partition_text(&partition.0)?);
        }
        Scope::Prefix(values) => {
            // After `["a"` comes either `,` or `]`, and nothing else in the range from the one to
            // what follows the other.
            let whole = partition_text(values)?;
            let begun = &whole[..whole.len() - 1];
            sql.push(" AND partition >= ");
            sql.bind(format!("{begun},"));
            sql.push(" AND partition < ");
            sql.bind(format!("{begun}^"));
        }
    }
    Ok(())
}

/// The JSON path of a checked field.
fn path(field: &str) -> String {
    let names: Vec<String> = field.split('.').map(|name| format!("\"{name}\"")).collect();
    format!("'$.{}'", names.join("."))
}

fn sort_key(order: Option<Order>) -> (String, String) {
    let Some(Order::Ascending(field) | Order::Descending(field)) = order else {
        return ("0".to_owned(), "0".to_owned());
    };
    let path = path(field);
    let rank = format!(
        "(CASE coalesce(json_type(body, {path}), '') WHEN '' THEN 0 WHEN 'null' THEN 1 WHEN 'false' THEN 2 \
         WHEN 'true' THEN 3 WHEN 'integer' THEN 4 WHEN 'real' THEN 4 WHEN 'text' THEN 5 ELSE 6 END)"
    );
    let value = format!(
        "(CASE WHEN json_type(body, {path}) IN ('integer', 'real', 'text') THEN json_extract(body, {path}) ELSE 0 END)"
    );
    (rank, value)
}

fn matches(sql: &mut Sql, filter: &Filter) -> PortResult<()> {
    match filter {
        Filter::Equal(field, value) => compare(sql, field, "=", value),
        Filter::NotEqual(field, Value::Bool(value)) => compare(sql, field, "=", &Value::Bool(!value)),
        Filter::NotEqual(field, value) => compare(sql, field, "<>", value),
        Filter::Less(field, value) => compare(sql, field, "<", value),
        Filter::LessOrEqual(field, value) => compare(sql, field, "<=", value),
        Filter::Greater(field, value) => compare(sql, field, ">", value),
        Filter::GreaterOrEqual(field, value) => compare(sql, field, ">=", value),
        Filter::In(field, values) => {
            sql.push("(FALSE");
            for value in values {
                sql.push(" OR ");
                compare(sql, field, "=", value)?;
            }
            sql.push(")");
            Ok(())
        }
        Filter::StartsWith(field, start) => {
            let path = path(field);
            sql.push(&format!("(json_type(body, {path}) = 'text' AND substr(json_extract(body, {path}), 1, "));
            sql.bind(start.chars().count() as i64);
            sql.push(") = ");
            sql.bind(start.clone());
            sql.push(")");
            Ok(())
        }
        Filter::ArrayContains(field, value) => {
            let path = path(field);
            sql.push(&format!(
                "(json_type(body, {path}) = 'array' AND EXISTS (SELECT 1 FROM json_each(body, {path}) AS item WHERE "
            ));
            typed(sql, "item.type", "item.value", "=", value)?;
            sql.push("))");
            Ok(())
        }
    }
}

fn compare(sql: &mut Sql, field: &str, operator: &str, value: &Value) -> PortResult<()> {
    let path = path(field);
    typed(sql, &format!("json_type(body, {path})"), &format!("json_extract(body, {path})"), operator, value)
}

/// A comparison that only values of the same JSON type can pass. Null and the booleans are
/// types of their own to SQLite.
fn typed(sql: &mut Sql, kind: &str, extracted: &str, operator: &str, value: &Value) -> PortResult<()> {
    match value {
        Value::Null => sql.push(&format!("{kind} = 'null'")),
        Value::Bool(true) => sql.push(&format!("{kind} = 'true'")),
        Value::Bool(false) => sql.push(&format!("{kind} = 'false'")),
        Value::Number(number) => {
            sql.push(&format!("({kind} IN ('integer', 'real') AND {extracted} {operator} "));
            sql.bind(sql_number(number)?);
            sql.push(")");
        }
        Value::String(text) => {
            sql.push(&format!("({kind} = 'text' AND {extracted} {operator} "));
            sql.bind(text.clone());
            sql.push(")");
        }
        Value::Array(_) | Value::Object(_) => {
            return Err(PortError::invalid("a comparison with an array or an object"));
        }
    }
    Ok(())
}

fn sql_number(number: &Number) -> PortResult<SqlValue> {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => Ok(SqlValue::Integer(integer)),
        (None, Some(real)) => Ok(SqlValue::Real(real)),
        (None, None) => Err(PortError::invalid("a number beyond 64 bits")),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, params_from_iter};

    use super::super::schema;
    use super::*;
    use crate::ports::documents::{Container, Indexing, PartitionKey};

    static ONE: Container =
        Container { name: "one", partition_key: &["a", "b"], default_ttl: None, indexing: Indexing::Everything };

    fn plan(scope: &Scope<'_>, query: &Query) -> String {
        let conn = Connection::open_in_memory().unwrap();
        schema::prepare(&conn, &[&ONE]).unwrap();
        let listing = Listing::new("one", scope, query, Now(chrono::DateTime::UNIX_EPOCH)).unwrap();
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", listing.sql)).unwrap();
        let steps = explain.query_map(params_from_iter(&listing.values), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_page_by_id_walks_along_the_index() {
        let partition = PartitionKey::of(["t", "u"]);
        let scope = Scope::Partition(&partition);
        let first = Query::default();
        assert_eq!(plan(&scope, &first), "SEARCH documents USING INDEX documents_by_id (container=? AND partition=?)");
        let position = Position { rank: 0, value: SortValue::Integer(0), id: "a".into(), partition: String::new() };
        let name = format!("one {scope:?} {:?} {:?}", first.filters, first.order);
        let next = Query { continuation: Some(token::encode(&name, &position).unwrap()), ..first };
        assert_eq!(
            plan(&scope, &next),
            "SEARCH documents USING INDEX documents_by_id (container=? AND partition=? AND id>?)"
        );
    }

    #[test]
    fn a_prefix_looks_at_its_own_partitions_only() {
        let plan = plan(&Scope::Prefix(&["t".to_owned()]), &Query::default());
        assert!(plan.contains("documents_by_id (container=? AND partition>? AND partition<?)"), "{plan}");
    }
}
