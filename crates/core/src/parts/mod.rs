//! The parts that objects are made of.

mod address;
mod email_address;
mod phone_number;
mod remote_data;
mod remote_field;

pub use address::{Address, AddressType};
pub use email_address::EmailAddress;
pub use phone_number::PhoneNumber;
pub use remote_data::{FieldMappings, RemoteData};
pub use remote_field::{
    FieldChoice, FieldFormat, ItemSchema, RemoteField, RemoteFieldClass, RemoteFieldClassRef,
};
