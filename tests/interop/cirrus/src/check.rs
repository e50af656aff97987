//! The calls of the client, one group after the other.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use cirrus::{
    BatchRequest, BatchSubrequest, BulkIngestSpec, BulkJobState, BulkOperation, BulkQuerySpec, Cirrus,
    CirrusError, CompositeGraph, CompositeGraphRequest, CompositeRequest, CompositeSubrequest, QueryOptions,
    SObjectCollection, soql, sosl,
};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::{Outcome, VERSION, by_client_credentials, by_refresh_token, env};

/// Names that a careless writer of queries breaks.
const NAMES: [&str; 6] = ["O'Neil", "quote\"d", "back\\slash", "100%", "under_score", "Ärger 漢字 😀"];

pub(crate) async fn check(sf: &Cirrus) -> Outcome<()> {
    macro_rules! run {
        ($($name:ident),+ $(,)?) => {$(
            $name(sf).await.map_err(|error| format!("{}: {error}", stringify!($name)))?;
            println!("ok {}", stringify!($name));
        )+};
    }
    run!(
        signs_in,
        describes,
        counts_calls,
        reads_pages,
        writes,
        finds,
        collects,
        composes,
        searches,
        loads,
        refuses,
    );
    Ok(())
}

/// The code of a refusal, and its status.
fn code<T>(result: Result<T, CirrusError>) -> (u16, String) {
    match result {
        Err(CirrusError::Api { status, errors, .. }) => {
            (status, errors.first().map(|error| error.error_code.clone()).unwrap_or_default())
        }
        Err(other) => panic!("{other:?} is no answer of Salesforce"),
        Ok(_) => panic!("this should be refused"),
    }
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn count(sf: &Cirrus, soql: &str) -> Outcome<i64> {
    Ok(sf.query(soql).await?.total_size)
}

async fn signs_in(sf: &Cirrus) -> Outcome<()> {
    let identity: Value = sf.get("/services/oauth2/userinfo").await?;
    assert_eq!(identity["preferred_username"], env("SF_USERNAME").as_str());
    let versions = sf.versions().await?;
    assert!(versions.iter().any(|version| format!("v{}", version.version) == VERSION), "{versions:?}");

    let wrong = by_client_credentials("wrong")?.limits().await.expect_err("a wrong secret");
    assert!(wrong.to_string().contains("invalid_client"), "{wrong}");

    // A session that is no longer good is renewed, and the call repeated.
    let renewed = by_refresh_token("00Dgone!gone")?;
    assert!(renewed.query("SELECT COUNT() FROM User").await?.done);
    let token = renewed.auth().access_token().await?.into_owned();
    assert_ne!(token, "00Dgone!gone");
    Ok(())
}

async fn describes(sf: &Cirrus) -> Outcome<()> {
    let global = sf.sobjects().describe_global().await?;
    let contact = global.sobjects.iter().find(|sobject| sobject.name == "Contact").expect("Contact");
    assert_eq!((contact.queryable, contact.key_prefix.as_deref()), (true, Some("003")));
    let describe = sf.sobject("Contact").describe().await?;
    let fields = describe["fields"].as_array().expect("fields");
    let field = |name: &str| fields.iter().find(|field| field["name"] == name).expect("a field");
    let name = field("LastName");
    assert_eq!(
        (&name["type"], &name["length"], &name["nillable"]),
        (&json!("string"), &json!(80), &json!(false))
    );
    assert_eq!(field("AccountId")["referenceTo"], json!(["Account"]));
    let unchanged = sf.sobject("Contact").describe_if_modified_since(SystemTime::now()).await?;
    assert!(unchanged.is_none(), "304 says that nothing has changed");
    Ok(())
}

async fn counts_calls(sf: &Cirrus) -> Outcome<()> {
    let daily = &sf.limits().await?["DailyApiRequests"];
    let before = sf.last_limit_info().expect("every answer says what is used");
    assert_eq!((daily.max, daily.remaining), (i64::from(before.allowed), i64::from(before.remaining())));
    count(sf, "SELECT COUNT() FROM Contact").await?;
    assert_eq!(sf.last_limit_info().map(|now| now.used), Some(before.used + 1));
    Ok(())
}

async fn reads_pages(sf: &Cirrus) -> Outcome<()> {
    let soql = "SELECT Id FROM Contact";
    let first = sf.query(soql).await?;
    assert_eq!(
        (first.done, first.records.len()),
        (false, 2000),
        "seed the org with more than 2,000 contacts"
    );
    let next = first.next_records_url.as_deref().expect("a locator");
    let second = sf.query_more(next).await?;
    assert_eq!(first.records.len() + second.records.len(), usize::try_from(first.total_size)?);
    let small = sf.query_with_options(soql, &QueryOptions::new().batch_size(200)).await?;
    assert_eq!(small.records.len(), 200);
    let ids = async |records: cirrus::Records<Value>| -> Outcome<BTreeMap<String, bool>> {
        let rows: Vec<Value> = records.try_collect().await?;
        let row = |row: &Value| (text(&row["Id"]).to_owned(), row["IsDeleted"] == true);
        Ok(rows.iter().map(row).collect())
    };
    let live = ids(sf.query_stream("SELECT Id, IsDeleted FROM Contact")).await?;
    let all = ids(sf.query_all_stream("SELECT Id, IsDeleted FROM Contact")).await?;
    assert_eq!(live.len(), usize::try_from(first.total_size)?);
    assert!(all.len() > live.len() && all.iter().all(|(id, deleted)| live.contains_key(id) != *deleted));
    Ok(())
}

async fn writes(sf: &Cirrus) -> Outcome<()> {
    let contacts = sf.sobject("Contact");
    let made = contacts.create(&json!({"LastName": "Writer", "Email": "cirrus@example.com"})).await?;
    assert!(made.success && made.errors.is_empty());
    contacts.update(&made.id, &json!({"FirstName": "Wilma", "Birthdate": "1990-02-28"})).await?;
    let back = contacts.retrieve(&made.id).await?;
    assert_eq!((text(&back["Name"]), text(&back["Birthdate"])), ("Wilma Writer", "1990-02-28"));
    let some = contacts.retrieve_with_fields(&made.id, &["Id", "Email"]).await?;
    assert_eq!((some["Email"].as_str(), some.get("Name")), (Some("cirrus@example.com"), None));

    let again = contacts.upsert("Email", "cirrus@example.com", &json!({"FirstName": "Wanda"})).await?;
    assert_eq!((again.id.as_str(), again.created), (made.id.as_str(), Some(false)));
    let other = contacts.upsert("Email", "cirrus2@example.com", &json!({"LastName": "Second"})).await?;
    assert_eq!(other.created, Some(true));
    assert_eq!(contacts.retrieve_by_external_id("Email", "cirrus@example.com").await?["FirstName"], "Wanda");
    contacts.delete_by_external_id("Email", "cirrus2@example.com").await?;

    let long_ago = SystemTime::now() - Duration::from_secs(86_400);
    let stale = contacts.update_if_unmodified_since(&made.id, &json!({"Title": "Late"}), long_ago).await;
    assert!(matches!(&stale, Err(CirrusError::Api { status: 412, .. })), "{stale:?}");
    contacts.delete(&made.id).await?;
    assert_eq!(code(contacts.retrieve(&made.id).await), refused(404, "ENTITY_IS_DELETED"));
    assert_eq!(code(contacts.delete(&other.id).await), refused(404, "ENTITY_IS_DELETED"));
    Ok(())
}

async fn finds(sf: &Cirrus) -> Outcome<()> {
    let contacts = sf.sobject("Contact");
    for name in NAMES {
        let made = contacts.create(&json!({"LastName": name, "Email": "cirrus-finder@example.com"})).await?;
        let soql = format!(
            "SELECT Id FROM Contact WHERE LastName = {} AND Email LIKE 'cirrus-f%'",
            soql::quote(name)
        );
        let found = sf.query(&soql).await?.records;
        assert_eq!(found.iter().map(|row| text(&row["Id"])).collect::<Vec<_>>(), [made.id], "{name}");
    }
    for (typed, found) in [("%", 1), ("_", 1), ("O'", 1), ("\\", 1)] {
        let like = soql::escape_like(typed);
        let soql = format!(
            "SELECT COUNT() FROM Contact WHERE Email = 'cirrus-finder@example.com' AND LastName LIKE '%{like}%'"
        );
        assert_eq!(count(sf, &soql).await?, found, "{typed}");
    }
    let rows = sf.query("SELECT Id FROM Contact WHERE Email = 'cirrus-finder@example.com'").await?.records;
    let ids: Vec<&str> = rows.iter().map(|row| text(&row["Id"])).collect();
    assert!(sf.composite().sobjects().delete(&ids, true).await?.iter().all(|row| row.success));
    Ok(())
}

async fn collects(sf: &Cirrus) -> Outcome<()> {
    let collections = sf.composite().sobjects();
    let rows: Vec<Value> = (0..200).map(|n| json!({"LastName": format!("Many {n}")})).collect();
    let made = collections.create_records("Contact", &rows, true).await?;
    let ids: Vec<&str> = made.iter().filter_map(|row| row.id.as_deref()).collect();
    assert_eq!((made.len(), ids.len()), (200, 200));
    let calls: Vec<Value> =
        ids.iter().enumerate().map(|(n, id)| json!({"Id": id, "Phone": format!("+1 415 555 {n}")})).collect();
    assert!(collections.update_records("Contact", &calls, false).await?.iter().all(|row| row.success));
    let back = collections.retrieve("Contact", &ids, &["Id", "Phone"]).await?;
    assert_eq!(
        back.iter().map(|row| row["Phone"].clone()).collect::<Vec<_>>(),
        calls.iter().map(|row| row["Phone"].clone()).collect::<Vec<_>>()
    );

    let mixed = [json!({"LastName": "Fine"}), json!({"FirstName": "Nobody"})];
    let partly = collections.create(&SObjectCollection::new("Contact", mixed.clone())).await?;
    assert_eq!(partly.iter().map(|row| row.success).collect::<Vec<_>>(), [true, false]);
    let error = &partly[1].errors[0];
    assert_eq!(
        (error.status_code.as_str(), error.fields.join(",")),
        ("REQUIRED_FIELD_MISSING", "LastName".to_owned())
    );
    let none = collections.create(&SObjectCollection::new("Contact", mixed).all_or_none(true)).await?;
    let codes: Vec<_> = none.iter().map(|row| row.errors[0].status_code.as_str()).collect();
    assert_eq!(codes, ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]);

    let keyed = [json!({"Email": "cirrus-key@example.com", "LastName": "Key"})];
    let first = collections.upsert_records("Contact", "Email", &keyed, false).await?;
    let second = collections.upsert_records("Contact", "Email", &keyed, false).await?;
    assert_eq!((first[0].created, second[0].created), (Some(true), Some(false)));
    assert_eq!(first[0].id, second[0].id);

    let rest = [&partly[0], &first[0]].into_iter().filter_map(|row| row.id.as_deref());
    assert!(collections.delete(&rest.collect::<Vec<_>>(), true).await?.iter().all(|row| row.success));
    assert!(collections.delete(&ids, false).await?.iter().all(|row| row.success));
    Ok(())
}

