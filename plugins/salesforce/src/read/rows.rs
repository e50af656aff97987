//! From a page as it came to the rows of the contract.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use unicrm_core::{Error, ErrorKind, Gone, GoneReason, LiveRow, RawRecord, RemoteId, Row, Shape, Usage};

use super::Reader;
use super::enrich::{Enrichment, Piece};
use super::fetch::Fetched;
use super::head::Head;
use super::select::Selection;
use super::token::Keyset;
use crate::objects::{Decoder, Extras, MapError};

/// What a page said besides its rows.
#[derive(Debug, Default)]
pub(super) struct Converted {
    /// The place of the last row that could be placed. Where the rows behind it cannot be read, the next page may repeat
    /// them, and none is lost.
    pub(super) last: Option<Keyset>,
    /// The earliest row that is incomplete for now and worth another look.
    pub(super) incomplete: Option<Timestamp>,
}

impl Reader {
    /// Turns a page into rows.
    pub(super) async fn convert(
        &self,
        usage: &mut Usage,
        shape: Shape,
        fetched: &Fetched,
        rows: &mut Vec<Row>,
    ) -> Result<Converted, Error> {
        self.convert_with(usage, shape, fetched, Enrichment::default(), rows).await
    }

    /// The same, where some of what belongs to the rows has been fetched before.
    pub(super) async fn convert_with(
        &self,
        usage: &mut Usage,
        shape: Shape,
        fetched: &Fetched,
        found: Enrichment,
        rows: &mut Vec<Row>,
    ) -> Result<Converted, Error> {
        let Fetched { page, selection } = fetched;
        let heads: Vec<Option<Head<'_>>> = page.rows().map(Head::read).collect();
        let mut converted = Converted {
            last: heads.iter().rev().flatten().find_map(|head| head.keyset(selection.stamp)),
            incomplete: None,
        };
        rows.reserve(heads.len());
        if shape == Shape::Ids {
            let raw = |range: &Range<usize>| {
                RawRecord::slice(selection.source.path(), Arc::clone(&page.text), range.clone())
            };
            let found = page.records.iter().zip(&heads);
            rows.extend(found.map(|(range, head)| id_row(selection, head.as_ref(), || raw(range))));
            return Ok(converted);
        }
        if heads.is_empty() {
            return Ok(converted);
        }
        let enrichment = self.enrich(usage, selection, page, &heads, found).await?;
        converted.incomplete = enrichment.incomplete;
        let context = self.facts.context(&self.client, usage, selection, &heads).await?;
        let mut decoder = Decoder::new(selection.source, &selection.classes, &context);
        for (at, (range, head)) in page.records.iter().zip(&heads).enumerate() {
            let json = page.text.get(range.clone()).unwrap_or_default();
            let (text, raw) = match enrichment.whole.get(&at) {
                // The people of an activity came in several answers and now stand in one text.
                Some(whole) => (&**whole, RawRecord::new(selection.source.path(), whole)),
                None => {
                    (json, RawRecord::slice(selection.source.path(), Arc::clone(&page.text), range.clone()))
                }
            };
            rows.push(full_row(&mut decoder, selection, &enrichment, head.as_ref(), text, raw));
        }
        Ok(converted)
    }
}

fn full_row(
    decoder: &mut Decoder<'_>,
    selection: &Selection,
    enrichment: &Enrichment,
    head: Option<&Head<'_>>,
    json: &str,
    mut raw: RawRecord,
) -> Row {
    let id = head.and_then(Head::id);
    let pieces = id.as_deref().map(|id| enrichment.pieces(id)).unwrap_or_default();
    for piece in pieces {
        raw.append(piece.raw());
    }
    let links: Vec<&str> = id.as_deref().map(|id| enrichment.links(id)).unwrap_or_default();
    let extras = Extras {
        email_message: pieces.iter().find_map(Piece::email_message),
        body: pieces.iter().find_map(Piece::body),
        links: &links,
    };
    let decoded = match decoder.decode(json, extras) {
        Ok(decoded) => decoded,
        Err(wrong) => {
            return gone_unread(selection, head).unwrap_or_else(|| rejected(selection, &wrong, head, raw));
        }
    };
    let stamp = decoded.stamp.or_else(|| head.and_then(|head| head.stamp(selection.stamp)));
    let deleted = head.is_some_and(Head::is_deleted);
    let remote_id = decoded.record.remote_id().cloned();
    let live = LiveRow::new(decoded.record).with_stamp(stamp).with_raw(raw);
    match remote_id.filter(|_| deleted) {
        None => Row::Live(live),
        Some(remote_id) => {
            let reason = decoded.merged_into.map_or(GoneReason::Deleted, GoneReason::MergedInto);
            Row::Gone(Gone::new(selection.source.kind(), remote_id, reason).with_stamp(stamp).with_last(live))
        }
    }
}

/// What is in the recycle bin is gone, whether or not its last state can be understood.
#[cold]
fn gone_unread(selection: &Selection, head: Option<&Head<'_>>) -> Option<Row> {
    let head = head.filter(|head| head.is_deleted())?;
    let remote_id = RemoteId::from(head.remote_id(selection.source.remote_id_field())?);
    let gone = Gone::new(selection.source.kind(), remote_id, GoneReason::Deleted);
    Some(Row::Gone(gone.with_stamp(head.stamp(selection.stamp))))
}

fn id_row(selection: &Selection, head: Option<&Head<'_>>, raw: impl FnOnce() -> RawRecord) -> Row {
    let field = selection.source.remote_id_field();
    let Some((head, id)) = head.and_then(|head| Some((head, head.remote_id(field)?))) else {
        let wrong = MapError { remote_id: None, field: Some(field), message: "there is no id".to_owned() };
        return rejected(selection, &wrong, head, raw());
    };
    let remote_id = RemoteId::from(id);
    let stamp = head.stamp(selection.stamp);
    if head.is_deleted() {
        return Row::Gone(
            Gone::new(selection.source.kind(), remote_id, GoneReason::Deleted).with_stamp(stamp),
        );
    }
    Row::Id { remote_id, stamp }
}

#[cold]
fn rejected(selection: &Selection, wrong: &MapError, head: Option<&Head<'_>>, raw: RawRecord) -> Row {
    let known = head.and_then(|head| head.remote_id(selection.source.remote_id_field()));
    let remote_id = wrong.remote_id.clone().or_else(|| known.map(|id: Cow<'_, str>| RemoteId::from(id)));
    let sobject = selection.source.sobject();
    let error = Error::new(ErrorKind::Decode, format!("{sobject} {wrong}"));
    Row::Rejected { remote_id, error, raw: (!raw.is_empty()).then_some(raw) }
}
