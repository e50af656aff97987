//! Answers compared with recorded ones, where the recordings are at hand.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unicrm_salesforce_emulator::{
    Emulator, Fault, FaultRule, FieldSchema, FieldType, ObjectSchema, PicklistValue, Resource,
};

use crate::client::{Answer, empty};

fn root() -> PathBuf {
    let root = std::env::var_os("UNICRM_FIXTURES").map(PathBuf::from);
    root.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures/salesforce")
    })
}

/// A recorded file; none, with a line saying so, where the recordings are absent.
pub(crate) fn text(name: &str) -> Option<String> {
    let root = std::env::var_os("UNICRM_FIXTURES").map(PathBuf::from);
    let root = root.unwrap_or_else(|| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures/salesforce")
    });
    std::fs::read_to_string(root.join(name)).map_err(|error| println!("skipped: {name}: {error}")).ok()
}

pub(crate) fn fixture(name: &str) -> Option<Value> {
    let text = text(name)?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// Status and body of a recorded exchange.
fn exchange(name: &str) -> Option<(u64, Value)> {
    let recorded = fixture(&format!("exchanges/{name}.json"))?;
    let response = &recorded["response"];
    let body = response["body"].as_str().map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
    Some((response["status"].as_u64().unwrap(), body))
}

fn same(answer: &Answer, recorded: Option<(u64, Value)>) {
    let Some((status, body)) = recorded else { return };
    assert_eq!(u64::from(answer.status), status, "{}", answer.text());
    if !body.is_null() {
        assert_eq!(answer.json(), body);
    }
}

/// All recordings write them so, and there are clients that look for just these letters.
#[tokio::test]
async fn names_of_headers_are_capitalised_on_the_wire() {
    let client = empty().await;
    let address = client.emulator.url().replace("http://", "");
    let mut wire = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /services/data/v62.0/limits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        client.token
    );
    wire.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    wire.read_to_string(&mut answer).await.unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    let names: Vec<_> =
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    for name in ["Content-Type", "Date", "Sforce-Limit-Info"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

#[tokio::test]
async fn refused_writes_read_as_recorded() {
    let client = empty().await;
    let org = client.emulator.org();
    let mut movie = ObjectSchema::custom("Movie__c");
    let mut rating = FieldSchema::new("Rating__c", FieldType::Picklist);
    rating.label = "Rating".to_owned();
    rating.restricted_picklist = true;
    rating.picklist = vec![PicklistValue::new("Excellent")];
    movie.fields.push(rating);
    movie.fields.push(FieldSchema::new("ReleaseDate__c", FieldType::Date));
    org.add_object(movie).await.unwrap();
    let mut spaceship = ObjectSchema::custom("Spaceship__c");
    let mut website = FieldSchema::new("Website__c", FieldType::Url);
    website.nillable = false;
    spaceship.fields.push(website);
    org.add_object(spaceship).await.unwrap();

    let v53 = "/services/data/v53.0/sobjects";
    same(
        &client.post(&format!("{v53}/Account"), json!({ "FavoritePet__c": "Dog" })).await,
        exchange("forcedotcom__sf-fx-runtime-java__create-invalid-field"),
    );
    same(
        &client.post(&format!("{v53}/Movie__c"), json!({ "Name": "x", "Rating__c": "Terrible" })).await,
        exchange("forcedotcom__sf-fx-runtime-java__create-invalid-picklist-value"),
    );
    same(
        &client.post(&format!("{v53}/Spaceship__c"), json!({ "Name": "Falcon 9" })).await,
        exchange("forcedotcom__sf-fx-runtime-java__create-required-field-missing"),
    );
    same(
        &client.post(&format!("{v53}/PlayingCard__c"), json!({ "Name": "Ace" })).await,
        exchange("forcedotcom__sf-fx-runtime-java__create-unknown-object"),
    );
    let id = client.create("Movie__c", json!({ "Name": "x" })).await;
    same(
        &client.patch(&format!("{v53}/Movie__c/{id}"), json!({ "Color__c": "Red" })).await,
        exchange("forcedotcom__sf-fx-runtime-java__update-invalid-field"),
    );
    same(
        &client
            .patch(&format!("{v53}/Movie__c/a00B000000FSjVUIB1"), json!({ "ReleaseDate__c": "1980-05-21" }))
            .await,
        exchange("forcedotcom__sf-fx-runtime-java__update-malformed-id"),
    );
    same(
        &client.patch(&format!("{v53}/Movie__c/{id}"), json!({ "ReleaseDate__c": "1980-05-21" })).await,
        exchange("forcedotcom__sf-fx-runtime-java__update"),
    );
    let account = client.create("Account", json!({ "Name": "x" })).await;
    same(
        &client.send("DELETE", &format!("{v53}/Account/{account}"), None).await,
        exchange("forcedotcom__sf-fx-runtime-java__delete"),
    );
    same(
        &client.send("DELETE", &format!("{v53}/Account/{account}"), None).await,
        exchange("forcedotcom__sf-fx-runtime-java__delete-already-deleted"),
    );
    same(
        &client.post("/services/data/viAmABadVersion/sobjects/Account", json!({ "name": "x" })).await,
        exchange("forcedotcom__sf-fx-runtime-nodejs__create-invalid-api-version"),
    );
}

#[tokio::test]
async fn refused_queries_and_sessions_read_as_recorded() {
    let mut client = empty().await;
    let query = async |soql: &str| {
        let request = client.request("GET", "/services/data/v53.0/query").query(&[("q", soql)]);
        crate::client::read(request).await.unwrap()
    };
    same(
        &query("SELECT Bacon__c FROM Account LIMIT 2").await,
        exchange("forcedotcom__sf-fx-runtime-java__query-unknown-column"),
    );
    same(
        &query("SELEKT Name FROM Account").await,
        exchange("forcedotcom__sf-fx-runtime-java__query-malformed-soql"),
    );
    client.token = "badToken".to_owned();
    same(
        &client.post("/services/data/v51.0/sobjects/Account", json!({})).await,
        exchange("forcedotcom__sf-fx-runtime-nodejs__create-invalid-token"),
    );
}

#[tokio::test]
async fn collections_fail_as_recorded() {
    let client = empty().await;
    let contact = |fields: Value| {
        let mut record = fields;
        record["attributes"] = json!({ "type": "Contact" });
        record
    };
    let records = [contact(json!({ "FirstName": "Siena" })), contact(json!({ "LastName": "Blevins" }))];
    let answer = client.post("/composite/sobjects", json!({ "allOrNone": true, "records": records })).await;
    if let Some(recorded) =
        fixture("exchanges/amp-labs__connectors__batch_create_contacts_partial-but-allOrNone.json")
    {
        assert_eq!(answer.json(), recorded);
    }
    let answer = client
        .patch(
            "/composite/sobjects",
            json!({ "records": [contact(json!({ "LastName": "a" })), contact(json!({ "LastName": "b" }))] }),
        )
        .await;
    if let Some(recorded) =
        fixture("exchanges/amp-labs__connectors__batch_update_contacts_err-each-no-ids.json")
    {
        assert_eq!(answer.json(), recorded);
    }
}

#[tokio::test]
async fn faults_read_as_recorded() {
    let client = empty().await;
    for (fault, name) in [
        (Fault::TotalRequests, "errors/REQUEST_LIMIT_EXCEEDED.json"),
        (Fault::ConcurrentLongTransactions, "errors/REQUEST_LIMIT_EXCEEDED_concurrent.json"),
        (Fault::SessionRejected, "errors/INVALID_SESSION_ID.json"),
    ] {
        client.emulator.faults().add(FaultRule::new(Resource::Limits, fault));
        let answer = client.get("/limits").await.json();
        if let Some(recorded) = fixture(name) {
            assert_eq!(answer, recorded, "{name}");
        }
    }
}

#[tokio::test]
async fn exported_record_trees_load() {
    let folder = root().join("sample-data/plugin-data");
    if !folder.exists() {
        println!("skipped: {}: there are no recorded record trees", folder.display());
        return;
    }
    let client = crate::client::start(Emulator::builder().data_dir(&folder)).await;
    let org = client.emulator.org();
    let accounts = org.count("Account").await.unwrap();
    assert!(accounts > 0);
    let linked =
        client.query("SELECT COUNT() FROM Opportunity WHERE AccountId != null").await.json()["totalSize"]
            .clone();
    assert!(linked.as_u64().unwrap() > 0, "opportunities found their accounts");
    let closed = org
        .query("SELECT Id FROM Opportunity WHERE StageName = 'Closed Won' AND IsWon = false")
        .await
        .unwrap();
    assert!(closed.is_empty(), "derived fields follow");
}
