//! The client against the emulated org, over real HTTP.

use std::sync::Arc;

use unicrm_core::{ConnectRequest, Credentials, Json, LinkedAccountId, MemoryCredentialStore, Usage};
use unicrm_salesforce_emulator::{Emulator, Fault as Trouble, FaultRule, Resource};

use crate::api::soql::{Condition, Literal, Order, Soql};
use crate::api::{Client, QueryOptions};
use crate::config::SalesforceConfig;
use crate::error::Code;

async fn client(emulator: &Emulator, flow: &str) -> Client {
    let config =
        serde_json::json!({ "login_url": emulator.url(), "flow": flow, "client_id": emulator.client_id() });
    let credentials = Credentials::new()
        .with("client_secret", emulator.client_secret().into())
        .with("refresh_token", emulator.refresh_token().into());
    let json = Json::parse(config.to_string()).unwrap();
    let config = Arc::new(SalesforceConfig::from_json(&json).unwrap());
    let store = Arc::new(MemoryCredentialStore::new(credentials));
    Client::connect(&ConnectRequest::new(LinkedAccountId::random(), json, store), config).await.unwrap()
}

fn contacts() -> Soql {
    let order = [Order::ascending("SystemModstamp"), Order::ascending("Id")];
    Soql::select("Contact").fields(["Id", "LastName", "SystemModstamp"]).order_by(order)
}

async fn all_ids(client: &Client, usage: &mut Usage) -> Vec<String> {
    let options = QueryOptions { all_rows: false, batch_size: Some(200) };
    let mut page = client.query(usage, &contacts(), options).await.unwrap();
    let mut ids = Vec::new();
    loop {
        ids.extend(page.rows().map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            row["Id"].as_str().unwrap().to_owned()
        }));
        let Some(next) = page.next else { return ids };
        page = client.query_more(usage, &next).await.unwrap();
    }
}

#[tokio::test]
async fn an_org_is_read_page_by_page_with_both_flows() {
    let emulator = Emulator::builder().contacts(450).start().await.unwrap();
    let total = emulator.org().count("Contact").await.unwrap();
    for flow in ["client-credentials", "refresh-token"] {
        let client = client(&emulator, flow).await;
        emulator.log().clear();
        let mut usage = Usage::default();
        let mut ids = all_ids(&client, &mut usage).await;
        assert_eq!(ids.len() as u64, total);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len() as u64, total, "each record once");
        assert_eq!(usage.calls, emulator.log().api_calls());
        assert!(usage.quota.unwrap().used > 0);
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn troubles_on_the_wire_lose_nothing() {
    let emulator = Emulator::builder().contacts(450).start().await.unwrap();
    let total = emulator.org().count("Contact").await.unwrap();
    for trouble in [
        Trouble::SessionExpired,
        Trouble::InstanceMoved { redirect: Some(302) },
        Trouble::InstanceMoved { redirect: None },
        Trouble::ServerUnavailable,
        Trouble::ServerUnavailablePage,
        Trouble::LoginPage,
        Trouble::BodyCut { chunked: false },
        Trouble::BodyCut { chunked: true },
        Trouble::GzipMislabelled,
        Trouble::GzipTwice,
        Trouble::ConnectionReset,
        Trouble::ConnectionClosed,
        Trouble::UnknownException,
        Trouble::ConcurrentRequests,
        Trouble::NotAcceptable,
        Trouble::UriTooLong,
    ] {
        let client = client(&emulator, "client-credentials").await;
        emulator.faults().clear();
        let resource = if trouble == Trouble::UriTooLong { Resource::Query } else { Resource::QueryMore };
        emulator.faults().add(FaultRule::new(resource, trouble.clone()));
        let ids = all_ids(&client, &mut Usage::default()).await;
        assert_eq!(emulator.faults().struck(), 1, "{trouble:?}");
        assert_eq!(ids.len() as u64, total, "{trouble:?}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn everything_else_that_is_read() {
    let emulator = Emulator::builder().contacts(30).start().await.unwrap();
    let client = client(&emulator, "client-credentials").await;
    let usage = &mut Usage::default();

    let info = client.identity(usage).await.unwrap();
    assert_eq!(info.username.as_deref(), Some(emulator.username()));
    assert!(client.limits(usage).await.unwrap().api_calls().is_some());
    let objects = client.describe_global(usage).await.unwrap();
    assert_eq!(objects.object("contact").unwrap().key_prefix.as_deref(), Some("003"));

    let outcomes = client.describe_many(usage, &["Contact", "Task", "Nothing__c"]).await.unwrap();
    assert!(outcomes[0].as_ref().unwrap().field("LastName").unwrap().filterable);
    assert!(outcomes[2].is_err());

    let hidden = Soql::select("Contact").fields(["Id", "Nothing__c"]);
    let fault = client.query(usage, &hidden, QueryOptions::default()).await.unwrap_err();
    assert!(fault.is(&Code::InvalidField));
    assert_eq!(fault.refusal().unwrap().missing_column(), Some("Nothing__c"));
    let fault =
        client.query(usage, &Soql::select("Nothing__c").fields(["Id"]), QueryOptions::default()).await;
    assert!(fault.unwrap_err().is(&Code::InvalidType));

    let count = client.query(usage, &Soql::count("Contact"), QueryOptions::default()).await.unwrap();
    assert_eq!((count.total_size, count.records.len()), (emulator.org().count("Contact").await.unwrap(), 0));

    let before = emulator.org().now();
    let id = emulator
        .org()
        .create("Contact", serde_json::json!({ "LastName": "O'Neil \\ \"x\"\n" }))
        .await
        .unwrap();
    let named = Condition::eq("LastName", Literal::text("O'Neil \\ \"x\""));
    let ids = (0..900).map(|at| Literal::id(format!("003{at:012}")));
    let long = contacts().filter(Condition::or([named, Condition::in_("Id", ids)]));
    let page = client.query(usage, &long, QueryOptions::default()).await.unwrap();
    assert_eq!(page.records.len(), 1, "found by a query that travels in a body");

    emulator.org().delete("Contact", &id).await.unwrap();
    emulator.org().advance_clock(std::time::Duration::from_secs(3_600));
    let deleted = client.deleted(usage, "Contact", before, emulator.org().now()).await.unwrap();
    assert_eq!(deleted.records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    emulator.shutdown().await;
}

#[tokio::test]
async fn an_unchanged_description_is_not_sent_again() {
    let emulator = Emulator::builder().empty().start().await.unwrap();
    let client = client(&emulator, "client-credentials").await;
    let usage = &mut Usage::default();
    client.describe(usage, "Lead").await.unwrap();
    client.describe(usage, "Lead").await.unwrap();
    assert_eq!(usage.calls, 1);
    emulator.shutdown().await;
}
