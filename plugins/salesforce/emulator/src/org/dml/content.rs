//! Files and notes: one document behind every ContentNote and ContentVersion, and its link to the owner.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Context;
use crate::error::SalesforceError;
use crate::org::{Record, Value, row, storage};
use crate::schema::ObjectSchema;

/// Characters of a preview.
const PREVIEW: usize = 255;

/// Completes a new note, file or link before its fields are checked.
pub(super) fn prepare(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &mut Record,
) -> Result<(), SalesforceError> {
    match object.name.as_str() {
        "ContentNote" => {
            describe_note(context, record);
            record.set("LatestPublishedVersionId", context.org.allot(&context.schema, "ContentVersion")?);
            let version = record.get("LatestPublishedVersionId").clone();
            record.set("LatestContentId", version);
            record.set_if_absent("SharingPrivacy", "N");
        }
        "ContentVersion" => prepare_version(context, record)?,
        "ContentDocumentLink" => {
            record.set_if_absent("ShareType", "V");
            record.set_if_absent("Visibility", "AllUsers");
            refuse_second_link(context, record)?;
        }
        "Attachment" => record.set("BodyLength", size_of(record.get("Body"))),
        _ => {}
    }
    Ok(())
}

fn describe_note(context: &Context<'_>, note: &mut Record) {
    note.set("FileType", "SNOTE");
    note.set("FileExtension", "snote");
    note.set("ContentSize", size_of(note.get("Content")));
    note.set("ContentModifiedDate", context.stamp);
    note.set("TextPreview", preview(note.get("Content")));
}

fn prepare_version(context: &Context<'_>, version: &mut Record) -> Result<(), SalesforceError> {
    let path = version.text("PathOnClient").unwrap_or_default().to_owned();
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
    if path.is_empty() && version.get("ContentUrl").is_null() {
        let message = "Required fields are missing: [PathOnClient]";
        return Err(
            SalesforceError::new(400, "REQUIRED_FIELD_MISSING", message).with_fields(["PathOnClient"])
        );
    }
    version.set_if_absent("Title", stem);
    version.set("FileExtension", extension.to_lowercase());
    version.set("FileType", file_type(extension));
    version.set("ContentSize", size_of(version.get("VersionData")));
    version.set("ContentModifiedDate", context.stamp);
    version.set("ContentModifiedById", context.user());
    version.set_if_absent("SharingOption", "A");
    version.set_if_absent("SharingPrivacy", "N");
    version.set("PublishStatus", "P");
    version.set("IsLatest", true);
    if extension.eq_ignore_ascii_case("snote") {
        version.set("TextPreview", preview(version.get("VersionData")));
    }
    let Some(document) = version.text("ContentDocumentId").map(str::to_owned) else {
        version.set("VersionNumber", "1");
        version.set("ContentDocumentId", context.org.allot(&context.schema, "ContentDocument")?);
        return Ok(());
    };
    let sql = "SELECT COUNT(*) FROM \"ContentVersion\" WHERE \"ContentDocumentId\"=?1";
    let earlier: i64 = context
        .conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([&document], |row| row.get(0)))
        .map_err(storage)?;
    context
        .conn
        .execute("UPDATE \"ContentVersion\" SET \"IsLatest\"=0 WHERE \"ContentDocumentId\"=?1", [&document])
        .map_err(storage)?;
    version.set("VersionNumber", (earlier + 1).to_string());
    Ok(())
}

fn refuse_second_link(context: &Context<'_>, link: &Record) -> Result<(), SalesforceError> {
    let (Some(document), Some(entity)) = (link.text("ContentDocumentId"), link.text("LinkedEntityId")) else {
        return Ok(());
    };
    let sql = "SELECT COUNT(*) FROM \"ContentDocumentLink\" \
               WHERE \"ContentDocumentId\"=?1 AND \"LinkedEntityId\"=?2 AND \"IsDeleted\"=0";
    let count: i64 = context
        .conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([document, entity], |row| row.get(0)))
        .map_err(storage)?;
    if count == 0 {
        return Ok(());
    }
    let message = "duplicate value found: <unknown> duplicates value on record with id: <unknown>";
    Err(SalesforceError::new(400, "DUPLICATE_VALUE", message))
}

