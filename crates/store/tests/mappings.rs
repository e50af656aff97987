//! Field mappings: over what is committed, and over what is in the store already.

use serde_json::{Value as Json, json};
use unicrm_core::{
    FieldMapping, Gone, GoneReason, LiveRow, MappedType, ObjectKind, RawRecord, Record, RemoteField,
    RemoteFieldClass, Row,
};
use unicrm_store::{Epoch, Include, LinkedAccount, ListRequest, PageCommit, Store, StoredRecord};

use crate::place::Place;
use crate::{contact, linked};

const KIND: ObjectKind = ObjectKind::Contact;

fn mapping(name: &str, remote: &str, ty: MappedType) -> FieldMapping {
    FieldMapping::new(KIND, name, remote, ty).unwrap()
}

/// A row whose raw form has a tier and a score that no unified field shows.
fn row(id: &str, tier: &str, score: &str) -> LiveRow {
    let json = format!(r#"{{"Id":"{id}","Tier__c":{tier},"Score__c":{score},"LastName":"Feig"}}"#);
    LiveRow::new(contact(id, "Feig")).with_raw(RawRecord::new("/sobjects/Contact", &json))
}

async fn commit(store: &dyn Store, epoch: Epoch, rows: Vec<Row>) -> unicrm_store::PageCounts {
    store.commit_page(PageCommit::new(epoch, KIND, rows)).await.unwrap().counts
}

async fn all(store: &dyn Store) -> Vec<StoredRecord> {
    let request = ListRequest::new(KIND).with_deleted(true).with(Include::everything()).with_limit(1_000);
    store.list(request).await.unwrap().records
}

fn lifted(record: &Record) -> Json {
    let json: Json = serde_json::from_str(&record.to_json()).unwrap();
    json["field_mappings"]["linked_account_defined_targets"].clone()
}

/// Runs the projection to its end; how many records were looked at and changed.
async fn project(store: &dyn Store, account: &LinkedAccount, page: u32) -> (u64, u64) {
    let (mut seen, mut changed) = (0, 0);
    loop {
        let step = store.project(account.id, KIND, page).await.unwrap();
        seen += step.seen;
        changed += step.changed;
        if step.done {
            return (seen, changed);
        }
    }
}

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|i| Row::Live(row(&format!("003{i:04}"), "\"gold\"", &i.to_string()))).collect()
}

pub(crate) async fn what_is_committed_is_mapped_and_a_second_time_changes_nothing(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    store.set_field_mapping(account.id, mapping("tier", "Tier__c", MappedType::Text)).await.unwrap();
    store.set_field_mapping(account.id, mapping("score", "Score__c", MappedType::Number)).await.unwrap();
    assert_eq!(project(&*store, &account, 10).await, (0, 0), "there is nothing yet");
    assert_eq!(commit(&*store, epoch, rows(3)).await.created, 3);
    assert_eq!(lifted(&all(&*store).await[2].record), serde_json::json!({"tier": "gold", "score": 2}));
    let counts = commit(&*store, epoch, rows(3)).await;
    assert_eq!((counts.unchanged, counts.updated), (3, 0));
    // A change of a mapped value alone is a change of the record.
    let changed = vec![Row::Live(row("0030001", "\"silver\"", "1"))];
    assert_eq!(commit(&*store, epoch, changed).await.updated, 1);
}

pub(crate) async fn records_are_made_anew_without_the_remote_and_only_what_differs_moves(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    commit(&*store, epoch, rows(250)).await;
    let plain = vec![
        Row::Live(row("003plain", "null", "null")),
        Row::Gone(Gone::new(KIND, "0030007", GoneReason::Deleted)),
        Row::Gone(Gone::new(KIND, "0030008", GoneReason::Deleted).with_last(row("0030008", "\"gone\"", "1"))),
    ];
    commit(&*store, epoch, plain).await;
    let before = all(&*store).await;
    assert!(before.iter().all(|stored| lifted(&stored.record).is_null()));

    store.set_field_mapping(account.id, mapping("score", "Score__c", MappedType::Number)).await.unwrap();
    assert_eq!(store.unprojected(account.id).await.unwrap(), [KIND]);
    assert_eq!(project(&*store, &account, 100).await, (251, 251));
    assert!(store.unprojected(account.id).await.unwrap().is_empty());
    let mapped = all(&*store).await;
    for (old, new) in before.iter().zip(&mapped) {
        assert!(lifted(&new.record).get("score").is_some(), "{:?}", new.record);
        assert!(new.record.get("modified_at") != old.record.get("modified_at"));
        let mut same = new.record.clone();
        same.set("field_mappings", None).unwrap();
        same.set("modified_at", old.record.get("modified_at")).unwrap();
        assert_eq!((&same, &new.gone), (&old.record, &old.gone), "nothing else has changed");
    }
    // What the remote sends again is what is there; a mapping that changes nothing changes nothing.
    let counts = commit(&*store, epoch, rows(7)).await;
    assert_eq!((counts.unchanged, counts.updated), (7, 0), "the hash is that of a mapped record");
    let again = mapping("score", "Score__c", MappedType::Number);
    assert!(!store.set_field_mapping(account.id, again).await.unwrap());
    assert!(store.unprojected(account.id).await.unwrap().is_empty());

    // Only those that have a tier come out different as text instead of a number.
    store.set_field_mapping(account.id, mapping("score", "Score__c", MappedType::Text)).await.unwrap();
    assert_eq!(project(&*store, &account, 100).await, (251, 250), "null is null in every type");
    assert!(store.remove_field_mapping(account.id, KIND, "score").await.unwrap());
    assert!(!store.remove_field_mapping(account.id, KIND, "score").await.unwrap());
    assert_eq!(project(&*store, &account, 2_000).await, (251, 251));
    let bare = all(&*store).await;
    for (old, new) in before.iter().zip(&bare) {
        let mut same = new.record.clone();
        same.set("modified_at", old.record.get("modified_at")).unwrap();
        assert_eq!(same, old.record, "as if there had never been a mapping");
    }
    assert_eq!(commit(&*store, epoch, rows(7)).await.unchanged, 7);
}

