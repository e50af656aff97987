//! Who a token belongs to: the identity URL, userinfo, introspection, revocation and the discovery document.

use serde_json::{Value, json};

use super::{OAuthError, equal};
use crate::http::Server;
use crate::http::message::{ApiRequest, ApiResponse};

/// `/id/ORG/USER`.
pub(crate) fn identity(server: &Server, request: &ApiRequest) -> ApiResponse {
    let wrong_org = || ApiResponse::html(404, "Wrong_Org");
    let [_, org, user] = request.segments.as_slice() else { return wrong_org() };
    let fits = |given: &str, own: &str| given == own || Some(given) == own.get(..15);
    if !fits(org, &server.org.org_id) || !fits(user, &server.org.user_id) {
        return wrong_org();
    }
    if session_is_missing(server, request) {
        return ApiResponse { status: 403, ..ApiResponse::html(403, "Bad_OAuth_Token") };
    }
    let base = server.instance_url();
    let (org, user) = (server.org.org_id.clone(), server.org.user_id.clone());
    let mut body = profile(server);
    body["id"] = json!(server.identity_url(&user));
    body["asserted_user"] = json!(true);
    body["username"] = json!(server.credentials.username);
    body["display_name"] = body["name"].take();
    body["first_name"] = body["given_name"].take();
    body["last_name"] = body["family_name"].take();
    body["timezone"] = body["zoneinfo"].take();
    body["status"] = json!({ "created_date": null, "body": null });
    body["is_app_installed"] = json!(true);
    if let Value::Object(fields) = &mut body {
        for renamed in [
            "name",
            "given_name",
            "family_name",
            "zoneinfo",
            "sub",
            "preferred_username",
            "profile",
            "picture",
        ] {
            fields.remove(renamed);
        }
    }
    body["organization_id"] = json!(org);
    body["user_id"] = json!(user);
    body["urls"] = urls(&base, &org, &user);
    ApiResponse::json(200, &body)
}

/// `/services/oauth2/userinfo`.
pub(crate) fn userinfo(server: &Server, request: &ApiRequest) -> ApiResponse {
    if session_is_missing(server, request) {
        return ApiResponse { status: 403, ..ApiResponse::html(403, "Bad_OAuth_Token") };
    }
    let mut body = profile(server);
    body["urls"] = urls(&server.instance_url(), &server.org.org_id, &server.org.user_id);
    ApiResponse::json(200, &body)
}

fn session_is_missing(server: &Server, request: &ApiRequest) -> bool {
    let now = server.org.clock.now();
    let given =
        request.token().or_else(|| request.param("oauth_token")).or_else(|| request.param("access_token"));
    given.and_then(|token| server.tokens.session(token, now)).is_none()
}

/// The user's own data, read from the User row.
fn profile(server: &Server) -> Value {
    let user = &server.org.user_id;
    let row = server.org.find("User", user).ok().flatten().unwrap_or_default();
    let text = |field: &str| row.text(field).map(str::to_owned);
    json!({
        "sub": server.identity_url(user),
        "user_id": user,
        "organization_id": server.org.org_id,
        "preferred_username": server.credentials.username,
        "nickname": text("CommunityNickname"),
        "name": text("Name"),
        "email": text("Email").unwrap_or_else(|| server.credentials.username.clone()),
        "email_verified": true,
        "given_name": text("FirstName"),
        "family_name": text("LastName"),
        "zoneinfo": text("TimeZoneSidKey").unwrap_or_else(|| "GMT".to_owned()),
        "profile": format!("{}/{user}", server.instance_url()),
        "picture": format!("{}/profilephoto/005/F", server.instance_url()),
        "active": true,
        "user_type": "STANDARD",
        "language": text("LanguageLocaleKey").unwrap_or_else(|| "en_US".to_owned()),
        "locale": text("LocaleSidKey").unwrap_or_else(|| "en_US".to_owned()),
        "utcOffset": 0,
        "updated_at": server.org.clock.stamp().to_string(),
    })
}

