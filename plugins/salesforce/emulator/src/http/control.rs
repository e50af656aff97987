//! `/_emulator/`: faults, log, clock and permissions for tests in other processes. Answers on loopback alone.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::faults::FaultRule;
use super::log::Resource;
use super::message::{ApiRequest, ApiResponse};
use super::{Server, rules, versions};
use crate::org::Org;
use crate::schema::Visibility;
use crate::schema::visibility::{FieldAccess, ObjectAccess};

/// Answers a control request.
pub(crate) fn answer(server: &Server, caller: IpAddr, request: &ApiRequest) -> ApiResponse {
    if !caller.to_canonical().is_loopback() {
        return refuse(403, "control endpoints answer on the loopback address only");
    }
    let path: Vec<&str> = request.segments.iter().skip(1).map(String::as_str).collect();
    let result = match (request.method.as_str(), path.as_slice()) {
        ("GET", ["info"]) => Ok(info(server)),
        ("GET", ["faults"]) => Ok(json_of(&server.faults.states())),
        ("POST", ["faults"]) => add_faults(server, request),
        ("DELETE", ["faults"]) => {
            server.faults.clear();
            Ok(ApiResponse::empty(204))
        }
        ("GET", ["log"]) => Ok(log(server)),
        ("DELETE", ["log"]) => {
            server.log.clear();
            Ok(ApiResponse::empty(204))
        }
        ("POST", ["clock"]) => clock(server, request),
        ("GET", ["visibility"]) => Ok(json_of(&*server.org.visibility())),
        ("POST", ["visibility"]) => visibility(&server.org, request),
        ("POST", ["sessions"]) => sessions(server, request),
        ("POST", ["limits"]) => limits(server, request),
        ("POST", ["bulk"]) => rules::bulk(server, request),
        ("POST", ["rules"]) => rules::add(server, request),
        ("DELETE", ["rules"]) => {
            server.org.clear_rules();
            Ok(ApiResponse::empty(204))
        }
        ("POST", ["locks"]) => rules::lock_records(server, request),
        _ => Err((
            404,
            "no such control endpoint: there are info, faults, log, clock, visibility, sessions, limits, bulk, rules and locks"
                .to_owned(),
        )),
    };
    result.unwrap_or_else(|(status, message)| refuse(status, &message))
}

pub(super) type Controlled = Result<ApiResponse, (u16, String)>;

fn refuse(status: u16, message: &str) -> ApiResponse {
    ApiResponse::json(status, &json!({ "error": message }))
}

pub(super) fn json_of(value: &impl serde::Serialize) -> ApiResponse {
    match serde_json::to_vec(value) {
        Ok(body) => ApiResponse::raw_json(200, body),
        Err(error) => refuse(500, &error.to_string()),
    }
}

pub(super) fn body<'r, T: Deserialize<'r>>(request: &'r ApiRequest) -> Result<T, (u16, String)> {
    serde_json::from_slice(&request.body).map_err(|error| (400, error.to_string()))
}

fn info(server: &Server) -> ApiResponse {
    let (used, max) = server.usage.state(server.org.clock.now());
    ApiResponse::json(
        200,
        &json!({
            "login_url": server.login_url(),
            "instance_url": server.instance_url(),
            "proxy_url": server.encrypted.as_ref().map(|(_, address)| format!("http://{address}")),
            "ca_pem": server.encrypted.as_ref().map(|(tls, _)| tls.ca_pem()),
            "client_id": server.credentials.client_id,
            "client_secret": server.credentials.client_secret,
            "refresh_token": server.credentials.refresh_token,
            "username": server.credentials.username,
            "password": server.credentials.password,
            "security_token": server.credentials.security_token,
            "organization_id": server.org.org_id,
            "user_id": server.org.user_id,
            "oldest_version": format!("{}.0", versions::OLDEST),
            "newest_version": format!("{}.0", versions::NEWEST),
            "now": server.org.clock.now().to_string(),
            "api_requests": { "used": used, "max": max },
        }),
    )
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<FaultRule>),
    One(Box<FaultRule>),
}