pub(crate) async fn an_interrupted_projection_goes_on_where_it_was(place: Place) {
    let account = {
        let (store, account, epoch) = linked(&place).await;
        commit(&*store, epoch, rows(30)).await;
        store.set_field_mapping(account.id, mapping("tier", "Tier__c", MappedType::Text)).await.unwrap();
        let step = store.project(account.id, KIND, 12).await.unwrap();
        assert_eq!((step.seen, step.changed, step.done), (12, 12, false));
        account
    };
    // As another process would.
    let store = place.open().await;
    assert_eq!(store.unprojected(account.id).await.unwrap(), [KIND]);
    assert_eq!(project(&*store, &account, 12).await, (18, 18), "none is looked at twice");
    assert!(all(&*store).await.iter().all(|stored| lifted(&stored.record)["tier"] == "gold"));
    // Another mapping begins anew.
    store.set_field_mapping(account.id, mapping("score", "Score__c", MappedType::Number)).await.unwrap();
    store.project(account.id, KIND, 12).await.unwrap();
    store.set_field_mapping(account.id, mapping("rank", "Score__c", MappedType::Text)).await.unwrap();
    assert_eq!(project(&*store, &account, 12).await, (30, 30));
    assert_eq!(store.field_mappings(account.id).await.unwrap().len(), 3);
}

/// A snapshot under way must not take a record for shown because a mapping touched it.
pub(crate) async fn a_projection_shows_no_record_to_a_snapshot(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    commit(&*store, epoch, rows(3)).await;
    store.begin_snapshot(epoch, KIND).await.unwrap();
    commit(&*store, epoch, rows(2)).await;
    store.set_field_mapping(account.id, mapping("tier", "Tier__c", MappedType::Text)).await.unwrap();
    assert_eq!(project(&*store, &account, 10).await, (3, 3));
    assert_eq!(store.finish_snapshot(epoch, KIND, None).await.unwrap().gone, 1);
}

/// What cannot be made again is not given up.
pub(crate) async fn a_record_without_its_raw_form_keeps_its_mapped_values(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    store.set_field_mapping(account.id, mapping("tier", "Tier__c", MappedType::Text)).await.unwrap();
    let mut shown = row("0030002", "\"gold\"", "2");
    if let Record::Contact(contact) = &mut shown.record {
        let mut class = RemoteFieldClass::default();
        class.remote_key_name = Some("Tier__c".to_owned());
        contact.remote_fields = vec![RemoteField::new(class.into(), unicrm_core::Json::text("gold"))];
    }
    commit(&*store, epoch, rows(2).into_iter().chain([Row::Live(shown)]).collect()).await;
    place.meddle("UPDATE contacts SET raw = NULL WHERE remote_id <> '0030000'").await;
    let targets =
        async || -> Vec<Json> { all(&*store).await.iter().map(|stored| lifted(&stored.record)).collect() };
    let step = async || {
        let step = store.project(account.id, KIND, 10).await.unwrap();
        (step.seen, step.changed, step.left)
    };

    store.set_field_mapping(account.id, mapping("score", "Score__c", MappedType::Number)).await.unwrap();
    assert_eq!(step().await, (3, 3, 2));
    let without = json!({"tier": "gold", "score": null});
    assert_eq!(targets().await, [json!({"tier": "gold", "score": 0}), without.clone(), without]);

    // A remote field needs no raw form; where nothing has the value, it stays as it was.
    assert!(store.remove_field_mapping(account.id, KIND, "score").await.unwrap());
    store.set_field_mapping(account.id, mapping("tier", "Tier__c", MappedType::List)).await.unwrap();
    assert_eq!(step().await, (3, 3, 1));
    let list = json!({"tier": ["gold"]});
    assert_eq!(targets().await, [list.clone(), json!({"tier": "gold"}), list]);

    // A mapping that is taken away takes its values along.
    assert!(store.remove_field_mapping(account.id, KIND, "tier").await.unwrap());
    assert_eq!(step().await, (3, 3, 0));
    assert_eq!(targets().await, [Json::Null, Json::Null, Json::Null]);
}
