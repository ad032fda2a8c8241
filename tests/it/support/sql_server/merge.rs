//! `MERGE` of staged rows into a table.

use std::collections::HashMap;

use sqlparser::ast::{
    self, AssignmentTarget, BinaryOperator, Expr, MergeAction, MergeClauseKind, MergeInsertKind, MergeUpdateKind,
    SelectItem, SetExpr, TableFactor,
};

use super::expressions::{Column, Scope, quoted, table_name, unknown};
use super::tokens::Refusal;
use super::translate::{Lookup, listed, plain_table, temporary};
use super::values::Type;

/// What is to be checked and done.
pub struct Merge {
    /// Refuses source rows with the same key: SQL Server would update one row twice.
    pub duplicates: String,
    /// Finds source values that are too long, a query for each column.
    pub too_long: Vec<String>,
    pub sql: String,
}

pub fn plan(merge: &ast::Merge, lookup: Lookup<'_>) -> Result<Merge, Refusal> {
    let (table, target) = target(&merge.table, lookup)?;
    let (alias, staging, source) = source(&merge.source, lookup)?;
    let keys = same_columns(&merge.on, &table, &alias)?;
    if keys.len() != target.iter().filter(|column| column.key).count()
        || !target.iter().filter(|column| column.key).all(|column| keys.contains(&column.name))
    {
        return Err(unknown(&merge.on));
    }
    for (name, kind) in &source {
        let column = target.iter().find(|column| column.name == *name).ok_or_else(|| unknown(name))?;
        if column.kind != *kind && !lengthened(column.kind, *kind) {
            return Err(Refusal::new(206, format!("{name} is {:?}, not {kind:?}", column.kind)));
        }
    }
    let (updated, inserted) = actions(merge, &alias)?;
    if inserted.iter().any(|name| !source.iter().any(|(known, _)| known == name)) {
        return Err(unknown(inserted));
    }
    let columns = listed(&inserted, |name| quoted(name));
    let key = listed(&keys, |name| quoted(name));
    let action = match updated.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", listed(&updated, |name| format!("{0} = excluded.{0}", quoted(name)))),
    };
    let from = quoted(&staging);
    Ok(Merge {
        duplicates: format!("SELECT 1 FROM {from} GROUP BY {key} HAVING count(*) > 1"),
        too_long: target.iter().filter_map(|column| too_long(column, &from)).collect(),
        sql: format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM {from} WHERE true ON CONFLICT ({key}) DO {action}",
            quoted(&table)
        ),
    })
}

/// A column that was declared shorter than it is stored.
fn lengthened(stored: Type, given: Type) -> bool {
    matches!((stored, given), (Type::VarChar(_), Type::VarChar(_)))
}

fn too_long(column: &Column, from: &str) -> Option<String> {
    let Type::VarChar(Some(bytes)) = column.kind else { return None };
    Some(format!("SELECT 1 FROM {from} WHERE octet_length({}) > {bytes}", quoted(&column.name)))
}

fn target(factor: &TableFactor, lookup: Lookup<'_>) -> Result<(String, Vec<Column>), Refusal> {
    let TableFactor::Table { name, alias: None, with_hints, .. } = factor else { return Err(unknown(factor)) };
    match with_hints.as_slice() {
        [Expr::Identifier(hint)] if hint.value == "HOLDLOCK" => {}
        _ => return Err(unknown(factor)),
    }
    let table = table_name(name)?;
    let columns = lookup(&table).ok_or_else(|| Refusal::new(208, format!("Invalid object name '{table}'.")))?;
    Ok((table, columns))
}

/// The alias, the temporary table behind it, and the columns that it gives.
type Source = (String, String, Vec<(String, Type)>);

fn source(factor: &TableFactor, lookup: Lookup<'_>) -> Result<Source, Refusal> {
    let TableFactor::Derived { subquery, alias: Some(alias), .. } = factor else { return Err(unknown(factor)) };
    let SetExpr::Select(select) = subquery.body.as_ref() else { return Err(unknown(factor)) };
    let [from] = select.from.as_slice() else { return Err(unknown(factor)) };
    let staging = plain_table(&from.relation)?;
    let staged = lookup(&staging).filter(|_| temporary(&staging)).ok_or_else(|| unknown(factor))?;
    let parameters = HashMap::new();
    let scope = Scope { columns: &staged, parameters: &parameters };
    let columns = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Ok((ident.value.clone(), scope.column(&ident.value)?.kind)),
        SelectItem::ExprWithAlias { expr, alias } => {
            let given = scope.expression(expr)?;
            match given.sql == quoted(&alias.value) {
                true => Ok((alias.value.clone(), given.kind)),
                false => Err(unknown(item)),
            }
        }
        other => Err(unknown(other)),
    });
    Ok((alias.name.value.clone(), staging, columns.collect::<Result<_, _>>()?))
}

/// The columns that `[table].[x] = [alias].[x] AND …` compares.
fn same_columns(on: &Expr, table: &str, alias: &str) -> Result<Vec<String>, Refusal> {
    match on {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            Ok([same_columns(left, table, alias)?, same_columns(right, table, alias)?].concat())
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match (of(left, table), of(right, alias)) {
            (Some(left), Some(right)) if left == right => Ok(vec![left]),
            _ => Err(unknown(on)),
        },
        other => Err(unknown(other)),
    }
}

/// The column in `[owner].[column]`.
fn of(expression: &Expr, owner: &str) -> Option<String> {
    match expression {
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [first, column] if first.value == owner => Some(column.value.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The columns that a match updates and a miss inserts, each from the source's column of its name.
fn actions(merge: &ast::Merge, alias: &str) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let (mut updated, mut inserted) = (Vec::new(), Vec::new());
    for clause in &merge.clauses {
        match (&clause.clause_kind, &clause.action, &clause.predicate) {
            (MergeClauseKind::Matched, MergeAction::Update(update), None) => {
                let MergeUpdateKind::Set(assignments) = &update.kind else { return Err(unknown(update)) };
                for assignment in assignments {
                    let AssignmentTarget::ColumnName(name) = &assignment.target else { return Err(unknown(update)) };
                    let name = table_name(name)?;
                    if of(&assignment.value, alias).as_ref() != Some(&name) {
                        return Err(unknown(assignment));
                    }
                    updated.push(name);
                }
            }
            (MergeClauseKind::NotMatched, MergeAction::Insert(insert), None) => {
                inserted = insert.columns.iter().map(table_name).collect::<Result<_, _>>()?;
                let MergeInsertKind::Values(values) = &insert.kind else { return Err(unknown(insert)) };
                let [row] = values.rows.as_slice() else { return Err(unknown(insert)) };
                let given: Option<Vec<_>> = row.content.iter().map(|value| of(value, alias)).collect();
                if given.as_ref() != Some(&inserted) {
                    return Err(unknown(insert));
                }
            }
            _ => return Err(unknown(clause)),
        }
    }
    Ok((updated, inserted))
}
