//! Orgs with features of their own: state and country picklists, several currencies, person accounts, queues; and records
//! that go by the name of another object.

use serde_json::{Value as Json, json};
use unicrm_core::{
    Contact, ErrorKind, Lead, ObjectKind, Opportunity, OutcomeStatus, Provider, ProviderExt, WriteOperation,
};
use unicrm_salesforce_emulator::{Emulator, Features};

use super::{create, created, empty, one, text, update};
use crate::support::Linked;

async fn with(features: Features) -> Linked {
    Linked::start(Emulator::builder().empty().features(features)).await
}

async fn at(provider: &dyn Provider, id: &str) -> (Option<String>, Option<String>) {
    let contact: Contact = provider.get(id.into()).await.unwrap();
    let address = contact.addresses.first().cloned().unwrap_or_default();
    (address.state, address.country)
}

#[tokio::test]
async fn states_and_countries_are_written_by_code_or_name() {
    let linked = with(Features { state_country_picklists: true, ..Features::default() }).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let of =
        |state: Json, country: Json| json!([{"state": state, "country": country, "address_type": "MAILING"}]);
    let row = async |id: &str| {
        let row = org.get("Contact", id).await.unwrap().unwrap();
        ["MailingStateCode", "MailingState", "MailingCountryCode", "MailingCountry"]
            .map(|field| row.text(field).unwrap_or("-").to_owned())
    };
    let mut ids = Vec::new();
    for (state, country) in [("CA", "US"), ("California", "United States")] {
        let record = json!({"last_name": "Feig", "addresses": of(json!(state), json!(country))});
        let id = created(&one(&*provider, create(ObjectKind::Contact, record)).await);
        assert_eq!(row(&id).await, ["CA", "California", "US", "United States"], "{state}");
        assert_eq!(at(&*provider, &id).await, (Some("California".to_owned()), Some("US".to_owned())));
        ids.push(id);
    }
    let moved = json!({"addresses": of(Json::Null, json!("Germany"))});
    assert!(one(&*provider, update(ObjectKind::Contact, &ids[0], moved)).await.is_done());
    assert_eq!(row(&ids[0]).await, ["-", "-", "DE", "Germany"], "a name takes the place of a code");
    let none = json!({"addresses": []});
    assert!(one(&*provider, update(ObjectKind::Contact, &ids[1], none)).await.is_done());
    assert_eq!(row(&ids[1]).await, ["-", "-", "-", "-"]);
    for (state, country) in [(Json::Null, json!("Atlantis")), (json!("Nowhere"), json!("US"))] {
        let record = json!({"last_name": "Feig", "addresses": of(state, country)});
        let outcome = one(&*provider, create(ObjectKind::Contact, record)).await;
        let error = outcome.error().expect("a refusal");
        assert_eq!(error.remote_code(), Some("FIELD_INTEGRITY_EXCEPTION"), "{error:?}");
        assert_eq!(error.fields()[0].pointer, "/addresses", "{error:?}");
    }
}

