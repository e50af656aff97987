//! From the JSON of a write to field values: names, permissions, types and ranges are checked here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use rust_decimal::Decimal;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Context;
use super::reference;
use crate::error::SalesforceError;
use crate::org::record::Record;
use crate::org::value::Value;
use crate::schema::{FieldSchema, FieldType, ObjectSchema};

/// The fields of a JSON object in their order, with values as written: numbers must not pass through floating point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Input {
    pub(crate) fields: Vec<(String, Box<RawValue>)>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(default, rename = "type")]
    object: Option<String>,
    #[serde(default, rename = "referenceId")]
    reference_id: Option<String>,
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Input;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with the fields of a record")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Input, M::Error> {
                let mut fields = Vec::new();
                while let Some(entry) = map.next_entry::<String, Box<RawValue>>()? {
                    fields.push(entry);
                }
                Ok(Input { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl Input {
    /// The object that `attributes.type` names.
    pub(crate) fn object_type(&self) -> Option<String> {
        self.attributes()?.object
    }

    /// The name of the record in a tree, `attributes.referenceId`.
    pub(crate) fn reference_id(&self) -> Option<String> {
        self.attributes()?.reference_id
    }

    fn attributes(&self) -> Option<Attributes> {
        serde_json::from_str(self.raw("attributes")?.get()).ok()
    }

    /// Takes the record's id out.
    pub(crate) fn take_id(&mut self) -> Option<String> {
        let at = self.fields.iter().position(|(name, _)| name.eq_ignore_ascii_case("Id"))?;
        let (_, raw) = self.fields.remove(at);
        serde_json::from_str(raw.get()).ok().flatten()
    }

    /// The text of a field, if it is text or a number.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match Token::of(self.raw(name)?) {
            Token::Text(text) => Some(text),
            Token::Number(number) => Some(number.to_owned()),
            _ => None,
        }
    }

    fn raw(&self, name: &str) -> Option<&RawValue> {
        self.fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, raw)| raw.as_ref())
    }
}

/// Whether a write makes a record or changes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
}

/// Reads the fields of a write.
pub(crate) fn read(
    context: &Context<'_>,
    object: &ObjectSchema,
    input: &Input,
    operation: Operation,
) -> Result<Record, SalesforceError> {
    let mut record = Record::new();
    let mut refused = Vec::new();
    for (name, raw) in &input.fields {
        if name == "attributes" {
            continue;
        }
        if name.eq_ignore_ascii_case("Id") {
            return Err(id_in_body(operation));
        }
        let Some(field) = object.field(name).filter(|field| context.sees(object, field)) else {
            let relationship = object.relationship(name).filter(|field| context.sees(object, field));
            let field = relationship.ok_or_else(|| no_such_column(object, name))?;
            record.set(&field.name, reference::by_external_id(context, object, field, raw)?);
            continue;
        };
        if !context.may_set(object, field, operation) {
            refused.push(field.name.clone());
            continue;
        }
        let value = value(field, raw)?;
        if field.ty == FieldType::Reference {
            record.set(&field.name, reference::check(context, object, field, value)?);
        } else {
            record.set(&field.name, value);
        }
    }
    if refused.is_empty() {
        return Ok(record);
    }
    let message = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is \
         read/write for your profile or permission set.",
        refused.join(", ")
    );
    Err(SalesforceError::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message).with_fields(refused))
}

fn id_in_body(operation: Operation) -> SalesforceError {
    match operation {
        Operation::Create => SalesforceError::new(
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "cannot specify Id in an insert call",
        )
        .with_fields(["Id"]),
        Operation::Update => SalesforceError::new(
            400,
            "INVALID_FIELD",
            "The Id field should not be specified in the sobject data.",
        ),
    }
}

/// The error for a field that does not exist, or that the user may not see.
pub(crate) fn no_such_column(object: &ObjectSchema, name: &str) -> SalesforceError {
    SalesforceError::new(
        400,
        "INVALID_FIELD",
        format!("No such column '{name}' on sobject of type {}", object.name),
    )
}

/// A JSON value by its kind.
enum Token<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(String),
    Object,
    Array,
}

impl<'a> Token<'a> {
    fn of(raw: &'a RawValue) -> Self {
        let text = raw.get().trim();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map_or(Self::Null, Self::Text),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number(text),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "VALUE_NULL",
            Self::Bool(true) => "VALUE_TRUE",
            Self::Bool(false) => "VALUE_FALSE",
            Self::Number(text) if text.contains(['.', 'e', 'E']) => "VALUE_NUMBER_FLOAT",
            Self::Number(_) => "VALUE_NUMBER_INT",
            Self::Text(_) => "VALUE_STRING",
            Self::Object => "START_OBJECT",
            Self::Array => "START_ARRAY",
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(on) => on.to_string(),
            Self::Number(text) => (*text).to_owned(),
            Self::Text(text) => text.clone(),
            Self::Object => "{".to_owned(),
            Self::Array => "[".to_owned(),
        }
    }
}

