//! Rows behind picklists: stages, statuses, priorities, record types, queues, currencies.

use rust_decimal::Decimal;

use super::RowSink;
use crate::SalesforceError;
use crate::org::Record;
use crate::schema::ids::salesforce_id;
use crate::schema::{RecordType, Schema};

/// A row of OpportunityStage.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) probability: i64,
    pub(crate) forecast: &'static str,
    pub(crate) forecast_name: &'static str,
    pub(crate) closed: bool,
    pub(crate) won: bool,
    pub(crate) active: bool,
}

const fn open(name: &'static str, probability: i64) -> Stage {
    Stage {
        name,
        probability,
        forecast: "Pipeline",
        forecast_name: "Pipeline",
        closed: false,
        won: false,
        active: true,
    }
}

const WON: Stage = Stage {
    name: "Closed Won",
    probability: 100,
    forecast: "Closed",
    forecast_name: "Closed",
    closed: true,
    won: true,
    active: true,
};
const LOST: Stage = Stage {
    name: "Closed Lost",
    probability: 0,
    forecast: "Omitted",
    forecast_name: "Omitted",
    closed: true,
    won: false,
    active: true,
};

/// The stages of a new org in their order, then two that this org no longer uses but old deals are in.
pub(crate) const STAGES: [Stage; 12] = [
    open("Prospecting", 10),
    open("Qualification", 10),
    open("Needs Analysis", 20),
    open("Value Proposition", 50),
    open("Id. Decision Makers", 60),
    open("Perception Analysis", 70),
    open("Proposal/Price Quote", 75),
    open("Negotiation/Review", 90),
    WON,
    LOST,
    Stage {
        active: false,
        forecast: "BestCase",
        forecast_name: "Best Case",
        ..open("Verbal Commitment", 80)
    },
    Stage { name: "Closed - Postponed", active: false, ..LOST },
];

const QUEUES: [(&str, &str, &[&str]); 2] =
    [("Inbound Leads", "Inbound_Leads", &["Lead", "Task"]), ("Support", "Support", &["Case", "Lead"])];

/// Id of the `n`-th queue, from 1.
pub(crate) fn queue_id(n: u64) -> String {
    salesforce_id("00G", n)
}

/// Id of a record type.
pub(crate) fn record_type_id(object: &str, name: &str) -> String {
    RecordType::id_of(object, name)
}

/// Writes all of them. `base` has the audit fields of a setup row.
pub(crate) fn rows(schema: &Schema, base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    stages(base, sink)?;
    statuses(schema, base, sink)?;
    record_types(schema, base, sink)?;
    queues(base, sink)?;
    currencies(schema, base, sink)
}

fn stages(base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    for (order, stage) in (1_u64..).zip(&STAGES) {
        let row = base
            .clone()
            .with("Id", salesforce_id("01J", order))
            .with("MasterLabel", stage.name)
            .with("ApiName", stage.name)
            .with("IsActive", stage.active)
            .with("SortOrder", i64::try_from(order).unwrap_or(0))
            .with("IsClosed", stage.closed)
            .with("IsWon", stage.won)
            .with("ForecastCategory", stage.forecast)
            .with("ForecastCategoryName", stage.forecast_name)
            .with("DefaultProbability", Decimal::from(stage.probability));
        sink("OpportunityStage", row)?;
    }
    Ok(())
}

/// TaskStatus, TaskPriority, LeadStatus and CaseStatus say of each picklist value what it means.
fn statuses(schema: &Schema, base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    let tables: [(&str, &str, &str, &str, &str, &str); 4] = [
        ("TaskStatus", "01T", "Task", "Status", "IsClosed", "Completed"),
        ("TaskPriority", "01U", "Task", "Priority", "IsHighPriority", "High"),
        ("LeadStatus", "01M", "Lead", "Status", "IsConverted", "Closed - Converted"),
        ("CaseStatus", "01K", "Case", "Status", "IsClosed", "Closed"),
    ];
    for (table, prefix, object, field, flag, flagged) in tables {
        let Some(field) = schema.object(object).and_then(|o| o.field(field)) else { continue };
        for (order, value) in (1_u64..).zip(&field.picklist) {
            let row = base
                .clone()
                .with("Id", salesforce_id(prefix, order))
                .with("MasterLabel", value.label.as_deref().unwrap_or(&value.value))
                .with("ApiName", value.value.as_str())
                .with("SortOrder", i64::try_from(order).unwrap_or(0))
                .with("IsDefault", value.default_value)
                .with(flag, value.value == flagged);
            sink(table, row)?;
        }
    }
    Ok(())
}

fn record_types(schema: &Schema, base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    for object in schema.objects() {
        for kind in &object.record_types {
            let row = base
                .clone()
                .with("Id", kind.id.as_str())
                .with("Name", kind.name.as_str())
                .with("DeveloperName", kind.developer_name.as_str())
                .with("SobjectType", object.name.as_str())
                .with("IsActive", kind.active);
            sink("RecordType", row)?;
        }
    }
    Ok(())
}

fn queues(base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    let org = salesforce_id("00D", 1);
    let admin = super::world::user_id(0);
    let mut sobjects = 0;
    for (number, (name, developer, objects)) in (1_u64..).zip(QUEUES) {
        let row = base
            .clone()
            .with("Id", queue_id(number))
            .with("Name", name)
            .with("DeveloperName", developer)
            .with("Type", "Queue")
            .with("OwnerId", org.as_str());
        sink("Group", row)?;
        let member = Record::new()
            .with("Id", salesforce_id("011", number))
            .with("GroupId", queue_id(number))
            .with("UserOrGroupId", admin.as_str())
            .with("SystemModstamp", base.get("SystemModstamp").clone());
        sink("GroupMember", member)?;
        for object in objects {
            sobjects += 1;
            let row = Record::new()
                .with("Id", salesforce_id("03g", sobjects))
                .with("QueueId", queue_id(number))
                .with("SobjectType", *object)
                .with("CreatedById", admin.as_str())
                .with("SystemModstamp", base.get("SystemModstamp").clone());
            sink("QueueSobject", row)?;
        }
    }
    Ok(())
}

fn currencies(schema: &Schema, base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    if schema.object("CurrencyType").is_none() {
        return Ok(());
    }
    let rates = [("USD", 1_000_000, 2), ("EUR", 921_500, 2), ("GBP", 787_250, 2), ("JPY", 151_320_000, 0)];
    for (number, (code, rate, places)) in (1_u64..).zip(rates) {
        let row = base
            .clone()
            .with("Id", salesforce_id("01L", number))
            .with("IsoCode", code)
            .with("ConversionRate", Decimal::new(rate, 6))
            .with("DecimalPlaces", i64::from(places))
            .with("IsActive", true)
            .with("IsCorporate", code == "USD");
        sink("CurrencyType", row)?;
    }
    Ok(())
}
