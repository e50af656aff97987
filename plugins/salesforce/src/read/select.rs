//! What is selected of a source: the fields that this user's describe shows, in the order that pages follow.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use unicrm_core::{Error, ErrorKind, Shape};

use super::matching::Wanted;
use super::source::Source;
use super::token::{Cursor, Keyset};
use crate::api::{Condition, Describe, DescribeField, FieldType, Literal, Order, Soql};
use crate::objects::{SobjectFacts, SourceClasses, source_classes};

/// Time stamps in the order in which they serve as a cursor: the first moves with every change and is indexed.
const STAMPS: [&str; 3] = ["SystemModstamp", "LastModifiedDate", "CreatedDate"];

/// Fields that every further person of an activity has.
const PERSON_FIELDS: [&str; 2] = ["RelationId", "IsDeleted"];

/// What is selected of a source.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) source: Source,
    /// The fields: those that decide first, then custom ones, then the rest.
    pub(crate) fields: Vec<String>,
    /// The time stamp that pages follow.
    pub(crate) stamp: &'static str,
    /// Whether deleted records are marked.
    pub(crate) marks_deleted: bool,
    /// Whether users can be told apart by their type.
    filters_users: bool,
    /// The sub-query of further people, where the org shares activities.
    pub(crate) people: Option<&'static str>,
    /// The classes of the remote fields, made from the same describe.
    pub(crate) classes: Arc<SourceClasses>,
    /// Where the fields come from.
    pub(crate) describe: Arc<Describe>,
}

impl Selection {
    /// Chooses from what the user sees. `without` names fields and relationships that the server refused although it
    /// describes them.
    pub(crate) fn choose(
        source: Source,
        shape: Shape,
        describe: &Arc<Describe>,
        facts: &SobjectFacts,
        without: &BTreeSet<String>,
    ) -> Result<Self, Error> {
        let visible = |name: &str| describe.field(name).filter(|field| !without.contains(&field.name));
        for deciding in source.deciding() {
            if visible(deciding.field).is_none() {
                return Err(missing_field(source, deciding.field, deciding.because));
            }
        }
        let orders = |name: &&str| visible(name).is_some_and(|field| field.filterable && field.sortable);
        let stamp = STAMPS.into_iter().find(orders).ok_or_else(|| {
            missing_field(source, "SystemModstamp", "it says what changed and where to go on")
        })?;
        let mut fields: Vec<String> = Vec::new();
        for name in source.deciding().iter().map(|deciding| deciding.field).chain([stamp]) {
            if !fields.iter().any(|known| known == name) {
                fields.push(name.to_owned());
            }
        }
        let full = shape == Shape::Full;
        if full {
            let rest =
                describe.fields.iter().filter(|field| selectable(field) && !without.contains(&field.name));
            let (custom, standard): (Vec<_>, Vec<_>) = rest.partition(|field| field.custom);
            for field in custom.into_iter().chain(standard) {
                if !fields.contains(&field.name) {
                    fields.push(field.name.clone());
                }
            }
        }
        let shared = |name: &&str| describe.has_child_relationship(name) && !without.contains(*name);
        Ok(Self {
            source,
            stamp,
            marks_deleted: fields.iter().any(|name| name == "IsDeleted"),
            filters_users: visible("UserType").is_some_and(|field| field.filterable),
            people: source.people().filter(|_| full).filter(shared),
            classes: Arc::new(source_classes(source, facts, fields.iter().map(String::as_str))),
            fields,
            describe: Arc::clone(describe),
        })
    }

    /// Which rows of the remote object belong to the source.
    fn filter(&self, by_ids: bool) -> Option<Condition> {
        let possible = self.source != Source::User || self.filters_users;
        self.source.filter(by_ids).filter(|_| possible)
    }

    /// The query for the rows after a cursor's keyset, within its window.
    pub(crate) fn rows(&self, cursor: &Cursor, since: Option<Timestamp>, limit: Option<u32>) -> Soql {
        let mut conditions = self.left(cursor, since);
        if let Some(until) = cursor.window.and_then(|window| window.until) {
            conditions.push(Condition::le(self.stamp, Literal::DateTime(until)));
        }
        let soql = self.select(conditions).order_by([Order::ascending(self.stamp), Order::ascending("Id")]);
        match limit {
            Some(limit) => soql.limit(limit),
            None => soql,
        }
    }

