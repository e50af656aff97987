//! Pages of records, in the order of their ids: what is changed meanwhile can neither repeat nor hide one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use unicrm_core::{
    AssociationType, CustomObject, CustomPage, CustomRead, CustomRow, Error, ErrorKind, GoneReason, Json,
    Next, PageToken, RawRecord, RemoteId, Scope, Usage, from_json,
};

use super::{Custom, by_prefix, describe, no_such_class};
use crate::api::{Condition, Describe, Literal, Order, QueryOptions, SalesforceId, Soql, parse_datetime};
use crate::error::Code;
use crate::read::select::selectable;
use crate::read::small::all_pages;

/// Rows of a page, unless the host asks for fewer; Salesforce gives no more in one answer.
const PAGE: u32 = 2_000;
/// Ids of one query.
const CHUNK: usize = 200;
/// The version of a token's layout.
const VERSION: u8 = 1;

/// Where the next page starts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    v: u8,
    class: String,
    /// Of a reading of all records: the last one delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    /// Of a reading by ids: how many were asked for.
    #[serde(default)]
    asked: usize,
}

impl Cursor {
    fn of(request: &CustomRead) -> Result<Self, Error> {
        let start = Self { v: VERSION, class: request.class.clone(), after: None, asked: 0 };
        let Some(token) = &request.after else { return Ok(start) };
        let refused = || Error::new(ErrorKind::InvalidRequest, "this is no page token of this class");
        let cursor: Self = from_json(token.as_str()).map_err(|error| refused().with_source(error))?;
        if cursor.v != VERSION || cursor.class != request.class {
            return Err(refused());
        }
        Ok(cursor)
    }

    fn token(&self) -> PageToken {
        PageToken::new(Json::of(self).as_str())
    }
}

pub(super) async fn page(custom: &Custom, request: &CustomRead) -> Result<CustomPage, Error> {
    let mut cursor = Cursor::of(request)?;
    let mut usage = Usage::default();
    let global = custom.client.describe_global(&mut usage).await?;
    let size = request.page_size.unwrap_or(PAGE).clamp(1, PAGE);
    let mut described_anew = false;
    let (describe, pages, wanted) = loop {
        let describe = describe(&custom.client, &mut usage, &request.class).await?;
        let (soql, wanted) = query(&describe, request, &cursor, size)?;
        let options = QueryOptions { all_rows: true, batch_size: None };
        match all_pages(&custom.client, &mut usage, &soql, options).await {
            Ok(pages) => break (describe, pages, wanted),
            // The description is older than the org: once more, with a new one.
            Err(fault) if fault.is(&Code::InvalidField) && !described_anew => {
                custom.client.forget_describe(&request.class);
                described_anew = true;
            }
            Err(fault) => return Err(no_such_class(&request.class, fault)),
        }
    };
    let decoder = Decoder {
        custom,
        class: &describe.object.name,
        associations: custom.association_types(&describe, &global),
        prefixes: by_prefix(&global),
    };
    let mut rows: Vec<CustomRow> =
        pages.iter().flat_map(|page| page.rows()).map(|row| decoder.row(row)).collect();
    let next = match &request.scope {
        Scope::Ids(ids) => {
            let known: BTreeSet<RemoteId> = rows.iter().filter_map(|row| row.remote_id().cloned()).collect();
            let missing = wanted.iter().filter(|id| !known.contains(normal(id).as_str()));
            let missing: Vec<_> = missing
                .map(|id| CustomRow::Gone { remote_id: id.clone(), reason: GoneReason::NotVisible })
                .collect();
            rows.extend(missing);
            cursor.asked += wanted.len();
            cursor.asked < ids.len()
        }
        _ => {
            cursor.after = rows.last().and_then(CustomRow::remote_id).map(|id| id.as_str().to_owned());
            rows.len() >= size as usize && cursor.after.is_some()
        }
    };
    let next = if next { Next::More(cursor.token()) } else { Next::End(None) };
    Ok(CustomPage::new(rows, next).with_usage(usage))
}

/// The query of a page, and the ids that it asks for when they are given.
fn query(
    describe: &Describe,
    request: &CustomRead,
    cursor: &Cursor,
    size: u32,
) -> Result<(Soql, Vec<RemoteId>), Error> {
    let fields = describe.fields.iter().filter(|field| selectable(field)).map(|field| field.name.as_str());
    let soql = Soql::select(describe.object.name.as_str()).fields(fields);
    match &request.scope {
        Scope::All => {
            let soql = soql.order_by([Order::ascending("Id")]).limit(size);
            let after = cursor.after.as_deref().map(|id| Condition::gt("Id", Literal::id(id)));
            Ok((after.into_iter().fold(soql, Soql::filter), Vec::new()))
        }
        Scope::Ids(ids) => {
            let wanted: Vec<RemoteId> =
                ids.iter().skip(cursor.asked).take(CHUNK.min(size as usize)).cloned().collect();
            // What is no id is the id of no record.
            let listed = wanted.iter().filter_map(|id| SalesforceId::parse(id.as_str()));
            let listed = listed.map(|id| Literal::id(id.as_str()));
            Ok((soql.filter(Condition::in_("Id", listed)), wanted))
        }
        _ => Err(Error::new(ErrorKind::Unsupported, "custom objects are read whole, or by ids")),
    }
}

/// The 18-character form of an id.
fn normal(id: &RemoteId) -> String {
    crate::api::widened(id.as_str()).into_owned()
}

struct Decoder<'a> {
    custom: &'a Custom,
    class: &'a str,
    associations: Vec<AssociationType>,
    prefixes: BTreeMap<&'a str, &'a str>,
}

impl Decoder<'_> {
    fn row(&self, json: &str) -> CustomRow {
        self.object(json).unwrap_or_else(|error| CustomRow::Rejected {
            remote_id: None,
            error,
            raw: RawRecord::new(format!("/sobjects/{}", self.class), json),
        })
    }

    fn object(&self, json: &str) -> Result<CustomRow, Error> {
        let mut fields: BTreeMap<String, Json> = from_json(json)
            .map_err(|error| Error::new(ErrorKind::Decode, "a row is no record").with_source(error))?;
        fields.remove("attributes");
        let id = fields.remove("Id").and_then(|id| id.to_text()).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Error::new(ErrorKind::Decode, "a record came without an id"))?;
        let remote_id = RemoteId::from(crate::api::widened(&id).into_owned());
        if fields.remove("IsDeleted").is_some_and(|flag| flag.as_str() == "true") {
            return Ok(CustomRow::Gone { remote_id, reason: GoneReason::Deleted });
        }
        let account = self.custom.linked_account;
        let mut object = CustomObject::new(account, self.class, remote_id);
        let instant = |name: &str| parse_datetime(&fields.get(name)?.to_text()?);
        object.remote_created_at = instant("CreatedDate");
        object.remote_updated_at = instant("SystemModstamp");
        for association in &self.associations {
            let target = fields.get(&association.remote_key_name).and_then(Json::to_text);
            let Some(target) = target.map(|id| RemoteId::from(crate::api::widened(&id).into_owned())) else {
                continue;
            };
            let class = target.as_str().get(..3).and_then(|prefix| self.prefixes.get(prefix)).copied();
            object.associations.push(association.associate(account, &object.remote_id, &target, class));
        }
        object.fields = fields;
        Ok(CustomRow::Live(object))
    }
}
