//! Ingest jobs of the Bulk API 2.0: records uploaded as CSV and written in the background, with a result for each of them.
//!
//! A job does nothing before it is closed. So all calls up to that one may be repeated with another job, and from then on
//! the job's id says what became of the records, for seven days.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use unicrm_core::Usage;
use unicrm_http::Replay;

use super::answer::{Answer, Expect};
use super::client::Client;
use super::connection::Call;
use super::id::SalesforceId;
use crate::error::{Code, Fault, MAX_LIST, Refusal, What, bounded};

/// Most bytes of one upload. Salesforce takes 150 MB, counted as base64; half of what that leaves is kept free, since the
/// results hold the upload again.
pub(crate) const MAX_UPLOAD: usize = 48 << 20;
/// What empties a field; an empty cell leaves it as it is.
pub(crate) const NULL_CELL: &str = "#N/A";

/// A job to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewIngest<'j> {
    pub(crate) object: &'j str,
    /// `insert`, `update`, `upsert` or `delete`.
    pub(crate) operation: &'static str,
    /// The key of an upsert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_id_field_name: Option<&'j str>,
    pub(crate) content_type: &'static str,
    pub(crate) line_ending: &'static str,
}

impl<'j> NewIngest<'j> {
    pub(crate) fn new(object: &'j str, operation: &'static str) -> Self {
        Self { object, operation, external_id_field_name: None, content_type: "CSV", line_ending: "LF" }
    }
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ingest {
    pub(crate) id: String,
    pub(crate) state: IngestState,
    #[serde(default, rename = "numberRecordsProcessed")]
    pub(crate) processed: u64,
    #[serde(default, rename = "numberRecordsFailed")]
    pub(crate) failed: u64,
    #[serde(default, rename = "errorMessage")]
    pub(crate) error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum IngestState {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
    /// A state of a later version: not over yet, as far as we know.
    #[serde(other)]
    Other,
}

impl IngestState {
    /// Whether nothing more will happen.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

impl Client {
    /// Makes a job. One whose answer is lost stays open, does nothing, and goes after a week.
    pub(crate) async fn create_ingest(
        &self,
        usage: &mut Usage,
        job: &NewIngest<'_>,
    ) -> Result<Ingest, Fault> {
        let body = to_json(job)?;
        let call = Call::change(Method::POST, self.path("/jobs/ingest"), body, Replay::Safe);
        self.fetch(usage, &call, |answer| info(&answer)).await
    }

    /// Uploads the records of an open job, once: a second upload is refused.
    pub(crate) async fn upload_ingest(&self, usage: &mut Usage, id: &str, csv: Bytes) -> Result<(), Fault> {
        let path = self.job_path(id, "/batches")?;
        let mut call = Call { body: csv, ..Call::change(Method::PUT, path, Vec::new(), Replay::Unsafe) };
        call.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=UTF-8"));
        call.expect = Expect::Bytes;
        // A page in place of an answer comes with 200.
        self.fetch(usage, &call, |answer| match answer.status {
            StatusCode::CREATED => Ok(()),
            status => Err(Fault::Unexpected { status: status.as_u16(), what: What::Page, after: None }),
        })
        .await
    }

    /// Has a job begin.
    pub(crate) async fn close_ingest(&self, usage: &mut Usage, id: &str) -> Result<Ingest, Fault> {
        self.set_state(usage, id, "UploadComplete").await
    }

    /// Ends a job; what it has done stays.
    pub(crate) async fn abort_ingest(&self, usage: &mut Usage, id: &str) -> Result<Ingest, Fault> {
        self.set_state(usage, id, "Aborted").await
    }

    async fn set_state(&self, usage: &mut Usage, id: &str, state: &str) -> Result<Ingest, Fault> {
        let body = to_json(&std::collections::BTreeMap::from([("state", state)]))?;
        let call = Call::change(Method::PATCH, self.job_path(id, "")?, body, Replay::Safe);
        self.fetch(usage, &call, |answer| info(&answer)).await
    }

    /// How far a job is.
    pub(crate) async fn ingest_info(&self, usage: &mut Usage, id: &str) -> Result<Ingest, Fault> {
        let call = Call::get(self.job_path(id, "")?);
        self.fetch(usage, &call, |answer| info(&answer)).await
    }

    pub(super) fn job_path(&self, id: &str, rest: &str) -> Result<String, Fault> {
        let id = SalesforceId::parse(id).ok_or_else(|| Fault::Unreadable {
            what: "a bulk job",
            why: "its id is none".to_owned(),
            cut: false,
        })?;
        Ok(self.path(&format!("/jobs/ingest/{id}{rest}")))
    }
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(body).map_err(|error| Fault::Query(format!("a bulk job cannot be written: {error}")))
}

fn info(answer: &Answer) -> Result<Ingest, Fault> {
    answer.json("a bulk job")
}

/// The error of one record, `CODE:message:fields --`.
pub(crate) fn refusal_of(error: &str) -> Refusal {
    /// What code, message and fields have room in.
    const LONGEST: usize = 4_000;
    let text = bounded(error, LONGEST);
    let text = text.strip_suffix("--").unwrap_or(&text).trim_end();
    let is_code = |code: &&str| {
        !code.is_empty()
            && code.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'0'..=b'9'))
    };
    let (code, rest) = match text.split_once(':').filter(|(code, _)| is_code(code)) {
        Some((code, rest)) => (code, rest),
        None => (Code::Unspecified.as_str(), text),
    };
    let is_field = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let listed = |fields: &str| fields.split([',', ' ']).filter(|name| !name.is_empty()).all(is_field);
    let (message, fields) = match rest.rsplit_once(':').filter(|(_, fields)| listed(fields)) {
        Some((message, fields)) => (message, fields),
        None => (rest, ""),
    };
    // "... on record with id: 003..." ends in a colon and an id, which is no field.
    let (message, fields) =
        if SalesforceId::parse(fields.trim()).is_some() { (rest, "") } else { (message, fields) };
    let fields = fields.split([',', ' ']).filter(|name| !name.is_empty()).take(MAX_LIST);
    Refusal {
        fields: fields.map(str::to_owned).collect(),
        ..Refusal::worded(400, code, message.trim().trim_end_matches(':'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn errors_of_records_are_taken_apart() {
        for (text, code, message, fields) in [
            (
                "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [LastName]",
                vec!["LastName"],
            ),
            (
                "DUPLICATE_VALUE:duplicate value found: Erp__c duplicates value on record with id: 003ak00000luKU1:--",
                "DUPLICATE_VALUE",
                "duplicate value found: Erp__c duplicates value on record with id: 003ak00000luKU1",
                vec![],
            ),
            (
                "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--",
                "INVALID_CROSS_REFERENCE_KEY",
                "invalid cross reference id",
                vec![],
            ),
            (
                "INVALID_FIELD:Failed to deserialize field at col 2. Due to, 'not a date' is not a valid value for the type xsd:date:Birthdate --",
                "INVALID_FIELD",
                "Failed to deserialize field at col 2. Due to, 'not a date' is not a valid value for the type xsd:date",
                vec!["Birthdate"],
            ),
            (
                "FIELD_CUSTOM_VALIDATION_EXCEPTION:Two fields: a, b:A__c B__c --",
                "FIELD_CUSTOM_VALIDATION_EXCEPTION",
                "Two fields: a, b",
                vec!["A__c", "B__c"],
            ),
            ("something else went wrong", "UNSPECIFIED", "something else went wrong", vec![]),
            ("", "UNSPECIFIED", "", vec![]),
        ] {
            let refusal = refusal_of(text);
            assert_eq!(refusal.code.as_str(), code, "{text}");
            assert_eq!(refusal.message, message, "{text}");
            assert_eq!(refusal.fields, fields, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_error_of_bounded_length(text in ".{0,3000}") {
            let refusal = refusal_of(&text);
            prop_assert!(refusal.message.chars().count() <= 1_000 && refusal.fields.len() <= 100);
        }

        #[test]
        fn code_message_and_fields_come_back(
            code in "[A-Z][A-Z_]{2,30}",
            message in "[A-Za-z][A-Za-z0-9 .,'\\[\\]]{0,40}[a-z]",
            fields in proptest::collection::vec("[A-Z][a-z]{2,8}__c", 0..4),
        ) {
            let text = format!("{code}:{message}:{} --", fields.join(" "));
            let refusal = refusal_of(&text);
            prop_assert_eq!(refusal.code.as_str(), code);
            prop_assert_eq!(refusal.message, message);
            prop_assert_eq!(refusal.fields, fields);
        }
    }

    #[test]
    fn a_state_that_is_new_is_no_end() {
        let info: Ingest =
            serde_json::from_str(r#"{"id":"750","state":"Resting","apiVersion":66.0}"#).unwrap();
        assert!(!info.state.is_final());
        assert_eq!((info.processed, info.error), (0, None));
    }
}
