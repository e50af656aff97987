//! One sObject: its fields, what may be done with it, and who refers to it.

use std::collections::BTreeMap;

use super::field::{FieldSchema, FieldType};

/// An sObject as describe shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSchema {
    /// API name.
    pub name: String,
    /// Label of one record.
    pub label: String,
    /// Label of several.
    pub label_plural: String,
    /// First three characters of its record ids.
    pub key_prefix: Option<String>,
    /// Whether it was added by the org.
    pub custom: bool,
    /// Whether records can be created through the API.
    pub createable: bool,
    /// Whether they can be updated.
    pub updateable: bool,
    /// Whether they can be deleted.
    pub deletable: bool,
    /// Whether they can be taken back from the recycle bin.
    pub undeletable: bool,
    /// Whether SOQL can name it in FROM.
    pub queryable: bool,
    /// Whether SOSL finds its records.
    pub searchable: bool,
    /// Whether getUpdated and getDeleted work.
    pub replicateable: bool,
    /// Whether records can be merged.
    pub mergeable: bool,
    /// Whether a record can be read by id.
    pub retrieveable: bool,
    /// Whether it has page layouts.
    pub layoutable: bool,
    /// Whether it has search layouts.
    pub search_layoutable: bool,
    /// Whether it has compact layouts.
    pub compact_layoutable: bool,
    /// Whether it can have triggers.
    pub triggerable: bool,
    /// Whether feed items can be posted to it.
    pub feed_enabled: bool,
    /// Whether the most recently used records are kept.
    pub mru_enabled: bool,
    /// Whether records are cloned with their children.
    pub deep_cloneable: bool,
    /// Fields, in the order of describe.
    pub fields: Vec<FieldSchema>,
    /// References of other objects (and of this one) to it.
    pub child_relationships: Vec<ChildRelationship>,
    /// Record types without the Master one, which every object has.
    pub record_types: Vec<RecordType>,
    /// Scopes of `USING SCOPE`, name and label; when empty, everything and (with an owner) mine.
    pub scopes: Vec<(String, String)>,
    /// A query needs a filter on one of these fields by `=` or `IN`, if any are named.
    pub required_filter: Option<Vec<String>>,
}

/// A reference from a child object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildRelationship {
    /// The object that has the reference.
    pub child_object: String,
    /// Its field.
    pub field: String,
    /// Name in a sub-select, where there is one.
    pub relationship_name: Option<String>,
    /// Whether children go with the parent.
    pub cascade_delete: bool,
    /// Whether the parent cannot go while there are children.
    pub restricted_delete: bool,
}

/// A record type of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordType {
    /// Id of the RecordType row.
    pub id: String,
    /// API name.
    pub developer_name: String,
    /// Label.
    pub name: String,
    /// Whether new records may take it.
    pub active: bool,
    /// Whether new records take it when none is named.
    pub default: bool,
    /// The values that it offers, of the fields where those are fewer than all.
    pub picklists: BTreeMap<String, Vec<String>>,
}

impl RecordType {
    /// An active record type of this label that offers every value.
    #[must_use]
    pub fn new(object: &str, name: &str) -> Self {
        Self {
            id: Self::id_of(object, name),
            developer_name: name.replace(' ', "_"),
            name: name.to_owned(),
            active: true,
            default: false,
            picklists: BTreeMap::new(),
        }
    }

    /// Whether it offers a value of a field.
    #[must_use]
    pub fn offers(&self, field: &str, value: &str) -> bool {
        self.picklists.get(field).is_none_or(|offered| offered.iter().any(|one| one == value))
    }

    /// The id of the record type of this label: a function of both names, so that it can be known without a schema.
    #[must_use]
    pub fn id_of(object: &str, name: &str) -> String {
        let number =
            object.bytes().chain(name.bytes()).fold(7u64, |sum, b| (sum * 31 + u64::from(b)) % 900_000);
        super::ids::salesforce_id("012", 1_000_000 + number)
    }
}

impl ChildRelationship {
    pub(crate) fn of(child: &str, field: &FieldSchema) -> Self {
        Self {
            child_object: child.to_owned(),
            field: field.name.clone(),
            relationship_name: field.child_relationship_name.clone(),
            cascade_delete: field.cascade_delete,
            restricted_delete: field.restricted_delete,
        }
    }
}

impl ObjectSchema {
    /// An object with nothing but its Id, on which every ordinary call works.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let label = super::field::default_label(&name);
        let mut id = FieldSchema::new("Id", FieldType::Id);
        id.label = format!("{label} ID");
        Self {
            label_plural: format!("{label}s"),
            label,
            custom: name.ends_with("__c"),
            name,
            key_prefix: None,
            createable: true,
            updateable: true,
            deletable: true,
            undeletable: false,
            queryable: true,
            searchable: false,
            replicateable: true,
            mergeable: false,
            retrieveable: true,
            layoutable: false,
            search_layoutable: false,
            compact_layoutable: false,
            triggerable: false,
            feed_enabled: false,
            mru_enabled: false,
            deep_cloneable: false,
            fields: vec![id],
            child_relationships: Vec::new(),
            record_types: Vec::new(),
            scopes: Vec::new(),
            required_filter: None,
        }
    }

    /// A custom object as the setup pages make one: Name, owner, audit fields.
    #[must_use]
    pub fn custom(name: impl Into<String>) -> Self {
        let mut object = Self::new(name);
        object.custom = true;
        object.undeletable = true;
        object.searchable = true;
        object.layoutable = true;
        object.search_layoutable = true;
        object.compact_layoutable = true;
        object.triggerable = true;
        object.mru_enabled = true;
        object
            .fields
            .push(FieldSchema::new("OwnerId", FieldType::Reference).to(&["Group", "User"], Some("Owner")));
        if let Some(owner) = object.fields.last_mut() {
            owner.nillable = false;
            owner.defaulted_on_create = true;
        }
        let mut name = FieldSchema::new("Name", FieldType::String);
        name.set_length(80);
        name.name_field = true;
        name.id_lookup = true;
        name.defaulted_on_create = true;
        object.fields.push(name);
        object.fields.extend(super::compact::audit_fields());
        object
    }

    /// The field of this API name, in any case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The field of this API name, to change it.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut FieldSchema> {
        self.fields.iter_mut().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The reference that this relationship name walks along, in any case.
    #[must_use]
    pub fn relationship(&self, name: &str) -> Option<&FieldSchema> {
        self.fields
            .iter()
            .find(|f| f.relationship_name.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(name)))
    }

    /// The named child relationship, in any case.
    #[must_use]
    pub fn child_relationship(&self, name: &str) -> Option<&ChildRelationship> {
        self.child_relationships
            .iter()
            .find(|c| c.relationship_name.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(name)))
    }

    /// The field that names a record.
    #[must_use]
    pub fn name_field(&self) -> Option<&FieldSchema> {
        self.fields.iter().find(|field| field.name_field)
    }

    /// The fields that a compound field is made of.
    pub fn parts_of<'a>(&'a self, compound: &'a str) -> impl Iterator<Item = &'a FieldSchema> + 'a {
        self.fields.iter().filter(move |f| f.compound_field_name.as_deref() == Some(compound))
    }
}
