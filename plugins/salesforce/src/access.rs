//! The access report: who we are, what we see and may change, what is left of the quota, and what is missing.

use std::sync::Arc;

use serde::Deserialize;
use unicrm_core::{
    Access, Error, FieldAccess, Identity, MappingDirection, Missing, ObjectAccess, ObjectKind, Usage,
};

use crate::api::{Client, Condition, Describe, Literal, QueryOptions, QueryPage, Soql};
use crate::error::Code;
use crate::objects::{MAPPINGS, mapping};
use crate::permission_set::{self, how_to_see_object, is_feature};
use crate::read::small::all_pages;
use crate::read::source::Source;
use crate::schema::{describe_all, describes, remote_fields};

/// The permissions that matter, as PermissionSet calls them.
const PERMISSIONS: [&str; 5] = [
    "PermissionsApiEnabled",
    "PermissionsModifyAllData",
    "PermissionsViewSetup",
    "PermissionsViewAllData",
    "PermissionsQueryAllFiles",
];

/// Makes the report.
pub(crate) async fn report(client: &Client) -> Result<Access, Error> {
    let mut usage = Usage::default();
    let user = client.identity(&mut usage).await?;
    let username = user.username.clone().or(user.email).unwrap_or_else(|| user.user_id.clone());
    let mut identity = Identity::new(user.user_id.clone(), username);
    identity.display_name = user.display_name;
    identity.organization = organization(client, &mut usage).await?;
    identity.organization_id = user.organization_id;
    identity.instance_url = Some(client.instance_url().as_str().trim_end_matches('/').to_owned());
    identity.api_version = Some(client.version().to_string());
    let mut access = Access::new(identity);

    let permissions = permissions(client, &mut usage, &user.user_id).await?;
    access.full_administrator = permissions.as_ref().is_some_and(Permissions::is_full_administrator);
    describe_all(client, &mut usage).await?;
    for kind in ObjectKind::ALL {
        object(client, &mut usage, kind, &mut access).await?;
    }
    general(permissions.as_ref(), &mut access);
    let described = all_described(client, &mut usage).await?;
    let version = client.version().to_string();
    access.grants = permission_set::grants(&MAPPINGS, &described, &version, &access.identity.username);
    access.quota = match client.limits(&mut usage).await {
        Ok(limits) => limits.api_calls(),
        Err(fault) if fault.refusal().is_some_and(|refusal| matches!(refusal.status, 403 | 404)) => None,
        Err(fault) => return Err(fault.into()),
    }
    .or(usage.quota);
    Ok(access)
}

/// Everything that this user sees of the objects behind the mapping.
async fn all_described(client: &Client, usage: &mut Usage) -> Result<Vec<Arc<Describe>>, Error> {
    let mut all: Vec<Arc<Describe>> = Vec::new();
    for mapping in &MAPPINGS {
        for describe in describes(client, usage, mapping).await? {
            if all.iter().all(|known| known.object.name != describe.object.name) {
                all.push(describe);
            }
        }
    }
    Ok(all)
}

/// The name of the organisation; none when this user may not see it.
async fn organization(client: &Client, usage: &mut Usage) -> Result<Option<String>, Error> {
    #[derive(Deserialize)]
    struct Organization {
        #[serde(rename = "Name")]
        name: Option<String>,
    }
    let soql = Soql::select("Organization").fields(["Name"]).limit(1);
    let rows = rows::<Organization>(client, usage, &soql).await?;
    Ok(rows.and_then(|rows| rows.into_iter().next()).and_then(|row| row.name))
}

/// What a user has through the profile and all permission sets together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Permissions {
    api_enabled: bool,
    modify_all_data: bool,
    view_setup: bool,
    view_all_data: bool,
    query_all_files: bool,
}

impl Permissions {
    fn is_full_administrator(&self) -> bool {
        self.modify_all_data && self.view_setup && self.api_enabled
    }
}

