//! Reading: by id, page by page, with conditions.

use std::sync::Arc;

use unicrm_core::{
    Account, Amount, Contact, ContactPatch, EmailAddress, Engagement, ErrorKind, Id, Json, LiveRow,
    ObjectKind, Opportunity, Patch, RawRecord, Record, RecordPatch, Ref, RemoteField, RemoteFieldClass, Row,
    User, compute_id,
};
use unicrm_store::{Filter, Include, LinkRequest, ListRequest, PageCommit, Store};
use uuid::Uuid;

use crate::place::Place;
use crate::{commit, contact, linked, live};

async fn ids(store: &dyn Store, request: ListRequest) -> Vec<String> {
    let page = store.list(request).await.unwrap();
    assert!(page.next.is_none());
    page.records.iter().map(|stored| stored.record.remote_id().unwrap().to_string()).collect()
}

pub(crate) async fn a_record_is_found_by_either_id(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    let other_epoch = store.begin_epoch(other.id).await.unwrap();
    commit(&*store, epoch, vec![live("x1", "Feig")]).await;
    commit(&*store, other_epoch, vec![live("x1", "Baur")]).await;
    let mut user = User::default();
    user.remote_id = Some("x1".into());
    let page = PageCommit::new(epoch, ObjectKind::User, vec![Row::Live(LiveRow::new(user))]);
    store.commit_page(page).await.unwrap();

    let id = compute_id(account.id, ObjectKind::Contact, "x1");
    let stored = store.find(id, Include::default()).await.unwrap().unwrap();
    assert_eq!((stored.linked_account, stored.record.kind()), (account.id, ObjectKind::Contact));
    assert_eq!(store.get(ObjectKind::Contact, id, Include::default()).await.unwrap(), Some(stored));
    assert_eq!(store.get(ObjectKind::User, id, Include::default()).await.unwrap(), None);
    assert_eq!(store.find(Uuid::nil(), Include::default()).await.unwrap(), None);
    for (account, kind, found) in [
        (None, None, 3),
        (Some(account.id), None, 2),
        (None, Some(ObjectKind::Contact), 2),
        (Some(other.id), Some(ObjectKind::User), 0),
    ] {
        let records = store.find_remote(account, kind, "x1", Include::default()).await.unwrap();
        assert_eq!(records.len(), found, "{account:?} {kind:?}");
    }
}

pub(crate) async fn pages_show_every_record_once_and_in_order(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    let other_epoch = store.begin_epoch(other.id).await.unwrap();
    for i in 0..50 {
        // The records of two accounts lie between one another.
        let epoch = if i % 2 == 0 { epoch } else { other_epoch };
        commit(&*store, epoch, vec![live(&format!("{i:03}"), "x")]).await;
    }
    for limit in [1, 7, 25, 26, 1000] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let request = ListRequest::new(ObjectKind::Contact).of(account.id).with_limit(limit).after(after);
            let page = store.list(request).await.unwrap();
            assert!(page.records.len() <= limit as usize);
            seen.extend(page.records.iter().map(|stored| stored.record.remote_id().unwrap().to_string()));
            // A record that comes meanwhile does not disturb the pages.
            commit(&*store, other_epoch, vec![live(&format!("late {}", seen.len()), "x")]).await;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let expected: Vec<_> = (0..50).step_by(2).map(|i| format!("{i:03}")).collect();
        assert_eq!(seen, expected, "{limit} at a time");
    }
}

