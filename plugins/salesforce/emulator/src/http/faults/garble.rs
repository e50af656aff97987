//! One value of a page of records comes as something else.

/// The page with the value of a field replaced by this text: in the record of this id, or in the first that has the field.
/// None when there is no such value.
pub(crate) fn garbled(page: &str, field: &str, record: Option<&str>, text: &str) -> Option<String> {
    let key = format!("\"{field}\":");
    let records = match record {
        Some(id) => around(page, page.find(&format!("\"Id\":\"{id}\""))?),
        None => page.find("\"records\":").unwrap_or(page.len())..page.len(),
    };
    let start = records.start + page.get(records)?.find(&key)? + key.len();
    let end = start + length_of_value(page.get(start..)?);
    let text = serde_json::to_string(text).ok()?;
    Some([page.get(..start)?, &text, page.get(end..)?].concat())
}

/// The record that this place is in: records begin with their attributes.
fn around(page: &str, at: usize) -> std::ops::Range<usize> {
    const BEGIN: &str = "{\"attributes\":";
    let start = page.get(..at).and_then(|before| before.rfind(BEGIN)).unwrap_or(at);
    let rest = page.get(at..).and_then(|rest| rest.find(BEGIN));
    start..rest.map_or(page.len(), |length| at + length)
}

/// How long the text, number, word or null is that a JSON text begins with.
fn length_of_value(json: &str) -> usize {
    let Some(text) = json.strip_prefix('"') else {
        return json.find([',', '}', ']']).unwrap_or(json.len());
    };
    let mut escaped = false;
    let end = text.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(
        r#"{"totalSize":2,"records":[{"attributes":{"type":"Contact"},"Id":"003a","Name":"A \"quoted\" \\","IsDeleted":false},"#,
        r#"{"attributes":{"type":"Contact"},"Id":"003b","Name":null,"Amount":12.50}]}"#
    );

    #[test]
    fn one_value_is_another_and_all_else_is_as_it_was() {
        for (field, record, before, after) in [
            ("Name", None, r#""Name":"A \"quoted\" \\""#, r#""Name":"<x>""#),
            ("Name", Some("003b"), r#""Name":null"#, r#""Name":"<x>""#),
            ("Amount", None, r#""Amount":12.50"#, r#""Amount":"<x>""#),
            ("IsDeleted", Some("003a"), r#""IsDeleted":false"#, r#""IsDeleted":"<x>""#),
        ] {
            let page = garbled(PAGE, field, record, "<x>").unwrap();
            assert_eq!(page, PAGE.replacen(before, after, 1), "{field}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_garbled() {
        assert_eq!(garbled(PAGE, "Phone", None, "x"), None);
        assert_eq!(garbled(PAGE, "Amount", Some("003a"), "x"), None);
        assert_eq!(garbled(PAGE, "Name", Some("003c"), "x"), None);
        assert_eq!(garbled("", "Name", None, "x"), None);
    }
}
