//! Fields that follow from others, and the values that a new record starts with.

use jiff::civil::Date;
use rusqlite::OptionalExtension as _;
use rust_decimal::Decimal;

use super::{Context, activity};
use crate::error::SalesforceError;
use crate::org::{Record, Value, storage};
use crate::schema::{DefaultValue, FieldType, ObjectSchema};

/// Fills in what a new record does not bring: owner, stamps, defaults, derived fields.
pub(crate) fn fill_new(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &mut Record,
) -> Result<(), SalesforceError> {
    // Flags that follow from the stage are no defaults.
    let given = if object.name == "Opportunity" { record.clone() } else { Record::new() };
    defaults(context, object, record);
    match object.name.as_str() {
        "Contact" | "Lead" | "User" => {
            let name = person_name(record);
            record.set_if_absent("Name", name);
        }
        "Opportunity" => opportunity(context, record, &given)?,
        "Task" => activity::derive_task(context, record, None)?,
        "Event" => activity::derive_event(context, record)?,
        _ => {}
    }
    Ok(())
}

fn defaults(context: &Context<'_>, object: &ObjectSchema, record: &mut Record) {
    for field in &object.fields {
        if record.has(&field.name) {
            continue;
        }
        let default = match field.name.as_str() {
            "OwnerId" | "CreatedById" => Value::from(context.user()),
            "CreatedDate" => Value::from(context.stamp),
            "LastModifiedById" => match record.get("CreatedById") {
                Value::Null => Value::from(context.user()),
                creator => creator.clone(),
            },
            "LastModifiedDate" => match record.get("CreatedDate") {
                Value::Null => Value::from(context.stamp),
                created => created.clone(),
            },
            // Filled last, below.
            "SystemModstamp" => continue,
            _ => match &field.default_value {
                Some(DefaultValue::Boolean(on)) => Value::Bool(*on),
                Some(DefaultValue::Text(text)) if field.ty.is_text() => Value::from(text.as_str()),
                _ if field.ty == FieldType::Boolean => Value::Bool(false),
                _ if field.ty == FieldType::Picklist && (field.defaulted_on_create || !field.nillable) => {
                    let listed = field.picklist.iter().find(|value| value.default_value && value.active);
                    listed.map_or(Value::Null, |value| Value::from(value.value.as_str()))
                }
                _ => continue,
            },
        };
        if !default.is_null() {
            record.set(&field.name, default);
        }
    }
    if object.field("SystemModstamp").is_some() && !record.has("SystemModstamp") {
        let modified = record.get("LastModifiedDate").clone();
        record.set("SystemModstamp", if modified.is_null() { Value::from(context.stamp) } else { modified });
    }
}

/// What an update changes beside the fields that it names.
pub(crate) fn on_update(
    context: &Context<'_>,
    object: &ObjectSchema,
    old: &Record,
    changes: &mut Record,
) -> Result<(), SalesforceError> {
    let mut whole = old.clone();
    whole.apply(changes);
    match object.name.as_str() {
        "Contact" | "Lead" | "User" if NAME_PARTS.iter().any(|part| changes.has(part)) => {
            changes.set("Name", person_name(&whole));
        }
        "Opportunity" => {
            let given = changes.clone();
            if ["StageName", "Amount", "CloseDate", "Probability"].iter().any(|field| given.has(field)) {
                let before = old.text("StageName");
                let moved = given.has("StageName") && given.text("StageName") != before;
                // A probability set by hand stays until the stage moves.
                let mut kept = given;
                if !moved {
                    kept.set_if_absent("Probability", whole.get("Probability").clone());
                    kept.set_if_absent("ForecastCategoryName", whole.get("ForecastCategoryName").clone());
                }
                for field in STAGE_FIELDS {
                    whole.take(field);
                }
                for (field, value) in kept.iter() {
                    whole.set(field, value.clone());
                }
                opportunity(context, &mut whole, &kept)?;
                for field in STAGE_FIELDS.iter().chain(&["Fiscal", "FiscalYear", "FiscalQuarter"]) {
                    if whole.has(field) {
                        changes.set(field, whole.get(field).clone());
                    }
                }
            }
        }
        "Task" => {
            activity::derive_task(context, &mut whole, Some(old))?;
            activity::take_derived(&whole, old, changes, &activity::TASK_FIELDS);
        }
        "Event" => {
            whole.take("AccountId");
            activity::derive_event(context, &mut whole)?;
            activity::take_derived(&whole, old, changes, &activity::EVENT_FIELDS);
        }
        _ => {}
    }
    Ok(())
}

