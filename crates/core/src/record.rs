//! A record or a patch whose kind is known only at run time.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::objects::{
    Account, AccountPatch, Contact, ContactPatch, Engagement, EngagementPatch, EngagementType,
    EngagementTypePatch, Lead, LeadPatch, Note, NotePatch, Opportunity, OpportunityPatch, Stage, StagePatch,
    Task, TaskPatch, User, UserPatch,
};
use crate::{
    FieldInfo, Json, Object, ObjectKind, ObjectPatch, RawRecord, RemoteField, RemoteId, Result, Value,
    from_json,
};

macro_rules! sum {
    ($($name:ident $patch:ident),+ $(,)?) => {
        /// Any of the ten objects.
        ///
        /// ```
        /// use unicrm_core::{ObjectKind, Record};
        /// let record = Record::from_json(ObjectKind::User, r#"{"name": "Gil Feig"}"#)?;
        /// assert_eq!(record.kind(), ObjectKind::User);
        /// assert_eq!(record.to_json(), r#"{"name":"Gil Feig"}"#);
        /// # Ok::<_, unicrm_core::Error>(())
        /// ```
        #[derive(Clone, PartialEq)]
        pub enum Record {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        /// What a write says about a record of any of the ten objects.
        ///
        /// ```
        /// use unicrm_core::{ObjectKind, RecordPatch};
        /// let patch = RecordPatch::from_json(ObjectKind::Lead, r#"{"company": "K-LINK", "title": null}"#)?;
        /// assert_eq!(patch.named(), ["title", "company"]);
        /// # Ok::<_, unicrm_core::Error>(())
        /// ```
        #[derive(Clone, PartialEq)]
        pub enum RecordPatch {
            $(#[doc = concat!("See [`", stringify!($patch), "`].")] $name($patch),)+
        }

        /// Runs the same generic expression for whichever object it is.
        macro_rules! each {
            ($self_:expr, $enum_:ident, $object:ident => $result:expr) => {
                match $self_ { $($enum_::$name($object) => $result,)+ }
            };
        }

        impl Record {
            /// An empty record of this kind.
            #[must_use]
            pub fn empty(kind: ObjectKind) -> Self {
                match kind { $(ObjectKind::$name => Self::$name($name::default()),)+ }
            }

            /// Reads a record of this kind; see [`from_json`].
            pub fn from_json(kind: ObjectKind, text: &str) -> Result<Self> {
                match kind { $(ObjectKind::$name => from_json(text).map(Self::$name),)+ }
            }

            /// Which of the ten.
            #[must_use]
            pub const fn kind(&self) -> ObjectKind {
                match self { $(Self::$name(_) => ObjectKind::$name,)+ }
            }

            /// The fields of this kind, in the order of the JSON.
            #[must_use]
            pub const fn fields_of(kind: ObjectKind) -> &'static [FieldInfo] {
                match kind { $(ObjectKind::$name => $name::FIELDS,)+ }
            }

            /// The unified id.
            #[must_use]
            pub fn id(&self) -> Option<Uuid> {
                each!(self, Self, object => object.id.map(|id| *id.as_uuid()))
            }

            /// The remote id.
            #[must_use]
            pub fn remote_id(&self) -> Option<&RemoteId> {
                each!(self, Self, object => object.remote_id.as_ref())
            }

            /// The remote fields that have no place among the unified ones.
            #[must_use]
            pub fn remote_fields(&self) -> &[RemoteField] {
                each!(self, Self, object => &object.remote_fields)
            }

            /// The value of a field; none when it holds nothing or there is no such field.
            #[must_use]
            pub fn get(&self, field: &str) -> Option<Value<'_>> {
                each!(self, Self, object => object.get(field))
            }

            /// Sets or clears a field; see [`Object::set`].
            pub fn set(&mut self, field: &str, value: Option<Value<'_>>) -> Result<()> {
                each!(self, Self, object => object.set(field, value))
            }

            /// Calls `visit` for each field in order, with its value.
            pub fn visit(&self, visit: &mut dyn FnMut(&'static FieldInfo, Option<Value<'_>>)) {
                each!(self, Self, object => object.visit(visit));
            }
        }

        impl RecordPatch {
            /// Reads a patch of this kind; see [`from_json`].
            pub fn from_json(kind: ObjectKind, text: &str) -> Result<Self> {
                match kind { $(ObjectKind::$name => from_json(text).map(Self::$name),)+ }
            }

            /// The patch that sets what the record has: a create of the same record.
            #[must_use]
            pub fn from_record(record: Record) -> Self {
                match record { $(Record::$name(object) => Self::$name($patch::from_object(object)),)+ }
            }

            /// Which of the ten.
            #[must_use]
            pub const fn kind(&self) -> ObjectKind {
                match self { $(Self::$name(_) => ObjectKind::$name,)+ }
            }

            /// The names of the fields that it names.
            #[must_use]
            pub fn named(&self) -> Vec<&'static str> {
                each!(self, Self, patch => patch.named())
            }

            /// Does to a record what the remote is asked to do; says whether the kinds agree.
            pub fn apply_to(&self, record: &mut Record) -> bool {
                match (self, record) {
                    $((Self::$name(patch), Record::$name(object)) => patch.apply_to(object),)+
                    _ => return false,
                }
                true
            }
        }

        impl Serialize for Record {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                each!(self, Self, object => object.serialize(serializer))
            }
        }

        impl Serialize for RecordPatch {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                each!(self, Self, patch => patch.serialize(serializer))
            }
        }

        impl fmt::Debug for Record {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                each!(self, Self, object => object.fmt(f))
            }
        }

        impl fmt::Debug for RecordPatch {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                each!(self, Self, patch => patch.fmt(f))
            }
        }
    };
}