/// The rows that a new note or file brings with it.
pub(super) fn after_insert(
    context: &Context<'_>,
    object: &ObjectSchema,
    record: &Record,
) -> Result<(), SalesforceError> {
    match object.name.as_str() {
        "ContentNote" => {
            let id = record.get("Id").clone();
            context.insert_own(
                "ContentDocument",
                document(record, id.clone(), record.get("LatestPublishedVersionId").clone()),
            )?;
            context.insert_own("ContentVersion", version_of(record, id.clone(), "1"))?;
            link_owner(context, record, id)
        }
        "ContentVersion" => {
            let id = record.get("ContentDocumentId").clone();
            let version = record.get("Id").clone();
            if record.text("VersionNumber") == Some("1") {
                context.insert_own("ContentDocument", document(record, id.clone(), version.clone()))?;
                link_owner(context, record, id.clone())?;
                if record.text("FileType") == Some("SNOTE") && context.schema.object("ContentNote").is_some()
                {
                    context.insert_own("ContentNote", note_of(record, id.clone(), version))?;
                }
                if !record.get("FirstPublishLocationId").is_null() {
                    let link = Record::new()
                        .with("ContentDocumentId", id)
                        .with("LinkedEntityId", record.get("FirstPublishLocationId").clone())
                        .with("ShareType", "V")
                        .with("Visibility", "AllUsers");
                    context.insert_own("ContentDocumentLink", link)?;
                }
                return Ok(());
            }
            follow_version(context, record)
        }
        _ => Ok(()),
    }
}

/// A changed note gets a new version.
pub(super) fn after_update(
    context: &Context<'_>,
    object: &ObjectSchema,
    old: &Record,
    changes: &Record,
) -> Result<(), SalesforceError> {
    if object.name != "ContentNote" || !(changes.has("Title") || changes.has("Content")) {
        return Ok(());
    }
    let mut note = old.clone();
    note.apply(changes);
    describe_note(context, &mut note);
    let document = note.get("Id").clone();
    let id = document.as_text().unwrap_or_default();
    let count: i64 = context
        .conn
        .query_row("SELECT COUNT(*) FROM \"ContentVersion\" WHERE \"ContentDocumentId\"=?1", [id], |row| {
            row.get(0)
        })
        .map_err(storage)?;
    context
        .conn
        .execute("UPDATE \"ContentVersion\" SET \"IsLatest\"=0 WHERE \"ContentDocumentId\"=?1", [id])
        .map_err(storage)?;
    let version = context.org.allot(&context.schema, "ContentVersion")?;
    note.set("LatestPublishedVersionId", version.as_str());
    note.set("LatestContentId", version.as_str());
    for audit in ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"] {
        note.take(audit);
    }
    context.insert_own("ContentVersion", version_of(&note, document.clone(), &(count + 1).to_string()))?;
    let followed =
        ["ContentSize", "ContentModifiedDate", "TextPreview", "LatestPublishedVersionId", "LatestContentId"];
    let derived: Record = followed.iter().map(|field| (*field, note.get(field).clone())).collect();
    context.touch(object, id, derived)?;
    touch_document(context, id, &note, &version)
}

/// A further version of a file: the document, and a note made of it, show the newest.
fn follow_version(context: &Context<'_>, version: &Record) -> Result<(), SalesforceError> {
    let document = version.text("ContentDocumentId").unwrap_or_default();
    let id = version.text("Id").unwrap_or_default();
    touch_document(context, document, version, id)?;
    let Some(notes) = context.schema.object("ContentNote") else { return Ok(()) };
    if row::by_id(context.conn, notes, document)?.is_none() {
        return Ok(());
    }
    let note = note_of(version, Value::from(document), Value::from(id));
    let fields = [
        "Title",
        "Content",
        "ContentSize",
        "ContentModifiedDate",
        "TextPreview",
        "LatestPublishedVersionId",
        "LatestContentId",
    ];
    let changes: Record = fields.iter().map(|field| (*field, note.get(field).clone())).collect();
    context.touch(notes, document, changes)
}

