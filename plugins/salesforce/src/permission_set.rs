//! The permission set that grants exactly what the mapping reads and writes, as Metadata API XML in a folder that
//! Salesforce's own command line deploys.
//!
//! It is made from the field tables and from what the org describes: a field that everybody sees who sees the object cannot
//! be deployed, and neither can one that the org does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use unicrm_core::{Grant, GrantFile, MappingDirection, ObjectMapping};

use crate::api::Describe;

/// What decides whether a user sees the records of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// Its own object permission.
    Object,
    /// The permission to see activities; the objects themselves cannot be granted.
    Activities,
    /// Nothing of its own: the records that it hangs on, or nothing at all.
    Nothing,
}

fn guard(sobject: &str) -> Guard {
    match sobject {
        "Task" | "Event" | "EmailMessage" | "TaskWhoRelation" | "EventWhoRelation" => Guard::Activities,
        "Note" | "ContentNote" | "ContentDocumentLink" | "OpportunityStage" | "User" => Guard::Nothing,
        _ => Guard::Object,
    }
}

/// Where an administrator lets a user see an object.
pub(crate) fn how_to_see_object(sobject: &str) -> String {
    let set = "Setup > Permission Sets > the integration's set";
    match guard(sobject) {
        Guard::Activities => format!("{set} > System Permissions: enable \"Access Activities\""),
        _ => format!("{set} > Object Settings > {sobject}: give \"Read\" and \"View All\""),
    }
}

/// Whether only some orgs have a field, so that its absence is no lack of permission.
pub(crate) fn is_feature(field: &str) -> bool {
    field.ends_with("StateCode")
        || field.ends_with("CountryCode")
        || field.ends_with("__c")
        || field == "Type"
}

/// A permission set, sorted as Salesforce itself writes it.
#[derive(Debug, Default)]
struct PermissionSet {
    /// Objects, and whether their records may be changed.
    objects: BTreeMap<&'static str, bool>,
    /// Fields as `Object.Field`, and whether they may be changed.
    fields: BTreeMap<String, bool>,
    system: BTreeSet<&'static str>,
    /// Objects of which this user sees nothing, so that their fields are not known.
    unseen: BTreeSet<&'static str>,
    /// Fields that this org does not have.
    absent: BTreeSet<String>,
}

/// The grants for reading alone and for writing too. `described` are the objects that this user sees, `version` is the
/// API version such as `66.0`, `username` is the user who needs it.
pub(crate) fn grants(
    mappings: &[ObjectMapping],
    described: &[Arc<Describe>],
    version: &str,
    username: &str,
) -> Vec<Grant> {
    [true, false]
        .map(|read_only| {
            let mut set = PermissionSet::default();
            set.system.insert("ApiEnabled");
            if !read_only {
                set.system.insert("ConvertLeads");
            }
            for mapping in mappings {
                set.add(mapping, described, !read_only);
            }
            set.into_grant(read_only, version, username)
        })
        .into()
}

impl PermissionSet {
    /// Adds what one unified object needs.
    fn add(&mut self, mapping: &ObjectMapping, described: &[Arc<Describe>], write: bool) {
        let write = write && mapping.fields.iter().any(|field| field.direction == MappingDirection::Both);
        for sobject in mapping.remote_objects {
            self.object(sobject, write);
        }
        for field in mapping.fields {
            let editable = write && field.direction == MappingDirection::Both;
            for name in field.remote {
                let (sobject, name) = name
                    .split_once('.')
                    .or_else(|| Some((*mapping.remote_objects.first()?, *name)))
                    .unwrap_or(("", name));
                // What is only read along with others, such as the text of an e-mail.
                let own = mapping.remote_objects.contains(&sobject);
                self.object(sobject, false);
                match described.iter().find(|describe| describe.object.name == sobject) {
                    Some(describe) => self.field(describe, name, editable && own),
                    None if guard(sobject) == Guard::Nothing => {}
                    None => self.unseen_field(sobject, name, editable && own),
                }
            }
        }
    }

    fn object(&mut self, sobject: &'static str, write: bool) {
        match guard(sobject) {
            Guard::Object => *self.objects.entry(sobject).or_default() |= write,
            Guard::Activities => {
                self.system.insert("ActivitiesAccess");
                match sobject {
                    "Task" if write => self.system.insert("EditTask"),
                    "Event" if write => self.system.insert("EditEvent"),
                    _ => false,
                };
            }
            Guard::Nothing => {}
        }
    }

    fn field(&mut self, describe: &Describe, name: &str, editable: bool) {
        let sobject = &describe.object.name;
        let whole = match describe.field(name) {
            // Every user who sees the object sees it.
            Some(field) if !field.permissionable => return,
            // Permissions on an address are given on the whole.
            Some(field) => {
                let whole = field.compound_field_name.as_deref().filter(|whole| *whole != "Name");
                whole.unwrap_or(name).to_owned()
            }
            None if is_feature(name) => {
                self.absent.insert(format!("{sobject}.{name}"));
                return;
            }
            // Only field-level security hides a field of a standard object, and then it can be given.
            None => address_of(name).unwrap_or_else(|| name.to_owned()),
        };
        *self.fields.entry(format!("{sobject}.{whole}")).or_default() |= editable;
    }

