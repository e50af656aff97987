//! SOSL and parameterized searches.

use serde_json::{Value, json};

use crate::client::{Answer, Client, empty, read};

async fn search(client: &Client, sosl: &str) -> Answer {
    read(client.request("GET", "/search").query(&[("q", sosl)])).await.unwrap()
}

async fn names(client: &Client, sosl: &str) -> Vec<String> {
    let answer = search(client, sosl).await;
    assert_eq!(answer.status, 200, "{sosl}: {}", answer.text());
    let records = answer.json()["searchRecords"].as_array().unwrap().clone();
    records.iter().map(|record| record["Name"].as_str().unwrap().to_owned()).collect()
}

async fn people() -> Client {
    let client = empty().await;
    client.create("Account", json!({ "Name": "Lovelace & Sons", "Phone": "(415) 555-0100" })).await;
    for (first, last, email, phone) in [
        ("Ada", "Lovelace", "ada@engines.example", "+1 (415) 555-0199"),
        ("Charles", "Babbage", "charles@engines.example", "020 7946 0000"),
        ("Annabella", "O'Lovelace", "annabella@home.example", ""),
    ] {
        let body = json!({ "FirstName": first, "LastName": last, "Email": email, "Phone": phone, "Title": "engines" });
        client.create("Contact", body).await;
    }
    client
}

#[tokio::test]
async fn records_are_found_by_their_words() {
    let client = people().await;
    for (sosl, expected) in [
        (
            "FIND {lovelace} RETURNING Contact(Name ORDER BY Name)",
            vec!["Ada Lovelace", "Annabella O'Lovelace"],
        ),
        (
            "FIND {lovelace} IN NAME FIELDS RETURNING Contact(Name WHERE FirstName = 'Ada'), Account(Name)",
            vec!["Ada Lovelace", "Lovelace & Sons"],
        ),
        (
            "FIND {engines} IN EMAIL FIELDS RETURNING Contact(Name ORDER BY Name DESC LIMIT 1)",
            vec!["Charles Babbage"],
        ),
        ("FIND {engines} IN NAME FIELDS RETURNING Contact(Name)", vec![]),
        ("FIND {love*} RETURNING Contact(Name ORDER BY Name) LIMIT 1", vec!["Ada Lovelace"]),
        ("FIND {\"ada lovelace\"} RETURNING Contact(Name)", vec!["Ada Lovelace"]),
        ("FIND {ada\\@engines.example} IN EMAIL FIELDS RETURNING Contact(Name)", vec!["Ada Lovelace"]),
        ("FIND {4155550199} IN PHONE FIELDS RETURNING Contact(Name)", vec!["Ada Lovelace"]),
        ("FIND {5550199} RETURNING Contact(Name), Account(Name)", vec!["Ada Lovelace"]),
        (
            "FIND {o\\'lovelace} RETURNING Contact(Name) WITH SPELL_CORRECTION = false",
            vec!["Annabella O'Lovelace"],
        ),
        ("FIND {lovelace AND NOT ada} RETURNING Contact(Name)", vec!["Annabella O'Lovelace"]),
    ] {
        assert_eq!(names(&client, sosl).await, expected, "{sosl}");
    }
}

#[tokio::test]
async fn without_returning_everything_is_searched_and_ids_are_given() {
    let client = people().await;
    let records = search(&client, "FIND {lovelace}").await.json()["searchRecords"].clone();
    let types: Vec<&str> = records
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["attributes"]["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["Account", "Contact", "Contact"]);
    let first = records[0].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["Id", "attributes"]);
    let old = client.request("GET", "/services/data/v36.0/search").query(&[("q", "FIND {lovelace}")]);
    assert_eq!(read(old).await.unwrap().json().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn deleted_and_hidden_things_are_not_found() {
    let client = people().await;
    let id =
        client.query("SELECT Id FROM Contact WHERE LastName = 'Babbage'").await.json()["records"][0]["Id"]
            .as_str()
            .unwrap()
            .to_owned();
    client.send("DELETE", &format!("/sobjects/Contact/{id}"), None).await;
    assert_eq!(names(&client, "FIND {babbage} RETURNING Contact(Name)").await, Vec::<String>::new());
    client.emulator.org().hide_field("Contact", "Title");
    assert_eq!(
        names(&client, "FIND {annabella AND engines} RETURNING Contact(Name)").await,
        Vec::<String>::new()
    );
    client.emulator.org().hide_object("Account");
    let refused = search(&client, "FIND {lovelace} RETURNING Account(Name)").await;
    assert_eq!(refused.error(), (400, "INVALID_TYPE".to_owned()));
}

#[tokio::test]
async fn broken_searches_are_refused() {
    let client = people().await;
    for sosl in [
        "FIND lovelace",
        "FIND {a}",
        "FIND {ada-x}",
        "FIND {\"ada}",
        "FIND {ada} RETURNING TaskStatus(Id)",
        "",
    ] {
        assert_eq!(search(&client, sosl).await.error(), (400, "MALFORMED_SEARCH".to_owned()), "{sosl}");
    }
    let field = search(&client, "FIND {ada} RETURNING Contact(Nothing__c)").await;
    assert_eq!(field.error(), (400, "INVALID_FIELD".to_owned()));
    if let Some(recorded) =
        crate::recordings::fixture("exchanges/restforce__restforce__search_error_response.json")
    {
        assert_eq!(search(&client, "FIND lovelace").await.json(), recorded);
    }
}

#[tokio::test]
async fn parameterized_searches_find_the_same() {
    let client = people().await;
    let got = client.get("/parameterizedSearch?q=lovelace&sobject=Contact&Contact.fields=Name&Contact.where=FirstName='Ada'&in=NAME").await;
    assert_eq!(got.json()["searchRecords"][0]["Name"], "Ada Lovelace", "{}", got.text());
    let posted = client
        .post("/parameterizedSearch", json!({
            "q": "lovelace", "in": "NAME", "overallLimit": 2, "fields": ["Name"],
            "sobjects": [{ "name": "Contact", "orderBy": [{ "field": "Name", "order": "DESC" }] }, { "name": "Account", "fields": ["Id"] }],
        }))
        .await;
    let records = posted.json()["searchRecords"].clone();
    let found: Vec<&Value> = records.as_array().unwrap().iter().map(|record| &record["Name"]).collect();
    assert_eq!(found, [&json!("Annabella O'Lovelace"), &json!("Ada Lovelace")]);
    assert_eq!(client.get("/parameterizedSearch?q=a").await.error().1, "MALFORMED_SEARCH");
}