pub(crate) async fn conditions_are_typed(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let mut gil = contact("1", "Feig");
    gil.account = Some(Ref::remote(account.id, "001"));
    gil.email_addresses = vec![EmailAddress::new("gil@example.com", "Work")];
    gil.last_activity_at = Some("2026-11-22T00:00:00Z".parse().unwrap());
    gil.remote_was_deleted = Some(false);
    let mut mona = contact("2", "Baur");
    mona.last_activity_at = Some("2026-11-22T00:00:00.5Z".parse().unwrap());
    commit(&*store, epoch, vec![Row::Live(LiveRow::new(gil)), Row::Live(LiveRow::new(mona))]).await;
    let gil_id = compute_id(account.id, ObjectKind::Contact, "1").to_string();
    let account_id = compute_id(account.id, ObjectKind::Account, "001").to_string();
    for (field, value, expected) in [
        ("last_name", "Feig", "1"),
        ("last_name", "feig", ""),
        ("id", gil_id.as_str(), "1"),
        ("remote_id", "2", "2"),
        ("account", account_id.as_str(), "1"),
        ("account", "001", "1"),
        ("email_addresses", "gil@example.com", "1"),
        ("last_activity_at", "2026-11-22", "1"),
        ("last_activity_at", "2026-11-22T01:00:00.500+01:00", "2"),
        ("remote_was_deleted", "false", "1"),
        ("first_name", "' OR 1=1 --", ""),
    ] {
        let request = ListRequest::new(ObjectKind::Contact).with_filter(Filter::equal(field, value));
        assert_eq!(ids(&*store, request).await.join(","), expected, "{field}={value}");
    }
    for (field, expected) in
        [("account", "2"), ("last_name", ""), ("first_name", "1,2"), ("addresses", "1,2")]
    {
        let request = ListRequest::new(ObjectKind::Contact).with_filter(Filter::none(field));
        assert_eq!(ids(&*store, request).await.join(","), expected, "{field} is none");
    }
    let both = ListRequest::new(ObjectKind::Contact)
        .with_filter(Filter::equal("last_name", "Feig"))
        .with_filter(Filter::equal("remote_id", "2"));
    assert!(ids(&*store, both).await.is_empty());
}

pub(crate) async fn amounts_and_numbers_are_compared_exactly(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    let deal = |id: &str, amount: &str| {
        let mut deal = Opportunity::default();
        deal.remote_id = Some(id.into());
        deal.amount = Some(amount.parse::<Amount>().unwrap());
        Row::Live(LiveRow::new(deal))
    };
    let rows =
        vec![deal("a", "100.50"), deal("b", "12345678901234567.89"), deal("c", "12345678901234567.88")];
    store.commit_page(PageCommit::new(epoch, ObjectKind::Opportunity, rows)).await.unwrap();
    for (value, expected) in [("100.5", "a"), ("100.500", "a"), ("12345678901234567.89", "b"), ("100", "")] {
        let request = ListRequest::new(ObjectKind::Opportunity).with_filter(Filter::equal("amount", value));
        assert_eq!(ids(&*store, request).await.join(","), expected, "{value}");
    }
    let mut company = Account::default();
    company.remote_id = Some("001".into());
    company.number_of_employees = Some(40);
    let page = PageCommit::new(epoch, ObjectKind::Account, vec![Row::Live(LiveRow::new(company))]);
    store.commit_page(page).await.unwrap();
    let request =
        ListRequest::new(ObjectKind::Account).with_filter(Filter::equal("number_of_employees", "40"));
    assert_eq!(ids(&*store, request).await, ["001"]);
}

