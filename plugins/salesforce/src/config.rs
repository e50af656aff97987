//! The configuration of a linked account. Secrets are not in it: they are in the host's credential store.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicrm_core::{Error, ErrorKind, Json, LeadStatus, Result};
use unicrm_phone::Region;
use url::{Host, Url};

use crate::api::ApiVersion;

/// How a Salesforce org is reached: a JSON object in which every key has a default except `client_id`, and an unknown
/// key is an error that names it.
///
/// ```
/// use unicrm_core::Json;
/// use unicrm_salesforce::SalesforceConfig;
///
/// let config = SalesforceConfig::from_json(&Json::parse(
///     r#"{"flow": "client-credentials", "login_url": "https://acme.my.salesforce.com", "client_id": "3MVG9"}"#,
/// )?)?;
/// assert_eq!(config.limits.concurrency, 5);
/// let error = SalesforceConfig::from_json(&Json::parse(r#"{"client_id": "3MVG9", "flwo": "x"}"#)?).unwrap_err();
/// assert_eq!(error.fields()[0].pointer, "/flwo");
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SalesforceConfig {
    /// Where to sign in: string, `https` (plain `http` for this machine only), without a path. Default
    /// `https://login.salesforce.com`; sandboxes `https://test.salesforce.com`; always right: the org's My Domain, such as
    /// `https://acme.my.salesforce.com`. The client-credentials flow works with My Domain only.
    #[serde(default = "default_login_url", serialize_with = "write_url", deserialize_with = "read_url")]
    pub login_url: Url,
    /// How to sign in: `"web"`, `"jwt"`, `"device"`, `"client-credentials"` or `"refresh-token"` (the default).
    #[serde(default)]
    pub flow: Flow,
    /// The consumer key of the connected app or external client app. Required.
    pub client_id: String,
    /// The user to act for, as it signs in, such as `"integration@acme.example"`. The jwt flow requires it; the web flow
    /// shows it on the login page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Speaks this API version instead of the newest that both sides know: string such as `"66.0"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<ApiVersion>,
    /// More hosts that may see tokens, by exact name: an own proxy or a custom domain. Salesforce's own domains need not be
    /// listed. Array of strings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_hosts: Vec<String>,
    /// The language of labels, such as `"en-US"`; without it, the language of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What the labels of lead statuses mean: object from label to `"OPEN"`, `"CLOSED"`, `"UNQUALIFIED"` or
    /// `"QUALIFIED"`. It replaces the default table, `{"Unqualified": "UNQUALIFIED", "Closed - Not Converted": "CLOSED"}`.
    /// Labels that are not listed are `OPEN`, and statuses that Salesforce itself calls converted are `QUALIFIED`.
    #[serde(default = "default_lead_statuses", deserialize_with = "read_lead_statuses")]
    pub lead_statuses: BTreeMap<String, LeadStatus>,
    /// The country of phone numbers that are written without a country code: two letters such as `"DE"`, default `"US"`.
    #[serde(default)]
    pub phone_region: Region,
    /// Whether many records are read by Bulk jobs: `"auto"` (the default: when there are enough of them that it saves calls),
    /// `"always"` (every reading of all records of an object that Bulk offers) or `"never"`.
    #[serde(default)]
    pub bulk: BulkUse,
    /// How far a reading of what changed goes back behind the last one, in minutes: 1 to 1440, default 10. A transaction at
    /// Salesforce commits later than the time that it is stamped with; one that takes longer than this is found by comparing
    /// ids alone.
    #[serde(default = "default_overlap")]
    pub overlap_minutes: u16,
    /// How much may be asked for at once.
    #[serde(default)]
    pub limits: Limits,
    /// How long to wait, in seconds.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// How to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Flow {
    /// The app signs in as its own run-as user, with the secret `client_secret`.
    ClientCredentials,
    /// The app signs an assertion for `username` with the secret `private_key` (RSA, PEM), whose certificate it has.
    Jwt,
    /// A user has signed in with a browser (authorization code with PKCE). What is kept is the `refresh_token`, and the app's
    /// `client_secret` if it has one.
    Web,
    /// A user has signed in on another device. What is kept is as in the web flow.
    Device,
    /// A user has granted a `refresh_token`, which is kept as a secret, together with the app's `client_secret` if it
    /// has one.
    #[default]
    RefreshToken,
}

