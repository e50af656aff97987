//! Custom objects: their classes from the descriptions, their records over SOQL. They are written as all records are.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use unicrm_core::{
    AssociatedClass, AssociationType, Cardinality, CustomObjectClass, CustomPage, CustomRead, Error,
    ErrorKind, LinkedAccountId, ObjectKind, Usage,
};

use crate::api::{Client, Describe, DescribeField, FieldType, GlobalDescribe, GlobalObject};
use crate::error::{Code, Fault};
use crate::objects::MAPPINGS;
use crate::read::select::selectable;
use crate::schema::class_of;

/// The custom objects of one linked account.
#[derive(Debug)]
pub(crate) struct Custom {
    client: Client,
    linked_account: LinkedAccountId,
}

impl Custom {
    pub(crate) fn new(client: Client, linked_account: LinkedAccountId) -> Self {
        Self { client, linked_account }
    }

    /// The custom objects that this user sees, by name: those whose records lie in the org and are data.
    pub(crate) async fn classes(&self) -> Result<Vec<CustomObjectClass>, Error> {
        let global = self.client.describe_global(&mut Usage::default()).await?;
        let custom = |object: &&GlobalObject| {
            object.custom
                && object.queryable
                && !object.custom_setting
                && !object.deprecated_and_hidden
                && object.name.ends_with("__c")
        };
        let mut classes: Vec<_> =
            global.objects.iter().filter(custom).map(|object| self.head(object)).collect();
        classes.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
        Ok(classes)
    }

    /// One class with its fields and association types: a custom object, or any other that this user sees.
    pub(crate) async fn class(&self, name: &str) -> Result<CustomObjectClass, Error> {
        let mut usage = Usage::default();
        let describe = describe(&self.client, &mut usage, name).await?;
        let global = self.client.describe_global(&mut usage).await?;
        let mut class = self.head(&describe.object);
        class.fields = describe
            .fields
            .iter()
            .filter(|field| selectable(field))
            .map(|field| class_of(&describe, field))
            .collect();
        class.association_types = self.association_types(&describe, &global);
        Ok(class)
    }

    /// A page of a class's records.
    pub(crate) async fn read(&self, request: &CustomRead) -> Result<CustomPage, Error> {
        read::page(self, request).await
    }

    fn head(&self, object: &GlobalObject) -> CustomObjectClass {
        let mut class = CustomObjectClass::new(self.linked_account, &object.name);
        class.name = non_empty(&object.label);
        class.labels.singular.clone_from(&class.name);
        class.labels.plural = object.label_plural.as_deref().and_then(non_empty);
        class.creatable = object.createable;
        class.updatable = object.updateable;
        class.deletable = object.deletable;
        class
    }

    /// Lookup fields, in the order of the description.
    fn association_types(&self, describe: &Describe, global: &GlobalDescribe) -> Vec<AssociationType> {
        let lookups = describe.fields.iter().filter(|field| is_lookup(field));
        let types = lookups.map(|field| {
            let targets = field.reference_to.iter().map(|target| self.side(target, global)).collect();
            let source = self.side(&describe.object.name, global);
            let mut association = AssociationType::new(self.linked_account, source, &field.name, targets);
            association.display_name = Some(field.label.clone()).filter(|label| !label.is_empty());
            association.is_required = field.createable && !field.nillable && !field.defaulted_on_create;
            if field.unique {
                association.cardinality = Cardinality::OneToOne;
            }
            association
        });
        types.collect()
    }

    fn side(&self, sobject: &str, global: &GlobalDescribe) -> AssociatedClass {
        let custom = global.object(sobject).map_or_else(|| sobject.ends_with("__c"), |object| object.custom);
        AssociatedClass::new(self.linked_account, sobject, unified(sobject), custom)
    }
}

fn non_empty(label: &str) -> Option<String> {
    Some(label.to_owned()).filter(|label| !label.is_empty())
}

/// Whether a field points at other records.
fn is_lookup(field: &DescribeField) -> bool {
    field.field_type == FieldType::Reference && !field.reference_to.is_empty() && !field.deprecated_and_hidden
}

/// The unified object that stands for a remote one, when there is exactly one.
fn unified(sobject: &str) -> Option<ObjectKind> {
    let mut kinds = MAPPINGS.iter().filter(|mapping| mapping.remote_objects.contains(&sobject));
    match (kinds.next(), kinds.next()) {
        (Some(only), None) => Some(only.kind),
        _ => None,
    }
}

/// The classes by the three characters that their ids begin with.
fn by_prefix(global: &GlobalDescribe) -> BTreeMap<&str, &str> {
    let prefixes = global.objects.iter();
    prefixes.filter_map(|object| Some((object.key_prefix.as_deref()?, object.name.as_str()))).collect()
}

/// A class as this user sees it.
pub(crate) async fn describe(client: &Client, usage: &mut Usage, name: &str) -> Result<Arc<Describe>, Error> {
    client.describe(usage, name).await.map_err(|fault| no_such_class(name, fault))
}

/// What it means that a class cannot be described.
fn no_such_class(name: &str, fault: Fault) -> Error {
    match fault.code() {
        Some(Code::NotFound | Code::InvalidType) => {
            Error::new(ErrorKind::NotFound, format!("this user sees no class {name:?}"))
                .with_advice("`unicrm custom-objects classes` lists them; check that the user may read it")
        }
        _ if matches!(fault, Fault::Query(_)) => {
            Error::new(ErrorKind::InvalidRequest, format!("{name:?} is not the name of a class"))
        }
        _ => fault.into(),
    }
}