const NAME_PARTS: [&str; 4] = ["FirstName", "MiddleName", "LastName", "Suffix"];

/// Names of a person in the order in which Salesforce joins them.
pub(crate) fn person_name(record: &Record) -> String {
    NAME_PARTS.iter().filter_map(|part| record.text(part)).collect::<Vec<_>>().join(" ")
}

const STAGE_FIELDS: [&str; 6] =
    ["IsClosed", "IsWon", "ForecastCategory", "ForecastCategoryName", "Probability", "ExpectedRevenue"];

/// What follows from the stage, the amount and the close date. `given` are the fields that were set on purpose.
fn opportunity(context: &Context<'_>, record: &mut Record, given: &Record) -> Result<(), SalesforceError> {
    let stage = match record.text("StageName") {
        Some(name) => stage(context, name)?,
        None => None,
    };
    let stage = stage.unwrap_or_default();
    let mut derived = |field: &str, value: Value| {
        if !given.has(field) {
            record.set(field, value);
        }
    };
    derived("IsClosed", Value::Bool(stage.closed));
    derived("IsWon", Value::Bool(stage.won));
    derived("Probability", Value::Decimal(stage.probability));
    derived("ForecastCategory", Value::from(stage.category.replace(' ', "").as_str()));
    derived("ForecastCategoryName", Value::from(stage.category_name));
    let expected = match (record.get("Amount"), record.get("Probability")) {
        (Value::Decimal(amount), Value::Decimal(probability)) => amount
            .checked_mul(*probability)
            .map(|product| (product / Decimal::ONE_HUNDRED).round_dp(2).normalize()),
        _ => None,
    };
    if !given.has("ExpectedRevenue") {
        record.set("ExpectedRevenue", expected);
    }
    let close = match record.get("CloseDate") {
        Value::Date(date) => Some(*date),
        Value::Text(text) => text.parse::<Date>().ok(),
        _ => None,
    };
    if let Some(close) = close {
        let quarter = i64::from((close.month() - 1) / 3 + 1);
        record.set("FiscalYear", i64::from(close.year()));
        record.set("FiscalQuarter", quarter);
        record.set("Fiscal", format!("{} {quarter}", close.year()));
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Stage {
    closed: bool,
    won: bool,
    probability: Decimal,
    category: String,
    category_name: String,
}

fn stage(context: &Context<'_>, name: &str) -> Result<Option<Stage>, SalesforceError> {
    let Some(object) = context.schema.object("OpportunityStage") else { return Ok(None) };
    let scale = object.field("DefaultProbability").map_or(0, |field| field.scale);
    let sql = "SELECT \"IsClosed\", \"IsWon\", \"DefaultProbability\", \"ForecastCategory\", \"ForecastCategoryName\" \
               FROM \"OpportunityStage\" WHERE \"ApiName\"=?1 OR \"MasterLabel\"=?1 ORDER BY \"IsActive\" DESC LIMIT 1";
    let mut statement = context.conn.prepare_cached(sql).map_err(storage)?;
    let read = |row: &rusqlite::Row<'_>| {
        let category: Option<String> = row.get(3)?;
        let label: Option<String> = row.get(4)?;
        Ok(Stage {
            closed: row.get(0)?,
            won: row.get(1)?,
            probability: Decimal::new(row.get::<_, Option<i64>>(2)?.unwrap_or_default(), scale.into())
                .normalize(),
            category: category.unwrap_or_default(),
            category_name: label.unwrap_or_default(),
        })
    };
    statement.query_row([name], read).optional().map_err(storage)
}
