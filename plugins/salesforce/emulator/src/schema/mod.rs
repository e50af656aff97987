//! What the org's objects and fields are: the built-in ones from compact embedded files, custom ones added at run time.

mod catalog;
mod compact;
pub(crate) mod describe;
mod features;
mod field;
mod object;

pub(crate) mod ids;
pub(crate) mod visibility;

use std::collections::{BTreeMap, HashMap};

pub use features::Features;
pub(crate) use field::DefaultValue;
pub use field::{FieldSchema, FieldType, PicklistValue};
pub(crate) use object::ChildRelationship;
pub use object::{ObjectSchema, RecordType};
pub use visibility::Visibility;

/// Why an object or a field cannot be part of a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SchemaError(pub(crate) String);

/// All sObjects of an org, found by name without regard to case, or by key prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schema {
    objects: BTreeMap<String, ObjectSchema>,
    by_prefix: HashMap<String, String>,
    features: Features,
}

impl Schema {
    /// The built-in objects as an org with these features shows them.
    ///
    /// # Panics
    /// When an embedded schema file is malformed, which the tests of this module exclude.
    #[must_use]
    pub(crate) fn standard(features: &Features) -> Self {
        match catalog::load(features) {
            Ok(schema) => schema,
            Err(error) => panic!("embedded schema files: {error}"),
        }
    }

    /// The features that this schema was made for.
    #[must_use]
    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    /// The object of this API name, in any case.
    #[must_use]
    pub(crate) fn object(&self, name: &str) -> Option<&ObjectSchema> {
        self.objects.get(&name.to_ascii_lowercase())
    }

    /// All objects, sorted by name.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &ObjectSchema> {
        self.objects.values()
    }

    /// The object whose ids start with this prefix: `003` is Contact. ContentNote shares `069` with ContentDocument,
    /// which is the answer for it.
    #[must_use]
    pub(crate) fn object_by_prefix(&self, prefix: &str) -> Option<&ObjectSchema> {
        self.by_prefix.get(prefix).and_then(|key| self.objects.get(key))
    }

    /// The object that a record id belongs to, by its first three characters.
    #[must_use]
    pub(crate) fn object_of_id(&self, id: &str) -> Option<&ObjectSchema> {
        id.get(..3).and_then(|prefix| self.object_by_prefix(prefix))
    }

    /// Adds an object. A custom one without a key prefix gets the next free one from `a00`.
    ///
    /// # Errors
    /// When an object of this name exists.
    pub(crate) fn add_object(&mut self, mut object: ObjectSchema) -> Result<(), SchemaError> {
        let key = object.name.to_ascii_lowercase();
        if self.objects.contains_key(&key) {
            return Err(SchemaError(format!("sObject {} exists already.", object.name)));
        }
        if object.custom && object.key_prefix.is_none() {
            object.key_prefix = self.free_custom_prefix();
        }
        if let Some(prefix) = &object.key_prefix {
            self.by_prefix.entry(prefix.clone()).or_insert_with(|| key.clone());
        }
        let fields = object.fields.clone();
        let name = object.name.clone();
        self.objects.insert(key, object);
        self.adopt_children(&name);
        for field in &fields {
            self.link_parents(&name, field);
        }
        Ok(())
    }

    /// Adds a field to an object, and the child relationship to the objects that it refers to.
    ///
    /// # Errors
    /// When there is no such object, or it has a field of this name.
    pub(crate) fn add_field(&mut self, object: &str, field: FieldSchema) -> Result<(), SchemaError> {
        let Some(found) = self.objects.get_mut(&object.to_ascii_lowercase()) else {
            return Err(SchemaError(format!("sObject {object} does not exist.")));
        };
        if found.field(&field.name).is_some() {
            return Err(SchemaError(format!("Field {}.{} exists already.", found.name, field.name)));
        }
        let (key, name) = (found.name.to_ascii_lowercase(), found.name.clone());
        self.link_parents(&name, &field);
        if let Some(found) = self.objects.get_mut(&key) {
            found.fields.push(field);
        }
        Ok(())
    }

    /// Takes a custom field away, and the child relationship that it made.
    ///
    /// # Errors
    /// When there is no such field, or the org did not add it.
    pub(crate) fn remove_field(&mut self, object: &str, field: &str) -> Result<(), SchemaError> {
        let found = self.objects.get_mut(&object.to_ascii_lowercase());
        let Some(found) = found.filter(|found| found.field(field).is_some_and(|field| field.custom)) else {
            return Err(SchemaError(format!("{object} has no custom field {field}.")));
        };
        let name = found.name.clone();
        found.fields.retain(|known| !known.name.eq_ignore_ascii_case(field));
        for parent in self.objects.values_mut() {
            parent
                .child_relationships
                .retain(|child| !(child.child_object == name && child.field.eq_ignore_ascii_case(field)));
        }
        Ok(())
    }

    /// Adds a record type to an object.
    ///
    /// # Errors
    /// When there is no such object.
    pub(crate) fn add_record_type(&mut self, object: &str, kind: RecordType) -> Result<(), SchemaError> {
        let Some(found) = self.objects.get_mut(&object.to_ascii_lowercase()) else {
            return Err(SchemaError(format!("sObject {object} does not exist.")));
        };
        found.record_types.push(kind);
        Ok(())
    }

    fn free_custom_prefix(&self) -> Option<String> {
        (0..62 * 62).map(ids::custom_prefix).find(|prefix| !self.by_prefix.contains_key(prefix))
    }

    /// Child relationships of `parent` from the references that already point to it.
    fn adopt_children(&mut self, parent: &str) {
        let mut found = Vec::new();
        for child in self.objects.values() {
            if child.name.eq_ignore_ascii_case(parent) {
                continue;
            }
            for field in child.fields.iter().filter(|f| f.refers_to(parent)) {
                found.push(ChildRelationship::of(&child.name, field));
            }
        }
        if let Some(object) = self.objects.get_mut(&parent.to_ascii_lowercase()) {
            object.child_relationships.extend(found);
        }
    }

    fn link_parents(&mut self, child: &str, field: &FieldSchema) {
        for target in &field.reference_to {
            if let Some(parent) = self.objects.get_mut(&target.to_ascii_lowercase()) {
                let relationship = ChildRelationship::of(child, field);
                parent.child_relationships.push(relationship);
            }
        }
    }

    /// Child relationships in the order of a describe: by child object, then by field.
    fn sort_children(&mut self) {
        for object in self.objects.values_mut() {
            object
                .child_relationships
                .sort_by(|a, b| (&a.child_object, &a.field).cmp(&(&b.child_object, &b.field)));
        }
    }
}

#[cfg(test)]
mod tests;
