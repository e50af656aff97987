//! Finding records by phone, e-mail and text.

use unicrm_core::{
    Account, Contact, EmailAddress, ErrorKind, Gone, GoneReason, Json, Lead, LinkedAccountId, LiveRow,
    ObjectKind, PhoneNumber, Record, Row, SearchQuery, SearchRequest, compute_id,
};
use unicrm_store::{Epoch, Include, LinkRequest, PageCommit, Store};

use crate::place::Place;
use crate::{commit, linked};

fn phone(text: &str) -> SearchRequest {
    SearchRequest::new(SearchQuery::Phone(text.to_owned()))
}

fn email(text: &str) -> SearchRequest {
    SearchRequest::new(SearchQuery::Email(text.to_owned()))
}

fn text(text: &str) -> SearchRequest {
    SearchRequest::new(SearchQuery::Text(text.to_owned()))
}

/// The remote ids of what is found, in order.
async fn found(store: &dyn Store, account: LinkedAccountId, request: SearchRequest) -> Vec<String> {
    let shown = format!("{request:?}");
    let found = store.search(account, request, Include::default()).await;
    let found = found.unwrap_or_else(|error| panic!("{shown}: {error:?}"));
    found.iter().map(|stored| stored.record.remote_id().unwrap().to_string()).collect()
}

fn person(remote_id: &str, name: &str, address: &str, numbers: &[&str]) -> Contact {
    let mut contact = Contact::default();
    contact.remote_id = Some(remote_id.into());
    contact.last_name = Some(name.to_owned());
    contact.email_addresses = vec![EmailAddress::new(address, "Work")];
    contact.phone_numbers = numbers.iter().map(|number| PhoneNumber::new(*number, "Work")).collect();
    contact
}

fn row(record: impl Into<Record>) -> Row {
    Row::Live(LiveRow::new(record))
}

async fn put(store: &dyn Store, epoch: Epoch, record: impl Into<Record>) {
    let record = record.into();
    let kind = record.kind();
    store.commit_page(PageCommit::new(epoch, kind, vec![row(record)])).await.unwrap();
}

pub(crate) async fn a_number_is_found_in_any_notation_and_an_address_in_any_case(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let rows = [
        person("1", "One", "One@Example.com", &["+1 (415) 555-0100"]),
        person("2", "Two", "two.o'two@example.com", &["n/a", "415.555.0101 / 4155550100"]),
        person("3", "Three", "three@example.com", &["+44 20 7946 0000", "0199"]),
    ];
    commit(&*store, epoch, rows.into_iter().map(row).collect()).await;
    for notation in ["4155550100", "415.555.0100", "(415) 555-0100 x12", "1-415-555-0100", "+14155550100"] {
        assert_eq!(found(&*store, account.id, phone(notation)).await, ["1", "2"], "{notation}");
    }
    for (number, id) in [
        ("415 555 0101", &["2"][..]),
        ("0044 20 7946 0000", &[]),
        ("+442079460000", &["3"]),
        ("0199", &["3"]),
    ] {
        assert_eq!(found(&*store, account.id, phone(number)).await, id, "{number}");
    }
    // Its key is that of the second, which comes first.
    put(&*store, epoch, person("4", "Four", "two.o_two@example.com", &[])).await;
    for (address, id) in [("two.o'two@example.com", "2"), ("two.o_two@example.com", "4")] {
        assert_eq!(found(&*store, account.id, email(address).limit(1)).await, [id], "{address}");
    }
    for (address, id) in [
        ("ONE@example.COM ", &["1"][..]),
        ("two.O'two@example.com", &["2"]),
        ("two.o\\two@example.com", &[]),
        ("wo.o'two@example.com", &[]),
        ("three@example.comm", &[]),
    ] {
        assert_eq!(found(&*store, account.id, email(address)).await, id, "{address}");
    }
}

