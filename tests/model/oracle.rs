//! What the store must hold, by the org's own tables.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value as Json;
use unicrm_core::{GoneReason, LinkedAccountId, ObjectKind, compute_id};
use unicrm_salesforce_emulator::{OrgHandle, SalesforceError, Value};
use unicrm_store::{Include, ListRequest, Records as _, SqliteStore};

use crate::objects::{Form, Remote, remotes_of};

/// The custom field that programs add and remove.
pub(crate) const CUSTOM: &str = "Model__c";
/// Users whom a sync leaves out: visitors of sites.
const VISITORS: [&str; 4] = ["CspLitePortal", "CsnOnly", "Guest", "SelfService"];

/// A row of the org's tables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) deleted: bool,
    /// The record that it was merged into.
    pub(crate) master: Option<String>,
    pub(crate) stamp: Option<Timestamp>,
    /// By the order of [`Remote::columns`].
    values: Vec<Option<String>>,
    custom: Option<String>,
}

/// The rows of an object, those in the bin too, ordered by id.
pub(crate) async fn rows(org: &OrgHandle, remote: Remote, custom: bool) -> Result<Vec<Row>, SalesforceError> {
    let mut names = vec![remote.stamp()];
    names.extend(remote.columns().iter().map(|column| column.name));
    let mut extra = |name: &'static str| {
        names.push(name);
        names.len() - 1
    };
    let deleted = remote.deletes().then(|| extra("IsDeleted"));
    let master = remote.merges().then(|| extra("MasterRecordId"));
    let custom = custom.then(|| extra(CUSTOM));
    let sort = match remote {
        Remote::Task | Remote::Call => Some(extra("TaskSubtype")),
        Remote::Event => Some(extra("IsChild")),
        Remote::User => Some(extra("UserType")),
        _ => None,
    };
    let mut rows = Vec::new();
    for (id, values) in org.table(remote.sobject(), &names).await? {
        let text = |at: usize| values.get(at).and_then(Value::as_text);
        let is_true = |at: Option<usize>| at.and_then(|at| values.get(at)).is_some_and(Value::is_true);
        let engagement =
            sort.and_then(text).is_some_and(|text| ["Call", "Email", "ListEmail"].contains(&text));
        let belongs = match remote {
            Remote::Task => !engagement,
            Remote::Call => engagement,
            Remote::Event => !is_true(sort),
            Remote::User => !sort.and_then(text).is_some_and(|text| VISITORS.contains(&text)),
            _ => true,
        };
        if !belongs {
            continue;
        }
        rows.push(Row {
            deleted: is_true(deleted),
            master: master.and_then(text).map(str::to_owned),
            stamp: match values.first() {
                Some(Value::DateTime(at)) => Some(*at),
                _ => None,
            },
            values: (1..=remote.columns().len()).map(|at| text(at).map(str::to_owned)).collect(),
            custom: custom.and_then(text).map(str::to_owned),
            id,
        });
    }
    Ok(rows)
}

/// What need not be equal yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tolerance {
    /// Records whose state says nothing.
    pub(crate) ids: BTreeSet<String>,
    /// Fields, by object of the org.
    pub(crate) fields: BTreeSet<(&'static str, String)>,
    /// Records of which only the id was shown when they went: they stay as they were last seen.
    pub(crate) last_seen: BTreeSet<String>,
    /// Whether the same holds for those that were not visible when they went.
    pub(crate) hidden: bool,
}

/// What the API's user does not see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unseen {
    pub(crate) records: BTreeSet<String>,
    pub(crate) fields: BTreeSet<(&'static str, String)>,
}

/// A record of the store.
struct Stored {
    gone: Option<GoneReason>,
    stamp: Option<Timestamp>,
    json: Json,
}

