//! The access report and the schema: who we are, what is missing and how to get it.

use serde_json::json;
use unicrm_core::{Access, FieldFormat, ObjectKind};
use unicrm_salesforce_emulator::Record;

use crate::support::Linked;

fn missing<'a>(access: &'a Access, what: &str) -> Option<&'a unicrm_core::Missing> {
    access.missing.iter().find(|missing| missing.what == what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_lacks_nothing() {
    let linked = Linked::with_contacts(20).await;
    let access = linked.connect().await.access().await.unwrap();
    assert!(access.full_administrator);
    assert_eq!(access.identity.user_id, linked.org().user_id());
    assert_eq!(access.identity.username, linked.emulator.username());
    assert_eq!(access.identity.organization_id.as_deref(), Some(linked.org().id()));
    assert_eq!(access.identity.instance_url.as_deref(), Some(linked.emulator.instance_url().as_str()));
    assert!(access.identity.organization.is_some() && access.identity.api_version.is_some());
    assert!(access.quota.as_ref().is_some_and(|quota| quota.limit == 100_000 && quota.used > 0));
    assert_eq!(access.missing, [], "an administrator sees everything");
    for kind in ObjectKind::ALL {
        let object = &access.objects[&kind];
        assert!(object.readable, "{kind}");
        let settings = matches!(kind, ObjectKind::User | ObjectKind::Stage | ObjectKind::EngagementType);
        assert_eq!((object.creatable, object.deletable), (!settings, !settings), "{kind}");
        assert!(object.fields.iter().all(|field| field.readable), "{kind}: {:?}", object.fields);
    }
    let contact = &access.objects[&ObjectKind::Contact];
    let writable =
        |name: &str| contact.fields.iter().find(|field| field.field == name).map(|field| field.writable);
    assert_eq!(writable("last_name"), Some(true));
    assert_eq!(writable("last_activity_at"), Some(false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_is_named_with_the_way_to_get_it() {
    let linked = Linked::with_contacts(20).await;
    let org = linked.org();
    org.hide_field("Contact", "MobilePhone");
    org.hide_field("Opportunity", "StageName");
    org.hide_field("Account", "Industry");
    org.hide_object("Lead");
    let access = linked.connect().await.access().await.unwrap();

    let phone = missing(&access, "field Contact.MobilePhone").expect("a missing field");
    assert!(!phone.required && phone.needed_for.contains("phone_numbers"), "{phone:?}");
    assert!(phone.how.contains("Permission Sets") && phone.how.contains("MobilePhone"), "{phone:?}");
    assert!(access.objects[&ObjectKind::Contact].readable);

    let industry =
        access.objects[&ObjectKind::Account].fields.iter().find(|field| field.field == "industry").unwrap();
    assert!(!industry.readable && !industry.writable);

    let stage = missing(&access, "field Opportunity.StageName").expect("a missing field");
    assert!(stage.required, "{stage:?}");
    assert!(!access.objects[&ObjectKind::Opportunity].readable);

    let lead = missing(&access, "object Lead").expect("a missing object");
    assert!(lead.required && lead.how.contains("Lead"), "{lead:?}");
    assert!(!access.objects[&ObjectKind::Lead].readable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permissions_decide_who_is_an_administrator() {
    let linked = Linked::with_contacts(20).await;
    let org = linked.org();
    let assigned =
        format!("SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = '{}'", org.user_id());
    let sets = org.query(&assigned).await.unwrap();
    assert!(!sets.is_empty(), "the administrator has a permission set");
    for set in sets {
        let less = Record::new()
            .with("PermissionsModifyAllData", false)
            .with("PermissionsViewAllData", false)
            .with("PermissionsQueryAllFiles", false);
        org.set("PermissionSet", set["PermissionSetId"].as_str().unwrap(), less).await.unwrap();
    }
    let access = linked.connect().await.access().await.unwrap();
    assert!(!access.full_administrator);
    for what in ["permission View All Data", "permission Query All Files"] {
        let lack = missing(&access, what).unwrap_or_else(|| panic!("{what}: {:?}", access.missing));
        assert!(!lack.required && lack.how.contains("System Permissions"), "{lack:?}");
    }

    // A user who may not see the permission sets gets the rest of the report all the same.
    org.hide_object("PermissionSet");
    org.hide_object("PermissionSetAssignment");
    let access = linked.connect().await.access().await.unwrap();
    assert!(!access.full_administrator && access.objects[&ObjectKind::Contact].readable);
    assert!(missing(&access, "permission View Setup and Configuration").is_some(), "{:?}", access.missing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_schema_has_unified_fields_first_and_everything_else_behind() {
    let linked = Linked::with_contacts(20).await;
    let field = unicrm_salesforce_emulator::FieldSchema::new(
        "Tier__c",
        unicrm_salesforce_emulator::FieldType::String,
    );
    linked.org().add_field("Contact", field).await.unwrap();
    let provider = linked.connect().await;
    for kind in ObjectKind::ALL {
        let schema = provider.describe(kind).await.unwrap();
        assert_eq!(schema.kind, kind);
        let first_rest =
            schema.fields.iter().position(|field| field.unified.is_none()).unwrap_or(schema.fields.len());
        assert!(schema.fields[first_rest..].iter().all(|field| field.unified.is_none()), "{kind}");
        assert!(first_rest > 0, "{kind}");
    }
    let schema = provider.describe(ObjectKind::Contact).await.unwrap();
    let find = |remote: &str| schema.fields.iter().find(|field| field.remote == remote).expect(remote);
    let name = find("LastName");
    assert_eq!((name.unified.as_deref(), name.required, name.length), (Some("last_name"), true, Some(80)));
    assert!(name.creatable && name.updatable);
    let tier = find("Tier__c");
    assert!(tier.custom && tier.unified.is_none() && tier.format == FieldFormat::String);
    let owner = find("OwnerId");
    assert_eq!((owner.unified.as_deref(), &owner.references[..]), (Some("owner"), &["User".to_owned()][..]));
    let source = find("LeadSource");
    assert!(source.picklist.iter().any(|value| value.value == "Web" && value.active), "{source:?}");
    let amount = provider.describe(ObjectKind::Opportunity).await.unwrap();
    let amount = amount.fields.into_iter().find(|field| field.remote == "Amount").unwrap();
    assert_eq!((amount.format, amount.precision, amount.scale), (FieldFormat::Number, Some(18), Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_requests_go_through_with_this_account_s_credentials() {
    let linked = Linked::with_contacts(20).await;
    let provider = linked.connect().await;
    let request =
        unicrm_core::RawRequest::new("GET", "/services/data/v60.0/query?q=SELECT+COUNT()+FROM+Contact");
    let answer = provider.send(request).await.unwrap();
    assert_eq!(answer.status, 200);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["totalSize"], json!(linked.org().count("Contact").await.unwrap()));
    assert_eq!(answer.usage.calls, 1);
    let missing =
        provider.send(unicrm_core::RawRequest::new("GET", "/services/data/v60.0/nothing")).await.unwrap();
    assert_eq!(missing.status, 404);
    for elsewhere in ["https://example.org/services/data", "//example.org/", "services/data"] {
        let refused = provider.send(unicrm_core::RawRequest::new("GET", elsewhere)).await;
        assert!(refused.is_err(), "{elsewhere} went through");
    }
}
