//! Queries against a small org in memory.

mod aggregates;
mod errors;
mod filters;
mod mixtures;
mod pages;
mod recordings;
mod records;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use rust_decimal::Decimal;
use serde_json::Value;

use super::ddl::{create_table_sql, is_stored, quote};
use super::locator::Locators;
use super::run::{PageOptions, query as answer_query};
use super::{UserContext, prepare, register_collation};
use crate::SalesforceError;
use crate::schema::ids::salesforce_id;
use crate::schema::{Features, FieldSchema, FieldType, ObjectSchema, Schema, Visibility};

const NOW: &str = "2026-11-22T10:11:12Z";
const USER: &str = "0055e0000000001AAA";

/// An org: its schema, its rows and what the user sees.
struct Org {
    schema: Schema,
    visibility: Visibility,
    conn: Connection,
    locators: Locators,
}

impl Org {
    fn new() -> Self {
        let mut schema = Schema::standard(&Features::default());
        schema.add_object(ObjectSchema::custom("Thing__c")).expect("new");
        for field in [
            FieldSchema::new("Parent__c", FieldType::Reference).to(&["Account"], Some("Parent__r")),
            FieldSchema::new("Skills__c", FieldType::MultiPicklist),
            FieldSchema::new("Score__c", FieldType::Double),
            FieldSchema::new("At__c", FieldType::Time),
            FieldSchema::new("Text__c", FieldType::String),
            FieldSchema::new("Flag__c", FieldType::Boolean),
            FieldSchema::new("Day__c", FieldType::Date),
            FieldSchema::new("Moment__c", FieldType::DateTime),
        ] {
            schema.add_field("Thing__c", field).expect("new");
        }
        let conn = Connection::open_in_memory().expect("memory");
        register_collation(&conn).expect("functions");
        conn.set_prepared_statement_cache_capacity(128);
        for object in schema.objects() {
            conn.execute_batch(&create_table_sql(object)).expect("table");
        }
        Self { schema, visibility: Visibility::administrator(), conn, locators: Locators::default() }
    }

    /// Inserts a record and gives its id. Values are written as SOQL clients read them.
    fn put(&self, object: &str, values: &[(&str, &str)]) -> String {
        let object = self.schema.object(object).expect("object");
        let table = quote(&object.name);
        let next: i64 = self
            .conn
            .query_row(&format!("SELECT COUNT(*) + 1 FROM {table}"), [], |row| row.get(0))
            .expect("count");
        let prefix = object.key_prefix.as_deref().unwrap_or("000");
        let id = values
            .iter()
            .find(|(name, _)| *name == "Id")
            .map_or_else(|| salesforce_id(prefix, next.unsigned_abs()), |(_, id)| (*id).to_owned());
        let mut names = vec![quote("Id")];
        let mut stored = vec![Stored::Text(id.clone())];
        for (name, value) in values.iter().filter(|(name, _)| *name != "Id") {
            let field = object.field(name).unwrap_or_else(|| panic!("no field {name}"));
            assert!(is_stored(field));
            names.push(quote(&field.name));
            stored.push(encode(field, value));
        }
        let marks = vec!["?"; names.len()].join(",");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(","));
        self.conn.execute(&sql, rusqlite::params_from_iter(stored)).expect("insert");
        id
    }

    fn options(&self) -> PageOptions<'static> {
        PageOptions { version: "66.0", batch_size: None, max_page_bytes: None, user: USER, now: now() }
    }

    fn text(&self, soql: &str, all_rows: bool) -> Result<String, SalesforceError> {
        let user = UserContext { user_id: USER.to_owned() };
        let prepared = prepare(&self.schema, &self.visibility, soql, all_rows, now(), &user)?;
        let body = answer_query(&self.conn, &prepared, &self.locators, &self.options())?;
        Ok(String::from_utf8(body).expect("UTF-8"))
    }

    fn answer(&self, soql: &str) -> Value {
        let text = self.text(soql, false).unwrap_or_else(|error| panic!("{soql}: {error}"));
        serde_json::from_str(&text).expect("JSON")
    }

    fn all(&self, soql: &str) -> Value {
        serde_json::from_str(&self.text(soql, true).expect("answer")).expect("JSON")
    }

    fn error(&self, soql: &str) -> SalesforceError {
        match self.text(soql, false) {
            Ok(body) => panic!("{soql} gave {body}"),
            Err(error) => error,
        }
    }

    /// The values of one member in all records.
    fn column(&self, soql: &str, member: &str) -> Vec<Value> {
        column(&self.answer(soql), member)
    }

    fn names(&self, soql: &str) -> Vec<String> {
        let texts = self.column(soql, "Name");
        texts.iter().map(|text| text.as_str().unwrap_or("null").to_owned()).collect()
    }
}

fn column(answer: &Value, member: &str) -> Vec<Value> {
    answer["records"].as_array().expect("records").iter().map(|record| record[member].clone()).collect()
}

fn now() -> Timestamp {
    NOW.parse().expect("valid")
}

fn encode(field: &FieldSchema, value: &str) -> Stored {
    match field.ty {
        FieldType::Boolean => Stored::Integer(i64::from(value == "true")),
        FieldType::Int => Stored::Integer(value.parse().expect("integer")),
        FieldType::Double | FieldType::Currency | FieldType::Percent => {
            let mut number: Decimal = value.parse().expect("decimal");
            number.rescale(field.scale.into());
            Stored::Integer(i64::try_from(number.mantissa()).expect("in range"))
        }
        FieldType::DateTime => {
            Stored::Integer(value.parse::<Timestamp>().expect("time stamp").as_millisecond())
        }
        FieldType::Time => {
            let time: jiff::civil::Time = value.parse().expect("time");
            let since = time.duration_since(jiff::civil::Time::midnight());
            Stored::Integer(i64::try_from(since.as_millis()).expect("in range"))
        }
        _ => Stored::Text(value.to_owned()),
    }
}
