//! Task: rows of Task that are neither call nor e-mail.

use unicrm_core::{
    FieldRule, Json, NormalForm, ObjectKind, ObjectMapping, ObjectPatch, RemoteField, Task, TaskPatch,
    TaskStatus,
};

use super::activity::{What, what};
use super::context::{MapContext, OrgFacts};
use super::decode::Mapper;
use super::encode::RemoteRecord;
use super::remote_fields::{remote_text, remote_value};
use super::wire::{Row, Wrong, wire};
use super::write::{Encoded, Intent, Writer};

/// How tasks map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Task,
    remote_objects: &["Task"],
    fields: &[
        FieldRule::read("id", &["Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Id"]),
        FieldRule::both("subject", &["Subject"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("content", &["Description"]).normal(&[NormalForm::Trimmed]),
        FieldRule::both("owner", &["OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("a queue is no user: it stays in the remote fields"),
        FieldRule::both("account", &["WhatId", "AccountId"])
            .normal(&[NormalForm::Derived])
            .note("follows from WhatId, or from the contact; the opportunity takes WhatId before it"),
        FieldRule::both("opportunity", &["WhatId"]).note("any other target of WhatId is a remote field"),
        FieldRule::both("contact", &["WhoId"]).note("a lead is a remote field"),
        FieldRule::read("completed_date", &["CompletedDateTime"])
            .normal(&[NormalForm::Second, NormalForm::Derived])
            .note("set by Salesforce when the status changes to a closed one"),
        FieldRule::both("due_date", &["ActivityDate"]).normal(&[NormalForm::Day]),
        FieldRule::both("status", &["Status", "IsClosed"])
            .normal(&[NormalForm::Places, NormalForm::Defaulted])
            .note("the label stays in the remote fields, and a write that does not change the status leaves it alone"),
        FieldRule::read("task_url", &["Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["IsDeleted"]),
        FieldRule::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

wire! {
    /// A row of Task.
    struct TaskRow {
        id: "Id",
        who_id: "WhoId",
        what_id: "WhatId",
        subject: "Subject",
        activity_date: "ActivityDate",
        status: "Status" + keep,
        owner_id: "OwnerId",
        description: "Description",
        is_deleted: "IsDeleted",
        account_id: "AccountId",
        is_closed: "IsClosed",
        system_modstamp: "SystemModstamp" + keep,
        task_subtype: "TaskSubtype" + keep,
        completed_date_time: "CompletedDateTime",
    }
}

pub(super) fn from_remote(
    row: &TaskRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Task, Wrong> {
    let id = row.id.required_id()?;
    map.stamp(row.system_modstamp)?;
    if matches!(row.task_subtype.text()?.as_deref(), Some("Call" | "Email" | "ListEmail")) {
        return Err(row.task_subtype.wrong("a task that is neither call nor e-mail: those are engagements"));
    }
    let mut task = Task::default();
    task.id = Some(map.id(&id));
    task.task_url = Some(map.url(&id));
    task.remote_id = Some(id.into());
    task.subject = row.subject.string()?;
    task.content = row.description.string()?;
    task.owner = map.owner(row.owner_id, &mut rest)?;
    task.account = map.account(row.account_id)?;
    match row.what_id.id()? {
        Some(what) if what.starts_with("001") => task.account = map.account(row.what_id)?,
        Some(what) if what.starts_with("006") => task.opportunity = Some(map.reference(what)),
        _ => map.keep(row.what_id, "WhatId", &mut rest),
    }
    match row.who_id.id()? {
        Some(who) if who.starts_with("003") => task.contact = Some(map.reference(who)),
        _ => map.keep(row.who_id, "WhoId", &mut rest),
    }
    task.completed_date = row.completed_date_time.datetime()?;
    task.due_date = row.activity_date.day()?;
    let label = row.status.text()?;
    let closed = match row.is_closed.boolean()? {
        None => label.and_then(|label| is_closed(&label, &map.cx.org)),
        closed => closed,
    };
    task.status = closed.map(|closed| if closed { TaskStatus::Closed } else { TaskStatus::Open });
    task.remote_was_deleted = row.is_deleted.boolean()?;
    task.remote_fields = rest;
    Ok(task)
}

/// Whether tasks of this label are done; none when the org has no such label.
fn is_closed(label: &str, org: &OrgFacts) -> Option<bool> {
    org.task_statuses.iter().find(|status| status.api_name == label).map(|status| status.is_closed)
}

/// The label that a task takes when it is closed or opened: the first closed one, or the default open one.
pub(super) fn label_for(closed: bool, org: &OrgFacts) -> Option<&str> {
    let of_this_sort = || org.task_statuses.iter().filter(|status| status.is_closed == closed);
    let default = of_this_sort().find(|status| status.is_default && !closed);
    let first = default.or_else(|| of_this_sort().min_by_key(|status| status.sort_order));
    first.map(|status| status.api_name.as_str())
}

pub(crate) fn to_remote(patch: &TaskPatch, intent: Intent<'_, Task>, cx: &MapContext) -> Encoded {
    let before = intent.before();
    let mut w = Writer::new("Task", cx, intent);
    w.text("subject", "Subject", &patch.subject, before.map(|t| t.subject.as_deref()));
    w.text("content", "Description", &patch.content, before.map(|t| t.content.as_deref()));
    w.reference("owner", "OwnerId", &patch.owner, before.map(|t| t.owner.as_ref()), &["005"]);
    w.reference("contact", "WhoId", &patch.contact, before.map(|t| t.contact.as_ref()), &["003"]);
    if w.names("WhoId") && before.is_some_and(|t| remote_value(&t.remote_fields, "WhoId").is_some()) {
        w.warn("/contact", "replaced", "the task was tied to a lead, and is tied to the contact instead");
    }
    let before_what = before.map(|t| What {
        account: t.account.as_ref(),
        opportunity: t.opportunity.as_ref(),
        other: remote_text(&t.remote_fields, "WhatId"),
    });
    what(&mut w, &patch.account, &patch.opportunity, before_what.as_ref());
    w.day("due_date", "ActivityDate", &patch.due_date, before.map(|t| t.due_date));
    status(&mut w, patch, before);
    w.remote_fields(TaskRow::FIELDS, &patch.remote_fields, before.map(|t| &*t.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

fn status(w: &mut Writer<'_>, patch: &TaskPatch, before: Option<&Task>) {
    let Some(asked) = w.asked(&patch.status) else { return };
    let Some(asked) = asked.map(TaskStatus::normalized) else {
        return w.refuse("/status", "a task always has a status: name one, or leave the field out");
    };
    let org = &w.cx.org;
    if before.is_some_and(|before| before.status.as_ref() == Some(&asked)) {
        return;
    }
    let closed = match &asked {
        TaskStatus::Open => false,
        TaskStatus::Closed => true,
        TaskStatus::Other(label) => {
            let known = org.task_statuses.iter().find(|status| status.api_name.eq_ignore_ascii_case(label));
            if let Some(label) = known.map(|status| status.api_name.clone()) {
                return w.put_text("/status", "Status", Some(&label));
            }
            return w.refuse("/status", format!("a task is OPEN or CLOSED, and not {label}"));
        }
    };
    let named = patch.remote_fields.value().and_then(|fields| remote_text(fields, "Status"));
    if named.is_some_and(|label| is_closed(&label, org).map_or(w.is_seed(), |named| named == closed)) {
        return;
    }
    let usual = if closed { "Completed" } else { "Not Started" };
    match label_for(closed, org).or(w.is_seed().then_some(usual)).map(str::to_owned) {
        Some(label) => w.put_text("/status", "Status", Some(&label)),
        None => w.refuse("/status", format!("the org shows no status for tasks that are {asked}")),
    }
}

/// The remote record that a task stands for.
pub(crate) fn encode(task: &Task, cx: &MapContext) -> RemoteRecord {
    let patch = TaskPatch::from_object(task.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(task.remote_id.as_ref());
    remote.set_reference("AccountId", task.account.as_ref());
    let closed = match task.status {
        Some(TaskStatus::Closed) => Some(true),
        Some(TaskStatus::Open) => Some(false),
        Some(TaskStatus::Other(_)) | None => None,
    };
    if let Some(closed) = closed {
        remote.set("IsClosed", Json::of(&closed));
    }
    remote.set_flag("IsDeleted", task.remote_was_deleted);
    remote.set_instant("CompletedDateTime", task.completed_date);
    remote
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Extras;
    use crate::objects::tests::{
        create, cx, decode, patch, read, refused, remote_fields, update, update_blindly,
    };
    use crate::read::source::Source;

    const ID: &str = "00T6g00000D3CNyEAN";

    fn task(json: &str) -> TaskPatch {
        patch(json)
    }

    fn read_task(members: &str) -> Task {
        read(Source::Task, &format!("{{\"Id\":\"{ID}\",{members}}}"))
    }

    #[test]
    fn everything_that_has_a_place_is_written() {
        let all = task(
            r#"{
                "subject": "Contact about Integration Strategy", "content": "Follow up",
                "owner": {"remote_id": "0056g000004AiJXAA0"}, "account": {"remote_id": "0016g00000CYNqKAAX"},
                "opportunity": {"remote_id": "0066g00000CYNqKAAX"}, "contact": {"remote_id": "0036g00000BdtE7AAJ"},
                "completed_date": "2022-02-11T00:00:00Z", "due_date": "2022-02-10T00:00:00Z", "status": "closed",
                "task_url": "x", "remote_was_deleted": true
            }"#,
        );
        insta::assert_snapshot!(create(all, &cx()));
    }

    #[test]
    fn calls_and_emails_are_no_tasks() {
        for subtype in ["Call", "Email", "ListEmail"] {
            let json = format!("{{\"Id\":\"{ID}\",\"TaskSubtype\":\"{subtype}\"}}");
            let message = "expected a task that is neither call nor e-mail: those are engagements".to_owned();
            assert_eq!(refused(Source::Task, &json), (Some("TaskSubtype"), message));
        }
        assert_eq!(read_task(r#""TaskSubtype":"Cadence""#).remote_fields[0].key(), Some("TaskSubtype"));
    }

    #[test]
    fn what_and_who_are_told_by_their_ids() {
        let id = |reference: Option<String>| reference.unwrap_or_else(|| "none".to_owned());
        let cases = [
            (
                r#""WhatId":"0016g00000CYNqKAAX","WhoId":"0036g00000BdtE7AAJ""#,
                "0016g00000CYNqKAAX none 0036g00000BdtE7AAJ",
                "",
            ),
            (
                r#""WhatId":"0066g00000CYNqKAAX","AccountId":"0016g00000CYNqKAAX""#,
                "0016g00000CYNqKAAX 0066g00000CYNqKAAX none",
                "",
            ),
            (
                r#""WhatId":"5006g00000CYNqKAAX","AccountId":"0016g00000CYNqKAAX""#,
                "0016g00000CYNqKAAX none none",
                "WhatId",
            ),
            (r#""WhoId":"00Q6g00000D3CNyEAN""#, "none none none", "WhoId"),
        ];
        for (members, references, kept) in cases {
            let task = read_task(members);
            let remote_id = |id: &unicrm_core::RemoteId| id.as_str().to_owned();
            let found = format!(
                "{} {} {}",
                id(task.account.as_ref().and_then(|to| to.remote_id().map(remote_id))),
                id(task.opportunity.as_ref().and_then(|to| to.remote_id().map(remote_id))),
                id(task.contact.as_ref().and_then(|to| to.remote_id().map(remote_id))),
            );
            assert_eq!(found, references, "{members}");
            let keys: Vec<_> = remote_fields(&task).into_iter().map(|(key, _)| key).collect();
            assert_eq!(keys.join(" "), kept, "{members}");
        }
    }

    #[test]
    fn a_task_is_closed_by_its_flag_or_its_label() {
        let cases = [
            (r#""IsClosed":true,"Status":"In Progress""#, Some("CLOSED")),
            (r#""IsClosed":false"#, Some("OPEN")),
            (r#""Status":"Done early""#, Some("CLOSED")),
            (r#""Status":"Deferred""#, Some("OPEN")),
            (r#""Status":"Not known""#, None),
        ];
        for (members, status) in cases {
            let json = format!("{{\"Id\":\"{ID}\",{members}}}");
            let record = decode(Source::Task, &json, Extras::default(), &cx()).expect("a task").record;
            assert_eq!(record.get("status").map(|status| status.to_string()).as_deref(), status, "{members}");
        }
    }

    #[test]
    fn a_status_takes_a_label_only_when_it_changes() {
        let open = || read_task(r#""IsClosed":false,"Status":"In Progress""#);
        let closed = || read_task(r#""IsClosed":true,"Status":"Done early""#);
        let cases = [
            (open(), r#"{"status":"OPEN"}"#, ""),
            (open(), r#"{"status":"CLOSED"}"#, "Task.Status = \"Completed\"\n"),
            (closed(), r#"{"status":"CLOSED"}"#, ""),
            (closed(), r#"{"status":"open"}"#, "Task.Status = \"Not Started\"\n"),
            (open(), r#"{"status":"deferred"}"#, "Task.Status = \"Deferred\"\n"),
            (
                open(),
                r#"{"status":"Sleeping"}"#,
                "/status refused: a task is OPEN or CLOSED, and not Sleeping\n",
            ),
            (
                open(),
                r#"{"status":null}"#,
                "/status refused: a task always has a status: name one, or leave the field out\n",
            ),
            (
                open(),
                r#"{"status":"CLOSED","remote_fields":[{"remote_field_class":"Task.Status","value":"Done early"}]}"#,
                "Task.Status = \"Done early\"\n",
            ),
            (
                open(),
                r#"{"status":"CLOSED","remote_fields":[{"remote_field_class":"Task.Status","value":"Deferred"}]}"#,
                "Task.Status = \"Completed\"\n/remote_fields/0 refused: Status belongs to a unified field: write that one\n",
            ),
        ];
        for (before, json, lines) in cases {
            assert_eq!(update(before, task(json), &cx()), lines, "{json}");
        }
        let mut unknown = cx();
        unknown.org.task_statuses.retain(|status| !status.is_closed);
        let lines = "/status refused: the org shows no status for tasks that are CLOSED\n";
        assert_eq!(create(task(r#"{"status":"CLOSED"}"#), &unknown), lines);
        unknown.org.task_statuses.retain(|status| !status.is_default);
        assert_eq!(create(task(r#"{"status":"OPEN"}"#), &unknown), "Task.Status = \"In Progress\"\n");
    }

    #[test]
    fn the_opportunity_takes_the_place_before_the_account() {
        let with = |members: &str| read_task(members);
        let account = r#"{"account":{"remote_id":"0016g00000CYNqLAAX"}}"#;
        let deal = r#"{"opportunity":{"remote_id":"0066g00000CYNqLAAX"}}"#;
        let both = r#"{"account":{"remote_id":"0016g00000CYNqLAAX"},"opportunity":{"remote_id":"0066g00000CYNqLAAX"}}"#;
        let left = "/account left_out: 0016g00000CYNqLAAX is not written: the account follows from the opportunity\n";
        let replaced = "WhatId = \"0016g00000CYNqLAAX\"\n/account replaced: the activity was about 5006g00000CYNqKAAX, which it no longer is\n";
        let cases = [
            (r#""WhatId":null"#, account, "Task.WhatId = \"0016g00000CYNqLAAX\"\n".to_owned()),
            (r#""WhatId":null"#, deal, "Task.WhatId = \"0066g00000CYNqLAAX\"\n".to_owned()),
            (r#""WhatId":null"#, both, format!("Task.WhatId = \"0066g00000CYNqLAAX\"\n{left}")),
            (r#""WhatId":"0066g00000CYNqKAAX""#, account, left.to_owned()),
            (
                r#""WhatId":"0066g00000CYNqKAAX""#,
                r#"{"opportunity":{"remote_id":"0066g00000CYNqKAAX"}}"#,
                String::new(),
            ),
            (r#""WhatId":"5006g00000CYNqKAAX""#, account, format!("Task.{replaced}")),
            (
                r#""WhatId":"0066g00000CYNqKAAX","AccountId":"0016g00000CYNqKAAX""#,
                r#"{"opportunity":null}"#,
                "Task.WhatId = \"0016g00000CYNqKAAX\"\n".to_owned(),
            ),
            (
                r#""WhatId":"0066g00000CYNqKAAX""#,
                r#"{"opportunity":null}"#,
                "Task.WhatId = null\n".to_owned(),
            ),
            (r#""WhatId":"0016g00000CYNqKAAX""#, r#"{"account":null}"#, "Task.WhatId = null\n".to_owned()),
            (
                r#""WhatId":"0066g00000CYNqKAAX","AccountId":"0016g00000CYNqKAAX""#,
                r#"{"account":null}"#,
                "/account left_out: none is not written: the account follows from the opportunity\n"
                    .to_owned(),
            ),
            (
                r#""WhatId":null"#,
                r#"{"account":{"remote_id":"003"}}"#,
                "/account refused: 003 is not an id that begins with 001\n".to_owned(),
            ),
            (
                r#""WhatId":null"#,
                r#"{"opportunity":{"remote_id":"003"}}"#,
                "/opportunity refused: 003 is not an id that begins with 006\n".to_owned(),
            ),
        ];
        for (members, json, lines) in cases {
            let lines = lines
                .replace("0016g00000CYNqLAAX", &wide("0016g00000CYNqL"))
                .replace("0066g00000CYNqLAAX", &wide("0066g00000CYNqL"));
            let json = json
                .replace("0016g00000CYNqLAAX", &wide("0016g00000CYNqL"))
                .replace("0066g00000CYNqLAAX", &wide("0066g00000CYNqL"));
            assert_eq!(update(with(members), task(&json), &cx()), lines, "{members} {json}");
        }
        let mut known = cx();
        known.org.opportunity_accounts.insert(wide("0066g00000CYNqL").into(), wide("0016g00000CYNqL").into());
        let json = both
            .replace("0016g00000CYNqLAAX", &wide("0016g00000CYNqL"))
            .replace("0066g00000CYNqLAAX", &wide("0066g00000CYNqL"));
        assert_eq!(create(task(&json), &known), format!("Task.WhatId = \"{}\"\n", wide("0066g00000CYNqL")));
    }

    fn wide(id: &str) -> String {
        crate::api::SalesforceId::parse(id).expect("an id").to_string()
    }

    #[test]
    fn a_contact_takes_the_place_of_a_lead_with_a_warning() {
        let lead = read_task(r#""WhoId":"00Q6g00000D3CNyEAN""#);
        let lines = "Task.WhoId = \"0036g00000BdtE7AAJ\"\n/contact replaced: the task was tied to a lead, and is tied to the contact instead\n";
        assert_eq!(update(lead, task(r#"{"contact":{"remote_id":"0036g00000BdtE7AAJ"}}"#), &cx()), lines);
        let other = read_task(r#""WhoId":"0036g00000BdtE7AAJ""#);
        assert_eq!(update(other, task(r#"{"contact":null}"#), &cx()), "Task.WhoId = null\n");
        assert_eq!(update_blindly(ID, task(r#"{"due_date":null}"#), &cx()), "Task.ActivityDate = null\n");
    }

    #[test]
    fn the_default_open_label_is_taken_and_the_first_closed_one() {
        let status = |label: &str, is_closed, is_default, sort_order| crate::objects::TaskStatusRow {
            api_name: label.to_owned(),
            is_closed,
            is_default,
            sort_order,
        };
        let mut cx = cx();
        cx.org.task_statuses = vec![
            status("Waiting", false, false, 1),
            status("To do", false, true, 2),
            status("Done", true, false, 3),
            // Salesforce allows a closed default, for tasks that are logged; a task that is closed later takes the first.
            status("Logged", true, true, 4),
        ];
        assert_eq!((label_for(false, &cx.org), label_for(true, &cx.org)), (Some("To do"), Some("Done")));
        cx.org.task_statuses.retain(|status| !status.is_default);
        assert_eq!(label_for(false, &cx.org), Some("Waiting"));
    }
}
