//! Note: classic notes (Note) and enhanced ones (ContentNote).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use unicrm_core::{
    Account, Contact, FieldRule, Json, NormalForm, Note, NotePatch, ObjectKind, ObjectMapping, ObjectPatch,
    Opportunity, Patch, Ref, RemoteField, RemoteId,
};

use self::text::{html_of, joined, split, text_of};
use super::context::MapContext;
use super::decode::{Extras, Mapper};
use super::encode::RemoteRecord;
use super::remote_fields::remote_value;
use super::wire::{Row, Wrong, wire};
use super::write::{Encoded, Intent, Related, Writer, kept};

#[cfg(test)]
mod tests;
mod text;

/// How notes map.
pub(crate) const MAPPING: ObjectMapping = ObjectMapping {
    kind: ObjectKind::Note,
    remote_objects: &["Note", "ContentNote"],
    fields: &[
        FieldRule::read("id", &["Note.Id", "ContentNote.Id"]).note("computed from the remote id"),
        FieldRule::read("remote_id", &["Note.Id", "ContentNote.Id"]),
        FieldRule::both("owner", &["Note.OwnerId", "ContentNote.OwnerId"])
            .normal(&[NormalForm::Defaulted])
            .note("an enhanced note belongs to whoever makes it"),
        FieldRule::both(
            "content",
            &[
                "Note.Title",
                "Note.Body",
                "ContentNote.Title",
                "ContentNote.Content",
                "ContentNote.TextPreview",
            ],
        )
        .normal(&[NormalForm::Text, NormalForm::LineBreaks, NormalForm::Trimmed])
        .note("the title is the first line; HTML becomes the text that it shows"),
        FieldRule::both("contact", &["Note.ParentId", "ContentDocumentLink.LinkedEntityId"])
            .normal(&[NormalForm::Places])
            .note("a classic note has one parent: opportunity before contact before account"),
        FieldRule::both("account", &["Note.ParentId", "ContentDocumentLink.LinkedEntityId"])
            .normal(&[NormalForm::Places]),
        FieldRule::both("opportunity", &["Note.ParentId", "ContentDocumentLink.LinkedEntityId"])
            .normal(&[NormalForm::Places]),
        FieldRule::read("remote_updated_at", &["Note.SystemModstamp", "ContentNote.LastModifiedDate"])
            .normal(&[NormalForm::Second]),
        FieldRule::read("remote_created_at", &["Note.CreatedDate", "ContentNote.CreatedDate"])
            .normal(&[NormalForm::Second]),
        FieldRule::read("note_url", &["Note.Id", "ContentNote.Id"]).normal(&[NormalForm::Derived]),
        FieldRule::read("remote_was_deleted", &["Note.IsDeleted", "ContentNote.IsDeleted"]),
        FieldRule::both("remote_fields", &[])
            .normal(&[NormalForm::Places])
            .note("all other fields that this user sees; a write changes those that it lists"),
    ],
};

/// The remote field of links that have no unified place.
const OTHER_LINKS: &str = "ContentDocumentLinks";

wire! {
    /// A row of Note.
    struct NoteRow {
        id: "Id",
        is_deleted: "IsDeleted",
        parent_id: "ParentId",
        title: "Title",
        body: "Body",
        owner_id: "OwnerId",
        created_date: "CreatedDate",
        system_modstamp: "SystemModstamp",
    }
}

wire! {
    /// A row of ContentNote.
    struct ContentNoteRow {
        id: "Id",
        is_deleted: "IsDeleted",
        title: "Title",
        content: "Content",
        owner_id: "OwnerId",
        created_date: "CreatedDate",
        last_modified_date: "LastModifiedDate",
        text_preview: "TextPreview" + keep,
        links: "ContentDocumentLinks",
    }
}

pub(super) fn from_note(
    row: &NoteRow<'_>,
    mut rest: Vec<RemoteField>,
    map: &mut Mapper<'_>,
) -> Result<Note, Wrong> {
    let id = row.id.required_id()?;
    let mut note = Note::default();
    note.id = Some(map.id(&id));
    note.note_url = Some(map.url(&id));
    note.remote_id = Some(id.into());
    note.owner = map.owner(row.owner_id, &mut rest)?;
    note.content = joined(row.title.text()?.as_deref(), row.body.text()?.as_deref());
    if row.parent_id.id()?.is_some_and(|parent| !tie(&mut note, &parent, map)) {
        map.keep(row.parent_id, "ParentId", &mut rest);
    }
    note.remote_updated_at = map.stamp(row.system_modstamp)?;
    note.remote_created_at = row.created_date.datetime()?;
    note.remote_was_deleted = row.is_deleted.boolean()?;
    note.remote_fields = rest;
    Ok(note)
}

