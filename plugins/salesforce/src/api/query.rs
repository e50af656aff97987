//! Pages of records: found in the text of the answer, not taken apart.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::answer::{Answer, json};
use crate::error::Fault;

/// The longest locator that is kept.
const MAX_LOCATOR: usize = 1_000;

/// How a query is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueryOptions {
    /// Deleted and archived records too.
    pub(crate) all_rows: bool,
    /// Records per page: 200 to 2000. Salesforce may send fewer.
    pub(crate) batch_size: Option<u32>,
}

/// One page of a query's records.
#[derive(Clone, Debug)]
pub(crate) struct QueryPage {
    /// The text that the records are in.
    pub(crate) text: Arc<str>,
    /// How many records the whole query has: a hint, since they may change meanwhile.
    pub(crate) total_size: u64,
    /// Where each record's JSON is in the text.
    pub(crate) records: Vec<Range<usize>>,
    /// Where the next page is; none when this is the last.
    pub(crate) next: Option<Locator>,
    /// The server's clock when it answered.
    pub(crate) server_time: Option<Timestamp>,
}

impl QueryPage {
    /// Each record's JSON.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &str> {
        self.records.iter().map(|range| self.text.get(range.clone()).unwrap_or_default())
    }

    pub(super) fn decode(answer: &Answer) -> Result<Self, Fault> {
        let text: Arc<str> = answer.text(WHAT)?.into();
        let whole = 0..text.len();
        Self::within(text, whole, answer.server_time())
    }

    /// Reads a page that is a part of a larger text.
    pub(super) fn within(
        text: Arc<str>,
        part: Range<usize>,
        server_time: Option<Timestamp>,
    ) -> Result<Self, Fault> {
        let (total_size, records, next) = {
            let page = text.get(part).unwrap_or_default();
            let wire: Wire<'_> = json(page, WHAT)?;
            let next = match (wire.done, wire.next) {
                (true, _) => None,
                (false, Some(url)) => Some(Locator::new(&url)?),
                (false, None) => {
                    let why = "it is not the last page, and does not say where the next one is".to_owned();
                    return Err(Fault::Unreadable { what: WHAT, why, cut: false });
                }
            };
            let records = wire.records.iter().map(|record| range_in(&text, record.get())).collect();
            (u64::try_from(wire.total_size).unwrap_or(0), records, next)
        };
        Ok(Self { text, total_size, records, next, server_time })
    }
}

const WHAT: &str = "a page of records";

/// The form of a page. Records stay text: the mapping reads each of them once, in its own form.
#[derive(Deserialize)]
struct Wire<'t> {
    #[serde(rename = "totalSize")]
    total_size: i64,
    done: bool,
    #[serde(rename = "nextRecordsUrl", borrow, default)]
    next: Option<Cow<'t, str>>,
    #[serde(borrow)]
    records: Vec<&'t RawValue>,
}

/// Where a part of a text is in it. The part has to be borrowed from the text.
pub(super) fn range_in(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start.saturating_add(part.len())
}

/// The server's place in the records of a query, as a path: the host may change while it is in use.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Locator(Box<str>);

