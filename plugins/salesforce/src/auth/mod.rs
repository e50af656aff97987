//! Signing in: which hosts may see a token, how a token is had, and where the org lives.

mod explain;
mod hosts;
mod refresher;
mod sign_in;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use unicrm_core::{CredentialStore, Credentials, Error, ErrorKind};
use unicrm_http::oauth::OAuthClient;
use unicrm_http::{ClientConfig, HttpClient, RefreshPolicy, Token, TokenCache};
use url::Url;

pub(crate) use hosts::{host_policy, is_local};
pub(crate) use sign_in::SalesforceSignIn;

use crate::config::SalesforceConfig;
use crate::error::Fault;
use refresher::SalesforceRefresher;

/// The names under which secrets and what belongs to them are in the credential store, beside those of
/// [`unicrm_http::names`].
pub(crate) mod names {
    /// The consumer secret of the app.
    pub(crate) const CLIENT_SECRET: &str = "client_secret";
    /// The private key of the JWT flow, as PEM.
    pub(crate) const PRIVATE_KEY: &str = "private_key";
    /// Where the org lives, as the last token answer said.
    pub(crate) const INSTANCE_URL: &str = "instance_url";
    /// The identity URL of the user: `https://login.salesforce.com/id/<org>/<user>`.
    pub(crate) const IDENTITY: &str = "id";
}

const TOKEN_PATH: &str = "/services/oauth2/token";

/// What of a token answer is kept beside the tokens.
const ATTRIBUTES: [&str; 2] = [names::INSTANCE_URL, names::IDENTITY];

/// The app at the login's token endpoint, with its secret if it has one.
fn oauth_client(config: &SalesforceConfig, http: &HttpClient, secrets: &Credentials) -> OAuthClient {
    let mut token_url = config.login_url.clone();
    token_url.set_path(TOKEN_PATH);
    let client = OAuthClient::new(http.clone(), token_url, config.client_id.as_str());
    match secrets.get(names::CLIENT_SECRET) {
        Some(secret) => client.with_secret(secret.clone()),
        None => client,
    }
}

/// The client that speaks to the login host and to the instance, and to no other.
pub(crate) fn http_client(config: &SalesforceConfig) -> Result<HttpClient, Fault> {
    Ok(HttpClient::new(&client_config(config), host_policy(config)?)?)
}

pub(crate) fn client_config(config: &SalesforceConfig) -> ClientConfig {
    ClientConfig {
        connect_timeout: config.connect_timeout(),
        read_timeout: config.read_timeout(),
        max_body: config.max_answer(),
        pool_max_idle_per_host: config.limits.concurrency,
        ..ClientConfig::default()
    }
}

/// The cache of the account's access token. Each refresh adds one to `refreshes`.
pub(crate) fn token_cache(
    config: &Arc<SalesforceConfig>,
    http: &HttpClient,
    store: Arc<dyn CredentialStore>,
    refreshes: Arc<AtomicU64>,
) -> TokenCache {
    let refresher = SalesforceRefresher::new(Arc::clone(config), http.clone(), refreshes);
    TokenCache::with_options(store, Arc::new(refresher), RefreshPolicy::default(), Arc::clone(http.usage()))
}

/// Where the org lives, as the answer that brought this token said. None if the token was put into the store without it.
pub(crate) fn instance_of(
    token: &Token,
    config: &SalesforceConfig,
    http: &HttpClient,
) -> Result<Option<Url>, Fault> {
    let instance = token.attribute(names::INSTANCE_URL).map(|text| checked_instance(text, config, http));
    Ok(instance.transpose()?)
}

/// The origin in an instance URL, if it may see a token of this login.
fn checked_instance(text: &str, config: &SalesforceConfig, http: &HttpClient) -> Result<Url, Error> {
    let invalid = |why: &str| {
        Error::new(
            ErrorKind::InvalidConfig,
            format!("the login answered with an instance URL that cannot be used: {why}"),
        )
        .with_advice(
            "Check \"login_url\". If the instance has a host of your own, add it to \"allow_hosts\".",
        )
    };
    let mut url = Url::parse(text).map_err(|_| invalid("it is no URL"))?;
    http.hosts().check(&url).map_err(|error| invalid(error.message()))?;
    if is_local(&url) && !is_local(&config.login_url) {
        return Err(invalid("it names this machine, and the login does not"));
    }
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// The ids in the identity URL: organisation and user, in their 18-character form.
pub(crate) fn ids_of(token: &Token) -> Option<(crate::api::SalesforceId, crate::api::SalesforceId)> {
    let url = Url::parse(token.attribute(names::IDENTITY)?).ok()?;
    let mut segments = url.path_segments()?;
    let (Some("id"), Some(organization), Some(user)) = (segments.next(), segments.next(), segments.next())
    else {
        return None;
    };
    Some((crate::api::SalesforceId::parse(organization)?, crate::api::SalesforceId::parse(user)?))
}

#[cfg(test)]
mod tests;
