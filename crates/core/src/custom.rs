//! Custom objects: classes of records that one customer has added, their records, and what these are associated with.
//!
//! They stand beside the ten objects of the model: a class is known only at run time, so its records are maps of the
//! remote's own fields.

mod request;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use request::{CustomOperation, CustomPage, CustomRead, CustomRow, CustomWrite};

use crate::id::compute_named_id;
use crate::open_enum::open_enum;
use crate::{Json, LinkedAccountId, ObjectKind, RemoteFieldClass, RemoteId, compute_id};

/// A class of records beside the ten objects.
///
/// ```
/// use unicrm_core::{CustomObjectClass, LinkedAccountId};
/// let account = LinkedAccountId::random();
/// let class = CustomObjectClass::new(account, "Invoice__c");
/// assert_eq!(class.remote_id, "Invoice__c");
/// assert!(class.fields.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomObjectClass {
    /// The unified id, computed from the linked account and the remote's name.
    pub id: Uuid,
    /// The remote's own name: what reading and writing take.
    pub remote_id: String,
    /// The label that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The labels of one and of many.
    #[serde(default)]
    pub labels: Labels,
    /// The fields; empty in a list of classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<RemoteFieldClass>,
    /// What its records may be associated with; empty in a list of classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub association_types: Vec<AssociationType>,
    /// Whether this user may make records.
    #[serde(default)]
    pub creatable: bool,
    /// Whether this user may change records.
    #[serde(default)]
    pub updatable: bool,
    /// Whether this user may delete records.
    #[serde(default)]
    pub deletable: bool,
}

impl CustomObjectClass {
    /// A class without labels and fields yet.
    #[must_use]
    pub fn new(linked_account: LinkedAccountId, remote_id: &str) -> Self {
        Self {
            id: class_id(linked_account, remote_id),
            remote_id: remote_id.to_owned(),
            name: None,
            description: None,
            labels: Labels::default(),
            fields: Vec::new(),
            association_types: Vec::new(),
            creatable: false,
            updatable: false,
            deletable: false,
        }
    }

    /// The field of this remote name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&RemoteFieldClass> {
        self.fields.iter().find(|field| field.remote_key_name.as_deref() == Some(name))
    }

    /// The association type of this remote name.
    #[must_use]
    pub fn association_type(&self, name: &str) -> Option<&AssociationType> {
        self.association_types.iter().find(|association| association.remote_key_name == name)
    }
}

fn class_id(linked_account: LinkedAccountId, remote_id: &str) -> Uuid {
    compute_named_id(linked_account, "custom_object_class", remote_id)
}

/// The labels of one record and of many.
///
/// ```
/// assert!(unicrm_core::Labels::default().singular.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Labels {
    /// Of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub singular: Option<String>,
    /// Of many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural: Option<String>,
}

/// A record of a class.
///
/// ```
/// use unicrm_core::{CustomObject, Json, LinkedAccountId};
/// let account = LinkedAccountId::random();
/// let mut invoice = CustomObject::new(account, "Invoice__c", "a00ak000000000AAAA");
/// invoice.fields.insert("Total__c".to_owned(), Json::parse("12.50")?);
/// assert_eq!(invoice.fields["Total__c"].as_str(), "12.50");
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomObject {
    /// The unified id, computed from the linked account and the remote id.
    pub id: Uuid,
    /// The remote's own id.
    pub remote_id: RemoteId,
    /// The class, by the remote's own name.
    pub object_class: String,
    /// When the remote record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_updated_at: Option<Timestamp>,
    /// Its values by the remote's own names, as the remote gave them.
    #[serde(default)]
    pub fields: BTreeMap<String, Json>,
    /// The records that it points at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub associations: Vec<Association>,
}

impl CustomObject {
    /// A record without values yet.
    pub fn new(
        linked_account: LinkedAccountId,
        object_class: impl Into<String>,
        remote_id: impl Into<RemoteId>,
    ) -> Self {
        let remote_id = remote_id.into();
        Self {
            id: object_id(linked_account, remote_id.as_str()),
            remote_id,
            object_class: object_class.into(),
            remote_created_at: None,
            remote_updated_at: None,
            fields: BTreeMap::new(),
            associations: Vec::new(),
        }
    }
}

fn object_id(linked_account: LinkedAccountId, remote_id: &str) -> Uuid {
    compute_named_id(linked_account, "custom_object", remote_id)
}

open_enum! {
    /// Where a class comes from.
    ///
    /// ```
    /// use unicrm_core::OriginType;
    /// assert_eq!(OriginType::from("COMMON_MODEL"), OriginType::CommonModel);
    /// ```
    pub enum OriginType {
        /// The customer added it.
        CustomObject => "CUSTOM_OBJECT",
        /// One of the ten objects of the model stands for it.
        CommonModel => "COMMON_MODEL",
        /// The remote has it, and the model has not.
        RemoteOnlyModel => "REMOTE_ONLY_MODEL",
    }
}

