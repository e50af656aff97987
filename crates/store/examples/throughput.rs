//! How many contacts a second go into a store, and come out of it: a SQLite file of its own, or the PostgreSQL database that
//! a URL names.
//!
//! `cargo run --release -p unicrm-store --example throughput -- [CONTACTS] [PAGE] [postgres://...]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use unicrm_core::{
    Address, AddressType, Contact, EmailAddress, Json, LiveRow, ObjectKind, PhoneNumber, RawRecord, Ref,
    RemoteField, RemoteFieldClass, Result, Row,
};
use unicrm_store::{
    Epoch, Include, KeySource, LinkRequest, ListRequest, MasterKey, PageCommit, SqliteOptions, SqliteStore,
    Store,
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number =
        |at: usize, otherwise| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (contacts, page): (usize, usize) = (number(0, 100_000), number(1, 2_000));
    let (store, file) = open(arguments.get(2)).await?;

    let account = store.link(LinkRequest::new(format!("bench {}", std::process::id()), "memory")).await?;
    let epoch = store.begin_epoch(account.id).await?;
    let classes: Vec<_> = (0..12).map(class).collect();

    for (label, round) in [("insert", 0), ("unchanged", 0), ("update", 1)] {
        let mut seconds = 0.0;
        for first in (0..contacts).step_by(page) {
            let rows = (first..contacts.min(first + page)).map(|i| row(epoch, &classes, i, round)).collect();
            let started = Instant::now();
            store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await?;
            seconds += started.elapsed().as_secs_f64();
        }
        println!("{label:<10} {:>9.0} rows/s", contacts as f64 / seconds);
    }

    for (label, include) in [("list", Include::default()), ("list all", Include::everything())] {
        let started = Instant::now();
        let mut after = None;
        loop {
            let request = ListRequest::new(ObjectKind::Contact).of(account.id).with(include);
            after = store.list(request.after(after).with_limit(200)).await?.next;
            if after.is_none() {
                break;
            }
        }
        println!("{label:<10} {:>9.0} rows/s", contacts as f64 / started.elapsed().as_secs_f64());
    }
    store.unlink(account.id).await?;
    drop(store);
    if let Some(path) = file {
        let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        println!("{:<10} {:>9.0} bytes a row", "size", bytes as f64 / contacts as f64);
        // It is in the folder for temporary files.
        drop(std::fs::remove_file(&path));
    }
    Ok(())
}

/// The store, and its file when it has one.
async fn open(url: Option<&String>) -> Result<(Arc<dyn Store>, Option<PathBuf>)> {
    let key = KeySource::Key(MasterKey::generate()?);
    #[cfg(feature = "postgres")]
    if let Some(url) = url {
        let options = unicrm_store::PostgresOptions::new(key);
        return Ok((Arc::new(unicrm_store::PostgresStore::open_with(url, options).await?), None));
    }
    assert!(url.is_none(), "this version is built without PostgreSQL");
    let path = std::env::temp_dir().join(format!("unicrm-throughput-{}.db", std::process::id()));
    let store = SqliteStore::open_with(&path, SqliteOptions::new(key)).await?;
    Ok((Arc::new(store), Some(path)))
}

fn class(i: usize) -> Arc<RemoteFieldClass> {
    let mut class = RemoteFieldClass::default();
    class.remote_key_name = Some(format!("Custom_Field_{i}__c"));
    class.display_name = Some(format!("Custom field {i}"));
    class.is_custom = Some(true);
    Arc::new(class)
}

/// A contact as a CRM has it: every unified field filled, a dozen remote fields, a raw record of a good kilobyte.
fn row(epoch: Epoch, classes: &[Arc<RemoteFieldClass>], i: usize, round: usize) -> Row {
    let linked = epoch.linked_account;
    let time = |minutes: usize| jiff::Timestamp::from_second(1_700_000_000 + 60 * minutes as i64).ok();
    let remote_id = format!("003Hs{i:013}");
    let mut contact = Contact::default();
    contact.remote_id = Some(remote_id.clone().into());
    contact.first_name = Some(format!("First {i}"));
    contact.last_name = Some(format!("Last {i} of round {round}"));
    contact.account = Some(Ref::remote(linked, format!("001Hs{:013}", i / 5)));
    contact.owner = Some(Ref::remote(linked, format!("005Hs{:013}", i % 20)));
    contact.addresses = [AddressType::Mailing, AddressType::Shipping]
        .map(|address_type| {
            let mut address = Address::default();
            address.street_1 = Some(format!("{i} Main Street"));
            address.city = Some("San Francisco".to_owned());
            address.state = Some("CA".to_owned());
            address.postal_code = Some("94107".to_owned());
            address.country = Some("USA".to_owned());
            address.address_type = Some(address_type);
            address
        })
        .to_vec();
    contact.email_addresses = vec![EmailAddress::new(format!("person{i}@example.com"), "Work")];
    contact.phone_numbers =
        ["Work", "Mobile"].map(|sort| PhoneNumber::new(format!("+1 415 555 {i:07}"), sort)).to_vec();
    contact.last_activity_at = time(i + round);
    contact.remote_created_at = time(i);
    contact.contact_url = Some(format!("https://example.my.salesforce.com/{remote_id}"));
    contact.remote_was_deleted = Some(false);
    contact.remote_fields = classes
        .iter()
        .map(|class| RemoteField::new(Arc::clone(class), Json::text(&format!("value {}", i % 97))))
        .collect();
    let mut raw = format!(
        r#"{{"attributes":{{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/{remote_id}"}},"Id":"{remote_id}","Round":{round}"#
    );
    for field in 0..40 {
        raw.push_str(&format!(r#","Some_Field_{field}__c":"{:x}""#, (i + 1) * (field + 7919)));
    }
    raw.push('}');
    Row::Live(
        LiveRow::new(contact).with_stamp(time(i + round)).with_raw(RawRecord::new("/sobjects/Contact", &raw)),
    )
}
