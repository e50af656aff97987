//! From a patch to the remote fields that are written, with a warning or a field error for all that is not.

use std::borrow::Cow;
use std::fmt::Display;

use jiff::{SignedDuration, Timestamp};
use unicrm_core::{
    Amount, FieldError, FieldFormat, Json, MappingDirection, ObjectMapping, ObjectPatch, Patch, Ref,
    RemoteField, Warning,
};

use super::context::{MapContext, SobjectFacts};
use super::remote_fields::key_of;
use super::wire::WireField;
use crate::api::SalesforceId;
use crate::api::{datetime_text, utc_date};

/// What a write of one record comes to.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    /// The sObject to write.
    pub sobject: &'static str,
    /// Its fields; none is named twice.
    pub fields: Vec<(Cow<'static, str>, Json)>,
    /// Rows of other sObjects that must come or go with it.
    pub related: Vec<Related>,
    /// What is not written as it was given.
    pub warnings: Vec<Warning>,
    /// What cannot be written: with one of these, nothing is.
    pub errors: Vec<FieldError>,
}

impl Encoded {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.fields.is_empty() && self.related.is_empty() && self.errors.is_empty()
    }
}

/// Rows of a junction object that tie the record to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// `EventRelation`, `TaskRelation` or `ContentDocumentLink`.
    pub sobject: &'static str,
    /// The records to tie it to.
    pub add: Vec<String>,
    /// The records to untie it from.
    pub remove: Vec<String>,
}

/// What a write is for.
#[derive(Debug)]
pub enum Intent<'a, T> {
    /// A new record.
    Create,
    /// A change of a record. With the record as it is, where the caller has it, only what differs is written.
    Update {
        /// Which record.
        remote_id: &'a str,
        /// The record as it is.
        before: Option<&'a T>,
    },
    /// The whole record as the remote would hold it, whoever may write it: for tests and for seeding.
    Seed,
}

impl<T> Clone for Intent<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Intent<'_, T> {}

impl<'a, T> Intent<'a, T> {
    /// The record as it is, where the caller has it.
    pub(super) fn before(self) -> Option<&'a T> {
        match self {
            Self::Update { before, .. } => before,
            Self::Create | Self::Seed => None,
        }
    }
}

/// Text as Salesforce keeps it: trimmed, and none when nothing is left.
pub(super) fn kept(text: &str) -> Option<&str> {
    let text = text.trim();
    (!text.is_empty()).then_some(text)
}

/// An instant as Salesforce keeps it: whole seconds.
pub(super) fn whole_seconds(at: Timestamp) -> Timestamp {
    let second = at.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(at)
}

/// Collects what a write comes to.
pub(super) struct Writer<'c> {
    pub(super) cx: &'c MapContext,
    facts: Option<&'c SobjectFacts>,
    mode: Mode,
    pub(super) out: Encoded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Create,
    Update,
    Seed,
}

impl<'c> Writer<'c> {
    pub(super) fn new<T>(sobject: &'static str, cx: &'c MapContext, intent: Intent<'_, T>) -> Self {
        let mode = match intent {
            Intent::Create => Mode::Create,
            Intent::Update { .. } => Mode::Update,
            Intent::Seed => Mode::Seed,
        };
        Self { cx, facts: cx.sobject(sobject), mode, out: Encoded { sobject, ..Encoded::default() } }
    }

    pub(super) fn is_update(&self) -> bool {
        self.mode == Mode::Update
    }

    pub(super) fn is_seed(&self) -> bool {
        self.mode == Mode::Seed
    }

    /// Says what is not written as it was given. Nobody reads what is said about a seed.
    pub(super) fn warn(
        &mut self,
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        if self.is_seed() {
            return;
        }
        self.out.warnings.push(Warning::new(pointer, code, message));
    }

    /// Says what cannot be written. A seed has only what the remote holds, so nothing of it is refused.
    pub(super) fn refuse(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        if self.is_seed() {
            return;
        }
        self.out.errors.push(FieldError { pointer: pointer.into(), message: message.into() });
    }

