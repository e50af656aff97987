//! The local copy: linked accounts, encrypted credentials, unified records.