fn urls(base: &str, org: &str, user: &str) -> Value {
    let org15 = org.get(..15).unwrap_or(org);
    json!({
        "enterprise": format!("{base}/services/Soap/c/{{version}}/{org15}"),
        "metadata": format!("{base}/services/Soap/m/{{version}}/{org15}"),
        "partner": format!("{base}/services/Soap/u/{{version}}/{org15}"),
        "rest": format!("{base}/services/data/v{{version}}/"),
        "sobjects": format!("{base}/services/data/v{{version}}/sobjects/"),
        "search": format!("{base}/services/data/v{{version}}/search/"),
        "query": format!("{base}/services/data/v{{version}}/query/"),
        "recent": format!("{base}/services/data/v{{version}}/recent/"),
        "tooling_soap": format!("{base}/services/Soap/T/{{version}}/{org15}"),
        "tooling_rest": format!("{base}/services/data/v{{version}}/tooling/"),
        "profile": format!("{base}/{user}"),
        "feeds": format!("{base}/services/data/v{{version}}/chatter/feeds"),
        "groups": format!("{base}/services/data/v{{version}}/chatter/groups"),
        "users": format!("{base}/services/data/v{{version}}/chatter/users"),
        "feed_items": format!("{base}/services/data/v{{version}}/chatter/feed-items"),
        "custom_domain": base,
    })
}

/// `/services/oauth2/revoke`: 200 without a body, or 400 for a token that is none.
pub(crate) fn revoke(server: &Server, request: &ApiRequest) -> ApiResponse {
    let form = request.form();
    let token = form.iter().find(|(name, _)| name == "token").map(|(_, value)| value.as_str());
    match token {
        Some(token) if server.tokens.revoke(token) => ApiResponse::empty(200),
        Some(_) => OAuthError::new("invalid_token", "invalid token").into_response(),
        None => OAuthError::new("invalid_request", "token is required").into_response(),
    }
}

/// `/services/oauth2/introspect`, for the app's own tokens.
pub(crate) fn introspect(server: &Server, request: &ApiRequest) -> ApiResponse {
    let form = request.form();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let basic = super::basic_credentials(request);
    let id = field("client_id")
        .map(str::to_owned)
        .or_else(|| basic.as_ref().map(|(id, _)| id.clone()))
        .unwrap_or_default();
    let secret = field("client_secret")
        .map(str::to_owned)
        .or_else(|| basic.map(|(_, secret)| secret))
        .unwrap_or_default();
    if !equal(&id, &server.credentials.client_id) || !equal(&secret, &server.credentials.client_secret) {
        return OAuthError::new("invalid_client", "invalid client credentials")
            .with_status(401)
            .into_response();
    }
    let token = field("token").unwrap_or_default();
    if let Some(session) = server.tokens.session(token, server.org.clock.now()) {
        return ApiResponse::json(
            200,
            &json!({
                "active": true,
                "scope": session.scope,
                "client_id": server.credentials.client_id,
                "username": server.credentials.username,
                "sub": server.identity_url(&session.user_id),
                "token_type": "access_token",
                "exp": session.expires_at.as_second(),
                "iat": session.issued_at.as_second(),
                "nbf": session.issued_at.as_second(),
            }),
        );
    }
    let active = server.tokens.refresh_is_active(token);
    ApiResponse::json(200, &json!({ "active": active }))
}

/// `/.well-known/openid-configuration`.
pub(crate) fn openid_configuration(server: &Server) -> ApiResponse {
    let base = server.login_url();
    ApiResponse::json(
        200,
        &json!({
            "issuer": base,
            "authorization_endpoint": format!("{base}/services/oauth2/authorize"),
            "token_endpoint": format!("{base}/services/oauth2/token"),
            "revocation_endpoint": format!("{base}/services/oauth2/revoke"),
            "userinfo_endpoint": format!("{base}/services/oauth2/userinfo"),
            "introspection_endpoint": format!("{base}/services/oauth2/introspect"),
            "scopes_supported": ["id", "api", "web", "full", "refresh_token", "offline_access"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", "password", super::jwt::GRANT_TYPE],
            "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }),
    )
}
