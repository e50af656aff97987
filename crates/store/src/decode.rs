//! From the values of columns to a record: what does not depend on the database.

use std::sync::Arc;

use serde::Deserialize;
use unicrm_core::{
    Error, ErrorKind, GoneReason, Json, Record, RemoteField, RemoteFieldClass, RemoteFieldClassRef, RemoteId,
    Result, from_json,
};

/// One remote field as its column has it.
#[derive(Debug, Deserialize)]
pub(crate) struct StoredField {
    class: StoredClass,
    value: Json,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum StoredClass {
    /// The `pk` in `remote_field_classes`.
    Number(i64),
    /// The remote field came with the id of its class alone.
    Id(String),
}

impl StoredField {
    /// Reads the column of the remote fields.
    pub(crate) fn read_all(text: &str) -> Result<Vec<Self>> {
        from_json(text)
    }

    /// The number of its class, when it has one.
    #[cfg(feature = "postgres")]
    pub(crate) fn class_number(&self) -> Option<i64> {
        match self.class {
            StoredClass::Number(number) => Some(number),
            StoredClass::Id(_) => None,
        }
    }

    /// The remote field again; `class` finds the class with a number.
    pub(crate) fn into_field<E>(
        self,
        class: impl FnOnce(i64) -> std::result::Result<Arc<RemoteFieldClass>, E>,
    ) -> std::result::Result<RemoteField, E> {
        match self.class {
            StoredClass::Number(number) => Ok(RemoteField::new(class(number)?, self.value)),
            StoredClass::Id(id) => {
                let mut field = RemoteField::new(Arc::default(), self.value);
                field.remote_field_class = RemoteFieldClassRef::Id(id);
                Ok(field)
            }
        }
    }
}

/// The error when records name a class that is not there.
#[cold]
pub(crate) fn missing_class(number: i64) -> Error {
    Error::new(ErrorKind::Internal, format!("the remote field class {number} is missing"))
}

/// Why a record is gone, from its columns.
pub(crate) fn gone_reason(reason: &str, merged_into: Option<String>) -> Result<GoneReason> {
    match (reason, merged_into) {
        ("deleted", _) => Ok(GoneReason::Deleted),
        ("not_visible", _) => Ok(GoneReason::NotVisible),
        ("merged", Some(survivor)) => Ok(GoneReason::MergedInto(survivor.into())),
        _ => Err(Error::new(ErrorKind::Internal, format!("{reason:?} is no reason for a tombstone"))),
    }
}

/// Puts the remote ids back into a list of references: the counterpart of `encode::reference_list`.
pub(crate) fn resolve_list(record: &mut Record, field: &str, remote_ids: Vec<Option<RemoteId>>) {
    if let (Record::Engagement(engagement), "contacts") = (record, field) {
        for (contact, remote_id) in engagement.contacts.iter_mut().zip(remote_ids) {
            if let Some(remote_id) = remote_id {
                *contact = contact.clone().resolved(remote_id);
            }
        }
    }
}

/// Puts the remote fields into a record.
pub(crate) fn set_remote_fields(record: &mut Record, fields: Vec<RemoteField>) {
    let slot = match record {
        Record::Account(object) => &mut object.remote_fields,
        Record::Contact(object) => &mut object.remote_fields,
        Record::Engagement(object) => &mut object.remote_fields,
        Record::EngagementType(object) => &mut object.remote_fields,
        Record::Lead(object) => &mut object.remote_fields,
        Record::Note(object) => &mut object.remote_fields,
        Record::Opportunity(object) => &mut object.remote_fields,
        Record::Stage(object) => &mut object.remote_fields,
        Record::Task(object) => &mut object.remote_fields,
        Record::User(object) => &mut object.remote_fields,
    };
    *slot = fields;
}
