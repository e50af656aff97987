//! A small validator of JSON Schema, for the keywords that [`unicrm_core::json_schema`] uses and no others.

use serde_json::{Map, Value};

/// What a JSON Schema has against a value: nothing, or a sentence for each place, with its JSON pointer.
///
/// # Panics
///
/// When the schema has a keyword that is not known here: it would be passed over in silence.
///
/// ```
/// use serde_json::json;
/// use unicrm_testkit::json_schema_errors;
/// let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}}});
/// assert!(json_schema_errors(&schema, &json!({"age": 5})).is_empty());
/// assert_eq!(json_schema_errors(&schema, &json!({"age": "5"})), ["/age: is not of type integer"]);
/// ```
#[must_use]
pub fn json_schema_errors(schema: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(schema, value, "", &mut errors);
    errors
}

fn check(schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let keywords = match schema {
        Value::Bool(true) => return,
        Value::Object(keywords) => keywords,
        _ => return errors.push(format!("{at}: nothing is allowed here")),
    };
    for (keyword, rule) in keywords {
        let fits = match (keyword.as_str(), value) {
            ("$schema" | "title" | "description" | "examples" | "readOnly" | "format", _) => true,
            ("properties", Value::Object(object)) => {
                properties(rule, object, at, errors);
                true
            }
            ("additionalProperties", Value::Object(object)) => {
                assert_eq!(*rule, Value::Bool(false), "only false is known here");
                let known = keywords.get("properties").and_then(Value::as_object);
                let unknown =
                    object.keys().filter(|key| !known.is_some_and(|known| known.contains_key(*key)));
                errors.extend(unknown.map(|key| format!("{at}/{key}: is not known")));
                true
            }
            ("required", Value::Object(object)) => {
                let missing = texts(rule).filter(|key| !object.contains_key(*key));
                errors.extend(missing.map(|key| format!("{at}/{key}: is missing")));
                true
            }
            ("items", Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    check(rule, item, &format!("{at}/{i}"), errors);
                }
                true
            }
            ("contains", Value::Array(items)) => items.iter().any(|item| passes(rule, item)),
            ("maxLength", Value::String(text)) => {
                rule.as_u64().is_some_and(|most| text.chars().count() as u64 <= most)
            }
            ("pattern", Value::String(text)) => matches_pattern(rule, text),
            (
                "properties"
                | "additionalProperties"
                | "required"
                | "items"
                | "contains"
                | "maxLength"
                | "pattern",
                _,
            ) => true,
            ("type", _) => is_of_type(rule, value),
            ("enum", _) => rule.as_array().is_some_and(|values| values.contains(value)),
            ("const", _) => rule == value,
            ("not", _) => !passes(rule, value),
            ("anyOf", _) => any_of(rule, value, at, errors),
            ("allOf", _) => {
                for part in rule.as_array().into_iter().flatten() {
                    check(part, value, at, errors);
                }
                true
            }
            (other, _) => panic!("the keyword {other} is not known to this validator"),
        };
        if !fits {
            let what = match keyword.as_str() {
                "type" => format!("is not of type {}", rule.as_str().unwrap_or_default()),
                other => format!("breaks {other} {rule}"),
            };
            errors.push(format!("{at}: {what}"));
        }
    }
}

fn passes(schema: &Value, value: &Value) -> bool {
    json_schema_errors(schema, value).is_empty()
}

/// One of several; of a single real one beside null, its own errors say more.
fn any_of(rule: &Value, value: &Value, at: &str, errors: &mut Vec<String>) -> bool {
    let parts: Vec<&Value> = rule.as_array().into_iter().flatten().collect();
    if parts.iter().any(|part| passes(part, value)) {
        return true;
    }
    let null = |part: &&&Value| part.get("type").and_then(Value::as_str) == Some("null");
    match parts.iter().filter(|part| !null(part)).collect::<Vec<_>>().as_slice() {
        [only] => {
            check(only, value, at, errors);
            true
        }
        _ => false,
    }
}

fn properties(rule: &Value, object: &Map<String, Value>, at: &str, errors: &mut Vec<String>) {
    for (key, schema) in rule.as_object().into_iter().flatten() {
        if let Some(value) = object.get(key) {
            check(schema, value, &format!("{at}/{key}"), errors);
        }
    }
}

fn texts(rule: &Value) -> impl Iterator<Item = &str> {
    rule.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    match rule.as_str() {
        Some("null") => value.is_null(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("number") => value.is_number(),
        // A number without a fraction is one, however it is written.
        Some("integer") => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("the type {other:?} is not known to this validator"),
    }
}

/// The two patterns that the schemas have: days and instants.
fn matches_pattern(rule: &Value, text: &str) -> bool {
    match rule.as_str() {
        Some(pattern) if pattern.contains('T') => text.parse::<jiff::Timestamp>().is_ok(),
        Some(r"^\d{4}-\d{2}-\d{2}$") => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        other => panic!("the pattern {other:?} is not known to this validator"),
    }
}
