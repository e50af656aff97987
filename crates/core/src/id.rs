//! Ids: ours are computed from theirs, so a reference can be filled in before its target has arrived.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest, Sha1};
use uuid::Uuid;

use crate::{Error, ErrorKind, Object, ObjectKind};

/// The id of a linked account: one customer's org at one provider. The only random id; all others are computed from it.
///
/// ```
/// use unicrm_core::LinkedAccountId;
/// let id: LinkedAccountId = "6f1c8a52-0d6e-4d52-9a0b-3f0f8f8b5a10".parse()?;
/// assert_eq!(id.to_string(), "6f1c8a52-0d6e-4d52-9a0b-3f0f8f8b5a10");
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkedAccountId(Uuid);

impl LinkedAccountId {
    /// A new random id.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Wraps a known id.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The bare UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for LinkedAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LinkedAccountId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_uuid(text).map(Self)
    }
}

/// The unified id of a record of `T`: a UUID, the same for the same remote record on every machine.
///
/// It is the UUID version 5 whose namespace is the linked account's id and whose name is the kind in `snake_case`, a
/// colon and the remote id, in UTF-8, such as `contact:003Hs00004Xkq2aIAB`.
///
/// ```
/// use unicrm_core::{Contact, Id, LinkedAccountId};
/// let account: LinkedAccountId = "6f1c8a52-0d6e-4d52-9a0b-3f0f8f8b5a10".parse()?;
/// let id = Id::<Contact>::compute(account, "003Hs00004Xkq2aIAB");
/// assert_eq!(id.to_string(), "83eb1ab2-bce7-5ce4-99e8-fcfb7b5368de");
/// # Ok::<_, unicrm_core::Error>(())
/// ```
pub struct Id<T: ?Sized> {
    uuid: Uuid,
    of: PhantomData<fn() -> T>,
}

impl<T: Object> Id<T> {
    /// Computes the id of a remote record.
    #[must_use]
    pub fn compute(linked_account: LinkedAccountId, remote_id: &str) -> Self {
        Self::from_uuid(compute_id(linked_account, T::KIND, remote_id))
    }
}

impl<T: ?Sized> Id<T> {
    /// Takes a UUID for the id of a record of `T`.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, of: PhantomData }
    }

    /// The bare UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.uuid
    }
}

/// Computes the unified id of a remote record whose kind is known only at run time; see [`Id`].
///
/// ```
/// use unicrm_core::{compute_id, Id, LinkedAccountId, ObjectKind, User};
/// let account = LinkedAccountId::random();
/// assert_eq!(&compute_id(account, ObjectKind::User, "005x"), Id::<User>::compute(account, "005x").as_uuid());
/// ```
#[must_use]
pub fn compute_id(linked_account: LinkedAccountId, kind: ObjectKind, remote_id: &str) -> Uuid {
    compute_named_id(linked_account, kind.as_str(), remote_id)
}

/// The same for what is none of the ten objects: `name` stands where the kind does.
pub(crate) fn compute_named_id(linked_account: LinkedAccountId, name: &str, remote_id: &str) -> Uuid {
    let hash = Sha1::new()
        .chain_update(linked_account.0.as_bytes())
        .chain_update(name.as_bytes())
        .chain_update(b":")
        .chain_update(remote_id.as_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

fn parse_uuid(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|source| {
        Error::new(ErrorKind::InvalidRequest, format!("{text:?} is not a UUID")).with_source(source)
    })
}

impl<T: ?Sized> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Id<T> {}

impl<T: ?Sized> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<T: ?Sized> Eq for Id<T> {}

impl<T: ?Sized> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: ?Sized> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<T: ?Sized> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<T: ?Sized> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<T: ?Sized> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl<T: ?Sized> FromStr for Id<T> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_uuid(text).map(Self::from_uuid)
    }
}

impl<T: ?Sized> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.uuid.serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Uuid::deserialize(deserializer).map(Self::from_uuid)
    }
}

/// The id that the remote gave a record: opaque, case-sensitive, compared byte by byte.
///
/// ```
/// use unicrm_core::RemoteId;
/// let id = RemoteId::from("003Hs00004Xkq2aIAB");
/// assert_eq!(id.as_str(), "003Hs00004Xkq2aIAB");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemoteId(Box<str>);

impl RemoteId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RemoteId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for RemoteId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<Cow<'_, str>> for RemoteId {
    fn from(id: Cow<'_, str>) -> Self {
        Self(id.into())
    }
}

impl Borrow<str> for RemoteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
