//! Which rows of a batch wait for which others. Pure: nothing here calls anybody.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value as Tree;
use unicrm_core::{ObjectKind, Record, RecordPatch, Value, WriteOperation};

use super::outcome::remote_fields;
use super::patch_of;
use super::present::unquoted;
use crate::api::widened;
use crate::objects::key_of;

/// What a row does, as far as its place among the others goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// The records that it writes.
    pub(super) writes: Vec<Touched>,
    /// The records that it refers to, by remote id.
    pub(super) names: BTreeSet<String>,
    pub(super) act: Act,
}

/// What a row does with its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Act {
    /// It makes a new one.
    #[default]
    Create,
    /// It changes one, or makes it.
    Change,
    /// It deletes one.
    Delete {
        /// Whether Salesforce deletes the records below it as well.
        takes_others: bool,
    },
}

/// A record, by one of the ways to name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Touched {
    /// By its remote id in the long form.
    Record(String),
    /// By a key: the object, the field, and the value.
    Key(String, String, String),
}

impl Touched {
    pub(super) fn record(id: &str) -> Self {
        Self::Record(widened(id).into_owned())
    }

    /// The record that has this value in a field. Values that may be the same to Salesforce are the same here: whether case
    /// counts is the field's own affair, and waiting needlessly does no harm.
    pub(super) fn key(object: &str, field: &str, value: &str) -> Self {
        Self::Key(object.to_owned(), field.to_ascii_lowercase(), comparable(value))
    }
}

fn comparable(value: &str) -> String {
    match value.trim().parse::<rust_decimal::Decimal>() {
        Ok(number) => number.normalize().to_string(),
        Err(_) => value.trim().to_lowercase(),
    }
}

/// The rows of a batch in waves: a row that must come after another is in a later wave. That is so when both write the
/// same record, and when one deletes what the other refers to. A deletion that takes other records with it comes after
/// all changes before it: which records those are, and from which of them a change frees a record, only Salesforce knows.
pub(super) fn waves(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    // The wave after the last one that wrote, deleted or named a record.
    let mut written: HashMap<&Touched, usize> = HashMap::new();
    let mut deleted: HashMap<&str, usize> = HashMap::new();
    let mut named: HashMap<&str, usize> = HashMap::new();
    // The wave after the last one that changed what a deletion might take along.
    let mut changed = 0;
    for (row, step) in steps.iter().enumerate() {
        let ids = || {
            step.writes.iter().filter_map(|touched| match touched {
                Touched::Record(id) => Some(id.as_str()),
                Touched::Key(..) => None,
            })
        };
        let after = |map: &HashMap<&str, usize>, id: &str| map.get(id).copied().unwrap_or(0);
        let behind = step.writes.iter().filter_map(|touched| written.get(touched).copied());
        let mut wave = behind.chain(step.names.iter().map(|id| after(&deleted, id))).max().unwrap_or(0);
        match step.act {
            Act::Delete { takes_others } => {
                wave = ids().map(|id| after(&named, id)).fold(wave, usize::max);
                if takes_others {
                    wave = wave.max(changed);
                }
                deleted.extend(ids().map(|id| (id, wave + 1)));
            }
            Act::Create if step.names.is_empty() => {}
            Act::Create | Act::Change => changed = changed.max(wave + 1),
        }
        written.extend(step.writes.iter().map(|touched| (touched, wave + 1)));
        for id in &step.names {
            let last = named.entry(id).or_default();
            *last = (*last).max(wave + 1);
        }
        if waves.len() <= wave {
            waves.resize_with(wave + 1, Vec::new);
        }
        if let Some(rows) = waves.get_mut(wave) {
            rows.push(row);
        }
    }
    waves
}

/// What the rows of a batch do. Which records keys stand for is not known here.
pub(super) fn steps(operations: &[WriteOperation]) -> Vec<Step> {
    let keys = Keys::of(operations);
    let step = |operation: &WriteOperation| {
        let mut writes: Vec<Touched> =
            operation.remote_id().map(|id| Touched::record(id.as_str())).into_iter().collect();
        if let Some(patch) = patch_of(operation) {
            writes.extend(keys.held_by(patch));
        }
        if let WriteOperation::Upsert { key, record } = operation {
            writes.push(Touched::key(record.kind().as_str(), &key.field, &key.value));
        }
        let act = match operation {
            WriteOperation::Create { .. } => Act::Create,
            WriteOperation::Delete { kind, .. } => Act::Delete { takes_others: takes_others(*kind) },
            _ => Act::Change,
        };
        Step { writes, names: references(operation), act }
    };
    operations.iter().map(step).collect()
}

