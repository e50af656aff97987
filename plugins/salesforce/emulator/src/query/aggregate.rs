//! Queries with `COUNT(f)`, `SUM(f)` and the like, with or without `GROUP BY`.

use std::collections::HashSet;

use super::condition::{Compiler, no_aggregate};
use super::plan::{filter, limit, named_tables, order_term};
use super::resolve::{Scope, Tables};
use super::select::select_wire;
use super::shape::key;
use super::sql::Sql;
use super::wire::Wire;
use crate::SalesforceError;
use crate::schema::{FieldSchema, FieldType, ObjectSchema};
use crate::soql::ast::{Expr, FieldPath, Function, Query, SelectItem};
use crate::soql::malformed;

/// A query that gives `AggregateResult` rows.
#[derive(Debug)]
pub(super) struct AggregatePlan {
    pub(super) sql: Sql,
    pub(super) columns: Vec<AggregateColumn>,
}

/// A member of an `AggregateResult`.
#[derive(Debug)]
pub(super) struct AggregateColumn {
    pub(super) key: Vec<u8>,
    pub(super) form: Form,
}

/// What a member is written from: the next column, or the next two.
#[derive(Debug)]
pub(super) enum Form {
    Plain(Wire),
    /// A sum and a count; the number of decimals in the sum.
    Average(u8),
}

/// Whether a query folds rows.
pub(super) fn is_aggregate(query: &Query) -> bool {
    let folds = |item: &SelectItem| matches!(item, SelectItem::Expr(expr, _) if expr.aggregate().is_some());
    !query.group_by.is_empty() || query.having.is_some() || query.select.iter().any(folds)
}

/// Compiles a query with aggregates.
pub(super) fn compile_aggregate<'a>(
    scope: &Scope<'a>,
    query: &Query,
    object: &'a ObjectSchema,
) -> Result<AggregatePlan, SalesforceError> {
    let mut tables = named_tables(scope, query, object)?;
    let mut groups = Vec::new();
    for expr in &query.group_by {
        groups.push(group(&mut tables, expr)?);
    }
    let mut sqls = Vec::new();
    let mut columns: Vec<AggregateColumn> = Vec::new();
    let mut unnamed = 0;
    let mut keys = HashSet::new();
    for (expr, alias) in selected(&tables, query)? {
        let member = match (&alias, &expr) {
            (Some(alias), _) => alias.clone(),
            (None, Expr::Field(path)) => tables.column(path)?.field.name.clone(),
            (None, Expr::Call(function, _, _)) if function.is_aggregate() || function.is_date_part() => {
                unnamed += 1;
                format!("expr{}", unnamed - 1)
            }
            (None, Expr::Call(_, inner, _)) => tables.column(inner.field())?.field.name.clone(),
        };
        if !keys.insert(member.to_ascii_lowercase()) {
            return Err(malformed(format!("duplicate alias: {member}")));
        }
        let form = member_form(&mut tables, &expr, &groups, &mut sqls)?;
        columns.push(AggregateColumn { key: key(&member), form });
    }
    let filter = filter(&mut tables, query, None)?;
    let having = match &query.having {
        Some(condition) => {
            let mut compiler = Compiler::new(&mut tables);
            compiler.grouped = true;
            Some(compiler.condition(condition, false, false)?)
        }
        None => None,
    };
    let order = order(&mut tables, query, &groups)?;
    let mut sql = Sql::new(format!("SELECT {} FROM {}", sqls.join(", "), tables.from()?));
    sql.push(filter.wrapped(" WHERE ", ""));
    if !groups.is_empty() {
        sql.push_text(&format!(" GROUP BY {}", groups.join(", ")));
    }
    if let Some(having) = having {
        sql.push(having.wrapped(" HAVING ", ""));
    }
    sql.push_text(&order);
    sql.push(limit(query)?);
    Ok(AggregatePlan { sql: sql.bounded()?, columns })
}

/// The select list with `FIELDS()` written out.
fn selected(tables: &Tables<'_, '_>, query: &Query) -> Result<Vec<(Expr, Option<String>)>, SalesforceError> {
    let mut list = Vec::new();
    for item in &query.select {
        match item {
            SelectItem::Expr(expr, alias) => list.push((expr.clone(), alias.clone())),
            SelectItem::Fields(set, _) => {
                let fields = super::select::expand(tables, *set, query.limit)?;
                list.extend(fields.into_iter().map(|path| (Expr::Field(path), None)));
            }
            SelectItem::Query(_) => {
                return Err(malformed("Grouped query cannot use child relationships in the SELECT list"));
            }
            SelectItem::TypeOf(_) => {
                return Err(malformed("Grouped query cannot use TYPEOF in the SELECT list"));
            }
            SelectItem::Count(_) => {
                return Err(malformed("Grouped query cannot use COUNT() without a field"));
            }
        }
    }
    Ok(list)
}

