//! Which record is which lost row's: pure comparison of what was written with what is there.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;
use unicrm_core::Json;

use super::present::{Cells, cells, unquoted};
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

    /// How much it says.
    fn says(&self) -> usize {
        self.fields.len() + usize::from(self.body.is_some())
    }

    /// Whether it says all that another row says.
    fn covers(&self, other: &Self) -> bool {
        other.fields.iter().all(|field| self.fields.binary_search(field).is_ok())
            && (other.body.is_none() || other.body == self.body)
    }

    /// The value by which a reader would know the record.
    fn own_name(&self) -> Option<&str> {
        let named = self.fields.iter().find(|(name, _)| Some(name.as_str()) == self.name);
        named.map(|(_, value)| value.as_str())
    }
}

/// Rows with the same values, and the records that have all of these. The rows share the records: which of them is whose
/// makes no difference.
struct Group<'w, 'c> {
    row: &'w Wanted,
    /// Their numbers.
    rows: Vec<usize>,
    /// The calls that they were in.
    calls: BTreeSet<usize>,
    fitting: Vec<&'c str>,
    /// Whether all rows that may have made one of these records have made one.
    complete: bool,
}

/// The rows in groups, those that say most first.
struct Groups<'w, 'c> {
    all: Vec<Group<'w, 'c>>,
    /// By record, the groups of which it has all the values: one of their rows has made it.
    makers: HashMap<&'c str, Vec<usize>>,
}

impl<'w, 'c> Groups<'w, 'c> {
    fn new(
        wanted: &'w [Wanted],
        calls: &[usize],
        candidates: &'c [(String, &str)],
        bodies: &HashMap<String, Vec<u8>>,
    ) -> Self {
        let index = Index::new(wanted, candidates);
        let mut alike: HashMap<&Wanted, (Vec<usize>, BTreeSet<usize>)> = HashMap::new();
        for (at, (row, call)) in wanted.iter().zip(calls).enumerate() {
            let (rows, calls) = alike.entry(row).or_default();
            rows.push(at);
            calls.insert(*call);
        }
        let group = |(row, (rows, calls)): (&'w Wanted, _)| {
            let body_fits = |id: &&str| row.body.is_none() || bodies.get(*id) == row.body.as_ref();
            let fitting = index.fitting(row).iter().copied().filter(body_fits).collect();
            Group { row, rows, calls, fitting, complete: false }
        };
        let mut all: Vec<Group<'_, '_>> = alike.into_iter().map(group).collect();
        all.sort_by_key(|group| (Reverse(group.row.says()), group.rows.first().copied()));
        let mut makers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, group) in all.iter().enumerate() {
            group.fitting.iter().for_each(|id| makers.entry(id).or_default().push(at));
        }
        let mut groups = Self { all, makers };
        let complete: Vec<bool> = groups.all.iter().map(|group| groups.are_all_there(group)).collect();
        for (group, complete) in groups.all.iter_mut().zip(complete) {
            group.complete = complete;
        }
        groups
    }

    /// The groups that may have made one of these records.
    fn makers(&self, ids: &[&str]) -> impl Iterator<Item = &Group<'w, 'c>> {
        let makers: BTreeSet<usize> =
            ids.iter().filter_map(|id| self.makers.get(id)).flatten().copied().collect();
        makers.into_iter().filter_map(|at| self.all.get(at))
    }

    /// Whether there are as many records that may be a group's as rows that may have made them: then none of the rows was
    /// refused, and none is still under way.
    fn are_all_there(&self, group: &Group<'_, '_>) -> bool {
        group.fitting.len() == self.makers(&group.fitting).map(|maker| maker.rows.len()).sum::<usize>()
    }

    /// Whether these records, which those that say more have left to a group, are its own for certain.
    fn owns(&self, group: &Group<'_, '_>, left: &[&str]) -> bool {
        let others = || self.makers(left).filter(|other| other.row != group.row);
        // Rows of which each says what the other does not: the record may be either's.
        if others().any(|other| !group.row.covers(other.row)) {
            return false;
        }
        // A row that says less may have made one of them too, where the org itself has set the rest. The record is as good
        // for the one as for the other then, and whichever gets none is sent again. That makes nothing twice where no row
        // can still arrive: all are there, or all were in one call, whose rows are there together or were refused.
        let together = group.calls.len() == 1 && others().all(|other| other.calls == group.calls);
        let complete = left.len() == group.rows.len() && others().all(|other| other.complete);
        complete || (together && left.len() <= group.rows.len())
    }
}

/// Compares the rows with the records that were found. Each record goes to one row at most; where two rows that are not
/// alike may have made it, it goes to the one that says all that the other says, and more, or to none of them.
pub(super) fn settle_group(
    wanted: &[Wanted],
    calls: &[usize],
    candidates: &[(String, &str)],
    bodies: &HashMap<String, Vec<u8>>,
) -> Matches {
    let mut matches = Matches { found: vec![Found::Nothing; wanted.len()], committed: BTreeSet::new() };
    let groups = Groups::new(wanted, calls, candidates, bodies);
    let mut given: HashSet<&str> = HashSet::new();
    let mut disputed: HashSet<&str> = HashSet::new();
    for group in &groups.all {
        let left: Vec<&str> = group.fitting.iter().copied().filter(|id| !given.contains(id)).collect();
        if left.is_empty() {
            continue;
        }
        let clear = !left.iter().any(|id| disputed.contains(id)) && groups.owns(group, &left);
        if clear {
            given.extend(&left);
        } else {
            disputed.extend(&left);
        }
        for (nth, at) in group.rows.iter().enumerate() {
            let found = match left.get(nth) {
                Some(id) if clear => Found::One((*id).to_owned()),
                None if clear => Found::Nothing,
                _ => unclear(&left),
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
    let resembling = Resembling::new(wanted, candidates, |id| groups.makers.contains_key(id));
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
    fn new(wanted: &[Wanted], candidates: &'c [(String, &str)], taken: impl Fn(&str) -> bool) -> Self {
        // The rows are of one object, and so have their names in one field.
        let name = wanted.iter().find_map(|row| row.name);
        let mut resembling = Self { all: Vec::new(), by_name: HashMap::new() };
        for (id, json) in candidates.iter().filter(|(id, _)| !taken(id)) {
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
#[path = "matching_test.rs"]
mod tests;
