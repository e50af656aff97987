//! Our describes against those that real orgs gave, where the recordings are present.

use std::path::PathBuf;

use serde_json::Value;

use super::*;

/// The recordings, or none with a line that says so.
fn recordings() -> Option<PathBuf> {
    let root = std::env::var_os("UNICRM_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join("salesforce");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no recordings at {}", folder.display());
    None
}

fn read(path: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn field<'a>(describe: &'a Value, name: &str) -> Option<&'a Value> {
    describe["fields"].as_array()?.iter().find(|f| f["name"] == name)
}

/// The orgs of the recordings had no shared activities.
fn plain_schema() -> Schema {
    Schema::standard(&Features { shared_activities: false, ..Features::default() })
}

/// The recorded Account is of an older version (48) than the recorded Lead (59), whose picklists are longer.
const PICKLIST_LENGTH: &str = "picklists that an org can extend hold 255 characters by now";

/// Where ours differs on purpose: object, field, attribute, why.
const EXPLAINED: &[(&str, &str, &str, &str)] = &[
    ("*", "RecurrenceTimeZoneSidKey", "picklistValues", "labels change with daylight saving time"),
    ("*", "TimeZoneSidKey", "picklistValues", "labels change with daylight saving time"),
    ("Account", "Type", "length", PICKLIST_LENGTH),
    ("Account", "Type", "byteLength", PICKLIST_LENGTH),
    ("Account", "Industry", "length", PICKLIST_LENGTH),
    ("Account", "Industry", "byteLength", PICKLIST_LENGTH),
    ("Account", "Ownership", "length", PICKLIST_LENGTH),
    ("Account", "Ownership", "byteLength", PICKLIST_LENGTH),
    ("Account", "Rating", "length", PICKLIST_LENGTH),
    ("Account", "Rating", "byteLength", PICKLIST_LENGTH),
    ("Account", "AccountSource", "length", PICKLIST_LENGTH),
    ("Account", "AccountSource", "byteLength", PICKLIST_LENGTH),
    ("Opportunity", "Fiscal", "byteLength", "made of numbers, so one byte a character"),
    ("RecordType", "SobjectType", "picklistValues", "objects of this schema"),
    ("Name", "Type", "picklistValues", "objects of this schema"),
    ("EmailMessage", "ValidatedFromAddress", "picklistValues", "addresses of the recorded org's users"),
];

fn explained(object: &str, field: &str, attribute: &str) -> bool {
    EXPLAINED
        .iter()
        .any(|(o, f, a, _)| (*o == "*" || *o == object) && (*f == "*" || *f == field) && *a == attribute)
}

/// Custom fields, and standard-looking ones that a package added, are the recorded org's own.
fn is_foreign(field: &Value) -> bool {
    field["custom"] == true || field["name"].as_str().is_some_and(|n| n.ends_with("__c"))
}

/// Every attribute of every recorded field that ours says differently.
fn differences(object: &str, recorded: &Value, ours: &Value, ignore: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for theirs in recorded["fields"].as_array().into_iter().flatten().filter(|f| !is_foreign(f)) {
        let name = theirs["name"].as_str().unwrap_or_default();
        let Some(mine) = field(ours, name) else {
            found.push(format!("{object}.{name}: missing"));
            continue;
        };
        for (key, value) in theirs.as_object().into_iter().flatten() {
            if ignore.contains(&key.as_str()) || explained(object, name, key) {
                continue;
            }
            let same = match key.as_str() {
                "referenceTo" => targets_agree(value, &mine[key]),
                _ => mine.get(key) == Some(value),
            };
            if !same {
                found.push(format!("{object}.{name}.{key}: recorded {value}, ours {}", mine[key]));
            }
        }
    }
    found
}

/// The same targets, or (of a reference to dozens of kinds) a subset of them that is not empty.
fn targets_agree(theirs: &Value, ours: &Value) -> bool {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let (theirs, ours) = (list(theirs), list(ours));
    if theirs.len() > 30 {
        !ours.is_empty() && ours.iter().all(|o| theirs.contains(o))
    } else {
        theirs == ours
    }
}

fn check_children(object: &str, recorded: &Value, schema: &Schema, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mine = ours["childRelationships"].as_array().cloned().unwrap_or_default();
    for child in recorded["childRelationships"].as_array().into_iter().flatten() {
        let (name, field) =
            (child["childSObject"].as_str().unwrap_or_default(), child["field"].as_str().unwrap_or_default());
        // Objects that this schema leaves out, or fields of features that are off, cannot point here.
        if schema.object(name).is_none_or(|o| o.field(field).is_none()) {
            continue;
        }
        match mine.iter().find(|c| c["childSObject"] == name && c["field"] == field) {
            None => found.push(format!("{object} <- {name}.{field}: missing")),
            Some(c) if c["relationshipName"] != child["relationshipName"] => found.push(format!(
                "{object} <- {name}.{field}: recorded {}, ours {}",
                child["relationshipName"], c["relationshipName"]
            )),
            Some(_) => {}
        }
    }
    found
}

