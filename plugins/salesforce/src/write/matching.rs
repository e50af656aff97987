//! Which record is which lost row's: pure comparison of what was written with what is there.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use serde_json::value::RawValue;
use unicrm_core::Json;

use super::present::unquoted;
use crate::api::{parse_datetime, widened};

/// More candidates than this say nothing new.
const MOST: usize = 25;

/// What a lost row wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    /// Fields that a query shows, with their values in a form that can be compared.
    fields: Vec<(String, String)>,
    /// The body of a note, which a query does not show.
    body: Option<Vec<u8>>,
    /// The field that a reader would know the record by; of a custom object none is known.
    name: Option<&'static str>,
}

/// What a look found for one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its record.
    One(String),
    /// Records that may be it.
    Unclear(Vec<String>),
    Nothing,
}

/// What a look found for the rows of one object.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// One per row, in order.
    pub(super) found: Vec<Found>,
    /// The calls of which something was found: they were carried out.
    pub(super) committed: BTreeSet<usize>,
}

impl Wanted {
    pub(super) fn new(sobject: &str, fields: &[(Cow<'static, str>, Json)]) -> Self {
        let is_body = |name: &str| sobject == "ContentNote" && name == "Content";
        let mut wanted = Self { fields: Vec::new(), body: None, name: name_of(sobject) };
        for (name, value) in fields {
            if is_body(name) {
                wanted.body = value.to_text().and_then(|text| STANDARD.decode(text).ok());
            } else {
                wanted.fields.push((name.clone().into_owned(), comparable(value.as_str())));
            }
        }
        wanted.fields.sort_unstable();
        wanted
    }

    /// The fields to ask for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(_, value)| value.as_str())
    }

    /// The value by which a reader would know the record.
    fn own_name(&self) -> Option<&str> {
        let named = self.fields.iter().find(|(name, _)| Some(name.as_str()) == self.name);
        named.map(|(_, value)| value.as_str())
    }
}

/// Compares the rows with the records that were found. Rows with the same values share their records: which of them is
/// whose makes no difference.
pub(super) fn settle_group(
    wanted: &[Wanted],
    calls: &[usize],
    candidates: &[(String, &str)],
    bodies: &HashMap<String, Vec<u8>>,
) -> Matches {
    let mut matches = Matches { found: vec![Found::Nothing; wanted.len()], committed: BTreeSet::new() };
    let index = Index::new(wanted, candidates);
    let mut taken: HashSet<&str> = HashSet::new();
    let mut alike: HashMap<&Wanted, Vec<usize>> = HashMap::new();
    for (at, row) in wanted.iter().enumerate() {
        alike.entry(row).or_default().push(at);
    }
    for (row, same) in alike {
        let body_fits = |id: &str| row.body.is_none() || bodies.get(id) == row.body.as_ref();
        let fitting: Vec<&str> = index.fitting(row).iter().copied().filter(|id| body_fits(id)).collect();
        taken.extend(&fitting);
        let of_one_call =
            same.iter().all(|at| calls.get(*at) == same.first().and_then(|first| calls.get(*first)));
        let clear = fitting.len() == same.len() || (fitting.len() < same.len() && of_one_call);
        for (nth, at) in same.iter().enumerate() {
            let found = match fitting.get(nth) {
                Some(id) if clear => Found::One((*id).to_owned()),
                None if clear => Found::Nothing,
                _ => unclear(&fitting),
            };
            if let (Found::One(_), Some(call)) = (&found, calls.get(*at)) {
                matches.committed.insert(*call);
            }
            if let Some(place) = matches.found.get_mut(*at) {
                *place = found;
            }
        }
    }
    // A record of the same name that is nobody else's may be this row's, changed on its way by what the org automates.
    let resembling = Resembling::new(wanted, candidates, &taken);
    for (row, place) in wanted.iter().zip(&mut matches.found) {
        let ids = resembling.of(row);
        if *place == Found::Nothing && !ids.is_empty() {
            *place = unclear(ids);
        }
    }
    matches
}

fn unclear(ids: &[&str]) -> Found {
    Found::Unclear(ids.iter().take(MOST).map(|id| (*id).to_owned()).collect())
}

/// The candidates that have all the values of any row, bodies aside.
pub(super) fn fitting<'c>(wanted: &[Wanted], candidates: &'c [(String, &str)]) -> BTreeSet<&'c str> {
    let index = Index::new(wanted, candidates);
    wanted.iter().flat_map(|row| index.fitting(row).iter().copied()).collect()
}

