//! Names against the schema as the user sees it: fields, parents, and the joins they need.

use std::cell::Cell;

use jiff::Timestamp;

use super::UserContext;
use super::ddl::quote;
use crate::SalesforceError;
use crate::schema::{FieldSchema, FieldType, ObjectSchema, Schema, Visibility};
use crate::soql::ast::FieldPath;
use crate::soql::{error_at, malformed};

/// Longest way from a record up to a parent.
const MAX_LEVELS: usize = 5;

/// Most parents that one query reaches.
const MAX_PARENTS: usize = 55;

/// How Salesforce ends its sentences about unknown names.
const SEE_WSDL: &str = "Please reference your WSDL or the describe call for the appropriate names.";

/// The answer to queries that are well-formed but beyond the limits.
pub(super) fn too_complicated() -> SalesforceError {
    SalesforceError::new(
        400,
        "QUERY_TOO_COMPLICATED",
        "Query is either selecting too many fields or the filter conditions are too complicated.",
    )
}

/// What a query is compiled against.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    pub(super) schema: &'a Schema,
    pub(super) visibility: &'a Visibility,
    pub(super) source: &'a str,
    pub(super) all_rows: bool,
    pub(super) now: Timestamp,
    pub(super) user: &'a UserContext,
    pub(super) next_alias: Cell<usize>,
}

impl<'a> Scope<'a> {
    /// The object that `FROM` names, if the user sees it and it can be queried.
    pub(super) fn object(&self, path: &FieldPath) -> Result<&'a ObjectSchema, SalesforceError> {
        let name = path.parts.join(".");
        let Some(object) = self.schema.object(&name).filter(|object| self.visibility.can_read(&object.name))
        else {
            return Err(self.error(
                "INVALID_TYPE",
                path.at.0,
                &format!(
                    "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to \
                     append the '__c' after the entity name. {SEE_WSDL}"
                ),
            ));
        };
        if !object.queryable {
            let message = format!("entity type {} does not support query", object.name);
            return Err(SalesforceError::new(400, "INVALID_TYPE_FOR_OPERATION", message));
        }
        Ok(object)
    }

    /// A field that exists for the user.
    pub(super) fn field(&self, object: &'a ObjectSchema, name: &str) -> Option<&'a FieldSchema> {
        object.field(name).filter(|field| self.sees(object, field))
    }

    pub(super) fn sees(&self, object: &ObjectSchema, field: &FieldSchema) -> bool {
        self.visibility.can_see(&object.name, &field.name) || object.name == "Name"
    }

    pub(super) fn alias(&self) -> String {
        let n = self.next_alias.get();
        self.next_alias.set(n + 1);
        format!("t{n}")
    }

    pub(super) fn error(&self, code: &str, at: usize, message: &str) -> SalesforceError {
        error_at(code, self.source, at, message)
    }

    pub(super) fn no_column(&self, at: usize, column: &str, entity: &str) -> SalesforceError {
        self.error(
            "INVALID_FIELD",
            at,
            &format!(
                "No such column '{column}' on entity '{entity}'. If you are attempting to use a custom field, be sure to \
                 append the '__c' after the custom field name. {SEE_WSDL}"
            ),
        )
    }

    fn no_relationship(&self, at: usize, name: &str) -> SalesforceError {
        self.error(
            "INVALID_FIELD",
            at,
            &format!(
                "Didn't understand relationship '{name}' in field path. If you are attempting to use a custom \
                 relationship, be sure to append the '__r' after the custom relationship name. {SEE_WSDL}"
            ),
        )
    }

    pub(super) fn no_child_relationship(&self, at: usize, name: &str) -> SalesforceError {
        self.error(
            "INVALID_TYPE",
            at,
            &format!(
                "Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a \
                 custom relationship, be sure to append the '__r' after the custom relationship name. {SEE_WSDL}"
            ),
        )
    }
}

/// A record that fields are taken from: the queried one or a parent of it.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    /// A row of a table with its alias.
    Row { object: &'a ObjectSchema, alias: String },
    /// A polymorphic parent: the SQL of its id, and the objects it may be. Fields are those of `Name`.
    Name { name: &'a ObjectSchema, reference: String, targets: Vec<&'a ObjectSchema> },
}

