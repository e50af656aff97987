use proptest::prelude::*;

use super::*;

fn wanted(name: &str, phone: &str) -> Wanted {
    wrote(&[("LastName", name), ("Phone", phone)])
}

fn wrote(fields: &[(&'static str, &str)]) -> Wanted {
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (Cow::Borrowed(*name), Json::text(value))).collect();
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

fn one(id: &str) -> Found {
    Found::One(id.to_owned())
}

fn may_be(ids: &[&str]) -> Found {
    unclear(ids)
}

/// One of two rows says all that the other says, and more.
#[test]
fn a_record_that_fits_two_rows_goes_to_the_one_that_says_more() {
    let rows = [wrote(&[("LastName", "Feig")]), wanted("Feig", "1")];
    let (bare, full) = (("003A", row("Feig", "")), ("003B", row("Feig", "1")));
    for (there, found) in [
        (vec![bare.clone(), full.clone()], [one("003A"), one("003B")]),
        (vec![full.clone()], [Found::Nothing, one("003B")]),
        (vec![bare], [one("003A"), Found::Nothing]),
    ] {
        let matches = settle(&rows, &[0, 0], &there);
        assert_eq!(matches.found, found, "{there:?}");
        assert_eq!(matches.committed, BTreeSet::from([0]));
        let turned = settle(&[rows[1].clone(), rows[0].clone()], &[0, 0], &there);
        assert_eq!(turned.found.into_iter().rev().collect::<Vec<_>>(), found, "{there:?}");
    }
}

/// Of two calls, one may still be under way: whose the only record is decides which.
#[test]
fn a_record_that_fits_rows_of_two_calls_is_nobodys_unless_all_are_there() {
    let rows = [wrote(&[("LastName", "Feig")]), wanted("Feig", "1")];
    let (bare, full) = (("003A", row("Feig", "")), ("003B", row("Feig", "1")));
    let matches = settle(&rows, &[0, 1], &[bare, full.clone()]);
    assert_eq!(matches.found, [one("003A"), one("003B")]);
    assert_eq!(matches.committed, BTreeSet::from([0, 1]));
    let matches = settle(&rows, &[0, 1], &[full]);
    assert_eq!(matches.found, [may_be(&["003B"]), may_be(&["003B"])]);
    assert!(matches.committed.is_empty());
}

#[test]
fn a_record_that_fits_rows_of_which_none_says_more_is_nobodys() {
    let json = serde_json::json!({"Id": "x", "LastName": "Feig", "Phone": "1", "Email": "e", "Fax": "2"});
    let phone = || wanted("Feig", "1");
    let (email, more) = (
        wrote(&[("LastName", "Feig"), ("Email", "e")]),
        wrote(&[("LastName", "Feig"), ("Email", "e"), ("Fax", "2")]),
    );
    for other in [email, more] {
        for rows in [[phone(), other.clone()], [other, phone()]] {
            let matches = settle(&rows, &[0, 0], &[("003A", json.to_string())]);
            assert_eq!(matches.found, [may_be(&["003A"]), may_be(&["003A"])], "{rows:?}");
            assert!(matches.committed.is_empty());
        }
    }
}

/// What may be another row's is not given away, though it is the only one left.
#[test]
fn a_record_that_is_perhaps_another_rows_is_nobodys() {
    let rows = [wrote(&[("LastName", "Feig")]), wanted("Feig", "1")];
    let there = [("003A", row("Feig", "1")), ("003B", row("Feig", "1"))];
    let matches = settle(&rows, &[0, 0], &there);
    assert_eq!(matches.found, [may_be(&["003A", "003B"]), may_be(&["003A", "003B"])]);
    assert!(matches.committed.is_empty());
}

#[test]
fn of_rows_of_two_calls_that_are_alike_and_of_which_none_is_there_nothing_is_found() {
    let matches = settle(&[wanted("Feig", "1"), wanted("Feig", "1")], &[0, 1], &[]);
    assert_eq!(matches.found, [Found::Nothing, Found::Nothing]);
}

proptest! {
    /// Whatever subset of the rows was carried out: each record goes to one row at most, to one with its values, and
    /// no row whose record is there is said to have none.
    #[test]
    fn no_record_is_given_twice_and_none_is_overlooked(
        names in proptest::collection::vec((0..4_u8, proptest::option::of(0..2_u8)), 1..12),
        carried_out in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let phone = |phone: Option<u8>| phone.map(|phone| phone.to_string());
        let wanted: Vec<Wanted> = names.iter().map(|(name, said)| match phone(*said) {
            Some(phone) => wanted(&format!("n{name}"), &phone),
            None => wrote(&[("LastName", &format!("n{name}"))]),
        }).collect();
        let rows: Vec<(String, String)> = names
            .iter()
            .zip(&carried_out)
            .enumerate()
            .filter(|(_, (_, done))| **done)
            .map(|(at, ((name, said), _))| {
                (format!("003{at:02}"), row(&format!("n{name}"), &phone(*said).unwrap_or_default()))
            })
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
    /// Whatever arrived of several calls, and whatever the org sets by itself where a row says nothing: no record is given
    /// to two rows or to one with other values, no call is held to be carried out that was not, and whoever sends again
    /// what is not there makes nothing twice.
    #[test]
    fn nothing_is_made_twice(
        rows in proptest::collection::vec(
            (0..2_u8, proptest::option::of(0..2_u8), proptest::option::of(0..2_u8), 0..3_usize, any::<bool>()),
            1..9,
        ),
        arrived in proptest::collection::vec(any::<bool>(), 3),
        set in (proptest::option::of(0..2_u8), proptest::option::of(0..2_u8)),
    ) {
        let name = |name: u8| format!("n{name}");
        let text = |value: Option<u8>| value.map(|value| value.to_string());
        let wanted: Vec<Wanted> = rows.iter().map(|(own, phone, fax, ..)| {
            let (own, phone, fax) = (name(*own), text(*phone), text(*fax));
            let mut fields = vec![("LastName", own.as_str())];
            fields.extend(phone.as_deref().map(|phone| ("Phone", phone)));
            fields.extend(fax.as_deref().map(|fax| ("Fax", fax)));
            wrote(&fields)
        }).collect();
        let made = rows.iter().enumerate().filter(|(_, (.., call, done))| *done && arrived[*call]);
        let records: Vec<(String, String)> = made.map(|(at, (own, phone, fax, ..))| {
            let (phone, fax) = (text(phone.or(set.0)), text(fax.or(set.1)));
            let json = serde_json::json!({"LastName": name(*own), "Phone": phone, "Fax": fax});
            (format!("003{at:02}"), json.to_string())
        }).collect();
        let calls: Vec<usize> = rows.iter().map(|(.., call, _)| *call).collect();
        let candidates: Vec<(String, &str)> =
            records.iter().map(|(id, json)| (id.clone(), json.as_str())).collect();
        let matches = settle_group(&wanted, &calls, &candidates, &HashMap::new());
        let mut given = BTreeSet::new();
        for (found, row) in matches.found.iter().zip(&wanted) {
            if let Found::One(id) = found {
                prop_assert!(given.insert(id), "{} is given twice", id);
                let own: Vec<_> = candidates.iter().filter(|(other, _)| other == id).cloned().collect();
                prop_assert!(fitting(std::slice::from_ref(row), &own).contains(id.as_str()));
            }
        }
        prop_assert!(matches.committed.iter().all(|call| arrived[*call]));
        let again = matches.found.iter().zip(&calls);
        let again = again.filter(|(found, call)| **found == Found::Nothing && matches.committed.contains(call));
        let late = calls.iter().filter(|call| !arrived[**call]).count();
        prop_assert!(records.len() + late + again.count() <= rows.len());
    }
}
