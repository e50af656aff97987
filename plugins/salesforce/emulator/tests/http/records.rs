//! Single records by id and by external id, blobs, parents and children, replication.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Emulator, FieldSchema, FieldType, Record};

use crate::client::{empty, read, start};

#[tokio::test]
async fn a_record_lives_from_create_to_delete() {
    let client = empty().await;
    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    let id = client
        .create(
            "Contact",
            json!({ "FirstName": " Rose ", "LastName": "Gonzalez", "AccountId": account, "Email": "" }),
        )
        .await;
    assert_eq!(id.len(), 18);
    let record = client.record("Contact", &id).await;
    assert_eq!(
        record["attributes"],
        json!({ "type": "Contact", "url": format!("/services/data/v66.0/sobjects/Contact/{id}") })
    );
    assert_eq!(
        (record["FirstName"].as_str(), record["Name"].as_str(), &record["Email"]),
        (Some("Rose"), Some("Rose Gonzalez"), &Value::Null)
    );
    assert_eq!(record["OwnerId"], json!(client.emulator.org().user_id()));
    let updated =
        client.patch(&format!("/sobjects/Contact/{}", &id[..15]), json!({ "LastName": "Diaz" })).await;
    assert_eq!((updated.status, updated.body.len()), (204, 0));
    let some = client.get(&format!("/sobjects/contact/{id}?fields=Name,AccountId")).await.json();
    assert_eq!(some["Name"], "Rose Diaz");
    assert!(some.get("LastName").is_none());
    assert_eq!(client.get(&format!("/sobjects/Contact/{id}/Account")).await.json()["Name"], "Acme");
    let children = client.get(&format!("/sobjects/Account/{account}/Contacts")).await.json();
    assert_eq!(children["totalSize"], json!(1));
    assert_eq!(client.send("DELETE", &format!("/sobjects/Contact/{id}"), None).await.status, 204);
    for method in ["GET", "DELETE", "PATCH"] {
        let body = (method == "PATCH").then(|| json!({ "LastName": "x" }));
        let answer = client.send(method, &format!("/sobjects/Contact/{id}"), body).await;
        assert_eq!(answer.error(), (404, "ENTITY_IS_DELETED".into()), "{method}");
    }
    assert_eq!(
        client.query_all(&format!("SELECT IsDeleted FROM Contact WHERE Id = '{id}'")).await.json()["records"]
            [0]["IsDeleted"],
        json!(true)
    );
}

#[tokio::test]
async fn ids_that_do_not_fit_are_told_apart() {
    let client = empty().await;
    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    assert_eq!(
        client.get("/sobjects/Contact/23foo").await.json()[0]["message"],
        "Provided external ID field does not exist or is not accessible: 23foo"
    );
    let wrong = client.patch(&format!("/sobjects/Contact/{account}"), json!({ "LastName": "x" })).await;
    assert_eq!(
        wrong.json(),
        json!([{ "message": format!("Record ID: id value of incorrect type: {account}"), "errorCode": "MALFORMED_ID", "fields": ["Id"] }])
    );
    let unknown = unicrm_salesforce_emulator::salesforce_id("003", 999_999);
    assert_eq!(client.get(&format!("/sobjects/Contact/{unknown}")).await.error(), (404, "NOT_FOUND".into()));
    assert_eq!(
        client.patch(&format!("/sobjects/Contact/{unknown}"), json!({ "LastName": "x" })).await.error(),
        (404, "NOT_FOUND".into())
    );
    let put = client.send("PUT", &format!("/sobjects/Account/{account}"), Some(json!({}))).await;
    assert_eq!(put.status, 405);
    assert_eq!(put.json()[0]["message"], "HTTP Method 'PUT' not allowed. Allowed are DELETE,GET,HEAD,PATCH");
    let broken = client.request("POST", "/sobjects/Contact").body("{\"LastName\":");
    assert_eq!(read(broken).await.unwrap().error(), (400, "JSON_PARSER_ERROR".into()));
}

