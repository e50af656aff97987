//! From the CSV of a page of results to the JSON that the REST resources would have sent for the same records, so that
//! whoever reads records need not know how they came.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::number;
use crate::api::lines::Lines;
use crate::api::query::QueryPage;
use crate::api::{Describe, FieldType};
use crate::error::Fault;

const WHAT: &str = "a page of a job's results";

/// How the records of an object are written in JSON.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What stands in front of a record's id.
    head: String,
    forms: HashMap<String, (String, Form)>,
}

/// How a value is written in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Flag,
    Whole,
    Decimal,
    Instant,
}

impl Layout {
    /// The layout of an object's records, below a path such as `/services/data/v66.0`.
    pub(crate) fn new(base: &str, describe: &Describe) -> Self {
        let sobject = &describe.object.name;
        let head = format!(r#"{{"attributes":{{"type":"{sobject}","url":"{base}/sobjects/{sobject}/"#);
        let forms = describe.fields.iter().map(|field| {
            let form = match field.field_type {
                FieldType::Boolean => Form::Flag,
                FieldType::Int | FieldType::Long => Form::Whole,
                FieldType::Double | FieldType::Currency | FieldType::Percent => Form::Decimal,
                FieldType::DateTime => Form::Instant,
                _ => Form::Text,
            };
            (field.name.to_ascii_lowercase(), (format!(r#","{}":"#, field.name), form))
        });
        Self { head, forms: forms.collect() }
    }

    /// The columns of a page, by its first line. A field that the user has lost sight of meanwhile is left out.
    fn columns(&self, names: &[&str]) -> Result<Columns, Fault> {
        let places = names.iter().map(|name| self.forms.get(&name.to_ascii_lowercase()).cloned()).collect();
        let id = names.iter().position(|name| name.eq_ignore_ascii_case("Id"));
        let id = id.ok_or_else(|| damaged("its first line is not the names of its columns"))?;
        Ok(Columns { id, places })
    }

    /// Writes a record.
    fn write(&self, columns: &Columns, cells: &[&str], out: &mut String) {
        out.push_str(&self.head);
        let id = cells.get(columns.id).copied().unwrap_or_default();
        // Whatever else stands there would not be JSON; the mapping refuses it by its cell.
        out.push_str(if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) { id } else { "" });
        out.push_str("\"}");
        for (place, cell) in columns.places.iter().zip(cells) {
            if let Some((key, form)) = place {
                out.push_str(key);
                form.write(cell, out);
            }
        }
        out.push('}');
    }
}

#[derive(Debug)]
struct Columns {
    id: usize,
    places: Vec<Option<(String, Form)>>,
}

impl Form {
    /// Writes a value. Nothing is null: CSV has one sign for no text and for empty text, and Salesforce keeps no empty
    /// text. What is not of the form is written as text, and the mapping names it.
    fn write(self, cell: &str, out: &mut String) {
        if cell.is_empty() {
            return out.push_str("null");
        }
        let number = match self {
            Self::Whole => number::whole(cell),
            Self::Decimal => number::decimal(cell),
            _ => None,
        };
        match (self, number) {
            (_, Some(number)) => out.push_str(&number),
            (Self::Flag, _) if cell.eq_ignore_ascii_case("true") => out.push_str("true"),
            (Self::Flag, _) if cell.eq_ignore_ascii_case("false") => out.push_str("false"),
            (Self::Instant, _) if cell.ends_with('Z') => {
                text(cell.strip_suffix('Z').unwrap_or(cell), out);
                out.pop();
                out.push_str("+0000\"");
            }
            _ => text(cell, out),
        }
    }
}

/// A JSON string.
fn text(cell: &str, out: &mut String) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if cell.bytes().all(plain) {
        out.push('"');
        out.push_str(cell);
        out.push('"');
    } else {
        // Text can always be written as JSON.
        out.push_str(&serde_json::to_string(cell).unwrap_or_else(|_| "null".to_owned()));
    }
}

/// Reads the CSV of one page as it arrives.
#[derive(Debug)]
pub(crate) struct Table {
    layout: Arc<Layout>,
    lines: Lines,
    columns: Option<Columns>,
    rows: u64,
    /// Rows at the beginning that are not wanted.
    skip: u64,
    out: String,
    records: Vec<Range<usize>>,
}

impl Table {
    /// A reader of a page whose first rows are not wanted.
    pub(crate) fn new(layout: Arc<Layout>, skip: u64) -> Self {
        Self {
            layout,
            lines: Lines::new(WHAT),
            columns: None,
            rows: 0,
            skip,
            out: String::new(),
            records: Vec::new(),
        }
    }

    /// Rows read so far, those that were not wanted included.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Records that wait to be taken, and their bytes.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.records.len(), self.out.len())
    }

    /// Takes the records that wait, as a page.
    pub(crate) fn take(&mut self) -> QueryPage {
        let records = std::mem::take(&mut self.records);
        let text: Arc<str> = self.out.as_str().into();
        self.out.clear();
        QueryPage { total_size: records.len() as u64, text, records, next: None, server_time: None }
    }

    /// Reads bytes until a record more waits; what is left of them is returned. Without bytes, the page is at its end.
    pub(crate) fn read<'b>(&mut self, mut input: &'b [u8]) -> Result<&'b [u8], Fault> {
        loop {
            let (left, whole) = self.lines.read(input)?;
            input = left;
            if !whole {
                return Ok(input);
            }
            let waiting = self.records.len();
            self.row()?;
            if self.records.len() > waiting {
                return Ok(input);
            }
        }
    }

    fn row(&mut self) -> Result<(), Fault> {
        let cells = self.lines.cells()?;
        let Some(columns) = &self.columns else {
            self.columns = Some(self.layout.columns(&cells)?);
            return Ok(());
        };
        if cells.len() != columns.places.len() {
            return Err(damaged("a row of it has another number of cells than its first line"));
        }
        self.rows += 1;
        if self.rows > self.skip {
            let start = self.out.len();
            self.layout.write(columns, &cells, &mut self.out);
            self.records.push(start..self.out.len());
        }
        Ok(())
    }
}

