//! `@{refAccount.id}`: results of earlier parts in the URL or the body of later ones.

use std::collections::HashMap;

use serde_json::Value;

use crate::http::message::ApiResponse;

/// The results of the parts so far.
#[derive(Debug, Default)]
pub(super) struct Results {
    values: HashMap<String, Option<Value>>,
}

impl Results {
    /// Keeps a part's result; that of a failed part has no values.
    pub(super) fn add(&mut self, reference: &str, response: &ApiResponse) {
        let good = (200..300).contains(&response.status);
        self.values.insert(reference.to_owned(), good.then(|| response.body_json()));
    }

    /// Fills the references in a URL.
    pub(super) fn fill_text(&self, text: &str) -> Result<String, String> {
        self.fill(text, |value| value)
    }

    /// Fills the references inside the strings of a JSON text.
    pub(super) fn fill_json(&self, json: &str) -> Result<String, String> {
        self.fill(json, |value| {
            let quoted = Value::String(value).to_string();
            quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
        })
    }

    fn fill(&self, text: &str, write: impl Fn(String) -> String) -> Result<String, String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("@{") {
            out.push_str(before);
            let Some((expression, behind)) = after.split_once('}') else {
                out.push_str("@{");
                rest = after;
                continue;
            };
            out.push_str(&write(self.value(expression)?));
            rest = behind;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, expression: &str) -> Result<String, String> {
        let end = expression.find(['.', '[']).unwrap_or(expression.len());
        let (reference, path) = expression.split_at(end);
        let missing =
            || format!("Invalid reference specified. No value for {expression} found in {reference}");
        let mut value = self.values.get(reference).and_then(Option::as_ref).ok_or_else(missing)?;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            value = match step.strip_suffix(']') {
                Some(index) => index.parse::<usize>().ok().and_then(|index| value.get(index)),
                None => field(value, step),
            }
            .ok_or_else(missing)?;
        }
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(on) => Ok(on.to_string()),
            _ => Err(missing()),
        }
    }
}

/// A field, in any case: `id` of a create and `Id` of a record are both written both ways.
fn field<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    let fields = value.as_object()?;
    fields
        .get(name)
        .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn results() -> Results {
        let mut results = Results::default();
        results.add("made", &ApiResponse::json(201, &json!({ "id": "001A", "success": true })));
        results.add(
            "found",
            &ApiResponse::json(200, &json!({ "records": [{ "Id": "003B", "Name": "A \"B\"" }] })),
        );
        results.add("failed", &ApiResponse::json(400, &json!([{ "errorCode": "X" }])));
        results
    }

    #[test]
    fn references_are_filled_by_path() {
        let filled = results().fill_text("/sobjects/Account/@{made.id}?x=@{found.records[0].Id}").unwrap();
        assert_eq!(filled, "/sobjects/Account/001A?x=003B");
        let json = results().fill_json(r#"{"LastName":"@{found.records[0].Name}"}"#).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), json!({ "LastName": "A \"B\"" }));
    }

    #[test]
    fn references_to_failures_or_nothing_are_errors() {
        for expression in
            ["@{failed.id}", "@{absent.id}", "@{made.nothing}", "@{found.records[7].Id}", "@{found.records}"]
        {
            assert!(results().fill_text(expression).is_err(), "{expression}");
        }
        assert_eq!(results().fill_text("a@{b").unwrap(), "a@{b");
    }
}