impl Flow {
    /// The name in `kebab-case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client-credentials",
            Self::Jwt => "jwt",
            Self::Web => "web",
            Self::Device => "device",
            Self::RefreshToken => "refresh-token",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// When records are read by Bulk jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BulkUse {
    /// When there are enough records that it saves calls.
    #[default]
    Auto,
    /// For every reading of all records of an object that Bulk offers, also of few.
    Always,
    /// Not at all.
    Never,
}

/// How much may be asked for at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Requests at once: 1 to 25, default 5. It is lowered by itself while Salesforce complains.
    pub concurrency: usize,
    /// Records per page of a query: 200 to 2000; without it, Salesforce decides (up to 2000).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u32>,
    /// Records per page of a Bulk job's results: 100 to 250,000, default 10,000. Salesforce may choose another number.
    pub bulk_records: u32,
    /// Attempts per request, the first included: 1 to 20, default 6.
    pub attempts: u32,
    /// Megabytes per answer, unpacked: 1 to 1024, default 128.
    pub answer_megabytes: usize,
    /// Rows of one object in one batch of writes from which they are loaded by a Bulk job: 1 to 1000000, default 5000. Fewer
    /// rows, and rows that Bulk writes differently (leads, enhanced notes, passed duplicate rules), go out 200 a call; so do all where
    /// `bulk` is `"never"`.
    pub bulk_write_rows: usize,
}

/// How long to wait, in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection: 1 to 300, default 10.
    pub connect: u64,
    /// For the beginning of an answer, and then for each further piece of it: 1 to 600, default 130 (Salesforce itself ends
    /// a query after 120).
    pub read: u64,
    /// For all attempts of one request together: 1 to 3600, default 300.
    pub retry: u64,
    /// For a Bulk job that writes, from its begin to its end: 1 to 86400, default 3600. One that takes longer is aborted.
    pub bulk_write: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 5,
            batch_size: None,
            bulk_records: 10_000,
            attempts: 6,
            answer_megabytes: 128,
            bulk_write_rows: 5_000,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: 10, read: 130, retry: 300, bulk_write: 3_600 }
    }
}

