//! Computed ids: the vectors are fixed for ever, since hosts store them.

use unicrm_core::{LinkedAccountId, ObjectKind, compute_id};

/// Linked account, kind, remote id, unified id. Computed with Python's `uuid.uuid5`.
const VECTORS: &str = include_str!("id-vectors.csv");

#[test]
fn ids_are_the_committed_vectors() {
    let mut kinds = std::collections::BTreeSet::new();
    for line in VECTORS.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        let [linked_account, kind, remote_id, id] = cells[..] else { panic!("four cells in {line}") };
        let linked_account: LinkedAccountId = linked_account.parse().unwrap();
        let kind: ObjectKind = kind.parse().unwrap();
        assert_eq!(compute_id(linked_account, kind, remote_id).to_string(), id, "{line}");
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), ObjectKind::ALL.len(), "a vector for every kind");
}
