//! Salesforce's REST API: every URL and header that the plugin sends, and the form of every answer.

mod answer;
mod bulk;
mod client;
mod clock;
mod composite;
mod connection;
mod describe;
mod describe_cache;
mod dml;
pub(crate) mod id;
mod identity;
mod ingest;
mod ingest_results;
mod limits;
mod lines;
mod query;
mod replication;
mod search;
mod soap;
mod soql;
mod sosl;
pub(crate) mod time;
mod version;

pub(crate) use bulk::{BULK_SINCE, BulkJob, JobState, Layout, ResultPage, Table};
pub(crate) use client::Client;
pub(crate) use composite::{SubAnswer, SubAnswers, SubRequest};
pub(crate) use describe::{Describe, DescribeField, FieldType, GlobalDescribe, GlobalObject, RecordTypeInfo};
pub(crate) use dml::{Change, ChangedRow, MAX_GRAPHS, MAX_NODES, MAX_ROWS, RowAnswer};
pub(crate) use id::{SalesforceId, widened};
pub(crate) use ingest::{Ingest, IngestState, MAX_UPLOAD, NULL_CELL, NewIngest, refusal_of};
pub(crate) use ingest_results::{ResultTable, Results};
pub(crate) use query::{Locator, QueryOptions, QueryPage};
pub(crate) use replication::{Deleted, DeletedRecord};
pub(crate) use search::Hit;
pub(crate) use soap::{Conversion, LeadConvert, MAX_LEADS, is_xml_text};
pub(crate) use soql::{Condition, Literal, Order, Soql};
pub(crate) use sosl::{MOST_RECORDS, Sosl, Within};
pub(crate) use time::{datetime_text, midnight, parse_date, parse_datetime, remote_datetime_text, utc_date};
pub use version::ApiVersion;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;
