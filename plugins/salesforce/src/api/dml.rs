//! Changes of records: collections of up to 200, graphs of records that belong together, and single ones in a composite
//! call.

use std::borrow::Cow;

use http::{HeaderName, Method};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use unicrm_core::{Json, Usage};
use unicrm_http::Replay;

use super::answer::Answer;
use super::client::Client;
use super::composite::{self, SubAnswers, SubRequest};
use super::connection::Call;
use super::soql::checked_name;
use crate::error::{Code, Fault, Refusal};

/// Most records of one collection.
pub(crate) const MAX_ROWS: usize = 200;
/// Most graphs of one call,
pub(crate) const MAX_GRAPHS: usize = 75;
/// and most requests of them together.
pub(crate) const MAX_NODES: usize = 500;

const RULES: &str = "sforce-duplicate-rule-header";
const ALLOW_DUPLICATES: &str = "allowSave=true";

/// What is done with the records of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'c> {
    /// New records, of several objects if need be.
    Create,
    /// Changes of records by id.
    Update,
    /// New records or changes of records, by a field that identifies them.
    Upsert { sobject: &'c str, key: &'c str },
    /// Records go to the recycle bin.
    Delete,
}

/// One record of a collection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangedRow<'r> {
    pub(crate) sobject: &'r str,
    pub(crate) id: Option<&'r str>,
    pub(crate) fields: &'r [(Cow<'static, str>, Json)],
}

impl Serialize for ChangedRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("attributes", &std::collections::BTreeMap::from([("type", self.sobject)]))?;
        if let Some(id) = self.id {
            map.serialize_entry("Id", id)?;
        }
        for (name, value) in self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The answer for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowAnswer {
    /// The record's id, unless the answer leaves it out.
    pub(crate) id: Option<String>,
    /// Whether an upsert made it; only upserts say so.
    pub(crate) created: Option<bool>,
}

impl Client {
    /// Changes up to 200 records, each by itself: one outcome per record, in order. Only creates must not be sent twice.
    pub(crate) async fn change(
        &self,
        usage: &mut Usage,
        change: Change<'_>,
        rows: &[ChangedRow<'_>],
        allow_duplicates: bool,
    ) -> Result<Vec<Result<RowAnswer, Box<Refusal>>>, Fault> {
        let (method, path, replay) = match change {
            Change::Create => (Method::POST, "/composite/sobjects".to_owned(), Replay::Unsafe),
            Change::Update => (Method::PATCH, "/composite/sobjects".to_owned(), Replay::Safe),
            Change::Upsert { sobject, key } => {
                let path = format!("/composite/sobjects/{}/{}", checked_name(sobject)?, checked_name(key)?);
                (Method::PATCH, path, Replay::Safe)
            }
            Change::Delete => {
                let ids: Vec<&str> = rows.iter().filter_map(|row| row.id).collect();
                let path = format!("/composite/sobjects?ids={}&allOrNone=false", ids.join(","));
                (Method::DELETE, path, Replay::Safe)
            }
        };
        let body = if change == Change::Delete { Vec::new() } else { collection(rows)? };
        let mut call = Call::change(method, self.path(&path), body, replay).of_records();
        if allow_duplicates {
            call = call.header(HeaderName::from_static(RULES), ALLOW_DUPLICATES)?;
        }
        self.fetch(usage, &call, |answer| decode(&answer, rows.len())).await
    }

    /// Runs graphs, each all or nothing: the outcomes of each graph's requests, in order. `replay` says whether all of
    /// them may be sent twice. Where the org has no graphs, each is a composite call of its own.
    pub(crate) async fn change_graphs(
        &self,
        usage: &mut Usage,
        graphs: &[Vec<SubRequest>],
        replay: Replay,
    ) -> Result<Vec<SubAnswers>, Fault> {
        let call = Call::change(
            Method::POST,
            self.path("/composite/graph"),
            composite::graphs_body(graphs)?,
            replay,
        )
        .of_records();
        match self.fetch(usage, &call, |answer| composite::decode_graphs(&answer, graphs)).await {
            Err(fault) if fault.is(&Code::NotFound) && graphs.len() == 1 => {}
            outcome => return outcome,
        }
        let requests = graphs.first().map(Vec::as_slice).unwrap_or_default();
        Ok(vec![self.change_singly(usage, requests, true, replay).await?])
    }

    /// Runs up to 25 changes in one call, all or nothing or each by itself.
    pub(crate) async fn change_singly(
        &self,
        usage: &mut Usage,
        requests: &[SubRequest],
        all_or_none: bool,
        replay: Replay,
    ) -> Result<SubAnswers, Fault> {
        let body = composite::body(requests, all_or_none)?;
        let call = Call::change(Method::POST, self.path("/composite"), body, replay).of_records();
        self.fetch(usage, &call, |answer| composite::decode(&answer, requests.len())).await
    }

    /// A change of one record, or of what a path below the version names.
    pub(crate) fn change_request(
        &self,
        method: &'static str,
        path: &str,
        fields: Option<&[(Cow<'static, str>, Json)]>,
        allow_duplicates: bool,
    ) -> SubRequest {
        let body = fields.map(|fields| Json::of(&Fields(fields)));
        let request = SubRequest::change(method, self.path(path), body);
        if allow_duplicates {
            request.header("Sforce-Duplicate-Rule-Header", ALLOW_DUPLICATES)
        } else {
            request
        }
    }
}

struct Fields<'r>(&'r [(Cow<'static, str>, Json)]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn collection(rows: &[ChangedRow<'_>]) -> Result<Vec<u8>, Fault> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'r> {
        all_or_none: bool,
        records: &'r [ChangedRow<'r>],
    }
    serde_json::to_vec(&Body { all_or_none: false, records: rows })
        .map_err(|error| Fault::Query(format!("a collection cannot be written: {error}")))
}

