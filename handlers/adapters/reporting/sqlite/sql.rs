//! SQL from checked questions. Names are quoted, values are bound.

use rusqlite::types::Value as SqlValue;

use super::stored;
use crate::adapters::reporting::shape;
use crate::ports::reporting::{Cell, Comparison, Projection, Select, Table};

/// A checked name, quoted because it may be a keyword (`order`).
pub(super) fn name(plain: &str) -> String {
    format!("\"{plain}\"")
}

pub(super) fn names(plain: &[&str]) -> String {
    plain.iter().map(|plain| name(plain)).collect::<Vec<_>>().join(", ")
}

/// Takes a row's cells in the table's order.
pub(super) fn upsert(table: &Table) -> String {
    let all: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let replaced: Vec<String> = all
        .iter()
        .filter(|column| !table.key.contains(column))
        .map(|column| format!("{0} = excluded.{0}", name(column)))
        .collect();
    let action = match replaced.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", replaced.join(", ")),
    };
    format!(
        "INSERT INTO {}({}) VALUES ({}) ON CONFLICT({}) DO {action}",
        name(table.name),
        names(&all),
        vec!["?"; all.len()].join(", "),
        names(table.key),
    )
}

pub(super) fn delete(table: &Table, filters: Vec<Comparison>) -> (String, Vec<SqlValue>) {
    let (conditions, values) = conditions(filters);
    (format!("DELETE FROM {}{conditions}", name(table.name)), values)
}

pub(super) fn select(select: Select) -> (String, Vec<SqlValue>) {
    let answered: Vec<String> = select.projections.iter().map(projection).collect();
    let groups = shape::groups(&select);
    let order: Vec<String> = select
        .order
        .iter()
        .map(|(position, descending)| format!("{} {}", position + 1, if *descending { "DESC" } else { "ASC" }))
        .collect();
    let (conditions, mut values) = conditions(select.filters);
    let mut text = format!("SELECT {} FROM {}{conditions}", answered.join(", "), name(select.table.name));
    if !groups.is_empty() {
        text.push_str(&format!(" GROUP BY {}", names(&groups)));
    }
    if !order.is_empty() {
        text.push_str(&format!(" ORDER BY {}", order.join(", ")));
    }
    text.push_str(" LIMIT ?");
    values.push(SqlValue::Integer(select.limit as i64));
    (text, values)
}

fn projection(projection: &Projection) -> String {
    match projection {
        Projection::Column(column) => name(column),
        Projection::Count => "count(*)".to_owned(),
        Projection::Sum(column) => format!("sum({})", name(column)),
        Projection::Average(column) => format!("avg({})", name(column)),
        Projection::Minimum(column) => format!("min({})", name(column)),
        Projection::Maximum(column) => format!("max({})", name(column)),
    }
}

fn conditions(filters: Vec<Comparison>) -> (String, Vec<SqlValue>) {
    let mut texts = Vec::with_capacity(filters.len());
    let mut values = Vec::with_capacity(filters.len());
    let mut compare = |column: &str, operator: &str, cell: Cell| {
        texts.push(format!("{} {operator} ?", name(column)));
        values.push(stored(cell));
    };
    for filter in filters {
        match filter {
            // `IS` is equality that takes null for a value.
            Comparison::Equal(column, cell) => compare(column, "IS", cell),
            Comparison::AtLeast(column, cell) => compare(column, ">=", cell),
            Comparison::Below(column, cell) => compare(column, "<", cell),
        }
    }
    let text = if texts.is_empty() { String::new() } else { format!(" WHERE {}", texts.join(" AND ")) };
    (text, values)
}
