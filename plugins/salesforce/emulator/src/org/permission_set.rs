//! Deploying a permission set as the Metadata API does, and assigning it to the API's user.

use super::Org;
use crate::error::SalesforceError;
use crate::http::xml::Element;
use crate::schema::visibility::{FieldAccess, ObjectAccess};
use crate::schema::{FieldSchema, ObjectSchema, Schema, Visibility};

/// Objects that have no permissions of their own, with what decides about them instead.
const ACTIVITIES: [&str; 8] = [
    "Task",
    "Event",
    "EmailMessage",
    "EmailMessageRelation",
    "TaskRelation",
    "TaskWhoRelation",
    "EventRelation",
    "EventWhoRelation",
];
/// Notes and files follow the records that they hang on.
const ATTACHED: [&str; 5] =
    ["Note", "ContentNote", "ContentDocument", "ContentDocumentLink", "ContentVersion"];

impl Org {
    /// Checks a permission set as a deployment would, and gives what it grants to the API's user, on top of what that has. An
    /// object that the user did not see has no field permissions but those that the set gives.
    pub(crate) fn deploy_permission_set(&self, xml: &str) -> Result<(), SalesforceError> {
        let set = Element::parse(xml)
            .filter(|set| set.name == "PermissionSet")
            .ok_or_else(|| refused("the file is no PermissionSet"))?;
        if set.text_of("label").is_none() {
            return Err(refused("Required field is missing: label"));
        }
        let schema = self.schema();
        let mut granted = Visibility::clone(&self.visibility());
        for element in children(&set, "userPermissions") {
            let name = element.text_of("name").ok_or_else(|| refused("Required field is missing: name"))?;
            if !SYSTEM.contains(&name) {
                return Err(refused(&format!("Unknown user permission: {name}")));
            }
            granted.set_system(name, is_true(element, "enabled"));
        }
        for element in children(&set, "objectPermissions") {
            grant_object(&schema, element, &mut granted)?;
        }
        for (dependent, on) in [("Contact", "Account"), ("Opportunity", "Account")] {
            if granted.can_read(dependent) && !granted.can_read(on) {
                return Err(refused(&format!(
                    "Permission Read {dependent} depends on permission(s): Read {on}"
                )));
            }
        }
        grant_dependents(&schema, &mut granted);
        for element in children(&set, "fieldPermissions") {
            grant_field(&schema, element, &mut granted)?;
        }
        self.change_visibility(|visibility| *visibility = granted);
        Ok(())
    }
}

/// Permissions that a set may give here.
const SYSTEM: [&str; 12] = [
    "ActivitiesAccess",
    "ApiEnabled",
    "ConvertLeads",
    "EditEvent",
    "EditTask",
    "ManageUsers",
    "ModifyAllData",
    "QueryAllFiles",
    "ViewAllData",
    "ViewAllUsers",
    "ViewRoles",
    "ViewSetup",
];

fn refused(message: &str) -> SalesforceError {
    SalesforceError::new(400, "INVALID_CROSS_REFERENCE_KEY", message)
}

fn children<'e>(set: &'e Element, name: &'static str) -> impl Iterator<Item = &'e Element> {
    set.children.iter().filter(move |child| child.name == name)
}

fn is_true(element: &Element, name: &str) -> bool {
    element.text_of(name) == Some("true")
}