#[tokio::test]
async fn upsert_by_external_id_creates_updates_and_refuses_several() {
    let client = empty().await;
    let mut field = FieldSchema::new("Ext__c", FieldType::String);
    field.external_id = true;
    field.id_lookup = true;
    client.emulator.org().add_field("Contact", field).await.unwrap();
    let path = "/sobjects/Contact/Ext__c/a%2Fb%201";
    let made = client.patch(path, json!({ "LastName": "One" })).await;
    assert_eq!((made.status, &made.json()["created"]), (201, &json!(true)));
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let again = client.patch(path, json!({ "LastName": "Two" })).await;
    assert_eq!(
        (again.status, &again.json()),
        (200, &json!({ "id": id, "success": true, "errors": [], "created": false }))
    );
    let old = client
        .patch("/services/data/v45.0/sobjects/Contact/Ext__c/a%2Fb%201", json!({ "LastName": "Three" }))
        .await;
    assert_eq!((old.status, old.body.len()), (204, 0));
    assert_eq!(client.get(path).await.json()["LastName"], "Three");
    assert_eq!(client.get(path).await.json()["Ext__c"], "a/b 1");
    let second = client.create("Contact", json!({ "LastName": "Other", "Ext__c": "a/b 1" })).await;
    let several = client.patch(path, json!({ "LastName": "Four" })).await;
    assert_eq!(several.status, 300);
    let mut urls: Vec<String> = serde_json::from_value(several.json()).unwrap();
    urls.sort();
    let mut expected = vec![
        format!("/services/data/v66.0/sobjects/Contact/{id}"),
        format!("/services/data/v66.0/sobjects/Contact/{second}"),
    ];
    expected.sort();
    assert_eq!(urls, expected);
    assert_eq!(
        client.patch("/sobjects/Contact/Title/x", json!({})).await.json()[0]["message"],
        "Provided external ID field does not exist or is not accessible: Title"
    );
    let by_reference = client.create("Account", json!({ "Name": "Acme" })).await;
    let linked = client
        .post("/sobjects/Contact", json!({ "LastName": "Linked", "Account": { "Nothing__c": "x" } }))
        .await;
    assert_eq!(linked.error(), (400, "INVALID_FIELD".into()));
    assert!(!by_reference.is_empty());
}

