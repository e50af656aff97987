//! OAuth 2.0: getting access tokens. Which grants a remote offers, and where, is the plugin's to say.
//!
//! | grant | call |
//! |---|---|
//! | client credentials | [`OAuthClient::client_credentials`] |
//! | refresh token | [`OAuthClient::refresh`] |
//! | authorization code with PKCE | [`AuthorizationRequest`], then [`OAuthClient::exchange_code`] |
//! | JWT bearer (RS256) | [`JwtSigner`], then [`OAuthClient::jwt_bearer`] |
//! | device | [`DeviceFlow`] |
//! | taking a token back | [`OAuthClient::revoke`] |

mod answer;
mod authorization;
mod device;
mod error;
mod jwt;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use url::form_urlencoded::Serializer;

pub use answer::TokenAnswer;
pub use authorization::{AuthorizationRequest, Callback};
pub use device::{DeviceAuthorization, DeviceFlow};
pub use error::OAuthError;
pub use jwt::{JwtClaims, JwtSigner};

use crate::client::{Attempt, HttpClient};
use crate::failure::TransportError;
use crate::redact::{SafeUrl, scrub};
use crate::retry::{Effect, Replay, Retrier, RetryPolicy, Verdict, retry_after};
use crate::transport::Request;

/// Answers of a token endpoint are small; more than this is not one.
const MAX_ANSWER: usize = 1 << 20;

/// One client (an app registered at the remote) at one token endpoint.
///
/// ```
/// use unicrm_http::oauth::OAuthClient;
/// use unicrm_http::{ClientConfig, HostPolicy, HttpClient};
///
/// let http = HttpClient::new(&ClientConfig::default(), HostPolicy::new([".example.com"])?)?;
/// let client = OAuthClient::new(http, "https://login.example.com/oauth2/token".parse().unwrap(), "my-app")
///     .with_secret("s3cret".into())
///     .with_parameter("audience", "crm");
/// assert!(!format!("{client:?}").contains("s3cret"));
/// # Ok::<(), unicrm_core::Error>(())
/// ```
#[derive(Clone)]
pub struct OAuthClient {
    http: HttpClient,
    token_url: Url,
    client_id: String,
    client_secret: Option<SecretString>,
    basic: bool,
    parameters: Vec<(String, String)>,
    retrier: Retrier,
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("token_url", &SafeUrl(&self.token_url))
            .field("client_id", &self.client_id)
            .field("client_secret", &self.client_secret.as_ref().map(|_| "[REDACTED]"))
            .field("basic", &self.basic)
            .finish_non_exhaustive()
    }
}

impl OAuthClient {
    /// A public client; most remotes want a secret as well.
    pub fn new(http: HttpClient, token_url: Url, client_id: impl Into<String>) -> Self {
        let retrier = Retrier::new(RetryPolicy { max_attempts: 3, ..RetryPolicy::default() })
            .with_usage(Arc::clone(http.usage()));
        Self {
            http,
            token_url,
            client_id: client_id.into(),
            client_secret: None,
            basic: false,
            parameters: Vec::new(),
            retrier,
        }
    }

    /// The client's secret, sent as a form parameter.
    #[must_use]
    pub fn with_secret(mut self, secret: SecretString) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// Sends id and secret in the `Authorization` header instead of the form.
    #[must_use]
    pub fn with_basic_authentication(mut self) -> Self {
        self.basic = true;
        self
    }

    /// One more form parameter in every token request.
    #[must_use]
    pub fn with_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Other bounds for retrying token requests.
    #[must_use]
    pub fn with_retrier(mut self, retrier: Retrier) -> Self {
        self.retrier = retrier;
        self
    }

    /// Grant `client_credentials` (RFC 6749, 4.4).
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked.
    pub async fn client_credentials(&self) -> Result<TokenAnswer, OAuthError> {
        self.token(&[("grant_type", "client_credentials")], Replay::Safe).await
    }

