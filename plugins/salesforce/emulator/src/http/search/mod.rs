//! `/search` and `/parameterizedSearch`: records found by the words in their texts.

mod expression;
pub(crate) mod reading;
mod run;
mod sosl;

use serde::Deserialize;

use super::call::Call;
use super::message::{Answer, ApiResponse};
use crate::error::SalesforceError;
use sosl::{Group, Returning, Search};

/// Most records of one answer.
const MAX_RECORDS: usize = 2_000;
/// The version since which records stand inside an object.
const WRAPPED_SINCE: u16 = 37;

fn malformed(message: impl Into<String>) -> SalesforceError {
    SalesforceError::new(400, "MALFORMED_SEARCH", message)
}

/// `GET /search?q=`.
pub(crate) fn search(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD"])?;
    let search = sosl::parse(call.request.param("q").unwrap_or_default())?;
    answer(call, &search)
}

fn answer(call: &Call<'_>, search: &Search) -> Answer {
    let records = run::run(call, search)?;
    let mut body = Vec::with_capacity(records.len() + 24);
    let wrapped = call.version >= WRAPPED_SINCE;
    body.extend_from_slice(if wrapped { b"{\"searchRecords\":[" } else { b"[" });
    body.extend_from_slice(&records);
    body.extend_from_slice(if wrapped { b"]}" } else { b"]" });
    Ok(ApiResponse::raw_json(200, body))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    q: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    sobjects: Vec<ObjectParameters>,
    #[serde(default, rename = "in")]
    group: Option<String>,
    #[serde(default)]
    default_limit: Option<usize>,
    #[serde(default)]
    overall_limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectParameters {
    name: String,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default, rename = "where")]
    condition: Option<String>,
    #[serde(default)]
    order_by: Vec<Order>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct Order {
    field: String,
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    nulls: Option<String>,
}

/// `/parameterizedSearch`, its parameters in the URL or in a JSON body.
pub(crate) fn parameterized(call: &Call<'_>) -> Answer {
    call.allow(&["GET", "HEAD", "POST"])?;
    let parameters: Parameters = if call.method() == "POST" { call.body()? } else { from_url(call)? };
    let group = match parameters.group.as_deref() {
        None => Group::All,
        Some(name) => Group::named(name).ok_or_else(|| malformed(format!("unexpected token: {name}")))?,
    };
    let returning = parameters.sobjects.into_iter().map(|object| {
        let fields = if object.fields.is_empty() { &parameters.fields } else { &object.fields };
        let order: Vec<String> = object.order_by.iter().map(Order::soql).collect();
        Returning {
            object: object.name,
            fields: fields.join(","),
            condition: object.condition.unwrap_or_default(),
            order: if order.is_empty() { String::new() } else { format!("ORDER BY {}", order.join(",")) },
            limit: object.limit.or(parameters.default_limit),
            offset: parameters.offset,
        }
    });
    let search =
        Search { returning: returning.collect(), find: parameters.q, group, limit: parameters.overall_limit };
    answer(call, &search)
}

impl Order {
    fn soql(&self) -> String {
        let direction = self.order.as_deref().unwrap_or_default();
        let nulls = self.nulls.as_ref().map(|nulls| format!("NULLS {nulls}")).unwrap_or_default();
        format!("{} {direction} {nulls}", self.field)
    }
}

fn from_url(call: &Call<'_>) -> Result<Parameters, SalesforceError> {
    let list = |text: &str| {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let number = |name: &str| match call.request.param(name) {
        None => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| malformed(format!("{name} must be a number, not {text}")))
        }
    };
    let mut sobjects = Vec::new();
    for (_, name) in call.request.query.iter().filter(|(name, _)| name == "sobject") {
        let of = |parameter: &str| format!("{name}.{parameter}");
        let order = call.request.param(&of("orderBy")).map(|order| Order {
            field: order.to_owned(),
            order: None,
            nulls: None,
        });
        sobjects.push(ObjectParameters {
            name: name.clone(),
            fields: call.request.param(&of("fields")).map(list).unwrap_or_default(),
            condition: call.request.param(&of("where")).map(str::to_owned),
            order_by: order.into_iter().collect(),
            limit: number(&of("limit"))?,
        });
    }
    Ok(Parameters {
        q: call.request.param("q").unwrap_or_default().to_owned(),
        fields: call.request.param("fields").map(list).unwrap_or_default(),
        sobjects,
        group: call.request.param("in").map(str::to_owned),
        default_limit: number("defaultLimit")?,
        overall_limit: number("overallLimit")?,
        offset: number("offset")?.unwrap_or_default(),
    })
}