    /// What a patch asks of a field: none for nothing. A new record has nothing that could be cleared.
    pub(super) fn asked<'p, V>(&self, patch: &'p Patch<V>) -> Option<Option<&'p V>> {
        patch.as_option().filter(|value| value.is_some() || self.is_update())
    }

    /// Writes one remote field, unless this user may not.
    pub(super) fn put(&mut self, pointer: &str, field: impl Into<Cow<'static, str>>, value: Json) {
        let field = field.into();
        if self.permits(pointer, &field) {
            self.out.fields.push((field, value));
        }
    }

    /// Whether the describe lets this user write a field; if not, says so.
    fn permits(&mut self, pointer: &str, field: &str) -> bool {
        let Some(facts) = self.facts.filter(|_| !self.is_seed()) else { return true };
        let sobject = self.out.sobject;
        match facts.field(field) {
            None => {
                self.refuse(
                    pointer,
                    format!("{sobject}.{field} is not visible to this user: grant access to the field, or leave it out"),
                );
                false
            }
            Some(facts) if !facts.createable && !facts.updateable => {
                self.warn(
                    pointer,
                    "read_only",
                    format!("this user can read {sobject}.{field} and not write it"),
                );
                false
            }
            Some(facts) if self.is_update() && !facts.updateable => {
                self.refuse(
                    pointer,
                    format!(
                        "{sobject}.{field} can be set only when the record is made: make a new record instead"
                    ),
                );
                false
            }
            Some(_) => true,
        }
    }

    /// Writes text, or clears the field.
    pub(super) fn put_text(
        &mut self,
        pointer: &str,
        field: impl Into<Cow<'static, str>>,
        text: Option<&str>,
    ) {
        let field = field.into();
        let Some(text) = text else { return self.put(pointer, field, Json::of(&())) };
        let length = self.facts.and_then(|facts| facts.field(&field)).map_or(0, |facts| facts.length);
        let characters = text.chars().count();
        if length > 0 && characters > length as usize && !self.is_seed() {
            let sobject = self.out.sobject;
            return self
                .refuse(pointer, format!("{sobject}.{field} holds {length} characters, not {characters}"));
        }
        self.put(pointer, field, Json::text(text));
    }

    pub(super) fn text(
        &mut self,
        name: &str,
        field: &'static str,
        patch: &Patch<String>,
        before: Option<Option<&str>>,
    ) {
        let Some(asked) = self.asked(patch) else { return };
        let asked = asked.and_then(|text| kept(text));
        if before.is_some_and(|before| before.and_then(kept) == asked)
            || (asked.is_none() && !self.is_update())
        {
            return;
        }
        self.put_text(&format!("/{name}"), field, asked);
    }

    pub(super) fn integer(
        &mut self,
        name: &str,
        field: &'static str,
        patch: &Patch<i64>,
        before: Option<Option<i64>>,
    ) {
        let Some(asked) = self.asked(patch).map(Option::<&i64>::copied) else { return };
        if before == Some(asked) {
            return;
        }
        let digits = asked.map_or(0, |number| number.unsigned_abs().checked_ilog10().unwrap_or(0) + 1);
        if digits > 8 && !self.is_seed() {
            return self
                .refuse(format!("/{name}"), format!("{field} holds whole numbers of at most 8 digits"));
        }
        self.put(&format!("/{name}"), field, Json::of(&asked));
    }

    pub(super) fn amount(
        &mut self,
        name: &str,
        field: &'static str,
        patch: &Patch<Amount>,
        before: Option<Option<Amount>>,
    ) {
        let Some(asked) = self.asked(patch).map(Option::<&Amount>::copied) else { return };
        if before == Some(asked) {
            return;
        }
        let known = self.facts.and_then(|facts| facts.field(field)).filter(|facts| facts.precision > 0);
        let (precision, scale) = known.map_or((18, 2), |facts| (facts.precision, facts.scale));
        if let Some(amount) = asked.map(|amount| amount.decimal().normalize()).filter(|_| !self.is_seed()) {
            let whole = amount.trunc().abs().to_string();
            let digits = if whole == "0" { 0 } else { whole.len() };
            if amount.scale() > u32::from(scale) || digits > usize::from(precision.saturating_sub(scale)) {
                return self.refuse(
                    format!("/{name}"),
                    format!("{field} holds {precision} digits, {scale} of them behind the point, and {amount} has more"),
                );
            }
        }
        self.put(&format!("/{name}"), field, Json::of(&asked));
    }

    /// Writes an instant to a date field.
    pub(super) fn day(
        &mut self,
        name: &str,
        field: &'static str,
        patch: &Patch<Timestamp>,
        before: Option<Option<Timestamp>>,
    ) {
        let Some(asked) = self.asked(patch).map(Option::<&Timestamp>::copied) else { return };
        let day = asked.map(|at| utc_date(at).0);
        if before.is_some_and(|before| before.map(|at| utc_date(at).0) == day) {
            return;
        }
        if asked.is_some_and(|at| utc_date(at).1) {
            self.warn(
                format!("/{name}"),
                "time_of_day",
                format!("{field} is a date: the time of day is not kept"),
            );
        }
        self.put(&format!("/{name}"), field, Json::of(&day.map(|day| day.to_string())));
    }

    /// Writes an instant.
    pub(super) fn put_instant(&mut self, name: &str, field: &'static str, at: Option<Timestamp>) {
        let kept = at.map(whole_seconds);
        if kept != at {
            self.warn(format!("/{name}"), "sub_second", format!("{field} keeps whole seconds"));
        }
        self.put(&format!("/{name}"), field, Json::of(&kept.map(datetime_text)));
    }

    /// The remote id that a reference names, when it is one of an object with one of these key prefixes. Otherwise the
    /// reference is refused.
    pub(super) fn target<T>(
        &mut self,
        pointer: &str,
        reference: &Ref<T>,
        prefixes: &[&str],
    ) -> Option<String> {
        let given = reference.remote_id().map(|id| id.as_str());
        let id = given.and_then(SalesforceId::parse).filter(|id| prefixes.contains(&id.key_prefix()));
        if id.is_none() {
            let given = given.unwrap_or("a reference without a remote id");
            self.refuse(pointer, format!("{given} is not an id that begins with {}", prefixes.join(" or ")));
        }
        id.map(|id| id.to_string())
    }

    /// Writes a reference that has a field of its own.
    pub(super) fn reference<T>(
        &mut self,
        name: &str,
        field: &'static str,
        patch: &Patch<Ref<T>>,
        before: Option<Option<&Ref<T>>>,
        prefixes: &[&str],
    ) {
        let Some(asked) = self.asked(patch) else { return };
        if before == Some(asked) {
            return;
        }
        let pointer = format!("/{name}");
        let id = match asked {
            None => None,
            Some(reference) => match self.target(&pointer, reference, prefixes) {
                None => return,
                id => id,
            },
        };
        self.put(&pointer, field, Json::of(&id));
    }

    /// Writes remote fields by their own names. Those that the patch does not list stay as they are.
    pub(super) fn remote_fields(
        &mut self,
        known: &[WireField],
        patch: &Patch<Vec<RemoteField>>,
        before: Option<&[RemoteField]>,
    ) {
        for (at, given) in patch.value().into_iter().flatten().enumerate() {
            let pointer = format!("/remote_fields/{at}");
            let Some(key) = key_of(given).map(str::to_owned) else {
                self.refuse(pointer, "the class names no remote field: give its remote_key_name");
                continue;
            };
            let same = |other: &RemoteField| key_of(other) == Some(&*key) && other.value == given.value;
            if before.is_some_and(|before| before.iter().any(same)) || self.names(&key) && self.is_seed() {
                continue;
            }
            let unified = known.iter().any(|field| field.name == key && !field.keep);
            if self.names(&key) || unified && !self.is_seed() && !names_another_sort(&key, &given.value) {
                self.refuse(pointer, format!("{key} belongs to a unified field: write that one"));
                continue;
            }
            let value = self.as_salesforce_writes(&key, &given.value);
            self.put(&pointer, key, value);
        }
    }

    /// The value of a remote field as Salesforce has it.
    fn as_salesforce_writes(&self, field: &str, value: &Json) -> Json {
        let facts = self.facts.and_then(|facts| facts.field(field));
        let is_list = facts.is_some_and(|facts| facts.class.field_type == Some(FieldFormat::List));
        is_list.then(|| joined_choices(value)).flatten().unwrap_or_else(|| value.clone())
    }

    /// Whether a remote field is written already.
    pub(super) fn names(&self, field: &str) -> bool {
        self.out.fields.iter().any(|(name, _)| name == field)
    }

    /// A warning for each field that the patch names and the mapping only reads.
    pub(super) fn read_only<P: ObjectPatch>(&mut self, mapping: &ObjectMapping, patch: &P) {
        for name in patch.named() {
            let written = mapping.field(name).is_some_and(|field| field.direction == MappingDirection::Both);
            if !written {
                self.warn(format!("/{name}"), "read_only", "this is only read: it is not written");
            }
        }
    }

    /// A choice was made for the caller: says which place was taken.
    pub(super) fn place_taken(&mut self, pointer: &str, given: impl Display, place: impl Display) {
        self.warn(pointer, "place_taken", format!("{given} has no place of its own and is kept as {place}"));
    }
}