sum! {
    Account AccountPatch, Contact ContactPatch, Engagement EngagementPatch, EngagementType EngagementTypePatch,
    Lead LeadPatch, Note NotePatch, Opportunity OpportunityPatch, Stage StagePatch, Task TaskPatch, User UserPatch,
}

impl Record {
    /// Whether records of this kind have a field of this name.
    ///
    /// ```
    /// use unicrm_core::{ObjectKind, Record};
    /// assert!(Record::has_field(ObjectKind::Contact, "remote_data"));
    /// assert!(!Record::has_field(ObjectKind::EngagementType, "remote_data"));
    /// ```
    #[must_use]
    pub fn has_field(kind: ObjectKind, name: &str) -> bool {
        Self::fields_of(kind).iter().any(|field| field.name == name)
    }

    /// Fills in the raw record as the remote sent it. A record whose kind has no place for it stays as it is.
    ///
    /// ```
    /// use unicrm_core::{ObjectKind, RawRecord, Record};
    /// let raw = RawRecord::new("/sobjects/Contact", r#"{"Id": "003"}"#);
    /// let mut contact = Record::empty(ObjectKind::Contact);
    /// contact.set_remote_data(&raw)?;
    /// assert_eq!(contact.to_json(), r#"{"remote_data":[{"path":"/sobjects/Contact","data":{"Id": "003"}}]}"#);
    /// let mut kind_of_call = Record::empty(ObjectKind::EngagementType);
    /// kind_of_call.set_remote_data(&raw)?;
    /// assert_eq!(kind_of_call, Record::empty(ObjectKind::EngagementType));
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub fn set_remote_data(&mut self, raw: &RawRecord) -> Result<()> {
        if !Self::has_field(self.kind(), "remote_data") {
            return Ok(());
        }
        let data = Json::of(&raw.to_remote_data());
        self.set("remote_data", Some(Value::Json(data.as_str().into())))
    }

    /// The record as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        Json::of(self).as_str().to_owned()
    }
}
