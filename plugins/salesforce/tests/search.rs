//! Searching: what finds what, what it costs, and what the search engine does not know.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use unicrm_core::{ErrorKind, ObjectKind, Page, Provider, Row, SearchQuery, SearchRequest};
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, FieldSchema, FieldType, Resource};

use crate::support::Linked;

async fn org() -> (Linked, Arc<dyn Provider>) {
    let linked = Linked::start(Emulator::builder().empty()).await;
    let provider = linked.connect().await;
    // Descriptions are read once; what a search costs by itself is counted without them.
    search(&*provider, SearchQuery::Text("nobody".to_owned())).await;
    linked.emulator.log().clear();
    (linked, provider)
}

async fn search(provider: &dyn Provider, query: SearchQuery) -> Page {
    provider.search(SearchRequest::new(query)).await.unwrap()
}

fn ids(page: &Page) -> Vec<String> {
    page.rows.iter().map(|row| row.remote_id().unwrap().to_string()).collect()
}

async fn by_phone(provider: &dyn Provider, number: &str) -> Vec<String> {
    ids(&search(provider, SearchQuery::Phone(number.to_owned())).await)
}

async fn create(linked: &Linked, object: &str, fields: Value) -> String {
    linked.org().create(object, fields).await.unwrap()
}

#[tokio::test]
async fn every_phone_field_counts_and_an_extension_does_not() {
    let (linked, provider) = org().await;
    linked.org().add_field("Contact", FieldSchema::new("Pager__c", FieldType::Phone)).await.unwrap();
    let provider_with_field = linked.connect().await;
    let mut people = Vec::new();
    for (field, number) in [
        ("Phone", "4155550142"),
        ("MobilePhone", "415.555.0142"),
        ("HomePhone", "(415) 555-0142 x12"),
        ("OtherPhone", "+1 415-555-0142"),
        ("AssistantPhone", "1-415-555-0142 ext 7"),
        ("Fax", "001 415 555 0142"),
        ("Pager__c", "tel:+1-415-555-0142"),
    ] {
        let id = create(&linked, "Contact", json!({ "LastName": field, field: number })).await;
        // 001 is dialled in other countries; here it is a part of the number.
        if field != "Fax" {
            people.push(id);
        }
    }
    let lead = json!({ "LastName": "Lead", "Company": "x", "MobilePhone": "415 5550142 / 415 5550177" });
    people.push(create(&linked, "Lead", lead).await);
    people.push(create(&linked, "Account", json!({ "Name": "Account", "Fax": "+14155550142" })).await);
    for (other, number) in
        [("a", "4155550143"), ("b", "+444155550142"), ("c", "5550142"), ("d", "14155550142999")]
    {
        create(&linked, "Contact", json!({ "LastName": other, "Phone": number })).await;
    }
    for wanted in ["+1 (415) 555-0142", "(415) 555-0142 x99"] {
        assert_eq!(by_phone(&*provider_with_field, wanted).await, people, "{wanted}");
    }
    assert_eq!(by_phone(&*provider, "415 555 0177").await, [people[6].clone()]);
    assert_eq!(by_phone(&*provider, "0142").await, [""; 0]);
}

#[tokio::test]
async fn a_search_costs_two_calls_at_most() {
    let (linked, provider) = org().await;
    let contact = json!({ "LastName": "Quillfeather", "Email": "q@engines.example", "Phone": "4155550142" });
    let contact = create(&linked, "Contact", contact).await;
    let lead = json!({ "LastName": "Quill", "Company": "Engines", "Phone": "(415) 555-0142" });
    let lead = create(&linked, "Lead", lead).await;
    for (query, found, calls) in [
        (SearchQuery::Phone("+14155550142".to_owned()), vec![&contact, &lead], 2),
        (SearchQuery::Phone("+14155550199".to_owned()), vec![], 2),
        (SearchQuery::Email("Q@Engines.example".to_owned()), vec![&contact], 1),
        (SearchQuery::Text("quill engines".to_owned()), vec![&contact, &lead], 2),
        (SearchQuery::Text("nobody".to_owned()), vec![], 1),
    ] {
        // What is known of the org for good, such as the statuses of leads, is asked for once.
        search(&*provider, query.clone()).await;
        linked.emulator.log().clear();
        let page = search(&*provider, query.clone()).await;
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), found, "{query:?}");
        assert_eq!(page.count, Some(found.len() as u64));
        assert_eq!(
            linked.emulator.log().entries().len(),
            calls,
            "{query:?}: {:?}",
            linked.emulator.log().entries()
        );
        assert_eq!(page.usage.calls, calls as u64, "{query:?}");
    }
}

