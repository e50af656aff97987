//! Large loads: which rows go into a Bulk job, as which CSV, and which of its results is whose. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use csv::{QuoteStyle, StringRecord, WriterBuilder};

use super::plan::{Job, Method, Work};
use crate::api::{MAX_UPLOAD, NULL_CELL, NewIngest, ResultTable, widened};

/// The objects that Bulk jobs write as collections do. Not among them: leads, whose active assignment rule Bulk leaves out,
/// and enhanced notes, whose bodies are binary.
const LOADED: [&str; 5] = ["Account", "Contact", "Opportunity", "Task", "Event"];

/// Rows of one object on which one job does one thing.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) method: Method,
    pub(super) sobject: &'static str,
    pub(super) jobs: Vec<Job>,
    columns: Vec<String>,
    pub(super) csv: Vec<u8>,
}

/// Takes out what is enough for a Bulk job: at least `least` rows of one object and one sort. The rest goes the usual way.
pub(super) fn loads(jobs: Vec<Job>, least: usize) -> (Vec<Load>, Vec<Job>) {
    let mut groups: BTreeMap<(Method, &'static str), Vec<Job>> = BTreeMap::new();
    let mut rest = Vec::new();
    for job in jobs {
        let method = job.method();
        let simple = matches!(method, Method::Create | Method::Update | Method::Upsert(..) | Method::Delete);
        match LOADED.into_iter().find(|sobject| *sobject == job.sobject()) {
            Some(sobject) if simple && job.resent.is_none() && is_plain(&job) => {
                groups.entry((method, sobject)).or_default().push(job);
            }
            _ => rest.push(job),
        }
    }
    let mut loads = Vec::new();
    for ((method, sobject), jobs) in groups {
        if jobs.len() < least {
            rest.extend(jobs);
        } else {
            loads.extend(uploads(&method, sobject, jobs));
        }
    }
    (loads, rest)
}

/// Whether every value can stand in a cell, and means there what it means in JSON.
fn is_plain(job: &Job) -> bool {
    let keyed = match &job.work {
        Work::Upsert { key, .. } => job.encoded.fields.iter().any(|(name, _)| name == key),
        _ => true,
    };
    keyed
        && job.encoded.fields.iter().all(|(_, value)| {
            let text = value.to_text();
            let nested = matches!(value.as_str().as_bytes().first(), Some(b'{' | b'['));
            !nested && text.is_none_or(|text| text.trim() != NULL_CELL && !text.contains('\0'))
        })
}

/// The rows as uploads, each of them as large as one may be.
fn uploads(method: &Method, sobject: &'static str, jobs: Vec<Job>) -> Vec<Load> {
    let columns = columns(method, &jobs);
    let header = line(columns.iter().map(String::as_str));
    let empty = || Load {
        method: method.clone(),
        sobject,
        jobs: Vec::new(),
        columns: columns.clone(),
        csv: header.clone(),
    };
    let mut loads = vec![empty()];
    for job in jobs {
        let row = line(columns.iter().map(|column| cell(&job, column)));
        if loads.last().is_none_or(|load| !load.jobs.is_empty() && load.csv.len() + row.len() > MAX_UPLOAD) {
            loads.push(empty());
        }
        if let Some(load) = loads.last_mut() {
            load.csv.extend_from_slice(&row);
            load.jobs.push(job);
        }
    }
    loads
}

/// The names of all fields that any of the rows writes, with the id before them where there is one.
fn columns(method: &Method, jobs: &[Job]) -> Vec<String> {
    let named: BTreeSet<&str> =
        jobs.iter().flat_map(|job| job.encoded.fields.iter().map(|(name, _)| name.as_ref())).collect();
    let id = matches!(method, Method::Update | Method::Delete).then_some("Id");
    id.into_iter().chain(named).map(str::to_owned).collect()
}

/// What stands in a cell: nothing leaves a field as it is, as in JSON a member that is not there.
fn cell(job: &Job, column: &str) -> String {
    if column == "Id"
        && let Work::Update { id } | Work::Delete { id } = &job.work
    {
        return id.clone();
    }
    let Some((_, value)) = job.encoded.fields.iter().find(|(name, _)| name == column) else {
        return String::new();
    };
    match value.to_text() {
        Some(text) if text.trim().is_empty() => NULL_CELL.to_owned(),
        Some(text) => text,
        None if value.as_str() == "null" => NULL_CELL.to_owned(),
        None => value.as_str().to_owned(),
    }
}

fn line<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> Vec<u8> {
    let mut writer = WriterBuilder::new().quote_style(QuoteStyle::Necessary).from_writer(Vec::new());
    // Into memory; there is no way for it to fail.
    let written = writer.write_record(cells).is_ok();
    debug_assert!(written, "a record is written into memory");
    writer.into_inner().unwrap_or_default()
}

impl Load {
    /// The job that does it.
    pub(super) fn job(&self) -> NewIngest<'_> {
        let operation = match &self.method {
            Method::Update => "update",
            Method::Upsert(..) => "upsert",
            Method::Delete => "delete",
            _ => "insert",
        };
        let mut job = NewIngest::new(self.sobject, operation);
        if let Method::Upsert(_, key) = &self.method {
            job.external_id_field_name = Some(key);
        }
        job
    }

    /// Finds out whose each row of the tables is: Salesforce repeats the cells and does not promise an order. Rows that are
    /// alike share their results. For each table, the number of the job in this load per row, where there is one.
    pub(super) fn owners(&self, tables: &[&ResultTable]) -> Vec<Vec<Option<usize>>> {
        let telling = self.telling();
        let mut waiting: HashMap<String, VecDeque<usize>> = HashMap::new();
        for (at, job) in self.jobs.iter().enumerate() {
            let key = key(telling.iter().map(|column| cell(job, column)));
            waiting.entry(key).or_default().push_back(at);
        }
        let mut owner = |table: &ResultTable, places: &[Option<usize>], row: &StringRecord| {
            // A deletion's result may have the id in Salesforce's own column alone.
            let own = || table.column("sf__Id").and_then(|at| row.get(at));
            let cells =
                places.iter().map(|place| place.and_then(|at| row.get(at)).or_else(own).unwrap_or_default());
            waiting.get_mut(&key(cells.map(str::to_owned)))?.pop_front()
        };
        tables
            .iter()
            .map(|table| {
                let places: Vec<_> = telling.iter().map(|column| table.column(column)).collect();
                table.rows.iter().map(|row| owner(table, &places, row)).collect()
            })
            .collect()
    }

    /// The columns that tell one row from another.
    fn telling(&self) -> Vec<&str> {
        match &self.method {
            Method::Update | Method::Delete => vec!["Id"],
            Method::Upsert(_, key) => vec![key],
            _ => self.columns.iter().map(String::as_str).collect(),
        }
    }
}

/// The cells of a row in a form that survives the way there and back.
fn key(cells: impl Iterator<Item = String>) -> String {
    let mut key = String::new();
    for cell in cells {
        let cell = cell.replace("\r\n", "\n");
        key.push_str(&widened(cell.trim()));
        key.push('\u{1f}');
    }
    key
}

#[cfg(test)]
#[path = "load_test.rs"]
mod tests;