    /// Grant `refresh_token` (RFC 6749, 6), sent a second time only if the first time did certainly nothing: reuse of a
    /// rotated refresh token can end the whole grant. If the remote rotates refresh tokens, the answer holds the next one and
    /// the one used here is dead: store it before anything else, as [`TokenCache`](crate::TokenCache) does.
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<TokenAnswer, OAuthError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())];
        self.token(&form, Replay::Unsafe).await
    }

    /// Grant `authorization_code` (RFC 6749, 4.1.3) with the PKCE verifier (RFC 7636) of the request that was made.
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked.
    pub async fn exchange_code(
        &self,
        code: &SecretString,
        request: &AuthorizationRequest,
    ) -> Result<TokenAnswer, OAuthError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", request.redirect_uri()),
            ("code_verifier", request.verifier().expose_secret()),
        ];
        self.token(&form, Replay::Unsafe).await
    }

    /// Grant `jwt-bearer` (RFC 7523) with an assertion made by [`JwtSigner::sign`].
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked.
    pub async fn jwt_bearer(&self, assertion: &SecretString) -> Result<TokenAnswer, OAuthError> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", assertion.expose_secret()),
        ];
        self.token(&form, Replay::Safe).await
    }

    /// Takes a token back (RFC 7009) at the authorization server's revocation endpoint. Whether there was such a token: servers
    /// may also say yes to one that they do not know.
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked: the token may still be good.
    pub async fn revoke(&self, url: &Url, token: &SecretString) -> Result<bool, OAuthError> {
        match self.post(url, &[("token", token.expose_secret())], Replay::Safe).await {
            // A page of somebody else's, such as a maintenance page, has taken nothing back.
            Ok(body) if body.trim_ascii_start().starts_with(b"<") => Err(OAuthError::unreadable(&body)),
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("invalid_token") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Any other grant: the form as given, the client's id, secret and parameters added.
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked.
    pub async fn token(&self, form: &[(&str, &str)], replay: Replay) -> Result<TokenAnswer, OAuthError> {
        let body = self.post(&self.token_url, form, replay).await?;
        TokenAnswer::parse(&body)
    }

    /// Posts a form to one of the authorization server's endpoints and gives the body of a successful answer.
    pub(crate) async fn post(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        replay: Replay,
    ) -> Result<Bytes, OAuthError> {
        let secrets: Vec<SecretString> = form
            .iter()
            .filter(|(name, _)| !matches!(*name, "grant_type" | "redirect_uri" | "scope" | "response_type"))
            .map(|(_, value)| SecretString::from(*value))
            .chain(self.client_secret.clone())
            .collect();
        let answered = self.retrier.run(replay, |attempt| {
            let request = self.request(url, form, attempt);
            async move { self.exchange(request).await }
        });
        answered.await.map_err(|error| match error {
            OAuthError::Refused { code, description, status } => {
                let description = description.map(|text| scrub(&text, &secrets));
                OAuthError::Refused { code, description, status }
            }
            other => other,
        })
    }

    async fn exchange(&self, request: Result<Request, OAuthError>) -> Verdict<Bytes, OAuthError> {
        let request = match request {
            Ok(request) => request,
            Err(error) => return Verdict::Fail(error),
        };
        let answer = match self.http.fetch_within(request, MAX_ANSWER).await {
            Ok(answer) => answer,
            Err(error) => return failed_on_the_way(error),
        };
        let (parts, body) = answer.into_parts();
        if parts.status.is_success() {
            return Verdict::Done(body);
        }
        let after = retry_after(&parts.headers);
        let error = OAuthError::of_answer(parts.status, after, &body);
        if error.is_transient() {
            // These statuses say that the request was not carried out; of the others nobody knows.
            let effect =
                if matches!(parts.status.as_u16(), 429 | 503) { Effect::None } else { Effect::Unknown };
            Verdict::Retry { error, reason: "token endpoint unavailable", after, effect }
        } else {
            Verdict::Fail(error)
        }
    }

    fn request(&self, url: &Url, form: &[(&str, &str)], attempt: u32) -> Result<Request, OAuthError> {
        let mut body = Serializer::new(String::new());
        body.extend_pairs(form);
        body.extend_pairs(&self.parameters);
        let mut request = http::Request::post(url.as_str())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .extension(Attempt(attempt));
        match &self.client_secret {
            Some(secret) if self.basic => {
                request =
                    request.header(header::AUTHORIZATION, basic_authorization(&self.client_id, secret)?);
            }
            secret => {
                body.append_pair("client_id", &self.client_id);
                if let Some(secret) = secret {
                    body.append_pair("client_secret", secret.expose_secret());
                }
            }
        }
        request.body(body.finish().into()).map_err(|_| OAuthError::InvalidUrl)
    }
}

fn failed_on_the_way<T>(error: TransportError) -> Verdict<T, OAuthError> {
    let effect = error.effect();
    let error = OAuthError::Transport(error);
    if error.is_transient() {
        Verdict::Retry { error, reason: "token endpoint not reached", after: None, effect }
    } else {
        Verdict::Fail(error)
    }
}

/// RFC 6749, 2.3.1: both parts are form-encoded before they are joined.
fn basic_authorization(id: &str, secret: &SecretString) -> Result<HeaderValue, OAuthError> {
    use base64::Engine as _;
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret.expose_secret()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).map_err(|_| OAuthError::InvalidUrl)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_encodes_both_parts() {
        let value = basic_authorization("a b", &SecretString::from("c:d")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic YStiOmMlM0Fk");
        assert!(value.is_sensitive());
    }
}
