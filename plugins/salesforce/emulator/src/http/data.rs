//! The way of a path to its resource.

use http::Method;

use super::call::Call;
use super::faults::Plan;
use super::log::Resource;
use super::message::{Answer, ApiRequest, ApiResponse};
use super::{
    Server, bulk, bulk_v1, composite, counts, describe, external, layouts, limits, oauth, query, replication,
    search, soap, sobject, versions,
};
use crate::error::SalesforceError;
use crate::schema::ids;

/// Answers a request, and tells how many API calls it was.
pub(crate) fn route(
    server: &Server,
    host: Option<usize>,
    request: &ApiRequest,
    plan: &Plan,
) -> (ApiResponse, u32) {
    let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let response = match path.as_slice() {
        ["services", "data", rest @ ..] => return data(server, host, request, rest, plan),
        ["services", "async", ..] => return bulk_v1::answer(server, host, request, plan),
        ["services", "Soap", ..] => return soap::answer(server, request),
        ["services", "oauth2", "token"] => {
            with_method(request, &[Method::POST], || oauth::token(server, request))
        }
        ["services", "oauth2", "authorize"] => oauth::authorize(server, request),
        ["services", "oauth2", "revoke"] => oauth::revoke(server, request),
        ["services", "oauth2", "introspect"] => {
            with_method(request, &[Method::POST], || oauth::introspect(server, request))
        }
        ["services", "oauth2", "userinfo"] => oauth::userinfo(server, request),
        ["setup", "connect"] => oauth::device_page(server, request),
        [".well-known", "openid-configuration"] => oauth::openid_configuration(server),
        ["id", ..] => oauth::identity(server, request),
        _ => ApiResponse::html(
            404,
            "<html><head><title>URL No Longer Exists</title></head><body><h1>URL No Longer Exists</h1></body></html>",
        ),
    };
    (response, 0)
}

fn with_method(
    request: &ApiRequest,
    allowed: &[Method],
    answer: impl FnOnce() -> ApiResponse,
) -> ApiResponse {
    if allowed.contains(&request.method) {
        answer()
    } else {
        ApiResponse::html(
            405,
            "<html><head><title>Error 405</title></head><body><h1>HTTP ERROR 405</h1></body></html>",
        )
    }
}

/// The kind of resource that a path leads to, and the object that the request is about.
pub(crate) fn classify(request: &ApiRequest) -> (Resource, Option<String>) {
    let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let data = match path.as_slice() {
        ["services", "oauth2", "token"] => return (Resource::Token, None),
        ["services", "Soap", ..] => return (Resource::Soap, None),
        ["services", "async", ..] => return (Resource::BulkV1, None),
        ["services", "oauth2", ..] | ["id", ..] | [".well-known", ..] | ["setup", ..] => {
            return (Resource::Identity, None);
        }
        ["services", "data"] | ["services", "data", _] => return (Resource::Versions, None),
        ["services", "data", _, data @ ..] => data,
        _ => return (Resource::Other, None),
    };
    let owned = |object: &str| Some(object.to_owned());
    match data {
        ["limits", ..] => (Resource::Limits, None),
        ["query" | "queryAll"] => (Resource::Query, request.param("q").and_then(query::object_of)),
        ["query" | "queryAll", ..] => (Resource::QueryMore, None),
        ["composite", ..] => (Resource::Composite, None),
        ["jobs", rest @ ..] => bulk::classify(request, rest),
        ["search" | "parameterizedSearch"] => (Resource::Search, None),
        ["ui-api", "object-info", object, ..] => (Resource::Describe, owned(object)),
        ["sobjects"] => (Resource::Describe, None),
        ["sobjects", object, "describe", ..] => (Resource::Describe, owned(object)),
        ["sobjects", object, "updated" | "deleted"] => (Resource::Replication, owned(object)),
        ["sobjects", object, id, "Body" | "VersionData" | "Content" | "Document"] if ids::is_valid(id) => {
            (Resource::Blob, owned(object))
        }
        ["sobjects", object, ..] => (Resource::Sobject, owned(object)),
        _ => (Resource::Other, None),
    }
}

