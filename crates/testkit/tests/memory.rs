//! The provider in memory under the conformance suite: the suite's own proof that it can be passed.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use unicrm_core::memory::MemoryProvider;
use unicrm_core::{
    AssociatedClass, Capability, GoneReason, Guard, LinkedAccountId, ObjectKind, Provider, ProviderExt,
    ReadPart, Record, Ref, RemoteId, Row, Shape,
};
use unicrm_testkit::conformance::{CustomSample, Fault, Harness, Upstream};
use unicrm_testkit::strategies::linked_account;

#[derive(Debug)]
struct Memory(MemoryProvider);

#[async_trait]
impl Harness for Memory {
    async fn start() -> Self {
        let harness = Self(MemoryProvider::new(linked_account()));
        for kind in ObjectKind::ALL {
            for _ in 0..7 {
                harness.0.put(harness.sample(kind));
            }
            let deleted = harness.0.put(harness.sample(kind));
            harness.0.remove(kind, &deleted, GoneReason::Deleted);
        }
        harness
    }

    fn provider(&self) -> Arc<dyn Provider> {
        Arc::new(Guard::new(Arc::new(self.0.clone())))
    }

    async fn reconnect(&self) -> Arc<dyn Provider> {
        self.provider()
    }

    fn linked_account(&self) -> LinkedAccountId {
        linked_account()
    }

    fn upstream(&self) -> &dyn Upstream {
        self
    }

    async fn custom_sample(&self) -> Option<CustomSample> {
        let target = AssociatedClass::new(linked_account(), "account", Some(ObjectKind::Account), false);
        self.0.define_class("Invoice", &["Title"], &[("Customer", target)]);
        let mut account = Record::empty(ObjectKind::Account);
        account.set("name", Some(unicrm_core::Value::Text("K-LINK".into()))).expect("a text field");
        Some(CustomSample {
            class: "Invoice".to_owned(),
            text: "Title".to_owned(),
            lookup: "Customer".to_owned(),
            account: self.0.put(account),
        })
    }

    fn sample(&self, kind: ObjectKind) -> Record {
        let text = match kind {
            ObjectKind::Contact => r#"{"first_name": "Gil", "last_name": "Feig"}"#,
            ObjectKind::Lead => r#"{"company": "K-LINK", "last_name": "Feig"}"#,
            ObjectKind::Note => r#"{"content": "K-LINK is hiring!"}"#,
            ObjectKind::Engagement | ObjectKind::Task => r#"{"subject": "Call for negotiation"}"#,
            _ => r#"{"name": "K-LINK"}"#,
        };
        let mut record = Record::from_json(kind, text).expect("a sample");
        if let Record::Contact(contact) = &mut record {
            contact.owner = Some(Ref::remote(linked_account(), "user-1"));
        }
        record
    }
}

#[async_trait]
impl Upstream for Memory {
    async fn insert(&self, record: Record) -> RemoteId {
        self.0.put(record)
    }

    async fn touch(&self, kind: ObjectKind) -> RemoteId {
        let remote_id = self.live_ids(kind).await.pop_first().expect("a record");
        let part = ReadPart::new(kind, unicrm_core::Scope::Ids(vec![remote_id.clone()]));
        let rows = self.0.read_page(part).await;
        let Row::Live(row) = rows.expect("a page").rows.remove(0) else { panic!("{remote_id} is not live") };
        self.0.put(row.record);
        remote_id
    }

    async fn delete(&self, kind: ObjectKind, remote_id: &RemoteId) {
        assert!(self.0.remove(kind, remote_id, GoneReason::Deleted));
    }

    async fn live_ids(&self, kind: ObjectKind) -> BTreeSet<RemoteId> {
        let page =
            self.0.read_page(ReadPart::all(kind).shape(Shape::Ids).page_size(2_000)).await.expect("a page");
        assert!(page.next_token().is_none(), "a harness holds few records");
        let live = page.rows.into_iter().filter(|row| matches!(row, Row::Id { .. }));
        live.filter_map(|row| row.remote_id().cloned()).collect()
    }

    async fn fail(&self, _fault: Fault) -> bool {
        // Records in memory have neither a session nor a wire.
        false
    }
}

#[test]
fn the_memory_provider_declares_a_write() {
    let provider = MemoryProvider::new(linked_account());
    assert!(provider.capabilities().allows(ObjectKind::Contact, Capability::Create));
}

unicrm_testkit::provider_conformance!(Memory);
