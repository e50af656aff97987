//! The ten unified CRM objects, the provider trait and its contract. No network.

mod error;

pub use error::{Error, ErrorKind, FieldError, Result, Retry};