fn data(
    server: &Server,
    host: Option<usize>,
    request: &ApiRequest,
    path: &[&str],
    plan: &Plan,
) -> (ApiResponse, u32) {
    let Some((version, _)) = path.split_first() else {
        return (versions::list(), 0);
    };
    match admit(server, host, request, version) {
        Ok((version, session)) => {
            let rest = request.segments.get(3..).unwrap_or_default();
            let call =
                Call { server, request, version, path: rest, session: &session, plan, transaction: None };
            let calls = composite::calls_of(&call);
            let now = server.org.clock.now();
            let response = match server.usage.take(u64::from(calls), now) {
                Ok(()) => settled(&call).unwrap_or_else(|error| ApiResponse::error(&error)),
                Err(error) => return (ApiResponse::error(&error), 0),
            };
            let (used, max) = server.usage.state(now);
            (response.with_header("sforce-limit-info", format!("api-usage={used}/{max}")), calls)
        }
        Err(response) => (*response, 0),
    }
}

/// The first REST version that there ever was.
const FIRST: u16 = 20;

/// Checks the host, the version, the session and the user's permission to use the API at all.
fn admit(
    server: &Server,
    host: Option<usize>,
    request: &ApiRequest,
    version: &str,
) -> Result<(u16, oauth::Session), Box<ApiResponse>> {
    let refuse = |error: &SalesforceError| Box::new(ApiResponse::error(error));
    match server.away(host) {
        Some(401) => return Err(refuse(&SalesforceError::invalid_session())),
        Some(status) => {
            let query =
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&request.query).finish();
            let mark = if query.is_empty() { "" } else { "?" };
            let target = format!("{}{}{mark}{query}", server.instance_url(), request.path);
            return Err(Box::new(ApiResponse::empty(status).with_header("location", target)));
        }
        None => {}
    }
    let number = versions::parse(version).ok_or_else(|| refuse(&SalesforceError::no_such_resource()))?;
    if !(FIRST..=versions::NEWEST).contains(&number) {
        return Err(refuse(&SalesforceError::no_such_resource()));
    }
    if number < versions::OLDEST {
        let message = "The requested API version is no longer supported. See the API End-of-Life policy.";
        return Err(refuse(&SalesforceError::new(410, "UNSUPPORTED_API_VERSION", message)));
    }
    let now = server.org.clock.now();
    let session = request.token().and_then(|token| server.tokens.session(token, now));
    let session = session.ok_or_else(|| {
        Box::new(
            ApiResponse::error(&SalesforceError::invalid_session()).with_header("www-authenticate", "Token"),
        )
    })?;
    if !server.org.visibility().has("ApiEnabled") {
        return Err(refuse(&SalesforceError::new(
            403,
            "API_CURRENTLY_DISABLED",
            "API is disabled for this User",
        )));
    }
    Ok((number, session))
}

/// Calls a resource, after permission rows have caught up with the permissions.
fn settled(call: &Call<'_>) -> Answer {
    call.server.org.settle_permissions()?;
    resource(call)
}

/// Calls a resource of a version; composite parts come here too.
pub(crate) fn resource(call: &Call<'_>) -> Answer {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => versions::resources(call),
        ["limits"] => limits::limits(call),
        ["limits", "recordCount"] => counts::record_count(call),
        ["query"] => query::query(call, false),
        ["queryAll"] => query::query(call, true),
        ["query" | "queryAll", locator] => query::more(call, locator),
        ["recent"] => {
            call.allow(&["GET", "HEAD"])?;
            Ok(ApiResponse::raw_json(200, "[]"))
        }
        ["composite", rest @ ..] => composite::answer(call, rest),
        ["jobs", rest @ ..] => bulk::answer(call, rest),
        ["search"] => search::search(call),
        ["parameterizedSearch"] => search::parameterized(call),
        ["sobjects"] => describe::global(call),
        ["sobjects", object] => sobject::object(call, object),
        ["sobjects", object, "describe"] => describe::object(call, object),
        ["sobjects", object, "describe", "layouts"] => layouts::layouts(call, object, None),
        ["sobjects", object, "describe", "layouts", kind] => layouts::layouts(call, object, Some(kind)),
        ["ui-api", "object-info", object, "picklist-values", kind] => {
            layouts::picklist_values(call, object, kind, None)
        }
        ["ui-api", "object-info", object, "picklist-values", kind, field] => {
            layouts::picklist_values(call, object, kind, Some(field))
        }
        ["sobjects", object, "updated"] => replication::updated(call, object),
        ["sobjects", object, "deleted"] => replication::deleted(call, object),
        ["sobjects", object, id] => sobject::record(call, object, id),
        ["sobjects", object, id, field] if ids::is_valid(id) && *id != "Id" => {
            sobject::below(call, object, id, &[field])
        }
        ["sobjects", object, field, value] => external::record(call, object, field, value),
        ["sobjects", object, id, rest @ ..] if ids::is_valid(id) => sobject::below(call, object, id, rest),
        _ => Err(SalesforceError::no_such_resource()),
    }
}
