//! The encrypted side: any host's name leads to the emulator.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::json;
use unicrm_salesforce_emulator::{Emulator, Fault, FaultRule, Resource};

use crate::client::{bare_client, read};

#[expect(clippy::disallowed_methods, reason = "the emulator does not depend on the project's HTTP client")]
fn through(emulator: &Emulator, proxied: bool) -> reqwest::Client {
    drop(bare_client());
    let authority = reqwest::Certificate::from_pem(emulator.ca_pem().unwrap().as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only([authority]).no_gzip();
    let builder = match proxied {
        true => builder.proxy(reqwest::Proxy::https(emulator.proxy_url().unwrap()).unwrap()),
        false => builder.no_proxy(),
    };
    builder.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn log_in(http: &reqwest::Client, emulator: &Emulator, host: &str) -> serde_json::Value {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", emulator.client_id()),
        ("client_secret", emulator.client_secret()),
    ];
    let answer = read(http.post(format!("{host}/services/oauth2/token")).form(&form)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn any_host_is_reached_through_the_proxy() {
    let emulator = Emulator::builder().empty().tls().start().await.unwrap();
    let http = through(&emulator, true);
    for host in
        ["https://login.salesforce.com", "https://acme.my.salesforce.com", "https://nowhere.example:8443"]
    {
        let token = log_in(&http, &emulator, host).await;
        assert_eq!(token["instance_url"], json!(host));
        assert!(token["id"].as_str().unwrap().starts_with(&format!("{host}/id/")), "{token}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, emulator.client_secret().as_bytes());
        let signed = ["id", "issued_at"].map(|name| token[name].as_str().unwrap()).concat();
        let signature = STANDARD.decode(token["signature"].as_str().unwrap()).unwrap();
        assert!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok(), "{token}");
        let bearer = token["access_token"].as_str().unwrap();
        let instance = token["instance_url"].as_str().unwrap();
        let made = http.post(format!("{instance}/services/data/v66.0/sobjects/Account")).bearer_auth(bearer);
        assert_eq!(read(made.json(&json!({ "Name": host }))).await.unwrap().status, 201);
        let id = read(http.get(token["id"].as_str().unwrap()).bearer_auth(bearer)).await.unwrap().json();
        assert!(id["urls"]["rest"].as_str().unwrap().starts_with(host), "{id}");
    }
    assert_eq!(emulator.org().count("Account").await.unwrap(), 3);
}

#[tokio::test]
async fn the_encrypted_side_answers_without_a_proxy_too() {
    let emulator = Emulator::builder().empty().tls().start().await.unwrap();
    let http = through(&emulator, false);
    let base = emulator.https_url().unwrap();
    assert_eq!(log_in(&http, &emulator, &base).await["instance_url"], json!(base));
    let port = base.rsplit(':').next().unwrap();
    let named = format!("https://localhost:{port}");
    assert_eq!(log_in(&http, &emulator, &named).await["instance_url"], json!(named));
    // Plain HTTP still says what it is reached by.
    let plain = bare_client();
    assert_eq!(log_in(&plain, &emulator, &emulator.url()).await["instance_url"], json!(emulator.url()));
}

#[tokio::test]
async fn nobody_is_trusted_who_has_not_been_told() {
    let emulator = Emulator::builder().empty().tls().start().await.unwrap();
    let other = Emulator::builder().empty().tls().start().await.unwrap();
    let http = through(&other, false);
    let refused = http.get(format!("{}/services/data", emulator.https_url().unwrap())).send().await;
    assert!(refused.unwrap_err().is_connect());
    let without = Emulator::builder().empty().start().await.unwrap();
    assert_eq!((without.ca_pem(), without.proxy_url(), without.https_url()), (None, None, None));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    assert!(without.write_ca(&path).is_err());
    emulator.write_ca(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), emulator.ca_pem().unwrap());
}

#[tokio::test]
async fn connections_are_cut_on_the_encrypted_side_too() {
    let emulator = Emulator::builder().empty().tls().start().await.unwrap();
    let http = through(&emulator, true);
    let url = "https://login.salesforce.com/services/data";
    for fault in [Fault::ConnectionClosed, Fault::ConnectionReset, Fault::BodyCut { chunked: true }] {
        emulator.faults().add(FaultRule::new(Resource::Versions, fault));
        assert!(read(http.get(url)).await.is_err());
        assert_eq!(read(http.get(url)).await.unwrap().status, 200);
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn nonsense_ends_the_connection_and_nothing_else() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = Emulator::builder().empty().tls().start().await.unwrap();
    let address = emulator.proxy_url().unwrap().trim_start_matches("http://").to_owned();
    for nonsense in
        [b"\x16nonsense that is no handshake at all".as_slice(), b"CONNECT x\r\n\r\n\x16\x00", b"CONN", b""]
    {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest).await.is_err();
    }
    let http = through(&emulator, true);
    assert_eq!(read(http.get("https://login.salesforce.com/services/data")).await.unwrap().status, 200);
}
