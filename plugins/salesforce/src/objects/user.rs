//! User.

use unicrm_core::{FieldRule, NormalForm, ObjectKind, ObjectMapping, RemoteField, User};

use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::wire::{Wrong, wire};
use super::write::kept;

/// How users map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::User,
    remote_objects: &["User"],
    fields: &[
        FieldRule::read("id", &["Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Id"]),
        FieldRule::read("name", &["Name"]).normal(&[NormalForm::Trimmed]),
        FieldRule::read("email", &["Email"]).normal(&[NormalForm::Trimmed]),
        FieldRule::read("is_active", &["IsActive"]).note("users are never deleted, only deactivated"),
        FieldRule::read("user_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_fields", &[]).note("all other fields that this user sees"),
    ],
};

wire! {
    /// A row of User.
    struct UserRow {
        id: "Id",
        name: "Name",
        email: "Email",
        is_active: "IsActive",
        system_modstamp: "SystemModstamp" + keep,
    }
}

pub(super) fn from_remote(
    row: &UserRow<'_>,
    rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<User, Wrong> {
    let id = row.id.required_id()?;
    map.stamp(row.system_modstamp)?;
    let mut user = User::default();
    user.id = Some(map.id(&id));
    user.user_url = Some(map.url(&id));
    user.remote_id = Some(id.into());
    user.name = row.name.string()?;
    user.email = row.email.string()?;
    user.is_active = row.is_active.boolean()?;
    user.remote_fields = rest;
    Ok(user)
}

/// The remote record that a user stands for.
pub(crate) fn encode(user: &User) -> RemoteRecord {
    let mut remote = RemoteRecord { sobject: "User", ..RemoteRecord::default() };
    remote.id(user.remote_id.as_ref());
    remote.set_text("Name", user.name.as_deref().and_then(kept));
    remote.set_text("Email", user.email.as_deref().and_then(kept));
    remote.set_flag("IsActive", user.is_active);
    remote.add_remote_fields(&user.remote_fields);
    remote
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{create, cx, patch, read, refused};
    use crate::read::source::Source;

    #[test]
    fn a_user_is_never_deleted() {
        let user: User = read(Source::User, r#"{"Id":"0056g000004AiJXAA0","IsActive":false}"#);
        assert_eq!((user.is_active, user.remote_was_deleted), (Some(false), None));
        assert_eq!(refused(Source::User, r#"{"Id":"0056g000004AiJXAA0","IsActive":1}"#).0, Some("IsActive"));
    }

    #[test]
    fn users_are_not_written() {
        let named: unicrm_core::UserPatch = patch(r#"{"name":"Zoë","email":"a@b"}"#);
        let lines = "/name read_only: this is only read: it is not written\n\
                     /email read_only: this is only read: it is not written\n";
        assert_eq!(create(named, &cx()), lines);
    }
}