/// References that may lead to more sorts of records than the unified field has place for, with the sorts that it has.
const WIDER: [(&str, &[&str]); 4] =
    [("OwnerId", &["005"]), ("ParentId", &["001", "003", "006"]), ("WhatId", &["001"]), ("WhoId", &["003"])];

/// Whether a remote field that belongs to a unified one names a record that the unified one cannot: a queue that owns, a
/// lead that was called. It is read as a remote field, and written as one.
fn names_another_sort(key: &str, value: &Json) -> bool {
    let id = value.to_text().as_deref().and_then(SalesforceId::parse);
    let sorts = WIDER.iter().find(|(field, _)| *field == key);
    id.zip(sorts).is_some_and(|(id, (_, sorts))| !sorts.contains(&id.key_prefix()))
}

/// Several choices as the one text with semicolons that Salesforce makes of them; none for what is no list of texts.
pub(crate) fn joined_choices(value: &Json) -> Option<Json> {
    value.read::<Vec<String>>().ok().map(|choices| Json::text(&choices.join(";")))
}

/// How many whole seconds lie between two instants; none when the second is before the first.
pub(super) fn seconds_between(start: Timestamp, end: Timestamp) -> Option<i64> {
    let length: SignedDuration = whole_seconds(end).duration_since(whole_seconds(start));
    (length >= SignedDuration::ZERO).then_some(length.as_secs())
}

