//! `/services/oauth2/authorize`: the page where a user lets an app in. It approves at once, or with
//! `prompt=consent` or `prompt=login` shows a form with one button.

use std::time::Duration;

use http::Method;
use url::Url;

use super::store::Code;
use super::{DEFAULT_SCOPE, random_text};
use crate::http::Server;
use crate::http::message::{ApiRequest, ApiResponse};

/// Salesforce's codes live 15 minutes.
const CODE_LIFETIME: Duration = Duration::from_secs(15 * 60);

pub(crate) fn authorize(server: &Server, request: &ApiRequest) -> ApiResponse {
    let fields = if request.method == Method::POST { request.form() } else { request.query.clone() };
    let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let page = |error: &str, description: &str| {
        ApiResponse::html(
            400,
            format!(
                "<!doctype html><html><body><p>error={error}&amp;error_description={description}</p></body></html>"
            ),
        )
    };
    let client_id = field("client_id").unwrap_or_default();
    if !server.credentials.knows(client_id) {
        return page("invalid_client_id", "client identifier invalid");
    }
    let Some(Ok(mut redirect)) = field("redirect_uri").map(Url::parse) else {
        return page("redirect_uri_missing", "redirect_uri must match configuration");
    };
    let redirect_uri = field("redirect_uri").unwrap_or_default().to_owned();
    let state = field("state");
    let fail = |mut redirect: Url, error: &str, description: &str| {
        redirect.query_pairs_mut().append_pair("error", error).append_pair("error_description", description);
        if let Some(state) = state {
            redirect.query_pairs_mut().append_pair("state", state);
        }
        ApiResponse::empty(302).with_header("location", redirect.to_string())
    };
    if field("response_type") != Some("code") {
        return fail(redirect, "unsupported_response_type", "response type not supported");
    }
    let challenge = field("code_challenge").map(str::to_owned);
    if challenge.is_some() && field("code_challenge_method").is_some_and(|method| method != "S256") {
        return fail(redirect, "invalid_request", "invalid code challenge method");
    }
    match field("decision") {
        Some("deny") => return fail(redirect, "access_denied", "end-user denied authorization"),
        None if field("prompt")
            .is_some_and(|prompt| prompt.contains("consent") || prompt.contains("login")) =>
        {
            return form(&server.credentials.username, &fields);
        }
        _ => {}
    }
    let now = server.org.clock.now();
    let code = Code {
        client_id: client_id.to_owned(),
        redirect_uri,
        challenge,
        user_id: server.org.user_id.clone(),
        scope: field("scope").filter(|scope| !scope.is_empty()).unwrap_or(DEFAULT_SCOPE).to_owned(),
        expires_at: now.saturating_add(CODE_LIFETIME).unwrap_or(now),
    };
    let code = server.tokens.keep_code(code, now);
    redirect.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = state {
        redirect.query_pairs_mut().append_pair("state", state);
    }
    redirect.query_pairs_mut().append_pair("sfdc_community_url", &server.instance_url());
    ApiResponse::empty(302)
        .with_header("location", redirect.to_string())
        .with_header("x-request-id", random_text(16))
}

fn form(username: &str, fields: &[(String, String)]) -> ApiResponse {
    let hidden: String = fields
        .iter()
        .map(|(name, value)| {
            format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value))
        })
        .collect();
    ApiResponse::html(
        200,
        format!(
            "<!doctype html><html><head><title>Allow Access?</title></head><body><form method=\"post\">\
             <p>Allow access as {}?</p>{hidden}<button name=\"decision\" value=\"allow\">Allow</button>\
             <button name=\"decision\" value=\"deny\">Deny</button></form></body></html>",
            escape(username)
        ),
    )
}

/// Makes text safe inside HTML and XML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
