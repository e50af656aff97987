//! What a page token and a watermark hold: everything that a reading needs to go on after a restart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use unicrm_core::{Error, ErrorKind, ObjectKind, PageToken, Shape, Watermark};

use super::bulk::Way;
use super::source::Source;
use crate::api::Locator;

/// The versions of the two texts. A later layout takes the next number, and old texts are refused with a clear sentence.
const TOKEN: u8 = 2;
const WATERMARK: u8 = 1;

/// The longest text that is read: far above any that is written.
const MAX_TEXT: usize = 64 * 1024;

/// Where the next page starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    v: u8,
    /// The object: a token of another one is an error and no wrong data.
    kind: ObjectKind,
    /// Whether the reading is of ids alone.
    ids: bool,
    /// Pages so far, so that no token comes twice.
    pub(crate) page: u64,
    /// The source being read.
    pub(crate) source: Source,
    /// What of the source is being read.
    pub(crate) phase: Phase,
    /// The server's own place, as a path: the host may change meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) locator: Option<Locator>,
    /// How the rows of this source are read, where that is not by REST as it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) way: Option<Way>,
    /// The last row, or the last id that is gone, delivered of this source. What the server forgets is found again from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Keyset>,
    /// Whether the query under way has as many rows as its limit, so that more may follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) full: bool,
    /// A smaller query, after one that took too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<Window>,
    /// The earliest row of this source that was delivered incomplete, to be read again next time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) incomplete: Option<Timestamp>,
    /// Per source begun: the time from which a later reading starts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) marks: BTreeMap<Source, Timestamp>,
    /// How many rows the sources begun have, as their first queries said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    /// Of a reading by ids: how many have been asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) asked: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// What of a source is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Its rows, the deleted ones that the server still shows included.
    Rows,
    /// The ids of records that are gone for good.
    Deleted,
}

/// A row's place in the order of the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keyset {
    /// The value of the source's time stamp.
    pub(crate) stamp: Timestamp,
    /// The record's id; none after the last row of this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
}

/// A query smaller than all that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// Only rows stamped up to here; none for no bound.
    pub(crate) until: Option<Timestamp>,
    /// How long the window is.
    pub(crate) seconds: i64,
    /// At most so many rows.
    pub(crate) limit: u32,
}

impl Window {
    const ROWS: u32 = 2_000;
    const FEWEST_ROWS: u32 = 100;
    const SHRINK: i64 = 8;
    const GROW: i64 = 4;
    /// A window of so many rows is as good as none.
    const PLENTY: u32 = 64_000;

    /// A window much smaller than the one before, from `from` on; `end` is where there is nothing more for now.
    pub(crate) fn narrower(before: Option<Self>, from: Timestamp, end: Timestamp) -> Self {
        let (seconds, limit) = match before {
            None => (end.duration_since(from).as_secs(), Self::ROWS),
            Some(window) => (window.seconds, window.limit / 2),
        };
        let seconds = (seconds / Self::SHRINK).max(1);
        Self { until: later(from, seconds), seconds, limit: limit.max(Self::FEWEST_ROWS) }
    }

    /// The window after this one, which was read to its end: longer, and without a bound once it reaches `end`. None when
    /// there is nothing left to narrow.
    pub(crate) fn next(self, end: Timestamp) -> Option<Self> {
        let until = self.until?;
        let seconds = self.seconds.saturating_mul(Self::GROW);
        let limit = self.limit.saturating_mul(2);
        let next = later(until, seconds).filter(|until| *until < end);
        Self { until: next, seconds, limit }.narrow()
    }

    /// The same window with room for more rows.
    pub(crate) fn roomier(self) -> Option<Self> {
        Self { limit: self.limit.saturating_mul(2), ..self }.narrow()
    }

    /// Itself, unless it bounds nothing that matters.
    fn narrow(self) -> Option<Self> {
        (self.until.is_some() || self.limit < Self::PLENTY).then_some(self)
    }
}

fn later(from: Timestamp, seconds: i64) -> Option<Timestamp> {
    from.checked_add(jiff::SignedDuration::from_secs(seconds)).ok()
}

impl Cursor {
    /// The start of a reading.
    pub(crate) fn start(kind: ObjectKind, shape: Shape, source: Source) -> Self {
        Self {
            v: TOKEN,
            kind,
            ids: shape == Shape::Ids,
            page: 0,
            source,
            phase: Phase::Rows,
            locator: None,
            way: None,
            after: None,
            full: false,
            window: None,
            incomplete: None,
            marks: BTreeMap::new(),
            total: None,
            asked: 0,
        }
    }

    /// Goes on to the next source, or the next phase of one.
    pub(crate) fn enter(&mut self, source: Source, phase: Phase) {
        self.source = source;
        self.phase = phase;
        self.locator = None;
        self.way = None;
        self.after = None;
        self.full = false;
        self.window = None;
        self.incomplete = None;
    }

    /// The token of the page after this one.
    pub(crate) fn to_token(&self) -> Result<PageToken, Error> {
        let mut next = self.clone();
        next.page += 1;
        serde_json::to_string(&next).map(PageToken::new).map_err(|source| {
            Error::new(ErrorKind::Internal, "a page token cannot be written").with_source(source)
        })
    }

    /// Reads a token back.
    pub(crate) fn parse(token: &PageToken, kind: ObjectKind, shape: Shape) -> Result<Self, Error> {
        let cursor: Self = parse(token.as_str(), "page token")?;
        let sources = Source::of(kind);
        if cursor.v != TOKEN {
            return Err(refused("page token", "it is of another version; start the reading anew"));
        }
        if cursor.kind != kind || cursor.ids != (shape == Shape::Ids) || !sources.contains(&cursor.source) {
            return Err(refused("page token", "it belongs to another reading"));
        }
        Ok(cursor)
    }
}

