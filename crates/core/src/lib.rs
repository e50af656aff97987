//! The ten unified CRM objects, the provider trait and its contract. No network.

mod amount;
mod credentials;
mod custom;
mod error;
mod field;
mod field_mapping;
mod guard;
mod id;
mod json;
mod kind;
pub mod memory;
mod object;
mod objects;
mod open_enum;
mod parts;
mod patch;
mod provider;
mod record;
mod reference;
mod registry;

pub use amount::Amount;
#[cfg(any(test, feature = "mock"))]
pub use credentials::MockCredentialStore;
pub use credentials::{CredentialStore, Credentials, MemoryCredentialStore, StoredCredentials, Swap};
pub use custom::{
    AssociatedClass, Association, AssociationType, Cardinality, CustomObject, CustomObjectClass,
    CustomOperation, CustomPage, CustomRead, CustomRow, CustomWrite, Labels, OriginType,
};
pub use error::{Error, ErrorKind, FieldError, Result, Retry};
pub use field::{FieldInfo, FieldType, Value};
pub use field_mapping::{FieldMapping, MappedType};
pub use guard::Guard;
pub use id::{Id, LinkedAccountId, RemoteId, compute_id};
pub use json::{Json, from_json};
pub use kind::ObjectKind;
pub use object::{Object, ObjectPatch};
pub use objects::*;
pub use parts::*;
pub use patch::Patch;
pub use provider::*;
pub use record::{Record, RecordPatch};
pub use reference::Ref;
#[doc(hidden)]
pub use registry::__inventory;
pub use registry::{Registration, Registry};
