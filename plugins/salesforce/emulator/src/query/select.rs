//! The select list of a query without aggregates.

use std::collections::HashSet;
use std::sync::Arc;

use super::plan::{Parent, RowPlan, compile_rows};
use super::resolve::{Node, Tables};
use super::shape::{Columns, Entity, Item, Selected, Shape, key};
use super::wire::Wire;
use crate::SalesforceError;
use crate::schema::{FieldSchema, FieldType, ObjectSchema};
use crate::soql::ast::{At, Expr, FieldPath, FieldSet, Function, Query, SelectItem, TypeOf};
use crate::soql::malformed;

/// Most rows of a query with `FIELDS(ALL)` or `FIELDS(CUSTOM)`.
const MAX_FIELDS_ROWS: u64 = 200;

/// Most child sub-queries, and how deep they may nest.
const MAX_CHILDREN: usize = 20;

/// Resolves a select list into a record's shape.
pub(super) fn select(
    tables: &mut Tables<'_, '_>,
    query: &Query,
    level: usize,
) -> Result<Selected, SalesforceError> {
    let mut columns = Columns::default();
    let shape = empty_shape(&tables.root(), &mut columns);
    let mut builder = Builder { tables, columns, shape, children: Vec::new(), seen: HashSet::new() };
    for item in &query.select {
        match item {
            SelectItem::Expr(expr, alias) => builder.expression(expr, alias.as_deref())?,
            SelectItem::Count(_) => {
                return Err(malformed("COUNT() must be the only item of the SELECT list"));
            }
            SelectItem::Fields(set, _) => {
                for path in expand(builder.tables, *set, query.limit)? {
                    builder.expression(&Expr::Field(path), None)?;
                }
            }
            SelectItem::Query(child) => builder.children(child, level)?,
            SelectItem::TypeOf(type_of) => builder.type_of(type_of)?,
        }
    }
    Ok(Selected { shape: builder.shape, columns: builder.columns, children: builder.children })
}

/// The fields that `FIELDS()` stands for.
pub(super) fn expand(
    tables: &Tables<'_, '_>,
    set: FieldSet,
    limit: Option<u64>,
) -> Result<Vec<FieldPath>, SalesforceError> {
    if set != FieldSet::Standard && limit.is_none_or(|limit| limit > MAX_FIELDS_ROWS) {
        return Err(malformed(format!(
            "The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_ROWS}"
        )));
    }
    let wanted = |field: &&FieldSchema| match set {
        FieldSet::All => true,
        FieldSet::Standard => !field.custom,
        FieldSet::Custom => field.custom,
    };
    let object = tables.object;
    let fields = object.fields.iter().filter(wanted).filter(|field| tables.scope.sees(object, field));
    Ok(fields.map(|field| FieldPath { parts: vec![field.name.clone()], at: At(0) }).collect())
}

struct Builder<'t, 's, 'a> {
    tables: &'t mut Tables<'s, 'a>,
    columns: Columns,
    shape: Shape,
    children: Vec<Arc<RowPlan>>,
    seen: HashSet<String>,
}

