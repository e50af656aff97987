//! The authorization code flow up to the code: the URL for the browser, and what comes back from it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::OAuthError;
use crate::random::random_token;
use crate::redact::SafeUrl;

/// One attempt to log in with a browser: where to send it, and what only we know about this attempt (state, RFC 6749
/// 10.12; PKCE verifier, RFC 7636, method S256).
///
/// ```
/// use unicrm_http::oauth::AuthorizationRequest;
///
/// let login = "https://login.example.com/oauth2/authorize".parse().unwrap();
/// let request = AuthorizationRequest::new(login, "my-app", "http://localhost:1717/callback", "api refresh_token")?;
/// // ... the browser goes to request.url() and comes back to:
/// let state = request.url().query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
/// let back = format!("http://localhost:1717/callback?code=c0de&state={state}").parse().unwrap();
/// assert!(request.callback(&back).is_ok());
/// # Ok::<(), unicrm_http::oauth::OAuthError>(())
/// ```
#[derive(Clone)]
pub struct AuthorizationRequest {
    url: Url,
    redirect_uri: String,
    state: SecretString,
    verifier: SecretString,
}

/// The code that came back from the browser.
///
/// ```
/// use unicrm_http::oauth::Callback;
/// let callback = Callback { code: "c0de".into() };
/// assert!(!format!("{callback:?}").contains("c0de"));
/// ```
#[derive(Clone, Debug)]
pub struct Callback {
    /// To be exchanged for tokens, once and soon.
    pub code: SecretString,
}

impl AuthorizationRequest {
    /// A new attempt with a fresh state and verifier (256 random bits each).
    ///
    /// # Errors
    /// Only if the operating system gives no random numbers.
    pub fn new(
        authorization_url: Url,
        client_id: &str,
        redirect_uri: impl Into<String>,
        scope: &str,
    ) -> Result<Self, OAuthError> {
        let redirect_uri = redirect_uri.into();
        let (state, verifier) = (random_token()?, random_token()?);
        let mut url = authorization_url;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge(&verifier))
            .append_pair("code_challenge_method", "S256");
        Ok(Self { url, redirect_uri, state: state.into(), verifier: verifier.into() })
    }

    /// One more parameter for the browser's URL, such as `prompt` or `login_hint`.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Where to send the browser.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Reads the URL that the browser came back to.
    ///
    /// # Errors
    /// A wrong state, the user's or the server's refusal, or no code.
    pub fn callback(&self, url: &Url) -> Result<Callback, OAuthError> {
        let parameter = |wanted: &str| {
            let mut values = url.query_pairs().filter(|(name, _)| name == wanted);
            values.next().map(|(_, value)| value.into_owned())
        };
        let state = parameter("state").unwrap_or_default();
        // Comparing digests tells nothing through the time it takes.
        if sha256(&state) != sha256(self.state.expose_secret()) {
            return Err(OAuthError::StateMismatch);
        }
        if let Some(code) = parameter("error") {
            let bounded = |text: String| text.chars().filter(|c| !c.is_control()).take(500).collect();
            let description = parameter("error_description").map(bounded);
            return Err(OAuthError::Refused { code: bounded(code), description, status: 200 });
        }
        let code = parameter("code").filter(|code| !code.is_empty()).ok_or(OAuthError::MissingCode)?;
        Ok(Callback { code: code.into() })
    }

    /// The whole attempt as text, for whoever answers the browser's return: it may be another process. Whoever has it and the
    /// code gets the tokens, so it is kept like a password, and for minutes only.
    #[must_use]
    pub fn save(&self) -> SecretString {
        let kept = Kept {
            url: self.url.as_str().to_owned(),
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.expose_secret().to_owned(),
            verifier: self.verifier.expose_secret().to_owned(),
        };
        // Four texts can always be written.
        serde_json::to_string(&kept).unwrap_or_default().into()
    }

    /// The attempt again.
    ///
    /// # Errors
    /// [`OAuthError::NotSaved`] for text that [`save`](Self::save) did not write.
    pub fn restore(saved: &SecretString) -> Result<Self, OAuthError> {
        let kept: Kept = serde_json::from_str(saved.expose_secret()).map_err(|_| OAuthError::NotSaved)?;
        let url = Url::parse(&kept.url).map_err(|_| OAuthError::NotSaved)?;
        if kept.state.is_empty() || kept.verifier.is_empty() {
            return Err(OAuthError::NotSaved);
        }
        let (state, verifier) = (kept.state.into(), kept.verifier.into());
        Ok(Self { url, redirect_uri: kept.redirect_uri, state, verifier })
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    pub(super) fn verifier(&self) -> &SecretString {
        &self.verifier
    }
}

