//! Rows of an upload as changes of records, for both generations of the bulk resources.

use csv::StringRecord;
use serde_json::value::{RawValue, to_raw_value};

use super::job::Operation;
use crate::error::SalesforceError;
use crate::http::composite::{not_found_as_reference, record_id};
use crate::org::dml::{self, Context, Input, Upserted};
use crate::org::savepoint;
use crate::schema::{FieldSchema, FieldType, ObjectSchema, Schema, Visibility};

/// The text that empties a field; an empty value leaves it as it is.
const NULL: &str = "#N/A";

/// A record that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) id: String,
    pub(crate) created: bool,
}

/// What is done with every row of an upload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'s> {
    pub(crate) object: &'s ObjectSchema,
    pub(crate) operation: Operation,
    /// The field that an upsert finds records by.
    pub(crate) key: Option<&'s FieldSchema>,
}

impl<'s> Change<'s> {
    /// The change that a job names. An error is a code with a sentence.
    pub(crate) fn new(
        schema: &'s Schema,
        visibility: &Visibility,
        object: &str,
        operation: Operation,
        external_id: Option<&str>,
    ) -> Result<Self, SalesforceError> {
        let object = schema
            .object(object)
            .filter(|object| visibility.can_read(&object.name))
            .ok_or_else(|| super::query::unsupported(object))?;
        let refuse = |code: &str, message: String| Err(SalesforceError::new(400, code, message));
        if operation == Operation::HardDelete && !visibility.has("BulkApiHardDelete") {
            return refuse(
                "FEATURENOTENABLED",
                "hardDelete operation requires special user profile permission, please contact your system administrator"
                    .to_owned(),
            );
        }
        if operation != Operation::Upsert {
            return Ok(Self { object, operation, key: None });
        }
        let Some(name) = external_id.filter(|name| !name.is_empty()) else {
            let message = format!(
                "External ID was blank for {}. An External ID must be specified for upsert.",
                object.name
            );
            return refuse("INVALIDJOB", message);
        };
        let usable = |field: &&FieldSchema| field.external_id || field.id_lookup || field.ty == FieldType::Id;
        match object.field(name).filter(usable).filter(|field| visibility.can_see(&object.name, &field.name))
        {
            Some(key) => Ok(Self { object, operation, key: Some(key) }),
            None => refuse(
                "INVALIDJOB",
                format!(
                    "Field name provided, {name} does not match an External ID, Salesforce Id, or indexed field for {}",
                    object.name
                ),
            ),
        }
    }

    /// Changes one record; when that fails, nothing of it stays.
    pub(crate) fn apply(&self, context: &Context<'_>, input: Input) -> Result<Saved, SalesforceError> {
        savepoint(context.conn, || self.attempt(context, input))
    }

    fn attempt(&self, context: &Context<'_>, mut input: Input) -> Result<Saved, SalesforceError> {
        let object = self.object;
        let changed = |id: String| Saved { id, created: false };
        match self.operation {
            Operation::Insert => dml::create(context, object, &input).map(|id| Saved { id, created: true }),
            Operation::Upsert => self.upsert(context, input),
            Operation::Update => {
                let id = self.id(&mut input, "an update")?;
                dml::update(context, object, &id, &input)
                    .map_err(|error| not_found_as_reference(error, &id))?;
                Ok(changed(id))
            }
            Operation::Delete => {
                let id = self.id(&mut input, "a delete")?;
                dml::delete(context, object, &id)?;
                Ok(changed(id))
            }
            Operation::HardDelete => {
                let id = self.id(&mut input, "a delete")?;
                dml::purge(context, object, &id)?;
                Ok(changed(id))
            }
            Operation::Query | Operation::QueryAll => {
                Err(SalesforceError::internal("a query changes nothing"))
            }
        }
    }

    fn id(&self, input: &mut Input, call: &str) -> Result<String, SalesforceError> {
        let given = input.take_id().ok_or_else(|| {
            SalesforceError::new(400, "MISSING_ARGUMENT", format!("Id not specified in {call} call"))
        })?;
        record_id(self.object, &given)
    }

    fn upsert(&self, context: &Context<'_>, mut input: Input) -> Result<Saved, SalesforceError> {
        let key = self.key.ok_or_else(|| SalesforceError::internal("an upsert without a key"))?;
        let by_id = key.ty == FieldType::Id;
        let value = if by_id { input.take_id() } else { input.text(&key.name) };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            if by_id {
                return dml::create(context, self.object, &input).map(|id| Saved { id, created: true });
            }
            return Err(SalesforceError::new(400, "MISSING_ARGUMENT", format!("{} not specified", key.name)));
        };
        match dml::upsert(context, self.object, key, &value, &input)? {
            Upserted::Created(id) => Ok(Saved { id, created: true }),
            Upserted::Updated(id) => Ok(Saved { id, created: false }),
            Upserted::Several(_) => {
                let message =
                    format!("{}: more than one record found for external id field: [{value}]", key.label);
                Err(SalesforceError::new(400, "DUPLICATE_EXTERNAL_ID", message))
            }
        }
    }
}