pub(super) fn from_content_note(
    row: &ContentNoteRow<'_>,
    mut rest: Vec<RemoteField>,
    extras: Extras<'_>,
    map: &mut Mapper<'_>,
) -> Result<Note, Wrong> {
    let id = row.id.required_id()?;
    let mut note = Note::default();
    note.id = Some(map.id(&id));
    note.note_url = Some(map.url(&id));
    note.remote_id = Some(id.into());
    note.owner = map.owner(row.owner_id, &mut rest)?;
    let preview = row.text_preview.text()?;
    let content = row.content.text()?;
    // A query answers the path of the body; a write, and what was written, has the body itself.
    let body = match (extras.body, content.as_deref()) {
        (Some(html), _) => Some(Cow::Owned(text_of(html))),
        (None, Some(base64)) if !base64.starts_with('/') => {
            let html = STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(Cow::Owned(text_of(&html.ok_or(row.content.wrong("the base64 of HTML"))?)))
        }
        (None, _) => preview,
    };
    if content.is_some_and(|content| content.starts_with('/')) {
        map.keep(row.content, "Content", &mut rest);
    }
    note.content = joined(row.title.text()?.as_deref(), body.as_deref());
    let queried = row.links.sub_query("LinkedEntityId")?;
    let links = queried.iter().map(AsRef::as_ref).chain(extras.links.iter().copied());
    let owner = row.owner_id.id()?;
    let mut others: Vec<&str> = Vec::new();
    for link in links {
        if !tie(&mut note, link, map) && owner.as_deref() != Some(link) && !others.contains(&link) {
            others.push(link);
        }
    }
    if !others.is_empty() {
        map.keep_value(OTHER_LINKS, Json::of(&others), &mut rest);
    }
    note.remote_updated_at = map.stamp(row.last_modified_date)?;
    note.remote_created_at = row.created_date.datetime()?;
    note.remote_was_deleted = row.is_deleted.boolean()?;
    note.remote_fields = rest;
    Ok(note)
}

/// Ties a note to a record, by the record's key prefix; says whether there is place for it.
fn tie(note: &mut Note, to: &str, map: &Mapper<'_>) -> bool {
    fn fill<T: unicrm_core::Object>(place: &mut Option<Ref<T>>, to: &str, map: &Mapper<'_>) -> bool {
        let free = place.as_ref().and_then(Ref::remote_id).is_none_or(|held| held.as_str() == to);
        if free {
            *place = Some(map.reference(Cow::Borrowed(to)));
        }
        free
    }
    match to.get(..3) {
        Some("001") => fill(&mut note.account, to, map),
        Some("003") => fill(&mut note.contact, to, map),
        Some("006") => fill(&mut note.opportunity, to, map),
        _ => false,
    }
}

pub(crate) fn to_remote(patch: &NotePatch, intent: Intent<'_, Note>, cx: &MapContext) -> Encoded {
    let enhanced = match intent {
        Intent::Create => cx.org.enhanced_notes,
        Intent::Update { remote_id, .. } => remote_id.starts_with("069"),
        Intent::Seed => seeds_enhanced(patch.remote_id.value(), cx),
    };
    let before = intent.before();
    let mut w = Writer::new(if enhanced { "ContentNote" } else { "Note" }, cx, intent);
    content(&mut w, patch, before, enhanced);
    w.reference("owner", "OwnerId", &patch.owner, before.map(|n| n.owner.as_ref()), &["005"]);
    let known = if enhanced {
        links(&mut w, patch, before);
        ContentNoteRow::FIELDS
    } else {
        parent(&mut w, patch, before);
        NoteRow::FIELDS
    };
    w.remote_fields(known, &patch.remote_fields, before.map(|n| &*n.remote_fields));
    w.read_only(&MAPPING, patch);
    w.out
}

fn seeds_enhanced(id: Option<&RemoteId>, cx: &MapContext) -> bool {
    id.map_or(cx.org.enhanced_notes, |id| id.as_str().starts_with("069"))
}

fn content(w: &mut Writer<'_>, patch: &NotePatch, before: Option<&Note>, enhanced: bool) {
    let Some(asked) = w.asked(&patch.content) else {
        if !w.is_update() {
            w.refuse("/content", "a note needs text");
        }
        return;
    };
    let asked = asked.map(|text| super::parts::line_feeds(text));
    let Some(text) = asked.as_deref().and_then(kept) else {
        return w.refuse("/content", "a note cannot be empty: delete it instead");
    };
    if before.is_some_and(|before| before.content.as_deref() == Some(text)) {
        return;
    }
    let sobject = if enhanced { "ContentNote" } else { "Note" };
    let limit = w.cx.sobject(sobject).and_then(|facts| facts.field("Title")).map_or(0, |title| title.length);
    let limit = match (limit, enhanced) {
        (0, true) => 255,
        (0, false) => 80,
        (limit, _) => limit as usize,
    };
    let (title, body) = split(text, limit);
    w.put_text("/content", "Title", Some(&title));
    if enhanced {
        w.put("/content", "Content", Json::text(&STANDARD.encode(html_of(&body))));
    } else {
        let body = (!body.is_empty() || w.is_update()).then(|| kept(&body));
        if let Some(body) = body {
            w.put_text("/content", "Body", body);
        }
    }
}