/// None when this user may not see the permission sets.
async fn permissions(
    client: &Client,
    usage: &mut Usage,
    user_id: &str,
) -> Result<Option<Permissions>, Error> {
    #[derive(Deserialize)]
    struct Assignment {
        #[serde(rename = "PermissionSet", default)]
        set: Option<Set>,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Set {
        #[serde(rename = "PermissionsApiEnabled")]
        api_enabled: bool,
        #[serde(rename = "PermissionsModifyAllData")]
        modify_all_data: bool,
        #[serde(rename = "PermissionsViewSetup")]
        view_setup: bool,
        #[serde(rename = "PermissionsViewAllData")]
        view_all_data: bool,
        #[serde(rename = "PermissionsQueryAllFiles")]
        query_all_files: bool,
    }
    let describe = match client.describe(usage, "PermissionSet").await {
        Ok(describe) => describe,
        Err(fault) if matches!(fault.code(), Some(Code::NotFound | Code::InvalidType)) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    let visible = PERMISSIONS.into_iter().filter(|name| describe.field(name).is_some());
    let fields: Vec<String> = visible.map(|name| format!("PermissionSet.{name}")).collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let soql = Soql::select("PermissionSetAssignment")
        .fields(fields)
        .filter(Condition::eq("AssigneeId", Literal::id(user_id)));
    let Some(assignments) = rows::<Assignment>(client, usage, &soql).await? else { return Ok(None) };
    let mut all = Permissions::default();
    for set in assignments.into_iter().filter_map(|assignment| assignment.set) {
        all.api_enabled |= set.api_enabled;
        all.modify_all_data |= set.modify_all_data;
        all.view_setup |= set.view_setup;
        all.view_all_data |= set.view_all_data;
        all.query_all_files |= set.query_all_files;
    }
    Ok(Some(all))
}

/// The rows of a small query; none when this user may not see the object or a field.
async fn rows<T: for<'de> Deserialize<'de>>(
    client: &Client,
    usage: &mut Usage,
    soql: &Soql,
) -> Result<Option<Vec<T>>, Error> {
    match all_pages(client, usage, soql, QueryOptions::default()).await {
        Ok(pages) => {
            let rows = pages.iter().flat_map(QueryPage::rows);
            Ok(Some(rows.filter_map(|json| serde_json::from_str(json).ok()).collect()))
        }
        Err(fault) if fault.is_quota() || fault.is_crowded() => Err(fault.into()),
        Err(fault) if fault.refusal().is_some_and(|refusal| matches!(refusal.status, 400 | 403 | 404)) => {
            Ok(None)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// What may be done with one unified object.
async fn object(
    client: &Client,
    usage: &mut Usage,
    kind: ObjectKind,
    access: &mut Access,
) -> Result<(), Error> {
    let mapping = mapping(kind);
    let described = describes(client, usage, mapping).await?;
    let find = |sobject: &str| described.iter().find(|describe| describe.object.name == sobject);
    let mut object = ObjectAccess::default();
    object.readable = !described.is_empty();
    let mut seen_any = false;
    for source in Source::of(kind) {
        match find(source.sobject()) {
            Some(describe) => {
                seen_any = true;
                let missing = deciding(*source, describe);
                object.readable &= missing.is_empty();
                access.missing.extend(missing);
            }
            // The object itself is named below, where none of the sources is there.
            None if source.optional() => {}
            None => {
                object.readable = false;
                access.missing.push(missing_object(*source));
            }
        }
    }
    if let (false, Some(first)) = (seen_any, Source::of(kind).first()) {
        object.readable = false;
        if first.optional() {
            access.missing.push(missing_object(*first));
        }
    }
    let writable = mapping.fields.iter().any(|field| field.direction == MappingDirection::Both);
    let main = || Source::of(kind).iter().filter_map(|source| find(source.sobject())).filter(|_| writable);
    object.creatable = main().any(|describe| describe.object.createable);
    object.updatable = main().any(|describe| describe.object.updateable);
    object.deletable = main().any(|describe| describe.object.deletable);
    for field in mapping.fields {
        let found = remote_fields(field.remote, &described);
        // Fields without a remote one are made by us.
        let readable = object.readable && (field.remote.is_empty() || !found.is_empty());
        let may_write = |(describe, field): &(&Describe, &crate::api::DescribeField)| {
            (describe.object.createable && field.createable)
                || (describe.object.updateable && field.updateable)
        };
        let writable = field.direction == MappingDirection::Both
            && if field.remote.is_empty() { object.updatable } else { found.iter().any(may_write) };
        let remote = field.remote.iter().map(|name| (*name).to_owned()).collect();
        object.fields.push(FieldAccess::new(field.unified, remote, readable, writable));
        if object.readable {
            access.missing.extend(invisible(kind, field.unified, field.remote, &described));
        }
    }
    access.objects.insert(kind, object);
    Ok(())
}

/// Fields without which a source is not read.
fn deciding(source: Source, describe: &Describe) -> Vec<Missing> {
    let sobject = source.sobject();
    let stamp = ["SystemModstamp", "LastModifiedDate", "CreatedDate"];
    let ordered = |name: &str| describe.field(name).is_some_and(|field| field.filterable && field.sortable);
    let lost = source.deciding().iter().filter(|deciding| describe.field(deciding.field).is_none());
    let mut missing: Vec<Missing> = lost
        .map(|deciding| {
            let what = format!("field {sobject}.{}", deciding.field);
            let needed_for = format!("{} records: {}", source.kind(), deciding.because);
            Missing::new(what, needed_for, how_to_see(sobject, deciding.field)).required()
        })
        .collect();
    if !stamp.iter().any(|name| ordered(name)) {
        let needed_for = format!("{} records: it says what changed and where to go on", source.kind());
        let what = format!("field {sobject}.SystemModstamp");
        missing.push(Missing::new(what, needed_for, how_to_see(sobject, "SystemModstamp")).required());
    }
    missing
}

fn missing_object(source: Source) -> Missing {
    let sobject = source.sobject();
    Missing::new(
        format!("object {sobject}"),
        format!("{} records", source.kind()),
        how_to_see_object(sobject),
    )
    .required()
}

/// Mapped fields that are not visible. Those that only some orgs have are no lack.
fn invisible(kind: ObjectKind, unified: &str, remote: &[&str], described: &[Arc<Describe>]) -> Vec<Missing> {
    let mapping = mapping(kind);
    let feature = |name: &str| is_feature(name.rsplit('.').next().unwrap_or(name));
    // An object that is not there at all is named as such.
    let there = |name: &str| {
        let object = name.split_once('.').map(|(object, _)| object);
        object.is_none_or(|object| described.iter().any(|describe| describe.object.name == object))
    };
    let lost = remote
        .iter()
        .filter(|name| !feature(name) && there(name) && remote_fields(&[**name], described).is_empty());
    lost.map(|name| {
        let (object, field) = name
            .split_once('.')
            .or_else(|| mapping.remote_objects.first().map(|object| (*object, *name)))
            .unwrap_or(("", name));
        Missing::new(
            format!("field {object}.{field}"),
            format!("{unified} of {kind} records"),
            how_to_see(object, field),
        )
    })
    .collect()
}

fn how_to_see(sobject: &str, field: &str) -> String {
    format!(
        "Setup > Permission Sets > the integration's set > Object Settings > {sobject} > Field Permissions: give \"Read \
         Access\" to {field}"
    )
}

/// Permissions that no single object or field shows.
fn general(permissions: Option<&Permissions>, access: &mut Access) {
    let system = "Setup > Permission Sets > the integration's set > System Permissions";
    let Some(permissions) = permissions else {
        access.missing.push(Missing::new(
            "permission View Setup and Configuration",
            "telling whether this user is a full administrator",
            format!("{system}: enable \"View Setup and Configuration\""),
        ));
        return;
    };
    if !permissions.api_enabled {
        access.missing.push(
            Missing::new("permission API Enabled", "everything", format!("{system}: enable \"API Enabled\""))
                .required(),
        );
    }
    if !permissions.view_all_data && !permissions.modify_all_data {
        access.missing.push(Missing::new(
            "permission View All Data",
            "records that belong to others and are not shared with this user",
            format!("{system}: enable \"View All Data\", or give \"View All\" on each object under Object Settings"),
        ));
    }
    let notes = access.objects.get(&ObjectKind::Note).is_some_and(|notes| notes.readable);
    if notes && !permissions.query_all_files {
        access.missing.push(Missing::new(
            "permission Query All Files",
            "enhanced notes of others, and what they are linked to",
            format!("{system}: enable \"Query All Files\" (it needs \"View All Data\")"),
        ));
    }
}