/// The columns of an upload, from its first line.
#[derive(Debug)]
pub(crate) struct Columns<'s> {
    object: &'s ObjectSchema,
    columns: Vec<Column>,
}

#[derive(Debug)]
enum Column {
    Field(String),
    /// `Account.External__c` or `User:Owner.External__c`.
    Reference {
        relationship: String,
        target: Option<String>,
        key: String,
    },
}

impl<'s> Columns<'s> {
    /// Reads the names; the error names the one that is not there.
    pub(crate) fn read(
        object: &'s ObjectSchema,
        visibility: &Visibility,
        header: &StringRecord,
    ) -> Result<Self, String> {
        let columns = header.iter().map(|name| {
            let not_found = || format!("InvalidBatch : Field name not found : {name}");
            let sees = |field: &&FieldSchema| visibility.can_see(&object.name, &field.name);
            let Some((path, key)) = name.split_once('.') else {
                return object
                    .field(name)
                    .filter(sees)
                    .map(|field| Column::Field(field.name.clone()))
                    .ok_or_else(not_found);
            };
            let (target, relationship) = match path.split_once(':') {
                Some((target, relationship)) => (Some(target.to_owned()), relationship),
                None => (None, path),
            };
            let field = object.relationship(relationship).filter(sees).ok_or_else(not_found)?;
            let relationship = field.relationship_name.clone().unwrap_or_default();
            Ok(Column::Reference { relationship, target, key: key.to_owned() })
        });
        Ok(Self { object, columns: columns.collect::<Result<_, String>>()? })
    }

    /// A row as the fields of a record: what is empty is left out.
    pub(crate) fn input(&self, row: &StringRecord) -> Result<Input, SalesforceError> {
        if row.len() != self.columns.len() {
            let message =
                format!("The row has {} values, and the header {} columns", row.len(), self.columns.len());
            return Err(SalesforceError::new(400, "INVALID_INPUT", message));
        }
        let mut fields = Vec::with_capacity(row.len());
        for (column, value) in self.columns.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
            match column {
                Column::Field(name) => {
                    fields.push((name.clone(), raw(&Some(value).filter(|value| *value != NULL))?));
                }
                Column::Reference { relationship, .. } if value == NULL => {
                    fields.push((relationship.clone(), raw(&None)?));
                }
                Column::Reference { relationship, target, key } => {
                    let mut parent = serde_json::Map::new();
                    if let Some(target) = target {
                        parent.insert("attributes".to_owned(), serde_json::json!({ "type": target }));
                    }
                    parent.insert(key.clone(), value.into());
                    let parent = to_raw_value(&parent)
                        .map_err(|error| SalesforceError::internal(error.to_string()))?;
                    fields.push((relationship.clone(), parent));
                }
            }
        }
        Ok(Input { fields })
    }

    /// An error as it stands in a result, `CODE:message:fields --`.
    pub(crate) fn error_text(&self, row: &StringRecord, error: &SalesforceError) -> String {
        if error.code == "JSON_PARSER_ERROR"
            && let Some(text) = self.unreadable(row, error)
        {
            return text;
        }
        let fields = error.fields.join(" ");
        let space = if fields.is_empty() { "" } else { " " };
        format!("{}:{}:{fields}{space}--", error.code, error.message)
    }

    /// The sentence for a value that does not read as its field's type.
    fn unreadable(&self, row: &StringRecord, error: &SalesforceError) -> Option<String> {
        self.columns.iter().zip(row).enumerate().find_map(|(at, (column, value))| {
            let Column::Field(name) = column else { return None };
            let field = self.object.field(name)?;
            let here = format!("instance of {} from VALUE_STRING value {value} or ", field.ty.name());
            error.message.contains(&here).then(|| {
                format!(
                    "INVALID_FIELD:Failed to deserialize field at col {at}. Due to, '{value}' is not a valid value for \
                     the type {}:{name} --",
                    xsd(field.ty)
                )
            })
        })
    }
}

fn raw(text: &Option<&str>) -> Result<Box<RawValue>, SalesforceError> {
    to_raw_value(text).map_err(|error| SalesforceError::internal(error.to_string()))
}

/// A type by its name in XML schema.
fn xsd(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Boolean => "xsd:boolean",
        FieldType::Int => "xsd:int",
        FieldType::Double | FieldType::Currency | FieldType::Percent => "xsd:double",
        FieldType::Date => "xsd:date",
        FieldType::DateTime => "xsd:dateTime",
        FieldType::Time => "xsd:time",
        FieldType::Base64 => "xsd:base64Binary",
        _ => "xsd:string",
    }
}