#[cfg(test)]
mod tests {
    use unicrm_core::{AccountPatch, ContactPatch, OpportunityPatch, RecordPatch, RemoteFieldClass};

    use super::*;
    use crate::objects::FieldFacts;
    use crate::objects::tests::{create, cx, patch, with_field, writable};
    use crate::objects::to_remote;

    #[test]
    fn several_choices_are_one_text_with_semicolons() {
        let mut class = RemoteFieldClass::default();
        class.field_type = Some(FieldFormat::List);
        let list = FieldFacts { class: class.into(), ..writable("Contact", "Tags__c") };
        let list = with_field(cx(), "Contact", "Tags__c", list);
        let text = with_field(cx(), "Contact", "Tags__c", writable("Contact", "Tags__c"));
        let cases = [
            (&list, r#"["a","b c"]"#, r#""a;b c""#),
            (&list, r#"["a"]"#, r#""a""#),
            (&list, r#""a;b""#, r#""a;b""#),
            (&list, "[1]", "[1]"),
            (&text, r#"["a","b"]"#, r#"["a","b"]"#),
        ];
        for (cx, given, written) in cases {
            let json = format!(
                "{{\"remote_fields\":[{{\"remote_field_class\":\"Contact.Tags__c\",\"value\":{given}}}]}}"
            );
            let lines = create(patch::<ContactPatch>(&json), cx);
            assert_eq!(lines, format!("Contact.Tags__c = {written}\n"), "{given}");
        }
    }

    #[test]
    fn a_seed_keeps_what_a_create_refuses() {
        let patches: [RecordPatch; 4] = [
            patch::<OpportunityPatch>(r#"{"amount":0.005}"#).into(),
            patch::<OpportunityPatch>(r#"{"amount":10000000000000000}"#).into(),
            patch::<AccountPatch>(r#"{"number_of_employees":123456789}"#).into(),
            patch::<AccountPatch>(&format!(r#"{{"name":"{}"}}"#, "x".repeat(300))).into(),
        ];
        let name = FieldFacts { length: 255, ..writable("Account", "Name") };
        let cx = with_field(cx(), "Account", "Name", name);
        let cx = with_field(cx, "Account", "NumberOfEmployees", writable("Account", "NumberOfEmployees"));
        for patch in patches {
            assert_eq!(to_remote(&patch, Intent::Create, &cx).errors.len(), 1, "{patch:?}");
            let seed = to_remote(&patch, Intent::Seed, &cx);
            assert_eq!((seed.fields.len(), seed.errors.len()), (1, 0), "{patch:?}: {seed:?}");
        }
    }
}