/// The value of one field.
fn value(field: &FieldSchema, raw: &RawValue) -> Result<Value, SalesforceError> {
    let token = Token::of(raw);
    let wrong = |token: &Token<'_>| {
        let message = format!(
            "Cannot deserialize instance of {} from {} value {} or request may be missing a required field at [line:1, column:1]",
            field.ty.name(),
            token.kind(),
            token.shown()
        );
        SalesforceError::new(400, "JSON_PARSER_ERROR", message)
    };
    match (field.ty, &token) {
        (FieldType::Boolean, Token::Null) => Ok(Value::Bool(false)),
        (_, Token::Null) => Ok(Value::Null),
        (FieldType::Boolean, Token::Bool(on)) => Ok(Value::Bool(*on)),
        (FieldType::Boolean, Token::Text(text)) => match text.as_str() {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err(wrong(&token)),
        },
        (
            FieldType::Int | FieldType::Double | FieldType::Currency | FieldType::Percent,
            Token::Text(text),
        ) if text.is_empty() => Ok(Value::Null),
        (
            FieldType::Int | FieldType::Double | FieldType::Currency | FieldType::Percent,
            Token::Number(_) | Token::Text(_),
        ) => {
            let text = token.shown();
            number(field, &text).ok_or_else(|| wrong(&token))?
        }
        (FieldType::Date, Token::Text(text)) => match text.as_str() {
            "" => Ok(Value::Null),
            text => strict_date(text).map(Value::Date).ok_or_else(|| wrong(&token)),
        },
        (FieldType::DateTime, Token::Text(text)) => match text.as_str() {
            "" => Ok(Value::Null),
            text => {
                let at = text.parse::<Timestamp>().map_err(|_| wrong(&token))?;
                // Salesforce keeps whole seconds.
                Ok(Timestamp::from_second(at.as_second()).map_or(Value::Null, Value::DateTime))
            }
        },
        (FieldType::Time, Token::Text(text)) => {
            let time: Time = text.trim_end_matches('Z').parse().map_err(|_| wrong(&token))?;
            Ok(Value::Time(time))
        }
        (FieldType::Base64, Token::Text(text)) => {
            STANDARD.decode(text).map_err(|_| wrong(&token))?;
            Ok(Value::from(text.as_str()))
        }
        (ty, Token::Text(text)) if is_text(ty) => text_value(field, text),
        _ => Err(wrong(&token)),
    }
}

fn is_text(ty: FieldType) -> bool {
    !matches!(
        ty,
        FieldType::Boolean
            | FieldType::Int
            | FieldType::Double
            | FieldType::Currency
            | FieldType::Percent
            | FieldType::Date
            | FieldType::DateTime
            | FieldType::Time
            | FieldType::Base64
            | FieldType::Address
            | FieldType::Location
    )
}

fn strict_date(text: &str) -> Option<Date> {
    // jiff also reads a date off the front of a time stamp; a date field takes dates alone.
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}

/// The exact number in `text`, rounded to the field's scale; the inner error is a number that the field cannot hold.
fn number(field: &FieldSchema, text: &str) -> Option<Result<Value, SalesforceError>> {
    let outside = || {
        let message = format!("{}: value outside of valid range on numeric field: {text}", field.label);
        SalesforceError::new(400, "NUMBER_OUTSIDE_VALID_RANGE", message).with_fields([field.name.as_str()])
    };
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    if !plain || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parsed = Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text));
    let Ok(number) = parsed else { return Some(Err(outside())) };
    if field.ty == FieldType::Int {
        if !number.fract().is_zero() {
            return None;
        }
        let whole = i32::try_from(number.trunc()).map_err(|_| outside());
        return Some(whole.map(Value::from));
    }
    let rounded = number
        .round_dp_with_strategy(field.scale.into(), rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    let digits_before = u32::from(field.precision.saturating_sub(field.scale));
    let limit = Decimal::from_i128_with_scale(10i128.pow(digits_before.min(28)), 0);
    Some(if field.precision > 0 && rounded.abs() >= limit {
        Err(outside())
    } else {
        Ok(Value::Decimal(rounded.normalize()))
    })
}

