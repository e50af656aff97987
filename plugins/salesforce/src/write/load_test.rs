use std::borrow::Cow;

use proptest::prelude::*;
use unicrm_core::{Json, ObjectKind};

use super::super::plan::Subject;
use super::*;
use crate::objects::Encoded;

fn job(row: usize, work: Work, fields: &[(&'static str, Json)]) -> Job {
    let fields = fields.iter().map(|(name, value)| (Cow::Borrowed(*name), value.clone())).collect();
    let encoded = Encoded { sobject: "Contact", fields, ..Encoded::default() };
    Job::new(row, Subject::Object(ObjectKind::Contact), work, encoded)
}

fn update(row: usize, id: &str, fields: &[(&'static str, Json)]) -> Job {
    job(row, Work::Update { id: id.to_owned() }, fields)
}

fn text(load: &Load) -> &str {
    std::str::from_utf8(&load.csv).unwrap()
}

#[test]
fn absent_is_empty_and_null_says_so() {
    let jobs = vec![
        update(0, "003A", &[("FirstName", Json::of(&())), ("Phone", Json::text("1, \"2\"\n3"))]),
        update(
            1,
            "003B",
            &[("IsX__c", Json::of(&true)), ("Amount__c", Json::parse("12345678901234567.89").unwrap())],
        ),
        update(2, "003C", &[("Phone", Json::text("  "))]),
    ];
    let (loads, rest) = loads(jobs, 3);
    assert!(rest.is_empty());
    let expected = "Id,Amount__c,FirstName,IsX__c,Phone\n\
                    003A,,#N/A,,\"1, \"\"2\"\"\n3\"\n\
                    003B,12345678901234567.89,,true,\n\
                    003C,,,,#N/A\n";
    assert_eq!(text(&loads[0]), expected);
    assert_eq!(loads[0].job().operation, "update");
}

#[test]
fn few_rows_and_rows_that_csv_cannot_hold_go_the_usual_way() {
    let name = |text: &str| [("LastName", Json::text(text))];
    let plain = |row| job(row, Work::Create, &name("Feig"));
    let (none, rest) = loads((0..9).map(plain).collect(), 10);
    assert_eq!((none.len(), rest.len()), (0, 9));
    let mut mixed: Vec<Job> = (0..10).map(plain).collect();
    mixed.push(job(10, Work::Create, &name("#N/A")));
    mixed.push(job(11, Work::Create, &name("nul \0")));
    mixed.push(job(12, Work::Create, &[("Address", Json::parse("{}").unwrap())]));
    let mut lead = job(13, Work::Create, &name("Lead"));
    lead.encoded.sobject = "Lead";
    mixed.push(lead);
    mixed.push(job(14, Work::Upsert { key: "Erp__c".into(), value: "1".into() }, &name("no key")));
    let (one, rest) = loads(mixed, 10);
    assert_eq!((one.len(), one[0].jobs.len()), (1, 10));
    assert_eq!(rest.iter().map(|job| job.row).collect::<Vec<_>>(), [10, 11, 12, 13, 14]);
}

#[test]
fn each_sort_of_work_is_a_job_of_its_own() {
    let key = || [("Erp__c", Json::text("4711"))];
    let jobs = vec![
        job(0, Work::Create, &key()),
        update(1, "003A", &key()),
        job(2, Work::Upsert { key: "Erp__c".into(), value: "4711".into() }, &key()),
        job(3, Work::Delete { id: "003B".into() }, &[]),
    ];
    let (loads, _) = loads(jobs, 1);
    let mut sorts: Vec<_> = loads
        .iter()
        .map(|load| (load.job().operation, load.job().external_id_field_name, text(load)))
        .collect();
    sorts.sort_unstable();
    assert_eq!(
        sorts,
        [
            ("delete", None, "Id\n003B\n"),
            ("insert", None, "Erp__c\n4711\n"),
            ("update", None, "Id,Erp__c\n003A,4711\n"),
            ("upsert", Some("Erp__c"), "Erp__c\n4711\n"),
        ]
    );
}

proptest! {
    /// Whatever order Salesforce gives the results in, and however they are spread over the tables: each result goes to a
    /// row with its content, and no row has two.
    #[test]
    fn results_find_their_rows(
        names in proptest::collection::vec(("[a-c]{1,2}|[ \",\n'é]{1,3}x", proptest::option::of("[01]")), 1..30),
        seed in proptest::collection::vec(any::<u32>(), 30),
        spread in proptest::collection::vec(0..3_usize, 30),
    ) {
        let fields = |(name, phone): &(String, Option<String>)| {
            let mut fields = vec![("LastName", Json::text(name))];
            fields.extend(phone.as_ref().map(|phone| ("Phone", if phone == "0" { Json::of(&()) } else { Json::text(phone) })));
            fields
        };
        let jobs: Vec<Job> = names.iter().enumerate().map(|(row, name)| job(row, Work::Create, &fields(name))).collect();
        let (mut loads, _) = loads(jobs, 1);
        let load = loads.remove(0);
        // What Salesforce repeats: the cells of the upload, in an order of its own.
        let mut reader = csv::ReaderBuilder::new().from_reader(load.csv.as_slice());
        let upload: Vec<StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        prop_assert_eq!(upload.len(), names.len());
        let mut order: Vec<usize> = (0..upload.len()).collect();
        order.sort_by_key(|at| seed[*at]);
        let header = ["sf__Id"].into_iter().chain(load.columns.iter().map(String::as_str)).collect::<StringRecord>();
        let mut tables = [(); 3].map(|()| ResultTable { header: header.clone(), rows: Vec::new() });
        for at in &order {
            let id = format!("003{at}");
            tables[spread[*at]].rows.push([id.as_str()].into_iter().chain(&upload[*at]).collect());
        }
        let owners = load.owners(&[&tables[0], &tables[1], &tables[2]]);
        let mut taken = BTreeSet::new();
        for (table, owners) in tables.iter().zip(&owners) {
            for (row, owner) in table.rows.iter().zip(owners) {
                let owner = owner.expect("every result is somebody's");
                prop_assert!(taken.insert(owner));
                let from: usize = row[0][3..].parse().unwrap();
                let trimmed = |at: usize| upload[at].iter().map(str::trim).map(str::to_owned).collect::<Vec<_>>();
                prop_assert_eq!(trimmed(owner), trimmed(from));
            }
        }
        prop_assert_eq!(taken.len(), names.len());
    }
}

#[test]
fn changes_are_told_apart_by_their_ids() {
    let jobs = vec![
        update(0, "003ak00000luKU1AAM", &[("Phone", Json::text("1"))]),
        job(1, Work::Delete { id: "003ak00000luKU2AAM".into() }, &[]),
    ];
    let (loads, _) = loads(jobs, 1);
    for load in &loads {
        let table = |header: [&str; 2], row: [&str; 2]| ResultTable {
            header: header.into_iter().collect(),
            rows: vec![row.into_iter().collect()],
        };
        let id = if load.job().operation == "update" { "003ak00000luKU1" } else { "003ak00000luKU2" };
        assert_eq!(load.owners(&[&table(["sf__Id", "Id"], ["", id])]), [[Some(0)]]);
        assert_eq!(load.owners(&[&table(["sf__Id", "Phone"], [id, "1"])]), [[Some(0)]]);
        assert_eq!(load.owners(&[&table(["sf__Id", "Id"], ["", "003ak00000luKU9AAM"])]), [[None]]);
    }
}
