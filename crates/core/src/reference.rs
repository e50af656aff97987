//! A typed reference from one record to another.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::{Id, LinkedAccountId, Object, ObjectKind, RemoteId};

/// A reference to a record of `T`: by unified id, by remote id, or both.
///
/// A plugin makes it with both ([`Ref::remote`]). After JSON it has one: `"<uuid>"` gives the unified id, and the host's
/// store finds the remote id before a write; `{"remote_id": "003..."}` gives the remote id. In JSON out, the unified id wins.
///
/// Two references are equal when they surely mean the same record: the unified ids agree, or, where one side has none,
/// the remote ids.
///
/// ```
/// use unicrm_core::{Account, LinkedAccountId, Ref};
/// let linked = LinkedAccountId::random();
/// let made: Ref<Account> = Ref::remote(linked, "001xx000003DGb2AAG");
/// let json = serde_json::to_string(&made).unwrap();
/// let read: Ref<Account> = serde_json::from_str(&json).unwrap();
/// assert_eq!(made, read);
/// assert!(made.remote_id().is_some() && read.remote_id().is_none());
/// ```
pub struct Ref<T> {
    id: Option<Id<T>>,
    remote_id: Option<RemoteId>,
}

impl<T: Object> Ref<T> {
    /// A reference to a remote record of a linked account, with its unified id computed.
    pub fn remote(linked_account: LinkedAccountId, remote_id: impl Into<RemoteId>) -> Self {
        let remote_id = remote_id.into();
        Self { id: Some(Id::compute(linked_account, remote_id.as_str())), remote_id: Some(remote_id) }
    }

    /// The record that it means, when the remote id must be looked up before a write; none when it is there.
    ///
    /// ```
    /// use unicrm_core::{Account, ObjectKind, Ref};
    /// let open: Ref<Account> = serde_json::from_str(r#""83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de""#).unwrap();
    /// let (kind, id) = open.unresolved().unwrap();
    /// assert_eq!(kind, ObjectKind::Account);
    /// assert_eq!(id.to_string(), "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de");
    /// assert!(open.resolved("001xx000003DGb2AAG").unresolved().is_none());
    /// ```
    #[must_use]
    pub fn unresolved(&self) -> Option<(ObjectKind, Uuid)> {
        let id = self.id.filter(|_| self.remote_id.is_none())?;
        Some((T::KIND, *id.as_uuid()))
    }
}

impl<T> Ref<T> {
    /// A reference by unified id alone, as it comes from JSON.
    #[must_use]
    pub const fn unified(id: Id<T>) -> Self {
        Self { id: Some(id), remote_id: None }
    }

    /// A reference by remote id alone, for a host that knows nothing but that.
    pub fn by_remote_id(remote_id: impl Into<RemoteId>) -> Self {
        Self { id: None, remote_id: Some(remote_id.into()) }
    }

    /// The same reference with its remote id filled in: what a host's store does before a write.
    #[must_use]
    pub fn resolved(self, remote_id: impl Into<RemoteId>) -> Self {
        Self { id: self.id, remote_id: Some(remote_id.into()) }
    }

    /// The unified id, when it is known.
    #[must_use]
    pub fn id(&self) -> Option<Id<T>> {
        self.id
    }

    /// The remote id, when it is known.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        self.remote_id.as_ref()
    }

    pub(crate) fn from_parts(id: Option<Uuid>, remote_id: Option<RemoteId>) -> Option<Self> {
        (id.is_some() || remote_id.is_some()).then(|| Self { id: id.map(Id::from_uuid), remote_id })
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        Self { id: self.id, remote_id: self.remote_id.clone() }
    }
}

impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(a), Some(b)) => a == b,
            _ => self.remote_id.is_some() && self.remote_id == other.remote_id,
        }
    }
}

impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.id, &self.remote_id) {
            (Some(id), Some(remote_id)) => write!(f, "{id} ({remote_id})"),
            (Some(id), None) => write!(f, "{id}"),
            (None, Some(remote_id)) => write!(f, "({remote_id})"),
            (None, None) => f.write_str("()"),
        }
    }
}

impl<T> Serialize for Ref<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(id) = self.id {
            return id.serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("remote_id", &self.remote_id)?;
        map.end()
    }
}

impl<'de, T> Deserialize<'de> for Ref<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RefVisitor<T>(PhantomData<fn() -> T>);

        impl<'de, T> Visitor<'de> for RefVisitor<T> {
            type Value = Ref<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a unified id (a UUID) or {\"remote_id\": \"...\"}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Ref<T>, E> {
                let uuid =
                    Uuid::try_parse(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
                Ok(Ref::unified(Id::from_uuid(uuid)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ref<T>, A::Error> {
                let mut remote_id: Option<RemoteId> = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "remote_id" {
                        return Err(de::Error::unknown_field(&key, &["remote_id"]));
                    }
                    if remote_id.replace(map.next_value()?).is_some() {
                        return Err(de::Error::duplicate_field("remote_id"));
                    }
                }
                remote_id.map(Ref::by_remote_id).ok_or_else(|| de::Error::missing_field("remote_id"))
            }
        }

        deserializer.deserialize_any(RefVisitor(PhantomData))
    }
}
