use std::sync::Arc;

use unicrm_core::{Credentials, Json, MemoryCredentialStore};
use unicrm_http::names as token_names;

use super::*;

fn config(text: &str) -> Arc<SalesforceConfig> {
    Arc::new(SalesforceConfig::from_json(&Json::parse(text).unwrap()).unwrap())
}

#[test]
fn salesforces_own_domains_may_see_tokens_and_look_alikes_may_not() {
    let policy = host_policy(&config(r#"{"client_id":"a"}"#)).unwrap();
    let passes = |url: &str| policy.check(&Url::parse(url).unwrap()).is_ok();
    for url in [
        "https://login.salesforce.com",
        "https://acme.my.salesforce.com",
        "https://acme--dev.sandbox.my.salesforce.com",
        "https://acme-dev-ed.develop.my.salesforce.com",
        "https://na1.salesforce.com",
        "https://acme.my.salesforce.mil",
        "https://acme.my.sfcrmproducts.cn",
        "https://acme.cloudforce.com",
    ] {
        assert!(passes(url), "{url}");
    }
    for url in [
        "https://acme.my.site.com",
        "https://acmesalesforce.com",
        "https://salesforce.com.evil.org",
        "http://login.salesforce.com",
        "https://acme.documentforce.com",
    ] {
        assert!(!passes(url), "{url}");
    }
}

async fn token(attributes: &[(&str, &str)]) -> Token {
    let mut credentials = Credentials::new().with(token_names::ACCESS_TOKEN, "t0ken".into());
    for (name, value) in attributes {
        credentials.set(*name, (*value).into());
    }
    let config = config(r#"{"client_id":"a"}"#);
    let http = http_client(&config).unwrap();
    let store = Arc::new(MemoryCredentialStore::new(credentials));
    token_cache(&config, &http, store, Arc::default()).get().await.unwrap()
}

#[tokio::test]
async fn the_instance_is_an_origin_whatever_stands_behind_it() {
    let config = config(r#"{"client_id":"a"}"#);
    let http = http_client(&config).unwrap();
    let token = token(&[("instance_url", "https://acme.my.salesforce.com/services/data?x=1#y")]).await;
    let url = instance_of(&token, &config, &http).unwrap().unwrap();
    assert_eq!(url.as_str(), "https://acme.my.salesforce.com/");
}

#[test]
fn a_stored_instance_on_this_machine_is_shown_no_token_unless_the_login_is_there_too() {
    let home = |login: &str, instance: &str| {
        let config = config(&format!(r#"{{"client_id":"a","login_url":"{login}"}}"#));
        let http = http_client(&config).unwrap();
        let credentials = Credentials::new().with(names::INSTANCE_URL, instance.into());
        sign_in::home(&config, &http, &credentials).to_string()
    };
    let login = "https://login.salesforce.com";
    for local in ["http://localhost", "http://127.0.0.1:8080", "http://[::1]"] {
        assert_eq!(home(login, local), "https://login.salesforce.com/", "{local}");
    }
    assert_eq!(home("http://127.0.0.1:9", "http://127.0.0.1:8080"), "http://127.0.0.1:8080/");
    assert_eq!(home(login, "https://acme.my.salesforce.com/x?y#z"), "https://acme.my.salesforce.com/");
    assert_eq!(home(login, "https://evil.example.com"), "https://login.salesforce.com/");
}

#[tokio::test]
async fn ids_are_read_from_the_identity_url() {
    let ids =
        async |url: &str| ids_of(&token(&[("id", url)]).await).map(|(org, user)| format!("{org} {user}"));
    let expected = Some("00Dx0000000BV7zEAG 005x00000012Q9PAAU".to_owned());
    let given = ids("https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P").await;
    assert_eq!(
        given.as_ref().map(|text| (text.get(..15), text.get(19..34))),
        expected.as_ref().map(|text| (text.get(..15), text.get(19..34)))
    );
    for bad in [
        "",
        "https://login.salesforce.com/id/foo/bar",
        "https://login.salesforce.com/id/00Dx0000000BV7z",
        "x",
    ] {
        assert_eq!(ids(bad).await, None, "{bad}");
    }
}
