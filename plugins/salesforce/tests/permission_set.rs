//! The permission set that the access report offers, deployed: it is enough, and it gives nothing else.

use unicrm_core::{Access, Contact, ContactPatch, Grant, ObjectKind, ProviderExt};
use unicrm_salesforce_emulator::{Emulator, Visibility};

use crate::support::Linked;

async fn newcomer() -> Linked {
    let visibility = Visibility::minimum_access();
    Linked::start(Emulator::builder().contacts(20).seed(7).visibility(visibility)).await
}

fn grant(access: &Access, read_only: bool) -> &Grant {
    access.grants.iter().find(|grant| grant.read_only == read_only).expect("a grant")
}

/// The values of an element wherever it is.
fn values<'x>(xml: &'x str, element: &str) -> Vec<&'x str> {
    let open = format!("<{element}>");
    xml.split(&open).skip(1).filter_map(|rest| Some(rest.split_once('<')?.0)).collect()
}

fn lacks(access: &Access) -> Vec<&str> {
    access.missing.iter().filter(|missing| missing.required).map(|missing| missing.what.as_str()).collect()
}

/// Deploys what the report offers, twice: fields of tasks and e-mails that were not seen at all come with the second.
async fn deploy(linked: &Linked, read_only: bool) -> Access {
    for _ in 0..2 {
        let access = linked.connect().await.access().await.unwrap();
        let xml = &grant(&access, read_only).files[0].content;
        linked.org().deploy_permission_set(xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
    }
    linked.connect().await.access().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_nothing_lacks_nothing_after_deploying_the_set() {
    let linked = newcomer().await;
    let before = linked.connect().await.access().await.unwrap();
    for what in ["object Account", "object Contact", "object Lead", "object Opportunity", "object Task"] {
        assert!(lacks(&before).contains(&what), "{what}: {:?}", before.missing);
    }
    let first = grant(&before, false);
    assert!(first.notes[0].contains("Task") && !first.notes[0].contains("Contact"), "{:?}", first.notes);

    // What Salesforce itself takes at once comes at once: an object with its fields.
    linked.org().deploy_permission_set(&first.files[0].content).unwrap();
    let halfway = linked.connect().await.access().await.unwrap();
    for kind in [ObjectKind::Account, ObjectKind::Contact, ObjectKind::Lead, ObjectKind::Opportunity] {
        let object = &halfway.objects[&kind];
        assert!(object.creatable && object.fields.iter().all(|field| field.readable), "{kind}: {object:?}");
    }

    let after = deploy(&linked, false).await;
    assert_eq!(lacks(&after), [""; 0]);
    for kind in ObjectKind::ALL {
        let object = &after.objects[&kind];
        assert!(object.readable, "{kind}");
        let settings = matches!(kind, ObjectKind::User | ObjectKind::Stage | ObjectKind::EngagementType);
        assert_eq!((object.creatable, object.updatable), (!settings, !settings), "{kind}");
        assert!(object.fields.iter().all(|field| field.readable), "{kind}: {:?}", object.fields);
    }
    let fields: Vec<_> = after.missing.iter().filter(|missing| missing.what.starts_with("field")).collect();
    assert!(fields.is_empty(), "{fields:?}");
    assert!(!after.full_administrator);
    let again = grant(&after, false);
    assert!(again.notes.iter().all(|note| !note.contains("yet")), "{:?}", again.notes);

    // And it serves: a contact with everything on it is written and read.
    let provider = linked.connect().await;
    let patch = ContactPatch::new().last_name("Feig").first_name("Gil");
    let id = provider.create(patch).await.unwrap().remote_id.expect("an id");
    let contact: Contact = provider.get(id).await.unwrap();
    assert_eq!(contact.first_name.as_deref(), Some("Gil"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_for_reading_changes_nothing() {
    let linked = newcomer().await;
    let access = deploy(&linked, true).await;
    assert_eq!(lacks(&access), [""; 0]);
    for kind in ObjectKind::ALL {
        let object = &access.objects[&kind];
        assert!(object.readable, "{kind}");
        assert!(!object.creatable && !object.updatable && !object.deletable, "{kind}: {object:?}");
        assert!(object.fields.iter().all(|field| field.readable), "{kind}: {:?}", object.fields);
    }
    let error = linked.connect().await.create(ContactPatch::new().last_name("Feig")).await;
    assert!(error.is_err(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_gives_nothing_that_the_mapping_does_not_use() {
    let linked = newcomer().await;
    let access = deploy(&linked, false).await;
    let xml = &grant(&access, false).files[0].content;
    let used: Vec<String> = unicrm_salesforce::INFO
        .mappings
        .iter()
        .flat_map(|mapping| {
            let of = |name: &str| match name.contains('.') {
                true => name.to_owned(),
                false => format!("{}.{name}", mapping.remote_objects[0]),
            };
            mapping.fields.iter().flat_map(|field| field.remote).map(move |name| of(name)).collect::<Vec<_>>()
        })
        .collect();
    for field in values(xml, "field") {
        let whole = field.strip_suffix("Address").filter(|prefix| !prefix.is_empty());
        let mapped = used.iter().any(|name| name == field)
            || whole.is_some_and(|prefix| used.iter().any(|name| *name == format!("{prefix}City")));
        assert!(mapped, "{field} is granted and not used");
    }
    assert_eq!(values(xml, "object"), ["Account", "Contact", "Lead", "Opportunity"]);
    assert!(!xml.contains("<modifyAllRecords>true") && !xml.contains("ModifyAllData"), "{xml}");
    let visible = linked.org().visibility();
    for (object, field) in [("Account", "AnnualRevenue"), ("Contact", "Birthdate"), ("Lead", "AnnualRevenue")]
    {
        assert!(!visible.can_see(object, field), "{object}.{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_an_administrator_took_away_is_in_the_set() {
    let linked = Linked::with_contacts(20).await;
    linked.org().hide_field("Contact", "MobilePhone");
    linked.org().hide_field("Contact", "MailingCity");
    let access = linked.connect().await.access().await.unwrap();
    let fields = values(&grant(&access, true).files[0].content, "field");
    assert!(
        fields.contains(&"Contact.MobilePhone") && fields.contains(&"Contact.MailingAddress"),
        "{fields:?}"
    );
    linked.org().deploy_permission_set(&grant(&access, true).files[0].content).unwrap();
    let access = linked.connect().await.access().await.unwrap();
    assert_eq!(access.missing, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_salesforce_would_refuse_is_refused() {
    let linked = newcomer().await;
    let set = |inside: &str| {
        format!(
            "<PermissionSet xmlns=\"http://soap.sforce.com/2006/04/metadata\"><label>x</label>{inside}</PermissionSet>"
        )
    };
    let field = |name: &str| {
        set(&format!(
            "<fieldPermissions><editable>false</editable><field>{name}</field><readable>true</readable></fieldPermissions>"
        ))
    };
    let object = |name: &str| {
        set(&format!(
            "<objectPermissions><allowRead>true</allowRead><object>{name}</object></objectPermissions>"
        ))
    };
    for (xml, says) in [
        (field("Contact.LastName"), "required field: Contact.LastName"),
        (field("Contact.MailingCity"), "no CustomField named Contact.MailingCity"),
        (field("Contact.Shoe__c"), "no CustomField named Contact.Shoe__c"),
        (object("Task"), "Task has no object permissions"),
        (object("Contact"), "depends on permission(s): Read Account"),
        (object("Shoe__c"), "no CustomObject named Shoe__c"),
        ("<Profile/>".to_owned(), "no PermissionSet"),
    ] {
        let error = linked.org().deploy_permission_set(&xml).expect_err(says);
        assert!(error.message.contains(says), "{says}: {}", error.message);
    }
}