#[tokio::test]
async fn a_record_that_the_search_engine_does_not_know_yet_is_found_by_its_digits() {
    let (linked, provider) = org().await;
    linked.org().delay_search(Duration::from_secs(60));
    let contact =
        create(&linked, "Contact", json!({ "LastName": "New", "OtherPhone": "(415) 555-0142 x3" })).await;
    // The same digits in this order, and another number.
    create(&linked, "Lead", json!({ "LastName": "x", "Company": "x", "Phone": "+49 5551 01042 99" })).await;
    assert_eq!(by_phone(&*provider, "415 555 0142").await, std::slice::from_ref(&contact));
    let text = || SearchQuery::Text("New".to_owned());
    assert_eq!(ids(&search(&*provider, text()).await), [""; 0]);
    linked.org().advance_clock(Duration::from_secs(61));
    assert_eq!(ids(&search(&*provider, text()).await), [contact]);

    // Where an org is too large for a look at every number, what the search engine said stands.
    linked.emulator.faults().add(FaultRule::new(Resource::Composite, Fault::QueryTimeout).forever());
    assert_eq!(by_phone(&*provider, "415 555 0199").await, [""; 0]);
}

#[tokio::test]
async fn numbers_without_a_country_belong_to_that_of_the_linked_account() {
    let (linked, american) = org().await;
    let id = create(&linked, "Contact", json!({ "LastName": "Berliner", "Phone": "030/123456" })).await;
    let members = r#""flow":"client-credentials","phone_region":"de""#;
    let german = linked.connect_with(members).await.unwrap();
    assert_eq!(by_phone(&*german, "+49 30 123456").await, std::slice::from_ref(&id));
    assert_eq!(by_phone(&*german, "030 12 34 56").await, [id]);
    assert_eq!(by_phone(&*american, "+49 30 123456").await, [""; 0]);
    let error =
        linked.connect_with(r#""flow":"client-credentials","phone_region":"Germany""#).await.unwrap_err();
    assert_eq!(error.fields()[0].pointer, "/phone_region");
}

#[tokio::test]
async fn each_object_has_its_share_of_the_rows() {
    let (linked, provider) = org().await;
    for at in 0..6 {
        create(&linked, "Contact", json!({ "LastName": format!("Quill {at}") })).await;
    }
    let account = create(&linked, "Account", json!({ "Name": "Quill & Sons" })).await;
    let request = SearchRequest::new(SearchQuery::Text("quill".to_owned())).limit(4);
    let page = provider.search(request).await.unwrap();
    let ids = ids(&page);
    assert_eq!((ids.len(), page.count, ids.last()), (4, Some(7), Some(&account)));
}

#[tokio::test]
async fn an_object_that_is_hidden_is_left_out_and_named_when_it_is_all_that_is_asked_for() {
    let (linked, _) = org().await;
    let contact = create(&linked, "Contact", json!({ "LastName": "Quill", "Phone": "4155550142" })).await;
    create(&linked, "Lead", json!({ "LastName": "Quill", "Company": "x", "Phone": "4155550142" })).await;
    linked.org().hide_object("Lead");
    linked.org().hide_field("Contact", "Email");
    let provider = linked.connect().await;
    assert_eq!(by_phone(&*provider, "4155550142").await, std::slice::from_ref(&contact));
    assert_eq!(ids(&search(&*provider, SearchQuery::Text("quill".to_owned())).await), [contact]);
    assert_eq!(ids(&search(&*provider, SearchQuery::Email("a@b.example".to_owned())).await), [""; 0]);
    let leads = SearchRequest::new(SearchQuery::Text("quill".to_owned())).kinds([ObjectKind::Lead]);
    let error = provider.search(leads).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.message().contains("Lead"), "{error}");
}

#[tokio::test]
async fn a_field_that_vanishes_during_a_search_is_left_out() {
    let (linked, provider) = org().await;
    create(&linked, "Contact", json!({ "LastName": "Quill", "Email": "q@x.example", "Phone": "4155550142" }))
        .await;
    create(&linked, "Lead", json!({ "LastName": "Quill", "Company": "x", "Email": "q@x.example" })).await;
    linked.org().hide_field("Contact", "Title");
    let page = search(&*provider, SearchQuery::Email("q@x.example".to_owned())).await;
    assert_eq!(page.rows.len(), 2, "{page:?}");
    assert!(page.rows.iter().all(|row| matches!(row, Row::Live(_))));
    // One that the search itself names.
    linked.org().hide_field("Contact", "Fax");
    assert_eq!(by_phone(&*provider, "415 555 0142").await.len(), 1);
}
