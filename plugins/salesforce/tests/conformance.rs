//! The provider contract, clause by clause, over the emulator.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};
use unicrm_core::{LinkedAccountId, ObjectKind, Provider, Record, RemoteId};
use unicrm_salesforce::laws::{MapContext, encode};
use unicrm_salesforce_emulator::{
    Fault as Wire, FaultRule, FieldSchema, FieldType, ObjectSchema, PicklistValue, Record as Row, Resource,
};
use unicrm_testkit::conformance::{CustomSample, Fault, Harness, Upstream};

use crate::support::Linked;

/// An org with a few records of every object.
#[derive(Debug)]
struct SalesforceHarness {
    provider: Arc<dyn Provider>,
    upstream: Org,
}

#[derive(Debug)]
struct Org {
    linked: Linked,
    /// Types of engagement that were added.
    types: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Harness for SalesforceHarness {
    async fn start() -> Self {
        let linked = Linked::with_contacts(16).await;
        let provider = linked.connect().await;
        Self { provider, upstream: Org { linked, types: Mutex::default() } }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    async fn reconnect(&self) -> Arc<dyn Provider> {
        self.upstream.linked.connect().await
    }

    fn linked_account(&self) -> LinkedAccountId {
        self.upstream.linked.account
    }

    fn upstream(&self) -> &dyn Upstream {
        &self.upstream
    }

    async fn custom_sample(&self) -> Option<CustomSample> {
        let org = self.upstream.linked.org();
        let mut invoice = ObjectSchema::custom("Invoice__c");
        let customer = FieldSchema::new("Customer__c", FieldType::Reference);
        let title = FieldSchema::new("Title__c", FieldType::String);
        invoice.fields.extend([title, customer.to(&["Account"], Some("Customer__r"))]);
        org.add_object(invoice).await.unwrap();
        let account = org.create("Account", json!({"Name": "K-LINK"})).await.unwrap();
        Some(CustomSample {
            class: "Invoice__c".to_owned(),
            text: "Title__c".to_owned(),
            lookup: "Customer__c".to_owned(),
            account: RemoteId::from(account),
        })
    }

    fn sample(&self, kind: ObjectKind) -> Record {
        let sample = match kind {
            ObjectKind::Account => json!({"name": "Conformance"}),
            ObjectKind::Contact => json!({"last_name": "Conformance"}),
            ObjectKind::Engagement => {
                json!({"subject": "Conformance", "engagement_type": {"remote_id": "Task:Call"}})
            }
            ObjectKind::EngagementType => json!({"name": "Conformance", "activity_type": "MEETING"}),
            ObjectKind::Lead => json!({"last_name": "Conformance", "company": "Conformance"}),
            ObjectKind::Note => json!({"content": "Conformance\nin two lines"}),
            ObjectKind::Opportunity => json!({
                "name": "Conformance", "stage": {"remote_id": "Prospecting"}, "close_date": "2030-01-01T00:00:00Z"
            }),
            ObjectKind::Stage => json!({"name": "Conformance"}),
            ObjectKind::Task => json!({"subject": "Conformance"}),
            ObjectKind::User => json!({"name": "Connie Conformance", "email": "connie@emulator.example"}),
        };
        Record::from_json(kind, &sample.to_string()).expect("a sample")
    }
}

/// The sObject of a record.
pub(crate) fn sobject_of(kind: ObjectKind, id: &str) -> &'static str {
    match kind {
        ObjectKind::Account => "Account",
        ObjectKind::Contact => "Contact",
        ObjectKind::Engagement if id.starts_with("00U") => "Event",
        ObjectKind::Engagement | ObjectKind::Task => "Task",
        ObjectKind::Lead => "Lead",
        ObjectKind::Note if id.starts_with("069") => "ContentNote",
        ObjectKind::Note => "Note",
        ObjectKind::Opportunity => "Opportunity",
        ObjectKind::Stage => "OpportunityStage",
        ObjectKind::User => "User",
        ObjectKind::EngagementType => unreachable!("types are no records"),
    }
}

impl Org {
    /// The changes of a row that the API cannot write, with the stamp that they would get.
    fn stamped(&self, field: &str, text: &str) -> Row {
        Row::new().with(field, text).with("SystemModstamp", self.linked.org().now())
    }
}

#[async_trait]
impl Upstream for Org {
    async fn insert(&self, record: Record) -> RemoteId {
        let org = self.linked.org();
        let kind = record.kind();
        match kind {
            ObjectKind::Stage => {
                let row = Row::new()
                    .with("ApiName", "Conformance")
                    .with("MasterLabel", "Conformance")
                    .with("IsActive", true);
                org.insert("OpportunityStage", row).await.unwrap();
                return RemoteId::from("Conformance");
            }
            ObjectKind::User => {
                let row = Row::new()
                    .with("LastName", "Conformance")
                    .with("Name", "Connie Conformance")
                    .with("Username", "connie@emulator.example")
                    .with("UserType", "Standard")
                    .with("IsActive", true);
                return RemoteId::from(org.insert("User", row).await.unwrap());
            }
            ObjectKind::EngagementType => {
                let mut field = FieldSchema::new("Type", FieldType::Picklist);
                field.picklist.push(PicklistValue::new("Conformance"));
                org.add_field("Event", field).await.unwrap();
                let id = "Event.Type:Conformance".to_owned();
                self.types.lock().unwrap().insert(id.clone());
                return RemoteId::from(id);
            }
            _ => {}
        }
        let mut context = MapContext::new(self.linked.account, &self.linked.emulator.instance_url());
        context.org.enhanced_notes = true;
        let remote = encode(&record, &context);
        let fields: Map<String, Json> = remote
            .fields
            .iter()
            .map(|(name, value)| (name.to_string(), serde_json::from_str(value.as_str()).expect("JSON")))
            .collect();
        RemoteId::from(org.create(remote.sobject, Json::Object(fields)).await.unwrap())
    }