fn group(tables: &mut Tables<'_, '_>, expr: &Expr) -> Result<String, SalesforceError> {
    let column = tables.column(expr.field())?;
    let field = column.field;
    let scope = tables.scope;
    match expr {
        Expr::Field(_) if field.groupable => Ok(column.sql),
        Expr::Call(function, _, _) if function.is_date_part() && is_dated(field) => {
            Ok(format!("soql_part('{}', {})", function.name(), column.sql))
        }
        _ => {
            let message = format!("field '{}' can not be grouped in a query call", field.name);
            Err(scope.error("MALFORMED_QUERY", expr.at(), &message))
        }
    }
}

fn is_dated(field: &FieldSchema) -> bool {
    matches!(field.ty, FieldType::Date | FieldType::DateTime)
}

/// Adds the columns of a member and says how they are written.
fn member_form(
    tables: &mut Tables<'_, '_>,
    expr: &Expr,
    groups: &[String],
    sqls: &mut Vec<String>,
) -> Result<Form, SalesforceError> {
    match expr {
        Expr::Call(function, inner, at) if function.is_aggregate() => {
            let Expr::Field(path) = inner.as_ref() else {
                let message = format!("{} needs a field", function.name());
                return Err(tables.scope.error("MALFORMED_QUERY", at.0, &message));
            };
            folded(tables, *function, path, at.0, sqls)
        }
        Expr::Call(Function::Format, inner, _) => {
            let ty = tables.column(inner.field())?.field.ty;
            Ok(match member_form(tables, inner, groups, sqls)? {
                Form::Plain(wire) => Form::Plain(wire.formatted(ty)),
                average @ Form::Average(_) => average,
            })
        }
        _ => {
            let column = tables.column(expr.field())?;
            let (sql, wire) = match expr {
                Expr::Call(function, _, _) if function.is_date_part() => {
                    (format!("soql_part('{}', {})", function.name(), column.sql), Wire::Integer)
                }
                _ => (column.sql, select_wire(expr, column.field)),
            };
            if !groups.contains(&sql) {
                let message = format!("Field must be grouped or aggregated: {}", expr.field());
                return Err(tables.scope.error("MALFORMED_QUERY", expr.at(), &message));
            }
            sqls.push(sql);
            Ok(Form::Plain(wire))
        }
    }
}

fn folded(
    tables: &mut Tables<'_, '_>,
    function: Function,
    path: &FieldPath,
    at: usize,
    sqls: &mut Vec<String>,
) -> Result<Form, SalesforceError> {
    let column = tables.column(path)?;
    let (field, sql) = (column.field, column.sql);
    let numeric = field.ty == FieldType::Int || field.ty.is_decimal();
    let ordered = field.ty != FieldType::Boolean;
    let allowed = match function {
        Function::Sum | Function::Avg => numeric,
        Function::Min | Function::Max => ordered,
        _ => true,
    };
    if !allowed || !field.aggregatable {
        return Err(no_aggregate(tables.scope, at, &field.name, function));
    }
    Ok(match function {
        Function::Count => {
            sqls.push(format!("COUNT({sql})"));
            Form::Plain(Wire::Integer)
        }
        Function::CountDistinct => {
            sqls.push(format!("COUNT(DISTINCT {sql})"));
            Form::Plain(Wire::Integer)
        }
        Function::Avg => {
            sqls.push(format!("SUM({sql})"));
            sqls.push(format!("COUNT({sql})"));
            Form::Average(if field.ty == FieldType::Int { 0 } else { field.scale })
        }
        other => {
            sqls.push(format!("{}({sql})", other.name()));
            Form::Plain(Wire::of(field))
        }
    })
}

fn order(tables: &mut Tables<'_, '_>, query: &Query, groups: &[String]) -> Result<String, SalesforceError> {
    let mut terms = Vec::new();
    for item in &query.order_by {
        let sql = match &item.expr {
            Expr::Call(function, inner, at) if function.is_aggregate() => {
                let mut sqls = Vec::new();
                folded(tables, *function, inner.field(), at.0, &mut sqls)?;
                match (function, sqls.first()) {
                    (Function::Avg, _) => format!("AVG({})", tables.column(inner.field())?.sql),
                    (_, sql) => sql.cloned().unwrap_or_default(),
                }
            }
            expr => {
                let sql = group(tables, expr)?;
                if !groups.contains(&sql) {
                    let message = format!("Ordered field must be grouped or aggregated: {}", expr.field());
                    return Err(tables.scope.error("MALFORMED_QUERY", expr.at(), &message));
                }
                sql
            }
        };
        terms.push(order_term(&sql, item, false));
    }
    // Groups come in the order of their keys where the query leaves it open.
    terms.extend(groups.iter().cloned());
    Ok(if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) })
}