open_enum! {
    /// How many records of each side an association ties together.
    ///
    /// ```
    /// use unicrm_core::Cardinality;
    /// assert_eq!(Cardinality::ManyToOne.as_str(), "MANY_TO_ONE");
    /// ```
    pub enum Cardinality {
        /// One and one.
        OneToOne => "ONE_TO_ONE",
        /// Many point at one: a lookup field.
        ManyToOne => "MANY_TO_ONE",
        /// One is pointed at by many.
        OneToMany => "ONE_TO_MANY",
        /// Many and many.
        ManyToMany => "MANY_TO_MANY",
    }
}

/// A side of an association: a class of records, of the ten objects or not.
///
/// ```
/// use unicrm_core::{AssociatedClass, LinkedAccountId, ObjectKind, OriginType};
/// let side = AssociatedClass::new(LinkedAccountId::random(), "Account", Some(ObjectKind::Account), false);
/// assert_eq!(side.origin_type, OriginType::CommonModel);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssociatedClass {
    /// The id of the class.
    pub id: Uuid,
    /// The remote's own name of the class.
    pub remote_id: String,
    /// Where the class comes from.
    pub origin_type: OriginType,
    /// The object of the model that stands for it, when there is exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectKind>,
}

impl AssociatedClass {
    /// A class: of this object of the model, or of none, and then added by the customer or not.
    #[must_use]
    pub fn new(
        linked_account: LinkedAccountId,
        remote_id: &str,
        object: Option<ObjectKind>,
        custom: bool,
    ) -> Self {
        let origin_type = match object {
            Some(_) => OriginType::CommonModel,
            None if custom => OriginType::CustomObject,
            None => OriginType::RemoteOnlyModel,
        };
        Self { id: class_id(linked_account, remote_id), remote_id: remote_id.to_owned(), origin_type, object }
    }

    /// The unified id of one of its records.
    #[must_use]
    pub fn id_of(&self, linked_account: LinkedAccountId, remote_id: &str) -> Uuid {
        match self.object {
            Some(kind) => compute_id(linked_account, kind, remote_id),
            None => object_id(linked_account, remote_id),
        }
    }
}

/// What the records of a class may be associated with: at most CRMs, a field that points at other records.
///
/// ```
/// use unicrm_core::{AssociatedClass, AssociationType, LinkedAccountId, ObjectKind};
/// let account = LinkedAccountId::random();
/// let invoice = AssociatedClass::new(account, "Invoice__c", None, true);
/// let customer = AssociatedClass::new(account, "Account", Some(ObjectKind::Account), false);
/// let association = AssociationType::new(account, invoice, "Customer__c", vec![customer]);
/// assert_eq!(association.remote_id, "Invoice__c.Customer__c");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssociationType {
    /// The unified id.
    pub id: Uuid,
    /// The class and the remote's own name, with a point between them.
    pub remote_id: String,
    /// Whose records point.
    pub source_object_class: AssociatedClass,
    /// At whose records they may point.
    pub target_object_classes: Vec<AssociatedClass>,
    /// The remote's own name: what writing takes.
    pub remote_key_name: String,
    /// The label that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// How many records of each side.
    pub cardinality: Cardinality,
    /// Whether a record cannot be without one.
    pub is_required: bool,
}

impl AssociationType {
    /// An association that many records may have with one.
    #[must_use]
    pub fn new(
        linked_account: LinkedAccountId,
        source: AssociatedClass,
        remote_key_name: &str,
        targets: Vec<AssociatedClass>,
    ) -> Self {
        let remote_id = format!("{}.{remote_key_name}", source.remote_id);
        Self {
            id: compute_named_id(linked_account, "association_type", &remote_id),
            remote_id,
            source_object_class: source,
            target_object_classes: targets,
            remote_key_name: remote_key_name.to_owned(),
            display_name: None,
            cardinality: Cardinality::ManyToOne,
            is_required: false,
        }
    }

    /// The association of two records. The target's class is known when there is one alone, or when the caller knows it.
    #[must_use]
    pub fn associate(
        &self,
        linked_account: LinkedAccountId,
        source: &RemoteId,
        target: &RemoteId,
        target_class: Option<&str>,
    ) -> Association {
        let class = match (target_class, self.target_object_classes.as_slice()) {
            (Some(name), classes) => classes.iter().find(|class| class.remote_id == name),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        Association {
            association_type: self.id,
            remote_key_name: self.remote_key_name.clone(),
            source_object: self.source_object_class.id_of(linked_account, source.as_str()),
            target_object: class.map(|class| class.id_of(linked_account, target.as_str())),
            target_remote_id: target.clone(),
            target_object_class: class.map(|class| class.remote_id.clone()),
        }
    }
}

/// That one record points at another.
///
/// ```
/// use unicrm_core::{from_json, Association};
/// let json = r#"{"association_type": "0958cbc6-6040-430a-848e-aafacbadf4ae", "remote_key_name": "Customer__c",
///     "source_object": "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de", "target_remote_id": "001x"}"#;
/// assert!(from_json::<Association>(json)?.target_object.is_none());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Association {
    /// The id of its type.
    pub association_type: Uuid,
    /// The remote's own name of its type.
    pub remote_key_name: String,
    /// The unified id of the record that points.
    pub source_object: Uuid,
    /// The unified id of the record that it points at, where its class is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_object: Option<Uuid>,
    /// The remote id of that record.
    pub target_remote_id: RemoteId,
    /// The class of that record, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_object_class: Option<String>,
}
