//! A query described rather than run: `?explain=` and `?columns=true`.

use std::cell::Cell;

use jiff::Timestamp;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Value, json};

use super::plan::{Plan, named_tables};
use super::resolve::{Scope, Tables};
use super::{Prepared, UserContext, storage};
use crate::SalesforceError;
use crate::schema::{FieldSchema, FieldType, Schema, Visibility};
use crate::soql::ast::{Expr, FieldPath, Function, Query, SelectItem};

/// `{"plans":[..]}`: how the query would be run.
pub(crate) fn explain(conn: &Connection, prepared: &Prepared) -> Result<Value, SalesforceError> {
    let sql = match &prepared.plan {
        Plan::Count(sql) => sql,
        Plan::Rows(plan) => &plan.ids,
        Plan::Aggregate(plan) => &plan.sql,
    };
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", sql.text)).map_err(storage)?;
    let mut steps = statement.query(params_from_iter(&sql.values)).map_err(storage)?;
    let mut index: Option<String> = None;
    while let Some(step) = steps.next().map_err(storage)? {
        let detail: String = step.get(3).map_err(storage)?;
        // Indexes are named `Object:Field`.
        let named = detail.strip_prefix("SEARCH").and_then(|rest| rest.split_once(':'));
        if let Some((_, field)) = named.filter(|_| index.is_none()) {
            let end = field.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(field.len());
            index = field.get(..end).map(str::to_owned);
        }
    }
    let rows = prepared.estimate(conn)?;
    let found = prepared.count(conn)?;
    let fields: Vec<&str> = index.iter().map(String::as_str).collect();
    // Salesforce calls a plan selective below 1: the share of rows against a third of the table.
    let cost = if rows == 0 { 0.0 } else { (found as f64 / (rows as f64 / 3.0) * 1000.0).round() / 1000.0 };
    let notes = if index.is_some() {
        json!([])
    } else {
        json!([{
            "description": "Not considering filter for optimization because unindexed",
            "fields": ["IsDeleted"],
            "tableEnumOrId": prepared.object,
        }])
    };
    Ok(json!({"plans": [{
        "cardinality": found,
        "fields": fields,
        "leadingOperationType": if index.is_some() { "Index" } else { "TableScan" },
        "notes": notes,
        "relativeCost": cost,
        "sobjectCardinality": rows,
        "sobjectType": prepared.object,
    }]}))
}

/// The answer of `?columns=true`: what the columns of a table of results would be.
pub(crate) fn columns(
    schema: &Schema,
    visibility: &Visibility,
    soql: &str,
    now: Timestamp,
    user: &UserContext,
) -> Result<Value, SalesforceError> {
    let query = crate::soql::parse(soql)?;
    let scope =
        Scope { schema, visibility, source: soql, all_rows: false, now, user, next_alias: Cell::new(0) };
    // Compiling refuses whatever the query itself would be refused for.
    let (_, object) = super::plan::compile(&scope, &query)?;
    let root = scope.object(&query.from)?;
    let columns = described(&mut named_tables(&scope, &query, root)?, &query)?;
    let id_selected = columns.iter().any(|column| column["columnName"] == "Id");
    Ok(json!({
        "columnMetadata": columns,
        "entityName": object,
        "groupBy": !query.group_by.is_empty(),
        "idSelected": id_selected,
        "keyPrefix": root.key_prefix,
    }))
}

