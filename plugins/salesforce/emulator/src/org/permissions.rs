//! The permission rows of the API's user: Profile, PermissionSet, ObjectPermissions and FieldPermissions tell what
//! [`Visibility`] enforces.

use std::sync::atomic::Ordering;

use super::dml::Context;
use super::{Org, Record, row, storage};
use crate::error::SalesforceError;
use crate::schema::Visibility;
use crate::schema::visibility::ObjectAccess;

impl Org {
    /// Rewrites the rows if the permissions have changed since. Not inside a transaction.
    pub(crate) fn settle_permissions(&self) -> Result<(), SalesforceError> {
        if !self.permissions_changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let visibility = self.visibility();
        self.db.write(|conn| rewrite(&Context::new(self, conn, self.schema()), &visibility))
    }
}

fn rewrite(context: &Context<'_>, visibility: &Visibility) -> Result<(), SalesforceError> {
    let conn = context.conn;
    let Some(profile) = row::text(conn, "User", "ProfileId", context.user())? else { return Ok(()) };
    let owned =
        "SELECT \"Id\" FROM \"PermissionSet\" WHERE \"ProfileId\"=?1 AND \"IsOwnedByProfile\"=1 LIMIT 1";
    let mut statement = conn.prepare_cached(owned).map_err(storage)?;
    let sets = statement.query_map([&profile], |row| row.get::<_, String>(0)).map_err(storage)?;
    let sets: Vec<String> = sets.collect::<Result<_, _>>().map_err(storage)?;
    let Some(set) = sets.first() else { return Ok(()) };
    for (object, id) in [("Profile", &profile), ("PermissionSet", set)] {
        let Some(object) = context.schema.object(object) else { continue };
        let named = object
            .fields
            .iter()
            .filter_map(|field| Some((&field.name, field.name.strip_prefix("Permissions")?)));
        let changes: Record =
            named.map(|(field, permission)| (field.as_str(), visibility.has(permission))).collect();
        row::update(conn, object, id, &changes)?;
    }
    // Every profile's rows are about the same objects, whatever this one may see of them.
    let mut statement = conn
        .prepare_cached("SELECT DISTINCT \"SobjectType\" FROM \"ObjectPermissions\" ORDER BY 1")
        .map_err(storage)?;
    let guarded = statement.query_map([], |row| row.get::<_, String>(0)).map_err(storage)?;
    let guarded: Vec<String> = guarded.collect::<Result<_, _>>().map_err(storage)?;
    for table in ["ObjectPermissions", "FieldPermissions"] {
        conn.execute(&format!("DELETE FROM \"{table}\" WHERE \"ParentId\"=?1"), [set]).map_err(storage)?;
    }
    for object in guarded.iter().filter_map(|name| context.schema.object(name)) {
        let access = visibility.object(&object.name);
        if access == ObjectAccess::NONE {
            continue;
        }
        let of_object =
            Record::new().with("ParentId", set.as_str()).with("SobjectType", object.name.as_str());
        let row = of_object
            .clone()
            .with("PermissionsRead", access.read)
            .with("PermissionsCreate", access.create)
            .with("PermissionsEdit", access.edit)
            .with("PermissionsDelete", access.delete)
            .with("PermissionsViewAllRecords", access.view_all)
            .with("PermissionsModifyAllRecords", access.modify_all);
        context.insert_own("ObjectPermissions", row)?;
        for field in object.fields.iter().filter(|field| field.permissionable) {
            let visible = visibility.can_see(&object.name, &field.name);
            let editable = visible && field.updateable && visibility.can_set(&object.name, &field.name);
            let row = of_object
                .clone()
                .with("Field", format!("{}.{}", object.name, field.name))
                .with("PermissionsRead", visible)
                .with("PermissionsEdit", editable);
            context.insert_own("FieldPermissions", row)?;
        }
    }
    Ok(())
}
