//! One Rust API over every CRM: the facade that links the plugins its features name.
