//! Writing over HTTP: what the org's own tables hold afterwards, and what each row is told.

mod bulk;
mod fault_rows;
mod faults;
mod gaps;
mod keys;
mod lost;
mod order;
mod random;
mod rows;
mod seed;
mod sorts;
mod special;

use serde_json::{Value as Json, json};
use unicrm_core::{
    ConvertLead, ErrorKind, ExternalKey, ObjectKind, Outcome, OutcomeStatus, Provider, ProviderExt,
    RecordPatch, Ref, WriteOperation, WriteRequest,
};
use unicrm_salesforce_emulator::{
    DuplicateRule, Emulator, Features, FieldSchema, FieldType, OrgHandle, Resource,
};

use crate::support::Linked;

/// An org with nothing in it but its users and settings.
pub(super) async fn empty() -> Linked {
    Linked::start(Emulator::builder().empty()).await
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the JSON in place")]
pub(super) fn patch(kind: ObjectKind, json: Json) -> RecordPatch {
    RecordPatch::from_json(kind, &json.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn create(kind: ObjectKind, json: Json) -> WriteOperation {
    WriteOperation::create(patch(kind, json))
}

pub(super) fn update(kind: ObjectKind, id: &str, json: Json) -> WriteOperation {
    WriteOperation::update(id, patch(kind, json))
}

pub(super) async fn write(provider: &dyn Provider, operations: Vec<WriteOperation>) -> Vec<Outcome> {
    let asked = operations.len();
    let report = provider.write(WriteRequest::new(operations)).await.expect("a report");
    assert_eq!(report.outcomes.len(), asked);
    report.outcomes
}

pub(super) async fn one(provider: &dyn Provider, operation: WriteOperation) -> Outcome {
    write(provider, vec![operation]).await.remove(0)
}

/// A provider that has written before, so that it has the descriptions at hand: its next call is the write itself.
pub(super) async fn practised(linked: &Linked) -> std::sync::Arc<dyn Provider> {
    let provider = linked.connect().await;
    let account = one(&*provider, create(ObjectKind::Account, json!({"name": "First"}))).await;
    let contact = one(&*provider, create(ObjectKind::Contact, json!({"last_name": "First"}))).await;
    let gone = vec![
        WriteOperation::delete(ObjectKind::Account, created(&account)),
        WriteOperation::delete(ObjectKind::Contact, created(&contact)),
    ];
    assert!(write(&*provider, gone).await.iter().all(Outcome::is_done));
    provider
}

/// The id of a record that was made.
#[track_caller]
pub(super) fn created(outcome: &Outcome) -> String {
    assert!(matches!(outcome.status, OutcomeStatus::Created), "{outcome:?}");
    outcome.remote_id.as_ref().expect("an id").as_str().to_owned()
}

#[track_caller]
pub(super) fn codes(outcome: &Outcome) -> Vec<(&str, &str)> {
    outcome.warnings.iter().map(|warning| (warning.pointer.as_str(), warning.code)).collect()
}

/// One value of one row.
pub(super) async fn text(org: &OrgHandle, object: &str, id: &str, field: &str) -> Option<String> {
    let row = org.get(object, id).await.unwrap().unwrap_or_else(|| panic!("there is no {object} {id}"));
    row.text(field).map(str::to_owned)
}

async fn add_key(org: &OrgHandle, object: &str, ty: FieldType) {
    let mut field = FieldSchema::new("ErpId__c", ty);
    field.external_id = true;
    field.id_lookup = true;
    field.length = 40;
    field.precision = if ty == FieldType::Double { 18 } else { 0 };
    org.add_field(object, field).await.unwrap();
}

/// A key that no two records may share.
async fn add_unique_key(org: &OrgHandle, object: &str) {
    let mut field = FieldSchema::new("ErpId__c", FieldType::String);
    (field.external_id, field.id_lookup, field.unique, field.length) = (true, true, true, 40);
    org.add_field(object, field).await.unwrap();
}

/// By a Bulk job, and by collections where Bulk cannot do it.
#[tokio::test]
async fn ten_thousand_creates_are_few_calls() {
    for allow_duplicates in [false, true] {
        let linked = empty().await;
        let provider = linked.connect().await;
        linked.emulator.log().clear();
        let rows =
            (0..10_000).map(|row| create(ObjectKind::Contact, json!({"last_name": format!("Row {row}")})));
        let request = WriteRequest::new(rows).allow_duplicates(allow_duplicates);
        let report = provider.write(request).await.unwrap();
        for (row, outcome) in report.outcomes.iter().enumerate() {
            let id = created(outcome);
            if row % 997 == 0 {
                let name = text(&linked.org(), "Contact", &id, "LastName").await;
                assert_eq!(name.as_deref(), Some(format!("Row {row}").as_str()));
            }
        }
        let calls = linked.emulator.log().api_calls();
        assert!(calls <= 55, "{calls} calls");
        assert_eq!(report.usage.calls, calls, "the report says what it cost");
        assert_eq!(linked.org().count("Contact").await.unwrap(), 10_000);
        let jobs = linked.emulator.log().entries().into_iter();
        let jobs =
            jobs.filter(|entry| entry.method == "POST" && entry.path.ends_with("/jobs/ingest")).count();
        assert_eq!(jobs, usize::from(!allow_duplicates), "one job for all");
    }
}

#[tokio::test]
async fn an_update_changes_only_what_it_names() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let org = linked.org();
    let id = org
        .create("Contact", json!({"LastName": "Feig", "FirstName": "Gil", "Phone": "1", "MailingCity": "Here", "OtherCity": "There"}))
        .await
        .unwrap();
    let phones = json!([{"phone_number": "2", "phone_number_type": "mobile"}]);
    let outcome = one(
        &*provider,
        update(ObjectKind::Contact, &id, json!({"first_name": null, "phone_numbers": phones})),
    )
    .await;
    assert!(matches!(outcome.status, OutcomeStatus::Updated), "{outcome:?}");
    let row = org.get("Contact", &id).await.unwrap().unwrap();
    assert_eq!(row.text("LastName"), Some("Feig"));
    assert_eq!((row.text("FirstName"), row.text("Phone"), row.text("MobilePhone")), (None, None, Some("2")));
    assert_eq!((row.text("MailingCity"), row.text("OtherCity")), (Some("Here"), Some("There")));
}

#[tokio::test]
async fn each_row_of_a_mixed_batch_has_its_outcome_in_order() {
    let linked = empty().await;
    let provider = linked.connect().await;
    let org = linked.org();
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let contact = org.create("Contact", json!({"LastName": "Old", "AccountId": account})).await.unwrap();
    let operations = vec![
        create(ObjectKind::Contact, json!({"first_name": "without a last name"})),
        create(ObjectKind::Account, json!({"name": "New"})),
        update(ObjectKind::Contact, &contact, json!({"account": null})),
        WriteOperation::delete(ObjectKind::Account, account.as_str()),
        create(ObjectKind::Contact, json!({"last_name": "Late", "account": {"remote_id": account}})),
        update(ObjectKind::Contact, "003000000000001AAA", json!({"last_name": "Nobody"})),
        create(ObjectKind::Contact, json!({"last_name": "x".repeat(81)})),
        update(ObjectKind::Contact, &contact, json!({"last_name": "Newest"})),
        update(ObjectKind::Contact, account.as_str(), json!({"last_name": "Not a contact"})),
    ];
    let outcomes = write(&*provider, operations).await;
    let error = |row: usize| outcomes[row].error().unwrap_or_else(|| panic!("{:?}", outcomes[row]));
    assert_eq!(
        (error(0).kind(), error(0).remote_code()),
        (ErrorKind::InvalidRequest, Some("REQUIRED_FIELD_MISSING"))
    );
    assert_eq!(error(0).fields()[0].pointer, "/last_name");
    created(&outcomes[1]);
    assert!(matches!(outcomes[2].status, OutcomeStatus::Updated), "{:?}", outcomes[2]);
    assert!(matches!(outcomes[3].status, OutcomeStatus::Deleted));
    // The account was deleted before, as the batch says.
    assert_eq!(
        error(4).fields().first().map(|field| field.pointer.as_str()),
        Some("/account"),
        "{:?}",
        error(4)
    );
    assert_eq!(error(5).kind(), ErrorKind::NotFound);
    assert_eq!(error(6).fields()[0].pointer, "/last_name");
    assert!(matches!(outcomes[7].status, OutcomeStatus::Updated));
    assert_eq!(error(8).kind(), ErrorKind::NotFound);
    assert_eq!(text(&org, "Contact", &contact, "LastName").await.as_deref(), Some("Newest"));
    assert!(org.get("Account", &account).await.unwrap().unwrap().is_true("IsDeleted"));
}

#[tokio::test]
async fn a_key_finds_the_record_or_makes_it() {
    for ty in [FieldType::String, FieldType::Double] {
        let linked = empty().await;
        let org = linked.org();
        add_key(&org, "Contact", ty).await;
        let provider = linked.connect().await;
        let upsert = |value: &str, json: Json| {
            WriteOperation::upsert(ExternalKey::new("ErpId__c", value), patch(ObjectKind::Contact, json))
        };
        let first = one(&*provider, upsert("4711", json!({"last_name": "Feig", "first_name": "Gil"}))).await;
        let id = created(&first);
        let second = one(&*provider, upsert("4711", json!({"first_name": null}))).await;
        assert!(matches!(second.status, OutcomeStatus::Updated), "{second:?}");
        assert_eq!(second.remote_id.as_ref().map(|id| id.as_str()), Some(id.as_str()));
        let row = org.get("Contact", &id).await.unwrap().unwrap();
        assert_eq!((row.text("LastName"), row.text("FirstName")), (Some("Feig"), None));
        assert_eq!(org.count("Contact").await.unwrap(), 1);
        // The same key twice in one batch is one record.
        let twice = write(
            &*provider,
            vec![upsert("4712", json!({"last_name": "A"})), upsert("4712", json!({"last_name": "B"}))],
        )
        .await;
        assert_eq!(created(&twice[0]), twice[1].remote_id.as_ref().unwrap().as_str());
        assert_eq!(org.count("Contact").await.unwrap(), 2);
        let twin = if ty == FieldType::Double { json!(4711) } else { json!("4711") };
        org.create("Contact", json!({"LastName": "Twin", "ErpId__c": twin})).await.unwrap();
        let several = one(&*provider, upsert("4711", json!({"last_name": "Whose"}))).await;
        assert_eq!(several.error().unwrap().kind(), ErrorKind::Conflict);
        assert_eq!(several.candidates.len(), 2);
        let no_key = ExternalKey::new("LastName", "Feig");
        let refused = one(
            &*provider,
            WriteOperation::upsert(no_key, patch(ObjectKind::Contact, json!({"last_name": "x"}))),
        )
        .await;
        assert_eq!(refused.error().unwrap().fields()[0].pointer, "/key/field");
    }
}

#[tokio::test]
async fn a_duplicate_rule_names_who_is_there_and_can_be_passed() {
    let linked = empty().await;
    let org = linked.org();
    org.add_duplicate_rule(DuplicateRule::new("Contact", ["Email"]));
    let provider = linked.connect().await;
    let contact = |name: &str| {
        let email = json!([{"email_address": "hello@klink.cloud"}]);
        create(ObjectKind::Contact, json!({"last_name": name, "email_addresses": email}))
    };
    let id = created(&one(&*provider, contact("Feig")).await);
    let outcomes =
        write(&*provider, vec![contact("Roe"), create(ObjectKind::Contact, json!({"last_name": "Other"}))])
            .await;
    let error = outcomes[0].error().expect("a conflict");
    assert_eq!((error.kind(), error.remote_code()), (ErrorKind::Conflict, Some("DUPLICATES_DETECTED")));
    assert_eq!(outcomes[0].candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    created(&outcomes[1]);
    let allowed = WriteRequest::new([contact("Roe")]).allow_duplicates(true);
    created(&provider.write(allowed).await.unwrap().outcomes[0]);
    assert_eq!(org.count("Contact").await.unwrap(), 3);
}

#[tokio::test]
async fn leads_are_converted() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let lead = json!({"LastName": "Feig", "Company": "K-LINK & <Sons>"});
    let ids = [org.create("Lead", lead.clone()).await.unwrap(), org.create("Lead", lead).await.unwrap()];
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let mut first = ConvertLead::new(ids[0].as_str());
    first.opportunity_name = Some("Deal & <more>".to_owned());
    let mut second = ConvertLead::new(ids[1].as_str());
    second.account = Some(Ref::by_remote_id(account.as_str()));
    second.owner = Some(Ref::by_remote_id(org.user_id()));
    let outcomes =
        write(&*provider, vec![WriteOperation::Convert(first), WriteOperation::Convert(second)]).await;
    let OutcomeStatus::Converted { contact, account: made, opportunity: Some(deal) } = &outcomes[0].status
    else {
        panic!("{:?}", outcomes[0]);
    };
    let row = org.get("Lead", &ids[0]).await.unwrap().unwrap();
    assert_eq!(row.text("ConvertedContactId"), contact.remote_id().map(|id| id.as_str()));
    assert_eq!(row.text("ConvertedAccountId"), made.remote_id().map(|id| id.as_str()));
    let deal = deal.remote_id().unwrap().as_str();
    assert_eq!(text(&org, "Opportunity", deal, "Name").await.as_deref(), Some("Deal & <more>"));
    let OutcomeStatus::Converted { account: joined, opportunity: None, .. } = &outcomes[1].status else {
        panic!("{:?}", outcomes[1]);
    };
    assert_eq!(joined.remote_id().map(|id| id.as_str()), Some(account.as_str()));
    // Once is enough: the second time names what it became.
    let again = one(&*provider, WriteOperation::Convert(ConvertLead::new(ids[0].as_str()))).await;
    assert_eq!(again.error().unwrap().kind(), ErrorKind::Conflict);
    assert_eq!(again.candidates.first(), contact.remote_id());
    let change = one(&*provider, update(ObjectKind::Lead, &ids[0], json!({"title": "CEO"}))).await;
    assert_eq!(change.error().unwrap().remote_code(), Some("CANNOT_UPDATE_CONVERTED_LEAD"));
    let mut lonely = ConvertLead::new(ids[1].as_str());
    lonely.contact = Some(Ref::by_remote_id("003000000000001AAA"));
    let refused = one(&*provider, WriteOperation::Convert(lonely)).await;
    assert_eq!(refused.error().unwrap().fields()[0].pointer, "/account");
    let mut unreadable = ConvertLead::new(ids[1].as_str());
    unreadable.opportunity_name = Some("Deal\u{1}".to_owned());
    let refused = one(&*provider, WriteOperation::Convert(unreadable)).await;
    assert_eq!(refused.error().unwrap().fields()[0].pointer, "/opportunity_name");
}

#[tokio::test]
async fn a_merged_record_names_the_one_that_is_left() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let master = org.create("Contact", json!({"LastName": "Stays"})).await.unwrap();
    let loser = org.create("Contact", json!({"LastName": "Goes"})).await.unwrap();
    org.merge("Contact", &master, &[&loser]).await.unwrap();
    let outcome = one(&*provider, update(ObjectKind::Contact, &loser, json!({"last_name": "x"}))).await;
    assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Conflict, "{outcome:?}");
    assert_eq!(outcome.candidates.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [master.as_str()]);
    let deleted = one(&*provider, WriteOperation::delete(ObjectKind::Contact, loser.as_str())).await;
    assert!(matches!(deleted.status, OutcomeStatus::Deleted));
}

