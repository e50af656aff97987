//! `/_emulator/rules`, `/_emulator/locks` and `/_emulator/bulk`: rules and settings for tests in other processes.

use serde::Deserialize;

use super::Server;
use super::bulk::BulkSettings;
use super::control::{Controlled, body, json_of};
use super::message::{ApiRequest, ApiResponse};
use crate::org::{DuplicateRule, ValidationRule};
use crate::schema::ids::widen;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRules {
    #[serde(default)]
    validation: Vec<ValidationRule>,
    #[serde(default)]
    duplicates: Vec<NewDuplicateRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDuplicateRule {
    object: String,
    fields: Vec<String>,
    #[serde(default = "alerting")]
    allow_save: bool,
}

fn alerting() -> bool {
    true
}

/// Adds rules; the first that is wrong ends it.
pub(super) fn add(server: &Server, request: &ApiRequest) -> Controlled {
    let new: NewRules = body(request)?;
    for rule in new.validation {
        server.org.add_validation_rule(rule).map_err(|error| (400, error.to_string()))?;
    }
    for rule in new.duplicates {
        let added = DuplicateRule::new(rule.object, rule.fields);
        server.org.add_duplicate_rule(if rule.allow_save { added } else { added.blocking() });
    }
    Ok(ApiResponse::empty(204))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Locks {
    ids: Vec<String>,
    /// How many changes of each fail; 0 unlocks.
    times: u64,
}

/// Locks records.
pub(super) fn lock_records(server: &Server, request: &ApiRequest) -> Controlled {
    let locks: Locks = body(request)?;
    for id in &locks.ids {
        let wide = widen(id).ok_or_else(|| (400, format!("{id} is no record id")))?;
        server.org.lock_record(&wide, locks.times);
    }
    Ok(ApiResponse::empty(204))
}

/// Changes how bulk jobs behave.
pub(super) fn bulk(server: &Server, request: &ApiRequest) -> Controlled {
    let settings: BulkSettings = body(request)?;
    server.bulk.configure(settings);
    Ok(json_of(&server.bulk.settings()))
}