fn described(tables: &mut Tables<'_, '_>, query: &Query) -> Result<Vec<Value>, SalesforceError> {
    let mut columns: Vec<Value> = Vec::new();
    let mut unnamed = 0;
    for item in &query.select {
        match item {
            SelectItem::Expr(expr, alias) => {
                let field = tables.column(expr.field())?;
                let folded = expr.aggregate().is_some();
                let name = match (alias, expr) {
                    (Some(alias), _) => alias.clone(),
                    (None, Expr::Call(function, _, _))
                        if function.is_aggregate() || function.is_date_part() =>
                    {
                        unnamed += 1;
                        format!("expr{}", unnamed - 1)
                    }
                    _ => field.field.name.clone(),
                };
                let parents = keyed(tables, &field.parents)?;
                nest(&mut columns, &parents, column(field.field, expr, &name, folded));
            }
            SelectItem::Fields(set, _) => {
                for path in super::select::expand(tables, *set, query.limit)? {
                    let field = tables.column(&path)?.field;
                    columns.push(column(field, &Expr::Field(path), &field.name, false));
                }
            }
            SelectItem::Query(child) => {
                let name = tables.without_root_name(&child.from.parts).join(".");
                let relationship = tables.object.child_relationship(&name);
                let object = relationship.and_then(|r| tables.scope.schema.object(&r.child_object));
                let (Some(relationship), Some(object)) = (relationship, object) else { continue };
                let inner = described(&mut named_tables(tables.scope, child, object)?, child)?;
                let name = relationship.relationship_name.as_deref().unwrap_or_default();
                columns.push(group(name, true, None, &inner));
            }
            SelectItem::TypeOf(type_of) => {
                let path = type_of.path.to_string();
                for (name, key) in keyed(tables, &[path.as_str()])? {
                    columns.push(group(&name, false, key.as_deref(), &[]));
                }
            }
            SelectItem::Count(_) => {}
        }
    }
    Ok(columns)
}

/// The name of a parent, and the field that leads to it.
type Parent = (String, Option<String>);

/// The parents on a path from the root.
fn keyed(tables: &mut Tables<'_, '_>, parents: &[&str]) -> Result<Vec<Parent>, SalesforceError> {
    let names: Vec<String> = parents.iter().map(|name| (*name).to_owned()).collect();
    let mut keyed = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let (node, _) = tables.walk(names.get(..at).unwrap_or_default(), 0)?;
        let mut fields = node.object().fields.iter();
        let key = fields.find(|field| field.relationship_name.as_deref() == Some(name));
        keyed.push((name.clone(), key.map(|field| field.name.clone())));
    }
    Ok(keyed)
}

/// Puts a column below its parents.
fn nest(columns: &mut Vec<Value>, parents: &[Parent], column: Value) {
    let Some(((first, key), rest)) = parents.split_first() else {
        columns.push(column);
        return;
    };
    let place = columns.iter().position(|c| c["columnName"] == first.as_str() && c["aggregate"] == false);
    let place = place.unwrap_or_else(|| {
        columns.push(group(first, false, key.as_deref(), &[]));
        columns.len() - 1
    });
    if let Some(Value::Array(inner)) = columns.get_mut(place).and_then(|parent| parent.get_mut("joinColumns"))
    {
        nest(inner, rest, column);
    }
}

/// A column that holds columns: a parent with the field that leads to it, or the rows of a child sub-query.
fn group(name: &str, aggregate: bool, key: Option<&str>, inner: &[Value]) -> Value {
    json!({
        "aggregate": aggregate, "apexType": null, "booleanType": false, "columnName": name, "custom": false,
        "displayName": name, "foreignKeyName": key, "insertable": false, "joinColumns": inner,
        "numberType": false, "textType": false, "updatable": false,
    })
}

fn column(field: &FieldSchema, expr: &Expr, name: &str, aggregate: bool) -> Value {
    let counted = matches!(expr, Expr::Call(Function::Count | Function::CountDistinct, _, _));
    let display = match expr {
        Expr::Field(FieldPath { .. }) => field.name.clone(),
        Expr::Call(function, inner, _) => format!("{}({})", function.name().to_lowercase(), inner.field()),
    };
    let number = counted || field.ty == FieldType::Int || field.ty.is_decimal();
    json!({
        "aggregate": aggregate,
        "apexType": (!aggregate).then(|| apex_type(field.ty)),
        "booleanType": field.ty == FieldType::Boolean && !counted,
        "columnName": name,
        "custom": field.custom,
        "displayName": display,
        "foreignKeyName": null,
        "insertable": field.createable && !aggregate,
        "joinColumns": [],
        "numberType": number,
        "textType": field.ty.is_text() && !number,
        "updatable": field.updateable && !aggregate,
    })
}

fn apex_type(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Id | FieldType::Reference => "Id",
        FieldType::Boolean => "Boolean",
        FieldType::Int => "Integer",
        FieldType::Double | FieldType::Currency | FieldType::Percent => "Double",
        FieldType::Date => "Date",
        FieldType::DateTime => "Datetime",
        FieldType::Time => "Time",
        FieldType::Base64 => "Blob",
        FieldType::Address => "Address",
        FieldType::Location => "Location",
        _ => "String",
    }
}
