//! From the JSON of one row to the unified record.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use unicrm_core::{Account, Id, Json, Object, Record, Ref, RemoteField, RemoteId, User};

use super::context::MapContext;
use super::remote_fields::SourceClasses;
use super::wire::{Cell, Row, WireField, Wrong, read_row};
use super::{account, contact, engagement, lead, note, opportunity, stage, task, user};
use crate::api::widened;
use crate::read::source::Source;

/// A record, and what else its row says.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) record: Record,
    /// When the row last changed.
    pub(crate) stamp: Option<Timestamp>,
    /// The record that it was merged into.
    pub(crate) merged_into: Option<RemoteId>,
}

/// What belongs to a row and comes from other rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras<'a> {
    /// The JSON of the EmailMessage whose ActivityId is this task.
    pub(crate) email_message: Option<&'a str>,
    /// The body of a ContentNote: HTML.
    pub(crate) body: Option<&'a str>,
    /// What a ContentNote is linked to: the LinkedEntityIds of its ContentDocumentLinks.
    pub(crate) links: &'a [&'a str],
}

/// A row that could not be mapped; the others go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapError {
    /// Which record, as far as it is known.
    pub(crate) remote_id: Option<RemoteId>,
    /// The remote field that is to blame.
    pub(crate) field: Option<&'static str>,
    pub(crate) message: String,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remote_id {
            Some(id) => write!(f, "record {id}: ")?,
            None => f.write_str("a record without an id: ")?,
        }
        if let Some(field) = self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for MapError {}

/// Maps the rows of one source. It remembers the last owner and the last account, which the next row often has too.
#[derive(Debug)]
pub(crate) struct Decoder<'c> {
    source: Source,
    map: Mapper<'c>,
    /// How many remote fields the last row had.
    rest: usize,
}

impl<'c> Decoder<'c> {
    pub(crate) fn new(source: Source, classes: &'c SourceClasses, cx: &'c MapContext) -> Self {
        let map = Mapper { cx, classes, owner: None, account: None, stamp: None, merged_into: None };
        Self { source, map, rest: 0 }
    }

    /// Maps one row.
    pub(crate) fn decode(&mut self, json: &str, extras: Extras<'_>) -> Result<Decoded, MapError> {
        let record = match self.source {
            Source::Account => self.row(json, account::from_remote)?.into(),
            Source::Contact => self.row(json, contact::from_remote)?.into(),
            Source::Event => self.row(json, engagement::from_event)?.into(),
            Source::TaskEngagement => self
                .row(json, |row, rest, map| engagement::from_task(row, rest, extras.email_message, map))?
                .into(),
            Source::Lead => self.row(json, lead::from_remote)?.into(),
            Source::Note => self.row(json, note::from_note)?.into(),
            Source::ContentNote => {
                self.row(json, |row, rest, map| note::from_content_note(row, rest, extras, map))?.into()
            }
            Source::Opportunity => self.row(json, opportunity::from_remote)?.into(),
            Source::Stage => self.row(json, stage::from_remote)?.into(),
            Source::Task => self.row(json, task::from_remote)?.into(),
            Source::User => self.row(json, user::from_remote)?.into(),
        };
        Ok(Decoded { record, stamp: self.map.stamp.take(), merged_into: self.map.merged_into.take() })
    }

    fn row<'a, R, T>(
        &mut self,
        json: &'a str,
        from_remote: impl FnOnce(&R, Vec<RemoteField>, &mut Mapper<'c>) -> Result<T, Wrong>,
    ) -> Result<T, MapError>
    where
        R: Row<'a>,
        T: Object,
    {
        self.map.stamp = None;
        self.map.merged_into = None;
        let (mut row, rest) = read_row::<R>(json, self.map.classes, self.rest).map_err(|error| MapError {
            remote_id: None,
            field: None,
            message: format!("the row is not the JSON of a record: {error}"),
        })?;
        let object = match from_remote(&row, rest, &mut self.map) {
            Ok(object) => object,
            Err(wrong) => return Err(map_error(&mut row, wrong)),
        };
        self.rest = object.remote_fields().len();
        Ok(object)
    }
}

#[cold]
fn map_error<'a, R: Row<'a>>(row: &mut R, wrong: Wrong) -> MapError {
    let named = |at: u8| R::FIELDS.get(usize::from(at)).map(|field: &WireField| field.name);
    // The remote id comes first in every row.
    let id = row.cell(0).and_then(|cell| cell.text().ok().flatten()).map(|id| widened(&id).into_owned());
    MapError {
        remote_id: id.map(RemoteId::from),
        field: named(wrong.at),
        message: format!("expected {}", wrong.expected),
    }
}

/// What the mappings of all objects share while a page is read.
#[derive(Debug)]
pub(super) struct Mapper<'c> {
    pub(super) cx: &'c MapContext,
    classes: &'c SourceClasses,
    owner: Option<Ref<User>>,
    account: Option<Ref<Account>>,
    stamp: Option<Timestamp>,
    merged_into: Option<RemoteId>,
}

