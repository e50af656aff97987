//! Field mappings: a remote field of one linked account, lifted to a field with a name and a type of its own.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Amount, Error, ErrorKind, FieldFormat, FieldMappings, FieldSchema, Json, ObjectKind, Patch, RawRecord,
    Record, RecordPatch, RemoteField, RemoteFieldClass, RemoteFieldClassRef, Result, Schema, Value,
};

/// The longest name of a mapped field.
const MAX_NAME: usize = 64;
/// Where mapped values stand in a record.
const TARGETS: &str = "/field_mappings/linked_account_defined_targets";

/// One field mapping of a linked account: which remote field shows under which name and as what.
///
/// The values stand in [`FieldMappings::linked_account_defined_targets`] of every record of the object, and are written
/// by the same name. The raw record is what they are made from, so a mapping that comes later, or changes, needs nothing
/// from the remote.
///
/// ```
/// use unicrm_core::{FieldMapping, MappedType, ObjectKind};
/// let mapping = FieldMapping::new(ObjectKind::Contact, "tier", "Tier__c", MappedType::Text)?;
/// assert_eq!(mapping.to_string(), "contact.tier <- Tier__c (text)");
/// assert!(FieldMapping::new(ObjectKind::Contact, "last_name", "Tier__c", MappedType::Text).is_err());
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldMapping {
    /// The object whose records have the field.
    pub kind: ObjectKind,
    /// The field's name, in `snake_case`; unique in the object, and none of the model's.
    pub name: String,
    /// The remote field, as `Field`, or `Object.Field` where several remote objects stand behind the unified one.
    pub remote: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub ty: MappedType,
}

/// What the values of a mapped field are.
///
/// ```
/// use unicrm_core::MappedType;
/// assert_eq!("timestamp".parse::<MappedType>()?, MappedType::Timestamp);
/// # Ok::<_, unicrm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappedType {
    /// Text; numbers, days and instants too, as the remote writes them.
    Text,
    /// A number, with every digit.
    Number,
    /// True or false.
    Boolean,
    /// A calendar day: `2026-11-22`. Of an instant, its day in UTC.
    Date,
    /// An instant, RFC 3339 with `Z`. Of a day, its midnight UTC.
    Timestamp,
    /// A list of texts. Text is taken apart at semicolons, as CRMs write choices of several values.
    List,
}

impl MappedType {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Number, Self::Boolean, Self::Date, Self::Timestamp, Self::List];

    /// The name in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::List => "list",
        }
    }

    /// The type that fits a remote field best.
    #[must_use]
    pub fn of(format: &FieldFormat) -> Self {
        match format {
            FieldFormat::Number => Self::Number,
            FieldFormat::Bool => Self::Boolean,
            FieldFormat::Date => Self::Date,
            FieldFormat::Datetime => Self::Timestamp,
            FieldFormat::List => Self::List,
            FieldFormat::String | FieldFormat::Other(_) => Self::Text,
        }
    }

    /// Whether values of a remote field can be of this type.
    fn takes(self, format: &FieldFormat) -> bool {
        match self {
            Self::Text => true,
            Self::Number => *format == FieldFormat::Number,
            Self::Boolean => *format == FieldFormat::Bool,
            Self::Date | Self::Timestamp => matches!(format, FieldFormat::Date | FieldFormat::Datetime),
            Self::List => matches!(format, FieldFormat::List | FieldFormat::String),
        }
    }

    /// The value in this type: null when there is none; none when it is of another type.
    ///
    /// ```
    /// use unicrm_core::{Json, MappedType};
    /// let cell = Json::text("2022-02-10T23:30:00.000+0000");
    /// assert_eq!(MappedType::Date.lift(&cell), Some(Json::text("2022-02-10")));
    /// assert_eq!(MappedType::Timestamp.lift(&cell), Some(Json::text("2022-02-10T23:30:00Z")));
    /// assert_eq!(MappedType::List.lift(&Json::text("a;b")).unwrap().as_str(), r#"["a","b"]"#);
    /// assert_eq!(MappedType::Number.lift(&cell), None);
    /// ```
    #[must_use]
    pub fn lift(self, value: &Json) -> Option<Json> {
        let raw = value.as_str();
        if raw == "null" {
            return Some(value.clone());
        }
        let number = || raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let boolean = || matches!(raw, "true" | "false");
        match self {
            Self::Text if number() || boolean() => Some(Json::text(raw)),
            Self::Text => value.to_text().map(|text| Json::text(&text)),
            Self::Number => number().then(|| value.clone()),
            Self::Boolean => boolean().then(|| value.clone()),
            Self::Date => {
                let text = value.to_text()?;
                let day = match day(&text) {
                    Some(day) => day,
                    None => instant(&text)?.to_zoned(TimeZone::UTC).date(),
                };
                Some(Json::text(&day.to_string()))
            }
            Self::Timestamp => {
                let text = value.to_text()?;
                let at = match day(&text) {
                    Some(day) => day.to_zoned(TimeZone::UTC).ok()?.timestamp(),
                    None => instant(&text)?,
                };
                Some(Json::text(&at.to_string()))
            }
            Self::List => {
                if let Some(text) = value.to_text() {
                    let items: Vec<&str> = text.split(';').filter(|item| !item.is_empty()).collect();
                    return Some(Json::of(&items));
                }
                value.read::<Vec<String>>().ok().map(|items| Json::of(&items))
            }
        }
    }
}

