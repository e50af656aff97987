//! Licences, profiles, permission sets, roles and the administrator.

use super::RowSink;
use super::world::user_id;
use crate::SalesforceError;
use crate::org::Record;
use crate::schema::ids::salesforce_id;
use crate::schema::visibility::ObjectAccess;
use crate::schema::{ObjectSchema, Schema, Visibility};

/// Permissions that have a column on Profile and PermissionSet.
const COLUMNS: [&str; 12] = [
    "ApiEnabled",
    "ModifyAllData",
    "ViewAllData",
    "ViewSetup",
    "QueryAllFiles",
    "ManageUsers",
    "CustomizeApplication",
    "ApiUserOnly",
    "EditTask",
    "EditEvent",
    "ViewAllUsers",
    "BulkApiHardDelete",
];

/// Objects whose object and field permissions have rows.
const GUARDED: [&str; 9] =
    ["Account", "Campaign", "Case", "Contact", "EmailMessage", "Event", "Lead", "Opportunity", "Task"];

const ROLES: [(&str, &str); 4] = [
    ("CEO", "CEO"),
    ("VP Sales", "VPSales"),
    ("Sales Team", "SalesTeam"),
    ("Customer Support", "CustomerSupport"),
];

/// Id of the `n`-th profile: System Administrator, Standard User, Minimum Access - API Only Integrations.
pub(crate) fn profile_id(n: u64) -> String {
    salesforce_id("00e", n + 1)
}

/// Id of the `n`-th role, from 1.
pub(crate) fn role_id(n: u64) -> String {
    salesforce_id("00E", n)
}

/// Id of the permission set behind the `n`-th profile, and after those of the others.
pub(crate) fn permission_set_id(n: u64) -> String {
    salesforce_id("0PS", n + 1)
}