impl<'a> Builder<'_, '_, 'a> {
    fn expression(&mut self, expr: &Expr, alias: Option<&str>) -> Result<(), SalesforceError> {
        let path = expr.field();
        let scope = self.tables.scope;
        if let Expr::Call(function, _, at) = expr
            && (function.is_aggregate() || function.is_date_part())
        {
            let message = format!("Field must be grouped or aggregated: {path}");
            return Err(scope.error("MALFORMED_QUERY", at.0, &message));
        }
        if alias.is_some() && matches!(expr, Expr::Field(_)) {
            let message = "only aggregate expressions use field aliasing";
            return Err(scope.error("MALFORMED_QUERY", expr.at(), message));
        }
        let column = self.tables.column(path)?;
        let parts = self.tables.without_root_name(&path.parts);
        let parents = parts.split_last().map_or(&[][..], |(_, parents)| parents);
        let member = alias.unwrap_or(&column.field.name);
        let full = [column.parents.join("."), member.to_owned()].join(".").to_ascii_lowercase();
        if !self.seen.insert(full) {
            let name: Vec<&str> = column.parents.iter().copied().chain([member]).collect();
            return Err(SalesforceError::new(
                400,
                "INVALID_FIELD",
                format!("duplicate field selected: {}", name.join(".")),
            ));
        }
        let (node, _) = self.tables.walk(parents, path.at.0)?;
        let wire = select_wire(expr, column.field);
        let item = item(&node, column.field, member, wire, &mut self.columns);
        // A function under an alias stands at the record itself, a field in its parent.
        let depth = if alias.is_some() { 0 } else { parents.len() };
        self.place(parents.get(..depth).unwrap_or_default(), path.at.0, item)
    }

    /// Puts a member into the parent at the end of `parents`, making parents as they come.
    fn place(&mut self, parents: &[String], at: usize, item: Item) -> Result<(), SalesforceError> {
        let mut levels = Vec::new();
        for depth in 1..=parents.len() {
            let (node, names) = self.tables.walk(parents.get(..depth).unwrap_or_default(), at)?;
            let name = names.last().copied().unwrap_or_default();
            levels.push((key(name), empty_shape(&node, &mut self.columns)));
        }
        insert(&mut self.shape.items, levels, item);
        Ok(())
    }

    fn children(&mut self, query: &Query, level: usize) -> Result<(), SalesforceError> {
        let scope = self.tables.scope;
        let parts = self.tables.without_root_name(&query.from.parts);
        let name = parts.join(".");
        let unknown = || scope.no_child_relationship(query.from.at.0, &name);
        let relationship = self.tables.object.child_relationship(&name).ok_or_else(unknown)?;
        let object = scope.schema.object(&relationship.child_object).ok_or_else(unknown)?;
        let field = scope.field(object, &relationship.field).ok_or_else(unknown)?;
        if !scope.visibility.can_read(&object.name) {
            return Err(unknown());
        }
        if self.children.len() == MAX_CHILDREN {
            return Err(malformed(format!("a query can have at most {MAX_CHILDREN} child sub-queries")));
        }
        let plan = compile_rows(scope, query, object, Some(Parent { field, level: level + 1 }))?;
        let key = key(relationship.relationship_name.as_deref().unwrap_or_default());
        if self.shape.items.iter().any(|item| item.key() == key) {
            return Err(malformed(format!("cannot have two child sub-queries of the relationship {name}")));
        }
        self.shape.items.push(Item::Children { key, child: self.children.len() });
        self.children.push(Arc::new(plan));
        Ok(())
    }

    fn type_of(&mut self, type_of: &TypeOf) -> Result<(), SalesforceError> {
        let scope = self.tables.scope;
        let at = type_of.path.at.0;
        let parts = self.tables.without_root_name(&type_of.path.parts);
        let (node, names) = self.tables.walk(&parts, at)?;
        let Node::Name { reference, targets, .. } = &node else {
            let message = format!("TYPEOF needs a polymorphic relationship, not '{}'", type_of.path);
            return Err(scope.error("INVALID_FIELD", at, &message));
        };
        let mut branches = Vec::new();
        for (object, fields) in &type_of.when {
            let target = scope.object(object)?;
            if !targets.iter().any(|t| t.name == target.name) {
                let message = format!("'{}' is no type of the relationship '{}'", target.name, type_of.path);
                return Err(scope.error("INVALID_FIELD", object.at.0, &message));
            }
            let row = self.tables.join(target, reference);
            let shape = self.fields_of(&row, fields)?;
            branches.push((target.key_prefix.clone().unwrap_or_default(), shape));
        }
        let otherwise = self.fields_of(&node, &type_of.otherwise)?;
        let id = self.columns.add(node.id());
        let item =
            Item::TypeOf { key: key(names.last().copied().unwrap_or_default()), id, branches, otherwise };
        self.place(parts.split_last().map_or(&[][..], |(_, parents)| parents), at, item)
    }

