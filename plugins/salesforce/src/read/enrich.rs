//! What belongs to a row and comes from elsewhere: e-mail messages, further people, the links and bodies of notes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use unicrm_core::{Error, Json, RawRecord, Usage};

use super::Reader;
use super::head::Head;
use super::small;

use super::select::Selection;
use super::source::Source;
use crate::api::{QueryPage, widened};
use crate::error::{Code, Fault};

/// The largest body of a note that is read; Salesforce itself allows 50 MB, which no note comes near.
const MAX_BODY: usize = 8 << 20;

/// Bodies are left for later when less than this share of the day's calls is left: one in so many.
const RESERVE: u64 = 10;

/// What the fields of an e-mail message tell about the e-mail.
const EMAIL_FIELDS: [&str; 9] = [
    "Id",
    "ActivityId",
    "Incoming",
    "MessageDate",
    "FromAddress",
    "ToAddress",
    "Subject",
    "Status",
    "TextBody",
];

const LINK_FIELDS: [&str; 5] = ["Id", "ContentDocumentId", "LinkedEntityId", "ShareType", "Visibility"];

/// One piece of another resource that belongs to a row.
#[derive(Debug)]
pub(super) struct Piece {
    role: Role,
    path: &'static str,
    text: Arc<str>,
    range: Range<usize>,
    /// The text that a body stands for.
    body: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    EmailMessage,
    Link,
    Body,
}

impl Piece {
    fn json(&self) -> &str {
        self.text.get(self.range.clone()).unwrap_or_default()
    }

    /// The piece as a part of the raw record.
    pub(super) fn raw(&self) -> RawRecord {
        RawRecord::slice(self.path, Arc::clone(&self.text), self.range.clone())
    }

    /// The JSON of the e-mail message, if it is one.
    pub(super) fn email_message(&self) -> Option<&str> {
        (self.role == Role::EmailMessage).then(|| self.json())
    }

    /// The HTML of the body, if it is one.
    pub(super) fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }
}

/// What was found for the rows of one page.
#[derive(Debug, Default)]
pub(super) struct Enrichment {
    pieces: HashMap<String, Vec<Piece>>,
    /// Rows of activities whose people came in several answers, by their number on the page: the row's text with all of them.
    pub(super) whole: HashMap<usize, String>,
    /// Whether the links of the notes are among the pieces.
    linked: bool,
    /// The earliest row for which something was put off.
    pub(super) incomplete: Option<Timestamp>,
}

impl Enrichment {
    /// What belongs to a record.
    pub(super) fn pieces(&self, id: &str) -> &[Piece] {
        self.pieces.get(id).map(Vec::as_slice).unwrap_or_default()
    }

    /// What a note is linked to.
    pub(super) fn links(&self, id: &str) -> Vec<&str> {
        let links = self.pieces(id).iter().filter(|piece| piece.role == Role::Link);
        links.filter_map(|piece| cell(piece.json(), "LinkedEntityId")).collect()
    }

    /// Parts with what belongs to these rows.
    pub(super) fn split(&mut self, heads: &[Option<Head<'_>>]) -> Self {
        let ids = heads.iter().flatten().filter_map(Head::id);
        let pieces = ids.filter_map(|id| self.pieces.remove_entry(&*widened(&id))).collect();
        Self { pieces, linked: self.linked, ..Self::default() }
    }

    /// Files the records of a page under the id in one of their cells.
    fn add(&mut self, page: &QueryPage, role: Role, path: &'static str, field: &'static str) {
        for (range, json) in page.records.iter().zip(page.rows()) {
            if let Some(id) = cell(json, field) {
                let piece =
                    Piece { role, path, text: Arc::clone(&page.text), range: range.clone(), body: None };
                self.pieces.entry(widened(id).into_owned()).or_default().push(piece);
            }
        }
    }
}

/// The text of a cell that holds an id.
pub(super) fn cell<'j>(json: &'j str, field: &str) -> Option<&'j str> {
    let cells: HashMap<&str, &RawValue> = serde_json::from_str(json).ok()?;
    cells.get(field)?.get().strip_prefix('"')?.strip_suffix('"')
}

