//! State and country picklists: where the org has them, code and text of an address say the same, and unknown ones
//! are refused.

use crate::error::SalesforceError;
use crate::org::{Record, Value};
use crate::schema::{FieldSchema, ObjectSchema, PicklistValue};

/// Brings codes and texts of the addresses that a write names in line.
pub(super) fn complete(
    object: &ObjectSchema,
    changes: &mut Record,
    old: Option<&Record>,
) -> Result<(), SalesforceError> {
    let codes = object
        .fields
        .iter()
        .filter(|field| field.name.ends_with("CountryCode") && field.compound_field_name.is_some());
    for code in codes {
        let prefix = code.name.trim_end_matches("CountryCode");
        let country = format!("{prefix}Country");
        complete_part(
            object,
            changes,
            code,
            &country,
            "country",
            "country/territory from the list of valid countries",
        )?;
        let Some(state_code) = object.field(&format!("{prefix}StateCode")) else { continue };
        let state = format!("{prefix}State");
        complete_part(object, changes, state_code, &state, "state", "state from the list of valid states")?;
        let known_country = changes
            .get(&country)
            .as_text()
            .or_else(|| old.filter(|_| !changes.has(&country))?.text(&country));
        if !changes.get(&state).is_null() && known_country.is_none() {
            let label = object.field(&state).map_or(state.as_str(), |field| field.label.as_str());
            let message = format!(
                "A country/territory must be specified before specifying a state value for field: {label}"
            );
            return Err(SalesforceError::new(400, "FIELD_INTEGRITY_EXCEPTION", message).with_fields([state]));
        }
    }
    Ok(())
}

fn complete_part(
    object: &ObjectSchema,
    changes: &mut Record,
    code: &FieldSchema,
    text: &str,
    what: &str,
    list: &str,
) -> Result<(), SalesforceError> {
    let label_of = |value: &PicklistValue| value.label.clone().unwrap_or_else(|| value.value.clone());
    let (field, found) = if changes.has(&code.name) {
        let Some(given) = changes.text(&code.name) else {
            changes.set(text, Value::Null);
            return Ok(());
        };
        (code.name.as_str(), code.picklist.iter().find(|value| value.value.eq_ignore_ascii_case(given)))
    } else if changes.has(text) {
        let Some(given) = changes.text(text) else {
            changes.set(&code.name, Value::Null);
            return Ok(());
        };
        let fits = |value: &&PicklistValue| {
            label_of(value).eq_ignore_ascii_case(given) || value.value.eq_ignore_ascii_case(given)
        };
        (text, code.picklist.iter().find(fits))
    } else {
        return Ok(());
    };
    let Some(value) = found else {
        let message = format!(
            "There's a problem with this {what}, even though it may appear correct. Please select a {list}."
        );
        let field = object.field(field).map_or(field, |field| field.name.as_str());
        return Err(SalesforceError::new(400, "FIELD_INTEGRITY_EXCEPTION", message).with_fields([field]));
    };
    changes.set(&code.name, value.value.as_str());
    changes.set(text, label_of(value));
    Ok(())
}
