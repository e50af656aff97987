//! Which record is which lost row's: pure comparison of what was written with what is there.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use unicrm_core::Json;

use super::present::{cell, unquoted};
use crate::api::{parse_datetime, widened};

/// What a lost row wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Fields that a query shows, with their values in a form that can be compared.
    fields: Vec<(String, String)>,
    /// The body of a note, which a query does not show.
    body: Option<Vec<u8>>,
    /// The field that a reader would know the record by.
    name: &'static str,
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

    /// Whether a row of a query has all the values.
    pub(super) fn fits(&self, row: &str) -> bool {
        self.fields.iter().all(|(name, wanted)| value_of(row, name) == *wanted)
    }

    /// Whether a row of a query goes by the same name, though something else differs.
    fn resembles(&self, row: &str) -> bool {
        let named = self.fields.iter().find(|(name, _)| name == self.name);
        named.is_some_and(|(name, wanted)| value_of(row, name) == *wanted)
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
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut settled = vec![false; wanted.len()];
    for first in 0..wanted.len() {
        let Some(row) = wanted.get(first).filter(|_| !settled.get(first).copied().unwrap_or(true)) else {
            continue;
        };
        let same: Vec<usize> = (first..wanted.len()).filter(|at| wanted.get(*at) == Some(row)).collect();
        for at in &same {
            if let Some(place) = settled.get_mut(*at) {
                *place = true;
            }
        }
        let body_fits = |id: &str| row.body.is_none() || bodies.get(id) == row.body.as_ref();
        let fitting: Vec<&str> = candidates
            .iter()
            .filter(|(id, json)| row.fits(json) && body_fits(id))
            .map(|(id, _)| id.as_str())
            .collect();
        taken.extend(&fitting);
        let of_one_call = same.iter().all(|at| calls.get(*at) == calls.get(first));
        let clear = fitting.len() == same.len() || (fitting.len() < same.len() && of_one_call);
        for (nth, at) in same.iter().enumerate() {
            let found = match fitting.get(nth) {
                Some(id) if clear => Found::One((*id).to_owned()),
                None if clear => Found::Nothing,
                _ => Found::Unclear(fitting.iter().map(|id| (*id).to_owned()).collect()),
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
    for (at, row) in wanted.iter().enumerate() {
        let alike =
            candidates.iter().filter(|(id, json)| !taken.contains(id.as_str()) && row.resembles(json));
        let alike: Vec<String> = alike.map(|(id, _)| id.clone()).collect();
        if let Some(place) = matches.found.get_mut(at)
            && *place == Found::Nothing
            && !alike.is_empty()
        {
            *place = Found::Unclear(alike);
        }
    }
    matches
}

fn name_of(sobject: &str) -> &'static str {
    match sobject {
        "Account" | "Opportunity" => "Name",
        "Contact" | "Lead" => "LastName",
        "Note" | "ContentNote" => "Title",
        _ => "Subject",
    }
}

fn value_of(row: &str, field: &str) -> String {
    cell(row, field).map_or_else(|| "null".to_owned(), |raw| comparable(raw.get()))
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
