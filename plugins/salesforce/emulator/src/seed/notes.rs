//! Classic notes, and enhanced ones with their documents, versions and links.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::address::clip;
use super::deals::deal_id;
use super::draw::{Kind, TRICKY, at};
use super::emails::escape;
use super::links::{live_account, live_contact, live_lead};
use super::people::{account_id, contact_id, tricky};
use super::world::World;
use crate::SalesforceError;
use crate::org::{Record, Value};
use crate::schema::ids::salesforce_id;

const WHEEL: u64 = 20;

/// File type and extension of a note.
const NOTE: (&str, &str) = ("SNOTE", "snote");

/// Classic notes: on a contact, account, opportunity or lead; without a body; private; deleted.
pub(crate) fn notes(world: &mut World<'_>) -> Result<(), SalesforceError> {
    for n in 0..world.volumes.notes {
        let place = n % WHEEL;
        let mut draw = world.draw(Kind::Note, n);
        let stamps = world.stamps(&mut draw, n);
        let mut record = world.record("002", n, &mut draw, stamps);
        record.take("CurrencyIsoCode");
        let parent = match n % 4 {
            0 => contact_id(live_contact(n % world.volumes.contacts)),
            1 => account_id(live_account(n % world.volumes.accounts)),
            2 => deal_id(n % world.volumes.deals),
            _ => salesforce_id("00Q", live_lead(n % world.volumes.leads) + 1),
        };
        record.set("ParentId", parent);
        // The API demands a title, but rows of old imports can be without.
        record.set("Title", if place == 5 { Value::Null } else { clip(&draw.sentence(), 80).into() });
        let body: Value = match place {
            6 => Value::Null,
            7 | 8 => tricky(n, WHEEL).into(),
            9 => draw.paragraphs(30).into(),
            _ => draw.paragraphs(1).into(),
        };
        record.set("Body", body);
        record.set("IsPrivate", place == 10);
        record.set("IsDeleted", place == 11);
        world.write("Note", record)?;
    }
    Ok(())
}

/// Enhanced notes. A note is a ContentDocument whose version is its body; links tie it to records and to its owner.
pub(crate) fn content_notes(world: &mut World<'_>) -> Result<(), SalesforceError> {
    if !world.has("ContentNote") {
        return Ok(());
    }
    let mut links = 0;
    for n in 0..world.volumes.content_notes {
        let place = n % WHEEL;
        let mut draw = world.draw(Kind::ContentNote, n);
        let stamps = world.stamps(&mut draw, n);
        let mut common = world.record("069", n, &mut draw, stamps);
        common.take("CurrencyIsoCode");
        let deleted = place == 11;
        common.set("IsDeleted", deleted);
        let title = match place {
            5 => "Untitled Note".to_owned(),
            7 => TRICKY[2].to_owned(),
            _ => clip(&draw.sentence(), 255),
        };
        let text = match place {
            6 => String::new(),
            8 => tricky(n, WHEEL).to_owned(),
            9 => draw.paragraphs(30),
            _ => draw.paragraphs(2),
        };
        let html = if text.is_empty() { String::new() } else { format!("<p>{}</p>", escape(&text)) };
        let body = Body {
            size: i64::try_from(html.len()).unwrap_or(0),
            content: STANDARD.encode(&html),
            preview: clip(&text.replace(['\n', '\r'], " "), 255),
        };
        write_document(world, n, &common, &title, &body, NOTE, stamps.modified)?;
        let owner = common.text("OwnerId").map(str::to_owned);
        for target in owner.into_iter().chain(records_of(world, n)) {
            links += 1;
            let record = Record::new()
                .with("Id", salesforce_id("06A", links))
                .with("ContentDocumentId", common.get("Id").clone())
                .with("LinkedEntityId", target.as_str())
                .with("ShareType", if target.starts_with("005") { "I" } else { "V" })
                .with("Visibility", "AllUsers")
                .with("IsDeleted", deleted)
                .with("SystemModstamp", at(stamps.modified));
            world.write("ContentDocumentLink", record)?;
        }
    }
    Ok(())
}