#[tokio::test]
async fn amounts_are_written_in_the_currency_of_their_record() {
    let linked = with(Features { multi_currency: true, ..Features::default() }).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let currency = |code: &str| json!([{"remote_field_class": "Opportunity.CurrencyIsoCode", "value": code}]);
    let deal = |code: &str| {
        let mut deal = json!({
            "name": "Deal", "stage": {"remote_id": "Prospecting"}, "close_date": "2030-01-01T00:00:00Z", "amount": 5,
        });
        deal["remote_fields"] = currency(code);
        create(ObjectKind::Opportunity, deal)
    };
    let id = created(&one(&*provider, deal("EUR")).await);
    assert_eq!(text(&org, "Opportunity", &id, "CurrencyIsoCode").await.as_deref(), Some("EUR"));
    let read: Opportunity = provider.get(id.as_str().into()).await.unwrap();
    assert_eq!(read.amount.map(|amount| amount.decimal().normalize().to_string()).as_deref(), Some("5"));
    let shown = read.remote_fields.iter().find(|field| field.key() == Some("CurrencyIsoCode"));
    assert_eq!(shown.map(|field| field.value.as_str()), Some("\"EUR\""));
    let change = json!({"amount": 7.25, "remote_fields": currency("GBP")});
    assert!(one(&*provider, update(ObjectKind::Opportunity, &id, change)).await.is_done());
    let row = org.get("Opportunity", &id).await.unwrap().unwrap();
    assert_eq!(row.text("CurrencyIsoCode"), Some("GBP"));
    assert!(format!("{:?}", row.get("Amount")).contains("7.25"));
    let unknown = one(&*provider, deal("XTS")).await;
    let error = unknown.error().expect("a currency that the org does not have");
    assert_eq!(
        error.fields().first().map(|field| field.pointer.as_str()),
        Some("/remote_fields/0"),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_person_of_a_person_account_is_written_as_a_contact() {
    let linked = with(Features { person_accounts: true, ..Features::default() }).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let account = org.create("Account", json!({"LastName": "Feig", "FirstName": "Gil"})).await.unwrap();
    let person = text(&org, "Account", &account, "PersonContactId").await.expect("a person");
    let change = update(ObjectKind::Contact, &person, json!({"first_name": "Gila"}));
    assert!(matches!(one(&*provider, change).await.status, OutcomeStatus::Updated));
    assert_eq!(text(&org, "Account", &account, "Name").await.as_deref(), Some("Gila Feig"));
    // The two stay together.
    let other = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let leave = json!({"account": {"remote_id": other}});
    let outcome = one(&*provider, update(ObjectKind::Contact, &person, leave)).await;
    assert_eq!(outcome.error().expect("a refusal").fields()[0].pointer, "/account", "{outcome:?}");
    let website = update(ObjectKind::Account, &account, json!({"website": "klink.example"}));
    assert!(one(&*provider, website).await.is_done());
    // A person is made by the fields that only persons have.
    let new = json!({"remote_fields": [{"remote_field_class": "Account.LastName", "value": "Roe"}]});
    let id = created(&one(&*provider, create(ObjectKind::Account, new)).await);
    assert!(org.get("Account", &id).await.unwrap().unwrap().is_true("IsPersonAccount"));
    let gone = one(&*provider, WriteOperation::delete(ObjectKind::Account, account.as_str())).await;
    assert!(matches!(gone.status, OutcomeStatus::Deleted), "{gone:?}");
    assert!(org.get("Contact", &person).await.unwrap().is_none_or(|row| row.is_true("IsDeleted")));
}

#[tokio::test]
async fn a_queue_owns_through_the_remote_fields() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let queues = org.query("SELECT Id FROM Group WHERE Type = 'Queue' LIMIT 1").await.unwrap();
    let queue = queues[0]["Id"].as_str().unwrap().to_owned();
    let by = json!([{"remote_field_class": "Lead.OwnerId", "value": queue}]);
    let lead = json!({"last_name": "Feig", "company": "K-LINK", "remote_fields": by});
    let id = created(&one(&*provider, create(ObjectKind::Lead, lead)).await);
    assert_eq!(text(&org, "Lead", &id, "OwnerId").await.as_deref(), Some(queue.as_str()));
    let read: Lead = provider.get(id.as_str().into()).await.unwrap();
    assert!(read.owner.is_none() && read.remote_fields.iter().any(|field| field.key() == Some("OwnerId")));
    // What is read may be written back.
    let same = update(ObjectKind::Lead, &id, json!({"title": "x", "remote_fields": by}));
    assert!(matches!(one(&*provider, same).await.status, OutcomeStatus::Updated));
    assert_eq!(text(&org, "Lead", &id, "OwnerId").await.as_deref(), Some(queue.as_str()));
    let taken = update(ObjectKind::Lead, &id, json!({"owner": {"remote_id": org.user_id()}}));
    assert!(matches!(one(&*provider, taken).await.status, OutcomeStatus::Updated));
    assert_eq!(text(&org, "Lead", &id, "OwnerId").await.as_deref(), Some(org.user_id()));
    // The unified field is for users.
    let wrong = update(ObjectKind::Lead, &id, json!({"owner": {"remote_id": queue}}));
    assert_eq!(one(&*provider, wrong).await.error().expect("a refusal").fields()[0].pointer, "/owner");
}

#[tokio::test]
async fn a_call_with_a_lead_is_logged_through_the_remote_fields() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let lead = org.create("Lead", json!({"LastName": "Feig", "Company": "K-LINK"})).await.unwrap();
    let contact = org.create("Contact", json!({"LastName": "Roe"})).await.unwrap();
    let who = |id: &str| json!([{"remote_field_class": "Task.WhoId", "value": id}]);
    let mut call = json!({"subject": "Call", "engagement_type": {"remote_id": "Task:Call"}});
    call["remote_fields"] = who(&lead);
    let id = created(&one(&*provider, create(ObjectKind::Engagement, call.clone())).await);
    assert_eq!(text(&org, "Task", &id, "WhoId").await.as_deref(), Some(lead.as_str()));
    // A contact has its unified place.
    call["remote_fields"] = who(&contact);
    let refused = one(&*provider, create(ObjectKind::Engagement, call)).await;
    assert_eq!(refused.error().expect("a refusal").fields()[0].pointer, "/remote_fields/0");
}

#[tokio::test]
async fn a_call_is_not_written_as_a_task_nor_a_task_as_an_engagement() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let task = org.create("Task", json!({"Subject": "Do"})).await.unwrap();
    let call = org.create("Task", json!({"Subject": "Call", "TaskSubtype": "Call"})).await.unwrap();
    let email = org.create("Task", json!({"Subject": "Mail", "TaskSubtype": "Email"})).await.unwrap();
    for (kind, id, right) in [
        (ObjectKind::Task, &call, "engagement"),
        (ObjectKind::Task, &email, "engagement"),
        (ObjectKind::Engagement, &task, "task"),
    ] {
        for operation in [
            WriteOperation::delete(kind, id.as_str()),
            update(kind, id, json!({"subject": "changed"})),
            update(kind, id, json!({"content": "changed", "remote_fields": []})),
        ] {
            let outcome = one(&*provider, operation).await;
            let error = outcome.error().expect("a refusal");
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(right), "{error:?}");
            assert_eq!(outcome.remote_id.as_ref().map(|id| id.as_str()), Some(id.as_str()));
        }
        let row = org.get("Task", id).await.unwrap().unwrap();
        assert!(!row.is_true("IsDeleted") && row.text("Subject") != Some("changed"), "nothing happened");
    }
    for (kind, id) in
        [(ObjectKind::Task, &task), (ObjectKind::Engagement, &call), (ObjectKind::Engagement, &email)]
    {
        let deleted = one(&*provider, WriteOperation::delete(kind, id.as_str())).await;
        assert!(matches!(deleted.status, OutcomeStatus::Deleted), "{deleted:?}");
    }
}