impl SalesforceConfig {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`], naming the key and what would be right.
    pub fn from_json(json: &Json) -> Result<Self> {
        let config: Self = json.read().map_err(|error| {
            let message = "the Salesforce configuration does not fit";
            let start =
                Error::new(ErrorKind::InvalidConfig, message).with_advice("Correct the key that is named.");
            error
                .fields()
                .iter()
                .fold(start, |error, field| error.with_field(&*field.pointer, &*field.message))
        })?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the form alone does not.
    fn check(&self) -> Result<()> {
        if self.client_id.trim().is_empty() {
            return Err(invalid("/client_id", "the consumer key of the connected app is missing"));
        }
        let generic =
            matches!(self.login_url.host_str(), Some("login.salesforce.com" | "test.salesforce.com"));
        if self.flow == Flow::ClientCredentials && generic {
            let message = "the client-credentials flow works with the org's My Domain only, not with this host; use its URL, such \
                           as https://acme.my.salesforce.com (Setup > My Domain > Current My Domain URL)";
            return Err(invalid("/login_url", message));
        }
        if self.username.as_deref().map_or(self.flow == Flow::Jwt, |name| name.trim().is_empty()) {
            let message = "the user to act for is missing, such as integration@acme.example";
            return Err(invalid("/username", message));
        }
        if let Some(locale) = &self.locale {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if !(2..=20).contains(&locale.len()) || !locale.bytes().all(plain) {
                return Err(invalid("/locale", "must be a language such as \"en-US\""));
            }
        }
        let Limits { concurrency, batch_size, bulk_records, attempts, answer_megabytes, bulk_write_rows } =
            &self.limits;
        let Timeouts { connect, read, retry, bulk_write } = &self.timeouts;
        let ranges = [
            ("/overlap_minutes", u64::from(self.overlap_minutes), 1..=1_440),
            ("/limits/concurrency", *concurrency as u64, 1..=25),
            ("/limits/batch_size", batch_size.map_or(200, u64::from), 200..=2_000),
            ("/limits/bulk_records", u64::from(*bulk_records), 100..=250_000),
            ("/limits/attempts", u64::from(*attempts), 1..=20),
            ("/limits/answer_megabytes", *answer_megabytes as u64, 1..=1_024),
            ("/limits/bulk_write_rows", *bulk_write_rows as u64, 1..=1_000_000),
            ("/timeouts/bulk_write", *bulk_write, 1..=86_400),
            ("/timeouts/connect", *connect, 1..=300),
            ("/timeouts/read", *read, 1..=600),
            ("/timeouts/retry", *retry, 1..=3_600),
        ];
        for (pointer, value, range) in ranges {
            if !range.contains(&value) {
                let message = format!("{value} is out of range: {} to {}", range.start(), range.end());
                return Err(invalid(pointer, message));
            }
        }
        Ok(())
    }

    pub(crate) fn overlap(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.overlap_minutes))
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.timeouts.connect)
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_secs(self.timeouts.read)
    }

    pub(crate) fn retry_time(&self) -> Duration {
        Duration::from_secs(self.timeouts.retry)
    }

    pub(crate) fn bulk_write_time(&self) -> Duration {
        Duration::from_secs(self.timeouts.bulk_write)
    }

    pub(crate) fn max_answer(&self) -> usize {
        self.limits.answer_megabytes << 20
    }
}

fn invalid(pointer: &str, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidConfig, "the Salesforce configuration does not fit")
        .with_field(pointer, message)
}

fn default_login_url() -> Url {
    Url::parse("https://login.salesforce.com").expect("a URL")
}

const fn default_overlap() -> u16 {
    10
}

fn default_lead_statuses() -> BTreeMap<String, LeadStatus> {
    [("Unqualified", LeadStatus::Unqualified), ("Closed - Not Converted", LeadStatus::Closed)]
        .map(|(label, status)| (label.to_owned(), status))
        .into()
}

fn write_url<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str().trim_end_matches('/'))
}

fn read_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = Url::parse(text.trim())
        .map_err(|_| D::Error::custom("must be a URL such as https://login.salesforce.com"))?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => {
            return Err(D::Error::custom("must be a URL with a host, such as https://login.salesforce.com"));
        }
    };
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => return Err(D::Error::custom("must be https: plain http is for this machine only")),
        _ => return Err(D::Error::custom("must be https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(D::Error::custom("must not hold a user name or password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(D::Error::custom("must end after the host: the paths of the login are added to it"));
    }
    Ok(url)
}

fn read_lead_statuses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, LeadStatus>, D::Error> {
    let table = BTreeMap::<String, LeadStatus>::deserialize(deserializer)?;
    let normal = |(label, status): (String, LeadStatus)| match status.normalized() {
        LeadStatus::Other(text) => Err(D::Error::custom(format!(
            "{text:?} (for the label {label:?}) must be one of {}",
            LeadStatus::KNOWN.join(", ")
        ))),
        known => Ok((label, known)),
    };
    table.into_iter().map(normal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SalesforceConfig> {
        SalesforceConfig::from_json(&Json::parse(text).unwrap())
    }

    #[test]
    fn little_is_needed() {
        let config = read(r#"{"client_id": "3MVG9"}"#).unwrap();
        assert_eq!(config.login_url.as_str(), "https://login.salesforce.com/");
        assert_eq!(
            (config.flow, config.limits.concurrency, config.api_version),
            (Flow::RefreshToken, 5, None)
        );
        assert_eq!(config.lead_statuses["Unqualified"], LeadStatus::Unqualified);
        assert_eq!(config.lead_statuses["Closed - Not Converted"], LeadStatus::Closed);
    }

    #[test]
    fn everything_can_be_said_and_is_written_again_as_it_was() {
        let text = r#"{"login_url":"https://acme.my.salesforce.com","flow":"client-credentials","client_id":"3MVG9",
            "api_version":"62.0","allow_hosts":["crm.example.org"],"locale":"de","lead_statuses":{"Tot":"closed"},
            "limits":{"concurrency":9,"batch_size":200},"timeouts":{"connect":1}}"#;
        let config = read(text).unwrap();
        assert_eq!(config.lead_statuses.len(), 1);
        assert_eq!(config.lead_statuses["Tot"], LeadStatus::Closed);
        assert_eq!((config.limits.batch_size, config.limits.attempts), (Some(200), 6));
        assert_eq!(read(Json::of(&config).as_str()).unwrap(), config);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, pointer, part) in [
            (r#"{}"#, "", "client_id"),
            (r#"{"client_id":"  "}"#, "/client_id", "consumer key"),
            (r#"{"client_id":"a","flwo":1}"#, "/flwo", "unknown field"),
            (r#"{"client_id":"a","limits":{"concurency":1}}"#, "/limits/concurency", "unknown field"),
            (r#"{"client_id":"a","limits":{"concurrency":0}}"#, "/limits/concurrency", "1 to 25"),
            (r#"{"client_id":"a","limits":{"batch_size":199}}"#, "/limits/batch_size", "200 to 2000"),
            (r#"{"client_id":"a","timeouts":{"read":0}}"#, "/timeouts/read", "1 to 600"),
            (r#"{"client_id":"a","flow":"password"}"#, "/flow", "client-credentials"),
            (r#"{"client_id":"a","api_version":"66.5"}"#, "/api_version", "66.0"),
            (r#"{"client_id":"a","lead_statuses":{"X":"LOST"}}"#, "/lead_statuses", "UNQUALIFIED"),
            (r#"{"client_id":"a","login_url":"http://acme.my.salesforce.com"}"#, "/login_url", "https"),
            (
                r#"{"client_id":"a","login_url":"https://acme.my.salesforce.com/services"}"#,
                "/login_url",
                "after the host",
            ),
            (
                r#"{"client_id":"a","login_url":"https://u:p@acme.my.salesforce.com"}"#,
                "/login_url",
                "password",
            ),
            (r#"{"client_id":"a","login_url":"acme"}"#, "/login_url", "URL"),
            (r#"{"client_id":"a","locale":"../x"}"#, "/locale", "language"),
            (r#"{"client_id":"a","phone_region":"Germany"}"#, "/phone_region", "two letters"),
            (r#"{"client_id":"a","flow":"client-credentials"}"#, "/login_url", "My Domain"),
            (r#"{"client_id":"a","flow":"jwt"}"#, "/username", "user"),
            (r#"{"client_id":"a","flow":"jwt","username":" "}"#, "/username", "user"),
            (
                r#"{"client_id":"a","flow":"client-credentials","login_url":"https://test.salesforce.com"}"#,
                "/login_url",
                "My Domain",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{text}");
            let field = &error.fields()[0];
            assert_eq!(field.pointer, pointer, "{text}: {error}");
            assert!(field.message.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn every_flow_has_one_name() {
        for flow in [Flow::ClientCredentials, Flow::Jwt, Flow::Web, Flow::Device, Flow::RefreshToken] {
            assert_eq!(serde_json::to_value(flow).unwrap(), flow.as_str());
            let declared = crate::INFO.auth_flow(flow.as_str()).expect("a flow that is declared");
            let text = r#"{"client_id":"a","username":"u","login_url":"https://acme.my.salesforce.com""#;
            let config = read(&format!(r#"{text},"flow":"{flow}"}}"#)).unwrap();
            assert_eq!((config.flow, declared.name), (flow, flow.as_str()));
        }
        assert_eq!(crate::INFO.auth_flows.len(), 5);
    }

    #[test]
    fn this_machine_may_be_spoken_to_in_the_clear() {
        for url in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:3"] {
            assert!(
                read(&format!(r#"{{"client_id":"a","flow":"client-credentials","login_url":"{url}"}}"#))
                    .is_ok(),
                "{url}"
            );
        }
    }
}
