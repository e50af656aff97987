//! The device flow: a code is shown on a device without a browser, and approved elsewhere.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::store::{Decision, Device, Polled};
use super::{DEFAULT_SCOPE, OAuthError, random_text};
use crate::http::Server;
use crate::http::message::{ApiRequest, ApiResponse};

const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long a device has to wait between two questions, at first.
const INTERVAL: Duration = Duration::from_secs(5);

/// `response_type=device_code`: hands out a device code and the code that the user types.
pub(crate) fn start(
    server: &Server,
    client_id: Option<&str>,
    scope: Option<&str>,
) -> Result<ApiResponse, OAuthError> {
    let client_id = client_id.unwrap_or_default();
    if !server.credentials.knows(client_id) {
        return Err(OAuthError::new("invalid_client_id", "client identifier invalid"));
    }
    let user_code: String = random_text(32)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect::<String>()
        .to_uppercase();
    let now = server.org.clock.now();
    let device = Device {
        client_id: client_id.to_owned(),
        user_code: user_code.clone(),
        scope: scope.filter(|scope| !scope.is_empty()).unwrap_or(DEFAULT_SCOPE).to_owned(),
        decision: None,
        expires_at: now.saturating_add(LIFETIME).unwrap_or(now),
        interval: INTERVAL,
        asked_at: None,
    };
    let device_code = server.tokens.keep_device(device, now);
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/setup/connect", server.login_url()),
        "interval": INTERVAL.as_secs(),
    });
    Ok(ApiResponse::json(200, &body))
}

/// The device's question whether its user has decided yet; the scope, when it may go on.
pub(super) fn poll(server: &Server, client_id: &str, code: &str) -> Result<String, OAuthError> {
    // The words of haste and of a code that is spent are those that the Salesforce CLI has shown its users
    // (forcedotcom/salesforcedx-docker#18, forcedotcom/code-builder-feedback#61).
    let (error, description) = match server.tokens.poll_device(code, client_id, server.org.clock.now()) {
        Polled::Allowed { scope } => return Ok(scope),
        Polled::Waiting => ("authorization_pending", "authorization pending"),
        Polled::TooSoon => ("slow_down", "polling too quickly for the token endpoint"),
        Polled::Denied => ("access_denied", "end-user denied authorization"),
        Polled::Unknown => ("invalid_grant", "token exchange failed"),
    };
    Err(OAuthError::new(error, description))
}

/// `/setup/connect`: where the user types the code. With `user_code` it approves, with `decision=deny` too it refuses.
pub(crate) fn device_page(server: &Server, request: &ApiRequest) -> ApiResponse {
    let fields = if request.method == Method::POST { request.form() } else { request.query.clone() };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let decision = if field("decision") == Some("deny") { Decision::Denied } else { Decision::Allowed };
    let Some(code) = field("user_code") else {
        return ApiResponse::html(
            200,
            "<!doctype html><html><head><title>Connect Device</title></head><body><form method=\"post\">\
             <label>Enter Code <input name=\"user_code\"></label>\
             <button name=\"decision\" value=\"allow\">Allow</button>\
             <button name=\"decision\" value=\"deny\">Deny</button></form></body></html>",
        );
    };
    let page = |status, text| {
        ApiResponse::html(status, format!("<!doctype html><html><body><p>{text}</p></body></html>"))
    };
    match (server.tokens.decide_device(code, decision, server.org.clock.now()), decision) {
        (false, _) => page(400, "Invalid code."),
        (true, Decision::Allowed) => page(200, "You have connected a device."),
        (true, Decision::Denied) => page(200, "You have not connected the device."),
    }
}
