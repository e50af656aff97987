//! Rows of one batch that are about the same record: in their order, by whatever name they call it.

use serde_json::{Value as Json, json};
use unicrm_core::{ConvertLead, ExternalKey, ObjectKind, Outcome, OutcomeStatus, WriteOperation};
use unicrm_salesforce_emulator::{FieldSchema, FieldType};

use super::{add_key, create, created, empty, one, patch, text, update, write};

fn keyed(field: &str, value: &str, json: Json) -> WriteOperation {
    WriteOperation::upsert(ExternalKey::new(field, value), patch(ObjectKind::Contact, json))
}

#[tokio::test]
async fn rows_by_key_and_by_id_are_written_in_their_order() {
    let linked = empty().await;
    let org = linked.org();
    add_key(&org, "Contact", FieldType::String).await;
    let provider = linked.connect().await;
    let by_key = |name: &str| keyed("ErpId__c", "a1", json!({"last_name": name}));
    let id = created(&one(&*provider, by_key("First")).await);
    let by_id = |name: &str| update(ObjectKind::Contact, &id, json!({"last_name": name}));
    for rows in [
        vec![by_id("by id"), by_key("last")],
        vec![by_key("by key"), by_id("last")],
        vec![by_key("one"), by_id("two"), keyed("ErpId__c", "A1", json!({"last_name": "last"}))],
    ] {
        let outcomes = write(&*provider, rows.clone()).await;
        for outcome in &outcomes {
            assert!(outcome.is_done(), "{rows:?}: {outcome:?}");
            assert_eq!(outcome.remote_id.as_ref().map(|id| id.as_str()), Some(id.as_str()), "{rows:?}");
        }
        assert_eq!(text(&org, "Contact", &id, "LastName").await.as_deref(), Some("last"), "{rows:?}");
    }
    assert_eq!(org.count("Contact").await.unwrap(), 1);
    let rows = vec![WriteOperation::delete(ObjectKind::Contact, id.as_str()), by_key("Anew")];
    let outcomes = write(&*provider, rows).await;
    assert!(matches!(outcomes[0].status, OutcomeStatus::Deleted), "{outcomes:?}");
    let anew = created(&outcomes[1]);
    let rows = vec![by_key("Last words"), WriteOperation::delete(ObjectKind::Contact, anew.as_str())];
    assert!(write(&*provider, rows).await.iter().all(Outcome::is_done));
    assert_eq!(org.count("Contact").await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_stands_for_the_record_that_has_it_by_then() {
    let linked = empty().await;
    let org = linked.org();
    add_key(&org, "Contact", FieldType::String).await;
    let provider = linked.connect().await;
    let erp = json!([{"remote_field_class": "Contact.ErpId__c", "value": "a1"}]);
    let rows = vec![
        create(ObjectKind::Contact, json!({"last_name": "Made", "remote_fields": erp})),
        keyed("ErpId__c", "a1", json!({"last_name": "Changed"})),
    ];
    let outcomes = write(&*provider, rows).await;
    let id = created(&outcomes[0]);
    assert!(matches!(outcomes[1].status, OutcomeStatus::Updated), "{outcomes:?}");
    assert_eq!(text(&org, "Contact", &id, "LastName").await.as_deref(), Some("Changed"));
    assert_eq!(org.count("Contact").await.unwrap(), 1);
    // A key that is given away is free.
    let other = json!([{"remote_field_class": "Contact.ErpId__c", "value": "a2"}]);
    let rows = vec![
        update(ObjectKind::Contact, &id, json!({"remote_fields": other})),
        keyed("ErpId__c", "a1", json!({"last_name": "Another"})),
    ];
    let outcomes = write(&*provider, rows).await;
    assert_ne!(created(&outcomes[1]), id);
    assert_eq!(text(&org, "Contact", &id, "LastName").await.as_deref(), Some("Changed"));
}

#[tokio::test]
async fn keys_that_differ_in_case_are_two_where_case_counts() {
    let linked = empty().await;
    let org = linked.org();
    let mut field = FieldSchema::new("Code__c", FieldType::String);
    (field.external_id, field.id_lookup, field.case_sensitive, field.length) = (true, true, true, 40);
    org.add_field("Contact", field).await.unwrap();
    let provider = linked.connect().await;
    let row = |code: &str, name: &str| keyed("Code__c", code, json!({"last_name": name}));
    let first = write(&*provider, vec![row("abc", "Lower"), row("ABC", "Upper")]).await;
    let ids: Vec<String> = first.iter().map(created).collect();
    let outcomes =
        write(&*provider, vec![row("abc", "lower"), row("ABC", "upper"), row("Abc", "Both")]).await;
    for (at, name) in ["lower", "upper"].into_iter().enumerate() {
        assert!(matches!(outcomes[at].status, OutcomeStatus::Updated), "{outcomes:?}");
        assert_eq!(text(&org, "Contact", &ids[at], "LastName").await.as_deref(), Some(name));
    }
    created(&outcomes[2]);
}

#[tokio::test]
async fn a_row_that_is_refused_before_it_is_sent_says_which_record_it_was() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let contact = org.create("Contact", json!({"LastName": "Feig"})).await.unwrap();
    let lead = org.create("Lead", json!({"LastName": "Roe", "Company": "K-LINK"})).await.unwrap();
    let mut lonely = ConvertLead::new(lead.as_str());
    lonely.contact = Some(unicrm_core::Ref::by_remote_id(contact.as_str()));
    let unknown = json!({"remote_fields": [{"remote_field_class": "Contact.Nope__c", "value": "x"}]});
    for (operation, id) in [
        (update(ObjectKind::Account, &contact, json!({"name": "x"})), contact.as_str()),
        (update(ObjectKind::Contact, &contact, unknown), contact.as_str()),
        (update(ObjectKind::Contact, "nonsense", json!({"last_name": "x"})), "nonsense"),
        (WriteOperation::delete(ObjectKind::Lead, contact.as_str()), contact.as_str()),
        (WriteOperation::Convert(lonely), lead.as_str()),
    ] {
        let outcome = one(&*provider, operation.clone()).await;
        assert!(outcome.error().is_some(), "{operation:?}: {outcome:?}");
        assert_eq!(outcome.remote_id.as_ref().map(|id| id.as_str()), Some(id), "{operation:?}");
    }
}

/// Looking for those who stand in the way must not cost more than the write itself.
#[tokio::test]
async fn what_it_costs_to_explain_refusals_is_bounded() {
    let linked = empty().await;
    let provider = super::practised(&linked).await;
    let cost = async |rows: usize| {
        let unknown = |row: usize| {
            update(ObjectKind::Contact, &format!("003000000{row:06}AAA"), json!({"last_name": "x"}))
        };
        linked.emulator.log().clear();
        let outcomes = write(&*provider, (0..rows).map(unknown).collect()).await;
        assert!(outcomes.iter().all(|outcome| outcome.error().is_some()));
        linked.emulator.log().api_calls()
    };
    let few = cost(500).await;
    assert_eq!(cost(2_500).await, few + 10, "ten calls more for two thousand rows more");
}
