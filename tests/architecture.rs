//! The dependency rule: arrows point one way.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each crate may depend on, in normal builds. What is missing here may depend on nothing of ours.
const ALLOWED: &[(&str, &[&str])] = &[
    ("unicrm-core", &[]),
    ("unicrm-http", &["unicrm-core"]),
    ("unicrm-phone", &["unicrm-core"]),
    ("unicrm-store", &["unicrm-core", "unicrm-phone"]),
    ("unicrm-sync", &["unicrm-core", "unicrm-store"]),
    ("unicrm-testkit", &["unicrm-core"]),
    ("unicrm-salesforce", &["unicrm-core", "unicrm-http", "unicrm-phone"]),
    ("unicrm-salesforce-emulator", &[]),
    ("unicrm", &["unicrm-core", "unicrm-salesforce"]),
    ("unicrm-cli", &["unicrm", "unicrm-core", "unicrm-store", "unicrm-sync", "unicrm-salesforce-emulator"]),
    (
        "unicrm-tests",
        &["unicrm-core", "unicrm-salesforce", "unicrm-salesforce-emulator", "unicrm-store", "unicrm-sync"],
    ),
];

fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let ours: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let normal = |package: &cargo_metadata::Package| {
        let normal =
            package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
        normal.map(|dependency| dependency.name.clone()).filter(|name| ours.contains(name)).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), normal(package))).collect()
}

#[test]
fn arrows_point_one_way() {
    let edges = edges();
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    for (package, dependencies) in &edges {
        let may = allowed
            .get(package.as_str())
            .unwrap_or_else(|| panic!("{package} is not in the dependency rule"));
        for dependency in dependencies {
            assert!(may.contains(&dependency.as_str()), "{package} must not depend on {dependency}");
        }
    }
    assert_eq!(edges.len(), ALLOWED.len(), "the dependency rule names a crate that is not there");
}

#[test]
fn core_has_no_network() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/core/Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let core = metadata.packages.iter().find(|package| package.name.as_str() == "unicrm-core").expect("core");
    let normal = core.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    let names: BTreeSet<_> = normal.map(|dependency| dependency.name.as_str()).collect();
    let expected = [
        "async-trait",
        "futures",
        "inventory",
        "jiff",
        "mockall",
        "rust_decimal",
        "secrecy",
        "serde",
        "serde_json",
        "serde_path_to_error",
        "sha1",
        "uuid",
    ];
    assert_eq!(
        names,
        expected.into_iter().collect(),
        "every plugin inherits core's list: add to it on purpose only"
    );
}