const WHAT: &str = "the answer to a change of records";

fn decode(answer: &Answer, rows: usize) -> Result<Vec<Result<RowAnswer, Box<Refusal>>>, Fault> {
    let answers: Vec<Map<String, Value>> = answer.json(WHAT)?;
    if answers.len() != rows {
        let why = format!("it has {} results for {rows} records", answers.len());
        return Err(Fault::Unreadable { what: WHAT, why, cut: false });
    }
    Ok(answers.iter().map(row).collect())
}

fn row(answer: &Map<String, Value>) -> Result<RowAnswer, Box<Refusal>> {
    if answer.get("success").and_then(Value::as_bool) == Some(true) {
        let id = answer.get("id").and_then(Value::as_str).map(str::to_owned);
        return Ok(RowAnswer { id, created: answer.get("created").and_then(Value::as_bool) });
    }
    let errors = answer.get("errors").cloned().unwrap_or_default();
    Err(Box::new(Fault::of_value(400, &errors).unwrap_or_else(|| Refusal::without_body(400))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Answer {
        Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: text.to_owned().into_bytes().into(),
            took: std::time::Duration::ZERO,
        }
    }

    #[test]
    fn each_record_has_its_own_outcome() {
        let text = r#"[{"id":"001A","success":true,"errors":[]},{"id":"001B","success":true,"errors":[],"created":false},
            {"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [Name]","fields":["Name"]}]},
            {"success":false,"errors":[]}]"#;
        let rows = decode(&answer(text), 4).unwrap();
        assert_eq!(rows[0], Ok(RowAnswer { id: Some("001A".to_owned()), created: None }));
        assert_eq!(rows[1], Ok(RowAnswer { id: Some("001B".to_owned()), created: Some(false) }));
        let refusal = rows[2].as_ref().unwrap_err();
        assert_eq!(
            (refusal.code.as_str(), refusal.fields.as_slice()),
            ("REQUIRED_FIELD_MISSING", &["Name".to_owned()][..])
        );
        assert_eq!(rows[3].as_ref().unwrap_err().code, Code::Unspecified);
    }

    #[test]
    fn an_answer_for_other_records_is_none() {
        assert!(matches!(decode(&answer("[]"), 1), Err(Fault::Unreadable { .. })));
        assert!(matches!(decode(&answer("{}"), 1), Err(Fault::Unreadable { .. })));
    }

    #[test]
    fn numbers_are_written_digit_by_digit() {
        let fields = [(Cow::Borrowed("Amount"), Json::parse("12345678901234567.89").unwrap())];
        let row = ChangedRow { sobject: "Opportunity", id: Some("006A"), fields: &fields };
        let body = String::from_utf8(collection(&[row]).unwrap()).unwrap();
        assert_eq!(
            body,
            r#"{"allOrNone":false,"records":[{"attributes":{"type":"Opportunity"},"Id":"006A","Amount":12345678901234567.89}]}"#
        );
    }
}
