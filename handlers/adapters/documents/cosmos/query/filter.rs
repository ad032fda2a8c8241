//! The text of a query (<https://learn.microsoft.com/cosmos-db/query/overview>).

use azure_data_cosmos::error::CosmosError;
use azure_data_cosmos::feed::Query as WireQuery;
use serde_json::Value;

use super::place::{Place, SortKey};
use crate::ports::documents::Filter;

/// A query in the making: conditions that must all hold, and bound values.
pub(super) struct Sql {
    conditions: Vec<String>,
    values: Vec<Value>,
    order: String,
}

impl Sql {
    pub fn new() -> Self {
        Self { conditions: Vec::new(), values: Vec::new(), order: String::new() }
    }

    /// The query as the client takes it.
    pub fn query(&self) -> Result<WireQuery, CosmosError> {
        let wanted = match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        };
        let query = WireQuery::from(format!("SELECT * FROM c{wanted}{}", self.order));
        self.values
            .iter()
            .enumerate()
            .try_fold(query, |query, (place, value)| query.with_parameter(parameter(place), value))
    }

    pub fn and(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    pub fn equal(&mut self, field: &str, text: &str) {
        let value = self.bind(Value::from(text));
        self.and(&format!("{} = {value}", path(field)));
    }

    pub fn order(&mut self, fields: &[&str], descending: bool) {
        let direction = if descending { "DESC" } else { "ASC" };
        let keys: Vec<String> = fields.iter().map(|field| format!("{} {direction}", path(field))).collect();
        self.order = format!(" ORDER BY {}", keys.join(", "));
    }

    /// A comparison of two types is undefined, hence not true, except that `!=` may be.
    pub fn matches(&mut self, filter: &Filter) {
        let condition = match filter {
            Filter::Equal(field, value) => self.compare(field, "=", value),
            Filter::NotEqual(field, Value::Bool(value)) => self.compare(field, "=", &Value::Bool(!value)),
            Filter::NotEqual(field, value) => self.compare(field, "!=", value),
            Filter::Less(field, value) => self.compare(field, "<", value),
            Filter::LessOrEqual(field, value) => self.compare(field, "<=", value),
            Filter::Greater(field, value) => self.compare(field, ">", value),
            Filter::GreaterOrEqual(field, value) => self.compare(field, ">=", value),
            Filter::In(_, values) if values.is_empty() => "false".to_owned(),
            Filter::In(field, values) => {
                let values: Vec<String> = values.iter().map(|value| self.bind(value.clone())).collect();
                format!("{} IN ({})", path(field), values.join(", "))
            }
            Filter::StartsWith(field, start) => {
                let (path, start) = (path(field), self.bind(Value::from(start.as_str())));
                format!("(IS_STRING({path}) AND STARTSWITH({path}, {start}))")
            }
            Filter::ArrayContains(field, value) => {
                let (path, value) = (path(field), self.bind(value.clone()));
                format!("(IS_ARRAY({path}) AND ARRAY_CONTAINS({path}, {value}))")
            }
        };
        self.conditions.push(condition);
    }

    /// Equality finds its own type by itself, and along an index; for the others the type is said.
    fn compare(&mut self, field: &str, operator: &str, value: &Value) -> String {
        let (path, bound) = (path(field), self.bind(value.clone()));
        match value {
            Value::Number(_) if operator != "=" => format!("(IS_NUMBER({path}) AND {path} {operator} {bound})"),
            Value::String(_) if operator != "=" => format!("(IS_STRING({path}) AND {path} {operator} {bound})"),
            _ => format!("{path} {operator} {bound}"),
        }
    }

    /// Leaves out what comes up to and with `place` in the order by `by` (where there is one), id and, where
    /// several partitions are listed, `partition`.
    pub fn beyond(
        &mut self,
        place: &Place,
        by: Option<&str>,
        descending: bool,
        partition: Option<&'static [&'static str]>,
    ) {
        let operator = if descending { "<" } else { ">" };
        let mut ties = vec![("id", place.id.as_str())];
        let keys = partition.unwrap_or_default().iter().copied().zip(place.partition.iter().map(String::as_str));
        ties.extend(keys.filter(|(field, _)| *field != "id"));
        let tie = self.beyond_texts(&ties, operator);
        let condition = match by {
            None => tie,
            Some(field) => {
                let same = self.same(field, &place.value);
                let mut ways = self.larger(field, &place.value, operator);
                ways.extend(types_beyond(&place.value, descending).map(|is_type| is_type(&path(field))));
                ways.push(format!("({same} AND {tie})"));
                format!("({})", ways.join(" OR "))
            }
        };
        self.conditions.push(condition);
    }

    /// Texts in the order of the first, among equals of the second, and so on.
    fn beyond_texts(&mut self, fields: &[(&str, &str)], operator: &str) -> String {
        let Some(((field, text), rest)) = fields.split_first() else { return "false".to_owned() };
        let (path, bound) = (path(field), self.bind(Value::from(*text)));
        match rest.is_empty() {
            true => format!("{path} {operator} {bound}"),
            false => {
                let rest = self.beyond_texts(rest, operator);
                format!("({path} {operator} {bound} OR ({path} = {bound} AND {rest}))")
            }
        }
    }

    /// That the sort field has the value of a place.
    fn same(&mut self, field: &str, value: &SortKey) -> String {
        match value {
            SortKey::None => "true".to_owned(),
            SortKey::Absent => format!("NOT IS_DEFINED({})", path(field)),
            SortKey::Composite => composite(field),
            SortKey::Scalar(value) => self.compare(field, "=", value),
        }
    }

    /// Values of the same type further on. Of the booleans each counts as a type.
    fn larger(&mut self, field: &str, value: &SortKey, operator: &str) -> Vec<String> {
        match value {
            SortKey::Scalar(value @ (Value::Number(_) | Value::String(_))) => {
                vec![self.compare(field, operator, value)]
            }
            _ => Vec::new(),
        }
    }

    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        parameter(self.values.len() - 1)
    }
}

