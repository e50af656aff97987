//! The plugin against an org over HTTP: the emulator answers as Salesforce does, on good days and bad ones.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod access;
mod bulk;
mod conformance;
mod custom;
mod custom_fields;
mod faults;
mod faults_auth;
mod faults_auth_rows;
mod faults_requests;
mod faults_requests_rows;
mod fields;
mod gone;
mod live;
mod permission_set;
mod random;
mod reading;
mod schema;
mod search;
mod sign_in;
mod since;
mod support;
mod writing;