/// A calendar day and nothing else.
fn day(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

impl fmt::Display for MappedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for MappedType {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|ty| ty.as_str() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|ty| ty.as_str()).collect();
            let message = format!("there is no type {name:?}; the types are {}", known.join(", "));
            Error::new(ErrorKind::InvalidConfig, message)
        })
    }
}

impl fmt::Display for FieldMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} <- {} ({})", self.kind, self.name, self.remote, self.ty)
    }
}

impl FieldMapping {
    /// A mapping whose name can stand beside the model's. Errors name what is wrong with it.
    pub fn new(
        kind: ObjectKind,
        name: impl Into<String>,
        remote: impl Into<String>,
        ty: MappedType,
    ) -> Result<Self> {
        let (name, remote) = (name.into(), remote.into());
        let refused = |field: &str, why: String| {
            Err(Error::new(ErrorKind::InvalidRequest, "this cannot be a field mapping")
                .with_field(format!("/{field}"), why))
        };
        if !Record::has_field(kind, "field_mappings") {
            return refused("kind", format!("records of {kind} have no place for mapped fields"));
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || name.len() > MAX_NAME || !name.bytes().all(plain) {
            let why = format!(
                "{name:?} is no name in snake_case: a small letter, then small letters, digits and underscores, {MAX_NAME} at most"
            );
            return refused("name", why);
        }
        if Record::has_field(kind, &name) {
            return refused(
                "name",
                format!("every {kind} has a field {name} of its own: choose another name"),
            );
        }
        if remote.is_empty() || remote.split('.').count() > 2 || remote.split('.').any(str::is_empty) {
            return refused("remote", format!("{remote:?} is no field: write Field, or Object.Field"));
        }
        Ok(Self { kind, name, remote, ty })
    }

    /// The remote field in the remote's own schema. Errors when there is none, when more than one remote object has it, or
    /// when its values are of another type.
    ///
    /// ```
    /// use unicrm_core::{FieldFormat, FieldMapping, FieldSchema, MappedType, ObjectKind, Schema};
    /// let mut schema = Schema::new(ObjectKind::Contact, vec!["Contact".to_owned()]);
    /// schema.fields.push(FieldSchema::new("Contact", "Tier__c", FieldFormat::String));
    /// let of = |remote, ty| FieldMapping::new(ObjectKind::Contact, "tier", remote, ty).unwrap();
    /// assert!(of("Tier__c", MappedType::Text).check(&schema).is_ok());
    /// assert!(of("Tier__c", MappedType::Number).check(&schema).is_err());
    /// assert!(of("Teir__c", MappedType::Text).check(&schema).is_err());
    /// ```
    pub fn check<'s>(&self, schema: &'s Schema) -> Result<&'s FieldSchema> {
        let refused = |field: &str, why: String| {
            Error::new(ErrorKind::InvalidRequest, format!("{self} does not fit the remote"))
                .with_field(format!("/{field}"), why)
                .with_advice(format!("`unicrm schema {}` lists the remote's fields", self.kind.plural()))
        };
        let (object, name) = self.object_and_field();
        let fits = |field: &&FieldSchema| {
            field.remote == name && object.is_none_or(|object| field.remote_object == object)
        };
        let mut found: Vec<&FieldSchema> = schema.fields.iter().filter(fits).collect();
        // The same remote field may stand behind several unified ones.
        found.sort_by(|a, b| a.remote_object.cmp(&b.remote_object));
        found.dedup_by(|a, b| a.remote_object == b.remote_object);
        let field = match found.as_slice() {
            [] => {
                let close = schema.fields.iter().find(|field| field.remote.eq_ignore_ascii_case(name));
                let hint = close.map(|field| format!("; do you mean {}?", field.remote)).unwrap_or_default();
                return Err(refused("remote", format!("this user sees no field {}{hint}", self.remote)));
            }
            // One name in several objects is one field when it holds the same in all of them.
            [first, others @ ..] if others.iter().all(|other| other.format == first.format) => *first,
            several => {
                let objects: Vec<_> = several.iter().map(|field| field.remote_object.as_str()).collect();
                let why = format!("{} have it as different types: write Object.{name}", objects.join(", "));
                return Err(refused("remote", why));
            }
        };
        if !self.ty.takes(&field.format) {
            let why = format!(
                "{} holds {}: map it as {}",
                self.remote,
                field.format,
                MappedType::of(&field.format)
            );
            return Err(refused("type", why));
        }
        Ok(field)
    }

    /// What a record holds in the remote field, as the remote gave it; none when the remote did not show it.
    ///
    /// The field is looked for among the record's remote fields, then in its raw form.
    #[must_use]
    pub fn source(&self, record: &Record, raw: &RawRecord) -> Option<Json> {
        self.find(record, &Pieces::of(raw))
    }

    fn find(&self, record: &Record, pieces: &Pieces<'_>) -> Option<Json> {
        let (object, name) = self.object_and_field();
        if object.is_some() {
            return pieces.member(object, name);
        }
        let among = record.remote_fields().iter().find(|field| field.key() == Some(name));
        among.map(|field| field.value.clone()).or_else(|| pieces.member(None, name))
    }

    fn object_and_field(&self) -> (Option<&str>, &str) {
        match self.remote.split_once('.') {
            Some((object, name)) => (Some(object), name),
            None => (None, &self.remote),
        }
    }
}

