//! Queries to statements: one that finds the rows in order, one that reads a row.

use std::sync::Arc;

use rusqlite::types::Value as Stored;

use super::aggregate::{AggregatePlan, compile_aggregate, is_aggregate};
use super::condition::Compiler;
use super::resolve::{Scope, Tables, hiding_fields, too_complicated};
use super::select::select;
use super::shape::Shape;
use super::sql::Sql;
use crate::SalesforceError;
use crate::schema::{FieldSchema, ObjectSchema};
use crate::soql::ast::{Condition, Expr, Operand, Operator, Query, SelectItem};
use crate::soql::malformed;

/// How deep child sub-queries nest, the root included.
const MAX_LEVELS: usize = 5;

/// Most columns that one record is read from.
const MAX_COLUMNS: usize = 2_000;

/// Largest `OFFSET`.
const MAX_OFFSET: u64 = 2_000;

/// A compiled query.
#[derive(Debug)]
pub(super) enum Plan {
    /// `SELECT COUNT()`.
    Count(Sql),
    Rows(Arc<RowPlan>),
    Aggregate(AggregatePlan),
}

/// A query that gives records.
#[derive(Debug)]
pub(crate) struct RowPlan {
    /// Finds row numbers in order. Of children, the first value is the parent's id.
    pub(super) ids: Sql,
    /// Reads the columns of one row by its number.
    pub(super) columns: String,
    pub(super) shape: Shape,
    pub(super) children: Vec<Arc<RowPlan>>,
}

/// What makes a query a child sub-query: the reference to the parent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent<'a> {
    pub(super) field: &'a FieldSchema,
    pub(super) level: usize,
}

/// Compiles a query from its root.
pub(super) fn compile(scope: &Scope<'_>, query: &Query) -> Result<(Plan, String), SalesforceError> {
    let object = scope.object(&query.from)?;
    let plan = if matches!(query.select.as_slice(), [SelectItem::Count(_)]) && query.group_by.is_empty() {
        Plan::Count(compile_count(scope, query, object)?)
    } else if is_aggregate(query) {
        Plan::Aggregate(compile_aggregate(scope, query, object)?)
    } else {
        Plan::Rows(Arc::new(compile_rows(scope, query, object, None)?))
    };
    Ok((plan, object.name.clone()))
}

/// Compiles a query for records.
pub(super) fn compile_rows<'a>(
    scope: &Scope<'a>,
    query: &Query,
    object: &'a ObjectSchema,
    parent: Option<Parent<'a>>,
) -> Result<RowPlan, SalesforceError> {
    let level = parent.map_or(1, |parent| parent.level);
    if level > MAX_LEVELS {
        return Err(malformed(format!("child sub-queries can nest at most {MAX_LEVELS} levels")));
    }
    if parent.is_some() && is_aggregate(query) {
        return Err(scope.error(
            "MALFORMED_QUERY",
            query.from.at.0,
            "only root queries support aggregate expressions",
        ));
    }
    let mut tables = named_tables(scope, query, object)?;
    let selected = select(&mut tables, query, level)?;
    let columns = format!(
        "SELECT {} FROM {} WHERE {} = ?",
        selected.columns.0.join(", "),
        tables.from()?,
        tables.root_column("_rowid")
    );
    if selected.columns.0.len() > MAX_COLUMNS {
        return Err(too_complicated());
    }

    let mut tables = named_tables(scope, query, object)?;
    let filter = filter(&mut tables, query, parent)?;
    let order = order(&mut tables, query)?;
    let mut ids = Sql::new(format!("SELECT {} FROM {}", tables.root_column("_rowid"), tables.from()?));
    ids.push(filter.wrapped(" WHERE ", ""));
    ids.push(order);
    ids.push(limit(query)?);
    let ids = ids.bounded()?;
    Ok(RowPlan { ids, columns, shape: selected.shape, children: selected.children })
}