    /// Adds a field of an object that this user does not see yet. A single field that cannot be granted has the whole set
    /// refused, so only those are named of which it is known.
    fn unseen_field(&mut self, sobject: &'static str, name: &str, editable: bool) {
        let known = granted_everywhere(sobject);
        let whole = address_of(name).unwrap_or_else(|| name.to_owned());
        if known.is_empty() {
            self.unseen.insert(sobject);
        } else if is_feature(name) {
            self.absent.insert(format!("{sobject}.{name}"));
        } else if known.contains(&whole.as_str()) {
            *self.fields.entry(format!("{sobject}.{whole}")).or_default() |= editable;
        }
    }

    fn into_grant(self, read_only: bool, version: &str, username: &str) -> Grant {
        let (name, label) = if read_only { ("Unicrm_Read", "unicrm, reading") } else { ("Unicrm", "unicrm") };
        let project = format!(
            "{{\n  \"packageDirectories\": [{{ \"path\": \"force-app\", \"default\": true }}],\n  \"sourceApiVersion\": \
             \"{version}\"\n}}\n"
        );
        let path = format!("force-app/main/default/permissionsets/{name}.permissionset-meta.xml");
        let files = vec![GrantFile::new(path, self.xml(label)), GrantFile::new("sfdx-project.json", project)];
        let how = format!(
            "In the folder with sfdx-project.json, as an administrator:\n  sf project deploy start --source-dir force-app \
             --target-org ORG\n  sf org assign permset --name {name} --on-behalf-of {username} --target-org ORG"
        );
        let mut grant = Grant::new(read_only, files, how);
        if !self.unseen.is_empty() {
            let unseen: Vec<_> = self.unseen.into_iter().collect();
            grant.notes.push(format!(
                "This user sees nothing of {} yet, and which of their fields can be granted differs from org to org: none is in \
                 the set. Deploy and assign it, then write it again and deploy that.",
                unseen.join(", ")
            ));
        }
        if !self.absent.is_empty() {
            let absent: Vec<_> = self.absent.into_iter().collect();
            grant.notes.push(format!(
                "Not in the set, because this org does not have them or this user does not see them: {}.",
                absent.join(", ")
            ));
        }
        grant.notes.push(
            "Other fields, which come as remote fields, are not in the set: add those that you want. Notes and activities that \
             hang on no record the user sees need \"View All Data\", and files and enhanced notes of others \"Query All \
             Files\"."
                .to_owned(),
        );
        grant
    }

    fn xml(&self, label: &str) -> String {
        let mut xml = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PermissionSet xmlns=\"http://soap.sforce.com/2006/04/metadata\">\n",
        );
        xml.push_str("    <description>What unicrm needs of this org, and nothing else.</description>\n");
        let field = |(field, editable): (&String, &bool)| {
            format!(
                "    <fieldPermissions>\n        <editable>{editable}</editable>\n        <field>{field}</field>\n        \
                 <readable>true</readable>\n    </fieldPermissions>\n"
            )
        };
        xml.extend(self.fields.iter().map(field));
        xml.push_str("    <hasActivationRequired>false</hasActivationRequired>\n");
        xml.push_str(&format!("    <label>{label}</label>\n"));
        let object = |(object, write): (&&str, &bool)| {
            format!(
                "    <objectPermissions>\n        <allowCreate>{write}</allowCreate>\n        \
                 <allowDelete>{write}</allowDelete>\n        <allowEdit>{write}</allowEdit>\n        \
                 <allowRead>true</allowRead>\n        <modifyAllRecords>false</modifyAllRecords>\n        \
                 <object>{object}</object>\n        <viewAllRecords>true</viewAllRecords>\n    </objectPermissions>\n"
            )
        };
        xml.extend(self.objects.iter().map(object));
        let permission = |name: &&str| {
            format!(
                "    <userPermissions>\n        <enabled>true</enabled>\n        <name>{name}</name>\n    </userPermissions>\n"
            )
        };
        xml.extend(self.system.iter().map(permission));
        xml.push_str("</PermissionSet>\n");
        xml
    }
}

/// Those of an object's mapped fields that can be granted in every org, as real ones have described them: everybody who sees the
/// object sees the others. None where that is not known.
fn granted_everywhere(sobject: &str) -> &'static [&'static str] {
    match sobject {
        "Account" => &[
            "BillingAddress",
            "Description",
            "Fax",
            "Industry",
            "NumberOfEmployees",
            "Phone",
            "ShippingAddress",
            "Website",
        ],
        "Contact" => &[
            "AccountId",
            "AssistantPhone",
            "Email",
            "Fax",
            "HomePhone",
            "MailingAddress",
            "MobilePhone",
            "OtherAddress",
            "OtherPhone",
            "Phone",
        ],
        "Event" => &["Description", "IsAllDayEvent", "WhatId", "WhoId"],
        "Lead" => &["Address", "Email", "Fax", "LeadSource", "MobilePhone", "Phone", "Title"],
        "Opportunity" => &["AccountId", "Amount", "Description"],
        _ => &[],
    }
}

/// The address of which a field is a part, by their names alone: `MailingAddress` for `MailingCity`.
fn address_of(field: &str) -> Option<String> {
    let parts = ["Street", "City", "State", "PostalCode", "Country"];
    let prefix = parts.iter().find_map(|part| field.strip_suffix(part))?;
    Some(format!("{prefix}Address"))
}

#[cfg(test)]
mod tests;