    async fn touch(&self, kind: ObjectKind) -> RemoteId {
        let org = self.linked.org();
        let remote_id = self.live_ids(kind).await.pop_first().expect("a record");
        let id = remote_id.as_str();
        let text = "Touched by hand";
        let field = match kind {
            // Types change with the settings of the org and are always all shown.
            ObjectKind::EngagementType => return remote_id,
            ObjectKind::Stage => {
                let rows = org.table("OpportunityStage", &["ApiName"]).await.unwrap();
                let row =
                    rows.into_iter().find(|(_, values)| values[0].as_text() == Some(id)).expect("the stage");
                org.set("OpportunityStage", &row.0, self.stamped("Description", text)).await.unwrap();
                return remote_id;
            }
            ObjectKind::User => {
                org.set("User", id, self.stamped("Title", text)).await.unwrap();
                return remote_id;
            }
            ObjectKind::Account => "Description",
            ObjectKind::Contact | ObjectKind::Lead | ObjectKind::Note => "Title",
            ObjectKind::Opportunity => "NextStep",
            ObjectKind::Task | ObjectKind::Engagement => "Subject",
        };
        // Converted leads and the like are closed to the API; what their owner does is not.
        let object = sobject_of(kind, id);
        if org.update(object, id, json!({field: text})).await.is_err() {
            org.set(object, id, self.stamped(field, text)).await.unwrap();
        }
        remote_id
    }

    async fn delete(&self, kind: ObjectKind, remote_id: &RemoteId) {
        let id = remote_id.as_str();
        self.linked.org().delete(sobject_of(kind, id), id).await.unwrap();
    }

    async fn live_ids(&self, kind: ObjectKind) -> BTreeSet<RemoteId> {
        let mut ids = match kind {
            ObjectKind::EngagementType => {
                let bare = ["Event", "Task:Call", "Task:Email", "Task:ListEmail"];
                bare.into_iter().map(str::to_owned).collect()
            }
            kind => self.linked.expected(kind).await.live,
        };
        if kind == ObjectKind::EngagementType {
            ids.extend(self.types.lock().unwrap().iter().cloned());
        }
        ids.into_iter().map(RemoteId::from).collect()
    }

    async fn fail(&self, fault: Fault) -> bool {
        let faults = self.linked.emulator.faults();
        let any = |fault: Wire| FaultRule::new(Resource::Any, fault);
        match fault {
            Fault::SessionExpired => self.linked.org().revoke_sessions(),
            Fault::CredentialsRefused => {
                self.linked.org().revoke_sessions();
                faults.add(FaultRule::new(Resource::Token, Wire::RefreshRefused).forever());
            }
            Fault::Throttled => faults.add(any(Wire::TooManyRequests { retry_after: Some(1) }).times(2)),
            Fault::Unavailable => faults.add(any(Wire::ServerUnavailable).times(2)),
            Fault::CutBody => faults.add(any(Wire::BodyCut { chunked: true })),
            Fault::QuotaExhausted => faults.add(any(Wire::TotalRequests).forever()),
            _ => return false,
        }
        true
    }
}

unicrm_testkit::provider_conformance!(SalesforceHarness);