#[tokio::test]
async fn blobs_come_as_bytes_and_notes_bring_their_document() {
    let client = empty().await;
    let html = "<p>Hello &lt;world&gt;</p>";
    let id =
        client.create("ContentNote", json!({ "Title": "Greeting", "Content": STANDARD.encode(html) })).await;
    assert_eq!(client.get(&format!("/sobjects/ContentNote/{id}/Content")).await.text(), html);
    let note = client.record("ContentNote", &id).await;
    assert_eq!(note["TextPreview"], "Hello <world>");
    assert_eq!(note["Content"], json!(format!("/services/data/v66.0/sobjects/ContentNote/{id}/Content")));
    let soql =
        format!("SELECT LinkedEntityId, ShareType FROM ContentDocumentLink WHERE ContentDocumentId = '{id}'");
    let links = client.query(&soql).await.json();
    assert_eq!(links["records"][0]["LinkedEntityId"], json!(client.emulator.org().user_id()));
    let contact = client.create("Contact", json!({ "LastName": "Linked" })).await;
    client.create("ContentDocumentLink", json!({ "ContentDocumentId": id, "LinkedEntityId": contact })).await;
    assert_eq!(client.query(&soql).await.json()["totalSize"], json!(2));
    let twice = client
        .post("/sobjects/ContentDocumentLink", json!({ "ContentDocumentId": id, "LinkedEntityId": contact }))
        .await;
    assert_eq!(twice.error(), (400, "DUPLICATE_VALUE".into()));
    assert_eq!(
        client
            .patch(
                &format!("/sobjects/ContentNote/{id}"),
                json!({ "Content": STANDARD.encode("<p>Again</p>") })
            )
            .await
            .status,
        204
    );
    let versions = client.query(&format!("SELECT VersionNumber, IsLatest FROM ContentVersion WHERE ContentDocumentId = '{id}' ORDER BY VersionNumber")).await.json();
    assert_eq!(
        versions["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| version["IsLatest"].clone())
            .collect::<Vec<_>>(),
        [json!(false), json!(true)]
    );
    assert_eq!(client.send("DELETE", &format!("/sobjects/ContentNote/{id}"), None).await.status, 204);
    assert_eq!(
        client.query(&format!("SELECT Id FROM ContentDocument WHERE Id = '{id}'")).await.json()["totalSize"],
        json!(0)
    );
    let file = client
        .create(
            "ContentVersion",
            json!({ "PathOnClient": "report.txt", "VersionData": STANDARD.encode("plain") }),
        )
        .await;
    assert_eq!(client.get(&format!("/sobjects/ContentVersion/{file}/VersionData")).await.text(), "plain");
    assert_eq!(client.record("ContentVersion", &file).await["Title"], "report");
}

#[tokio::test]
async fn files_are_sent_in_parts_beside_their_fields() {
    let client = empty().await;
    // Bytes that are no text, with what looks like the end of a part.
    let file = b"\xff\x00\r\n--B0UN\r\n\r\n\xfe".as_slice();
    let part = |head: &str, content: &[u8]| {
        let head = format!("--B0UND\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let json = |fields: &Value| {
        part("name=\"entity_content\"\r\nContent-Type: application/json", fields.to_string().as_bytes())
    };
    let blob = |name: &str, file: &[u8]| part(&format!("name=\"{name}\"; filename=\"a.bin\""), file);
    let send = async |method: &str, path: &str, parts: [Vec<u8>; 2]| {
        let request =
            client.request(method, path).header("content-type", "multipart/form-data; boundary=B0UND");
        read(request.body([parts.concat().as_slice(), b"--B0UND--\r\n"].concat())).await.unwrap()
    };

    // The Salesforce CLI sends the file first, Salesforce's documents show the fields first.
    let fields = json!({ "Title": "A", "PathOnClient": "a.bin" });
    for parts in [[blob("VersionData", file), json(&fields)], [json(&fields), blob("VersionData", file)]] {
        let made = send("POST", "/sobjects/ContentVersion", parts).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let version = client.record("ContentVersion", &id).await;
        assert_eq!((&version["Title"], &version["FileExtension"]), (&json!("A"), &json!("bin")));
        assert_eq!(version["ContentSize"], file.len());
        assert_eq!(client.get(&format!("/sobjects/ContentVersion/{id}/VersionData")).await.body, file);
    }

    let account = client.create("Account", json!({ "Name": "Acme" })).await;
    let fields = json!({ "Name": "a.bin", "ParentId": account });
    let made = send("POST", "/sobjects/Attachment", [json(&fields), blob("Body", file)]).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let path = format!("/sobjects/Attachment/{}", made.json()["id"].as_str().unwrap());
    let changed = send("PATCH", &path, [json(&json!({ "Name": "b.bin" })), blob("Body", b"other")]).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    assert_eq!(client.get(&format!("{path}/Body")).await.body, b"other");
    assert_eq!(client.get(&path).await.json()["Name"], "b.bin");

    let nothing = send("POST", "/sobjects/Attachment", [Vec::new(), blob("Body", file)]).await;
    assert_eq!(nothing.error(), (400, "JSON_PARSER_ERROR".to_owned()));
}

#[tokio::test]
async fn replication_tells_what_changed_and_what_went() {
    let client = empty().await;
    let org = client.emulator.org();
    let kept = client.create("Contact", json!({ "LastName": "Kept" })).await;
    let gone = client.create("Contact", json!({ "LastName": "Gone" })).await;
    let purged = client.create("Contact", json!({ "LastName": "Purged" })).await;
    org.delete("Contact", &gone).await.unwrap();
    org.hard_delete("Contact", &purged).await.unwrap();
    org.advance_clock(Duration::from_secs(120));
    let now = org.now();
    let span = |start: jiff::Timestamp, end: jiff::Timestamp| format!("start={start:.0}&end={end:.0}");
    let hour = Duration::from_secs(3600);
    let updated = client.get(&format!("/sobjects/Contact/updated?{}", span(now - hour, now))).await;
    assert_eq!(updated.status, 200, "{}", updated.text());
    assert_eq!(updated.json()["ids"], json!([kept]));
    let covered = updated.json()["latestDateCovered"].as_str().unwrap().to_owned();
    assert!(covered.ends_with(":00.000+0000"), "{covered}");
    let deleted = client.get(&format!("/sobjects/Contact/deleted?{}", span(now - hour, now))).await.json();
    let mut ids: Vec<&str> = deleted["deletedRecords"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, {
        let mut both = [gone.as_str(), purged.as_str()];
        both.sort_unstable();
        both
    });
    assert!(deleted["earliestDateAvailable"].is_string());
    org.undelete("Contact", &gone).await.unwrap();
    let deleted = client.get(&format!("/sobjects/Contact/deleted?{}", span(now - hour, now))).await.json();
    assert_eq!(deleted["deletedRecords"].as_array().unwrap().len(), 1, "an undeleted record was not deleted");
    for bad in [span(now, now), span(now - Duration::from_secs(31 * 86_400), now), "start=x&end=y".to_owned()]
    {
        let answer = client.get(&format!("/sobjects/Contact/updated?{bad}")).await;
        assert_eq!(answer.error(), (400, "INVALID_REPLICATION_DATE".into()), "{bad}");
    }
    let late = org
        .insert_late("Contact", Record::new().with("LastName", "Late"), Duration::from_secs(600))
        .await
        .unwrap();
    let record = client.record("Contact", &late).await;
    let stamp: jiff::Timestamp = record["SystemModstamp"].as_str().unwrap().parse().unwrap();
    assert!(stamp < now - Duration::from_secs(500));
    assert_eq!(record["Name"], "Late");
}

/// Longer than any wait of these tests.
const LONG: Duration = Duration::from_secs(30 * 86_400);

#[tokio::test]
async fn the_start_that_is_said_to_be_available_is() {
    let builder = Emulator::builder().empty().session_lifetime(LONG);
    let client = start(builder.starting_at("2026-03-02T12:00:05Z".parse().unwrap())).await;
    let org = client.emulator.org();
    org.freeze_clock(true);
    let deleted = async |start: &str, end: &str| {
        client.get(&format!("/sobjects/Contact/deleted?start={start}&end={end}")).await
    };
    org.empty_recycle_bin().await.unwrap();
    let gone = client.create("Contact", json!({ "LastName": "Gone" })).await;
    org.advance_clock(Duration::from_secs(120));
    org.hard_delete("Contact", &gone).await.unwrap();
    org.advance_clock(Duration::from_secs(600));
    let before = deleted("2026-03-02T12:00:00Z", "2026-03-02T12:10:00Z").await;
    assert_eq!(
        before.error(),
        (400, "INVALID_REPLICATION_DATE".into()),
        "the bin was emptied within that minute"
    );
    let after = deleted("2026-03-02T12:01:00Z", "2026-03-02T12:10:00Z").await.json();
    assert_eq!(after["earliestDateAvailable"], "2026-03-02T12:01:00.000+0000");
    assert_eq!(after["deletedRecords"][0]["id"], json!(gone));

    // It was deleted in the minute in which the memory begins, fifteen days ago.
    let age = org.now().duration_since("2026-03-02T12:02:59Z".parse().unwrap());
    org.advance_clock(Duration::from_secs(15 * 86_400) - age.unsigned_abs());
    let old = deleted("2026-03-02T12:02:00Z", "2026-03-17T12:00:00Z").await.json();
    assert_eq!(old["earliestDateAvailable"], "2026-03-02T12:02:00.000+0000");
    assert_eq!(old["deletedRecords"][0]["id"], json!(gone));
}

#[tokio::test]
async fn deletions_are_told_of_or_refused_while_the_bin_is_emptied() {
    let client = start(Emulator::builder().empty().session_lifetime(LONG)).await;
    let org = client.emulator.org();
    let refused = (400, "INVALID_REPLICATION_DATE".to_owned());
    for _ in 0..40 {
        let gone = client.create("Contact", json!({ "LastName": "Gone" })).await;
        org.advance_clock(Duration::from_secs(3_600));
        org.delete("Contact", &gone).await.unwrap();
        org.advance_clock(Duration::from_secs(120));
        let (start, end) = (org.now() - Duration::from_secs(600), org.now());
        let path = format!("/sobjects/Contact/deleted?start={start:.0}&end={end:.0}");
        let told = async || {
            let answer = client.get(&path).await;
            if answer.status == 200 {
                assert_eq!(answer.json()["deletedRecords"][0]["id"], json!(gone), "{}", answer.text());
                return true;
            }
            assert_eq!(answer.error(), refused);
            false
        };
        // It works on while nobody asks for its end.
        let mut emptying = std::pin::pin!(org.empty_recycle_bin());
        let begun = futures::poll!(emptying.as_mut());
        while futures::future::join_all((0..8).map(|_| told())).await.contains(&true) {}
        if begun.is_pending() {
            emptying.await.unwrap();
        }
        assert!(!told().await);
    }
}

#[tokio::test]
async fn conditions_on_the_last_change_are_kept() {
    let client = empty().await;
    let id = client.create("Account", json!({ "Name": "Acme" })).await;
    let path = format!("/sobjects/Account/{id}");
    let stamp = client.get(&path).await.header("last-modified").unwrap().to_owned();
    let unchanged = read(client.request("GET", &path).header("If-Modified-Since", &stamp)).await.unwrap();
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    client.emulator.org().advance_clock(Duration::from_secs(5));
    client.emulator.org().update("Account", &id, json!({ "Name": "Other" })).await.unwrap();
    let refused = read(
        client.request("PATCH", &path).header("If-Unmodified-Since", &stamp).json(&json!({ "Name": "Mine" })),
    )
    .await
    .unwrap();
    assert_eq!((refused.status, refused.body.len()), (412, 0));
    assert_eq!(client.record("Account", &id).await["Name"], "Other");
}