/// How the store differs from the org in one object; empty when it does not.
pub(crate) async fn differences(
    org: &OrgHandle,
    store: &SqliteStore,
    account: LinkedAccountId,
    kind: ObjectKind,
    custom: &BTreeSet<&'static str>,
    unseen: &Unseen,
    tolerance: &Tolerance,
) -> Vec<String> {
    let mut differences = Vec::new();
    let mut stored = stored(store, kind).await;
    for remote in remotes_of(kind) {
        let sobject = remote.sobject();
        let rows = match rows(org, *remote, custom.contains(sobject)).await {
            Ok(rows) => rows,
            Err(error) => return vec![format!("the oracle cannot read {sobject}: {error}")],
        };
        for row in rows {
            let found = stored.remove(&row.id);
            if tolerance.ids.contains(&row.id) {
                continue;
            }
            let mut differs = |what: String| differences.push(format!("{sobject} {}: {what}", row.id));
            if unseen.records.contains(&row.id) {
                if found.is_some_and(|found| found.gone.is_none()) {
                    differs("is not shared with this user any more, and the store has it alive".to_owned());
                }
                continue;
            }
            let Some(found) = found else {
                // What went before it was ever read leaves nothing behind.
                if !row.deleted {
                    differs(format!("is not in the store: {row:?}"));
                }
                continue;
            };
            if found.gone.is_some() != row.deleted {
                differs(format!("deleted is {}, and the store says {:?}", row.deleted, found.gone));
            }
            let hidden = tolerance.hidden && found.gone == Some(GoneReason::NotVisible);
            if row.deleted && found.gone.is_some() && (hidden || tolerance.last_seen.contains(&row.id)) {
                continue;
            }
            let master = match &found.gone {
                Some(GoneReason::MergedInto(master)) => Some(master.as_str()),
                _ => None,
            };
            if master != row.master.as_deref() {
                differs(format!("merged into {:?}, and the store says {master:?}", row.master));
            }
            if found.stamp != row.stamp {
                differs(format!("stamped {:?}, and the store says {:?}", row.stamp, found.stamp));
            }
            for (column, value) in remote.columns().iter().zip(&row.values) {
                let key = (sobject, column.name.to_owned());
                if tolerance.fields.contains(&key) {
                    continue;
                }
                let text = found.json.pointer(column.pointer).and_then(Json::as_str);
                let text = if column.form == Form::FirstLine {
                    text.and_then(|text| text.lines().next())
                } else {
                    text
                };
                let seen = value.as_deref().filter(|_| !unseen.fields.contains(&key));
                let expected = match column.form {
                    Form::Id(kind, prefix) => seen
                        .filter(|id| id.starts_with(prefix))
                        .map(|id| compute_id(account, kind, id).to_string()),
                    Form::Same | Form::FirstLine => seen.map(str::to_owned),
                };
                if text != expected.as_deref() {
                    differs(format!("{} is {expected:?}, and the store says {text:?}", column.name));
                }
            }
            if let Some(value) = &row.custom
                && !tolerance.fields.contains(&(sobject, CUSTOM.to_owned()))
                && !found.json["remote_fields"].to_string().contains(value.as_str())
            {
                differs(format!("{CUSTOM} is {value:?}, and no remote field of the store says so"));
            }
        }
    }
    for (id, found) in stored {
        if found.gone.is_none() && !tolerance.ids.contains(&id) {
            differences.push(format!("{kind} {id}: is in no table of the org, and the store has it alive"));
        }
    }
    differences
}

async fn stored(store: &SqliteStore, kind: ObjectKind) -> BTreeMap<String, Stored> {
    let mut stored = BTreeMap::new();
    let mut after = None;
    loop {
        let request = ListRequest::new(kind).with_deleted(true).with(Include::remote_fields()).after(after);
        let page = store.list(request).await.expect("the store lists its records");
        for record in page.records {
            let json = serde_json::from_str(&record.record.to_json()).expect("a record is JSON");
            let id = record.record.remote_id().map(ToString::to_string).unwrap_or_default();
            let gone = record.gone.map(|gone| gone.reason);
            stored.insert(id, Stored { gone, stamp: record.stamp, json });
        }
        after = page.next;
        if after.is_none() {
            return stored;
        }
    }
}
