//! The embedded schema files.

use super::{Features, Schema, SchemaError, compact};

macro_rules! object_files {
    ($($name:literal),* $(,)?) => {
        [$(include_str!(concat!("objects/", $name, ".txt"))),*]
    };
}

const PICKLISTS: &str = include_str!("objects/picklists.txt");

const OBJECTS: [&str; 45] = object_files![
    "Account",
    "Attachment",
    "Campaign",
    "CampaignMember",
    "Case",
    "CaseStatus",
    "Contact",
    "ContentDocument",
    "ContentDocumentLink",
    "ContentNote",
    "ContentVersion",
    "CurrencyType",
    "DatedConversionRate",
    "EmailMessage",
    "EmailMessageRelation",
    "Event",
    "EventRelation",
    "EventWhoRelation",
    "FieldPermissions",
    "Group",
    "GroupMember",
    "Lead",
    "LeadStatus",
    "Name",
    "Note",
    "ObjectPermissions",
    "Opportunity",
    "OpportunityContactRole",
    "OpportunityHistory",
    "OpportunityStage",
    "Organization",
    "PermissionSet",
    "PermissionSetAssignment",
    "Product2",
    "Profile",
    "QueueSobject",
    "RecordType",
    "Task",
    "TaskPriority",
    "TaskRelation",
    "TaskStatus",
    "TaskWhoRelation",
    "User",
    "UserLicense",
    "UserRole",
];

/// Reads all files for an org with these features.
pub(crate) fn load(features: &Features) -> Result<Schema, SchemaError> {
    let lists = compact::shared_lists(PICKLISTS)?;
    let mut schema = Schema { features: features.clone(), ..Schema::default() };
    for text in OBJECTS {
        if let Some(object) = compact::parse_object(text, features, &lists)? {
            schema.add_object(object)?;
        }
    }
    schema.sort_children();
    Ok(schema)
}