impl<'a> Node<'a> {
    /// The object whose fields can be named here.
    pub(super) fn object(&self) -> &'a ObjectSchema {
        match self {
            Self::Row { object, .. } => object,
            Self::Name { name, .. } => name,
        }
    }

    /// SQL of the record's id; null when there is no record.
    pub(super) fn id(&self) -> String {
        match self {
            Self::Row { alias, .. } => format!("{alias}.\"Id\""),
            Self::Name { reference, .. } => reference.clone(),
        }
    }

    /// SQL of a field's value.
    pub(super) fn column(&self, field: &FieldSchema) -> String {
        match self {
            Self::Row { alias, .. } => format!("{alias}.{}", quote(&field.name)),
            Self::Name { reference, targets, .. } => name_column(reference, targets, field),
        }
    }
}

/// The value of a field of `Name`, looked up in the object that the id's prefix tells.
fn name_column(reference: &str, targets: &[&ObjectSchema], field: &FieldSchema) -> String {
    let value = match field.name.as_str() {
        "Id" => return reference.to_owned(),
        "Type" => by_prefix(reference, targets, |target| Some(literal(&target.name))),
        name => by_prefix(reference, targets, |target| {
            let column = match name {
                "Name" | "NameOrAlias" => target.name_field(),
                other => target.field(other),
            }?;
            let column = quote(&column.name);
            Some(format!("(SELECT n.{column} FROM {} n WHERE n.\"Id\" = {reference})", quote(&target.name)))
        }),
    };
    if field.ty.is_text() { format!("({value} COLLATE SOQL)") } else { value }
}

fn by_prefix(
    reference: &str,
    targets: &[&ObjectSchema],
    value: impl Fn(&ObjectSchema) -> Option<String>,
) -> String {
    let mut sql = format!("CASE substr({reference}, 1, 3)");
    let mut any = false;
    for target in targets {
        if let (Some(prefix), Some(value)) = (&target.key_prefix, value(target)) {
            sql.push_str(&format!(" WHEN {} THEN {value}", literal(prefix)));
            any = true;
        }
    }
    if any { sql + " END" } else { "NULL".to_owned() }
}

/// A name of the schema as an SQL string.
fn literal(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// A resolved field.
#[derive(Clone, Debug)]
pub(super) struct Column<'a> {
    pub(super) field: &'a FieldSchema,
    pub(super) sql: String,
    /// Relationship names walked, as the schema writes them.
    pub(super) parents: Vec<&'a str>,
}

/// The tables of one SELECT: the root and the parents joined to it.
#[derive(Debug)]
pub(super) struct Tables<'s, 'a> {
    pub(super) scope: &'s Scope<'a>,
    pub(super) object: &'a ObjectSchema,
    alias: String,
    /// Further names for the root and its parents: alias in lower case, relationship names from the root.
    names: Vec<(String, Vec<String>)>,
    joins: Vec<Join>,
}

#[derive(Debug)]
struct Join {
    alias: String,
    table: String,
    on: String,
}

impl<'s, 'a> Tables<'s, 'a> {
    pub(super) fn new(scope: &'s Scope<'a>, object: &'a ObjectSchema) -> Self {
        Self { scope, object, alias: scope.alias(), names: Vec::new(), joins: Vec::new() }
    }

    /// Lets `alias` stand for the root.
    pub(super) fn name_root(&mut self, alias: &str) {
        self.names.push((alias.to_ascii_lowercase(), Vec::new()));
    }

    /// Lets `alias` stand for a parent: `FROM Contact c, c.Account a`.
    pub(super) fn name_parent(
        &mut self,
        path: &FieldPath,
        alias: Option<&str>,
    ) -> Result<(), SalesforceError> {
        let parts = self.without_root_name(&path.parts);
        self.walk(&parts, path.at.0)?;
        let alias = alias.or(path.parts.last().map(String::as_str)).unwrap_or_default();
        self.names.push((alias.to_ascii_lowercase(), parts));
        Ok(())
    }

