//! Logging in from a machine without a browser (RFC 8628): show a code, wait until somebody has entered it elsewhere.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::OAuthClient;
use super::answer::{TokenAnswer, seconds};
use super::error::OAuthError;
use crate::retry::Replay;

/// No code is waited for longer than this.
const LONGEST: Duration = Duration::from_secs(3600);

/// How a remote spells the device flow. The default is the standard's spelling; some remotes have their own.
///
/// ```
/// use unicrm_http::oauth::DeviceFlow;
/// let standard = DeviceFlow::new("https://login.example.com/device".parse().unwrap(), "api");
/// let own = DeviceFlow {
///     parameters: vec![("response_type".into(), "device_code".into()), ("scope".into(), "api".into())],
///     grant_type: "device".into(),
///     code_parameter: "code".into(),
///     ..standard
/// };
/// assert_eq!(own.grant_type, "device");
/// ```
#[derive(Clone, Debug)]
pub struct DeviceFlow {
    /// Where to ask for a code.
    pub url: Url,
    /// What to send there, besides the client's own parameters.
    pub parameters: Vec<(String, String)>,
    /// `grant_type` of the token request.
    pub grant_type: String,
    /// The name under which the token request carries the device code.
    pub code_parameter: String,
}

/// A code that waits for a person.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeviceAuthorization {
    /// What the person enters.
    pub user_code: String,
    /// Where the person enters it.
    pub verification_uri: String,
    /// The same with the code already in it, if the remote offers it.
    pub verification_uri_complete: Option<String>,
    /// How long the code is good for.
    pub expires_in: Duration,
    /// How long to wait between two questions.
    pub interval: Duration,
    device_code: SecretString,
}

impl DeviceFlow {
    /// The flow as in RFC 8628, for these scopes.
    #[must_use]
    pub fn new(url: Url, scope: &str) -> Self {
        Self {
            url,
            parameters: vec![("scope".to_owned(), scope.to_owned())],
            grant_type: "urn:ietf:params:oauth:grant-type:device_code".to_owned(),
            code_parameter: "device_code".to_owned(),
        }
    }

    /// Asks for a code to show.
    ///
    /// # Errors
    /// The remote's refusal, or that it could not be asked.
    pub async fn start(&self, client: &OAuthClient) -> Result<DeviceAuthorization, OAuthError> {
        let form: Vec<_> = self.parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
        let body = client.post(&self.url, &form, Replay::Safe).await?;
        DeviceAuthorization::parse(&body)
    }

    /// Asks for the token again and again, as often as the remote allows, until the code was entered, refused or has
    /// expired. Dropping the future ends the wait.
    ///
    /// # Errors
    /// [`OAuthError::DeviceExpired`], the remote's or the person's refusal.
    pub async fn wait(
        &self,
        client: &OAuthClient,
        authorization: &DeviceAuthorization,
    ) -> Result<TokenAnswer, OAuthError> {
        let deadline = Instant::now() + authorization.expires_in;
        let mut interval = authorization.interval;
        let code = authorization.device_code.expose_secret();
        let form = [("grant_type", self.grant_type.as_str()), (self.code_parameter.as_str(), code)];
        loop {
            if Instant::now() + interval > deadline {
                return Err(OAuthError::DeviceExpired);
            }
            tokio::time::sleep(interval).await;
            match client.token(&form, Replay::Unsafe).await {
                Err(error) if error.code() == Some("authorization_pending") => {}
                Err(error) if error.code() == Some("slow_down") => interval += Duration::from_secs(5),
                Err(error) if error.code() == Some("expired_token") => return Err(OAuthError::DeviceExpired),
                // The standard asks for longer pauses when the server cannot be reached.
                Err(error) if error.is_transient() => interval = interval.saturating_mul(2),
                outcome => return outcome,
            }
        }
    }
}

impl DeviceAuthorization {
    /// The whole attempt as text, for a later [`wait`](DeviceFlow::wait). Whoever has it gets the tokens once the code is
    /// entered.
    #[must_use]
    pub fn save(&self) -> SecretString {
        let now = Timestamp::now();
        let kept = Kept {
            user_code: self.user_code.clone(),
            verification_uri: self.verification_uri.clone(),
            verification_uri_complete: self.verification_uri_complete.clone(),
            expires_at: now.checked_add(self.expires_in).unwrap_or(now),
            interval: self.interval.as_secs(),
            device_code: self.device_code.expose_secret().to_owned(),
        };
        // Texts and numbers can always be written.
        serde_json::to_string(&kept).unwrap_or_default().into()
    }

    /// The attempt again, with what is left of its time.
    ///
    /// # Errors
    /// [`OAuthError::NotSaved`] for text that [`save`](Self::save) did not write.
    pub fn restore(saved: &SecretString) -> Result<Self, OAuthError> {
        let kept: Kept = serde_json::from_str(saved.expose_secret()).map_err(|_| OAuthError::NotSaved)?;
        let left = Duration::try_from(kept.expires_at.duration_since(Timestamp::now())).unwrap_or_default();
        Ok(Self {
            user_code: kept.user_code,
            verification_uri: kept.verification_uri,
            verification_uri_complete: kept.verification_uri_complete,
            expires_in: left.min(LONGEST),
            interval: Duration::from_secs(kept.interval.clamp(1, 60)),
            device_code: kept.device_code.into(),
        })
    }

    fn parse(body: &[u8]) -> Result<Self, OAuthError> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(OAuthError::unreadable(body));
        };
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let needed =
            |name: &str| text(name).ok_or(OAuthError::Unreadable("an incomplete device authorization"));
        let time = |name: &str, usual: u64, range: (u64, u64)| {
            let told = members.get(name).and_then(seconds).unwrap_or(Duration::from_secs(usual));
            told.clamp(Duration::from_secs(range.0), Duration::from_secs(range.1))
        };
        Ok(Self {
            user_code: needed("user_code")?,
            verification_uri: needed("verification_uri")?,
            verification_uri_complete: text("verification_uri_complete"),
            expires_in: time("expires_in", 600, (1, LONGEST.as_secs())),
            interval: time("interval", 5, (1, 60)),
            device_code: needed("device_code")?.into(),
        })
    }
}

/// An attempt, at rest.
#[derive(Serialize, Deserialize)]
struct Kept {
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_at: Timestamp,
    interval: u64,
    device_code: String,
}

impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The user code is short-lived but it is a secret towards anybody who reads a log in time.
        f.debug_struct("DeviceAuthorization")
            .field("verification_uri", &self.verification_uri)
            .field("expires_in", &self.expires_in)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_was_kept_goes_on_with_what_is_left_of_its_time() {
        let body = br#"{"device_code":"d3vice","user_code":"ABCD","verification_uri":"https://login.example.com/c","interval":7}"#;
        let first = DeviceAuthorization::parse(body).unwrap();
        let again = DeviceAuthorization::restore(&first.save()).unwrap();
        assert_eq!(again.device_code.expose_secret(), "d3vice");
        assert_eq!((again.user_code.as_str(), again.interval), ("ABCD", Duration::from_secs(7)));
        assert!(again.expires_in <= first.expires_in && again.expires_in > Duration::from_secs(590));
        let over = first.save().expose_secret().replacen("\"expires_at\":\"2", "\"expires_at\":\"1", 1);
        assert_eq!(DeviceAuthorization::restore(&over.into()).unwrap().expires_in, Duration::ZERO);
        assert!(DeviceAuthorization::restore(&"{}".into()).is_err());
    }
}