    /// The query for all rows after a cursor's keyset, in no order: Salesforce cuts a job into parts that run at once only
    /// when it need not sort.
    pub(crate) fn unordered(&self, cursor: &Cursor, since: Option<Timestamp>) -> Soql {
        self.select(self.left(cursor, since))
    }

    /// What rows meet that are left behind a cursor.
    fn left(&self, cursor: &Cursor, since: Option<Timestamp>) -> Vec<Condition> {
        let mut conditions: Vec<Condition> = self.filter(false).into_iter().collect();
        match &cursor.after {
            Some(keyset) => conditions.extend(self.after(keyset)),
            None => conditions.extend(since.map(|since| Condition::ge(self.stamp, Literal::DateTime(since)))),
        }
        conditions
    }

    /// The query for the rows with these remote ids.
    pub(crate) fn by_ids(&self, ids: &[String]) -> Soql {
        let listed = Condition::in_(self.source.remote_id_field(), ids.iter().map(|id| self.remote_id(id)));
        self.select(self.filter(true).into_iter().chain([listed]).collect())
    }

    /// The query for rows that meet a condition.
    pub(super) fn matching(&self, wanted: &Wanted) -> Soql {
        self.select(self.filter(true).into_iter().chain([wanted.condition.clone()]).collect())
            .limit(wanted.limit)
    }

    /// The query for the number of live rows.
    pub(crate) fn count(&self, since: Option<Timestamp>, ids: Option<&[String]>) -> Soql {
        let mut conditions: Vec<Condition> = self.filter(ids.is_some()).into_iter().collect();
        if self.marks_deleted {
            conditions.push(Condition::eq("IsDeleted", Literal::Bool(false)));
        }
        conditions.extend(since.map(|since| Condition::ge(self.stamp, Literal::DateTime(since))));
        if let Some(ids) = ids {
            let listed = ids.iter().map(|id| self.remote_id(id));
            conditions.push(Condition::in_(self.source.remote_id_field(), listed));
        }
        Soql::count(self.source.sobject()).filter(Condition::and(conditions))
    }

    fn remote_id(&self, id: &str) -> Literal {
        if self.source.key_prefix().is_some() { Literal::id(id) } else { Literal::text(id) }
    }

    fn select(&self, conditions: Vec<Condition>) -> Soql {
        let mut soql = Soql::select(self.source.sobject()).fields(self.fields.iter().map(String::as_str));
        if let Some(relationship) = self.people {
            soql = soql.child(relationship, PERSON_FIELDS);
        }
        if conditions.is_empty() { soql } else { soql.filter(Condition::and(conditions)) }
    }

    /// Rows behind a place in the order. The first condition alone would do no harm but for the rows that it repeats; it
    /// is there because it can use an index.
    fn after(&self, keyset: &Keyset) -> Vec<Condition> {
        let stamp = || Literal::DateTime(keyset.stamp);
        let later = Condition::gt(self.stamp, stamp());
        let Some(id) = &keyset.id else { return vec![later] };
        let same = Condition::and([Condition::eq(self.stamp, stamp()), Condition::gt("Id", Literal::id(id))]);
        vec![Condition::ge(self.stamp, stamp()), Condition::or([later, same])]
    }
}

/// Whether a field can stand in a select list and brings data of its own: compound fields repeat their parts, and base64
/// comes by itself.
pub(crate) fn selectable(field: &DescribeField) -> bool {
    !matches!(field.field_type, FieldType::Address | FieldType::Location | FieldType::Base64)
        && !field.deprecated_and_hidden
}

/// The error of an object that cannot be read because a field is not visible.
pub(crate) fn missing_field(source: Source, field: &str, because: &str) -> Error {
    let sobject = source.sobject();
    Error::new(
        ErrorKind::PermissionDenied,
        format!("{} records cannot be read: {sobject}.{field} is not visible to this user, and {because}", source.kind()),
    )
    .with_advice(format!(
        "Setup > Permission Sets > the integration's set > Object Settings > {sobject}: give read access to {field}"
    ))
}