pub(crate) async fn a_condition_that_cannot_be_is_explained(place: Place) {
    let (store, ..) = linked(&place).await;
    for (field, value, named) in [
        ("surname", "Feig", "last_name"),
        ("last_activity_at", "yesterday", "not an instant"),
        ("remote_was_deleted", "no", "true nor false"),
        ("id", "003", "not a UUID"),
        ("remote_data", "x", "cannot be searched"),
        ("last_name; DROP TABLE contacts", "x", "the fields are"),
    ] {
        let request = ListRequest::new(ObjectKind::Contact).with_filter(Filter::equal(field, value));
        let error = store.list(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(
            error.to_string().contains(named) && error.fields()[0].pointer == format!("/{field}"),
            "{error}"
        );
    }
    let request =
        ListRequest::new(ObjectKind::Account).with_filter(Filter::equal("number_of_employees", "4.5"));
    assert!(store.list(request).await.unwrap_err().to_string().contains("not a whole number"));
}

pub(crate) async fn references_of_a_patch_are_resolved_within_the_linked_account(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    let mut company = Account::default();
    company.remote_id = Some("001".into());
    let page = PageCommit::new(epoch, ObjectKind::Account, vec![Row::Live(LiveRow::new(company))]);
    store.commit_page(page).await.unwrap();
    let patch = || {
        let by_id = Ref::unified(Id::<Account>::compute(account.id, "001"));
        ContactPatch::new()
            .account(by_id)
            .owner(Ref::unified(Id::<User>::compute(account.id, "005-not-here")))
    };
    let resolve = async |of| {
        let mut patch = RecordPatch::from(patch());
        store.resolve_references(of, &mut [&mut patch]).await.unwrap();
        match patch {
            RecordPatch::Contact(patch) => patch,
            other => panic!("{other:?}"),
        }
    };
    let remote_id = |reference: &Patch<Ref<Account>>| reference.value().unwrap().remote_id().cloned();
    let resolved = resolve(account.id).await;
    assert_eq!(remote_id(&resolved.account), Some("001".into()));
    assert!(resolved.owner.value().unwrap().remote_id().is_none());
    assert_eq!(remote_id(&resolve(other.id).await.account), None);

    // Of several patches at once, each gets its own.
    commit(&*store, epoch, vec![live("003", "Feig")]).await;
    let mut call = Engagement::default();
    call.contacts = vec![Ref::unified(Id::<Contact>::compute(account.id, "003"))];
    let (mut call, mut other) = (RecordPatch::from_record(call.into()), RecordPatch::from(patch()));
    store.resolve_references(account.id, &mut [&mut call, &mut other]).await.unwrap();
    let (RecordPatch::Engagement(call), RecordPatch::Contact(other)) = (call, other) else { panic!() };
    assert_eq!(call.contacts.value().unwrap()[0].remote_id(), Some(&"003".into()));
    assert_eq!(remote_id(&other.account), Some("001".into()));
}

pub(crate) async fn remote_fields_share_their_class_and_come_only_when_asked_for(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let mut class = RemoteFieldClass::default();
    class.remote_key_name = Some("Tier__c".to_owned());
    let class = Arc::new(class);
    let rows = (0..3).map(|i| {
        let mut contact = contact(&i.to_string(), "x");
        contact.remote_fields = vec![RemoteField::new(Arc::clone(&class), Json::text("gold"))];
        let raw = RawRecord::new("/sobjects/Contact", r#"{"Tier__c":"gold"}"#);
        Row::Live(LiveRow::new(contact).with_raw(raw))
    });
    commit(&*store, epoch, rows.collect()).await;
    let list = async |include| -> Vec<Contact> {
        let request = ListRequest::new(ObjectKind::Contact).of(account.id).with(include);
        let records = store.list(request).await.unwrap().records.into_iter();
        records
            .map(|stored| match stored.record {
                Record::Contact(contact) => contact,
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert!(list(Include::default()).await.iter().all(|contact| contact.remote_fields.is_empty()));
    let contacts = list(Include::remote_fields()).await;
    assert!(contacts.iter().all(|contact| contact.remote_data.is_empty()));
    let classes: Vec<_> =
        contacts.iter().map(|contact| &contact.remote_fields[0].remote_field_class).collect();
    let unicrm_core::RemoteFieldClassRef::Class(first) = classes[0] else { panic!("{classes:?}") };
    for other in &classes {
        assert!(matches!(other, unicrm_core::RemoteFieldClassRef::Class(other) if Arc::ptr_eq(first, other)));
    }
    let request = ListRequest::new(ObjectKind::Contact).with_filter(Filter::equal("remote_fields", "gold"));
    assert_eq!(ids(&*store, request).await.len(), 3);
}