/// Up to where each source has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Marks {
    v: u8,
    /// The server's time when the source was last asked first; a source that is missing has never been read.
    marks: BTreeMap<Source, Timestamp>,
    /// The marks of sources that the org has hidden since. Once they are seen again, all of their records are read, which
    /// may have been declared gone meanwhile, and from here on what is gone for good.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hidden: BTreeMap<Source, Timestamp>,
}

impl Marks {
    /// The marks of a reading that has ended.
    pub(crate) fn new(marks: BTreeMap<Source, Timestamp>) -> Self {
        Self { v: WATERMARK, marks, hidden: BTreeMap::new() }
    }

    /// The marks after a reading of changes since these.
    pub(crate) fn moved_on(self, read: BTreeMap<Source, Timestamp>) -> Self {
        let before = self.hidden.into_iter().chain(self.marks);
        let hidden = before.filter(|(source, _)| !read.contains_key(source)).collect();
        Self { hidden, ..Self::new(read) }
    }

    /// From when on the records of a source are to be read; none for all of them.
    pub(crate) fn of(&self, source: Source) -> Option<Timestamp> {
        self.marks.get(&source).copied()
    }

    /// From when on what is gone for good from a source is to be asked for; none where nothing was read before.
    pub(crate) fn gone(&self, source: Source) -> Option<Timestamp> {
        self.of(source).or_else(|| self.hidden.get(&source).copied())
    }

    /// As the host keeps it.
    pub(crate) fn to_watermark(&self) -> Result<Watermark, Error> {
        serde_json::to_string(self).map(Watermark::new).map_err(|source| {
            Error::new(ErrorKind::Internal, "a watermark cannot be written").with_source(source)
        })
    }

    /// Reads a watermark back.
    pub(crate) fn parse(watermark: &Watermark) -> Result<Self, Error> {
        let marks: Self = parse(watermark.as_str(), "watermark")?;
        if marks.v == WATERMARK {
            Ok(marks)
        } else {
            Err(refused("watermark", "it is of another version; read all anew"))
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str, what: &'static str) -> Result<T, Error> {
    if text.len() > MAX_TEXT {
        return Err(refused(what, "it is longer than any that this provider writes"));
    }
    serde_json::from_str(text)
        .map_err(|source| refused(what, "it is not one that this provider wrote").with_source(source))
}

fn refused(what: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("this {what} cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timestamps() -> impl Strategy<Value = Timestamp> {
        (0_i64..4_000_000_000).prop_map(|seconds| Timestamp::from_second(seconds).unwrap())
    }

    fn cursors() -> impl Strategy<Value = (ObjectKind, Shape, Cursor)> {
        let kinds: Vec<_> =
            ObjectKind::ALL.into_iter().filter(|kind| !Source::of(*kind).is_empty()).collect();
        (
            prop::sample::select(kinds),
            any::<bool>(),
            any::<bool>(),
            prop::option::of(timestamps()),
            "[a-zA-Z0-9]{18}",
        )
            .prop_map(|(kind, ids, deleted, stamp, id)| {
                let shape = if ids { Shape::Ids } else { Shape::Full };
                let source = Source::of(kind)[0];
                let mut cursor = Cursor::start(kind, shape, source);
                cursor.enter(source, if deleted { Phase::Deleted } else { Phase::Rows });
                cursor.full = ids;
                cursor.window = stamp.map(|stamp| Window { until: Some(stamp), seconds: 60, limit: 500 });
                cursor.after = stamp.map(|stamp| Keyset { stamp, id: Some(id) });
                cursor.marks.extend(stamp.map(|stamp| (source, stamp)));
                (kind, shape, cursor)
            })
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_was_with_the_next_page_number((kind, shape, cursor) in cursors()) {
            let mut back = Cursor::parse(&cursor.to_token().unwrap(), kind, shape).unwrap();
            prop_assert_eq!(back.page, cursor.page + 1);
            back.page = cursor.page;
            prop_assert_eq!(back, cursor);
        }

        #[test]
        fn foreign_text_is_an_error_and_no_panic(text in ".{0,200}") {
            prop_assert!(Cursor::parse(&PageToken::new(text.clone()), ObjectKind::Contact, Shape::Full).is_err());
            prop_assert!(Marks::parse(&Watermark::new(text)).is_err());
        }
    }

    proptest! {
        #[test]
        fn windows_cover_all_time_without_a_gap(from in timestamps(), length in 1_i64..1_000_000_000, shrinks in 1..12) {
            let end = later(from, length).unwrap();
            let mut window = Window::narrower(None, from, end);
            for _ in 1..shrinks {
                window = Window::narrower(Some(window), from, end);
            }
            let mut reached = from;
            let mut steps = 0;
            while let Some(until) = window.until {
                prop_assert!(until > reached);
                reached = until;
                let Some(next) = window.next(end) else { break };
                window = next;
                steps += 1;
                prop_assert!(steps < 100);
            }
        }
    }

    #[test]
    fn a_token_of_another_reading_is_refused() {
        let token = Cursor::start(ObjectKind::Contact, Shape::Full, Source::Contact).to_token().unwrap();
        assert!(Cursor::parse(&token, ObjectKind::Lead, Shape::Full).is_err());
        assert!(Cursor::parse(&token, ObjectKind::Contact, Shape::Ids).is_err());
        assert!(Cursor::parse(&token, ObjectKind::Contact, Shape::Full).is_ok());
    }

    #[test]
    fn a_watermark_of_another_version_is_refused() {
        let newer = Watermark::new(r#"{"v":2,"marks":{}}"#);
        assert!(Marks::parse(&newer).unwrap_err().to_string().contains("another version"));
    }
}
