//! The statements that the adapter writes, parsed as T-SQL and said again for SQLite. Any other shape is
//! refused.

use std::collections::HashMap;

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, ColumnOption, CreateTable, Delete, Expr, FromTable, GroupByExpr, Insert,
    ObjectType, OrderByKind, OrderBySort, Query, Select, SelectItem, SetExpr, Statement, TableConstraint, TableFactor,
    TableObject, TableWithJoins, Top, TopQuantity, Value as Literal,
};
use sqlparser::dialect::MsSqlDialect;
use sqlparser::parser::Parser;

use super::expressions::{Column, Scope, data_type, quoted, table_name, unknown};
use super::merge::{self, Merge};
use super::tokens::Refusal;
use super::values::Type;

/// What a statement does.
pub enum Plan {
    /// Answers the number 1.
    Ping,
    /// Describes a table's columns.
    Describe(Vec<(String, Type)>),
    Select {
        sql: String,
        columns: Vec<(String, Type)>,
    },
    Change {
        sql: String,
    },
    CreateTable {
        table: String,
        columns: Vec<Column>,
        sql: String,
    },
    AddColumn {
        table: String,
        column: Column,
        sql: String,
    },
    WidenColumn {
        table: String,
        column: String,
        kind: Type,
    },
    CreateIndex {
        table: String,
        index: String,
        sql: String,
    },
    DropTable {
        table: String,
    },
    Merge(Merge),
    BulkLoad {
        table: String,
        columns: Vec<String>,
    },
}

/// The columns of a table that exists.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Vec<Column>>;

pub fn temporary(table: &str) -> bool {
    table.starts_with('#')
}

