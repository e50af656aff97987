//! What a provider can do, as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::ObjectKind;

/// One thing that a provider can or cannot do with an object.
///
/// ```
/// use unicrm_core::Capability;
/// assert_eq!(Capability::ReadSince.as_str(), "read_since");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Capability {
    /// Read all records.
    Read,
    /// Read what changed since a watermark.
    ReadSince,
    /// Read records by id.
    ReadByIds,
    /// Read ids only, which costs less.
    ReadIds,
    /// Count without reading.
    Count,
    /// Name deleted records among the rows.
    Deletions,
    /// Describe the fields.
    Describe,
    /// Search by phone number.
    SearchPhone,
    /// Search by e-mail address.
    SearchEmail,
    /// Search by text.
    SearchText,
    /// Create records.
    Create,
    /// Update records.
    Update,
    /// Update or create by an external key.
    Upsert,
    /// Delete records.
    Delete,
    /// Convert leads.
    Convert,
    /// Deliver change events.
    Changes,
}

impl Capability {
    /// All of them, in the order of the capability table.
    pub const ALL: [Self; 16] = [
        Self::Read,
        Self::ReadSince,
        Self::ReadByIds,
        Self::ReadIds,
        Self::Count,
        Self::Deletions,
        Self::Describe,
        Self::SearchPhone,
        Self::SearchEmail,
        Self::SearchText,
        Self::Create,
        Self::Update,
        Self::Upsert,
        Self::Delete,
        Self::Convert,
        Self::Changes,
    ];

    /// The name in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadSince => "read_since",
            Self::ReadByIds => "read_by_ids",
            Self::ReadIds => "read_ids",
            Self::Count => "count",
            Self::Deletions => "deletions",
            Self::Describe => "describe",
            Self::SearchPhone => "search_phone",
            Self::SearchEmail => "search_email",
            Self::SearchText => "search_text",
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Convert => "convert",
            Self::Changes => "changes",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of capabilities.
///
/// ```
/// use unicrm_core::{Capability, CapabilitySet};
/// const SET: CapabilitySet = CapabilitySet::of(&[Capability::Read, Capability::Count]);
/// assert!(SET.contains(Capability::Count) && !SET.contains(Capability::Delete));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilitySet(u32);

impl CapabilitySet {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// The set of these.
    #[must_use]
    pub const fn of(capabilities: &[Capability]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < capabilities.len() {
            bits |= capabilities[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// This set and another.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it holds this one.
    #[must_use]
    pub const fn contains(self, capability: Capability) -> bool {
        self.0 & capability.bit() != 0
    }

    /// Its members, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.into_iter().filter(move |capability| self.contains(*capability))
    }
}

impl Serialize for CapabilitySet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_seq(None)?;
        for capability in self.iter() {
            names.serialize_element(capability.as_str())?;
        }
        names.end()
    }
}

/// What a provider can do, per object.
///
/// ```
/// use unicrm_core::{Capabilities, Capability, CapabilitySet, ObjectKind};
/// let capabilities = Capabilities::new()
///     .with(ObjectKind::Contact, CapabilitySet::of(&[Capability::Read]))
///     .with_raw_requests(true);
/// assert!(capabilities.allows(ObjectKind::Contact, Capability::Read));
/// assert!(!capabilities.allows(ObjectKind::Lead, Capability::Read));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    objects: BTreeMap<ObjectKind, CapabilitySet>,
    custom_objects: CapabilitySet,
    raw_requests: bool,
}

impl Capabilities {
    /// Nothing at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares what can be done with an object.
    #[must_use]
    pub fn with(mut self, kind: ObjectKind, capabilities: CapabilitySet) -> Self {
        self.objects.insert(kind, capabilities);
        self
    }

    /// Declares what can be done with custom objects: `Describe`, `Read`, `ReadByIds` and the writes.
    #[must_use]
    pub fn with_custom_objects(mut self, capabilities: CapabilitySet) -> Self {
        self.custom_objects = capabilities;
        self
    }

    /// Declares whether requests of the remote's own API are passed through.
    #[must_use]
    pub fn with_raw_requests(mut self, raw_requests: bool) -> Self {
        self.raw_requests = raw_requests;
        self
    }

    /// What can be done with an object.
    #[must_use]
    pub fn of(&self, kind: ObjectKind) -> CapabilitySet {
        self.objects.get(&kind).copied().unwrap_or_default()
    }

    /// Whether one thing can be done with an object.
    #[must_use]
    pub fn allows(&self, kind: ObjectKind, capability: Capability) -> bool {
        self.of(kind).contains(capability)
    }

    /// What can be done with custom objects.
    #[must_use]
    pub const fn custom_objects(&self) -> CapabilitySet {
        self.custom_objects
    }

    /// Whether requests of the remote's own API are passed through.
    #[must_use]
    pub const fn raw_requests(&self) -> bool {
        self.raw_requests
    }
}