/// An attempt, at rest.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    redirect_uri: String,
    state: String,
    verifier: String,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("url", &SafeUrl(&self.url))
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(verifier))
}

fn sha256(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn request() -> AuthorizationRequest {
        let url = Url::parse("https://login.example.com/authorize?x=1").unwrap();
        AuthorizationRequest::new(url, "id", "http://localhost:1/cb", "a b").unwrap()
    }

    fn back(query: &str) -> Url {
        Url::parse(&format!("http://localhost:1/cb?{query}")).unwrap()
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn every_attempt_has_its_own_long_verifier_and_state() {
        let requests: Vec<_> = (0..50).map(|_| request()).collect();
        let mut seen = BTreeSet::new();
        for request in &requests {
            let verifier = request.verifier.expose_secret();
            assert!((43..=128).contains(&verifier.len()));
            assert!(verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
            assert!(seen.insert(verifier) && seen.insert(request.state.expose_secret()));
        }
    }

    #[test]
    fn the_url_carries_the_challenge_and_not_the_verifier() {
        let request = request().with_parameter("prompt", "login");
        let pairs: BTreeMap<_, _> = request.url().query_pairs().collect();
        assert_eq!(pairs["code_challenge"], challenge(request.verifier.expose_secret()));
        assert_eq!((&*pairs["x"], &*pairs["scope"], &*pairs["prompt"]), ("1", "a b", "login"));
        assert!(!request.url().as_str().contains(request.verifier.expose_secret()));
        let shown = format!("{request:?}");
        assert!(!shown.contains(request.state.expose_secret()), "{shown}");
    }

    #[test]
    fn an_attempt_that_was_kept_answers_as_the_first_one_would() {
        let request = request();
        let again = AuthorizationRequest::restore(&request.save()).unwrap();
        assert_eq!(again.url(), request.url());
        assert_eq!(again.redirect_uri(), request.redirect_uri());
        assert_eq!(again.verifier().expose_secret(), request.verifier().expose_secret());
        let state = request.state.expose_secret();
        assert!(again.callback(&back(&format!("code=c&state={state}"))).is_ok());
        for garbage in ["", "{}", "[]", r#"{"url":"x","redirect_uri":"","state":"","verifier":""}"#] {
            assert!(matches!(AuthorizationRequest::restore(&garbage.into()), Err(OAuthError::NotSaved)));
        }
    }

    #[test]
    fn an_answer_without_our_state_is_refused_whatever_it_says() {
        let request = request();
        let state = request.state.expose_secret().to_owned();
        for query in ["code=c", "code=c&state=", "code=c&state=x", "error=access_denied&state=x"] {
            assert!(matches!(request.callback(&back(query)), Err(OAuthError::StateMismatch)), "{query}");
        }
        let denied = request.callback(&back(&format!("error=access_denied&state={state}"))).unwrap_err();
        assert_eq!(denied.code(), Some("access_denied"));
        let empty = request.callback(&back(&format!("state={state}")));
        assert!(matches!(empty, Err(OAuthError::MissingCode)));
        let callback = request.callback(&back(&format!("code=a%2Bb&state={state}"))).unwrap();
        assert_eq!(callback.code.expose_secret(), "a+b");
    }
}