/// The types in their order, as conditions on a path.
const TYPES: [fn(&str) -> String; 7] = [
    |path| format!("NOT IS_DEFINED({path})"),
    |path| format!("IS_NULL({path})"),
    |path| format!("{path} = false"),
    |path| format!("{path} = true"),
    |path| format!("IS_NUMBER({path})"),
    |path| format!("IS_STRING({path})"),
    |path| format!("(IS_ARRAY({path}) OR IS_OBJECT({path}))"),
];

/// The types that come after that of `value`.
fn types_beyond(value: &SortKey, descending: bool) -> impl Iterator<Item = fn(&str) -> String> {
    let rank = match value {
        SortKey::None | SortKey::Absent => 0,
        SortKey::Scalar(Value::Null) => 1,
        SortKey::Scalar(Value::Bool(false)) => 2,
        SortKey::Scalar(Value::Bool(true)) => 3,
        SortKey::Scalar(Value::Number(_)) => 4,
        SortKey::Scalar(Value::String(_)) => 5,
        SortKey::Scalar(Value::Array(_) | Value::Object(_)) | SortKey::Composite => 6,
    };
    let beyond = move |place: usize| if descending { place < rank } else { place > rank };
    TYPES.into_iter().enumerate().filter(move |(place, _)| beyond(*place)).map(|(_, is_type)| is_type)
}

/// That a field holds an array or an object.
pub(super) fn composite(field: &str) -> String {
    TYPES[6](&path(field))
}

/// Words that stand in brackets where they are names
/// (<https://learn.microsoft.com/cosmos-db/query/keywords>).
const KEYWORDS: [&str; 48] = [
    "and",
    "array",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "convert",
    "cross",
    "desc",
    "distinct",
    "else",
    "end",
    "escape",
    "exists",
    "false",
    "for",
    "from",
    "group",
    "having",
    "in",
    "inner",
    "insert",
    "into",
    "is",
    "join",
    "let",
    "over",
    "rank",
    "set",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "right",
    "select",
    "top",
    "true",
    "udf",
    "undefined",
    "value",
    "where",
];

/// A checked field. With dots where it can be: the client itself plans no order over several partitions by a
/// field in brackets.
fn path(field: &str) -> String {
    let mut path = "c".to_owned();
    for name in field.split('.') {
        let keyword = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(name));
        match keyword || name.starts_with(|first: char| first.is_ascii_digit()) {
            true => path.push_str(&format!("['{name}']")),
            false => path.push_str(&format!(".{name}")),
        }
    }
    path
}

fn parameter(place: usize) -> String {
    format!("@p{place}")
}