/// Understands one statement.
pub fn plan(text: &str, parameters: &HashMap<String, Option<Type>>, lookup: Lookup<'_>) -> Result<Plan, Refusal> {
    // Two shapes that the parser does not know: the driver's own, and one of ALTER TABLE.
    if let Some(rest) = text.strip_prefix("INSERT BULK ") {
        return bulk_load(rest, lookup);
    }
    if text.contains(" ALTER COLUMN ") {
        return widen_column(text);
    }
    let mut statements =
        Parser::parse_sql(&MsSqlDialect {}, text).map_err(|error| Refusal::new(102, error.to_string()))?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else { return Err(unknown(text)) };
    let planner = Planner { parameters, lookup };
    match &statement {
        Statement::Query(query) => planner.query(query),
        Statement::Delete(delete) => planner.delete(delete),
        Statement::Insert(insert) => planner.insert(insert),
        Statement::Merge(statement) if text.trim_end().ends_with(';') => {
            merge::plan(statement, lookup).map(Plan::Merge)
        }
        Statement::Merge(_) => Err(Refusal::new(10713, "A MERGE statement must be terminated by a semi-colon (;).")),
        Statement::CreateTable(create) => create_table(create),
        Statement::AlterTable(alter) => match alter.operations.as_slice() {
            [AlterTableOperation::AddColumn { column_def, column_keyword: false, .. }] => {
                let (table, column) = (table_name(&alter.name)?, column(column_def)?);
                let sql = format!("ALTER TABLE {} ADD COLUMN {}", quoted(&table), definition(&column));
                Ok(Plan::AddColumn { table, column, sql })
            }
            _ => Err(unknown(alter)),
        },
        Statement::CreateIndex(create) => {
            let index = create.name.as_ref().map(table_name).transpose()?.ok_or_else(|| unknown(create))?;
            let table = table_name(&create.table_name)?;
            let columns = create.columns.iter().map(|column| match &column.column.expr {
                Expr::Identifier(ident) => Ok(quoted(&ident.value)),
                other => Err(unknown(other)),
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?.join(", ");
            let sql = format!("CREATE INDEX {} ON {} ({columns})", quoted(&index), quoted(&table));
            Ok(Plan::CreateIndex { table, index, sql })
        }
        Statement::Drop { object_type: ObjectType::Table, names, if_exists: false, .. } if names.len() == 1 => {
            Ok(Plan::DropTable { table: planner.existing(&table_name(&names[0])?)?.0 })
        }
        Statement::Truncate(truncate) if truncate.table_names.len() == 1 => {
            let (table, _) = planner.existing(&table_name(&truncate.table_names[0].name)?)?;
            Ok(Plan::Change { sql: format!("DELETE FROM {}", quoted(&table)) })
        }
        other => Err(unknown(other)),
    }
}

/// A plain table, without an alias or a hint.
pub fn plain_table(factor: &TableFactor) -> Result<String, Refusal> {
    match factor {
        TableFactor::Table { name, alias: None, with_hints, args: None, .. } if with_hints.is_empty() => {
            table_name(name)
        }
        other => Err(unknown(other)),
    }
}

struct Planner<'a> {
    parameters: &'a HashMap<String, Option<Type>>,
    lookup: Lookup<'a>,
}

impl Planner<'_> {
    fn existing(&self, table: &str) -> Result<(String, Vec<Column>), Refusal> {
        let columns =
            (self.lookup)(table).ok_or_else(|| Refusal::new(208, format!("Invalid object name '{table}'.")))?;
        Ok((table.to_owned(), columns))
    }

    fn from(&self, from: &[TableWithJoins]) -> Result<(String, Vec<Column>), Refusal> {
        match from {
            [TableWithJoins { relation, joins }] if joins.is_empty() => self.existing(&plain_table(relation)?),
            other => Err(unknown(other)),
        }
    }

    fn query(&self, query: &Query) -> Result<Plan, Refusal> {
        let SetExpr::Select(select) = query.body.as_ref() else { return Err(unknown(query)) };
        if query.with.is_some() || query.limit_clause.is_some() || query.fetch.is_some() {
            return Err(unknown(query));
        }
        match (select.from.as_slice(), select.projection.as_slice(), &select.top) {
            ([], [SelectItem::UnnamedExpr(Expr::Value(one))], None) if one.to_string() == "1" => Ok(Plan::Ping),
            (from, [SelectItem::Wildcard(_)], Some(Top { quantity: Some(TopQuantity::Constant(0)), .. })) => {
                let (_, columns) = self.from(from)?;
                Ok(Plan::Describe(columns.into_iter().map(|column| (column.name, column.kind)).collect()))
            }
            _ => self.select(query, select),
        }
    }

    fn select(&self, query: &Query, select: &Select) -> Result<Plan, Refusal> {
        if select.distinct.is_some() || select.having.is_some() || select.into.is_some() {
            return Err(unknown(select));
        }
        let (table, columns) = self.from(&select.from)?;
        let scope = Scope { columns: &columns, parameters: self.parameters };
        let answered = select.projection.iter().map(|item| match item {
            SelectItem::UnnamedExpr(expression) => scope.expression(expression),
            other => Err(unknown(other)),
        });
        let answered = answered.collect::<Result<Vec<_>, _>>()?;
        if let Some(text) = answered.iter().find(|one| matches!(one.kind, Type::VarChar(_))) {
            return Err(Refusal::new(100_001, format!("{} would be sent in a code page", text.sql)));
        }
        let GroupByExpr::Expressions(groups, _) = &select.group_by else { return Err(unknown(select)) };
        let groups = groups.iter().map(|group| scope.expression(group).map(|group| group.sql));
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        let aggregated = !groups.is_empty() || answered.iter().any(|one| one.aggregate);
        if let Some(stray) = answered.iter().find(|one| aggregated && !one.aggregate && !groups.contains(&one.sql)) {
            return Err(Refusal::new(8120, format!("Column {} is invalid in the select list", stray.sql)));
        }
        let mut sql = format!("SELECT {} FROM {}", listed(&answered, |one| one.sql.clone()), quoted(&table));
        if let Some(condition) = &select.selection {
            sql.push_str(&format!(" WHERE {}", scope.condition(condition)?));
        }
        if !groups.is_empty() {
            sql.push_str(&format!(" GROUP BY {}", groups.join(", ")));
        }
        sql.push_str(&order(query, &scope)?);
        match &select.top {
            None => {}
            Some(Top { quantity: Some(TopQuantity::Expr(most)), with_ties: false, percent: false }) => {
                sql.push_str(&format!(" LIMIT {}", scope.expression(most)?.sql));
            }
            other => return Err(unknown(other)),
        }
        Ok(Plan::Select { sql, columns: answered.into_iter().map(|one| (String::new(), one.kind)).collect() })
    }

    fn delete(&self, delete: &Delete) -> Result<Plan, Refusal> {
        let FromTable::WithFromKeyword(from) = &delete.from else { return Err(unknown(delete)) };
        let (table, columns) = self.from(from)?;
        let scope = Scope { columns: &columns, parameters: self.parameters };
        let condition = delete.selection.as_ref().ok_or_else(|| unknown(delete))?;
        Ok(Plan::Change { sql: format!("DELETE FROM {} WHERE {}", quoted(&table), scope.condition(condition)?) })
    }

    fn insert(&self, insert: &Insert) -> Result<Plan, Refusal> {
        let (TableObject::TableName(name), Some(source)) = (&insert.table, &insert.source) else {
            return Err(unknown(insert));
        };
        let (table, _) = self.existing(&table_name(name)?)?;
        let SetExpr::Values(values) = source.body.as_ref() else { return Err(unknown(insert)) };
        let scope = Scope { columns: &[], parameters: self.parameters };
        let [row] = values.rows.as_slice() else { return Err(unknown(insert)) };
        let values = row.content.iter().map(|value| match value {
            Expr::Identifier(ident) if self.parameters.get(&ident.value) == Some(&None) => Ok("NULL".to_owned()),
            value => scope.expression(value).map(|value| value.sql),
        });
        let values = values.collect::<Result<Vec<_>, _>>()?.join(", ");
        let columns = insert.columns.iter().map(table_name).collect::<Result<Vec<_>, _>>()?;
        let columns = listed(&columns, |column| quoted(column));
        Ok(Plan::Change { sql: format!("INSERT INTO {} ({columns}) VALUES ({values})", quoted(&table)) })
    }
}