/// The ids of records by their values, for each list of fields that rows have written.
struct Index<'w, 'c>(HashMap<Vec<&'w str>, HashMap<Vec<String>, Vec<&'c str>>>);

impl<'w, 'c> Index<'w, 'c> {
    fn new(wanted: &'w [Wanted], candidates: &'c [(String, &str)]) -> Self {
        let lists: HashSet<Vec<&str>> = wanted.iter().map(|row| row.names().collect()).collect();
        let mut index: HashMap<_, HashMap<Vec<String>, Vec<&str>>> =
            lists.into_iter().map(|names| (names, HashMap::new())).collect();
        for (id, json) in candidates {
            let cells = cells(json);
            for (names, ids) in &mut index {
                let values = names.iter().map(|name| value_of(&cells, name)).collect();
                ids.entry(values).or_default().push(id.as_str());
            }
        }
        Self(index)
    }

    /// The records that have all the values of a row.
    fn fitting(&self, row: &'w Wanted) -> &[&'c str] {
        let ids = self.0.get(&row.names().collect::<Vec<_>>());
        let values: Vec<String> = row.values().map(str::to_owned).collect();
        ids.and_then(|ids| ids.get(&values)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The records that are nobody's, by the value that a reader would know them by. Where no field is a name, each of them may
/// be any row's.
struct Resembling<'c> {
    all: Vec<&'c str>,
    by_name: HashMap<String, Vec<&'c str>>,
}

impl<'c> Resembling<'c> {
    fn new(wanted: &[Wanted], candidates: &'c [(String, &str)], taken: &HashSet<&str>) -> Self {
        // The rows are of one object, and so have their names in one field.
        let name = wanted.iter().find_map(|row| row.name);
        let mut resembling = Self { all: Vec::new(), by_name: HashMap::new() };
        for (id, json) in candidates.iter().filter(|(id, _)| !taken.contains(id.as_str())) {
            match name {
                Some(name) => {
                    resembling.by_name.entry(value_of(&cells(json), name)).or_default().push(id.as_str());
                }
                None => resembling.all.push(id.as_str()),
            }
        }
        resembling
    }

    fn of(&self, row: &Wanted) -> &[&'c str] {
        match row.own_name() {
            Some(name) => self.by_name.get(name).map(Vec::as_slice).unwrap_or_default(),
            None => &self.all,
        }
    }
}

fn name_of(sobject: &str) -> Option<&'static str> {
    match sobject {
        "Account" | "Opportunity" => Some("Name"),
        "Contact" | "Lead" => Some("LastName"),
        "Note" | "ContentNote" => Some("Title"),
        "Event" | "Task" => Some("Subject"),
        _ => None,
    }
}

type Cells<'j> = HashMap<Cow<'j, str>, &'j RawValue>;

/// The cells of a row of a query.
fn cells(row: &str) -> Cells<'_> {
    serde_json::from_str(row).unwrap_or_default()
}

fn value_of(cells: &Cells<'_>, field: &str) -> String {
    cells.get(field).map_or_else(|| "null".to_owned(), |raw| comparable(raw.get()))
}