/// The records that a note is tied to, in the order in which they take the one place of a classic note.
struct Ties<'a> {
    opportunity: Option<&'a Ref<Opportunity>>,
    contact: Option<&'a Ref<Contact>>,
    account: Option<&'a Ref<Account>>,
}

impl Ties<'_> {
    /// Their ids with the pointers of their fields. References that are no such ids are refused.
    fn ids(&self, w: &mut Writer<'_>) -> Vec<(&'static str, String)> {
        let opportunity = self.opportunity.and_then(|to| w.target("/opportunity", to, &["006"]));
        let contact = self.contact.and_then(|to| w.target("/contact", to, &["003"]));
        let account = self.account.and_then(|to| w.target("/account", to, &["001"]));
        [("/opportunity", opportunity), ("/contact", contact), ("/account", account)]
            .into_iter()
            .filter_map(|(pointer, id)| Some((pointer, id?)))
            .collect()
    }
}

/// What a patch makes of the ties.
fn ties_after<'a>(patch: &'a NotePatch, before: Option<&'a Note>) -> Ties<'a> {
    fn after<'a, T>(patch: &'a Patch<Ref<T>>, before: Option<&'a Ref<T>>) -> Option<&'a Ref<T>> {
        patch.as_option().unwrap_or(before)
    }
    Ties {
        opportunity: after(&patch.opportunity, before.and_then(|n| n.opportunity.as_ref())),
        contact: after(&patch.contact, before.and_then(|n| n.contact.as_ref())),
        account: after(&patch.account, before.and_then(|n| n.account.as_ref())),
    }
}

fn names_ties(patch: &NotePatch) -> bool {
    !(patch.opportunity.is_absent() && patch.contact.is_absent() && patch.account.is_absent())
}

/// Writes the one parent of a classic note.
fn parent(w: &mut Writer<'_>, patch: &NotePatch, before: Option<&Note>) {
    if w.is_update() && !names_ties(patch) {
        return;
    }
    let after = ties_after(patch, before).ids(w);
    let held = before.map(|note| ties_after(&NotePatch::default(), Some(note)).ids(w));
    if held.is_some_and(|held| held == after) {
        return;
    }
    let mut after = after.into_iter();
    match after.next() {
        Some((pointer, id)) => {
            w.put(pointer, "ParentId", Json::text(&id));
            for (left, other) in after {
                w.warn(
                    left,
                    "left_out",
                    format!("a classic note has one parent: {id} is it, and {other} is not"),
                );
            }
        }
        None if remote_named(patch, "ParentId") => {}
        None => {
            w.refuse("/contact", "a classic note needs a parent: an opportunity, a contact or an account")
        }
    }
}

fn remote_named(patch: &NotePatch, key: &str) -> bool {
    patch.remote_fields.value().is_some_and(|fields| remote_value(fields, key).is_some())
}

/// Ties an enhanced note to all of its records.
fn links(w: &mut Writer<'_>, patch: &NotePatch, before: Option<&Note>) {
    let ids = |ties: Vec<(&'static str, String)>| ties.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    let after = ids(ties_after(patch, before).ids(w));
    let held =
        before.map(|note| ids(ties_after(&NotePatch::default(), Some(note)).ids(w))).unwrap_or_default();
    let add: Vec<_> = after.iter().filter(|id| !held.contains(id)).cloned().collect();
    let remove: Vec<_> = held.into_iter().filter(|id| !after.contains(id)).collect();
    if !add.is_empty() || !remove.is_empty() {
        w.out.related.push(Related { sobject: "ContentDocumentLink", add, remove });
    }
}

/// The remote record that a note stands for.
pub(crate) fn encode(note: &Note, cx: &MapContext) -> RemoteRecord {
    let patch = NotePatch::from_object(note.clone());
    let mut remote = RemoteRecord::new(to_remote(&patch, Intent::Seed, cx));
    remote.id(note.remote_id.as_ref());
    remote.set_flag("IsDeleted", note.remote_was_deleted);
    remote.set_instant("CreatedDate", note.remote_created_at);
    if remote.sobject == "Note" {
        remote.set_instant("SystemModstamp", note.remote_updated_at);
        return remote;
    }
    remote.set_instant("LastModifiedDate", note.remote_updated_at);
    let others =
        remote.get(OTHER_LINKS).and_then(|links| links.read::<Vec<String>>().ok()).unwrap_or_default();
    remote.remove(OTHER_LINKS);
    let ties = [
        note.opportunity.as_ref().and_then(Ref::remote_id),
        note.contact.as_ref().and_then(Ref::remote_id),
        note.account.as_ref().and_then(Ref::remote_id),
    ];
    let ties = ties.into_iter().flatten().map(|id| id.as_str().to_owned());
    for link in ties.chain(others) {
        let mut row = RemoteRecord { sobject: "ContentDocumentLink", ..RemoteRecord::default() };
        row.set_text("LinkedEntityId", Some(&link));
        remote.related.push(row);
    }
    remote
}