fn order(query: &Query, scope: &Scope<'_>) -> Result<String, Refusal> {
    let Some(order) = &query.order_by else { return Ok(String::new()) };
    let OrderByKind::Expressions(expressions) = &order.kind else { return Err(unknown(order)) };
    let mut by: Vec<String> = Vec::new();
    let mut texts = Vec::new();
    for item in expressions {
        let sql = scope.expression(&item.expr)?.sql;
        if by.contains(&sql) {
            return Err(Refusal::new(169, "A column has been specified more than once in the order by list."));
        }
        let direction = match item.options.sort {
            Some(OrderBySort::Desc) => "DESC",
            _ => "ASC",
        };
        texts.push(format!("{sql} {direction}"));
        by.push(sql);
    }
    Ok(format!(" ORDER BY {}", texts.join(", ")))
}

pub fn listed<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn create_table(create: &CreateTable) -> Result<Plan, Refusal> {
    let table = table_name(&create.name)?;
    let mut columns = create.columns.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let mut sql = listed(&columns, definition);
    match create.constraints.as_slice() {
        [] if temporary(&table) => {}
        [TableConstraint::PrimaryKey(key)] => {
            let mut names = Vec::new();
            for part in &key.columns {
                let Expr::Identifier(ident) = &part.column.expr else { return Err(unknown(part)) };
                let column =
                    columns.iter_mut().find(|column| column.name == ident.value).ok_or_else(|| unknown(part))?;
                if column.nullable {
                    return Err(Refusal::new(8111, "Cannot define PRIMARY KEY constraint on nullable column"));
                }
                column.key = true;
                names.push(quoted(&ident.value));
            }
            sql.push_str(&format!(", PRIMARY KEY ({})", names.join(", ")));
        }
        other => return Err(unknown(other)),
    }
    let temp = if temporary(&table) { "TEMP " } else { "" };
    let sql = format!("CREATE {temp}TABLE {} ({sql}) STRICT", quoted(&table));
    Ok(Plan::CreateTable { table, columns, sql })
}

