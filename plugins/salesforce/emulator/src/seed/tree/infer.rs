//! The type of a custom field from all its values.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::value::RawValue;

use super::read;
use crate::schema::{FieldSchema, FieldType};

/// What the values of a field have in common so far.
#[derive(Debug)]
pub(super) struct Guess {
    name: String,
    shape: Option<Shape>,
    longest: usize,
    scale: u8,
    targets: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Boolean,
    Number,
    Date,
    DateTime,
    Url,
    Reference,
    Text,
}

impl Guess {
    pub(super) fn new(name: &str) -> Self {
        let base = name.get(..name.len().saturating_sub(3)).unwrap_or(name);
        Self { name: format!("{base}__c"), shape: None, longest: 0, scale: 0, targets: Vec::new() }
    }

    /// Takes one more value into account; `object_of` tells the type of a referenced record.
    pub(super) fn see<'a>(&mut self, value: &RawValue, object_of: impl Fn(&str) -> Option<&'a str>) {
        let raw = value.get();
        let shape = match read::text(value) {
            Some(text) => {
                self.longest = self.longest.max(text.chars().count());
                self.shape_of_text(&text, object_of)
            }
            None if raw == "null" => return,
            None if raw == "true" || raw == "false" => Shape::Boolean,
            None => {
                let digits = raw.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                self.scale = self.scale.max(u8::try_from(digits).unwrap_or(8).min(8));
                Shape::Number
            }
        };
        self.shape = Some(match self.shape {
            None => shape,
            Some(known) if known == shape => known,
            Some(_) => Shape::Text,
        });
    }

    fn shape_of_text<'a>(&mut self, text: &str, object_of: impl Fn(&str) -> Option<&'a str>) -> Shape {
        if let Some(object) = text.strip_prefix('@').and_then(object_of) {
            if !self.targets.iter().any(|t| t == object) {
                self.targets.push(object.to_owned());
            }
            return Shape::Reference;
        }
        if text.len() == 10 && text.parse::<Date>().is_ok() {
            Shape::Date
        } else if is_timestamp(text) {
            Shape::DateTime
        } else if text.starts_with("https://") || text.starts_with("http://") {
            Shape::Url
        } else {
            Shape::Text
        }
    }

    /// The field that holds all these values.
    pub(super) fn field(self) -> FieldSchema {
        let short = self.longest <= 255;
        let ty = match self.shape {
            Some(Shape::Boolean) => FieldType::Boolean,
            Some(Shape::Number) => FieldType::Double,
            Some(Shape::Date) => FieldType::Date,
            Some(Shape::DateTime) => FieldType::DateTime,
            Some(Shape::Url) if short => FieldType::Url,
            Some(Shape::Reference) => FieldType::Reference,
            _ if short => FieldType::String,
            _ => FieldType::TextArea,
        };
        let relationship = format!("{}__r", self.name.trim_end_matches("__c"));
        let mut field = FieldSchema::new(self.name, ty);
        field.custom = true;
        field.permissionable = true;
        match ty {
            FieldType::Double => field.scale = self.scale,
            FieldType::Reference => {
                let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
                field = field.to(&targets, Some(&relationship));
            }
            FieldType::TextArea => {
                field.set_length(32_768.max(u32::try_from(self.longest).unwrap_or(131_072)));
            }
            _ => {}
        }
        field
    }
}

/// Whether a text is an instant, not a day alone.
pub(super) fn is_timestamp(text: &str) -> bool {
    text.len() > 10 && text.parse::<Timestamp>().is_ok()
}