fn profiles() -> [(&'static str, Visibility); 3] {
    [
        ("System Administrator", Visibility::administrator()),
        ("Standard User", Visibility::standard_user()),
        ("Minimum Access - API Only Integrations", Visibility::minimum_access()),
    ]
}

/// Writes all of them. `base` has the audit fields of a setup row.
pub(crate) fn rows(schema: &Schema, base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    for (number, name) in (1_u64..).zip(["Salesforce", "Salesforce Integration"]) {
        let row = base
            .clone()
            .with("Id", salesforce_id("100", number))
            .with("Name", name)
            .with("MasterLabel", name)
            .with("LicenseDefinitionKey", if number == 1 { "SFDC" } else { "SALESFORCE_INTEGRATION" })
            .with("TotalLicenses", 100_i64)
            .with("UsedLicenses", 13_i64)
            .with("Status", "Active");
        sink("UserLicense", row)?;
    }
    for (number, (name, developer)) in (1_u64..).zip(ROLES) {
        let row = base
            .clone()
            .with("Id", role_id(number))
            .with("Name", name)
            .with("DeveloperName", developer)
            .with("ParentRoleId", (number > 1).then(|| role_id(1)))
            .with("OpportunityAccessForAccountOwner", "Edit")
            .with("CaseAccessForAccountOwner", "Edit")
            .with("ContactAccessForAccountOwner", "Edit");
        sink("UserRole", row)?;
    }
    let mut counter = Counter::default();
    for (number, (name, visibility)) in (0_u64..).zip(profiles()) {
        let licence = salesforce_id("100", if number == 2 { 2 } else { 1 });
        let row = system(base.clone(), &visibility)
            .with("Id", profile_id(number))
            .with("Name", name)
            .with("UserLicenseId", licence.as_str())
            .with("UserType", "Standard");
        sink("Profile", row)?;
        let row = system(base.clone(), &visibility)
            .with("Id", permission_set_id(number))
            .with("Name", format!("X{}", profile_id(number)))
            .with("Label", name)
            .with("ProfileId", profile_id(number))
            .with("LicenseId", licence)
            .with("IsOwnedByProfile", true)
            .with("Type", "Profile");
        sink("PermissionSet", row)?;
        counter.permissions(schema, base, &visibility, &permission_set_id(number), sink)?;
    }
    let mut files = Visibility::minimum_access();
    files.system.clear();
    files.set_system("QueryAllFiles", true);
    let row = system(base.clone(), &files)
        .with("Id", permission_set_id(3))
        .with("Name", "Query_All_Files")
        .with("Label", "Query All Files")
        .with("IsOwnedByProfile", false)
        .with("IsCustom", true)
        .with("Type", "Regular");
    sink("PermissionSet", row)?;
    administrator(base, sink)
}

fn system(mut row: Record, visibility: &Visibility) -> Record {
    for permission in COLUMNS {
        row.set(&format!("Permissions{permission}"), visibility.has(permission));
    }
    row
}

#[derive(Default)]
struct Counter {
    objects: u64,
    fields: u64,
}

impl Counter {
    fn permissions(
        &mut self,
        schema: &Schema,
        base: &Record,
        visibility: &Visibility,
        parent: &str,
        sink: &mut RowSink<'_>,
    ) -> Result<(), SalesforceError> {
        for object in GUARDED.iter().filter_map(|name| schema.object(name)) {
            let access = visibility.object(&object.name);
            if access == ObjectAccess::NONE {
                continue;
            }
            self.objects += 1;
            let row = base
                .clone()
                .with("Id", salesforce_id("110", self.objects))
                .with("ParentId", parent)
                .with("SobjectType", object.name.as_str())
                .with("PermissionsRead", access.read)
                .with("PermissionsCreate", access.create)
                .with("PermissionsEdit", access.edit)
                .with("PermissionsDelete", access.delete)
                .with("PermissionsViewAllRecords", access.view_all)
                .with("PermissionsModifyAllRecords", access.modify_all);
            sink("ObjectPermissions", row)?;
            self.fields(base, object, visibility, parent, sink)?;
        }
        Ok(())
    }

    fn fields(
        &mut self,
        base: &Record,
        object: &ObjectSchema,
        visibility: &Visibility,
        parent: &str,
        sink: &mut RowSink<'_>,
    ) -> Result<(), SalesforceError> {
        for field in object.fields.iter().filter(|f| f.permissionable) {
            self.fields += 1;
            let row = Record::new()
                .with("Id", salesforce_id("01k", self.fields))
                .with("ParentId", parent)
                .with("SobjectType", object.name.as_str())
                .with("Field", format!("{}.{}", object.name, field.name))
                .with("PermissionsRead", visibility.can_see(&object.name, &field.name))
                .with("PermissionsEdit", field.updateable && visibility.can_set(&object.name, &field.name))
                .with("SystemModstamp", base.get("SystemModstamp").clone());
            sink("FieldPermissions", row)?;
        }
        Ok(())
    }
}

/// The user whom OAuth logs in as.
fn administrator(base: &Record, sink: &mut RowSink<'_>) -> Result<(), SalesforceError> {
    let row = base
        .clone()
        .with("Id", user_id(0))
        .with("Username", "integration@crm.example.com")
        .with("Name", "Integration User")
        .with("FirstName", "Integration")
        .with("LastName", "User")
        .with("Email", "integration@crm.example.com")
        .with("Alias", "integ")
        .with("CommunityNickname", "integration")
        .with("IsActive", true)
        .with("ProfileId", profile_id(0))
        .with("LastLoginDate", base.get("SystemModstamp").clone());
    sink("User", with_user_defaults(row))?;
    assign(base, 0, 0, sink)
}

/// Assigns the permission set behind a profile to a user.
pub(crate) fn assign(
    base: &Record,
    user: u64,
    profile: u64,
    sink: &mut RowSink<'_>,
) -> Result<(), SalesforceError> {
    let row = Record::new()
        .with("Id", salesforce_id("0Pa", user + 1))
        .with("PermissionSetId", permission_set_id(profile))
        .with("AssigneeId", user_id(user))
        .with("IsActive", true)
        .with("SystemModstamp", base.get("SystemModstamp").clone());
    sink("PermissionSetAssignment", row)
}

/// What every user has.
pub(crate) fn with_user_defaults(record: Record) -> Record {
    let id = record.text("Id").unwrap_or_default().to_owned();
    record
        .with("UserType", "Standard")
        .with("TimeZoneSidKey", "America/Los_Angeles")
        .with("LocaleSidKey", "en_US")
        .with("LanguageLocaleKey", "en_US")
        .with("EmailEncodingKey", "UTF-8")
        .with("DigestFrequency", "D")
        .with("DefaultGroupNotificationFrequency", "N")
        .with("SmallPhotoUrl", format!("https://crm.example.com/profilephoto/005/T?{id}"))
        .with("FullPhotoUrl", format!("https://crm.example.com/profilephoto/005/F?{id}"))
}
