//! E-mails as tasks, with the messages themselves and their addressees; list e-mails.

use super::activities::{task, task_id, what_id, who_id, write_task};
use super::address::clip;
use super::draw::{Kind, TRICKY, at};
use super::links::{EMAIL_WHEEL, What, Who};
use super::people::contact_id;
use super::world::{World, user_id};
use crate::SalesforceError;
use crate::org::Record;
use crate::schema::ids::salesforce_id;

/// The address of a contact or lead in its messages.
fn address_of(who: Who) -> String {
    match who {
        Who::Contact(n) => format!("contact{n}@example.com"),
        Who::Lead(n) => format!("lead{n}@example.com"),
        Who::Nobody => "someone@example.com".to_owned(),
    }
}

/// E-mails: sent and received, to one or several, about cases, with and without the message behind the task.
pub(crate) fn emails(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.emails {
        let place = n % EMAIL_WHEEL;
        let mut draw = world.draw(Kind::Email, n);
        let mut record = task(world, &links, Kind::Email, n, &mut draw);
        let incoming = place == 1 || (place > 8 && draw.chance(45));
        let subject = match place {
            7 => TRICKY[3].to_owned(),
            _ => clip(&draw.sentence(), 200),
        };
        let body = draw.paragraphs(2);
        record.set("Subject", clip(&format!("Email: {subject}"), 255));
        record.set("TaskSubtype", "Email");
        record.set(
            "Description",
            clip(
                &format!("To: {}\nSubject: {subject}\nBody:\n{body}", address_of(links.who(Kind::Email, n))),
                32_000,
            ),
        );
        let who = links.who(Kind::Email, n);
        let other = match who {
            Who::Contact(contact) if place == 6 => links.colleague(contact),
            _ => None,
        };
        let message = Message { n, who, other, what: links.what(Kind::Email, n), incoming, subject, body };
        let stamps = record.clone();
        write_task(world, record, who, other.as_slice())?;
        // Place 2 was logged by hand: a task without a message.
        if place != 2 {
            message.write(world, &stamps)?;
        }
    }
    Ok(())
}

struct Message {
    n: u64,
    who: Who,
    other: Option<u64>,
    what: What,
    incoming: bool,
    subject: String,
    body: String,
}

impl Message {
    fn write(self, world: &mut World<'_>, task: &Record) -> Result<(), SalesforceError> {
        let second = world.links().second(Kind::Email, self.n).min(world.now - 60);
        let theirs = address_of(self.who);
        let ours = "sales@crm.example.com".to_owned();
        let id = salesforce_id("02s", self.n + 1);
        let (from, to) = if self.incoming { (&theirs, &ours) } else { (&ours, &theirs) };
        let mut record = Record::new();
        for stamp in [
            "CreatedDate",
            "CreatedById",
            "LastModifiedDate",
            "LastModifiedById",
            "SystemModstamp",
            "IsDeleted",
        ] {
            record.set(stamp, task.get(stamp).clone());
        }
        let html = self
            .n
            .is_multiple_of(2)
            .then(|| format!("<html><body><p>{}</p></body></html>", escape(&self.body)));
        let related = what_id(self.what);
        let record = record
            .with("Id", id.as_str())
            .with("ActivityId", task_id(world, Kind::Email, self.n))
            .with("Subject", self.subject.as_str())
            .with("Name", clip(if self.subject.is_empty() { "(no subject)" } else { &self.subject }, 255))
            .with("TextBody", self.body)
            .with("HtmlBody", html)
            .with("FromAddress", from.as_str())
            .with("ToAddress", to.as_str())
            .with("CcAddress", self.other.map(|n| address_of(Who::Contact(n))))
            .with("Incoming", self.incoming)
            .with("Status", if self.incoming { "1" } else { "3" })
            .with("MessageDate", at(second))
            .with("MessageIdentifier", format!("<{}.{}@mail.example.com>", self.n, world.plan.seed))
            .with("ParentId", related.as_deref().filter(|id| id.starts_with("500")).map(str::to_owned))
            .with("RelatedToId", related);
        world.write("EmailMessage", record)?;
        addressees(world, task, &id, self.n, self.who, self.other, self.incoming)
    }
}

/// The user on our side, the person on theirs, and who was copied.
fn addressees(
    world: &mut World<'_>,
    task: &Record,
    message: &str,
    n: u64,
    who: Who,
    other: Option<u64>,
    incoming: bool,
) -> Result<(), SalesforceError> {
    let (ours, theirs) = if incoming { ("ToAddress", "FromAddress") } else { ("FromAddress", "ToAddress") };
    let user = task.text("OwnerId").map_or_else(|| user_id(1), str::to_owned);
    let rows = [
        Some((ours, Some(user), "sales@crm.example.com".to_owned())),
        Some((theirs, who_id(who), address_of(who))),
        other.map(|contact| ("CcAddress", Some(contact_id(contact)), address_of(Who::Contact(contact)))),
    ];
    for (index, (relation, id, address)) in rows.into_iter().flatten().enumerate() {
        let object = match id.as_deref().and_then(|id| id.get(..3)) {
            Some("005") => Some("User"),
            Some("003") => Some("Contact"),
            Some("00Q") => Some("Lead"),
            _ => None,
        };
        let number = n * 4 + u64::try_from(index).unwrap_or(0) + 1;
        let record = Record::new()
            .with("Id", salesforce_id("0e2", number))
            .with("EmailMessageId", message)
            .with("RelationId", id)
            .with("RelationType", relation)
            .with("RelationAddress", address)
            .with("RelationObjectType", object)
            .with("CreatedDate", task.get("CreatedDate").clone())
            .with("CreatedById", task.get("CreatedById").clone())
            .with("SystemModstamp", task.get("SystemModstamp").clone())
            .with("IsDeleted", task.get("IsDeleted").clone());
        world.write("EmailMessageRelation", record)?;
    }
    Ok(())
}

/// List e-mails: one task per recipient, without a message.
pub(crate) fn list_emails(world: &mut World<'_>) -> Result<(), SalesforceError> {
    let links = world.links();
    for n in 0..world.volumes.list_emails {
        let mut draw = world.draw(Kind::ListEmail, n);
        let mut record = task(world, &links, Kind::ListEmail, n, &mut draw);
        record.set("Subject", clip(&format!("List Email: {}", draw.project()), 255));
        record.set("TaskSubtype", "ListEmail");
        record.set("Description", draw.paragraphs(1));
        write_task(world, record, links.who(Kind::ListEmail, n), &[])?;
    }
    Ok(())
}

/// Text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>"),
            '\r' => {}
            c => html.push(c),
        }
    }
    html
}
