//! What the mapping must know about an org besides the record itself.

use std::collections::HashMap;
use std::sync::Arc;

use unicrm_core::{LeadStatus, LinkedAccountId, RemoteFieldClass};

/// Everything that a mapping takes into account. Made from the describes and a few small queries, and then fixed: the
/// mapping itself calls nobody.
#[derive(Clone, Debug)]
pub struct MapContext {
    /// The linked account, which ids are computed from.
    pub linked_account: LinkedAccountId,
    /// The org's own address, without a slash at its end.
    pub instance_url: String,
    /// Facts of the org.
    pub org: OrgFacts,
    /// The sObjects as their describes show them to this user. One that is missing is taken to have all standard fields,
    /// all of them writable, and none of the fields that only some orgs have.
    pub sobjects: HashMap<Box<str>, Arc<SobjectFacts>>,
}

impl MapContext {
    /// A context that knows nothing of the org yet.
    #[must_use]
    pub fn new(linked_account: LinkedAccountId, instance_url: &str) -> Self {
        Self {
            linked_account,
            instance_url: instance_url.trim_end_matches('/').to_owned(),
            org: OrgFacts::default(),
            sobjects: HashMap::new(),
        }
    }

    /// The facts of an sObject, as far as they are known.
    #[must_use]
    pub fn sobject(&self, name: &str) -> Option<&SobjectFacts> {
        self.sobjects.get(name).map(Arc::as_ref)
    }

    /// Whether an sObject is known to have a field that only some orgs have.
    #[must_use]
    pub fn has_field(&self, sobject: &str, field: &str) -> bool {
        self.sobject(sobject).is_some_and(|facts| facts.field(field).is_some())
    }
}

/// Facts of an org that records do not say.
#[derive(Clone, Debug, Default)]
pub struct OrgFacts {
    /// The values of Lead.Status.
    pub lead_statuses: Vec<LeadStatusRow>,
    /// The unified status of labels of leads that are not converted, as configured; none for the usual ones.
    pub lead_labels: Option<Vec<(String, LeadStatus)>>,
    /// The stages of opportunities.
    pub stages: Vec<StageRow>,
    /// The values of Task.Status.
    pub task_statuses: Vec<TaskStatusRow>,
    /// The values of Event.Type and Task.Type, and which are in use; empty where the org has no such fields.
    pub activity_types: Vec<ActivityTypeRow>,
    /// Whether activities may be shared by several contacts.
    pub shared_activities: bool,
    /// Whether the org has enhanced notes (ContentNote).
    pub enhanced_notes: bool,
    /// The accounts of opportunities that a batch of writes names, for the tasks among them: by opportunity id.
    pub opportunity_accounts: HashMap<Box<str>, Box<str>>,
}

/// A row of LeadStatus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadStatusRow {
    /// The value that leads hold.
    pub api_name: String,
    /// Whether leads of this status are converted.
    pub is_converted: bool,
    /// Whether new leads have it.
    pub is_default: bool,
    /// Its place in the list.
    pub sort_order: i64,
}

/// A row of OpportunityStage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageRow {
    /// The value that opportunities hold.
    pub api_name: String,
    /// Whether opportunities may be moved to it.
    pub is_active: bool,
    /// Whether opportunities there are decided.
    pub is_closed: bool,
    /// Whether they are won.
    pub is_won: bool,
    /// Its place in the list.
    pub sort_order: i64,
}

/// A row of TaskStatus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatusRow {
    /// The value that tasks hold.
    pub api_name: String,
    /// Whether tasks of this status are done.
    pub is_closed: bool,
    /// Whether new tasks have it.
    pub is_default: bool,
    /// Its place in the list.
    pub sort_order: i64,
}

/// A value of the picklist Event.Type or Task.Type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityTypeRow {
    /// `Event` or `Task`.
    pub sobject: &'static str,
    /// The value.
    pub value: String,
    /// The label.
    pub label: String,
}

/// An sObject as its describe shows it to this user.
#[derive(Clone, Debug, Default)]
pub struct SobjectFacts {
    pub(super) fields: HashMap<Box<str>, FieldFacts>,
}

impl SobjectFacts {
    /// The field of this name, when this user sees it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldFacts> {
        self.fields.get(name)
    }
}

impl<N: Into<Box<str>>> FromIterator<(N, FieldFacts)> for SobjectFacts {
    fn from_iter<I: IntoIterator<Item = (N, FieldFacts)>>(fields: I) -> Self {
        Self { fields: fields.into_iter().map(|(name, facts)| (name.into(), facts)).collect() }
    }
}

/// A field as the describe shows it to this user.
#[derive(Clone, Debug)]
pub struct FieldFacts {
    /// Its class as a remote field.
    pub class: Arc<RemoteFieldClass>,
    /// The greatest length of a text, in characters; zero for none.
    pub length: u32,
    /// Digits in all, of a number; zero for no limit.
    pub precision: u8,
    /// Digits behind the point, of a number.
    pub scale: u8,
    /// Whether a create may name it.
    pub createable: bool,
    /// Whether an update may name it.
    pub updateable: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{cx, writable};

    #[test]
    fn an_sobject_has_the_fields_that_its_describe_shows() {
        let facts: SobjectFacts = ["Name", "Fax"]
            .map(|name| (name, FieldFacts { length: 40, ..writable("Account", name) }))
            .into_iter()
            .collect();
        assert_eq!(
            facts.field("Fax").map(|field| (field.class.remote_key_name.as_deref(), field.length)),
            Some((Some("Fax"), 40))
        );
        assert!(facts.field("Name").is_some() && facts.field("fax").is_none());
        let mut cx = cx();
        cx.sobjects.insert("Account".into(), Arc::new(facts));
        let has = |sobject, field| cx.has_field(sobject, field);
        assert_eq!(
            (has("Account", "Fax"), has("Account", "Phone"), has("Lead", "Fax")),
            (true, false, false)
        );
    }
}
