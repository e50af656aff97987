//! A small client: it follows nothing, retries nothing and unpacks nothing by itself.

use serde_json::{Value, json};
use unicrm_salesforce_emulator::{Builder, Emulator};

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) emulator: Emulator,
    pub(crate) token: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and code of a REST error.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned())
    }
}

#[expect(clippy::disallowed_methods, reason = "the emulator does not depend on the project's HTTP client")]
pub(crate) fn bare_client() -> reqwest::Client {
    let _installed_before = rustls::crypto::ring::default_provider().install_default().is_err();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_proxy()
        .timeout(std::time::Duration::from_secs(20))
        .build()
        .unwrap()
}

pub(crate) async fn start(builder: Builder) -> Client {
    let emulator = builder.start().await.unwrap();
    let http = bare_client();
    let mut client = Client { http, emulator, token: String::new() };
    client.log_in().await;
    client
}

/// An org without records.
pub(crate) async fn empty() -> Client {
    start(Emulator::builder().empty()).await
}

/// A generated org of 300 contacts.
pub(crate) async fn seeded() -> Client {
    start(Emulator::builder().seed(7).contacts(300)).await
}

impl Client {
    pub(crate) async fn log_in(&mut self) {
        let (id, secret) = (self.emulator.client_id().to_owned(), self.emulator.client_secret().to_owned());
        let form = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
        let answer = self.token(&form).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.token = answer.json()["access_token"].as_str().unwrap().to_owned();
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Answer {
        let url = format!("{}/services/oauth2/token", self.emulator.url());
        read(self.http.post(url).form(form)).await.unwrap()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let path = if path.starts_with("/services") || path.starts_with("/id") || path.starts_with("/_") {
            path.to_owned()
        } else {
            format!("/services/data/v66.0{path}")
        };
        let url = format!("{}{path}", self.emulator.url());
        self.http.request(method.parse().unwrap(), url).bearer_auth(&self.token)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, Some(body)).await
    }

    pub(crate) async fn query(&self, soql: &str) -> Answer {
        self.query_on("query", soql).await
    }

    pub(crate) async fn query_all(&self, soql: &str) -> Answer {
        self.query_on("queryAll", soql).await
    }

    async fn query_on(&self, resource: &str, soql: &str) -> Answer {
        read(self.request("GET", &format!("/{resource}")).query(&[("q", soql)])).await.unwrap()
    }

    /// Creates a record and gives its id.
    pub(crate) async fn create(&self, object: &str, fields: Value) -> String {
        let answer = self.post(&format!("/sobjects/{object}"), fields).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.json()["success"], json!(true));
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn record(&self, object: &str, id: &str) -> Value {
        let answer = self.get(&format!("/sobjects/{object}/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
}
