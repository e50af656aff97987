//! What one user may see and change: object permissions, field-level security and system permissions.
//!
//! Plain data under exact API names, so that a query asks it with two map look-ups and a control API can change it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What a user may do, by object and field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Visibility {
    /// For objects that `objects` does not name.
    pub default_object: ObjectAccess,
    /// For single objects, by API name.
    pub objects: BTreeMap<String, ObjectAccess>,
    /// For fields that are not fully visible, by object and field API name.
    pub fields: BTreeMap<String, BTreeMap<String, FieldAccess>>,
    /// System permissions that the user has, such as `ApiEnabled`.
    pub system: BTreeSet<String>,
    /// Ids of the records that sharing keeps from the user.
    pub hidden_records: BTreeSet<String>,
}

/// Object permissions of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectAccess {
    /// May read records.
    pub read: bool,
    /// May create records.
    pub create: bool,
    /// May edit records.
    pub edit: bool,
    /// May delete records.
    pub delete: bool,
    /// May read everybody's records.
    pub view_all: bool,
    /// May change everybody's records.
    pub modify_all: bool,
}

/// Field-level security of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldAccess {
    /// Whether the field exists for the user at all.
    pub readable: bool,
    /// Whether the user may set it.
    pub editable: bool,
}

impl ObjectAccess {
    /// Everything.
    pub const ALL: Self =
        Self { read: true, create: true, edit: true, delete: true, view_all: true, modify_all: true };
    /// Nothing: the object does not exist for the user.
    pub const NONE: Self =
        Self { read: false, create: false, edit: false, delete: false, view_all: false, modify_all: false };
    /// Reading alone.
    pub const READ: Self = Self { read: true, ..Self::NONE };
    /// Own records, as the Standard User profile has them.
    pub const STANDARD: Self = Self { view_all: false, modify_all: false, ..Self::ALL };
}

impl Default for ObjectAccess {
    fn default() -> Self {
        Self::ALL
    }
}

impl FieldAccess {
    /// Read and write.
    pub const ALL: Self = Self { readable: true, editable: true };
    /// Read only.
    pub const READ: Self = Self { readable: true, editable: false };
    /// Hidden.
    pub const NONE: Self = Self { readable: false, editable: false };
}

impl Default for FieldAccess {
    fn default() -> Self {
        Self::ALL
    }
}

/// System permissions of the System Administrator profile.
const ADMINISTRATOR: [&str; 12] = [
    "ApiEnabled",
    "BulkApiHardDelete",
    "CustomizeApplication",
    "EditTask",
    "EditEvent",
    "ManageUsers",
    "ModifyAllData",
    "QueryAllFiles",
    "ViewAllData",
    "ViewAllUsers",
    "ViewRoles",
    "ViewSetup",
];

/// System permissions of the Standard User profile.
const STANDARD: [&str; 5] = ["ApiEnabled", "EditTask", "EditEvent", "ViewRoles", "ViewSetup"];

impl Default for Visibility {
    fn default() -> Self {
        Self::administrator()
    }
}

impl Visibility {
    /// System Administrator: sees and changes everything.
    #[must_use]
    pub fn administrator() -> Self {
        Self {
            default_object: ObjectAccess::ALL,
            objects: BTreeMap::new(),
            fields: BTreeMap::new(),
            system: ADMINISTRATOR.iter().map(|p| (*p).to_owned()).collect(),
            hidden_records: BTreeSet::new(),
        }
    }

    /// Standard User: every object, but no permission over everybody's records.
    #[must_use]
    pub fn standard_user() -> Self {
        Self {
            default_object: ObjectAccess::STANDARD,
            system: STANDARD.iter().map(|p| (*p).to_owned()).collect(),
            ..Self::administrator()
        }
    }

    /// Minimum Access - API Only Integrations: the API, users and the setup rows everybody may read, no data.
    #[must_use]
    pub fn minimum_access() -> Self {
        let readable = [
            "User",
            "UserRole",
            "Profile",
            "PermissionSet",
            "PermissionSetAssignment",
            "ObjectPermissions",
            "FieldPermissions",
            "Organization",
            "RecordType",
            "Group",
            "OpportunityStage",
            "TaskStatus",
            "TaskPriority",
            "LeadStatus",
            "CaseStatus",
        ];
        Self {
            default_object: ObjectAccess::NONE,
            objects: readable.iter().map(|o| ((*o).to_owned(), ObjectAccess::READ)).collect(),
            fields: BTreeMap::new(),
            system: BTreeSet::from(["ApiEnabled".to_owned(), "ApiUserOnly".to_owned()]),
            hidden_records: BTreeSet::new(),
        }
    }

    /// Permissions on an object.
    #[must_use]
    pub fn object(&self, object: &str) -> ObjectAccess {
        self.objects.get(object).copied().unwrap_or(self.default_object)
    }

    /// Field-level security of a field. Id is always readable.
    #[must_use]
    pub fn field(&self, object: &str, field: &str) -> FieldAccess {
        self.fields.get(object).and_then(|fields| fields.get(field)).copied().unwrap_or(FieldAccess::ALL)
    }

    /// Whether the object exists for the user.
    #[must_use]
    pub fn can_read(&self, object: &str) -> bool {
        self.object(object).read
    }

    /// Whether the user may create records.
    #[must_use]
    pub fn can_create(&self, object: &str) -> bool {
        self.object(object).create
    }

    /// Whether the user may edit records.
    #[must_use]
    pub fn can_edit(&self, object: &str) -> bool {
        self.object(object).edit
    }

    /// Whether the user may delete records.
    #[must_use]
    pub fn can_delete(&self, object: &str) -> bool {
        self.object(object).delete
    }

    /// Whether the field exists for the user; the object must be readable too.
    #[must_use]
    pub fn can_see(&self, object: &str, field: &str) -> bool {
        self.can_read(object) && self.field(object, field).readable
    }

    /// Whether the user may set the field.
    #[must_use]
    pub fn can_set(&self, object: &str, field: &str) -> bool {
        let access = self.field(object, field);
        access.readable && access.editable
    }

    /// Whether the user has a system permission, such as `ModifyAllData`.
    #[must_use]
    pub fn has(&self, permission: &str) -> bool {
        self.system.contains(permission)
    }

    /// Whether records of others are visible without sharing.
    #[must_use]
    pub fn sees_all(&self, object: &str) -> bool {
        self.has("ViewAllData") || self.has("ModifyAllData") || self.object(object).view_all
    }

    /// Whether sharing lets the user see a record; the permissions on its object come on top.
    #[must_use]
    pub fn sees_record(&self, id: &str) -> bool {
        !self.hidden_records.contains(id)
    }

    /// Changes the permissions on one object.
    pub fn set_object(&mut self, object: &str, access: ObjectAccess) {
        self.objects.insert(object.to_owned(), access);
    }

    /// Changes the field-level security of one field.
    pub fn set_field(&mut self, object: &str, field: &str, access: FieldAccess) {
        self.fields.entry(object.to_owned()).or_default().insert(field.to_owned(), access);
    }

    /// Gives or takes a system permission.
    pub fn set_system(&mut self, permission: &str, granted: bool) {
        if granted {
            self.system.insert(permission.to_owned());
        } else {
            self.system.remove(permission);
        }
    }
}
