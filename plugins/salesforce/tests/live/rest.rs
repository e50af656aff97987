//! The org by its REST API, beside what the provider reads and writes: what the suite holds the provider against.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use unicrm_core::{ObjectKind, Provider, RawRequest, RemoteId};

use super::recorder::Recorder;
use crate::support::{ENGAGEMENTS, VISITORS};

const FORM: &str = "application/x-www-form-urlencoded";
/// The sObjects that the suite reads whole.
const READ: [&str; 10] = [
    "Account",
    "Contact",
    "Lead",
    "Opportunity",
    "Task",
    "Event",
    "Note",
    "ContentNote",
    "User",
    "OpportunityStage",
];

#[derive(Debug)]
pub(super) struct Rest {
    provider: Arc<Recorder>,
    /// Path of the newest API version.
    base: String,
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Rest {
    pub(super) async fn new(provider: Arc<Recorder>) -> Self {
        let mut rest = Self { provider, base: String::new() };
        let versions = rest.get("/services/data").await;
        let newest =
            versions.as_array().and_then(|all| all.last()).and_then(|version| version["url"].as_str());
        rest.base = newest.expect("an API version").to_owned();
        rest
    }

    async fn send(&self, request: RawRequest) -> (u16, Value) {
        let path = request.path.clone();
        let answer = self.provider.send(request).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(RawRequest::new("GET", path)).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn write(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = RawRequest::new(method, format!("{}/sobjects/{path}", self.base))
            .header("Content-Type", "application/json")
            .header("Sforce-Duplicate-Rule-Header", "allowSave=true")
            .body(body.to_string());
        let (status, answer) = self.send(request).await;
        assert!(matches!(status, 200 | 201 | 204), "{method} {path}: {status} {answer}");
        answer
    }

    /// All rows of a query, deleted and archived ones too.
    async fn rows(&self, soql: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut next = Some(format!("{}/queryAll?q={}", self.base, encoded(soql)));
        while let Some(path) = next {
            let mut page = self.get(&path).await;
            next = page["nextRecordsUrl"].as_str().map(str::to_owned);
            if let Value::Array(records) = page["records"].take() {
                rows.extend(records);
            }
        }
        rows
    }

    /// The records of an sObject that are not deleted, with one field more.
    async fn live(&self, sobject: &str, field: &str) -> Vec<(RemoteId, String)> {
        let rows = self.rows(&format!("SELECT {field}, Id FROM {sobject} WHERE IsDeleted = false")).await;
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        rows.iter().map(|row| (RemoteId::from(text(row, "Id")), text(row, field))).collect()
    }

    async fn has(&self, sobject: &str) -> bool {
        self.send(RawRequest::new("GET", format!("{}/sobjects/{sobject}", self.base))).await.0 == 200
    }

    /// Whether the org has enhanced notes.
    pub(super) async fn enhanced_notes(&self) -> bool {
        self.has("ContentNote").await
    }

    /// A stage that opportunities can be made in.
    pub(super) async fn open_stage(&self) -> String {
        let rows = self
            .rows("SELECT ApiName FROM OpportunityStage WHERE IsActive = true AND IsClosed = false")
            .await;
        rows.first().and_then(|row| row["ApiName"].as_str()).expect("an open stage").to_owned()
    }

    /// Ends the run before it began when the org has more records than this of an sObject.
    pub(super) async fn check_size(&self, most: u64) {
        for sobject in READ {
            if !self.has(sobject).await {
                continue;
            }
            let count =
                format!("{}/queryAll?q={}", self.base, encoded(&format!("SELECT COUNT() FROM {sobject}")));
            let count = self.get(&count).await["totalSize"].as_u64().unwrap_or_default();
            assert!(
                count <= most,
                "the org has {count} records of {sobject}, deleted ones too, and the suite is for a small org: it reads all of \
                 them many times (UNICRM_LIVE_MAX_RECORDS is {most})"
            );
        }
    }

    /// The remote ids of all records of an object that are not deleted, as the mapping page says which those are.
    pub(super) async fn live_ids(&self, kind: ObjectKind) -> BTreeSet<RemoteId> {
        let ids = |rows: Vec<(RemoteId, String)>| rows.into_iter().map(|(id, _)| id).collect::<BTreeSet<_>>();
        let tasks = async |engagements: bool| {
            let rows = self.live("Task", "TaskSubtype").await.into_iter();
            rows.filter(|(_, subtype)| ENGAGEMENTS.contains(&&**subtype) == engagements)
                .map(|(id, _)| id)
                .collect()
        };
        match kind {
            ObjectKind::Account => ids(self.live("Account", "Name").await),
            ObjectKind::Contact => ids(self.live("Contact", "Name").await),
            ObjectKind::Lead => ids(self.live("Lead", "Name").await),
            ObjectKind::Opportunity => ids(self.live("Opportunity", "Name").await),
            ObjectKind::Task => tasks(false).await,
            ObjectKind::Engagement => {
                let mut all: BTreeSet<RemoteId> = tasks(true).await;
                let events =
                    self.rows("SELECT Id FROM Event WHERE IsDeleted = false AND IsChild = false").await;
                all.extend(events.iter().filter_map(|row| row["Id"].as_str()).map(RemoteId::from));
                all
            }
            ObjectKind::Note => {
                let mut all = ids(self.live("Note", "Title").await);
                if self.enhanced_notes().await {
                    all.extend(ids(self.live("ContentNote", "Title").await));
                }
                all
            }
            ObjectKind::User => {
                let rows = self.rows("SELECT Id, UserType FROM User").await;
                let visitor = |row: &Value| row["UserType"].as_str().is_some_and(|ty| VISITORS.contains(&ty));
                let staff = rows.iter().filter(|row| !visitor(row));
                staff.filter_map(|row| row["Id"].as_str()).map(RemoteId::from).collect()
            }
            ObjectKind::Stage => {
                let rows = self.rows("SELECT ApiName FROM OpportunityStage").await;
                rows.iter().filter_map(|row| row["ApiName"].as_str()).map(RemoteId::from).collect()
            }
            ObjectKind::EngagementType => self.engagement_types().await,
        }
    }

    async fn engagement_types(&self) -> BTreeSet<RemoteId> {
        let bare = ["Event", "Task:Call", "Task:Email", "Task:ListEmail"];
        let mut types: BTreeSet<_> = bare.into_iter().map(RemoteId::from).collect();
        for object in ["Event", "Task"] {
            let describe = self.get(&format!("{}/sobjects/{object}/describe", self.base)).await;
            let fields = describe["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
            let values = fields.iter().filter(|field| field["name"] == "Type");
            let values = values.filter_map(|field| field["picklistValues"].as_array()).flatten();
            let active =
                values.filter(|value| value["active"] == true).filter_map(|value| value["value"].as_str());
            types.extend(active.map(|value| RemoteId::from(format!("{object}.Type:{value}"))));
        }
        types
    }

    pub(super) async fn create(&self, sobject: &str, fields: &Value) -> RemoteId {
        let answer = self.write("POST", sobject, fields).await;
        let id = RemoteId::from(answer["id"].as_str().unwrap_or_else(|| panic!("{sobject}: {answer}")));
        self.provider.made().add(sobject, &id);
        id
    }

    pub(super) async fn update(&self, sobject: &str, id: &RemoteId, field: &str, text: &str) {
        self.write("PATCH", &format!("{sobject}/{id}"), &json!({ field: text })).await;
    }

    /// Deletes a record; one that is gone already is as good.
    pub(super) async fn delete(&self, sobject: &str, id: &RemoteId) -> Result<(), String> {
        let request = RawRequest::new("DELETE", format!("{}/sobjects/{sobject}/{id}", self.base));
        match self.send(request).await {
            (204 | 404, _) => Ok(()),
            (status, answer) => Err(format!("{status} {answer}")),
        }
    }

    /// Ends the session of an access token.
    pub(super) async fn revoke(&self, token: &str) {
        let request = RawRequest::new("POST", "/services/oauth2/revoke").header("Content-Type", FORM);
        let (status, answer) = self.send(request.body(format!("token={}", encoded(token)))).await;
        assert_eq!(status, 200, "the session is not ended: {answer}");
    }

    /// Those of these records that a search finds.
    pub(super) async fn found(&self, words: &str, records: &[(&str, RemoteId)]) -> BTreeSet<RemoteId> {
        let sobjects: BTreeSet<_> = records.iter().map(|(sobject, _)| *sobject).collect();
        let returning: Vec<_> = sobjects.into_iter().map(|sobject| format!("{sobject}(Id)")).collect();
        let sosl = format!("FIND {{{words}}} IN ALL FIELDS RETURNING {}", returning.join(", "));
        let answer = self.get(&format!("{}/search?q={}", self.base, encoded(&sosl))).await;
        let rows = answer["searchRecords"].as_array().map(Vec::as_slice).unwrap_or_default();
        rows.iter().filter_map(|row| row["Id"].as_str()).map(RemoteId::from).collect()
    }
}
