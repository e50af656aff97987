//! Signing a person in, and taking a grant back: what comes before an account is linked, and after it is unlinked.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{Credentials, Json, Result};

/// How a provider signs people in and takes grants back. A plugin registers one beside its connect function; hosts reach
/// it through [`Registry::sign_in`](crate::Registry::sign_in).
///
/// The flow is the one that the configuration names. A flow in which no person takes part
/// ([`Interaction::None`](crate::Interaction::None)) needs no [`begin`](Self::begin): its secrets are stored and the account
/// is connected.
///
/// A server's callback in outline. Between the two requests of the browser nothing but the pending secret is kept, so any
/// process of the server can answer the second one:
///
/// ```
/// use secrecy::SecretString;
/// use unicrm_core::{Credentials, Error, ErrorKind, Json, Registry, Result, SignInRequest, SignInStep};
///
/// /// `GET /link`: where to send the browser, and what to keep in its session.
/// async fn start(registry: &Registry, config: Json) -> Result<(String, SecretString)> {
///     let request = SignInRequest::new(config).redirect_uri("https://app.example.com/linked");
///     match registry.sign_in("salesforce")?.begin(request).await? {
///         SignInStep::Browser { url, pending } => Ok((url, pending)),
///         _ => Err(Error::new(ErrorKind::InvalidConfig, "this flow has no page to go to")),
///     }
/// }
///
/// /// `GET /linked?code=...&state=...`: the credentials to store, before anything is done with them.
/// async fn callback(registry: &Registry, config: Json, pending: SecretString, url: String) -> Result<Credentials> {
///     let secrets = Credentials::new().with("client_secret", "from the host's own configuration".into());
///     let request = SignInRequest::new(config).secrets(secrets);
///     registry.sign_in("salesforce")?.finish(request, pending, Some(url)).await
/// }
/// ```
#[async_trait]
pub trait SignIn: fmt::Debug + Send + Sync + 'static {
    /// Begins a flow in which a person takes part: what to show to that person.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`](crate::ErrorKind::InvalidConfig) for a flow without a person, or without the redirect URI
    /// that it needs.
    async fn begin(&self, request: SignInRequest) -> Result<SignInStep>;

    /// Finishes it: gives everything that the credential store must hold, the request's own secrets among them. `callback` is
    /// the URL that the browser came back to (path and query are enough); none in a flow without one, where this waits until
    /// the person has answered or the time is over. Dropping the future ends the wait.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) for a callback that does not belong to what was begun:
    /// the right one may still come. [`ErrorKind::Unauthenticated`](crate::ErrorKind::Unauthenticated) if the person or the
    /// remote refused, or nobody answered in time.
    async fn finish(
        &self,
        request: SignInRequest,
        pending: SecretString,
        callback: Option<String>,
    ) -> Result<Credentials>;

    /// Takes the grant back at the remote: afterwards these credentials are worth nothing there, as far as the flow has
    /// something to take back. The request's secrets are all that the credential store holds.
    ///
    /// # Errors
    /// When the remote could not be asked, or refused: the grant may still stand.
    async fn revoke(&self, request: SignInRequest) -> Result<Revocation>;
}

/// What signing in is about.
///
/// ```
/// use unicrm_core::{Json, SignInRequest};
/// let request = SignInRequest::new(Json::parse(r#"{"flow": "web"}"#)?).redirect_uri("http://localhost:1717/OauthRedirect");
/// assert!(request.secrets.is_empty());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignInRequest {
    /// The plugin's own configuration, as it will be linked.
    pub config: Json,
    /// The secrets at hand.
    pub secrets: Credentials,
    /// Where the browser is sent back to, as it is registered at the remote.
    pub redirect_uri: Option<String>,
}

impl SignInRequest {
    /// A request without secrets.
    #[must_use]
    pub fn new(config: Json) -> Self {
        Self { config, secrets: Credentials::new(), redirect_uri: None }
    }

    /// With secrets.
    #[must_use]
    pub fn secrets(mut self, secrets: Credentials) -> Self {
        self.secrets = secrets;
        self
    }

    /// With the place where the browser is sent back to.
    #[must_use]
    pub fn redirect_uri(mut self, redirect_uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(redirect_uri.into());
        self
    }
}

/// What to show to the person.
///
/// `pending` is what only the host may know of this attempt (it is text, and may be stored): keep it where only the same
/// person's session reaches it, hand it to [`SignIn::finish`] once, and forget it.
///
/// ```
/// use unicrm_core::SignInStep;
/// let step = SignInStep::Browser { url: "https://login.example.com/".into(), pending: "s3cret".into() };
/// assert!(!format!("{step:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignInStep {
    /// Send the person's browser to this URL; it comes back to the redirect URI.
    Browser {
        /// Where to go.
        url: String,
        /// For [`SignIn::finish`].
        pending: SecretString,
    },
    /// Have the person open this page on any device and enter this code there.
    Device {
        /// The page.
        url: String,
        /// The code to enter.
        code: String,
        /// How long it is good for.
        expires_in: Duration,
        /// For [`SignIn::finish`].
        pending: SecretString,
    },
}

/// What became of a grant that was to be taken back.
///
/// ```
/// use unicrm_core::Revocation;
/// assert_ne!(Revocation::Revoked, Revocation::Nothing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// The remote has taken it back.
    Revoked,
    /// There was nothing to take back: no token, or one that the remote does not know any more.
    Nothing,
}