/// The rows that name a record by a key, while another row may name the same one otherwise: by its id or by another key.
/// `named` says of each row which object it writes, whether it names a record by id, and by which key.
pub(super) fn ambiguous<'o>(named: &[Option<(&'o str, bool, Option<&'o str>)>]) -> Vec<usize> {
    let mut by_id: HashSet<&str> = HashSet::new();
    let mut by_key: HashMap<&str, HashSet<String>> = HashMap::new();
    for (object, has_id, key) in named.iter().flatten() {
        if *has_id {
            by_id.insert(object);
        }
        if let Some(key) = key {
            by_key.entry(object).or_default().insert(key.to_ascii_lowercase());
        }
    }
    let open = |object: &str| by_id.contains(object) || by_key.get(object).is_some_and(|keys| keys.len() > 1);
    let rows = named.iter().enumerate();
    rows.filter(|(_, named)| matches!(named, Some((object, _, Some(_))) if open(object)))
        .map(|(row, _)| row)
        .collect()
}

/// How a row names its record, for [`ambiguous`].
pub(super) fn named(operation: &WriteOperation) -> Option<(&str, bool, Option<&str>)> {
    let key = match operation {
        WriteOperation::Upsert { key, .. } => Some(key.field.as_str()),
        _ => None,
    };
    Some((operation.kind().as_str(), operation.remote_id().is_some(), key))
}

/// The keys by which rows of a batch name their records: by object and field, the values.
struct Keys(BTreeMap<(ObjectKind, String), HashSet<String>>);

impl Keys {
    fn of(operations: &[WriteOperation]) -> Self {
        let mut keys: BTreeMap<(ObjectKind, String), HashSet<String>> = BTreeMap::new();
        for operation in operations {
            if let WriteOperation::Upsert { key, record } = operation {
                let values = keys.entry((record.kind(), key.field.to_ascii_lowercase())).or_default();
                values.insert(comparable(&key.value));
            }
        }
        Self(keys)
    }

    /// The keys that a record gets by a patch: a custom field stands among the remote fields. Into which of its fields a
    /// standard one is mapped need not be known: any text of the patch may be its value.
    fn held_by(&self, patch: &RecordPatch) -> Vec<Touched> {
        let mut held = Vec::new();
        let mut texts: Option<Vec<String>> = None;
        for ((kind, field), values) in &self.0 {
            if *kind != patch.kind() {
                continue;
            }
            let mut hold = |value: &str| {
                if values.contains(&comparable(value)) {
                    held.push(Touched::key(kind.as_str(), field, value));
                }
            };
            if field.ends_with("__c") {
                let own = remote_fields(patch)
                    .iter()
                    .filter(|own| key_of(own).is_some_and(|name| name.eq_ignore_ascii_case(field)));
                own.for_each(|own| hold(&unquoted(own.value.as_str())));
            } else {
                texts.get_or_insert_with(|| texts_of(patch)).iter().for_each(|text| hold(text));
            }
        }
        held
    }
}

/// All texts in a patch.
fn texts_of(patch: &RecordPatch) -> Vec<String> {
    let mut texts = Vec::new();
    let mut left = vec![serde_json::to_value(patch).unwrap_or_default()];
    while let Some(value) = left.pop() {
        match value {
            Tree::String(text) => texts.push(text),
            Tree::Array(values) => left.extend(values),
            Tree::Object(members) => left.extend(members.into_iter().map(|(_, value)| value)),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) => {}
        }
    }
    texts
}

/// Whether Salesforce deletes the children of such a record with it.
fn takes_others(kind: ObjectKind) -> bool {
    use ObjectKind::{Account, Contact, Lead, Opportunity};
    matches!(kind, Account | Contact | Lead | Opportunity)
}

/// The records that an operation refers to, by remote id.
fn references(operation: &WriteOperation) -> BTreeSet<String> {
    if let WriteOperation::Convert(convert) = operation {
        let account = convert.account.as_ref().and_then(|account| account.remote_id());
        let contact = convert.contact.as_ref().and_then(|contact| contact.remote_id());
        return account.into_iter().chain(contact).map(|id| widened(id.as_str()).into_owned()).collect();
    }
    let Some(patch) = patch_of(operation) else { return BTreeSet::new() };
    let mut record = Record::empty(patch.kind());
    patch.apply_to(&mut record);
    let mut found = BTreeSet::new();
    record.visit(&mut |_, value| {
        if let Some(Value::Reference { remote_id: Some(id), .. }) = value {
            found.insert(widened(id.as_str()).into_owned());
        }
    });
    if let RecordPatch::Engagement(patch) = patch {
        let contacts = patch.contacts.value().into_iter().flatten().filter_map(|contact| contact.remote_id());
        found.extend(contacts.map(|id| widened(id.as_str()).into_owned()));
    }
    found
}

#[cfg(test)]
#[path = "waves_test.rs"]
mod tests;