    /// A parent's shape with fields of its own only.
    fn fields_of(&mut self, node: &Node<'a>, fields: &[FieldPath]) -> Result<Shape, SalesforceError> {
        let scope = self.tables.scope;
        let mut shape = empty_shape(node, &mut self.columns);
        for path in fields {
            let name = path.parts.join(".");
            let field = scope
                .field(node.object(), &name)
                .ok_or_else(|| scope.no_column(path.at.0, &name, &node.object().name))?;
            shape.items.push(item(node, field, &field.name, Wire::of(field), &mut self.columns));
        }
        Ok(shape)
    }
}

/// How an expression's value is written.
pub(super) fn select_wire(expr: &Expr, field: &FieldSchema) -> Wire {
    match expr {
        Expr::Call(Function::ToLabel, _, _) => Wire::label(field),
        Expr::Call(Function::Format, inner, _) => select_wire(inner, field).formatted(field.ty),
        _ => Wire::of(field),
    }
}

fn empty_shape(node: &Node<'_>, columns: &mut Columns) -> Shape {
    let kind = match node {
        Node::Row { object, .. } => Entity::Object(object.name.clone()),
        Node::Name { targets, .. } => Entity::Name(
            targets
                .iter()
                .filter_map(|t: &&ObjectSchema| Some((t.key_prefix.clone()?, t.name.clone())))
                .collect(),
        ),
    };
    Shape { kind, id: columns.add(node.id()), items: Vec::new() }
}

fn item(node: &Node<'_>, field: &FieldSchema, member: &str, wire: Wire, columns: &mut Columns) -> Item {
    let key = key(member);
    match field.ty {
        FieldType::Address | FieldType::Location => {
            let mut parts: Vec<(&str, usize, Wire)> = node
                .object()
                .parts_of(&field.name)
                .filter_map(|part| {
                    Some((part_name(&part.name)?, columns.add(node.column(part)), Wire::of(part)))
                })
                .collect();
            parts.sort_by_key(|(name, ..)| *name);
            let parts = parts.into_iter().map(|(name, column, wire)| (super::shape::key(name), column, wire));
            Item::Compound { key, parts: parts.collect() }
        }
        FieldType::Base64 => Item::Blob {
            key,
            column: columns.add(format!("{} IS NOT NULL", node.column(field))),
            path: (node.object().name.clone(), field.name.clone()),
        },
        _ => Item::Value { key, column: columns.add(node.column(field)), wire },
    }
}

/// The key of an address part, by the end of its field's name: `MailingStateCode` is `stateCode`.
fn part_name(field: &str) -> Option<&'static str> {
    const PARTS: [(&str, &str); 10] = [
        ("CountryCode", "countryCode"),
        ("StateCode", "stateCode"),
        ("GeocodeAccuracy", "geocodeAccuracy"),
        ("PostalCode", "postalCode"),
        ("Latitude", "latitude"),
        ("Longitude", "longitude"),
        ("Country", "country"),
        ("Street", "street"),
        ("State", "state"),
        ("City", "city"),
    ];
    let name = field.strip_suffix("__s").unwrap_or(field);
    PARTS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, key)| *key)
}

fn insert(mut items: &mut Vec<Item>, levels: Vec<(Vec<u8>, Shape)>, item: Item) {
    for (wanted, shape) in levels {
        let place = items.iter().position(|item| matches!(item, Item::Parent { key, .. } if *key == wanted));
        let place = place.unwrap_or_else(|| {
            items.push(Item::Parent { key: wanted, shape });
            items.len() - 1
        });
        let Some(Item::Parent { shape, .. }) = items.get_mut(place) else { return };
        items = &mut shape.items;
    }
    items.push(item);
}