#[test]
fn whole_describes_agree() {
    let Some(folder) = recordings() else { return };
    let schema = plain_schema();
    let visibility = Visibility::administrator();
    let describer = describer(&schema, &visibility);
    let mut found = Vec::new();
    for object in ["Account", "Contact", "Event", "Lead", "Opportunity"] {
        let recorded = read(&folder.join(format!("describe/{object}.json")));
        let ours = describer.object(object).expect("built in");
        found.extend(differences(object, &recorded, &ours, &[]));
        found.extend(check_children(object, &recorded, &schema, &ours));
        for (key, value) in recorded.as_object().expect("object") {
            let mine = ours.get(key);
            if mine.is_none() {
                found.push(format!("{object}: no key {key}"));
            } else if !value.is_array() && !value.is_object() && mine != Some(value) {
                found.push(format!("{object}.{key}: recorded {value}, ours {mine:?}"));
            }
        }
        for (key, value) in recorded["urls"].as_object().expect("urls") {
            let shape = |v: &Value| {
                v.as_str().unwrap_or_default().rsplit("sobjects").next().unwrap_or_default().to_owned()
            };
            let mine = &ours["urls"][key];
            let same = if value.as_str().is_some_and(|u| u.starts_with('/')) {
                shape(mine) == shape(value)
                    && mine.as_str().is_some_and(|u| u.starts_with("/services/data/v66.0/"))
            } else {
                mine.is_string()
            };
            if !same {
                found.push(format!("{object}.urls.{key}: recorded {value}, ours {mine}"));
            }
        }
        for list in ["recordTypeInfos", "supportedScopes", "childRelationships"] {
            let keys = |v: &Value| v[list][0].as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
            if keys(&recorded) != keys(&ours) {
                found.push(format!("{object}.{list}: keys {:?}, ours {:?}", keys(&recorded), keys(&ours)));
            }
        }
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn cached_describes_agree() {
    let Some(folder) = recordings() else { return };
    let schema = plain_schema();
    let visibility = Visibility::administrator();
    let describer = describer(&schema, &visibility);
    let mut found = Vec::new();
    let mut compared = 0;
    for entry in
        std::fs::read_dir(folder.join("describe-cached")).expect("folder").map(|e| e.expect("entry").path())
    {
        let object = entry.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
        // A list of names, three objects that cannot be queried by themselves or are left out, and those compared whole.
        if matches!(
            object.as_str(),
            "typeNames"
                | "NoteAndAttachment"
                | "OpenActivity"
                | "DuplicateRecordSet"
                | "Account"
                | "Contact"
                | "Event"
                | "Lead"
                | "Opportunity"
        ) {
            continue;
        }
        let recorded = read(&entry);
        let Some(ours) = describer.object(&object) else {
            found.push(format!("{object}: missing"));
            continue;
        };
        compared += 1;
        found.extend(differences(&object, &recorded, &ours, &[]));
        found.extend(check_children(&object, &recorded, &schema, &ours));
        if recorded["label"] != ours["label"] {
            found.push(format!("{object}: label {} is ours {}", recorded["label"], ours["label"]));
        }
    }
    assert!(compared >= 20, "only {compared} recordings");
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

#[test]
fn user_agrees_with_its_old_describe() {
    let Some(folder) = recordings() else { return };
    let schema = plain_schema();
    let visibility = Visibility::administrator();
    let ours = describer(&schema, &visibility).object("User").expect("built in");
    let recorded = read(&folder.join("describe/User.v29.json"));
    // Version 29 named some things differently; fields that later versions dropped are not ours to have.
    let gone: Vec<String> = recorded["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|f| f["name"].as_str())
        .filter(|name| field(&ours, name).is_none())
        .map(str::to_owned)
        .collect();
    let dropped =
        ["UserPermissionsMobileUser", "UserPermissionsChatterAnswersUser", "UserPreferencesOptOutOfTouch"];
    let mut found: Vec<String> = differences(
        "User",
        &recorded,
        &ours,
        &[
            "label",
            "picklistValues",
            "permissionable",
            "groupable",
            "relationshipName",
            "restrictedPicklist",
            "extraTypeInfo",
            "type",
            "soapType",
            "referenceTo",
            "defaultValue",
            "idLookup",
            "filterable",
            "sortable",
        ],
    );
    found.retain(|line| !gone.iter().any(|name| line.starts_with(&format!("User.{name}:"))));
    assert!(gone.iter().all(|name| dropped.contains(&name.as_str()) || name.ends_with("__c")), "{gone:?}");
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}