/// Files that are no notes: documents of another type, with links just like those of notes.
pub(crate) fn files(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let notes = world.volumes.content_notes;
    for n in notes..notes + world.volumes.files {
        let mut draw = world.draw(Kind::ContentNote, n);
        let stamps = world.stamps(&mut draw, n);
        let mut common = world.record("069", n, &mut draw, stamps);
        common.take("CurrencyIsoCode");
        let content = draw.paragraphs(3);
        let body = Body {
            size: i64::try_from(content.len()).unwrap_or(0),
            content: STANDARD.encode(&content),
            preview: String::new(),
        };
        let kind = ("TEXT", "txt");
        write_document(world, n, &common, &clip(&draw.project(), 255), &body, kind, stamps.modified)?;
        let record = Record::new()
            .with("Id", salesforce_id("06A", notes * 4 + n))
            .with("ContentDocumentId", common.get("Id").clone())
            .with("LinkedEntityId", contact_id(live_contact(n % world.volumes.contacts)))
            .with("ShareType", "V")
            .with("Visibility", "AllUsers")
            .with("IsDeleted", false)
            .with("SystemModstamp", at(stamps.modified));
        world.write("ContentDocumentLink", record)?;
    }
    Ok(())
}

struct Body {
    content: String,
    size: i64,
    preview: String,
}

fn write_document(
    world: &mut World<'_>,
    n: u64,
    common: &Record,
    title: &str,
    body: &Body,
    (file_type, extension): (&str, &str),
    modified: i64,
) -> Result<(), SalesforceError> {
    let version = salesforce_id("068", n + 1);
    let shared = common
        .clone()
        .with("Title", title)
        .with("FileType", file_type)
        .with("FileExtension", extension)
        .with("ContentSize", body.size)
        .with("SharingPrivacy", "N")
        .with("ContentModifiedDate", at(modified));
    let document = shared
        .clone()
        .with("LatestPublishedVersionId", version.as_str())
        .with("PublishStatus", "P")
        .with("SharingOption", "A");
    world.write("ContentDocument", document)?;
    let row = shared
        .clone()
        .with("Id", version.as_str())
        .with("ContentDocumentId", common.get("Id").clone())
        .with("IsLatest", true)
        .with("VersionNumber", "1")
        .with("VersionData", body.content.as_str())
        .with("PathOnClient", format!("{}.{extension}", clip(title, 200)))
        .with("TextPreview", body.preview.as_str())
        .with("PublishStatus", "P")
        .with("SharingOption", "A")
        .with("Origin", "C")
        .with("ContentLocation", "S")
        .with("IsMajorVersion", true);
    world.write("ContentVersion", row)?;
    if (file_type, extension) != NOTE {
        return Ok(());
    }
    let mut note = shared
        .with("LatestPublishedVersionId", version.as_str())
        .with("LatestContentId", version)
        .with("Content", body.content.as_str())
        .with("TextPreview", body.preview.as_str())
        .with("IsReadOnly", false);
    note.take("SystemModstamp");
    world.write("ContentNote", note)
}

/// One or several records that a note is on; place 12 is on none.
fn records_of(world: &World<'_>, n: u64) -> Vec<String> {
    let contact = contact_id(live_contact(n % world.volumes.contacts));
    let account = account_id(live_account(n % world.volumes.accounts));
    let deal = deal_id(n % world.volumes.deals);
    match n % WHEEL {
        12 => Vec::new(),
        13 => vec![contact, account, deal],
        14 => vec![contact, account],
        15 => vec![contact, contact_id(live_contact((n + 1) % world.volumes.contacts))],
        place => match place % 3 {
            0 => vec![contact],
            1 => vec![account],
            _ => vec![deal],
        },
    }
}