impl Locator {
    /// Keeps the path of a `nextRecordsUrl`.
    ///
    /// # Errors
    /// [`Fault::Unreadable`] if it is not a path of the data API.
    pub(crate) fn new(url: &str) -> Result<Self, Fault> {
        let refused = |why: &str| Fault::Unreadable {
            what: "the place of the next page",
            why: why.to_owned(),
            cut: false,
        };
        let path = match Url::parse(url) {
            Ok(url) => match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
            Err(_) => url.to_owned(),
        };
        if path.len() > MAX_LOCATOR {
            return Err(refused("it is too long"));
        }
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '\\' | '#' | '"' | '<' | '>');
        if !path.starts_with("/services/data/")
            || path.contains("/../")
            || path.contains("/./")
            || !path.chars().all(plain)
        {
            return Err(refused("it is not a path of the data API"));
        }
        Ok(Self(path.into()))
    }

    /// The path.
    pub(crate) fn path(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Locator {
    type Error = Fault;

    fn try_from(path: String) -> Result<Self, Fault> {
        Self::new(&path)
    }
}

impl From<Locator> for String {
    fn from(locator: Locator) -> Self {
        locator.0.into()
    }
}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(text: &str) -> Result<QueryPage, Fault> {
        QueryPage::within(text.into(), 0..text.len(), None)
    }

    #[test]
    fn records_are_slices_of_the_text() {
        let text = r#"{"totalSize":3,"done":false,"nextRecordsUrl":"https://na1.salesforce.com/services/data/v66.0/query/01g-2000",
            "records":[ {"Id":"1","Amount":12345678901234567.890}, {"Id" : "ü\"}"} ]}"#;
        let page = page(text).unwrap();
        assert_eq!(
            page.rows().collect::<Vec<_>>(),
            [r#"{"Id":"1","Amount":12345678901234567.890}"#, r#"{"Id" : "ü\"}"}"#]
        );
        assert_eq!((page.total_size, page.next.unwrap().path()), (3, "/services/data/v66.0/query/01g-2000"));
    }

    #[test]
    fn the_last_page_has_no_next_one_whatever_it_says() {
        let text = r#"{"totalSize":8,"done":true,"nextRecordsUrl":"/services/data/v60.0/query/01g-2000","records":[]}"#;
        assert_eq!(page(text).unwrap().next, None);
    }

    #[test]
    fn what_is_no_page_is_an_error_that_says_whether_it_was_cut() {
        for (text, cut_short) in [
            (r#"{"totalSize":3,"done":false,"records":[]}"#, false),
            (r#"{"totalSize":3,"done":false,"nextRecordsUrl":"/x","records":[]}"#, false),
            (r#"{"totalSize":3,"done":true}"#, false),
            (r#"{"done":true,"records":[]}"#, false),
            ("[]", false),
            (r#"{"totalSize":3,"done":true,"records":[{"Id":"1"},{"Id""#, true),
            (r#"{"totalSize":3,"done":true,"records":[{"Id":"1"}]"#, true),
            ("", true),
        ] {
            match page(text) {
                Err(Fault::Unreadable { cut, .. }) => assert_eq!(cut, cut_short, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_locator_is_a_path_of_the_data_api_and_comes_back_from_json() {
        for bad in [
            "",
            "/",
            "//evil.org/services/data/",
            "/services/oauth2/token",
            "https://evil.org/x",
            "/services/data/../x/../y",
            "/services/data/ x",
            "services/data/v66.0/query/1",
            "https://evil.org\\@x/services/dat",
        ] {
            assert!(Locator::new(bad).is_err(), "{bad}");
            assert!(serde_json::from_value::<Locator>(bad.into()).is_err(), "{bad}");
        }
        let locator = Locator::new("https://evil.org/services/data/v66.0/query/0r8-2000?x=1").unwrap();
        assert_eq!(serde_json::to_string(&locator).unwrap(), r#""/services/data/v66.0/query/0r8-2000?x=1""#);
        assert_eq!(
            serde_json::from_str::<Locator>(r#""/services/data/v66.0/query/0r8-2000?x=1""#).unwrap(),
            locator
        );
    }

    proptest! {
        #[test]
        fn every_record_is_found_whole(records in proptest::collection::vec((any::<String>(), any::<i64>()), 0..20)) {
            let records: Vec<String> = records
                .iter()
                .map(|(text, number)| serde_json::json!({ "Name": text, "n": number, "in": [{ "x": text }] }).to_string())
                .collect();
            let text = format!(r#"{{"records":[{}],"done":true,"totalSize":{}}}"#, records.join(" , "), records.len());
            let page = page(&text).unwrap();
            prop_assert_eq!(page.rows().collect::<Vec<_>>(), records);
        }

        #[test]
        fn a_cut_page_is_never_a_page(cut in 0_usize..80) {
            let text = r#"{"totalSize":2,"done":true,"records":[{"Id":"001"},{"Id":"002"}]}"#;
            prop_assume!(cut < text.len());
            let outcome = page(&text[..cut]);
            let noticed = matches!(outcome, Err(Fault::Unreadable { cut: true, .. }));
            prop_assert!(noticed);
        }
    }
}