fn grant_object(schema: &Schema, element: &Element, granted: &mut Visibility) -> Result<(), SalesforceError> {
    let name = element.text_of("object").ok_or_else(|| refused("Required field is missing: object"))?;
    let found = schema.object(name).filter(|object| object.name == name);
    let object =
        found.ok_or_else(|| refused(&format!("In field: object - no CustomObject named {name} found")))?;
    if ACTIVITIES.contains(&name) || ATTACHED.contains(&name) {
        return Err(refused(&format!("In field: object - {name} has no object permissions")));
    }
    let access = ObjectAccess {
        read: is_true(element, "allowRead"),
        create: is_true(element, "allowCreate"),
        edit: is_true(element, "allowEdit"),
        delete: is_true(element, "allowDelete"),
        view_all: is_true(element, "viewAllRecords"),
        modify_all: is_true(element, "modifyAllRecords"),
    };
    let needs_read = access.create || access.edit || access.delete || access.view_all || access.modify_all;
    if needs_read && !access.read {
        return Err(refused(&format!("Permission Edit {name} depends on permission(s): Read {name}")));
    }
    if (access.delete || access.modify_all) && !access.edit {
        return Err(refused(&format!("Permission Delete {name} depends on permission(s): Edit {name}")));
    }
    open(object, access, granted);
    Ok(())
}

/// Gives access to an object on top of what there is. Fields stay hidden where the object was.
fn open(object: &ObjectSchema, access: ObjectAccess, granted: &mut Visibility) {
    if !granted.can_read(&object.name) {
        for field in object.fields.iter().filter(|field| field.permissionable) {
            granted.set_field(&object.name, &field.name, FieldAccess::NONE);
        }
    }
    let before = granted.object(&object.name);
    let both = ObjectAccess {
        read: before.read || access.read,
        create: before.create || access.create,
        edit: before.edit || access.edit,
        delete: before.delete || access.delete,
        view_all: before.view_all || access.view_all,
        modify_all: before.modify_all || access.modify_all,
    };
    granted.set_object(&object.name, both);
}

/// Activities follow their permissions, notes and files the records that they may hang on.
fn grant_dependents(schema: &Schema, granted: &mut Visibility) {
    let records = ["Account", "Contact", "Lead", "Opportunity"];
    let any = |allowed: fn(&Visibility, &str) -> bool| records.iter().any(|record| allowed(granted, record));
    let (readable, editable) = (any(Visibility::can_read), any(Visibility::can_edit));
    let activities = granted.has("ActivitiesAccess");
    let access = |read: bool, change: bool| ObjectAccess {
        read,
        create: read && change,
        edit: read && change,
        delete: read && change,
        ..ObjectAccess::NONE
    };
    let task = access(activities, granted.has("EditTask"));
    let event = access(activities, granted.has("EditEvent"));
    let attached = access(readable, editable);
    let named = |name: &&str| schema.object(name);
    for object in ACTIVITIES.iter().filter_map(named) {
        open(object, if object.name.starts_with("Event") { event } else { task }, granted);
    }
    for object in ATTACHED.iter().filter_map(named) {
        open(object, attached, granted);
    }
}

fn grant_field(schema: &Schema, element: &Element, granted: &mut Visibility) -> Result<(), SalesforceError> {
    let name = element.text_of("field").ok_or_else(|| refused("Required field is missing: field"))?;
    let missing = || refused(&format!("In field: field - no CustomField named {name} found"));
    let (object, field) = name.split_once('.').ok_or_else(missing)?;
    let object = schema.object(object).filter(|found| found.name == object).ok_or_else(missing)?;
    let field = object.field(field).filter(|found| found.name == field).ok_or_else(missing)?;
    // The parts of an address are not fields of their own to the Metadata API.
    if field.compound_field_name.as_deref().is_some_and(|whole| whole != "Name") {
        return Err(missing());
    }
    if !field.permissionable {
        return Err(refused(&format!("You cannot deploy to a required field: {name}")));
    }
    let access =
        FieldAccess { readable: is_true(element, "readable"), editable: is_true(element, "editable") };
    if access.editable && !access.readable {
        return Err(refused(&format!("Field {name} is editable and not readable")));
    }
    let part = |part: &&FieldSchema| part.compound_field_name.as_deref() == Some(&field.name);
    for field in object.fields.iter().filter(part).chain([field]) {
        granted.set_field(&object.name, &field.name, access);
    }
    Ok(())
}