/// A raw record for several mappings: each of its pieces is taken apart once, when it is first asked for.
struct Pieces<'r>(Vec<Piece<'r>>);

struct Piece<'r> {
    object: Option<&'r str>,
    json: &'r str,
    /// None of what is no JSON object.
    members: OnceCell<Option<BTreeMap<Cow<'r, str>, &'r RawValue>>>,
}

impl<'r> Pieces<'r> {
    fn of(raw: &'r RawRecord) -> Self {
        let pieces = raw.pieces().map(|(path, json)| Piece {
            object: path.rsplit('/').next(),
            json,
            members: OnceCell::new(),
        });
        Self(pieces.collect())
    }

    /// A member of an object's piece, as it is written. Without an object, the record's own piece counts and none of those
    /// that came along with it.
    fn member(&self, object: Option<&str>, name: &str) -> Option<Json> {
        let piece = self.0.iter().find(|piece| object.is_none() || piece.object == object)?;
        let members = piece.members.get_or_init(|| serde_json::from_str(piece.json).ok());
        members.as_ref()?.get(name).map(|value| Json::from(*value))
    }
}

impl FieldMappings {
    /// What mappings lift from a record: a value for each mapping of its object; null where the remote has none, or one of
    /// another type. None when no mapping is of this object.
    ///
    /// A pure function of its arguments, so that records in a store can be made anew without the remote.
    ///
    /// ```
    /// use unicrm_core::{FieldMapping, FieldMappings, MappedType, ObjectKind, RawRecord, Record};
    /// let mapping = FieldMapping::new(ObjectKind::Contact, "score", "Score__c", MappedType::Number)?;
    /// let record = Record::empty(ObjectKind::Contact);
    /// let raw = RawRecord::new("/sobjects/Contact", r#"{"Id": "003", "Score__c": 12.50}"#);
    /// let lifted = FieldMappings::lift(&[mapping], &record, &raw).unwrap();
    /// assert_eq!(lifted.linked_account_defined_targets["score"].as_str(), "12.50");
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    #[must_use]
    pub fn lift(mappings: &[FieldMapping], record: &Record, raw: &RawRecord) -> Option<Self> {
        let pieces = Pieces::of(raw);
        let mut lifted = None::<Self>;
        for mapping in mappings.iter().filter(|mapping| mapping.kind == record.kind()) {
            let value = mapping.find(record, &pieces).and_then(|value| mapping.ty.lift(&value));
            let targets = &mut lifted.get_or_insert_default().linked_account_defined_targets;
            targets.insert(mapping.name.clone(), value.unwrap_or_else(|| Json::of(&())));
        }
        lifted
    }
}

impl Record {
    /// Fills in what mappings lift from the raw record. Without a mapping of this object the record stays as it is.
    pub fn set_field_mappings(&mut self, mappings: &[FieldMapping], raw: &RawRecord) -> Result<()> {
        match FieldMappings::lift(mappings, self, raw) {
            Some(lifted) => {
                let json = Json::of(&lifted).as_str().to_owned();
                self.set("field_mappings", Some(Value::Json(json.into())))
            }
            None => Ok(()),
        }
    }
}

