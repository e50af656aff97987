//! OAuth 2.0 as Salesforce speaks it: the token endpoint and its grants.

mod authorize;
mod device;
mod identity;
mod jwt;
mod store;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::{digest, hmac};
use serde_json::{Value, json};

pub(crate) use authorize::{authorize, escape};
pub(crate) use device::{device_page, start as start_device};
pub(crate) use identity::{identity, introspect, openid_configuration, revoke, userinfo};
pub use jwt::PublicKey;
pub(crate) use store::{Session, TokenStore, random_text};

use super::Server;
use super::message::{ApiRequest, ApiResponse};
use store::Redeemed;

/// The connected app and the user whom the emulator knows.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) refresh_token: String,
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) security_token: String,
    pub(crate) jwt_key: Option<PublicKey>,
    pub(crate) rotate_refresh_tokens: bool,
    pub(crate) session_lifetime: Duration,
}

/// The app of Salesforce's own command line, which every org knows. It has no secret, and its users come by browser or device.
const PLATFORM_CLI: &str = "PlatformCLI";

impl Credentials {
    /// Whether the org knows this app.
    fn knows(&self, client_id: &str) -> bool {
        equal(client_id, &self.client_id) || client_id == PLATFORM_CLI
    }

    /// The secret of an app; none when it has none.
    fn secret_of(&self, client_id: &str) -> Option<&str> {
        (client_id != PLATFORM_CLI).then_some(self.client_secret.as_str())
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// An OAuth error body: 400 with `error` and `error_description`.
#[derive(Debug)]
pub(crate) struct OAuthError {
    status: u16,
    error: &'static str,
    description: String,
}

impl OAuthError {
    pub(crate) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { status: 400, error, description: description.into() }
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The refusal of a refresh token.
    pub(crate) fn expired() -> Self {
        Self::new("invalid_grant", "expired access/refresh token")
    }

    pub(crate) fn into_response(self) -> ApiResponse {
        let body = json!({ "error": self.error, "error_description": self.description });
        ApiResponse::json(self.status, &body)
            .with_header("cache-control", "no-store")
            .with_header("pragma", "no-cache")
    }
}

/// What a grant found out.
struct Grant {
    user_id: String,
    scope: String,
    family: Option<u64>,
    refresh_token: Option<String>,
    /// The grant's answer names its scope.
    show_scope: bool,
}

/// `POST /services/oauth2/token`.
pub(crate) fn token(server: &Server, request: &ApiRequest) -> ApiResponse {
    let form = request.form();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    if field("response_type") == Some("device_code") {
        return start_device(server, field("client_id"), field("scope"))
            .unwrap_or_else(OAuthError::into_response);
    }
    match grant(server, request, &field) {
        Ok(grant) => issue(server, grant),
        Err(error) => error.into_response(),
    }
}

fn grant<'f>(
    server: &Server,
    request: &ApiRequest,
    field: &impl Fn(&str) -> Option<&'f str>,
) -> Result<Grant, OAuthError> {
    let basic = basic_credentials(request);
    let client_id =
        field("client_id").map(str::to_owned).or_else(|| basic.as_ref().map(|(id, _)| id.clone()));
    let client_secret = field("client_secret").map(str::to_owned).or_else(|| basic.map(|(_, secret)| secret));
    let credentials = &server.credentials;
    let grant_type = field("grant_type").unwrap_or_default();
    if grant_type == jwt::GRANT_TYPE {
        jwt::check(server, field("assertion").unwrap_or_default())?;
        return Ok(Grant::new(server, DEFAULT_SCOPE).showing_scope());
    }
    let known = ["client_credentials", "refresh_token", "authorization_code", "password", "device"];
    if !known.contains(&grant_type) {
        return Err(OAuthError::new("unsupported_grant_type", "grant type not supported"));
    }
    let Some(client_id) = client_id else {
        return Err(OAuthError::new("invalid_client_id", "client identifier invalid"));
    };
    if !credentials.knows(&client_id) {
        return Err(OAuthError::new("invalid_client_id", "client identifier invalid"));
    }
    let own_secret = credentials.secret_of(&client_id);
    // A public client (PKCE, refresh, device) may leave the secret out; a wrong one is refused everywhere.
    let secret_needed = matches!(grant_type, "client_credentials" | "password");
    match client_secret {
        Some(secret) if !equal(&secret, own_secret.unwrap_or_default()) => {
            return Err(OAuthError::new("invalid_client", "invalid client credentials"));
        }
        secret if secret_needed && (secret.is_none() || own_secret.is_none()) => {
            return Err(OAuthError::new("invalid_client", "invalid client credentials"));
        }
        _ => {}
    }
    match grant_type {
        "client_credentials" => Ok(Grant::new(server, DEFAULT_SCOPE).showing_scope()),
        "password" => {
            check_password(
                server,
                field("username").unwrap_or_default(),
                field("password").unwrap_or_default(),
            )?;
            Ok(Grant::new(server, DEFAULT_SCOPE))
        }
        "refresh_token" => refresh(server, &client_id, field("refresh_token").unwrap_or_default()),
        "authorization_code" => code(server, &client_id, field),
        _ => {
            let code = field("code").or_else(|| field("device_code")).unwrap_or_default();
            let scope = device::poll(server, &client_id, code)?;
            let mut grant = Grant::new(server, &scope).showing_scope();
            grant.add_refresh(server, &client_id);
            Ok(grant)
        }
    }
}

/// The scope of a grant that asks for none.
const DEFAULT_SCOPE: &str = "api refresh_token";

impl Grant {
    fn new(server: &Server, scope: &str) -> Self {
        Self {
            user_id: server.org.user_id.clone(),
            scope: scope.to_owned(),
            family: None,
            refresh_token: None,
            show_scope: false,
        }
    }

