//! Getting an access token, and saying in plain words why there is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use unicrm_core::{Credentials, Error, ErrorKind, Result};
use unicrm_http::oauth::{OAuthClient, OAuthError};
use unicrm_http::{HttpClient, Refreshed, Refresher, names as token_names};

use super::names;
use crate::config::{Flow, SalesforceConfig};

const TOKEN_PATH: &str = "/services/oauth2/token";

/// Asks Salesforce's token endpoint in the way that the configuration says. Secrets are read from the store at every
/// refresh, so that changed ones count at once.
#[derive(Debug)]
pub(super) struct SalesforceRefresher {
    config: Arc<SalesforceConfig>,
    http: HttpClient,
    refreshes: Arc<AtomicU64>,
}

impl SalesforceRefresher {
    pub(super) fn new(config: Arc<SalesforceConfig>, http: HttpClient, refreshes: Arc<AtomicU64>) -> Self {
        Self { config, http, refreshes }
    }
}

#[async_trait]
impl Refresher for SalesforceRefresher {
    async fn refresh(&self, current: &Credentials) -> Result<Refreshed> {
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        let mut token_url = self.config.login_url.clone();
        token_url.set_path(TOKEN_PATH);
        let mut client = OAuthClient::new(self.http.clone(), token_url, self.config.client_id.as_str());
        let secret = current.get(names::CLIENT_SECRET);
        if let Some(secret) = secret {
            client = client.with_secret(secret.clone());
        }
        let answer = match self.config.flow {
            Flow::ClientCredentials if secret.is_none() => {
                return Err(missing(names::CLIENT_SECRET, &self.config));
            }
            Flow::ClientCredentials => client.client_credentials().await,
            Flow::RefreshToken => match current.get(token_names::REFRESH_TOKEN) {
                Some(refresh_token) => client.refresh(refresh_token).await,
                None => return Err(missing(token_names::REFRESH_TOKEN, &self.config)),
            },
        };
        let answer = answer.map_err(|error| explained(error, &self.config))?;
        Ok(answer.into_refreshed(&[names::INSTANCE_URL, names::IDENTITY]))
    }
}

fn missing(secret: &str, config: &SalesforceConfig) -> Error {
    let flow = match config.flow {
        Flow::ClientCredentials => "client-credentials",
        Flow::RefreshToken => "refresh-token",
    };
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the {flow} flow needs the secret {secret:?}, and the credential store has none"),
    )
    .with_advice("Link the account again.")
}

/// Salesforce uses few codes for many reasons; the description tells them apart.
pub(super) fn explained(error: OAuthError, config: &SalesforceConfig) -> Error {
    let OAuthError::Refused { code, description, .. } = &error else { return error.into() };
    if error.is_transient() {
        return error.into();
    }
    let host = config.login_url.host_str().unwrap_or_default();
    let said = description.as_deref().unwrap_or_default().to_ascii_lowercase();
    let says = |words: &str| said.contains(words);
    let (kind, advice) = match code.as_str() {
        "invalid_grant" if says("not supported on this domain") => (
            ErrorKind::InvalidConfig,
            format!("{host} does not serve this flow: put the org's My Domain URL into \"login_url\"."),
        ),
        "invalid_grant" if says("no client credentials user") => (
            ErrorKind::InvalidConfig,
            "Choose a user under \"Run As\" in the client credentials flow of the app's policies (Setup > External Client App \
             Manager, or App Manager > Manage)."
                .to_owned(),
        ),
        "invalid_grant" if says("expired access/refresh token") || says("token validity") => (
            ErrorKind::Unauthenticated,
            "The refresh token was revoked, has expired, or was used a second time: link the account again.".to_owned(),
        ),
        "invalid_grant" if says("ip restricted") || says("ip not allowed") => (
            ErrorKind::Unauthenticated,
            "Allow this machine's address in the login IP ranges of the user's profile, or relax them in the app's policies."
                .to_owned(),
        ),
        "invalid_grant" if says("inactive user") => {
            (ErrorKind::Unauthenticated, "The user is deactivated: activate it, or link another one.".to_owned())
        }
        "invalid_grant" => (
            ErrorKind::Unauthenticated,
            format!(
                "Check \"login_url\" (now {host}): login.salesforce.com for production, test.salesforce.com for sandboxes, or the \
                 org's My Domain; then link the account again.",
            ),
        ),
        "invalid_client_id" => (
            ErrorKind::Unauthenticated,
            format!("{host} does not know this \"client_id\": check it, and \"login_url\"; a new app takes ten minutes to work."),
        ),
        "invalid_client" => {
            (ErrorKind::Unauthenticated, "The secret \"client_secret\" is wrong or was rotated: link the account again.".to_owned())
        }
        "invalid_app_access" | "app_not_found" => (
            ErrorKind::Unauthenticated,
            "Admit the user to the app: assign the app to the user's profile or permission set, or allow all users to \
             authorise themselves (the app's OAuth policies)."
                .to_owned(),
        ),
        "inactive_org" => (ErrorKind::Unauthenticated, "The org is locked, closed or has expired.".to_owned()),
        "unsupported_grant_type" | "unauthorized_client" => {
            (ErrorKind::InvalidConfig, "Enable this flow in the app's OAuth settings.".to_owned())
        }
        _ => return error.into(),
    };
    Error::new(kind, error.to_string()).with_remote_code(code.as_str()).with_advice(advice)
}
