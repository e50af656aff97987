//! The few cells of a row that a reading itself needs, before the row is mapped.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::token::Keyset;
use crate::api::parse_datetime;

/// The head of a row. A cell of a wrong type is none here; the mapping names it.
#[derive(Debug, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "Id", borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(rename = "ApiName", borrow, default)]
    api_name: Option<&'a RawValue>,
    #[serde(rename = "IsDeleted", borrow, default)]
    is_deleted: Option<&'a RawValue>,
    #[serde(rename = "SystemModstamp", borrow, default)]
    system_modstamp: Option<&'a RawValue>,
    #[serde(rename = "LastModifiedDate", borrow, default)]
    last_modified: Option<&'a RawValue>,
    #[serde(rename = "CreatedDate", borrow, default)]
    created: Option<&'a RawValue>,
    #[serde(rename = "TaskSubtype", borrow, default)]
    task_subtype: Option<&'a RawValue>,
    #[serde(rename = "Status", borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(rename = "Type", borrow, default)]
    activity_type: Option<&'a RawValue>,
    #[serde(rename = "EventWhoRelations", alias = "TaskWhoRelations", borrow, default)]
    pub(super) people: Option<&'a RawValue>,
}

impl<'a> Head<'a> {
    /// Reads the head of a row; none when the row is not a JSON object.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The record's id.
    pub(super) fn id(&self) -> Option<Cow<'a, str>> {
        text(self.id)
    }

    /// The cell that holds the remote id.
    pub(super) fn remote_id(&self, field: &str) -> Option<Cow<'a, str>> {
        text(if field == "ApiName" { self.api_name } else { self.id })
    }

    /// Whether the record is in the recycle bin.
    pub(super) fn is_deleted(&self) -> bool {
        self.is_deleted.is_some_and(|raw| matches!(raw.get(), "true" | "\"true\""))
    }

    /// The value of a time stamp.
    pub(super) fn stamp(&self, field: &str) -> Option<Timestamp> {
        let raw = match field {
            "SystemModstamp" => self.system_modstamp,
            "LastModifiedDate" => self.last_modified,
            _ => self.created,
        };
        parse_datetime(&text(raw)?)
    }

    /// The row's place in the order of the query.
    pub(super) fn keyset(&self, stamp: &str) -> Option<Keyset> {
        Some(Keyset { stamp: self.stamp(stamp)?, id: Some(self.id()?.into_owned()) })
    }

    /// Whether the row is an e-mail, of which the e-mail message tells more.
    pub(super) fn is_email(&self) -> bool {
        self.task_subtype.is_some_and(|raw| matches!(raw.get(), "\"Email\"" | "\"ListEmail\""))
    }

    /// The label of a status.
    pub(super) fn status(&self) -> Option<Cow<'a, str>> {
        text(self.status)
    }

    /// The type of an activity.
    pub(super) fn activity_type(&self) -> Option<Cow<'a, str>> {
        text(self.activity_type)
    }
}

fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = raw?.get();
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_where_it_stands() {
        let head = Head::read(
            r#"{"attributes":{"type":"Task"},"Id":"00T000000000001AAA","IsDeleted":true,"Extra":[1,{}],
                "SystemModstamp":"2026-11-22T10:11:12.000+0000","CreatedDate":null,"TaskSubtype":"Email"}"#,
        )
        .unwrap();
        let keyset = head.keyset("SystemModstamp").unwrap();
        assert_eq!(keyset.id.as_deref(), Some("00T000000000001AAA"));
        assert_eq!(keyset.stamp, "2026-11-22T10:11:12Z".parse().unwrap());
        assert!(head.is_deleted() && head.is_email());
        assert_eq!(head.keyset("CreatedDate"), None);
    }

    #[test]
    fn a_row_of_another_form_is_none_and_no_panic() {
        for json in ["", "null", "[]", "5", "{\"Id\":", r#"{"Id":5,"IsDeleted":"x","SystemModstamp":{}}"#] {
            let head = Head::read(json);
            assert!(
                head.is_none_or(|head| head.id().is_none() && head.keyset("SystemModstamp").is_none()),
                "{json}"
            );
        }
    }

    #[test]
    fn names_with_escapes_are_read_as_text() {
        let head = Head::read(r#"{"ApiName":"Closed \"Won\" – naïve"}"#).unwrap();
        assert_eq!(head.remote_id("ApiName").as_deref(), Some("Closed \"Won\" – naïve"));
    }
}