#[tokio::test]
async fn notes_are_tied_to_all_their_records_or_not_made() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let contact = org.create("Contact", json!({"LastName": "Feig"})).await.unwrap();
    let note = |account: &str| {
        let ties = json!({"content": "K-LINK is hiring!", "account": {"remote_id": account}, "contact": {"remote_id": contact}});
        create(ObjectKind::Note, ties)
    };
    let outcomes = write(&*provider, vec![note(&account), note("001000000000001AAA")]).await;
    let id = created(&outcomes[0]);
    assert_eq!(outcomes[1].error().expect("an unknown account").fields()[0].pointer, "/account");
    assert_eq!(org.count("ContentNote").await.unwrap(), 1, "the note that could not be tied was not made");
    let links = async |id: &str| {
        let soql = format!("SELECT LinkedEntityId FROM ContentDocumentLink WHERE ContentDocumentId = '{id}'");
        let rows = org.query(&soql).await.unwrap();
        let mut ids: Vec<String> =
            rows.iter().map(|row| row["LinkedEntityId"].as_str().unwrap().to_owned()).collect();
        ids.retain(|id| !id.starts_with("005"));
        ids.sort();
        ids
    };
    assert_eq!(links(&id).await, [account.clone(), contact.clone()]);
    let moved =
        one(&*provider, update(ObjectKind::Note, &id, json!({"contact": null, "content": "Changed"}))).await;
    assert!(matches!(moved.status, OutcomeStatus::Updated), "{moved:?}");
    assert_eq!(links(&id).await, [account]);
    assert_eq!(text(&org, "ContentNote", &id, "Title").await.as_deref(), Some("Changed"));
    assert!(matches!(
        one(&*provider, WriteOperation::delete(ObjectKind::Note, id.as_str())).await.status,
        OutcomeStatus::Deleted
    ));
    assert_eq!(org.count("ContentNote").await.unwrap(), 0);
}

