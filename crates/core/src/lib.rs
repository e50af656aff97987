//! The ten unified CRM objects, the provider trait and its contract. No network.

mod credentials;
mod error;

#[cfg(any(test, feature = "mock"))]
pub use credentials::MockCredentialStore;
pub use credentials::{CredentialStore, Credentials, MemoryCredentialStore, StoredCredentials, Swap};
pub use error::{Error, ErrorKind, FieldError, Result, Retry};