/// Whether a column has a default cannot be seen later; that one that may not be null has one is demanded.
fn column(given: &ColumnDef) -> Result<Column, Refusal> {
    let kind = data_type(&given.data_type)?;
    let mut nullable = None;
    let mut default = false;
    let mut collation = None;
    for option in &given.options {
        match &option.option {
            ColumnOption::Null => nullable = Some(true),
            ColumnOption::NotNull => nullable = Some(false),
            ColumnOption::Collation(name) => collation = Some(table_name(name)?),
            ColumnOption::Default(Expr::Value(value)) => {
                default = match (&value.value, kind) {
                    (Literal::SingleQuotedString(text), Type::VarChar(_)) => text.is_empty(),
                    (Literal::SingleQuotedString(text), Type::DateTime2(3)) => text == "1970-01-01T00:00:00",
                    (Literal::Number(number, _), Type::Int(8) | Type::Float) => number == "0",
                    _ => false,
                };
            }
            other => return Err(unknown(other)),
        }
    }
    let nullable = nullable.ok_or_else(|| unknown(given))?;
    let utf_8 = collation.as_deref() == Some("Latin1_General_100_BIN2_UTF8");
    match nullable == default || matches!(kind, Type::VarChar(_)) != utf_8 {
        true => Err(unknown(given)),
        false => Ok(Column { name: given.name.value.clone(), kind, nullable, key: false }),
    }
}

/// Text is compared without regard to spaces at its end, as SQL Server does.
fn definition(column: &Column) -> String {
    let (kind, zero) = match column.kind {
        Type::VarChar(_) | Type::NVarChar(_) => ("TEXT COLLATE RTRIM", "''"),
        Type::Int(_) | Type::DateTime2(_) => ("INTEGER", "0"),
        Type::Float => ("REAL", "0"),
    };
    let rest = if column.nullable { String::new() } else { format!(" NOT NULL DEFAULT {zero}") };
    format!("{} {kind}{rest}", quoted(&column.name))
}

/// `ALTER TABLE [t] ALTER COLUMN [c] VARCHAR(n) COLLATE x [NOT] NULL`.
fn widen_column(text: &str) -> Result<Plan, Refusal> {
    let words: Vec<&str> = text.split(' ').collect();
    let name = |word: &str| word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).map(str::to_owned);
    let ["ALTER", "TABLE", table, "ALTER", "COLUMN", column, kind, "COLLATE", "Latin1_General_100_BIN2_UTF8", ..] =
        words.as_slice()
    else {
        return Err(unknown(text));
    };
    let kind = match kind.strip_prefix("VARCHAR(").and_then(|kind| kind.strip_suffix(')')) {
        Some("MAX") => Type::VarChar(None),
        Some(bytes) => Type::VarChar(Some(bytes.parse().map_err(|_| unknown(text))?)),
        None => return Err(unknown(text)),
    };
    match (name(table), name(column)) {
        (Some(table), Some(column)) => Ok(Plan::WidenColumn { table, column, kind }),
        _ => Err(unknown(text)),
    }
}

/// `#table ([column] type, …)`, the statement before a bulk load.
fn bulk_load(rest: &str, lookup: Lookup<'_>) -> Result<Plan, Refusal> {
    let (table, columns) = rest.split_once(" (").ok_or_else(|| unknown(rest))?;
    let existing = lookup(table).ok_or_else(|| Refusal::new(208, format!("Invalid object name '{table}'.")))?;
    let columns = columns.strip_suffix(')').ok_or_else(|| unknown(rest))?;
    let mut names = Vec::new();
    for (column, given) in existing.iter().zip(columns.split(", ")) {
        let max = |kind| matches!(kind, Type::NVarChar(None));
        if !given.starts_with(&format!("[{}] {}", column.name, column.kind))
            || max(column.kind) != given.ends_with("(max)")
        {
            return Err(Refusal::new(4816, format!("Invalid column type from bcp client: {given}")));
        }
        names.push(column.name.clone());
    }
    Ok(Plan::BulkLoad { table: table.to_owned(), columns: names })
}
