//! The SOAP calls that old clients and REST-less operations use.

use serde_json::json;

use crate::client::{Answer, Client, empty, read};

async fn call(client: &Client, version: &str, header: &str, body: &str) -> Answer {
    let envelope = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?><env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:urn=\"urn:partner.soap.sforce.com\"><env:Header>{header}</env:Header><env:Body>{body}</env:Body></env:Envelope>"
    );
    let url = format!("{}/services/Soap/u/{version}", client.emulator.url());
    read(
        client
            .http
            .post(url)
            .header("content-type", "text/xml; charset=UTF-8")
            .header("SOAPAction", "login")
            .body(envelope),
    )
    .await
    .unwrap()
}

fn inside<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {text}"));
    rest.split_once(&format!("</{name}>")).unwrap().0
}

fn login(username: &str, password: &str) -> String {
    format!(
        "<n1:login xmlns:n1=\"urn:partner.soap.sforce.com\"><n1:username>{username}</n1:username><n1:password>{password}</n1:password></n1:login>"
    )
}

#[tokio::test]
async fn login_gives_a_session_that_rest_accepts() {
    let mut client = empty().await;
    let password = format!("{}{}", client.emulator.password(), client.emulator.security_token());
    let answer = call(&client, "59.0", "", &login(client.emulator.username(), &password)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    client.token = inside(&text, "sessionId").to_owned();
    assert!(inside(&text, "serverUrl").starts_with(&client.emulator.url()));
    assert_eq!(inside(&text, "userId"), client.emulator.org().user_id());
    assert_eq!(client.get("/limits").await.status, 200);
    let header =
        format!("<urn:SessionHeader><urn:sessionId>{}</urn:sessionId></urn:SessionHeader>", client.token);
    assert_eq!(
        inside(&call(&client, "59.0", &header, "<urn:getUserInfo/>").await.text(), "userName"),
        client.emulator.username()
    );
    let time = call(&client, "59.0", &header, "<urn:getServerTimestamp/>").await.text();
    let time: jiff::Timestamp = inside(&time, "timestamp").parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(time).abs() < jiff::SignedDuration::from_mins(1), "{time}");
    assert_eq!(call(&client, "59.0", &header, "<urn:logout/>").await.status, 200);
    assert_eq!(client.get("/limits").await.status, 401);
    let after = call(&client, "59.0", &header, "<urn:getUserInfo/>").await;
    assert_eq!((after.status, inside(&after.text(), "faultcode")), (500, "sf:INVALID_SESSION_ID"));
}

#[tokio::test]
async fn login_fails_as_a_fault() {
    let client = empty().await;
    let wrong = call(&client, "59.0", "", &login("nobody@example.com", "x")).await;
    assert_eq!((wrong.status, inside(&wrong.text(), "faultcode")), (500, "sf:INVALID_LOGIN"));
    let new = call(&client, "65.0", "", &login(client.emulator.username(), client.emulator.password())).await;
    assert_eq!((new.status, inside(&new.text(), "faultcode")), (500, "sf:UNSUPPORTED_API_VERSION"));
    assert_eq!(call(&client, "59.0", "", "<broken>").await.status, 500);
}

#[tokio::test]
async fn leads_convert_and_accounts_merge() {
    let client = empty().await;
    let header =
        format!("<urn:SessionHeader><urn:sessionId>{}</urn:sessionId></urn:SessionHeader>", client.token);
    let lead = client.create("Lead", json!({ "LastName": "Byron", "Company": "Engines" })).await;
    let status = client
        .emulator
        .org()
        .query("SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true")
        .await
        .unwrap()[0]["MasterLabel"]
        .as_str()
        .unwrap()
        .to_owned();
    let convert = format!(
        "<urn:convertLead><urn:leadConverts><urn:leadId>{lead}</urn:leadId><urn:convertedStatus>{status}</urn:convertedStatus><urn:doNotCreateOpportunity>true</urn:doNotCreateOpportunity></urn:leadConverts></urn:convertLead>"
    );
    let answer = call(&client, "66.0", &header, &convert).await.text();
    assert_eq!(inside(&answer, "success"), "true", "{answer}");
    let account = inside(&answer, "accountId").to_owned();
    assert_eq!(client.record("Lead", &lead).await["ConvertedAccountId"], json!(account));
    let again = call(&client, "66.0", &header, &convert).await.text();
    assert_eq!(
        (inside(&again, "success"), inside(&again, "statusCode")),
        ("false", "CANNOT_UPDATE_CONVERTED_LEAD")
    );
    let loser = client.create("Account", json!({ "Name": "Loser" })).await;
    let merge = format!(
        "<urn:merge><urn:request><urn:masterRecord><type>Account</type><Id>{account}</Id><Website>engines.example</Website></urn:masterRecord><urn:recordToMergeIds>{loser}</urn:recordToMergeIds></urn:request></urn:merge>"
    );
    let merged = call(&client, "66.0", &header, &merge).await.text();
    assert_eq!(inside(&merged, "success"), "true", "{merged}");
    assert_eq!(client.record("Account", &account).await["Website"], "engines.example");
    assert_eq!(client.send("DELETE", &format!("/sobjects/Account/{account}"), None).await.status, 204);
    let undelete =
        call(&client, "66.0", &header, &format!("<urn:undelete><urn:ids>{account}</urn:ids></urn:undelete>"))
            .await
            .text();
    assert_eq!(inside(&undelete, "success"), "true", "{undelete}");
    assert_eq!(client.record("Account", &account).await["Id"], json!(account));
}
