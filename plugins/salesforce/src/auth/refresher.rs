//! Getting an access token, in the way that the account was linked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use unicrm_core::{Credentials, Error, ErrorKind, Result};
use unicrm_http::oauth::{JwtClaims, JwtSigner};
use unicrm_http::{HttpClient, Refreshed, Refresher, names as token_names};

use super::explain::explained;
use super::{ATTRIBUTES, names, oauth_client};
use crate::config::{Flow, SalesforceConfig};

/// Salesforce takes assertions that end within three minutes, give or take the clocks.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(150);

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
        let client = oauth_client(&self.config, &self.http, current);
        let missing = |secret| missing(secret, self.config.flow);
        let answer = match self.config.flow {
            Flow::ClientCredentials if current.get(names::CLIENT_SECRET).is_none() => {
                return Err(missing(names::CLIENT_SECRET));
            }
            Flow::ClientCredentials => client.client_credentials().await,
            Flow::Jwt => {
                let key = current.get(names::PRIVATE_KEY).ok_or_else(|| missing(names::PRIVATE_KEY))?;
                let assertion = JwtSigner::from_pem(key).and_then(|signer| signer.sign(&self.claims()));
                client.jwt_bearer(&assertion?).await
            }
            // Whoever signed in, by whichever way: the refresh token is what stays.
            Flow::Web | Flow::Device | Flow::RefreshToken => {
                let token = current.get(token_names::REFRESH_TOKEN);
                client.refresh(token.ok_or_else(|| missing(token_names::REFRESH_TOKEN))?).await
            }
        };
        let answer = answer.map_err(|error| explained(error, &self.config))?;
        Ok(answer.into_refreshed(&ATTRIBUTES))
    }
}

impl SalesforceRefresher {
    fn claims(&self) -> JwtClaims {
        JwtClaims {
            issuer: self.config.client_id.clone(),
            subject: self.config.username.clone().unwrap_or_default(),
            audience: self.config.login_url.as_str().trim_end_matches('/').to_owned(),
            lifetime: ASSERTION_LIFETIME,
        }
    }
}

fn missing(secret: &str, flow: Flow) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the {flow} flow needs the secret {secret:?}, and the credential store has none"),
    )
    .with_advice("Link the account again.")
}