/// A value in the one form in which Salesforce's and ours are the same: text trimmed, ids long, numbers without needless
/// zeros, instants as instants. Nothing, false and empty text are one: a field that is not set has its zero.
fn comparable(json: &str) -> String {
    let text = unquoted(json);
    let text = text.trim();
    if matches!(text, "" | "null" | "false") {
        return "null".to_owned();
    }
    if let Ok(number) = text.parse::<Decimal>() {
        // A text of digits is compared digit by digit.
        if !json.starts_with('"') {
            return number.normalize().to_string();
        }
    }
    if let Some(at) = parse_datetime(text) {
        return at.to_string();
    }
    widened(&text.replace("\r\n", "\n")).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(name: &str, phone: &str) -> Wanted {
        let fields =
            [(Cow::Borrowed("LastName"), Json::text(name)), (Cow::Borrowed("Phone"), Json::text(phone))];
        Wanted::new("Contact", &fields)
    }

    fn row(name: &str, phone: &str) -> String {
        serde_json::json!({ "Id": "x", "LastName": name, "Phone": phone }).to_string()
    }

    fn settle(wanted: &[Wanted], calls: &[usize], rows: &[(&str, String)]) -> Matches {
        let candidates: Vec<(String, &str)> =
            rows.iter().map(|(id, row)| ((*id).to_owned(), row.as_str())).collect();
        settle_group(wanted, calls, &candidates, &HashMap::new())
    }

    #[test]
    fn what_salesforce_keeps_differently_is_the_same() {
        for (ours, theirs) in [
            (r#"" Feig ""#, r#""Feig""#),
            ("null", "false"),
            (r#""""#, "null"),
            ("10", "10.0"),
            ("1234567890123456.70", "1234567890123456.7"),
            (r#""2026-01-02T03:04:05Z""#, r#""2026-01-02T03:04:05.000+0000""#),
            (r#""003ak00000luKU1""#, r#""003ak00000luKU1AAM""#),
            (r#""a\r\nb""#, r#""a\nb""#),
        ] {
            assert_eq!(comparable(ours), comparable(theirs), "{ours} {theirs}");
        }
        for (one, other) in [(r#""0010""#, r#""10""#), (r#""a""#, r#""A""#), ("1", "2"), ("true", "false")] {
            assert_ne!(comparable(one), comparable(other), "{one} {other}");
        }
    }

    #[test]
    fn a_row_is_found_by_all_its_values() {
        let rows = [("003A", row("Feig", "1")), ("003B", row("Feig", "2"))];
        let matches = settle(&[wanted("Feig", "2"), wanted("Roe", "3")], &[0, 0], &rows);
        assert_eq!(matches.found[0], Found::One("003B".to_owned()));
        assert_eq!(matches.found[1], Found::Nothing);
        assert_eq!(matches.committed, BTreeSet::from([0]));
    }

    #[test]
    fn more_records_than_rows_are_unclear() {
        let rows = [("003A", row("Feig", "1")), ("003B", row("Feig", "1"))];
        let matches = settle(&[wanted("Feig", "1")], &[0], &rows);
        assert_eq!(matches.found[0], Found::Unclear(vec!["003A".to_owned(), "003B".to_owned()]));
        assert!(matches.committed.is_empty());
    }

    #[test]
    fn only_some_of_many_candidates_are_named() {
        let alike: Vec<_> = (0..100).map(|at| (format!("003{at:03}"), row("Feig", "1"))).collect();
        let other: Vec<_> = (0..100).map(|at| (format!("003{at:03}"), row("Feig", "2"))).collect();
        for rows in [alike, other] {
            let candidates: Vec<_> = rows.iter().map(|(id, row)| (id.clone(), row.as_str())).collect();
            let matches = settle_group(&[wanted("Feig", "1")], &[0], &candidates, &HashMap::new());
            let Found::Unclear(ids) = &matches.found[0] else { panic!("{matches:?}") };
            assert_eq!(ids.len(), MOST);
        }
    }

    #[test]
    fn a_record_that_was_changed_on_its_way_is_a_candidate() {
        let matches = settle(&[wanted("Feig", "1")], &[0], &[("003A", row("Feig", "+1"))]);
        assert_eq!(matches.found[0], Found::Unclear(vec!["003A".to_owned()]));
    }

    proptest! {
        /// Whatever subset of the rows was carried out: each record goes to one row at most, to one with its values, and
        /// no row whose record is there is said to have none.
        #[test]
        fn no_record_is_given_twice_and_none_is_overlooked(
            names in proptest::collection::vec(0..4_u8, 1..12),
            carried_out in proptest::collection::vec(any::<bool>(), 12),
        ) {
            let wanted: Vec<Wanted> = names.iter().map(|name| wanted(&format!("n{name}"), "1")).collect();
            let rows: Vec<(String, String)> = names
                .iter()
                .zip(&carried_out)
                .enumerate()
                .filter(|(_, (_, done))| **done)
                .map(|(at, (name, _))| (format!("003{at:02}"), row(&format!("n{name}"), "1")))
                .collect();
            let candidates: Vec<(String, &str)> = rows.iter().map(|(id, row)| (id.clone(), row.as_str())).collect();
            let matches = settle_group(&wanted, &vec![0; names.len()], &candidates, &HashMap::new());
            let given: Vec<&String> = matches.found.iter().filter_map(|found| match found {
                Found::One(id) => Some(id),
                _ => None,
            }).collect();
            prop_assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len());
            prop_assert_eq!(given.len(), rows.len());
            for (found, name) in matches.found.iter().zip(&names) {
                if let Found::One(id) = found {
                    let at: usize = id[3..].parse().unwrap();
                    prop_assert_eq!(names[at], *name);
                }
            }
        }
    }
}
