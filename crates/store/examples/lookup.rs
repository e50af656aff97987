//! How long it takes to match an incoming call to its contact, by phone number, among a million.
//!
//! `cargo run --release -p unicrm-store --example lookup -- [CONTACTS] [LOOKUPS]`

use std::time::{Duration, Instant};

use unicrm_core::{
    Contact, EmailAddress, Error, ErrorKind, LiveRow, ObjectKind, PhoneNumber, Result, Row, SearchQuery,
    SearchRequest,
};
use unicrm_store::{
    Epoch, Include, Ingest, KeySource, LinkRequest, LinkedAccounts, MasterKey, PageCommit, Records,
    SqliteOptions, SqliteStore,
};

/// What the slowest look-up of a hundred may take.
const LIMIT: Duration = Duration::from_millis(5);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut number = |otherwise| arguments.next().and_then(std::result::Result::ok).unwrap_or(otherwise);
    let (contacts, lookups) = (number(1_000_000), number(10_000));

    let path = std::env::temp_dir().join(format!("unicrm-lookup-{}.db", std::process::id()));
    let store =
        SqliteStore::open_with(&path, SqliteOptions::new(KeySource::Key(MasterKey::generate()?))).await?;
    let account = store.link(LinkRequest::new("bench", "memory")).await?;
    let epoch = store.begin_epoch(account.id).await?;
    let started = Instant::now();
    for first in (0..contacts).step_by(2_000) {
        let rows = (first..contacts.min(first + 2_000)).map(|i| row(epoch, i)).collect();
        store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await?;
    }
    println!("{contacts} contacts stored, {:.0} a second", contacts as f64 / started.elapsed().as_secs_f64());

    let mut p99 = Duration::ZERO;
    for (label, query) in
        [("phone", phone as fn(usize) -> SearchQuery), ("email", email), ("text", text), ("nobody", nobody)]
    {
        let mut times = Vec::with_capacity(lookups);
        for lookup in 0..lookups {
            // Spread over all contacts, each another one: no look-up profits from the one before.
            let wanted = lookup.wrapping_mul(7_919) % contacts;
            let started = Instant::now();
            let found =
                store.search(account.id, SearchRequest::new(query(wanted)), Include::default()).await?;
            times.push(started.elapsed());
            if found.is_empty() != (label == "nobody") {
                return Err(Error::new(
                    ErrorKind::Internal,
                    format!("the {label} of contact {wanted} gave {}", found.len()),
                ));
            }
        }
        times.sort_unstable();
        let at = |share: f64| times.get((share * (lookups - 1) as f64) as usize).copied().unwrap_or_default();
        println!("{label:<7} p50 {:>9.1?}  p99 {:>9.1?}  longest {:>9.1?}", at(0.5), at(0.99), at(1.0));
        if label == "phone" {
            p99 = at(0.99);
        }
    }
    drop(store);
    let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    println!("{:.0} bytes a contact", bytes as f64 / contacts as f64);
    // It is in the folder for temporary files.
    drop(std::fs::remove_file(&path));
    if p99 < LIMIT {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Internal, format!("a look-up by phone takes {p99:?}")))
    }
}

/// Numbers of all area codes, so that they do not come in order.
fn digits(i: usize) -> String {
    let mixed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
    format!("{}{:03}{:04}", 201 + (mixed % 700), 200 + (i / 10_000) % 800, i % 10_000)
}

fn phone(i: usize) -> SearchQuery {
    SearchQuery::Phone(format!("+1 {}", digits(i)))
}

fn nobody(i: usize) -> SearchQuery {
    SearchQuery::Phone(format!("+49 30 {i:08}"))
}

fn email(i: usize) -> SearchQuery {
    SearchQuery::Email(format!("person{i}@example.com"))
}

fn text(i: usize) -> SearchQuery {
    SearchQuery::Text(format!("first{} last{i}", i % 1_000))
}

fn row(epoch: Epoch, i: usize) -> Row {
    let digits = digits(i);
    let (area, rest) = digits.split_at(3);
    let (exchange, line) = rest.split_at(3);
    let mut contact = Contact::default();
    contact.remote_id = Some(format!("003Hs{i:013}").into());
    contact.first_name = Some(format!("First{}", i % 1_000));
    contact.last_name = Some(format!("Last{i}"));
    contact.owner = Some(unicrm_core::Ref::remote(epoch.linked_account, format!("005Hs{:013}", i % 20)));
    contact.email_addresses = vec![EmailAddress::new(format!("Person{i}@example.com"), "Work")];
    contact.phone_numbers = vec![
        PhoneNumber::new(format!("({area}) {exchange}-{line}"), "Work"),
        PhoneNumber::new(format!("+44 20 7{i:07}"), "Mobile"),
    ];
    Row::Live(LiveRow::new(contact))
}
