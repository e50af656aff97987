//! What the tests of all objects share: an org to map for, short ways in and out, and the round-trip laws.

use std::fmt::Write as _;
use std::sync::Arc;

use unicrm_core::{LinkedAccountId, Object, ObjectKind, Record, RecordPatch};

use super::context::{OrgFacts, StageRow, TaskStatusRow};
use super::decode::{Decoded, Decoder, Extras};
use super::remote_fields::bare_class;
use super::{
    ActivityTypeRow, Encoded, FieldFacts, Intent, LeadStatusRow, MapContext, MapError, SobjectFacts,
    SourceClasses, known_fields, to_remote,
};
use crate::read::source::Source;

mod recorded;
mod roundtrip;
mod snapshots;
mod strategies;
mod tables;

pub(super) const URL: &str = "https://example.my.salesforce.com";

pub(super) fn linked_account() -> LinkedAccountId {
    unicrm_testkit::strategies::linked_account()
}

/// An org with lists of its own, and nothing that only some orgs have.
pub(super) fn cx() -> MapContext {
    let mut cx = MapContext::new(linked_account(), URL);
    cx.org = OrgFacts {
        lead_statuses: vec![
            lead_status("Open - Not Contacted", false, true),
            lead_status("Working - Contacted", false, false),
            lead_status("Closed - Converted", true, false),
            lead_status("Closed - Not Converted", false, false),
            lead_status("Unqualified", false, false),
        ],
        stages: vec![
            stage("Prospecting", true, false, false),
            stage("Negotiation", true, false, false),
            stage("Closed Won", true, true, true),
            stage("Closed Lost", true, true, false),
            stage("Abandoned", false, true, false),
        ],
        task_statuses: vec![
            task_status("Not Started", false, true, 1),
            task_status("In Progress", false, false, 2),
            task_status("Done early", true, false, 4),
            task_status("Completed", true, false, 3),
            task_status("Deferred", false, false, 5),
        ],
        activity_types: vec![
            activity_type("Event", "Demo"),
            activity_type("Task", "Cold call"),
            activity_type("Task", "Mailing"),
        ],
        ..OrgFacts::default()
    };
    cx
}

/// An org that has everything, as an administrator sees it.
pub(super) fn rich_cx() -> MapContext {
    let mut cx = cx();
    cx.org.shared_activities = true;
    cx.org.enhanced_notes = true;
    for source in sources() {
        let sobject = source.sobject();
        let mut facts = cx.sobject(sobject).cloned().unwrap_or_default();
        for field in known_fields(source) {
            facts.insert(field.name, writable(sobject, field.name));
        }
        cx.sobjects.insert(sobject.into(), Arc::new(facts));
    }
    cx
}

/// The same org, where a field is of this sort.
pub(super) fn with_field(mut cx: MapContext, sobject: &str, field: &str, facts: FieldFacts) -> MapContext {
    let mut all = cx.sobject(sobject).cloned().unwrap_or_default();
    all.insert(field, facts);
    cx.sobjects.insert(sobject.into(), Arc::new(all));
    cx
}

/// A field that this user may write, without any limit.
pub(super) fn writable(sobject: &str, field: &str) -> FieldFacts {
    FieldFacts {
        class: bare_class(sobject, field),
        length: 0,
        precision: 0,
        scale: 0,
        createable: true,
        updateable: true,
    }
}

fn lead_status(name: &str, is_converted: bool, is_default: bool) -> LeadStatusRow {
    LeadStatusRow { api_name: name.to_owned(), is_converted, is_default, sort_order: 1 }
}

fn stage(name: &str, is_active: bool, is_closed: bool, is_won: bool) -> StageRow {
    StageRow { api_name: name.to_owned(), is_active, is_closed, is_won, sort_order: 1 }
}

fn task_status(name: &str, is_closed: bool, is_default: bool, sort_order: i64) -> TaskStatusRow {
    TaskStatusRow { api_name: name.to_owned(), is_closed, is_default, sort_order }
}

fn activity_type(sobject: &'static str, value: &str) -> ActivityTypeRow {
    ActivityTypeRow { sobject, value: value.to_owned(), label: format!("{value} (label)") }
}

/// All sources.
pub(super) fn sources() -> Vec<Source> {
    ObjectKind::ALL.into_iter().flat_map(Source::of).copied().collect()
}

/// Reads one row.
pub(super) fn decode(
    source: Source,
    json: &str,
    extras: Extras<'_>,
    cx: &MapContext,
) -> Result<Decoded, MapError> {
    let classes = SourceClasses::new(
        source.sobject(),
        known_fields(source),
        cx.sobject(source.sobject()),
        std::iter::empty::<&str>(),
    );
    Decoder::new(source, &classes, cx).decode(json, extras)
}

/// Reads one row that can be read.
pub(super) fn read<T: Object>(source: Source, json: &str) -> T {
    let decoded = decode(source, json, Extras::default(), &cx()).expect(json);
    T::from_record(decoded.record).expect("a record of this kind")
}

/// The field to blame and the sentence about it.
pub(super) fn refused(source: Source, json: &str) -> (Option<&'static str>, String) {
    let error = decode(source, json, Extras::default(), &cx()).expect_err(json);
    (error.field, error.message)
}

/// The keys and values of a record's remote fields.
pub(super) fn remote_fields(record: &impl Object) -> Vec<(String, String)> {
    let fields = record.remote_fields().iter();
    fields
        .map(|field| (field.key().unwrap_or_default().to_owned(), field.value.as_str().to_owned()))
        .collect()
}

/// The patch that this JSON is. References are given by remote id.
pub(super) fn patch<P: unicrm_core::ObjectPatch>(json: &str) -> P {
    unicrm_core::from_json(json).expect(json)
}

/// What a create comes to, in lines.
pub(super) fn create(patch: impl Into<RecordPatch>, cx: &MapContext) -> String {
    shown(&to_remote(&patch.into(), Intent::Create, cx))
}

/// What an update of a record comes to, in lines.
pub(super) fn update(before: impl Into<Record>, patch: impl Into<RecordPatch>, cx: &MapContext) -> String {
    let before = before.into();
    let remote_id = before.remote_id().expect("a record with an id").as_str();
    shown(&to_remote(&patch.into(), Intent::Update { remote_id, before: Some(&before) }, cx))
}

/// What an update of a record that the caller does not have comes to, in lines.
pub(super) fn update_blindly(remote_id: &str, patch: impl Into<RecordPatch>, cx: &MapContext) -> String {
    shown(&to_remote(&patch.into(), Intent::Update { remote_id, before: None }, cx))
}

/// A write, one fact a line.
fn shown(write: &Encoded) -> String {
    let mut lines = String::new();
    for (field, value) in &write.fields {
        writeln!(lines, "{}.{field} = {}", write.sobject, value.as_str()).expect("a string takes all");
    }
    for related in &write.related {
        writeln!(lines, "{} + {:?} - {:?}", related.sobject, related.add, related.remove)
            .expect("a string takes all");
    }
    for warning in &write.warnings {
        writeln!(lines, "{} {}: {}", warning.pointer, warning.code, warning.message)
            .expect("a string takes all");
    }
    for error in &write.errors {
        writeln!(lines, "{} refused: {}", error.pointer, error.message).expect("a string takes all");
    }
    lines
}

impl SobjectFacts {
    fn insert(&mut self, name: &str, facts: FieldFacts) {
        self.fields.insert(name.into(), facts);
    }
}
