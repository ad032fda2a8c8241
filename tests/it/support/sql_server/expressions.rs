//! T-SQL expressions, checked as strictly as this server can, in the words of SQLite.

use std::collections::HashMap;

use sqlparser::ast::{
    BinaryOperator, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectName,
};

use super::tokens::Refusal;
use super::values::Type;

const UTF_8: &str = "Latin1_General_100_BIN2_UTF8";

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Type,
    pub nullable: bool,
    pub key: bool,
}

/// What expressions may name.
pub struct Scope<'a> {
    pub columns: &'a [Column],
    pub parameters: &'a HashMap<String, Option<Type>>,
}

/// SQLite's text of an expression, its type, and whether it sums up many rows.
pub struct Translated {
    pub sql: String,
    pub kind: Type,
    pub aggregate: bool,
}

/// What this server was not made for: a syntax error, so that nothing passes unnoticed.
pub fn unknown(what: impl std::fmt::Debug) -> Refusal {
    Refusal::new(102, format!("not known to this server: {what:?}"))
}

pub fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// A name in one part, or in two with a dot.
pub fn table_name(name: &ObjectName) -> Result<String, Refusal> {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident().map(|ident| ident.value.as_str())).collect();
    parts.map(|parts| parts.join(".")).ok_or_else(|| unknown(name))
}

pub fn data_type(kind: &DataType) -> Result<Type, Refusal> {
    let length = |length: &Option<CharacterLength>, most: u64| match length {
        Some(CharacterLength::Max) => Ok(None),
        Some(CharacterLength::IntegerLength { length, unit: None }) if (1..=most).contains(length) => {
            Ok(Some(*length as u32))
        }
        _ => Err(unknown(kind)),
    };
    match kind {
        DataType::Varchar(given) => length(given, 8000).map(Type::VarChar),
        DataType::Nvarchar(given) => length(given, 4000).map(Type::NVarChar),
        DataType::BigInt(None) => Ok(Type::Int(8)),
        DataType::Float(ExactNumberInfo::Precision(53)) => Ok(Type::Float),
        DataType::Custom(name, digits) if name.to_string().eq_ignore_ascii_case("datetime2") => digits
            .first()
            .and_then(|digits| digits.to_string().parse().ok())
            .map(Type::DateTime2)
            .ok_or_else(|| unknown(kind)),
        other => Err(unknown(other)),
    }
}

impl Scope<'_> {
    pub fn column(&self, name: &str) -> Result<&Column, Refusal> {
        let found = self.columns.iter().find(|column| column.name == name);
        found.ok_or_else(|| Refusal::new(207, format!("Invalid column name '{name}'.")))
    }

    /// A condition: comparisons that all hold. Values are parameters, never part of the text.
    pub fn condition(&self, condition: &Expr) -> Result<String, Refusal> {
        match condition {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                Ok(format!("{} AND {}", self.condition(left)?, self.condition(right)?))
            }
            Expr::IsNull(operand) => Ok(format!("{} IS NULL", self.expression(operand)?.sql)),
            Expr::BinaryOp {
                left,
                op: op @ (BinaryOperator::Eq | BinaryOperator::GtEq | BinaryOperator::Lt),
                right,
            } => {
                let (left, right) = (self.expression(left)?, self.expression(right)?);
                if !comparable(left.kind, right.kind) {
                    let message = format!("{:?} {op} {:?} would convert the column", left.kind, right.kind);
                    return Err(Refusal::new(206, message));
                }
                Ok(format!("{} {op} {}", left.sql, right.sql))
            }
            other => Err(unknown(other)),
        }
    }

    pub fn expression(&self, expression: &Expr) -> Result<Translated, Refusal> {
        let plain = |sql, kind| Ok(Translated { sql, kind, aggregate: false });
        match expression {
            Expr::Identifier(ident) if ident.value.starts_with('@') => {
                let kind = self.parameters.get(&ident.value).copied().flatten();
                plain(ident.value.clone(), kind.ok_or_else(|| unknown(expression))?)
            }
            Expr::Identifier(ident) => plain(quoted(&ident.value), self.column(&ident.value)?.kind),
            Expr::Cast { kind: CastKind::Cast, expr, data_type: target, format: None } => {
                self.cast(expr, data_type(target)?)
            }
            Expr::Function(function) => self.function(function),
            other => Err(unknown(other)),
        }
    }

    fn cast(&self, operand: &Expr, target: Type) -> Result<Translated, Refusal> {
        let (operand, collation) = match operand {
            Expr::Collate { expr, collation } => (expr.as_ref(), Some(table_name(collation)?)),
            other => (other, None),
        };
        let operand = self.expression(operand)?;
        let sql = match (operand.kind, target, collation.as_deref()) {
            (Type::NVarChar(_), Type::VarChar(_), Some(UTF_8)) => operand.sql,
            (Type::NVarChar(_), Type::VarChar(_), _) => {
                return Err(Refusal::new(100_000, "text would go through the database's own code page"));
            }
            (Type::VarChar(_), Type::NVarChar(_), None) | (Type::DateTime2(_), Type::DateTime2(_), None) => operand.sql,
            (Type::Int(8), Type::Float, None) => format!("CAST({} AS REAL)", operand.sql),
            (Type::Float, Type::Float, None) => operand.sql,
            (from, to, _) => return Err(unknown((from, to))),
        };
        Ok(Translated { sql, kind: target, aggregate: operand.aggregate })
    }

    fn function(&self, function: &Function) -> Result<Translated, Refusal> {
        let name = table_name(&function.name)?.to_ascii_uppercase();
        let FunctionArguments::List(list) = &function.args else { return Err(unknown(function)) };
        let arguments: Vec<_> = list.args.iter().collect();
        let aggregate = |sql, kind| Ok(Translated { sql, kind, aggregate: true });
        match (name.as_str(), arguments.as_slice()) {
            ("COUNT_BIG", [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]) => {
                aggregate("count(*)".to_owned(), Type::Int(8))
            }
            ("SCHEMA_NAME", []) => {
                Ok(Translated { sql: "'dbo'".to_owned(), kind: Type::NVarChar(Some(128)), aggregate: false })
            }
            (name, [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))]) => {
                let argument = self.expression(argument)?;
                match (name, argument.kind) {
                    ("SUM", Type::Int(8) | Type::Float) | ("MIN" | "MAX", _) | ("AVG", Type::Float) => {
                        aggregate(format!("{}({})", name.to_ascii_lowercase(), argument.sql), argument.kind)
                    }
                    // An object is known by its name.
                    ("OBJECT_ID", Type::NVarChar(_)) => Ok(Translated { kind: Type::Int(4), ..argument }),
                    _ => Err(unknown(function)),
                }
            }
            _ => Err(unknown(function)),
        }
    }
}

/// Whether the server could compare them without converting the column.
fn comparable(left: Type, right: Type) -> bool {
    left == right || matches!((left, right), (Type::NVarChar(_), Type::NVarChar(_)))
}