impl RecordPatch {
    /// Says what the patch says of mapped fields by the remote's own names, among its remote fields: what providers
    /// understand. Errors name a field that is not mapped, or whose value is of another type.
    ///
    /// ```
    /// use unicrm_core::{FieldMapping, MappedType, ObjectKind, RecordPatch};
    /// let mapping = FieldMapping::new(ObjectKind::Lead, "tier", "Tier__c", MappedType::Text)?;
    /// let json = r#"{"field_mappings": {"linked_account_defined_targets": {"tier": "gold"}}}"#;
    /// let mut patch = RecordPatch::from_json(ObjectKind::Lead, json)?;
    /// patch.resolve_field_mappings(&[mapping])?;
    /// assert_eq!(patch.named(), ["remote_fields"]);
    /// # Ok::<_, unicrm_core::Error>(())
    /// ```
    pub fn resolve_field_mappings(&mut self, mappings: &[FieldMapping]) -> Result<()> {
        let kind = self.kind();
        let Some((lifted, remote_fields)) = self.mapped_parts() else { return Ok(()) };
        // What is no value stays, for the provider to say that it cannot be written.
        let Patch::Set(given) = lifted else { return Ok(()) };
        let given = std::mem::take(given);
        *lifted = Patch::Absent;
        let mut fields = Vec::new();
        let mut refused = Vec::new();
        for name in given.organization_defined_targets.keys() {
            let why = "no field is mapped for all linked accounts".to_owned();
            refused.push((format!("/field_mappings/organization_defined_targets/{name}"), why));
        }
        for (name, value) in &given.linked_account_defined_targets {
            let mapping = mappings.iter().find(|mapping| mapping.kind == kind && mapping.name == *name);
            let why = match mapping {
                None => "no field mapping of this linked account has this name".to_owned(),
                Some(mapping) if !mapping.accepts(value) => {
                    format!("expected a value of type {}, or null", mapping.ty)
                }
                Some(mapping) => {
                    fields.push(mapping.remote_field(value));
                    continue;
                }
            };
            refused.push((format!("{TARGETS}/{name}"), why));
        }
        if !refused.is_empty() {
            let error = Error::new(ErrorKind::InvalidRequest, "a mapped field cannot be written")
                .with_advice("`unicrm map list` shows the field mappings");
            return Err(refused
                .into_iter()
                .fold(error, |error, (pointer, why)| error.with_field(pointer, why)));
        }
        if !fields.is_empty() {
            let named = match std::mem::take(remote_fields) {
                Patch::Set(named) => named,
                Patch::Absent | Patch::Null => Vec::new(),
            };
            *remote_fields = Patch::Set(named.into_iter().chain(fields).collect());
        }
        Ok(())
    }

    /// The two fields of a patch that mapped values go through; none of an object without them.
    fn mapped_parts(&mut self) -> Option<(&mut Patch<FieldMappings>, &mut Patch<Vec<RemoteField>>)> {
        macro_rules! parts {
            ($($name:ident),+) => {
                match self {
                    $(Self::$name(patch) => Some((&mut patch.field_mappings, &mut patch.remote_fields)),)+
                    Self::EngagementType(_) => None,
                }
            };
        }
        parts!(Account, Contact, Engagement, Lead, Note, Opportunity, Stage, Task, User)
    }
}

impl FieldMapping {
    /// Whether a value may be written: of the type itself, or nothing.
    fn accepts(&self, value: &Json) -> bool {
        let raw = value.as_str();
        match self.ty {
            _ if raw == "null" => true,
            MappedType::Text => value.to_text().is_some(),
            MappedType::List => value.read::<Vec<String>>().is_ok(),
            MappedType::Number => raw.parse::<Amount>().is_ok(),
            MappedType::Boolean => matches!(raw, "true" | "false"),
            MappedType::Date => value.to_text().is_some_and(|text| day(&text).is_some()),
            MappedType::Timestamp => value.to_text().is_some_and(|text| instant(&text).is_some()),
        }
    }

    fn remote_field(&self, value: &Json) -> RemoteField {
        let name = Some(self.object_and_field().1.to_owned());
        let class = RemoteFieldClass { remote_key_name: name, ..RemoteFieldClass::default() };
        RemoteField { remote_field_class: RemoteFieldClassRef::Class(class.into()), value: value.clone() }
    }
}

#[cfg(test)]
mod tests;