fn touch_document(
    context: &Context<'_>,
    id: &str,
    content: &Record,
    version: &str,
) -> Result<(), SalesforceError> {
    let Some(documents) = context.schema.object("ContentDocument") else { return Ok(()) };
    let changes = Record::new()
        .with("Title", content.get("Title").clone())
        .with("ContentSize", content.get("ContentSize").clone())
        .with("ContentModifiedDate", context.stamp)
        .with("LatestPublishedVersionId", version);
    context.touch(documents, id, changes)
}

fn shared(from: &Record, fields: &[&str]) -> Record {
    fields.iter().filter(|field| from.has(field)).map(|field| (*field, from.get(field).clone())).collect()
}

const AUDIT: [&str; 5] = ["CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "OwnerId"];
const FILE: [&str; 5] = ["Title", "FileType", "FileExtension", "ContentSize", "ContentModifiedDate"];

fn document(from: &Record, id: Value, version: Value) -> Record {
    let mut document = shared(from, &FILE);
    document.apply(&shared(from, &AUDIT));
    document
        .with("Id", id)
        .with("LatestPublishedVersionId", version)
        .with("PublishStatus", "P")
        .with("SharingPrivacy", "N")
}

fn version_of(note: &Record, document: Value, number: &str) -> Record {
    let mut version = shared(note, &FILE);
    version.apply(&shared(note, &AUDIT));
    version
        .with("Id", note.get("LatestPublishedVersionId").clone())
        .with("ContentDocumentId", document)
        .with("VersionData", note.get("Content").clone())
        .with("TextPreview", note.get("TextPreview").clone())
        .with("PathOnClient", format!("{}.snote", note.text("Title").unwrap_or("Note")))
        .with("VersionNumber", number)
        .with("IsLatest", true)
        .with("PublishStatus", "P")
        .with("SharingOption", "A")
        .with("SharingPrivacy", "N")
        .with("ContentModifiedById", note.get("LastModifiedById").clone())
}

fn note_of(version: &Record, document: Value, latest: Value) -> Record {
    let mut note = shared(version, &FILE);
    note.apply(&shared(version, &AUDIT));
    note.with("Id", document)
        .with("Content", version.get("VersionData").clone())
        .with("TextPreview", preview(version.get("VersionData")))
        .with("LatestPublishedVersionId", latest.clone())
        .with("LatestContentId", latest)
        .with("SharingPrivacy", "N")
}

fn link_owner(context: &Context<'_>, record: &Record, document: Value) -> Result<(), SalesforceError> {
    let owner = match record.text("OwnerId") {
        Some(owner) => owner.to_owned(),
        None => context.user().to_owned(),
    };
    let link = Record::new()
        .with("ContentDocumentId", document)
        .with("LinkedEntityId", owner)
        .with("ShareType", "I")
        .with("Visibility", "AllUsers");
    context.insert_own("ContentDocumentLink", link).map(drop)
}

fn size_of(base64: &Value) -> i64 {
    let bytes = base64.as_text().and_then(|text| STANDARD.decode(text).ok()).map_or(0, |bytes| bytes.len());
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The first characters of a note's text, without its markup.
fn preview(base64: &Value) -> Value {
    let bytes = base64.as_text().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let html = String::from_utf8_lossy(&bytes);
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    Value::from(text.trim().chars().take(PREVIEW).collect::<String>())
}

fn file_type(extension: &str) -> String {
    match extension.to_lowercase().as_str() {
        "txt" => "TEXT".to_owned(),
        "docx" => "WORD_X".to_owned(),
        "xlsx" => "EXCEL_X".to_owned(),
        "pptx" => "POWER_POINT_X".to_owned(),
        "" => "UNKNOWN".to_owned(),
        other => other.to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_text_without_markup() {
        let note = STANDARD.encode("<p>Call &lt;Acme&gt; &amp; ask</p><p>again</p>");
        assert_eq!(preview(&Value::from(note)), Value::from("Call <Acme> & ask again"));
        assert_eq!(preview(&Value::Null), Value::Null);
    }
}
