//! The provider contract and the conformance suite name each other.

use std::collections::BTreeSet;

use unicrm_testkit::conformance::CASES;

const CONTRACT: &str = include_str!("../docs/provider-contract.md");

#[test]
fn every_case_is_cited_by_a_clause_and_every_cited_case_exists() {
    let cited: BTreeSet<_> = CONTRACT
        .lines()
        .filter_map(|line| line.split_once(" — `"))
        .map(|(_, case)| case.trim_end_matches('`'))
        .collect();
    let cases: BTreeSet<_> = CASES.iter().copied().collect();
    assert_eq!(cited, cases);
}
