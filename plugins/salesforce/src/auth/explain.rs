//! Why there is no token, in plain words: Salesforce uses few codes for many reasons, and the description tells them apart.

use unicrm_core::{Error, ErrorKind};
use unicrm_http::oauth::OAuthError;

use crate::config::{Flow, SalesforceConfig};

/// The error with what to do about it.
pub(super) fn explained(error: OAuthError, config: &SalesforceConfig) -> Error {
    let OAuthError::Refused { code, description, .. } = &error else { return error.into() };
    if error.is_transient() {
        return error.into();
    }
    let said = description.as_deref().unwrap_or_default().to_ascii_lowercase();
    let Some((kind, advice)) = grant(code, &said, config).or_else(|| app(code, &said, config)) else {
        return error.into();
    };
    Error::new(kind, error.to_string()).with_remote_code(code.as_str()).with_advice(advice)
}

/// What is wrong with the grant: the refresh token, the assertion, the user, the place.
fn grant(code: &str, said: &str, config: &SalesforceConfig) -> Option<(ErrorKind, String)> {
    if code != "invalid_grant" {
        return None;
    }
    let host = config.login_url.host_str().unwrap_or_default();
    let says = |words: &str| said.contains(words);
    let unauthenticated = |advice: &str| (ErrorKind::Unauthenticated, advice.to_owned());
    Some(if says("not supported on this domain") {
        let advice =
            format!("{host} does not serve this flow: put the org's My Domain URL into \"login_url\".");
        (ErrorKind::InvalidConfig, advice)
    } else if says("no client credentials user") {
        let advice = "Choose a user under \"Run As\" in the client credentials flow of the app's policies (Setup > External \
                      Client App Manager, or App Manager > Manage).";
        (ErrorKind::InvalidConfig, advice.to_owned())
    } else if says("expired access/refresh token") || says("token validity") {
        unauthenticated(
            "The refresh token was revoked, has expired, or was used a second time: link the account again.",
        )
    } else if says("ip restricted") || says("ip not allowed") {
        unauthenticated(
            "Allow this machine's address in the login IP ranges of the user's profile, or relax them in the app's policies.",
        )
    } else if says("inactive user") {
        unauthenticated("The user is deactivated: activate it, or link another one.")
    } else if says("hasn't approved this consumer") {
        unauthenticated(
            "Check \"username\", and let the app in for this user: in the app's policies choose \"Admin approved users are \
             pre-authorized\", and assign the app to the user's profile or to a permission set of the user.",
        )
    } else if says("audience") {
        unauthenticated(
            "\"login_url\" is the assertion's audience: https://login.salesforce.com for production, \
             https://test.salesforce.com for sandboxes, or the org's My Domain.",
        )
    } else if says("assertion expired") {
        unauthenticated(
            "An assertion is good for minutes: set this machine's clock, which Salesforce finds wrong.",
        )
    } else if says("invalid assertion") || says("algorithm unsupported") {
        unauthenticated(
            "The private key does not belong to the certificate that the app has: upload its certificate (Setup > External \
             Client App Manager > the app > OAuth settings), or link with the right key.",
        )
    } else if says("expired authorization code") || says("code verifier") {
        unauthenticated("The code from the browser is used up or too old: start the login again.")
    } else if says("token exchange failed") {
        unauthenticated("The code was refused or is too old: start the login again.")
    } else {
        let advice = format!(
            "Check \"login_url\" (now {host}): login.salesforce.com for production, test.salesforce.com for sandboxes, or the \
             org's My Domain; then link the account again.",
        );
        (ErrorKind::Unauthenticated, advice)
    })
}

/// What is wrong with the app, or with how it is asked.
fn app(code: &str, said: &str, config: &SalesforceConfig) -> Option<(ErrorKind, String)> {
    let host = config.login_url.host_str().unwrap_or_default();
    let (kind, advice) = match code {
        "invalid_client_id" => {
            let advice = format!(
                "{host} does not know this \"client_id\": check it, and \"login_url\"; a new app takes ten minutes to work."
            );
            return Some((ErrorKind::Unauthenticated, advice));
        }
        "invalid_client" if config.flow == Flow::ClientCredentials => (
            ErrorKind::Unauthenticated,
            "The secret \"client_secret\" is wrong or was rotated: link the account again.",
        ),
        "invalid_client" => (
            ErrorKind::Unauthenticated,
            "The secret \"client_secret\" is wrong or was rotated, or the app wants one and there is none: link the account \
             again.",
        ),
        "invalid_app_access" | "app_not_found" => (
            ErrorKind::Unauthenticated,
            "Admit the user to the app: assign the app to the user's profile or permission set, or allow all users to \
             authorise themselves (the app's OAuth policies).",
        ),
        "access_denied" if said.contains("end-user denied") => {
            (ErrorKind::Unauthenticated, "The access was denied in the browser: start again, and allow it.")
        }
        "access_denied" => (
            ErrorKind::Unauthenticated,
            "The access was denied: admit the user to the app (the app's OAuth policies), then start the login again.",
        ),
        "inactive_org" => (ErrorKind::Unauthenticated, "The org is locked, closed or has expired."),
        "redirect_uri_mismatch" | "redirect_uri_missing" => (
            ErrorKind::InvalidConfig,
            "Add exactly this callback URL, port and path included, to the app's OAuth settings.",
        ),
        "invalid_scope" => (
            ErrorKind::InvalidConfig,
            "Give the app the scopes api, id and refresh_token in its OAuth settings.",
        ),
        "unsupported_grant_type" | "unauthorized_client" => {
            (ErrorKind::InvalidConfig, "Enable this flow in the app's OAuth settings.")
        }
        _ => return None,
    };
    Some((kind, advice.to_owned()))
}
