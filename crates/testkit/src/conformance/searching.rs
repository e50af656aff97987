//! The cases of searching.

use std::collections::BTreeSet;

use unicrm_core::{
    Capability, EmailAddress, ErrorKind, ObjectKind, PhoneNumber, Provider, ProviderExt, ReadPart, Record,
    RemoteId, Row, Scope, SearchQuery, SearchRequest,
};

use super::{Harness, declaring};

/// A name that no other record of an org has.
const NAME: &str = "Quillfeather";

/// A number is found in whatever notation it is stored and looked for, and no other number with it. What is found is the
/// whole record.
pub async fn a_phone_number_is_found_in_any_notation<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::SearchPhone) {
        let mut stored = BTreeSet::new();
        for number in ["+1 415 555 0142", "4155550142", "(415) 555-0142"] {
            let Some(record) = with_phone(harness.sample(kind), number) else { continue };
            stored.insert(harness.upstream().insert(record).await);
        }
        if let Some(other) = with_phone(harness.sample(kind), "+1 415 555 0143") {
            harness.upstream().insert(other).await;
        }
        harness.upstream().index().await;
        for wanted in ["+1 (415) 555-0142", "4155550142", "415.555.0142", "1-415-555-0142"] {
            let rows = search(&*provider, kind, SearchQuery::Phone(wanted.to_owned())).await;
            assert_eq!(ids(&rows), stored, "{kind}: {wanted}");
            for row in rows {
                let Row::Live(live) = row else { panic!("{kind}: {wanted}: {row:?}") };
                let id = live.record.remote_id().cloned().expect("a remote id");
                let part = ReadPart::new(kind, Scope::Ids(vec![id]));
                let read = provider.read_page(part).await.expect("the record").rows.pop();
                let Some(Row::Live(read)) = read else { panic!("{kind}: {read:?}") };
                assert_eq!(live.record, read.record, "{kind}: a search shows what a reading shows");
            }
        }
        let nobody = search(&*provider, kind, SearchQuery::Phone("+1 415 555 0144".to_owned())).await;
        assert!(nobody.is_empty(), "{kind}: {nobody:?}");
    }
}

/// An e-mail address is found whole, whatever its case.
pub async fn an_e_mail_address_is_found_whatever_its_case<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::SearchEmail) {
        let mut stored = BTreeSet::new();
        if let Some(record) = with_email(harness.sample(kind), "Ada.Search@conformance.example") {
            stored.insert(harness.upstream().insert(record).await);
        }
        harness.upstream().index().await;
        for wanted in ["ada.search@conformance.example", "ADA.SEARCH@Conformance.Example"] {
            let rows = search(&*provider, kind, SearchQuery::Email(wanted.to_owned())).await;
            assert_eq!(ids(&rows), stored, "{kind}: {wanted}");
        }
        for other in [
            "da.search@conformance.example",
            "ada.search@conformance.exampl",
            "a_a.search@conformance.example",
        ] {
            let rows = search(&*provider, kind, SearchQuery::Email(other.to_owned())).await;
            assert!(rows.is_empty(), "{kind}: {other}: {rows:?}");
        }
    }
}

/// A name is found by its text, whatever its case, and no more rows come than were asked for.
pub async fn a_name_is_found_by_text<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::SearchText) {
        let mut stored = BTreeSet::new();
        for _ in 0..3 {
            if let Some(record) = with_name(harness.sample(kind), NAME) {
                stored.insert(harness.upstream().insert(record).await);
            }
        }
        harness.upstream().index().await;
        let rows = search(&*provider, kind, SearchQuery::Text("quillFEATHER".to_owned())).await;
        assert_eq!(ids(&rows), stored, "{kind}");
        let request = SearchRequest::new(SearchQuery::Text(NAME.to_owned())).kinds([kind]).limit(2);
        let few = provider.search(request).await.expect("a search");
        assert_eq!(few.rows.len(), stored.len().min(2), "{kind}");
        assert!(ids(&few.rows).is_subset(&stored), "{kind}");
    }
}

/// Whatever is typed is text: it is looked for, or refused as something that cannot be looked for.
pub async fn what_is_searched_for_is_never_more_than_text<H: Harness>() {
    let harness = H::start().await;
    let provider = harness.provider();
    for kind in declaring(&*provider, Capability::SearchText) {
        let stored = match with_name(harness.sample(kind), NAME) {
            Some(record) => BTreeSet::from([harness.upstream().insert(record).await]),
            None => BTreeSet::new(),
        };
        harness.upstream().index().await;
        for text in [
            "",
            "*",
            "a",
            "' OR Name != '",
            "x} RETURNING User(Id) {",
            "\\",
            "\"",
            "zz AND NOT zz",
            "zz OR Quillfeather",
            "%",
            "__",
        ] {
            let requests = [
                SearchQuery::Text(text.to_owned()),
                SearchQuery::Email(format!("{text}@conformance.example")),
                SearchQuery::Phone(text.to_owned()),
            ];
            for query in requests {
                match provider.search(SearchRequest::new(query.clone()).kinds([kind])).await {
                    Ok(page) => {
                        let by_name = matches!(query, SearchQuery::Text(_)) && text.len() < 3;
                        assert!(by_name || ids(&page.rows).is_disjoint(&stored), "{kind}: {query:?}");
                    }
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::Unsupported),
                        "{kind}: {query:?}: {error}"
                    ),
                }
            }
        }
    }
}

async fn search(provider: &dyn Provider, kind: ObjectKind, query: SearchQuery) -> Vec<Row> {
    let request = SearchRequest::new(query).kinds([kind]);
    provider.search(request).await.unwrap_or_else(|error| panic!("{kind}: {error:?}")).rows
}

fn ids(rows: &[Row]) -> BTreeSet<RemoteId> {
    rows.iter().filter_map(|row| row.remote_id().cloned()).collect()
}

/// The record with this number; none for objects that have none.
fn with_phone(mut record: Record, number: &str) -> Option<Record> {
    let numbers = vec![PhoneNumber::new(number, "Work")];
    match &mut record {
        Record::Account(account) => account.phone_numbers = numbers,
        Record::Contact(contact) => contact.phone_numbers = numbers,
        Record::Lead(lead) => lead.phone_numbers = numbers,
        _ => return None,
    }
    Some(record)
}

/// The record with this address; none for objects that have none.
fn with_email(mut record: Record, address: &str) -> Option<Record> {
    let addresses = vec![EmailAddress::new(address, "Work")];
    match &mut record {
        Record::Contact(contact) => contact.email_addresses = addresses,
        Record::Lead(lead) => lead.email_addresses = addresses,
        _ => return None,
    }
    Some(record)
}

/// The record under this name; none for objects that are not looked for by name.
fn with_name(mut record: Record, name: &str) -> Option<Record> {
    let name = Some(name.to_owned());
    match &mut record {
        Record::Account(account) => account.name = name,
        Record::Contact(contact) => contact.last_name = name,
        Record::Lead(lead) => lead.last_name = name,
        _ => return None,
    }
    Some(record)
}