    fn showing_scope(mut self) -> Self {
        self.show_scope = true;
        self
    }

    fn add_refresh(&mut self, server: &Server, client_id: &str) {
        let allowed = self
            .scope
            .split_whitespace()
            .any(|scope| matches!(scope, "refresh_token" | "offline_access" | "full"));
        if allowed {
            let (token, family) = server.tokens.new_refresh(client_id, &self.user_id, &self.scope, None);
            self.refresh_token = Some(token);
            self.family = Some(family);
        }
    }
}

fn refresh(server: &Server, client_id: &str, token: &str) -> Result<Grant, OAuthError> {
    match server.tokens.redeem(token, client_id, server.credentials.rotate_refresh_tokens) {
        Redeemed::Refused => Err(OAuthError::expired()),
        Redeemed::Good { user_id, scope, family, rotated_to } => {
            Ok(Grant { user_id, scope, family: Some(family), refresh_token: rotated_to, show_scope: true })
        }
    }
}

fn code<'f>(
    server: &Server,
    client_id: &str,
    field: &impl Fn(&str) -> Option<&'f str>,
) -> Result<Grant, OAuthError> {
    let now = server.org.clock.now();
    let code = server
        .tokens
        .take_code(field("code").unwrap_or_default(), client_id, now)
        .ok_or_else(|| OAuthError::new("invalid_grant", "expired authorization code"))?;
    if field("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(OAuthError::new("redirect_uri_mismatch", "redirect_uri must match configuration"));
    }
    if let Some(challenge) = &code.challenge {
        let verifier = field("code_verifier").unwrap_or_default();
        if verifier.is_empty() {
            return Err(OAuthError::new("invalid_request", "missing required code verifier"));
        }
        if !equal(challenge, &pkce_challenge(verifier)) {
            return Err(OAuthError::new("invalid_grant", "invalid code verifier"));
        }
    }
    let mut grant = Grant::new(server, &code.scope).showing_scope();
    grant.user_id = code.user_id;
    grant.add_refresh(server, client_id);
    Ok(grant)
}

/// The PKCE challenge of a verifier, method S256.
pub(crate) fn pkce_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// Checks a user's name and password; the password may carry the security token behind it.
pub(crate) fn check_password(server: &Server, username: &str, password: &str) -> Result<(), OAuthError> {
    let credentials = &server.credentials;
    let with_token = format!("{}{}", credentials.password, credentials.security_token);
    let name_fits = equal(&username.to_lowercase(), &credentials.username.to_lowercase());
    let password_fits = equal(password, &credentials.password) | equal(password, &with_token);
    if name_fits && password_fits {
        Ok(())
    } else {
        Err(OAuthError::new("invalid_grant", "authentication failure"))
    }
}

fn issue(server: &Server, grant: Grant) -> ApiResponse {
    let now = server.org.clock.now();
    let credentials = &server.credentials;
    let access_token = server.tokens.open_session(
        &server.org.org_id,
        &grant.user_id,
        &grant.scope,
        grant.family,
        now,
        credentials.session_lifetime,
    );
    let id = server.identity_url(&grant.user_id);
    let issued_at = now.as_millisecond().to_string();
    let mut body = json!({
        "access_token": access_token,
        "signature": sign(server, &id, &issued_at),
        "instance_url": server.instance_url(),
        "id": id,
        "token_type": "Bearer",
        "issued_at": issued_at,
    });
    if let Some(refresh_token) = grant.refresh_token {
        body["refresh_token"] = Value::String(refresh_token);
    }
    if grant.show_scope {
        body["scope"] = Value::String(grant.scope);
    }
    ApiResponse::json(200, &body).with_header("cache-control", "no-store").with_header("pragma", "no-cache")
}

/// The signature of a token's identity URL and time, by which a client can tell that nobody has changed them.
pub(crate) fn sign(server: &Server, id: &str, issued_at: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, server.credentials.client_secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, format!("{id}{issued_at}").as_bytes()))
}

fn basic_credentials(request: &ApiRequest) -> Option<(String, String)> {
    let (scheme, value) = request.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Compares secrets in time that does not depend on where they differ.
pub(crate) fn equal(left: &str, right: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"comparison");
    let tag = hmac::sign(&key, left.as_bytes());
    hmac::verify(&key, right.as_bytes(), tag.as_ref()).is_ok()
}
