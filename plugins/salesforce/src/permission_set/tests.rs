use super::*;
use crate::fixtures_test::folder;
use crate::objects::MAPPINGS;

/// The recorded descriptions, whole ones: of an administrator of a real org. None where the recordings are not at hand.
fn recorded() -> Option<Vec<Arc<Describe>>> {
    let folder = folder().join("describe");
    if !folder.is_dir() {
        println!("skipped: there are no recordings at {}", folder.display());
        return None;
    }
    let read = |name: &str| {
        let path = folder.join(format!("{name}.json"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Arc::new(Describe::parse(&text).expect("a description"))
    };
    Some(["Account", "Contact", "Event", "Lead", "Opportunity"].map(read).into())
}

fn described(json: &str) -> Arc<Describe> {
    Arc::new(Describe::parse(json).expect("a description"))
}

fn contact() -> Arc<Describe> {
    described(
        r#"{"name":"Contact","fields":[
            {"name":"Id","type":"id"},
            {"name":"LastName","type":"string","permissionable":false,"compoundFieldName":"Name"},
            {"name":"Phone","type":"phone","permissionable":true},
            {"name":"MailingCity","type":"string","permissionable":true,"compoundFieldName":"MailingAddress"},
            {"name":"MailingStreet","type":"textarea","permissionable":true,"compoundFieldName":"MailingAddress"}
        ]}"#,
    )
}

fn granted(grant: &Grant) -> Vec<(String, bool)> {
    let xml = &grant.files[0].content;
    let text = |block: &str, name: &str| {
        let (_, rest) = block.split_once(&format!("<{name}>")).expect("an element");
        rest.split_once('<').expect("its end").0.to_owned()
    };
    let blocks = xml.split("<fieldPermissions>").skip(1);
    blocks.map(|block| (text(block, "field"), text(block, "editable") == "true")).collect()
}

#[test]
fn fields_that_everybody_sees_are_left_out_and_addresses_are_given_whole() {
    let [read, write] = &grants(&MAPPINGS, &[contact()], "66.0", "me@acme.example")[..] else {
        panic!("two")
    };
    let fields = granted(write);
    for given in ["Contact.Phone", "Contact.MailingAddress", "Contact.Email", "Contact.OtherAddress"] {
        assert!(fields.contains(&(given.to_owned(), true)), "{given} in {fields:?}");
    }
    for not in [
        "Contact.Id",
        "Contact.LastName",
        "Contact.MailingCity",
        "Contact.OtherStreet",
        "Contact.MailingStateCode",
    ] {
        assert!(fields.iter().all(|(field, _)| field != not), "{not} in {fields:?}");
    }
    assert!(granted(read).iter().all(|(_, editable)| !editable));
    assert!(read.files[0].content.contains("<allowCreate>false</allowCreate>"));
    assert!(!read.files[0].content.contains("<allowEdit>true"), "reading changes nothing");
    assert!(write.notes[0].contains("Task"), "{:?}", write.notes);
    assert!(write.notes.iter().any(|note| note.contains("Contact.MailingStateCode")), "{:?}", write.notes);
}

#[test]
fn what_cannot_be_granted_as_an_object_is_granted_as_a_permission() {
    let [read, write] = &grants(&MAPPINGS, &[], "66.0", "me@acme.example")[..] else { panic!("two") };
    for grant in [read, write] {
        let xml = &grant.files[0].content;
        let objects: Vec<_> =
            xml.split("<object>").skip(1).filter_map(|rest| Some(rest.split_once('<')?.0)).collect();
        assert_eq!(objects, ["Account", "Contact", "Lead", "Opportunity"]);
        assert!(xml.contains("<name>ActivitiesAccess</name>") && xml.contains("<name>ApiEnabled</name>"));
        assert_eq!(xml.contains("<name>EditTask</name>"), !grant.read_only);
        assert_eq!(xml.contains("<name>ConvertLeads</name>"), !grant.read_only);
        // Of these nothing is recorded that holds in every org.
        let fields = granted(grant);
        assert!(fields.iter().all(|(field, _)| !field.starts_with("Task.")), "{fields:?}");
        assert!(grant.notes[0].contains("Task") && !grant.notes[0].contains("Contact"), "{:?}", grant.notes);
        assert!(grant.how.contains("me@acme.example") && grant.files[1].content.contains("\"66.0\""));
    }
}

#[test]
fn what_is_granted_unseen_is_what_is_granted_in_sight() {
    let Some(recorded) = recorded() else { return };
    let of_recorded = |grant: &Grant| {
        let mut fields = granted(grant);
        fields.retain(|(field, _)| {
            recorded.iter().any(|one| field.split('.').next() == Some(&one.object.name))
        });
        fields
    };
    let seen = grants(&MAPPINGS, &recorded, "66.0", "me@acme.example");
    let unseen = grants(&MAPPINGS, &[], "66.0", "me@acme.example");
    for (seen, unseen) in seen.iter().zip(&unseen) {
        assert_eq!(of_recorded(unseen), of_recorded(seen));
    }
}

#[test]
fn every_field_of_the_set_is_one_that_a_real_org_lets_be_granted() {
    let Some(recorded) = recorded() else { return };
    let mut seen = 0;
    for grant in grants(&MAPPINGS, &recorded, "66.0", "me@acme.example") {
        for (name, editable) in granted(&grant) {
            let (object, field) = name.split_once('.').expect("an object and a field");
            let describe = recorded.iter().find(|describe| describe.object.name == object).expect(object);
            let field = describe.field(field).unwrap_or_else(|| panic!("{name} is not in the recording"));
            assert!(field.permissionable, "{name} is required, or seen by everybody");
            let parts = describe
                .fields
                .iter()
                .filter(|part| part.compound_field_name.as_deref() == Some(&field.name));
            let settable = field.updateable || parts.into_iter().any(|part| part.updateable);
            assert!(!editable || settable, "{name} can never be edited");
            seen += 1;
        }
        assert!(granted(&grant).iter().all(|(_, editable)| *editable != grant.read_only));
    }
    assert!(seen > 60, "{seen} fields");
}
