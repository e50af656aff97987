//! The device flow: a code is shown on a device without a browser, and approved elsewhere.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::store::Device;
use super::{DEFAULT_SCOPE, OAuthError, equal, random_text};
use crate::http::Server;
use crate::http::message::{ApiRequest, ApiResponse};

const LIFETIME: Duration = Duration::from_secs(10 * 60);

/// `response_type=device_code`: hands out a device code and the code that the user types.
pub(crate) fn start(
    server: &Server,
    client_id: Option<&str>,
    scope: Option<&str>,
) -> Result<ApiResponse, OAuthError> {
    if !equal(client_id.unwrap_or_default(), &server.credentials.client_id) {
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
        user_code: user_code.clone(),
        scope: scope.filter(|scope| !scope.is_empty()).unwrap_or(DEFAULT_SCOPE).to_owned(),
        approved: false,
        expires_at: now.saturating_add(LIFETIME).unwrap_or(now),
    };
    let device_code = server.tokens.keep_device(device, now);
    let body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/setup/connect", server.login_url()),
        "interval": 5,
    });
    Ok(ApiResponse::json(200, &body))
}

/// The device's question whether its user has approved yet.
pub(super) fn poll(server: &Server, code: &str) -> Result<Device, OAuthError> {
    let now = server.org.clock.now();
    let device = server
        .tokens
        .poll_device(code, now)
        .ok_or_else(|| OAuthError::new("invalid_grant", "invalid device code"))?;
    if device.approved {
        Ok(device)
    } else {
        Err(OAuthError::new("authorization_pending", "authorization pending"))
    }
}

/// `/setup/connect`: where the user types the code. With `user_code` it approves.
pub(crate) fn device_page(server: &Server, request: &ApiRequest) -> ApiResponse {
    let fields = if request.method == Method::POST { request.form() } else { request.query.clone() };
    let code = fields.iter().find(|(name, _)| name == "user_code").map(|(_, value)| value.as_str());
    match code {
        Some(code) if server.tokens.approve_device(code) => ApiResponse::html(
            200,
            "<!doctype html><html><body><p>You have connected a device.</p></body></html>",
        ),
        Some(_) => ApiResponse::html(400, "<!doctype html><html><body><p>Invalid code.</p></body></html>"),
        None => ApiResponse::html(
            200,
            "<!doctype html><html><head><title>Connect Device</title></head><body><form method=\"post\">\
             <label>Enter Code <input name=\"user_code\"></label><button>Connect</button></form></body></html>",
        ),
    }
}