pub(crate) async fn words_are_found_by_their_beginnings_in_contacts_leads_and_accounts(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let mut lead = Lead::default();
    lead.remote_id = Some("l".into());
    (lead.first_name, lead.last_name) = (Some("Ada".to_owned()), Some("Baur".to_owned()));
    lead.company = Some("Müller & Söhne".to_owned());
    let mut company = Account::default();
    company.remote_id = Some("a".into());
    company.name = Some("MÜLLER-BAUR (Holding)".to_owned());
    commit(
        &*store,
        epoch,
        (0..5).map(|i| row(person(&format!("c{i}"), "Baur AND \"co\"", "x@y", &[]))).collect(),
    )
    .await;
    put(&*store, epoch, lead).await;
    put(&*store, epoch, company).await;
    for (words, ids) in [
        ("baur", &["c0", "c1", "c2", "c3", "c4", "l", "a"][..]),
        ("müll", &["l", "a"]),
        ("BA müller", &["l", "a"]),
        ("ada  bau*", &["l"]),
        ("aur", &[]),
        ("baur NOT", &[]),
        ("baur and", &["c0", "c1", "c2", "c3", "c4"]),
        ("baur OR nobody", &[]),
        ("\"co\" baur)", &["c0", "c1", "c2", "c3", "c4"]),
    ] {
        assert_eq!(found(&*store, account.id, text(words)).await, ids, "{words}");
    }
    // Each object has its share, and none more than its own.
    assert_eq!(found(&*store, account.id, text("baur").limit(4)).await, ["c0", "c1", "l", "a"]);
    assert_eq!(found(&*store, account.id, text("baur").limit(0)).await, [""; 0]);
    let some = text("baur").kinds([ObjectKind::Account, ObjectKind::Stage]);
    assert_eq!(found(&*store, account.id, some).await, ["a"]);
}

pub(crate) async fn what_is_searched_for_is_text_whatever_it_looks_like(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![row(person("1", "x\0y 'z' \\ \" *", "a\0'\"\\ b@c", &["#:*'\"\\ 555"]))])
        .await;
    for what in [
        "",
        "' OR 1 --",
        "\"",
        "\\",
        "a:*",
        "*",
        "(",
        "NEAR(a b)",
        "keys:x",
        "a\0b",
        "x & !y",
        "😀😀",
        "ab 'z'",
    ] {
        for request in [phone(what), email(what), email(&format!("{what}@c")), text(what)] {
            let shown = format!("{request:?}");
            match store.search(account.id, request, Include::default()).await {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{shown}: {error:?}"),
            }
        }
    }
    assert_eq!(found(&*store, account.id, email("A\0'\"\\ B@C")).await, ["1"]);
    assert_eq!(found(&*store, account.id, text("x y z")).await, ["1"]);
    assert_eq!(found(&*store, account.id, phone("555")).await, ["1"]);
}

pub(crate) async fn what_a_record_is_found_by_follows_the_record(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let old = person("1", "Old", "old@example.com", &["4155550100"]);
    let new = person("1", "New", "new@example.com", &["4155550101", "4155550102"]);
    commit(&*store, epoch, vec![row(old.clone())]).await;
    commit(&*store, epoch, vec![row(new.clone()), row(old.clone()), row(new.clone())]).await;
    for request in [phone("4155550100"), email("old@example.com"), text("old")] {
        assert_eq!(found(&*store, account.id, request).await, [""; 0]);
    }
    for request in [phone("4155550101"), phone("4155550102"), email("new@example.com"), text("new")] {
        assert_eq!(found(&*store, account.id, request).await, ["1"]);
    }
    // Gone, with its last state or without; and back again.
    commit(&*store, epoch, vec![Row::Gone(Gone::new(ObjectKind::Contact, "1", GoneReason::Deleted))]).await;
    assert_eq!(found(&*store, account.id, phone("4155550101")).await, [""; 0]);
    commit(&*store, epoch, vec![row(old.clone())]).await;
    assert_eq!(found(&*store, account.id, phone("4155550100")).await, ["1"]);
    let gone = Gone::new(ObjectKind::Contact, "1", GoneReason::Deleted).with_last(LiveRow::new(new.clone()));
    commit(&*store, epoch, vec![Row::Gone(gone)]).await;
    assert_eq!(found(&*store, account.id, phone("4155550101")).await, [""; 0]);
    commit(&*store, epoch, vec![row(new)]).await;
    assert_eq!(found(&*store, account.id, phone("4155550101")).await, ["1"]);
    // A snapshot that does not show it.
    store.begin_snapshot(epoch, ObjectKind::Contact).await.unwrap();
    store.finish_snapshot(epoch, ObjectKind::Contact, None).await.unwrap();
    assert_eq!(found(&*store, account.id, text("new")).await, [""; 0]);
}