impl Reader {
    /// Fetches what belongs to the rows of a page and is not yet found. What this user may not see is left out.
    pub(super) async fn enrich(
        &self,
        usage: &mut Usage,
        selection: &Selection,
        page: &QueryPage,
        heads: &[Option<Head<'_>>],
        mut found: Enrichment,
    ) -> Result<Enrichment, Error> {
        match selection.source {
            Source::Event => self.people(usage, selection, page, heads, &mut found).await?,
            Source::TaskEngagement => {
                self.people(usage, selection, page, heads, &mut found).await?;
                let emails = heads.iter().flatten().filter(|head| head.is_email()).filter_map(Head::id);
                let emails: Vec<String> = emails.map(|id| id.into_owned()).collect();
                self.related(usage, &mut found, Role::EmailMessage, &emails).await?;
            }
            Source::ContentNote => {
                self.link(usage, &mut found, heads).await?;
                self.bodies(usage, selection, heads, &mut found).await?;
            }
            _ => {}
        }
        Ok(found)
    }

    /// What notes are linked to, unless that is known.
    pub(super) async fn link(
        &self,
        usage: &mut Usage,
        found: &mut Enrichment,
        heads: &[Option<Head<'_>>],
    ) -> Result<(), Error> {
        if !std::mem::replace(&mut found.linked, true) {
            let ids: Vec<String> =
                heads.iter().flatten().filter_map(Head::id).map(|id| id.into_owned()).collect();
            self.related(usage, found, Role::Link, &ids).await?;
        }
        Ok(())
    }

    /// Records of another object that name these ids.
    async fn related(
        &self,
        usage: &mut Usage,
        found: &mut Enrichment,
        role: Role,
        ids: &[String],
    ) -> Result<(), Error> {
        let (sobject, path, key, wanted): (_, _, _, &[&str]) = match role {
            Role::EmailMessage => ("EmailMessage", "/sobjects/EmailMessage", "ActivityId", &EMAIL_FIELDS),
            Role::Link | Role::Body => {
                ("ContentDocumentLink", "/sobjects/ContentDocumentLink", "ContentDocumentId", &LINK_FIELDS)
            }
        };
        if ids.is_empty() {
            return Ok(());
        }
        // Once more where the first description was out of date.
        for last in [false, true] {
            let describe = match self.client.describe(usage, sobject).await {
                Ok(describe) => describe,
                Err(fault) if is_hidden(&fault) => return Ok(()),
                Err(fault) => return Err(fault.into()),
            };
            if !describe.field(key).is_some_and(|field| field.filterable) {
                return Ok(());
            }
            let fields: Vec<&str> =
                wanted.iter().copied().filter(|name| describe.field(name).is_some()).collect();
            match small::related(&self.client, usage, sobject, &fields, key, ids).await {
                Ok(pages) => {
                    pages.iter().for_each(|page| found.add(page, role, path, key));
                    return Ok(());
                }
                Err(fault) if is_hidden(&fault) || (fault.is(&Code::InvalidField) && !last) => {
                    self.client.forget_describe(sobject);
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(())
    }

    /// Leaves out the people whose relation to an activity is deleted, and completes lists that came in part.
    async fn people(
        &self,
        usage: &mut Usage,
        selection: &Selection,
        page: &QueryPage,
        heads: &[Option<Head<'_>>],
        found: &mut Enrichment,
    ) -> Result<(), Error> {
        let (sobject, key) = match selection.source {
            Source::Event => ("EventWhoRelation", "EventId"),
            _ => ("TaskWhoRelation", "TaskId"),
        };
        let mut complete = |at: usize, raw: &RawValue, live: &[&str]| {
            let json =
                page.records.get(at).and_then(|range| page.text.get(range.clone())).unwrap_or_default();
            let list =
                format!(r#"{{"totalSize":{},"done":true,"records":[{}]}}"#, live.len(), live.join(","));
            found.whole.extend(replaced(json, raw.get(), &list).map(|whole| (at, whole)));
        };
        let mut partial: Vec<(usize, String, &RawValue)> = Vec::new();
        for (at, head) in heads.iter().enumerate() {
            let Some((head, raw)) = head.as_ref().and_then(|head| Some((head, head.people?))) else {
                continue;
            };
            match (People::read(raw), head.id()) {
                (People::AsTheyCame, _) => {}
                (People::Live(live), _) => complete(at, raw, &live),
                (People::InPart, Some(id)) => partial.push((at, widened(&id).into_owned(), raw)),
                (People::InPart, None) => {}
            }
        }
        if partial.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = partial.iter().map(|(_, id, _)| id.clone()).collect();
        let pages = small::related(&self.client, usage, sobject, &[key, "RelationId"], key, &ids).await?;
        let mut people: HashMap<String, Vec<&str>> = HashMap::new();
        for json in pages.iter().flat_map(QueryPage::rows) {
            if let Some(id) = cell(json, key) {
                people.entry(widened(id).into_owned()).or_default().push(json);
            }
        }
        for (at, id, raw) in partial {
            complete(at, raw, &people.remove(&id).unwrap_or_default());
        }
        Ok(())
    }

    async fn body(&self, id: String) -> (Result<Bytes, Fault>, Usage) {
        let mut usage = Usage::default();
        let path = format!("/sobjects/ContentNote/{id}/Content");
        (self.client.blob(&mut usage, &path, MAX_BODY).await, usage)
    }

    /// The bodies of notes, one call each: several at once, and none while the day's calls run low.
    async fn bodies(
        &self,
        usage: &mut Usage,
        selection: &Selection,
        heads: &[Option<Head<'_>>],
        found: &mut Enrichment,
    ) -> Result<(), Error> {
        let live = heads.iter().flatten().filter(|head| !head.is_deleted());
        let notes = live.filter_map(|head| Some((head.id()?.into_owned(), head.stamp(selection.stamp))));
        let notes: Vec<_> = notes.collect();
        for chunk in notes.chunks(self.concurrency()) {
            if usage.quota.as_ref().is_some_and(|quota| quota.left() < quota.limit / RESERVE) {
                let put_off = chunk.iter().filter_map(|(_, stamp)| *stamp).min();
                found.incomplete = [found.incomplete, put_off].into_iter().flatten().min();
                continue;
            }
            let bodies = chunk.iter().map(|(id, _)| self.body(id.clone()));
            let bodies = join_all(bodies).await;
            for ((id, _), (body, used)) in chunk.iter().zip(bodies) {
                usage.add(&used);
                match body {
                    Ok(bytes) => {
                        let html = String::from_utf8_lossy(&bytes).into_owned();
                        let text: Arc<str> = Json::text(&html).as_str().into();
                        let range = 0..text.len();
                        let path = "/sobjects/ContentNote/Content";
                        let piece = Piece { role: Role::Body, path, text, range, body: Some(html) };
                        found.pieces.entry(widened(id).into_owned()).or_default().push(piece);
                    }
                    // The preview stands in for a body that this user may not have.
                    Err(fault) if is_refused(&fault) => {
                        tracing::debug!(%fault, "the body of a note is not given")
                    }
                    Err(fault) => return Err(fault.into()),
                }
            }
        }
        Ok(())
    }
}

/// Whether the object is not there for this user.
pub(crate) fn is_hidden(fault: &Fault) -> bool {
    matches!(fault.code(), Some(Code::InvalidType | Code::NotFound))
}

/// Whether this one body is refused, and others may be given.
fn is_refused(fault: &Fault) -> bool {
    let passing = fault.is_quota() || fault.is_crowded();
    fault.refusal().is_some_and(|refusal| matches!(refusal.status, 400 | 403 | 404) && !passing)
}

/// The people of an activity, as the sub-query of a row has them.
#[derive(Debug, PartialEq, Eq)]
enum People<'r> {
    /// All of them, and no others.
    AsTheyCame,
    /// All of them, once those are left out whose relation is deleted.
    Live(Vec<&'r str>),
    /// Some of them, or nobody knows.
    InPart,
}

impl<'r> People<'r> {
    fn read(raw: &'r RawValue) -> Self {
        #[derive(Deserialize)]
        struct List<'r> {
            done: bool,
            #[serde(borrow)]
            records: Vec<&'r RawValue>,
        }
        #[derive(Deserialize)]
        struct Person {
            #[serde(rename = "IsDeleted", default)]
            is_deleted: bool,
        }
        // A sub-query without records is null.
        let Ok(list) = serde_json::from_str::<Option<List<'r>>>(raw.get()) else { return Self::InPart };
        let Some(List { done, records }) = list else { return Self::AsTheyCame };
        if !done {
            return Self::InPart;
        }
        let mut live = Vec::with_capacity(records.len());
        for record in &records {
            match serde_json::from_str::<Person>(record.get()) {
                Ok(person) if person.is_deleted => {}
                Ok(_) => live.push(record.get()),
                Err(_) => return Self::InPart,
            }
        }
        if live.len() == records.len() { Self::AsTheyCame } else { Self::Live(live) }
    }
}

/// A text with one part of it, which must be a slice of it, replaced.
fn replaced(text: &str, part: &str, by: &str) -> Option<String> {
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (text.get(start..end)? == part).then(|| format!("{}{by}{}", &text[..start], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_text_is_replaced_where_it_stands() {
        let text = r#"{"a":[1],"b":[1]}"#;
        assert_eq!(replaced(text, &text[13..16], "[2,3]").as_deref(), Some(r#"{"a":[1],"b":[2,3]}"#));
        assert_eq!(replaced(text, "[1]", "[2]"), None, "not a slice of the text");
    }

    #[test]
    fn lists_of_people_are_taken_without_the_deleted_ones_and_only_when_they_are_whole() {
        let (one, gone) = (r#"{"RelationId":"003"}"#, r#"{"RelationId":"004","IsDeleted":true}"#);
        for (json, people) in [
            (format!(r#"{{"totalSize":1,"done":true,"records":[{one}]}}"#), People::AsTheyCame),
            (format!(r#"{{"totalSize":2,"done":true,"records":[{gone}, {one}]}}"#), People::Live(vec![one])),
            (format!(r#"{{"totalSize":1,"done":true,"records":[{gone}]}}"#), People::Live(vec![])),
            (
                format!(r#"{{"totalSize":9,"done":false,"nextRecordsUrl":"/x","records":[{one}]}}"#),
                People::InPart,
            ),
            (r#"{"totalSize":1,"done":true,"records":[5]}"#.to_owned(), People::InPart),
            ("null".to_owned(), People::AsTheyCame),
            ("5".to_owned(), People::InPart),
        ] {
            let raw: &RawValue = serde_json::from_str(&json).unwrap();
            assert_eq!(People::read(raw), people, "{json}");
        }
    }

    #[test]
    fn cells_are_read_without_their_neighbours() {
        let json = r#"{"attributes":{"type":"X"},"ContentDocumentId":"069","n":1.5}"#;
        assert_eq!(cell(json, "ContentDocumentId"), Some("069"));
        assert_eq!(cell(json, "n"), None);
        assert_eq!(cell("[]", "n"), None);
    }
}
