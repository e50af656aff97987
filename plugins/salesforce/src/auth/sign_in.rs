//! The flows in which a person takes part, up to the tokens; and taking a grant back.

use async_trait::async_trait;
use secrecy::SecretString;
use unicrm_core::{Credentials, Error, ErrorKind, Result, Revocation, SignIn, SignInRequest, SignInStep};
use unicrm_http::oauth::{
    AuthorizationRequest, DeviceAuthorization, DeviceFlow, OAuthClient, OAuthError, TokenAnswer,
};
use unicrm_http::{HttpClient, names as token_names};
use url::Url;

use super::explain::explained;
use super::{ATTRIBUTES, TOKEN_PATH, checked_instance, http_client, names, oauth_client};
use crate::config::{Flow, SalesforceConfig};

const AUTHORIZE_PATH: &str = "/services/oauth2/authorize";
const REVOKE_PATH: &str = "/services/oauth2/revoke";

/// What is asked for: the API, who the user is, and to go on when the user is not there.
const SCOPE: &str = "api id refresh_token";

/// Signing in at Salesforce: the web server flow with PKCE and the device flow; the other flows need no person.
#[derive(Debug)]
pub(crate) struct SalesforceSignIn;

#[async_trait]
impl SignIn for SalesforceSignIn {
    async fn begin(&self, request: SignInRequest) -> Result<SignInStep> {
        let config = SalesforceConfig::from_json(&request.config)?;
        let http = http_client(&config)?;
        match config.flow {
            Flow::Web => browser(&config, request.redirect_uri),
            Flow::Device => device(&config, &http, &request.secrets).await,
            flow => Err(no_person(flow)),
        }
    }

    async fn finish(
        &self,
        request: SignInRequest,
        pending: SecretString,
        callback: Option<String>,
    ) -> Result<Credentials> {
        let config = SalesforceConfig::from_json(&request.config)?;
        let http = http_client(&config)?;
        let client = oauth_client(&config, &http, &request.secrets);
        let answer = match config.flow {
            Flow::Web => exchange(&client, &pending, callback.as_deref()).await,
            Flow::Device => match DeviceAuthorization::restore(&pending) {
                Ok(authorization) => device_flow(&config).wait(&client, &authorization).await,
                Err(error) => Err(error),
            },
            flow => return Err(no_person(flow)),
        };
        let answer = answer.map_err(|error| explained(error, &config))?;
        kept(answer, &request.secrets)
    }

    async fn revoke(&self, request: SignInRequest) -> Result<Revocation> {
        let config = SalesforceConfig::from_json(&request.config)?;
        let http = http_client(&config)?;
        let credentials = &request.secrets;
        // Without a refresh token the access token is all that there is: the grant itself is the app's.
        let token = credentials
            .get(token_names::REFRESH_TOKEN)
            .or_else(|| credentials.get(token_names::ACCESS_TOKEN));
        let Some(token) = token else { return Ok(Revocation::Nothing) };
        let url = at(&home(&config, &http, credentials), REVOKE_PATH);
        match oauth_client(&config, &http, credentials).revoke(&url, token).await {
            Ok(true) => Ok(Revocation::Revoked),
            Ok(false) => Ok(Revocation::Nothing),
            Err(error) => Err(explained(error, &config).with_operation("revoke").with_advice(
                "Take the access back by hand: Setup > Connected Apps OAuth Usage > the app > Manage App Users, or the user's \
                 own settings > Connections > OAuth Connected Apps.",
            )),
        }
    }
}

fn browser(config: &SalesforceConfig, redirect_uri: Option<String>) -> Result<SignInStep> {
    let redirect_uri = redirect_uri.ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "the web flow needs a redirect URI")
            .with_advice("Give one of the callback URLs that the app has in its OAuth settings.")
    })?;
    let url = at(&config.login_url, AUTHORIZE_PATH);
    let mut attempt = AuthorizationRequest::new(url, &config.client_id, redirect_uri, SCOPE)?;
    if let Some(username) = &config.username {
        attempt = attempt.with_parameter("login_hint", username);
    }
    Ok(SignInStep::Browser { url: attempt.url().as_str().to_owned(), pending: attempt.save() })
}

async fn device(config: &SalesforceConfig, http: &HttpClient, secrets: &Credentials) -> Result<SignInStep> {
    let client = oauth_client(config, http, secrets);
    let authorization = device_flow(config).start(&client).await.map_err(|error| explained(error, config))?;
    // People type their passwords at this page.
    let page = Url::parse(&authorization.verification_uri).ok();
    if page.is_none_or(|page| http.hosts().check(&page).is_err()) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "the login names a page for the code that is not one of Salesforce's",
        )
        .with_advice("Check \"login_url\"."));
    }
    Ok(SignInStep::Device {
        url: authorization.verification_uri.clone(),
        code: authorization.user_code.clone(),
        expires_in: authorization.expires_in,
        pending: authorization.save(),
    })
}

/// Salesforce asks for device codes at the token endpoint, in words of its own.
fn device_flow(config: &SalesforceConfig) -> DeviceFlow {
    let mut flow = DeviceFlow::new(at(&config.login_url, TOKEN_PATH), SCOPE);
    flow.parameters.push(("response_type".to_owned(), "device_code".to_owned()));
    flow.grant_type = "device".to_owned();
    flow.code_parameter = "code".to_owned();
    flow
}

async fn exchange(
    client: &OAuthClient,
    pending: &SecretString,
    callback: Option<&str>,
) -> Result<TokenAnswer, OAuthError> {
    let attempt = AuthorizationRequest::restore(pending)?;
    // Only the query counts, so that a server behind a proxy need not know its own name.
    let base = Url::parse("http://localhost/").map_err(|_| OAuthError::InvalidUrl)?;
    let url = base.join(callback.unwrap_or_default()).map_err(|_| OAuthError::MissingCode)?;
    let callback = attempt.callback(&url)?;
    client.exchange_code(&callback.code, &attempt).await
}

/// What the credential store is to hold. Without a refresh token the account would work for an hour or two.
fn kept(answer: TokenAnswer, secrets: &Credentials) -> Result<Credentials> {
    if answer.refresh_token.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            "the login gave no refresh token, so the access would end with its session",
        )
        .with_advice(
            "Add the scope \"Perform requests at any time (refresh_token, offline_access)\" to the app's OAuth settings, then \
             link the account again.",
        ));
    }
    Ok(answer.into_refreshed(&ATTRIBUTES).apply(secrets))
}

/// Where the org lives as far as is known: the login host of another kind of org knows nothing of its tokens.
pub(super) fn home(config: &SalesforceConfig, http: &HttpClient, credentials: &Credentials) -> Url {
    use secrecy::ExposeSecret as _;
    let instance = credentials.get(names::INSTANCE_URL);
    instance
        .and_then(|text| checked_instance(text.expose_secret(), config, http).ok())
        .unwrap_or_else(|| config.login_url.clone())
}

fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn no_person(flow: Flow) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("nobody takes part in the {flow} flow"))
        .with_advice("Link the account with its secrets, or choose the web or the device flow.")
}