pub(crate) async fn accounts_are_searched_apart_and_unlinking_forgets(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    let other_epoch = store.begin_epoch(other.id).await.unwrap();
    commit(&*store, epoch, vec![row(person("1", "Feig", "a@b", &["4155550100"]))]).await;
    commit(&*store, other_epoch, vec![row(person("2", "Feig", "a@b", &["4155550100"]))]).await;
    assert_eq!(found(&*store, account.id, phone("4155550100")).await, ["1"]);
    assert_eq!(found(&*store, other.id, text("feig")).await, ["2"]);
    store.unlink(account.id).await.unwrap();
    assert!(store.search(account.id, phone("4155550100"), Include::default()).await.is_err());
    assert_eq!(found(&*store, other.id, email("a@b")).await, ["2"]);
    // Whoever comes next is not found by the numbers of those who went.
    let next = store.link(LinkRequest::new("next", "memory")).await.unwrap();
    let epoch = store.begin_epoch(next.id).await.unwrap();
    commit(&*store, epoch, vec![row(person("3", "Baur", "c@d", &["4155550199"]))]).await;
    for request in [phone("4155550100"), text("feig"), email("a@b")] {
        assert_eq!(found(&*store, next.id, request).await, [""; 0]);
    }
    assert_eq!(found(&*store, next.id, phone("4155550199")).await, ["3"]);
}

pub(crate) async fn numbers_belong_to_the_country_of_their_linked_account(place: Place) {
    let store = place.open().await;
    let link = |region: &str| {
        let config = Json::parse(format!(r#"{{"phone_region":"{region}","other":1}}"#)).unwrap();
        LinkRequest::new("acme", "memory").with_config(config)
    };
    let account = store.link(link("DE")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    commit(&*store, epoch, vec![row(person("1", "Feig", "a@b", &["030 123456"]))]).await;
    assert_eq!(found(&*store, account.id, phone("+49 30 123456")).await, ["1"]);
    assert_eq!(found(&*store, account.id, phone("030/123456")).await, ["1"]);
    store.link(link("FR")).await.unwrap();
    assert_eq!(found(&*store, account.id, phone("+49 30 123456")).await, [""; 0]);
    assert_eq!(found(&*store, account.id, phone("030/12 34 56")).await, ["1"]);
    store.link(link("de")).await.unwrap();
    assert_eq!(found(&*store, account.id, phone("+49 30 123456")).await, ["1"]);
}

pub(crate) async fn a_database_from_before_gets_what_its_records_are_found_by(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![row(person("1", "Feig", "a@b", &["4155550100"]))]).await;
    drop(store);
    place
        .meddle(if place.is_postgres() {
            "DROP TABLE record_keys; DELETE FROM unicrm_migrations WHERE name = 'search'"
        } else {
            "DROP TABLE accounts_search; DROP TABLE contacts_search; DROP TABLE leads_search;
             DELETE FROM schema_migrations WHERE name = 'search'"
        })
        .await;
    let store = place.open().await;
    for request in [phone("415-555-0100"), text("feig"), email("a@b")] {
        assert_eq!(found(&*store, account.id, request).await, ["1"]);
    }
    let id = compute_id(account.id, ObjectKind::Contact, "1");
    assert!(store.get(ObjectKind::Contact, id, Include::default()).await.unwrap().is_some());
}