impl Mapper<'_> {
    /// The unified id of a record.
    pub(super) fn id<T: Object>(&self, remote_id: &str) -> Id<T> {
        Id::compute(self.cx.linked_account, remote_id)
    }

    /// Where people see a record.
    pub(super) fn url(&self, remote_id: &str) -> String {
        let mut url = String::with_capacity(self.cx.instance_url.len() + 1 + remote_id.len());
        url.push_str(&self.cx.instance_url);
        url.push('/');
        url.push_str(remote_id);
        url
    }

    pub(super) fn reference<T: Object>(&self, remote_id: Cow<'_, str>) -> Ref<T> {
        Ref::remote(self.cx.linked_account, remote_id)
    }

    /// Takes note of when the row last changed.
    pub(super) fn stamp(&mut self, cell: Cell<'_>) -> Result<Option<Timestamp>, Wrong> {
        self.stamp = cell.datetime()?;
        Ok(self.stamp)
    }

    /// Takes note of the record that this one was merged into.
    pub(super) fn merged_into(&mut self, cell: Cell<'_>) -> Result<(), Wrong> {
        self.merged_into = cell.id()?.map(RemoteId::from);
        Ok(())
    }

    /// The user that owns the record. A queue is none and stays among the remote fields.
    pub(super) fn owner(
        &mut self,
        cell: Cell<'_>,
        rest: &mut Vec<RemoteField>,
    ) -> Result<Option<Ref<User>>, Wrong> {
        let Some(id) = cell.id()? else { return Ok(None) };
        if !id.starts_with("005") {
            self.keep(cell, "OwnerId", rest);
            return Ok(None);
        }
        if !self.owner.as_ref().is_some_and(|last| is(last, &id)) {
            self.owner = Some(self.reference(id));
        }
        Ok(self.owner.clone())
    }

    /// An account by its id.
    pub(super) fn account(&mut self, cell: Cell<'_>) -> Result<Option<Ref<Account>>, Wrong> {
        let Some(id) = cell.id()? else { return Ok(None) };
        if !self.account.as_ref().is_some_and(|last| is(last, &id)) {
            self.account = Some(self.reference(id));
        }
        Ok(self.account.clone())
    }

    /// Adds a remote field that the mapping makes.
    pub(super) fn keep_value(&self, name: &'static str, value: Json, rest: &mut Vec<RemoteField>) {
        rest.push(RemoteField::new(self.classes.class(name), value));
    }

    /// Leaves among the remote fields what has no unified place this time.
    pub(super) fn keep(&self, cell: Cell<'_>, name: &'static str, rest: &mut Vec<RemoteField>) {
        if let Some(json) = cell.json() {
            self.keep_value(name, json, rest);
        }
    }
}

fn is<T>(reference: &Ref<T>, id: &str) -> bool {
    reference.remote_id().is_some_and(|known| known.as_str() == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::known_fields;
    use crate::objects::tests::cx;

    #[test]
    fn rows_do_not_inherit_from_each_other() {
        let cx = cx();
        let classes = SourceClasses::new("Contact", known_fields(Source::Contact), None, []);
        let mut decoder = Decoder::new(Source::Contact, &classes, &cx);
        let mut row = |members: &str| {
            let json = format!("{{\"Id\":\"003ak000003dQCGAA2\",{members}}}");
            let decoded = decoder.decode(&json, Extras::default()).expect(members);
            let reference = |name: &str| decoded.record.get(name).map(|value| value.to_string());
            (reference("owner"), reference("account"), decoded.stamp.is_some(), decoded.merged_into.is_some())
        };
        let full = row(
            r#""OwnerId":"005ak000002nRJAAA2","AccountId":"001ak00000OKNPHAA5","SystemModstamp":"2022-02-10T00:00:01.000Z",
                "MasterRecordId":"003ak000003dQCGAA2""#,
        );
        assert!(full.0.is_some() && full.1.is_some() && full.2 && full.3);
        let again = row(r#""OwnerId":"005ak000002nRJAAA2","AccountId":"001ak00000OKNPHAA5""#);
        assert_eq!((&again.0, &again.1, again.2, again.3), (&full.0, &full.1, false, false));
        let other = row(r#""OwnerId":"005ak000002nRJBAA2","AccountId":"001ak00000OKNPIAA5""#);
        assert!(other.0.is_some() && other.0 != full.0 && other.1.is_some() && other.1 != full.1);
        assert_eq!(row("\"LastName\":\"x\""), (None, None, false, false));
    }

    #[test]
    fn an_error_says_which_record_and_which_field() {
        let cx = cx();
        let error = |source: Source, json: &str| {
            let classes = SourceClasses::new(source.sobject(), known_fields(source), None, []);
            Decoder::new(source, &classes, &cx).decode(json, Extras::default()).expect_err(json).to_string()
        };
        let cases = [
            (
                Source::Contact,
                r#"{"Id":"003ak000003dQCG","Email":5}"#,
                "record 003ak000003dQCGAA2: Email: expected text",
            ),
            (Source::Stage, r#"{"ApiName":"Won","MasterLabel":5}"#, "record Won: MasterLabel: expected text"),
            (Source::User, r#"{"Id":"x"}"#, "record x: Id: expected an id of 15 or 18 characters"),
            (Source::User, "{}", "a record without an id: Id: expected the record's id"),
        ];
        for (source, json, sentence) in cases {
            assert_eq!(error(source, json), sentence);
        }
        assert!(
            error(Source::Task, "[")
                .starts_with("a record without an id: the row is not the JSON of a record: ")
        );
    }
}