fn add_faults(server: &Server, request: &ApiRequest) -> Controlled {
    // Read as one first: the message of an untagged enum would not say what is wrong with it.
    let rules = match body::<OneOrMany>(request) {
        Ok(OneOrMany::Many(rules)) => rules,
        Ok(OneOrMany::One(rule)) => vec![*rule],
        Err(_) => vec![body::<FaultRule>(request)?],
    };
    for rule in rules {
        server.faults.add(rule);
    }
    Ok(json_of(&server.faults.states()))
}

fn log(server: &Server) -> ApiResponse {
    let total = server.log.count(Resource::Any);
    ApiResponse::json(
        200,
        &json!({
            "total": total,
            "resources": server.log.counts(),
            "entries": server.log.entries(),
        }),
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    #[serde(default)]
    advance_seconds: Option<u64>,
    #[serde(default)]
    frozen: Option<bool>,
}

fn clock(server: &Server, request: &ApiRequest) -> Controlled {
    let change: ClockChange = body(request)?;
    if let Some(frozen) = change.frozen {
        server.org.clock.freeze(frozen);
    }
    if let Some(seconds) = change.advance_seconds {
        server.org.clock.advance(Duration::from_secs(seconds));
    }
    Ok(ApiResponse::json(200, &json!({ "now": server.org.clock.now().to_string() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VisibilityChange {
    /// `administrator`, `standard_user` or `minimum_access`, before the rest applies.
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    objects: std::collections::BTreeMap<String, ObjectAccess>,
    #[serde(default)]
    fields: std::collections::BTreeMap<String, std::collections::BTreeMap<String, FieldAccess>>,
    #[serde(default)]
    system: std::collections::BTreeMap<String, bool>,
}

fn visibility(org: &Org, request: &ApiRequest) -> Controlled {
    let change: VisibilityChange = body(request)?;
    let profile = match change.profile.as_deref() {
        None => None,
        Some("administrator") => Some(Visibility::administrator()),
        Some("standard_user") => Some(Visibility::standard_user()),
        Some("minimum_access") => Some(Visibility::minimum_access()),
        Some(other) => {
            return Err((
                400,
                format!("no profile {other}: there are administrator, standard_user and minimum_access"),
            ));
        }
    };
    org.change_visibility(|visibility| {
        if let Some(profile) = profile {
            *visibility = profile;
        }
        for (object, access) in &change.objects {
            visibility.set_object(object, *access);
        }
        for (object, fields) in &change.fields {
            for (field, access) in fields {
                visibility.set_field(object, field, *access);
            }
        }
        for (permission, granted) in &change.system {
            visibility.set_system(permission, *granted);
        }
    });
    Ok(json_of(&*org.visibility()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionChange {
    /// Ends all sessions, and with `refresh_tokens` takes those back too.
    #[serde(default)]
    refresh_tokens: bool,
}

fn sessions(server: &Server, request: &ApiRequest) -> Controlled {
    let change: SessionChange =
        if request.body.is_empty() { SessionChange { refresh_tokens: false } } else { body(request)? };
    if change.refresh_tokens {
        server.tokens.revoke_everything();
    } else {
        server.tokens.end_all_sessions();
    }
    Ok(ApiResponse::empty(204))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitChange {
    #[serde(default)]
    daily_api_requests: Option<u64>,
    #[serde(default)]
    reset: bool,
}

fn limits(server: &Server, request: &ApiRequest) -> Controlled {
    let change: LimitChange = body(request)?;
    if let Some(max) = change.daily_api_requests {
        server.usage.set_max(max);
    }
    if change.reset {
        server.usage.reset();
    }
    let (used, max) = server.usage.state(server.org.clock.now());
    Ok(ApiResponse::json(200, &json!({ "used": used, "max": max })))
}