/// A page that is not what it should be may be so when it is asked for again.
fn damaged(why: &str) -> Fault {
    Fault::Unreadable { what: WHAT, why: why.to_owned(), cut: true }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn layout() -> Arc<Layout> {
        let field = |name: &str, ty: &str| json!({ "name": name, "type": ty });
        let describe = json!({
            "name": "Contact",
            "fields": [
                field("Id", "id"), field("Title", "string"), field("Score__c", "double"), field("Children__c", "int"),
                field("IsDeleted", "boolean"), field("CreatedDate", "datetime"), field("Birthdate", "date"),
            ],
        });
        let describe = Describe::parse(&describe.to_string()).unwrap();
        Arc::new(Layout::new("/services/data/v66.0", &describe))
    }

    /// All records of a page that arrives in pieces of this size.
    fn read(csv: &[u8], piece: usize, skip: u64) -> Result<(Vec<Value>, u64), Fault> {
        let mut table = Table::new(layout(), skip);
        let mut found = Vec::new();
        for mut bytes in csv.chunks(piece.max(1)).chain([[].as_slice()]) {
            loop {
                let left = table.read(bytes)?;
                let page = table.take();
                found.extend(page.rows().map(|row| serde_json::from_str::<Value>(row).unwrap()));
                if left.is_empty() {
                    break;
                }
                bytes = left;
            }
        }
        Ok((found, table.rows()))
    }

    #[test]
    fn cells_become_what_rest_would_send() {
        let csv = "\"Id\",\"Title\",\"Score__c\",\"Children__c\",\"IsDeleted\",\"CreatedDate\",\"Birthdate\"\r\n\
            \"003A\",\"NA\",\"1.6E13\",\"5.0\",\"false\",\"2026-11-22T10:11:12.000Z\",\"1980-02-29\"\r\n\
            \"003B\",\"two\nlines, \"\"quoted\"\" and \r\n more\",,,true,,\r\n\
            003C,null,NaN,x,maybe,now,\r\n";
        let attributes = |id: &str| json!({"type": "Contact", "url": format!("/services/data/v66.0/sobjects/Contact/{id}")});
        let expected = [
            r#"{"attributes":{"type":"Contact","url":"/services/data/v66.0/sobjects/Contact/003A"},"Id":"003A","Title":"NA","Score__c":16000000000000.0,"Children__c":5,"IsDeleted":false,"CreatedDate":"2026-11-22T10:11:12.000+0000","Birthdate":"1980-02-29"}"#.to_owned(),
            json!({"attributes": attributes("003B"), "Id": "003B", "Title": "two\nlines, \"quoted\" and \r\n more", "Score__c": null,
                "Children__c": null, "IsDeleted": true, "CreatedDate": null, "Birthdate": null}).to_string(),
            json!({"attributes": attributes("003C"), "Id": "003C", "Title": "null", "Score__c": "NaN", "Children__c": "x",
                "IsDeleted": "maybe", "CreatedDate": "now", "Birthdate": null}).to_string(),
        ];
        let expected: Vec<Value> = expected.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        for piece in [1, 2, 7, 64, 10_000] {
            assert_eq!(read(csv.as_bytes(), piece, 0).unwrap(), (expected.clone(), 3), "pieces of {piece}");
            assert_eq!(read(csv.as_bytes(), piece, 2).unwrap(), (expected[2..].to_vec(), 3));
        }
        let mut table = Table::new(layout(), 0);
        let mut left = csv.as_bytes();
        while table.waiting().0 == 0 {
            left = table.read(left).unwrap();
        }
        assert!(
            table.take().text.contains("\"Score__c\":16000000000000.0,\"Children__c\":5,"),
            "digits are kept"
        );
    }

    #[test]
    fn a_page_without_rows_is_a_first_line_or_nothing() {
        for csv in ["", "\n", "\"Id\",\"Title\"\n", "Id"] {
            assert_eq!(read(csv.as_bytes(), 3, 0).unwrap(), (vec![], 0), "{csv:?}");
        }
    }

    #[test]
    fn what_is_no_page_of_rows_is_damaged() {
        for csv in ["<html>\n", "Title\nx\n", "Id,Title\n003,x,y\n", "Id,Title\n003\n"] {
            assert!(
                matches!(read(csv.as_bytes(), 4, 0), Err(Fault::Unreadable { cut: true, .. })),
                "{csv:?}"
            );
        }
        assert!(read(b"Id,Title\n003,\xff\xfe\n", 4, 0).is_err());
        // A column that nobody knows is left out.
        let (rows, _) = read(b"Id,Hidden__c,Title\n003,x,y\n", 4, 0).unwrap();
        assert_eq!((rows[0].get("Hidden__c"), &rows[0]["Title"]), (None, &json!("y")));
    }

    #[test]
    fn long_rows_are_read_and_endless_ones_are_not() {
        let long = "x".repeat(300_000);
        let (rows, _) = read(format!("Id,Title\n003,\"{long}\"\n").as_bytes(), 65_536, 0).unwrap();
        assert_eq!(rows[0]["Title"].as_str().map(str::len), Some(300_000));
        let mut table = Table::new(layout(), 0);
        let _names = table.read(b"Id,Title\n003,\"").unwrap();
        let endless = vec![b'x'; 1 << 20];
        assert!((0..100).any(|_| table.read(&endless).is_err()));
    }

    proptest! {
        #[test]
        fn any_text_comes_back_whole(titles in prop::collection::vec("[a\",\r\n;' \\\\\u{0}\u{7}é😀-]{0,12}|.{0,8}", 0..8), piece in 1_usize..40) {
            let mut csv = String::from("Id,Title\n");
            for title in &titles {
                csv.push_str(&format!("\"003\",\"{}\"\n", title.replace('"', "\"\"")));
            }
            let (rows, count) = read(csv.as_bytes(), piece, 0).unwrap();
            prop_assert_eq!(count, titles.len() as u64);
            for (row, title) in rows.iter().zip(&titles) {
                prop_assert_eq!(row["Title"].as_str().unwrap_or_default(), title);
            }
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..40) {
            let csv = [b"Id,Title\n".as_slice(), &bytes].concat();
            if let Ok((rows, count)) = read(&csv, piece, 0) {
                prop_assert_eq!(rows.len() as u64, count);
            }
        }
    }
}