fn step(method: &str, path: &str, reference_id: &str, body: Option<Value>) -> CompositeSubrequest {
    CompositeSubrequest {
        method: method.to_owned(),
        url: format!("/services/data/{VERSION}/{path}"),
        reference_id: reference_id.to_owned(),
        body,
        http_headers: None,
    }
}

async fn composes(sf: &Cirrus) -> Outcome<()> {
    let account = || step("POST", "sobjects/Account", "a", Some(json!({"Name": "Composed"})));
    let contact =
        || step("POST", "sobjects/Contact", "c", Some(json!({"LastName": "C", "AccountId": "@{a.id}"})));
    let back = step("GET", "sobjects/Contact/@{c.id}?fields=AccountId", "back", None);
    let request = CompositeRequest {
        composite_request: vec![account(), contact(), back],
        all_or_none: Some(true),
        collate_subrequests: None,
    };
    let rows = sf.composite().execute(&request).await?.composite_response;
    assert_eq!(rows.iter().map(|row| row.http_status_code).collect::<Vec<_>>(), [201, 201, 200]);
    assert_eq!(rows[2].body["AccountId"], rows[0].body["id"]);

    let nobody = step("POST", "sobjects/Contact", "c", Some(json!({"FirstName": "Nobody"})));
    let graph = |id: &str, steps| CompositeGraph { graph_id: id.to_owned(), composite_request: steps };
    let graphs = vec![graph("good", vec![account(), contact()]), graph("bad", vec![account(), nobody])];
    let graphs = sf.composite().graph(&CompositeGraphRequest { graphs }).await?.graphs;
    assert_eq!(graphs.iter().map(|graph| graph.is_successful).collect::<Vec<_>>(), [true, false]);

    let tree = json!({"records": [{
        "attributes": {"type": "Account", "referenceId": "a"}, "Name": "Tree",
        "Contacts": {"records": [{"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "Leaf"}]},
    }]});
    let tree = sf.composite().tree("Account", &tree).await?;
    assert!(!tree.has_errors && tree.results.len() == 2);

    let describe = |name: &str| BatchSubrequest {
        method: "GET".to_owned(),
        url: format!("{VERSION}/sobjects/{name}/describe"),
        rich_input: None,
    };
    let batch =
        BatchRequest { batch_requests: vec![describe("Account"), describe("Nope")], halt_on_error: None };
    let batch = sf.composite().batch(&batch).await?;
    assert_eq!(batch.results.iter().map(|row| row.status_code).collect::<Vec<_>>(), [200, 404]);

    let made = [&rows[0].body["id"], &graphs[0].graph_response.composite_response[0].body["id"]];
    let accounts = made.into_iter().map(text).chain(tree.results[0].id.as_deref());
    let gone = sf.composite().sobjects().delete(&accounts.collect::<Vec<_>>(), true).await?;
    assert_eq!(gone.iter().filter(|row| row.success).count(), 3);
    assert_eq!(count(sf, "SELECT COUNT() FROM Account WHERE Name IN ('Composed', 'Tree')").await?, 0);
    Ok(())
}

async fn searches(sf: &Cirrus) -> Outcome<()> {
    let contacts = sf.sobject("Contact");
    let made = contacts.create(&json!({"LastName": "Popocatepetl", "Email": "smoke@example.com"})).await?.id;
    let found = |records: &[Value]| -> Vec<(String, String)> {
        let row = |row: &Value| (text(&row["attributes"]["type"]).to_owned(), text(&row["Id"]).to_owned());
        records.iter().map(row).collect()
    };
    let expected = vec![("Contact".to_owned(), made.clone())];
    for term in [
        sosl::escape_term("Popocatepetl"),
        format!("{}*", sosl::escape_term("popocat")),
        sosl::escape_term("smoke@example.com"),
    ] {
        let sosl = format!("FIND {{{term}}} IN ALL FIELDS RETURNING Contact(Id, LastName), Lead(Id)");
        assert_eq!(found(&sf.search(&sosl).await?.search_records), expected, "{term}");
    }
    // What is typed stays text.
    for typed in ["Popocat*", "x} RETURNING User(Id) {", "a-b & c"] {
        let sosl = format!("FIND {{{}}} RETURNING Contact(Id)", sosl::escape_term(typed));
        assert_eq!(found(&sf.search(&sosl).await?.search_records), [], "{typed}");
    }
    let request = json!({
        "q": "Popocatepetl", "in": "NAME", "fields": ["Id", "LastName"],
        "sobjects": [{"name": "Contact", "where": "Email != null", "limit": 5}, {"name": "Lead"}],
    });
    let parameterised = sf.parameterized_search(&request).await?.search_records;
    assert_eq!(found(&parameterised), expected);
    assert_eq!(parameterised[0]["LastName"], "Popocatepetl");
    contacts.delete(&made).await?;
    assert_eq!(found(&sf.parameterized_search(&request).await?.search_records), []);
    Ok(())
}

async fn loads(sf: &Cirrus) -> Outcome<()> {
    let ingest = sf.bulk().ingest();
    let job = ingest.create(&BulkIngestSpec::new("Contact", BulkOperation::Insert)).await?;
    let csv = "LastName,Email\n\"Comma, Inc\",cirrus-bulk@example.com\n\"Quote \"\"d\"\"\",cirrus-bulk@example.com\n,cirrus-bulk@example.com\n";
    ingest.upload(&job.id, csv.into()).await?;
    ingest.close(&job.id).await?;
    let mut done = ingest.get(&job.id).await?;
    while !matches!(done.state, BulkJobState::JobComplete | BulkJobState::Failed | BulkJobState::Aborted) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        done = ingest.get(&job.id).await?;
    }
    assert_eq!((done.number_records_processed, done.number_records_failed), (Some(3), Some(1)));
    let failed = ingest.failed_results(&job.id).await?;
    assert!(String::from_utf8_lossy(&failed).contains("REQUIRED_FIELD_MISSING"));

    let live = count(sf, "SELECT COUNT() FROM Contact").await?;
    let query = sf.bulk().query();
    let job = query.create(&BulkQuerySpec::new("SELECT Id, Name FROM Contact", BulkOperation::Query)).await?;
    while query.get(&job.id).await?.state != BulkJobState::JobComplete {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut rows, mut locator) = (0, None);
    loop {
        let page = query.results(&job.id, locator.as_deref(), Some(1000)).await?;
        rows += page.number_of_records.unwrap_or_default();
        locator = page.locator;
        if locator.is_none() {
            break;
        }
    }
    assert_eq!(rows, live);
    let made = sf.query("SELECT Id FROM Contact WHERE Email = 'cirrus-bulk@example.com'").await?.records;
    let ids: Vec<&str> = made.iter().map(|row| text(&row["Id"])).collect();
    assert_eq!(sf.composite().sobjects().delete(&ids, true).await?.len(), 2);
    Ok(())
}

async fn refuses(sf: &Cirrus) -> Outcome<()> {
    assert_eq!(code(sf.query("SELECT Nope FROM Contact").await), refused(400, "INVALID_FIELD"));
    assert_eq!(code(sf.query("SELECT Id FROM Nope").await), refused(400, "INVALID_TYPE"));
    assert_eq!(code(sf.query("SELECT Id FORM Contact").await), refused(400, "MALFORMED_QUERY"));
    let contacts = sf.sobject("Contact");
    let create = async |fields: Value| code(contacts.create(&fields).await);
    assert_eq!(create(json!({"FirstName": "Nobody"})).await, refused(400, "REQUIRED_FIELD_MISSING"));
    assert_eq!(create(json!({"LastName": "x".repeat(81)})).await, refused(400, "STRING_TOO_LONG"));
    assert_eq!(create(json!({"LastName": "x", "Nope__c": 1})).await, refused(400, "INVALID_FIELD"));
    assert_eq!(code(contacts.retrieve("003000000000000AAA").await), refused(404, "NOT_FOUND"));
    let locator = format!("/services/data/{VERSION}/query/01g000000000000AAA-2000");
    assert_eq!(code(sf.query_more(&locator).await), refused(400, "INVALID_QUERY_LOCATOR"));
    assert_eq!(code(sf.search("FIND {x").await), refused(400, "MALFORMED_SEARCH"));
    Ok(())
}
