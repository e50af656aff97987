//! Keys of a batch that do not all make sense: each row is told about its own.

use serde_json::json;
use unicrm_core::{ErrorKind, ExternalKey, ObjectKind, Outcome, OutcomeStatus, Provider, WriteOperation};
use unicrm_salesforce_emulator::FieldType;

use super::{add_key, created, empty, patch, update, write};

fn keyed(value: &str) -> WriteOperation {
    WriteOperation::upsert(
        ExternalKey::new("ErpId__c", value),
        patch(ObjectKind::Contact, json!({"last_name": format!("Key {value}")})),
    )
}

#[track_caller]
fn is_no_number(outcome: &Outcome) {
    let error = outcome.error().unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
    assert_eq!(error.fields().first().map(|field| field.pointer.as_str()), Some("/key/value"), "{error:?}");
}

#[tokio::test]
async fn a_key_that_is_no_number_fails_its_own_row() {
    let linked = empty().await;
    let org = linked.org();
    add_key(&org, "Contact", FieldType::Double).await;
    let provider = linked.connect().await;
    let there = org.create("Contact", json!({"LastName": "There", "ErpId__c": 2})).await.unwrap();
    // A row by id: which records the keys of the others stand for is asked before anything is put in order.
    let by_id = update(ObjectKind::Contact, &there, json!({"first_name": "Gil"}));
    for ambiguous in [false, true] {
        let good = if ambiguous { "11" } else { "10" };
        let mut rows: Vec<_> = ["many", good, "null", "true", "[1]", "", "2.0"].map(keyed).into();
        rows.extend(Some(by_id.clone()).filter(|_| ambiguous));
        let outcomes = write(&*provider as &dyn Provider, rows).await;
        for at in [0, 2, 3, 4, 5] {
            is_no_number(&outcomes[at]);
        }
        let made = org.get("Contact", &created(&outcomes[1])).await.unwrap().unwrap();
        assert_eq!(made.text("LastName").map(str::to_owned), Some(format!("Key {good}")));
        assert!(matches!(outcomes[6].status, OutcomeStatus::Updated), "{:?}", outcomes[6]);
        assert_eq!(outcomes[6].remote_id.as_ref().map(|id| id.as_str()), Some(there.as_str()));
        assert!(outcomes.get(7).is_none_or(Outcome::is_done), "{outcomes:?}");
    }
    assert_eq!(org.count("Contact").await.unwrap(), 3);
}
