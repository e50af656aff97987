//! EngagementType: made from what the org says about events and tasks, with remote ids that stay the same.

use unicrm_core::{ActivityType, EngagementType, FieldRule, Id, Json, NormalForm, ObjectKind, ObjectMapping};

use super::context::MapContext;
use super::encode::RemoteRecord;
use super::write::kept;

/// How engagement types map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::EngagementType,
    remote_objects: &["Event", "Task"],
    fields: &[
        FieldRule::read("id", &[]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Event.Type", "Task.TaskSubtype", "Task.Type"]).note(
            "Event, Task:Call, Task:Email, Task:ListEmail, and Event.Type:<value> or Task.Type:<value> for each value \
             in use where the org has that field",
        ),
        FieldRule::read("activity_type", &["Event.Type", "Task.TaskSubtype", "Task.Type"])
            .normal(&[NormalForm::Derived])
            .note("MEETING for events; EMAIL for e-mails and for values of Task.Type that speak of mail; else CALL"),
        FieldRule::read("name", &["Event.Type", "Task.TaskSubtype", "Task.Type"])
            .normal(&[NormalForm::Trimmed])
            .note("the label"),
        FieldRule::read("remote_fields", &[]).note("none"),
    ],
};

/// What an engagement type's remote id says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort<'a> {
    /// An event, with its value of Event.Type.
    Event(Option<&'a str>),
    /// A task of this subtype.
    Task(&'static str),
    /// A task with this value of Task.Type.
    TaskType(&'a str),
}

impl<'a> Sort<'a> {
    pub(super) fn parse(remote_id: &'a str) -> Option<Self> {
        match remote_id {
            "Event" => Some(Self::Event(None)),
            "Task:Call" => Some(Self::Task("Call")),
            "Task:Email" => Some(Self::Task("Email")),
            "Task:ListEmail" => Some(Self::Task("ListEmail")),
            other => match other.split_once(".Type:")? {
                (_, "") => None,
                ("Event", value) => Some(Self::Event(Some(value))),
                ("Task", value) => Some(Self::TaskType(value)),
                _ => None,
            },
        }
    }

    pub(super) fn remote_id(self) -> String {
        match self {
            Self::Event(None) => "Event".to_owned(),
            Self::Event(Some(value)) => format!("Event.Type:{value}"),
            Self::Task(subtype) => format!("Task:{subtype}"),
            Self::TaskType(value) => format!("Task.Type:{value}"),
        }
    }

    pub(super) fn activity(self) -> ActivityType {
        match self {
            Self::Event(_) => ActivityType::Meeting,
            Self::Task("Call") => ActivityType::Call,
            Self::Task(_) => ActivityType::Email,
            Self::TaskType(value) if value.to_ascii_lowercase().contains("mail") => ActivityType::Email,
            Self::TaskType(_) => ActivityType::Call,
        }
    }

    /// The subtype that a new task of this sort gets; none for an event.
    pub(super) fn subtype(self) -> Option<&'static str> {
        match self {
            Self::Event(_) => None,
            Self::Task(subtype) => Some(subtype),
            Self::TaskType(_) if self.activity() == ActivityType::Email => Some("Email"),
            Self::TaskType(_) => Some("Call"),
        }
    }
}

/// The engagement types of an org.
pub(crate) fn all(cx: &MapContext) -> Vec<EngagementType> {
    let bare = [
        (Sort::Event(None), "Event"),
        (Sort::Task("Call"), "Call"),
        (Sort::Task("Email"), "Email"),
        (Sort::Task("ListEmail"), "List Email"),
    ];
    let valued = cx.org.activity_types.iter().filter_map(|row| {
        let sort = match row.sobject {
            "Event" => Sort::Event(Some(&row.value)),
            "Task" => Sort::TaskType(&row.value),
            _ => return None,
        };
        Some((sort, row.label.as_str()))
    });
    bare.into_iter().chain(valued).map(|(sort, label)| made(cx, &sort.remote_id(), sort, label)).collect()
}

fn made(cx: &MapContext, remote_id: &str, sort: Sort<'_>, label: &str) -> EngagementType {
    let mut made = EngagementType::default();
    made.id = Some(Id::compute(cx.linked_account, remote_id));
    made.remote_id = Some(remote_id.into());
    made.activity_type = Some(sort.activity());
    made.name = Some(label.to_owned());
    made
}

/// What an engagement type stands for.
pub(crate) fn encode(sort: &EngagementType) -> RemoteRecord {
    let mut remote = RemoteRecord { sobject: "EngagementType", ..RemoteRecord::default() };
    remote.id(sort.remote_id.as_ref());
    remote.set_text("Label", sort.name.as_deref().and_then(kept));
    remote
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(remote: &RemoteRecord, cx: &MapContext) -> Result<EngagementType, String> {
    let text = |field| remote.get(field).and_then(Json::to_text);
    let id = text("Id").ok_or("an engagement type without an id")?;
    let sort = Sort::parse(&id).ok_or_else(|| format!("{id} is not the id of an engagement type"))?;
    let mut read = made(cx, &id, sort, "");
    read.name = text("Label");
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{create, cx, linked_account, patch};

    #[test]
    fn an_org_has_the_bare_sorts_and_its_own() {
        let made: Vec<_> = all(&cx())
            .iter()
            .map(|sort| {
                let id = sort.remote_id.as_ref().map_or("", |id| id.as_str());
                assert_eq!(sort.id, Some(Id::compute(linked_account(), id)));
                let activity = sort.activity_type.as_ref().map_or("", |activity| activity.as_str());
                format!("{id} {activity} {}", sort.name.as_deref().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            made,
            [
                "Event MEETING Event",
                "Task:Call CALL Call",
                "Task:Email EMAIL Email",
                "Task:ListEmail EMAIL List Email",
                "Event.Type:Demo MEETING Demo (label)",
                "Task.Type:Cold call CALL Cold call (label)",
                "Task.Type:Mailing EMAIL Mailing (label)",
            ]
        );
    }

    #[test]
    fn remote_ids_say_the_sort() {
        for (id, sort, subtype) in [
            ("Event", Sort::Event(None), None),
            ("Event.Type:a.Type:b", Sort::Event(Some("a.Type:b")), None),
            ("Task:Call", Sort::Task("Call"), Some("Call")),
            ("Task:Email", Sort::Task("Email"), Some("Email")),
            ("Task:ListEmail", Sort::Task("ListEmail"), Some("ListEmail")),
            ("Task.Type:E-Mail", Sort::TaskType("E-Mail"), Some("Email")),
            ("Task.Type:Visit", Sort::TaskType("Visit"), Some("Call")),
        ] {
            assert_eq!(Sort::parse(id), Some(sort), "{id}");
            assert_eq!(sort.remote_id(), id);
            assert_eq!(sort.subtype(), subtype, "{id}");
        }
        for id in ["", "Task", "Task:Cadence", "Event.Type:", "Case.Type:x", "Event.Type"] {
            assert_eq!(Sort::parse(id), None, "{id}");
        }
    }

    #[test]
    fn engagement_types_are_not_written() {
        let named: unicrm_core::EngagementTypePatch = patch(r#"{"name":"x"}"#);
        assert_eq!(create(named, &cx()), "/name read_only: this is only read: it is not written\n");
    }
}