fn text_value(field: &FieldSchema, text: &str) -> Result<Value, SalesforceError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Value::Null);
    }
    let refuse = |code: &str, message: String| {
        SalesforceError::new(400, code, message).with_fields([field.name.as_str()])
    };
    match field.ty {
        FieldType::Email if !is_email(text) => {
            return Err(refuse(
                "INVALID_EMAIL_ADDRESS",
                format!("{}: invalid email address: {text}", field.label),
            ));
        }
        FieldType::Picklist => return picklist_value(field, text),
        FieldType::MultiPicklist => {
            let chosen: Result<Vec<String>, _> = text
                .split(';')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(|part| {
                    picklist_value(field, part).map(|value| value.as_text().unwrap_or_default().to_owned())
                })
                .collect();
            return Ok(Value::from(chosen?.join(";")));
        }
        _ => {}
    }
    let length = text.chars().count();
    if field.length > 0 && length > field.length as usize && field.ty != FieldType::Reference {
        return Err(refuse(
            "STRING_TOO_LONG",
            format!("{}: data value too large: {text} (max length={})", field.label, field.length),
        ));
    }
    Ok(Value::from(text))
}

/// A picklist value as the list spells it. Only a restricted list refuses others.
fn picklist_value(field: &FieldSchema, text: &str) -> Result<Value, SalesforceError> {
    if let Some(known) = field.picklist.iter().find(|known| known.value.eq_ignore_ascii_case(text)) {
        if known.active || !field.restricted_picklist {
            return Ok(Value::from(known.value.as_str()));
        }
    } else if !field.restricted_picklist {
        let length = text.chars().count();
        if field.length == 0 || length <= field.length as usize {
            return Ok(Value::from(text));
        }
    }
    let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
    Err(SalesforceError::new(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message)
        .with_fields([field.name.as_str()]))
}

/// Salesforce wants a local part, an at sign and a domain with a dot.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let clean = |part: &str| {
        !part.chars().any(|c| c.is_whitespace() || matches!(c, '@' | ',' | ';' | '<' | '>' | '(' | ')' | '"'))
    };
    let labels = domain.split('.').count();
    !local.is_empty()
        && labels > 1
        && domain.split('.').all(|label| !label.is_empty())
        && clean(local)
        && clean(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn currency() -> FieldSchema {
        let mut field = FieldSchema::new("Amount", FieldType::Currency);
        field.precision = 18;
        field.scale = 2;
        field
    }

    proptest! {
        #[test]
        fn money_keeps_every_digit(cents in -999_999_999_999_999_999i64..=999_999_999_999_999_999) {
            let exact = Decimal::new(cents, 2);
            for json in [exact.to_string(), format!("\"{exact}\"")] {
                let read = value(&currency(), &raw(&json)).unwrap();
                prop_assert_eq!(read, Value::Decimal(exact.normalize()));
            }
        }

        #[test]
        fn text_is_trimmed_and_never_longer_than_its_field(text in ".{0,60}") {
            let mut field = FieldSchema::new("Title", FieldType::String);
            field.set_length(20);
            let json = serde_json::to_string(&text).unwrap();
            match value(&field, &raw(&json)) {
                Ok(Value::Null) => prop_assert!(text.trim().is_empty()),
                Ok(Value::Text(kept)) => {
                    prop_assert_eq!(kept.as_str(), text.trim());
                    prop_assert!(kept.chars().count() <= 20);
                }
                Ok(other) => prop_assert!(false, "{:?}", other),
                Err(error) => {
                    prop_assert_eq!(error.code, "STRING_TOO_LONG");
                    prop_assert!(text.trim().chars().count() > 20);
                }
            }
        }
    }

    #[test]
    fn values_of_the_wrong_kind_or_range_are_refused() {
        let code = |field: &FieldSchema, json: &str| value(field, &raw(json)).unwrap_err().code;
        assert_eq!(code(&currency(), "\"many\""), "JSON_PARSER_ERROR");
        assert_eq!(code(&currency(), "true"), "JSON_PARSER_ERROR");
        assert_eq!(code(&currency(), "1e17"), "NUMBER_OUTSIDE_VALID_RANGE");
        assert_eq!(code(&FieldSchema::new("N", FieldType::Int), "2147483648"), "NUMBER_OUTSIDE_VALID_RANGE");
        assert_eq!(
            code(&FieldSchema::new("D", FieldType::Date), "\"2026-01-02T00:00:00Z\""),
            "JSON_PARSER_ERROR"
        );
        assert_eq!(code(&FieldSchema::new("D", FieldType::DateTime), "\"2026-01-02\""), "JSON_PARSER_ERROR");
        assert_eq!(
            code(&FieldSchema::new("E", FieldType::Email), "\"someone@nowhere\""),
            "INVALID_EMAIL_ADDRESS"
        );
        assert_eq!(code(&FieldSchema::new("T", FieldType::String), "12"), "JSON_PARSER_ERROR");
    }
}