/// Compiles the right side of `field IN (SELECT ..)`.
pub(super) fn compile_subselect(
    scope: &Scope<'_>,
    outer: &ObjectSchema,
    left: &str,
    query: &Query,
) -> Result<Sql, SalesforceError> {
    let object = scope.object(&query.from)?;
    if object.name == outer.name && left == "Id" {
        return Err(malformed("The inner and outer selects should not be on the same object type"));
    }
    let plain = query.group_by.is_empty()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none();
    let [SelectItem::Expr(Expr::Field(path), None)] = query.select.as_slice() else {
        return Err(malformed("A semi join sub-select must select exactly one field"));
    };
    if !plain {
        return Err(malformed("Semi join sub-selects support neither GROUP BY, ORDER BY, LIMIT nor OFFSET"));
    }
    let mut tables = named_tables(scope, query, object)?;
    let column = tables.column(path)?;
    if !column.field.ty.is_id() {
        let message =
            format!("The inner select field '{}' must be an ID or reference field", column.field.name);
        return Err(scope.error("MALFORMED_QUERY", path.at.0, &message));
    }
    let mut conditions = vec![Sql::new(format!("{} IS NOT NULL", column.sql))];
    conditions.extend(hidden(&tables));
    conditions.extend(unshared(&tables));
    if let Some(condition) = &query.filter {
        let mut compiler = Compiler::new(&mut tables);
        compiler.nested = true;
        conditions.push(compiler.condition(condition, false, false)?);
    }
    require_filter(object, query)?;
    let mut sql = Sql::new(format!("SELECT {} FROM {}", column.sql, tables.from()?));
    sql.push(Sql::joined(conditions, "AND").wrapped(" WHERE ", ""));
    Ok(sql)
}

fn compile_count<'a>(
    scope: &Scope<'a>,
    query: &Query,
    object: &'a ObjectSchema,
) -> Result<Sql, SalesforceError> {
    let mut tables = named_tables(scope, query, object)?;
    let filter = filter(&mut tables, query, None)?;
    // An order changes no count, yet its fields must exist.
    order(&mut tables, query)?;
    let limit = limit(query)?;
    let inner = if limit.text.is_empty() { "COUNT(*)" } else { "1" };
    let mut sql = Sql::new(format!("SELECT {inner} FROM {}", tables.from()?));
    sql.push(filter.wrapped(" WHERE ", ""));
    if limit.text.is_empty() {
        return sql.bounded();
    }
    sql.push(limit);
    sql.wrapped("SELECT COUNT(*) FROM (", ")").bounded()
}

/// The tables of a query with the names it gives them.
pub(super) fn named_tables<'s, 'a>(
    scope: &'s Scope<'a>,
    query: &Query,
    object: &'a ObjectSchema,
) -> Result<Tables<'s, 'a>, SalesforceError> {
    let mut tables = Tables::new(scope, object);
    if let Some(alias) = &query.alias {
        tables.name_root(alias);
    }
    for (path, alias) in &query.joins {
        tables.name_parent(path, alias.as_deref())?;
    }
    Ok(tables)
}

/// Everything that a row must fulfil.
pub(super) fn filter(
    tables: &mut Tables<'_, '_>,
    query: &Query,
    parent: Option<Parent<'_>>,
) -> Result<Sql, SalesforceError> {
    let mut conditions = Vec::new();
    match parent {
        // The parent's id is bound when the children are read.
        Some(parent) => conditions.push(Sql::new(format!("{} = ?", tables.root_column(&parent.field.name)))),
        None => require_filter(tables.object, query)?,
    }
    conditions.extend(hidden(tables));
    conditions.extend(unshared(tables));
    if let Some(scope) = &query.scope {
        conditions.extend(scoped(tables, scope)?);
    }
    if let Some(condition) = &query.filter {
        conditions.push(Compiler::new(tables).condition(condition, false, false)?);
    }
    Ok(Sql::joined(conditions, "AND"))
}

/// Plain queries do not see the recycle bin and the archive.
fn hidden(tables: &Tables<'_, '_>) -> Vec<Sql> {
    if tables.scope.all_rows {
        return Vec::new();
    }
    hiding_fields(tables.object).map(|f| Sql::new(format!("{} = 0", tables.root_column(&f.name)))).collect()
}

/// What sharing keeps from the user is in no query, not even in one for everything.
fn unshared(tables: &Tables<'_, '_>) -> Option<Sql> {
    let hidden = &tables.scope.visibility.hidden_records;
    if hidden.is_empty() {
        return None;
    }
    let text = format!("{} NOT IN ({})", tables.root_column("Id"), vec!["?"; hidden.len()].join(","));
    Some(Sql { text, values: hidden.iter().cloned().map(Stored::Text).collect() })
}