#[tokio::test]
async fn without_enhanced_notes_a_note_has_one_parent() {
    let features = Features { enhanced_notes: false, ..Features::default() };
    let linked = Linked::start(Emulator::builder().empty().features(features)).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let contact = org.create("Contact", json!({"LastName": "Feig"})).await.unwrap();
    let note = json!({"content": "First line\nand more", "account": {"remote_id": account}, "contact": {"remote_id": contact}});
    let outcome = one(&*provider, create(ObjectKind::Note, note)).await;
    assert_eq!(codes(&outcome), [("/account", "left_out")]);
    let row = org.get("Note", &created(&outcome)).await.unwrap().unwrap();
    assert_eq!(
        (row.text("ParentId"), row.text("Title"), row.text("Body")),
        (Some(contact.as_str()), Some("First line"), Some("and more"))
    );
    let lonely = one(&*provider, create(ObjectKind::Note, json!({"content": "Of nobody"}))).await;
    assert_eq!(lonely.error().unwrap().fields().len(), 1);
}

#[tokio::test]
async fn meetings_and_calls_have_several_contacts_where_the_org_shares_them() {
    for shared in [true, false] {
        let features = Features { shared_activities: shared, ..Features::default() };
        let linked = Linked::start(Emulator::builder().empty().features(features)).await;
        let org = linked.org();
        let provider = linked.connect().await;
        let mut contacts = Vec::new();
        for name in ["A", "B", "C"] {
            contacts.push(org.create("Contact", json!({"LastName": name})).await.unwrap());
        }
        let people =
            |ids: &[&String]| json!(ids.iter().map(|id| json!({"remote_id": id})).collect::<Vec<_>>());
        for sort in ["Event", "Task:Call"] {
            let engagement = json!({
                "subject": "Together", "engagement_type": {"remote_id": sort}, "contacts": people(&[&contacts[0], &contacts[1]]),
                "start_time": "2026-03-01T10:00:00Z", "end_time": "2026-03-01T10:30:00Z",
            });
            let outcome = one(&*provider, create(ObjectKind::Engagement, engagement)).await;
            let id = created(&outcome);
            let left_out = codes(&outcome).contains(&("/contacts", "left_out"));
            assert_eq!(left_out, !shared, "{sort}: {:?}", outcome.warnings);
            let who = async || {
                let read = provider.get::<unicrm_core::Engagement>(id.as_str().into()).await.unwrap();
                let ids = read.contacts.iter().filter_map(|contact| contact.remote_id());
                ids.map(|id| id.as_str().to_owned()).collect::<Vec<_>>()
            };
            let expected = if shared { &contacts[..2] } else { &contacts[..1] };
            assert_eq!(who().await, expected, "{sort}");
            let change = update(
                ObjectKind::Engagement,
                &id,
                json!({"contacts": people(&[&contacts[0], &contacts[2]])}),
            );
            let outcome = one(&*provider, change.clone()).await;
            if shared {
                assert!(matches!(outcome.status, OutcomeStatus::Updated), "{outcome:?}");
                assert_eq!(who().await, [contacts[0].clone(), contacts[2].clone()], "{sort}");
                assert!(matches!(one(&*provider, change).await.status, OutcomeStatus::Unchanged));
            } else {
                assert_eq!(who().await, contacts[..1], "{sort}");
            }
        }
    }
}

