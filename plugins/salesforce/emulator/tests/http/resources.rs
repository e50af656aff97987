//! Graphs, counts of records, and picklist values by record type.

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{FieldSchema, FieldType, ObjectSchema, PicklistValue, RecordType};

use crate::client::{Client, empty, seeded};

fn node(method: &str, path: &str, reference: &str, body: Value) -> Value {
    let mut node = json!({ "method": method, "url": format!("/services/data/v66.0/sobjects/{path}"), "referenceId": reference });
    if !body.is_null() {
        node["body"] = body;
    }
    node
}

fn graph(id: &str, nodes: &[Value]) -> Value {
    json!({ "graphId": id, "compositeRequest": nodes })
}

#[tokio::test]
async fn each_graph_succeeds_or_fails_as_a_whole() {
    let client = empty().await;
    let good = graph(
        "good",
        &[
            node("POST", "Account", "acc", json!({ "Name": "Acme" })),
            node("POST", "Contact", "con", json!({ "LastName": "Of acme", "AccountId": "@{acc.id}" })),
        ],
    );
    let bad = graph(
        "bad",
        &[node("POST", "Account", "a", json!({ "Name": "Lost" })), node("POST", "Contact", "c", json!({}))],
    );
    let answer = client.post("/composite/graph", json!({ "graphs": [good, bad] })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let graphs = answer.json()["graphs"].clone();
    assert_eq!((&graphs[0]["graphId"], &graphs[0]["isSuccessful"]), (&json!("good"), &json!(true)));
    assert_eq!(graphs[0]["graphResponse"]["compositeResponse"][1]["httpStatusCode"], 201);
    assert_eq!(graphs[1]["isSuccessful"], false);
    let parts = &graphs[1]["graphResponse"]["compositeResponse"];
    assert_eq!(parts[0]["body"][0]["errorCode"], "PROCESSING_HALTED");
    assert_eq!(parts[1]["body"][0]["errorCode"], "REQUIRED_FIELD_MISSING");
    let accounts = client.query("SELECT Name, (SELECT LastName FROM Contacts) FROM Account").await.json();
    assert_eq!(
        (&accounts["totalSize"], &accounts["records"][0]["Contacts"]["totalSize"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn graphs_have_limits() {
    let client = empty().await;
    let refused =
        async |graphs: Vec<Value>| client.post("/composite/graph", json!({ "graphs": graphs })).await.error();
    let one = |n: usize| node("POST", "Account", &format!("r{n}"), json!({ "Name": "x" }));
    let limit = || (400, "LIMIT_EXCEEDED".to_owned());
    assert_eq!(refused((0..76).map(|n| graph(&format!("g{n}"), &[one(n)])).collect()).await, limit());
    assert_eq!(refused(vec![graph("g", &(0..501).map(one).collect::<Vec<_>>())]).await, limit());
    let chain = (0..16).map(|n| node("POST", "Account", &format!("r{n}"), json!({ "Name": "x", "ParentId": if n == 0 { Value::Null } else { json!(format!("@{{r{}.id}}", n - 1)) } })));
    assert_eq!(refused(vec![graph("g", &chain.collect::<Vec<_>>())]).await, limit());
    let invalid = || (400, "INVALID_INPUT".to_owned());
    assert_eq!(refused(vec![graph("g", &[one(1)]), graph("g", &[one(2)])]).await, invalid());
    let query = json!({ "method": "GET", "url": "/services/data/v66.0/query?q=x", "referenceId": "q" });
    assert_eq!(refused(vec![graph("g", &[query])]).await, invalid());
    assert_eq!(client.emulator.org().count("Account").await.unwrap(), 0);
    let failing = |n: usize| graph(&format!("g{n}"), &[node("POST", "Account", "r", json!({}))]);
    let mut graphs: Vec<Value> = (0..15).map(failing).collect();
    graphs.push(graph("last", &[one(0)]));
    let answer = client.post("/composite/graph", json!({ "graphs": graphs })).await.json();
    assert_eq!(
        answer["graphs"][15]["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"],
        "PROCESSING_HALTED"
    );
    assert_eq!(client.emulator.org().count("Account").await.unwrap(), 0);
}

/// Takes out of an answer what differs from org to org.
fn without_ids(mut body: Value) -> Value {
    for graph in body["graphs"].as_array_mut().into_iter().flatten() {
        for part in graph["graphResponse"]["compositeResponse"].as_array_mut().into_iter().flatten() {
            for (parent, member) in [("body", "id"), ("httpHeaders", "Location")] {
                if let Some(value) = part[parent].as_object_mut().and_then(|parent| parent.get_mut(member)) {
                    *value = json!("...");
                }
            }
        }
    }
    body
}

async fn movies(client: &Client) -> String {
    let org = client.emulator.org();
    org.add_object(ObjectSchema::custom("Franchise__c")).await.unwrap();
    let mut movie = ObjectSchema::custom("Movie__c");
    let mut rating = FieldSchema::new("Rating__c", FieldType::Picklist);
    rating.label = "Rating".to_owned();
    rating.restricted_picklist = true;
    rating.picklist = vec![PicklistValue::new("Excellent")];
    movie.fields.push(rating);
    movie.fields.push(FieldSchema::new("ReleaseDate__c", FieldType::Date));
    let mut franchise = FieldSchema::new("Franchise__c", FieldType::Reference);
    franchise.reference_to = vec!["Franchise__c".to_owned()];
    movie.fields.push(franchise);
    org.add_object(movie).await.unwrap();
    client.create("Movie__c", json!({ "Name": "x" })).await
}

#[tokio::test]
async fn graphs_answer_as_recorded() {
    let client = empty().await;
    let id = movies(&client).await;
    for name in ["create", "create-tree", "single-create-error", "single-update", "single-delete"] {
        let file = format!("exchanges/forcedotcom__sf-fx-runtime-java__composite-graph-{name}.json");
        let Some(recorded) = crate::recordings::fixture(&file) else { continue };
        let sent = recorded["request"]["bodyPatterns"][0]["equalToJson"].as_str().unwrap();
        let mut sent: Value = serde_json::from_str(sent).unwrap();
        let url = &mut sent["graphs"][0]["compositeRequest"][0]["url"];
        if url.as_str().unwrap().contains("Movie__c/") {
            *url = json!(format!("/services/data/v53.0/sobjects/Movie__c/{id}"));
        }
        let answer = client.post("/services/data/v53.0/composite/graph", sent).await;
        let expected: Value = serde_json::from_str(recorded["response"]["body"].as_str().unwrap()).unwrap();
        assert_eq!(without_ids(answer.json()), without_ids(expected), "{name}");
    }
}

#[tokio::test]
async fn record_counts_are_those_of_queries() {
    let client = seeded().await;
    let counts = client.get("/limits/recordCount?sObjects=contact,Account,Nothing__c").await.json();
    let contacts = client.query("SELECT COUNT() FROM Contact").await.json()["totalSize"].clone();
    let accounts = client.query("SELECT COUNT() FROM Account").await.json()["totalSize"].clone();
    assert_eq!(
        counts,
        json!({ "sObjects": [{ "count": accounts, "name": "Account" }, { "count": contacts, "name": "Contact" }] })
    );
    assert!(client.get("/limits/recordCount").await.json()["sObjects"].as_array().unwrap().len() > 10);
}

#[tokio::test]
async fn picklist_values_come_by_record_type() {
    let client = empty().await;
    let layouts = client.get("/sobjects/Opportunity/describe/layouts").await.json();
    let master = layouts["recordTypeMappings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|mapping| mapping["master"] == true)
        .unwrap()
        .clone();
    let id = master["recordTypeId"].as_str().unwrap();
    let describe = client.get("/sobjects/Opportunity/describe").await.json();
    let field =
        describe["fields"].as_array().unwrap().iter().find(|field| field["name"] == "StageName").unwrap();
    let expected: Vec<&Value> = field["picklistValues"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|value| value["active"] == true)
        .map(|value| &value["value"])
        .collect();
    let ui = client.get(&format!("/ui-api/object-info/Opportunity/picklist-values/{id}")).await.json();
    let values = ui["picklistFieldValues"]["StageName"]["values"].as_array().unwrap().clone();
    assert_eq!(values.iter().map(|value| &value["value"]).collect::<Vec<_>>(), expected);
    let one =
        client.get(&format!("/ui-api/object-info/Opportunity/picklist-values/{id}/StageName")).await.json();
    assert_eq!(one["values"], json!(values));
    let listed = master["picklistsForRecordType"]
        .as_array()
        .unwrap()
        .iter()
        .find(|list| list["picklistName"] == "StageName")
        .unwrap();
    assert_eq!(listed["picklistValues"].as_array().unwrap().len(), values.len());
    let layout = client.get(master["urls"]["layout"].as_str().unwrap()).await;
    assert_eq!(layout.json()["id"], master["layoutId"]);
    assert_eq!(
        client.get("/ui-api/object-info/Opportunity/picklist-values/012000000000001AAA").await.status,
        400
    );
    assert_eq!(client.get("/sobjects/TaskStatus/describe/layouts").await.status, 404);
}

#[tokio::test]
async fn a_record_type_offers_fewer_values_and_dependent_ones_are_numbered() {
    let client = empty().await;
    let org = client.emulator.org();
    let mut country = FieldSchema::new("Land__c", FieldType::Picklist);
    country.picklist = ["DE", "FR", "US"].map(PicklistValue::new).into();
    let mut city = FieldSchema::new("City__c", FieldType::Picklist);
    city.controller_name = Some("Land__c".to_owned());
    city.dependent_picklist = true;
    // The first and the third bit.
    let mut frankfurt = PicklistValue::new("Frankfurt");
    frankfurt.valid_for = Some("oAAA".to_owned());
    city.picklist = vec![frankfurt];
    for field in [country, city] {
        org.add_field("Contact", field).await.unwrap();
    }
    let mut partner = RecordType::new("Contact", "Partner");
    partner.picklists.insert("Land__c".to_owned(), vec!["FR".to_owned()]);
    let id = partner.id.clone();
    org.add_record_type("Contact", partner).await.unwrap();

    let values = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|value| value["value"].as_str().unwrap().to_owned()).collect()
    };
    let layouts = client.get("/sobjects/Contact/describe/layouts").await.json();
    let offered = |id: &str| {
        let mappings = layouts["recordTypeMappings"].as_array().unwrap().iter();
        let mapping = mappings.into_iter().find(|mapping| mapping["recordTypeId"] == id).unwrap();
        let lists = mapping["picklistsForRecordType"].as_array().unwrap().iter();
        let list = lists.into_iter().find(|list| list["picklistName"] == "Land__c").unwrap();
        values(&list["picklistValues"])
    };
    assert_eq!(offered(&id), ["FR"]);
    assert_eq!(offered("012000000000000AAA"), ["DE", "FR", "US"]);
    let ui = client.get(&format!("/ui-api/object-info/Contact/picklist-values/{id}")).await.json();
    assert_eq!(values(&ui["picklistFieldValues"]["Land__c"]["values"]), ["FR"]);
    let city = &ui["picklistFieldValues"]["City__c"];
    assert_eq!(city["controllerValues"], json!({"DE": 0, "FR": 1, "US": 2}));
    assert_eq!(city["values"][0]["validFor"], json!([0, 2]));
    let described = client.get("/sobjects/Contact/describe").await.json();
    let kinds = described["recordTypeInfos"].as_array().unwrap().clone();
    assert!(kinds.iter().any(|kind| kind["recordTypeId"] == id.as_str() && kind["available"] == true));
}