fn scoped(tables: &Tables<'_, '_>, scope: &str) -> Result<Option<Sql>, SalesforceError> {
    let object = tables.object;
    let known = object.scopes.iter().any(|(name, _)| name.eq_ignore_ascii_case(scope));
    if scope.eq_ignore_ascii_case("mine") && object.field("OwnerId").is_some() {
        let owner = Stored::Text(tables.scope.user.user_id.clone());
        return Ok(Some(Sql::bound(format!("{} = ?", tables.root_column("OwnerId")), owner)));
    }
    if scope.eq_ignore_ascii_case("everything") || known {
        return Ok(None);
    }
    Err(malformed(format!("The scope '{scope}' is not supported for the object {}", object.name)))
}

/// Refuses a query that lacks the filter which its object asks for.
pub(super) fn require_filter(object: &ObjectSchema, query: &Query) -> Result<(), SalesforceError> {
    let Some(fields) = &object.required_filter else { return Ok(()) };
    let conditions = match &query.filter {
        Some(Condition::And(parts)) => parts.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    let given = conditions.iter().any(|condition| {
        let Condition::Compare(comparison) = condition else { return false };
        let Expr::Field(path) = &comparison.left else { return false };
        let names = path.parts.last().is_some_and(|name| {
            name.eq_ignore_ascii_case("Id") || fields.iter().any(|f| f.eq_ignore_ascii_case(name))
        });
        let single = comparison.operator == Operator::Equal && matches!(comparison.right, Operand::Value(_));
        names && (single || comparison.operator == Operator::In)
    });
    if given {
        return Ok(());
    }
    Err(malformed(format!(
        "Implementation restriction: {} requires a filter by a single Id on {} using the equals operator or multiple \
         Id's using the IN operator.",
        object.name,
        fields.join(" or ")
    )))
}

fn order(tables: &mut Tables<'_, '_>, query: &Query) -> Result<Sql, SalesforceError> {
    let mut terms = Vec::new();
    let mut by_id = false;
    for item in &query.order_by {
        let column = tables.column(item.expr.field())?;
        let field = column.field;
        if let Expr::Call(function, _, at) = &item.expr
            && !matches!(
                function,
                crate::soql::ast::Function::ConvertCurrency | crate::soql::ast::Function::ToLabel
            )
        {
            let message = format!("{} can not be used to sort records", function.name());
            return Err(tables.scope.error("MALFORMED_QUERY", at.0, &message));
        }
        if !field.sortable {
            let message = format!("field '{}' can not be sorted in a query call", field.name);
            return Err(tables.scope.error("MALFORMED_QUERY", item.expr.at(), &message));
        }
        let own = column.parents.is_empty();
        by_id |= own && field.name == "Id";
        terms.push(order_term(&column.sql, item, own && !field.nillable));
    }
    if terms.is_empty() {
        return Ok(Sql::default());
    }
    if !by_id {
        // Equal keys keep one order, so that pages of several queries fit together.
        terms.push(tables.root_column("Id"));
    }
    Ok(Sql::new(format!(" ORDER BY {}", terms.join(", "))))
}

/// Nulls come first in both directions unless said otherwise; SQLite puts them first ascending, last descending.
pub(super) fn order_term(sql: &str, item: &crate::soql::ast::OrderItem, never_null: bool) -> String {
    let nulls_last = item.nulls_last.unwrap_or(false);
    let direction = if item.descending { " DESC" } else { "" };
    let nulls = match (nulls_last, item.descending) {
        _ if never_null => "",
        (false, true) => " NULLS FIRST",
        (true, false) => " NULLS LAST",
        _ => "",
    };
    format!("{sql}{direction}{nulls}")
}

/// `LIMIT ? OFFSET ?`, or nothing.
pub(super) fn limit(query: &Query) -> Result<Sql, SalesforceError> {
    let offset = query.offset.map_or(0, |(offset, _)| offset);
    if offset > MAX_OFFSET {
        return Err(SalesforceError::new(
            400,
            "NUMBER_OUTSIDE_VALID_RANGE",
            format!("Maximum SOQL offset allowed is {MAX_OFFSET}"),
        ));
    }
    if query.limit.is_none() && offset == 0 {
        return Ok(Sql::default());
    }
    let limit = query.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    Ok(Sql {
        text: " LIMIT ? OFFSET ?".to_owned(),
        values: vec![Stored::Integer(limit), Stored::Integer(offset)],
    })
}