#[tokio::test]
async fn an_update_that_says_nothing_new_is_no_call() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let id = org.create("Task", json!({"Subject": "Call", "Status": "In Progress"})).await.unwrap();
    let open = update(ObjectKind::Task, &id, json!({"status": "OPEN", "subject": "Call"}));
    let outcome = one(&*provider, open).await;
    assert!(matches!(outcome.status, OutcomeStatus::Unchanged), "{outcome:?}");
    let changes = linked
        .emulator
        .log()
        .entries()
        .into_iter()
        .filter(|entry| entry.method != "GET" && entry.resource == Resource::Composite);
    let changes: Vec<_> = changes.filter(|entry| entry.path.ends_with("/sobjects")).collect();
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(text(&org, "Task", &id, "Status").await.as_deref(), Some("In Progress"));
    let closed = one(&*provider, update(ObjectKind::Task, &id, json!({"status": "CLOSED"}))).await;
    assert!(matches!(closed.status, OutcomeStatus::Updated));
    assert_eq!(text(&org, "Task", &id, "Status").await.as_deref(), Some("Completed"));
}

#[tokio::test]
async fn the_account_of_a_task_must_be_the_one_that_follows() {
    let linked = empty().await;
    let org = linked.org();
    let provider = linked.connect().await;
    let account = org.create("Account", json!({"Name": "Acme"})).await.unwrap();
    let other = org.create("Account", json!({"Name": "Other"})).await.unwrap();
    let deal =
        json!({"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2030-01-01", "AccountId": account});
    let deal = org.create("Opportunity", deal).await.unwrap();
    let task = |account: &str| {
        create(
            ObjectKind::Task,
            json!({"subject": "Do", "account": {"remote_id": account}, "opportunity": {"remote_id": deal}}),
        )
    };
    let outcomes = write(&*provider, vec![task(&account), task(&other)]).await;
    assert_eq!(codes(&outcomes[0]), []);
    assert_eq!(codes(&outcomes[1]), [("/account", "left_out")]);
    for outcome in &outcomes {
        let row = org.get("Task", &created(outcome)).await.unwrap().unwrap();
        assert_eq!(
            (row.text("WhatId"), row.text("AccountId")),
            (Some(deal.as_str()), Some(account.as_str()))
        );
    }
}
