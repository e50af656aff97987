//! Who we are at the remote, and what we may do there.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{ObjectKind, Quota};

/// The access report: everything that a person needs to give the integration what it lacks.
///
/// ```
/// use unicrm_core::{Access, Identity};
/// let access = Access::new(Identity::new("005x", "api@example.com"));
/// assert!(access.missing.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Access {
    /// Who the remote says that we are.
    pub identity: Identity,
    /// Whether this user may do everything.
    pub full_administrator: bool,
    /// What this user may do with each object. An object that is missing here may not be seen at all.
    pub objects: BTreeMap<ObjectKind, ObjectAccess>,
    /// The quota of calls.
    pub quota: Option<Quota>,
    /// What is needed and not granted.
    pub missing: Vec<Missing>,
    /// What an administrator can deploy so that nothing is missing: one grant for reading alone and one for writing too, where
    /// the remote has such a thing.
    pub grants: Vec<Grant>,
}

impl Access {
    /// A report without objects yet.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            full_administrator: false,
            objects: BTreeMap::new(),
            quota: None,
            missing: Vec::new(),
            grants: Vec::new(),
        }
    }
}

/// A user of the remote.
///
/// ```
/// use unicrm_core::Identity;
/// let me = Identity::new("005x", "api@example.com");
/// assert_eq!(me.username, "api@example.com");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Identity {
    /// The user's remote id.
    pub user_id: String,
    /// The name that the user signs in with.
    pub username: String,
    /// The name that people see.
    pub display_name: Option<String>,
    /// The organisation's remote id.
    pub organization_id: Option<String>,
    /// The organisation's name.
    pub organization: Option<String>,
    /// Where the organisation lives: the remote's base URL.
    pub instance_url: Option<String>,
    /// The version of the remote's API in use.
    pub api_version: Option<String>,
}

impl Identity {
    /// A user.
    pub fn new(user_id: impl Into<String>, username: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            username: username.into(),
            display_name: None,
            organization_id: None,
            organization: None,
            instance_url: None,
            api_version: None,
        }
    }
}

/// What a user may do with an object.
///
/// ```
/// use unicrm_core::ObjectAccess;
/// let access = ObjectAccess::default();
/// assert!(!access.readable);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ObjectAccess {
    /// Read records.
    pub readable: bool,
    /// Create records.
    pub creatable: bool,
    /// Change records.
    pub updatable: bool,
    /// Delete records.
    pub deletable: bool,
    /// The unified fields.
    pub fields: Vec<FieldAccess>,
}

/// What a user may do with a unified field.
///
/// ```
/// use unicrm_core::FieldAccess;
/// let field = FieldAccess::new("owner", vec!["OwnerId".to_owned()], true, false);
/// assert!(field.readable && !field.writable);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldAccess {
    /// The unified field.
    pub field: String,
    /// The remote fields that it stands for.
    pub remote: Vec<String>,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written.
    pub writable: bool,
}

impl FieldAccess {
    /// A field's access.
    pub fn new(field: impl Into<String>, remote: Vec<String>, readable: bool, writable: bool) -> Self {
        Self { field: field.into(), remote, readable, writable }
    }
}

/// Something that is needed and not granted.
///
/// ```
/// use unicrm_core::Missing;
/// let missing = Missing::new("field Contact.Phone", "phone numbers of contacts", "grant read access to the field");
/// assert!(missing.required == false);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Missing {
    /// The permission, object or field, in the remote's own words.
    pub what: String,
    /// What cannot be done without it.
    pub needed_for: String,
    /// How to get it, step by step.
    pub how: String,
    /// Whether a whole object cannot be read without it; otherwise some fields are none.
    pub required: bool,
}

impl Missing {
    /// Something without which some fields are none.
    pub fn new(what: impl Into<String>, needed_for: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), needed_for: needed_for.into(), how: how.into(), required: false }
    }

    /// Something without which a whole object cannot be read.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// The least permissions that are needed, as files for the remote's own tools.
///
/// ```
/// use unicrm_core::{Grant, GrantFile};
/// let grant = Grant::new(true, vec![GrantFile::new("permissions.xml", "<set/>")], "upload the file");
/// assert!(grant.notes.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Grant {
    /// Whether it is for reading alone.
    pub read_only: bool,
    /// The grant itself, and behind it the files that the remote's tools want around it.
    pub files: Vec<GrantFile>,
    /// How to deploy it, step by step.
    pub how: String,
    /// What it does not cover, and why.
    pub notes: Vec<String>,
}

impl Grant {
    /// A grant; the first file is the grant itself.
    pub fn new(read_only: bool, files: Vec<GrantFile>, how: impl Into<String>) -> Self {
        Self { read_only, files, how: how.into(), notes: Vec::new() }
    }
}

/// One file of a [`Grant`].
///
/// ```
/// use unicrm_core::GrantFile;
/// let file = GrantFile::new("force-app/main/default/permissionsets/Unicrm.permissionset-meta.xml", "<PermissionSet/>");
/// assert!(!file.path.starts_with('/'));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GrantFile {
    /// Where the remote's tools look for it, relative to the folder of a project, with `/` between the parts.
    pub path: String,
    /// What is in it.
    pub content: String,
}

impl GrantFile {
    /// A file.
    pub fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        Self { path: path.into(), content: content.into() }
    }
}