    /// The field at the end of a path.
    pub(super) fn column(&mut self, path: &FieldPath) -> Result<Column<'a>, SalesforceError> {
        let parts = self.without_root_name(&path.parts);
        let (name, parents) = parts.split_last().ok_or_else(|| malformed("a field name is missing"))?;
        let (node, parents) = self.walk(parents, path.at.0)?;
        let object = node.object();
        let field = self
            .scope
            .field(object, name)
            .ok_or_else(|| self.scope.no_column(path.at.0, name, &object.name))?;
        Ok(Column { sql: node.column(field), field, parents })
    }

    /// The record at the end of a row of relationship names, joined if need be.
    pub(super) fn walk(
        &mut self,
        parts: &[String],
        at: usize,
    ) -> Result<(Node<'a>, Vec<&'a str>), SalesforceError> {
        if parts.len() > MAX_LEVELS {
            return Err(malformed(format!("a field path can walk up at most {MAX_LEVELS} relationships")));
        }
        let mut node = self.root();
        let mut walked = Vec::new();
        for part in parts {
            let object = node.object();
            let field = object
                .relationship(part)
                .filter(|field| self.scope.sees(object, field))
                .ok_or_else(|| self.scope.no_relationship(at, part))?;
            let reference = node.column(field);
            node = self.parent(field, reference).ok_or_else(|| self.scope.no_relationship(at, part))?;
            walked.push(field.relationship_name.as_deref().unwrap_or_default());
        }
        Ok((node, walked))
    }

    fn parent(&mut self, field: &'a FieldSchema, reference: String) -> Option<Node<'a>> {
        let targets: Vec<&'a ObjectSchema> = field
            .reference_to
            .iter()
            .filter_map(|name| self.scope.schema.object(name))
            .filter(|object| self.scope.visibility.can_read(&object.name))
            .collect();
        match targets.as_slice() {
            _ if field.reference_to.len() > 1 => {
                let name = self.scope.schema.object("Name")?;
                Some(Node::Name { name, reference, targets })
            }
            [object] => Some(self.join(object, &reference)),
            _ => None,
        }
    }

    /// The row of `object` with this id.
    pub(super) fn join(&mut self, object: &'a ObjectSchema, reference: &str) -> Node<'a> {
        let table = quote(&object.name);
        let known = self.joins.iter().find(|join| join.table == table && join.on == reference);
        let alias = known.map(|join| join.alias.clone()).unwrap_or_else(|| {
            let alias = self.scope.alias();
            self.joins.push(Join { alias: alias.clone(), table, on: reference.to_owned() });
            alias
        });
        Node::Row { object, alias }
    }

    /// Everything after `FROM` up to `WHERE`.
    pub(super) fn from(&self) -> Result<String, SalesforceError> {
        if self.joins.len() > MAX_PARENTS {
            return Err(too_complicated());
        }
        let mut sql = format!("{} AS {}", quote(&self.object.name), self.alias);
        for join in &self.joins {
            let Join { alias, table, on } = join;
            sql.push_str(&format!(" LEFT JOIN {table} AS {alias} ON {alias}.\"Id\" = {on}"));
        }
        Ok(sql)
    }

    /// The queried record itself.
    pub(super) fn root(&self) -> Node<'a> {
        Node::Row { object: self.object, alias: self.alias.clone() }
    }

    /// SQL of a column of the root.
    pub(super) fn root_column(&self, name: &str) -> String {
        format!("{}.{}", self.alias, quote(name))
    }

    /// A path without the alias or object name that stands for the root.
    pub(super) fn without_root_name(&self, parts: &[String]) -> Vec<String> {
        if let [first, rest @ ..] = parts
            && !rest.is_empty()
        {
            if let Some((_, path)) = self.names.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(first)) {
                return path.iter().chain(rest).cloned().collect();
            }
            let object = self.object;
            if object.relationship(first).is_none() && object.name.eq_ignore_ascii_case(first) {
                return rest.to_vec();
            }
        }
        parts.to_vec()
    }
}

/// Flags that take a row out of a plain query: the recycle bin, and the archive of activities.
pub(super) fn hiding_fields(object: &ObjectSchema) -> impl Iterator<Item = &FieldSchema> {
    let archived = matches!(object.name.as_str(), "Task" | "Event");
    object.fields.iter().filter(move |field| {
        field.ty == FieldType::Boolean
            && (field.name == "IsDeleted" || (archived && field.name == "IsArchived"))
    })
}
