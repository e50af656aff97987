//! One row of a query as it came: every cell is its JSON text, and is read when the mapping asks for it.
//!
//! So a wrong type is the matter of one record, numbers keep their digits, and nothing is copied that the unified record
//! does not keep.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use unicrm_core::{Amount, Json, RemoteField};

use super::remote_fields::SourceClasses;
use crate::api::widened;
use crate::api::{midnight, parse_date, parse_datetime};

/// The cells of an sObject that the mapping knows; [`wire!`] makes one.
pub(super) trait Row<'a>: Default {
    /// The remote fields, in the order of the cells.
    const FIELDS: &'static [WireField];

    fn cell(&mut self, at: u8) -> Option<&mut Cell<'a>>;
}

/// A remote field that the mapping knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WireField {
    pub(crate) name: &'static str,
    /// Whether it is a remote field all the same: the mapping reads it, and no unified field shows all of it.
    pub(crate) keep: bool,
}

/// Defines the row of an sObject. `+ keep` marks what stays among the remote fields as well.
macro_rules! wire {
    ($(#[$meta:meta])* struct $name:ident { $($field:ident: $remote:literal $(+ $keep:ident)?,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(in crate::objects) struct $name<'a> { $(pub(in crate::objects) $field: $crate::objects::wire::Cell<'a>,)+ }

        impl<'a> $crate::objects::wire::Row<'a> for $name<'a> {
            const FIELDS: &'static [$crate::objects::wire::WireField] = &[
                $($crate::objects::wire::WireField {
                    name: $remote,
                    keep: [$(stringify!($keep),)? ""].len() > 1,
                }),+
            ];

            fn cell(&mut self, at: u8) -> Option<&mut $crate::objects::wire::Cell<'a>> {
                #[expect(non_camel_case_types, reason = "the cells' own names, numbered")]
                enum At { $($field),+ }
                match at {
                    $(at if at == At::$field as u8 => Some(&mut self.$field),)+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use wire;

/// A cell does not hold what its field is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The cell's number in [`Row::FIELDS`].
    pub(super) at: u8,
    pub(super) expected: &'static str,
}

/// One value of a row; absent and null are the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell<'a> {
    raw: Option<&'a RawValue>,
    at: u8,
}

impl<'a> Cell<'a> {
    pub(super) fn new(raw: Option<&'a RawValue>, at: u8) -> Self {
        Self { raw: raw.filter(|raw| raw.get() != "null"), at }
    }

    /// The JSON as it came.
    pub(super) fn raw(self) -> Option<&'a str> {
        self.raw.map(RawValue::get)
    }

    pub(super) fn is_none(self) -> bool {
        self.raw.is_none()
    }

    /// The JSON, for a remote field.
    pub(super) fn json(self) -> Option<Json> {
        self.raw.map(Json::from)
    }

    pub(super) fn wrong(self, expected: &'static str) -> Wrong {
        Wrong { at: self.at, expected }
    }

    /// Text; empty text is none.
    pub(super) fn text(self) -> Result<Option<Cow<'a, str>>, Wrong> {
        let Some(raw) = self.raw else { return Ok(None) };
        let text = unquoted(raw.get()).ok_or(self.wrong("text"))?;
        Ok((!text.is_empty()).then_some(text))
    }

    /// Text to keep.
    pub(super) fn string(self) -> Result<Option<String>, Wrong> {
        Ok(self.text()?.map(Cow::into_owned))
    }

    /// An id in its 18-character form.
    pub(super) fn id(self) -> Result<Option<Cow<'a, str>>, Wrong> {
        const EXPECTED: &str = "an id of 15 or 18 characters";
        let id = match self.raw.map(|raw| (raw.get().len(), raw)) {
            None => return Ok(None),
            // The usual case: 18 characters in quotes, none of them escaped.
            Some((20, _)) => self.text()?,
            Some(_) => match self.text()? {
                Some(short) => Some(Cow::Owned(widened(&short).into_owned())),
                None => return Ok(None),
            },
        };
        match id {
            Some(id) if id.len() == 18 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Ok(Some(id)),
            _ => Err(self.wrong(EXPECTED)),
        }
    }

    /// The id that a record cannot be without.
    pub(super) fn required_id(self) -> Result<Cow<'a, str>, Wrong> {
        self.id()?.ok_or(self.wrong("the record's id"))
    }

    /// True or false; Bulk writes them as text.
    pub(super) fn boolean(self) -> Result<Option<bool>, Wrong> {
        match self.raw.map(RawValue::get) {
            None | Some("\"\"") => Ok(None),
            Some("true" | "\"true\"") => Ok(Some(true)),
            Some("false" | "\"false\"") => Ok(Some(false)),
            Some(_) => Err(self.wrong("true or false")),
        }
    }

    /// A number, exactly.
    pub(super) fn amount(self) -> Result<Option<Amount>, Wrong> {
        let Some(text) = self.number()? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong("a number of at most 28 digits"))
    }

    /// A whole number, however it is written: `5`, `5.0` and `5E0` are the same.
    pub(super) fn integer(self) -> Result<Option<i64>, Wrong> {
        let Some(text) = self.number()? else { return Ok(None) };
        if let Ok(number) = text.parse() {
            return Ok(Some(number));
        }
        let whole = text.parse::<Amount>().ok().map(|amount| amount.decimal().normalize());
        let number =
            whole.filter(|decimal| decimal.scale() == 0).and_then(|decimal| decimal.to_string().parse().ok());
        number.map(Some).ok_or(self.wrong("a whole number"))
    }

    /// The text of a number; Bulk writes them in quotes.
    fn number(self) -> Result<Option<&'a str>, Wrong> {
        let Some(raw) = self.raw.map(RawValue::get) else { return Ok(None) };
        let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        if text.is_empty() {
            return Ok(None);
        }
        match text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            true => Ok(Some(text)),
            false => Err(self.wrong("a number")),
        }
    }

    /// An instant.
    pub(super) fn datetime(self) -> Result<Option<Timestamp>, Wrong> {
        let Some(text) = self.text()? else { return Ok(None) };
        parse_datetime(&text).map(Some).ok_or(self.wrong("a date with a time and an offset"))
    }

    /// A date, as its midnight in UTC.
    pub(super) fn day(self) -> Result<Option<Timestamp>, Wrong> {
        let Some(text) = self.text()? else { return Ok(None) };
        parse_date(&text).and_then(midnight).map(Some).ok_or(self.wrong("a date without a time"))
    }

    /// The value of one field in each record of a sub-query; deleted records do not count.
    pub(super) fn sub_query(self, field: &'static str) -> Result<Vec<Cow<'a, str>>, Wrong> {
        let Some(raw) = self.raw else { return Ok(Vec::new()) };
        let wrong = self.wrong("the records of a sub-query");
        let answer: SubQuery<'a> = serde_json::from_str(raw.get()).map_err(|_| wrong)?;
        let live = answer.records.into_iter().filter(|record| !record.is(IS_DELETED, "true"));
        live.map(|record| record.get(field).and_then(unquoted).ok_or(wrong)).collect()
    }
}

const IS_DELETED: &str = "IsDeleted";

#[derive(Deserialize)]
struct SubQuery<'a> {
    #[serde(borrow)]
    records: Vec<Members<'a>>,
}

/// The members of a small JSON object.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.get())
    }

    fn is(&self, key: &str, json: &str) -> bool {
        self.get(key) == Some(json)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Pairs).map(Self)
    }
}

/// The text that a JSON string stands for; none for any other value.
pub(crate) fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    match inner.bytes().any(|byte| byte == b'\\') {
        false => Some(Cow::Borrowed(inner)),
        true => unescaped(inner).map(Cow::Owned),
    }
}

/// The text between the quotes of a JSON string, with its escapes resolved. None for half of a surrogate pair, which is no
/// text. Written out because the mapping reads millions of these: a parser for each costs more than the record.
fn unescaped(inner: &str) -> Option<String> {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut characters = escaped.chars();
        let character = match characters.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let (character, after) = code_point(characters.as_str())?;
                characters = after.chars();
                character
            }
            itself @ ('"' | '\\' | '/') => itself,
            _ => return None,
        };
        text.push(character);
        rest = characters.as_str();
    }
    text.push_str(rest);
    Some(text)
}

/// The character of the digits behind `\u`, and what comes after it.
fn code_point(digits: &str) -> Option<(char, &str)> {
    let unit = |digits: &str| u16::from_str_radix(digits.get(..4)?, 16).ok();
    let (first, after) = (unit(digits)?, digits.get(4..)?);
    if let Some(character) = char::from_u32(first.into()) {
        return Some((character, after));
    }
    let low = after.strip_prefix("\\u")?;
    let character = char::decode_utf16([first, unit(low)?]).next()?.ok()?;
    Some((character, low.get(4..)?))
}

/// A key that is borrowed wherever it can be.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Reads the JSON of one record: the cells that the mapping knows, and everything else as remote fields. `expected` is how
/// many remote fields there may be.
pub(super) fn read_row<'a, R: Row<'a>>(
    json: &'a str,
    classes: &SourceClasses,
    expected: usize,
) -> Result<(R, Vec<RemoteField>), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let rest = Vec::with_capacity(expected);
    let read = RowVisitor { row: R::default(), rest, classes }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(read)
}

struct RowVisitor<'c, R> {
    row: R,
    rest: Vec<RemoteField>,
    classes: &'c SourceClasses,
}

impl<'de, R: Row<'de>> DeserializeSeed<'de> for RowVisitor<'_, R> {
    type Value = (R, Vec<RemoteField>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, R: Row<'de>> Visitor<'de> for RowVisitor<'_, R> {
    type Value = (R, Vec<RemoteField>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cursor = 0;
        while let Some(Key(key)) = map.next_key()? {
            let raw: &'de RawValue = map.next_value()?;
            if raw.get() == "null" || key == "attributes" {
                self.classes.skip(&key, &mut cursor);
                continue;
            }
            let Some(column) = self.classes.find(&key, &mut cursor) else {
                self.rest.push(RemoteField::new(self.classes.unknown(&key), Json::from(raw)));
                continue;
            };
            if let Some(cell) = column.cell.and_then(|at| self.row.cell(at).map(|cell| (at, cell))) {
                *cell.1 = Cell { raw: Some(raw), at: cell.0 };
                if !column.keep {
                    continue;
                }
            }
            self.rest.push(RemoteField::new(column.class.clone(), Json::from(raw)));
        }
        Ok((self.row, self.rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    wire! {
        /// Two cells, one of them kept.
        struct SmallRow {
            id: "Id",
            name: "Name" + keep,
        }
    }

    /// The two cells and the remote fields.
    type Small = (Option<String>, Option<String>, Vec<String>);

    fn small(json: &str, selected: &[&str]) -> Result<Small, String> {
        let classes = SourceClasses::new("Small", SmallRow::FIELDS, None, selected.iter().copied());
        let (row, rest) = read_row::<SmallRow<'_>>(json, &classes, 0).map_err(|error| error.to_string())?;
        let rest =
            rest.iter().map(|field| format!("{}={}", field.key().unwrap_or_default(), field.value.as_str()));
        let string = |cell: Cell<'_>| cell.string().expect("text");
        Ok((string(row.id), string(row.name), rest.collect()))
    }

    #[test]
    fn members_are_found_in_any_order_and_spelling() {
        let expected = (
            Some("1".to_owned()),
            Some("a\nb".to_owned()),
            vec!["X__c=[1.50]".to_owned(), "Name=\"a\\nb\"".to_owned()],
        );
        for json in [
            r#"{"attributes":{"type":"Small"},"Id":"1","X__c":[1.50],"Name":"a\nb"}"#,
            r#" { "X__c" : [1.50] , "\u004eame":"a\nb" , "Id":"1", "Y__c": null }"#,
        ] {
            assert_eq!(small(json, &["Id", "X__c", "Name"]).as_ref(), Ok(&expected), "{json}");
            assert_eq!(small(json, &[]).as_ref(), Ok(&expected), "{json}");
            assert_eq!(small(json, &["Name", "X__c", "Y__c", "Id"]).as_ref(), Ok(&expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for json in ["", "{", "[]", "5", "{\"Id\":}", "{\"Id\":\"1\"} x", "{\"Id\":\"\u{1}\"}"] {
            assert!(small(json, &["Id"]).is_err(), "{json}");
        }
        let of_no_record = small("5", &[]);
        assert!(
            of_no_record
                .is_err_and(|error| error.starts_with("invalid type: integer `5`, expected a record"))
        );
        // A lone surrogate is no text; whoever needs it says so.
        let classes = SourceClasses::new("Small", SmallRow::FIELDS, None, []);
        let (row, _) = read_row::<SmallRow<'_>>(r#"{"Name":"\ud800","Id":5}"#, &classes, 0).expect("a row");
        assert_eq!(row.name.text(), Err(Wrong { at: 1, expected: "text" }));
        assert_eq!(row.id.text(), Err(Wrong { at: 0, expected: "text" }));
        for halves in [r#""\udc00\udc00""#, r#""\ud800\ud800""#, r#""\ud800x""#, r#""\q""#] {
            assert_eq!(unquoted(halves), None, "{halves}");
        }
        assert_eq!(unquoted(r#""\"\\\/\b\f\n\r\t""#).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\t"));
    }

    proptest::proptest! {
        #[test]
        fn text_is_unquoted_as_any_parser_would(text in "\\PC{0,12}|[\"\\\\/\n\r\t\u{8}\u{c}\u{1}a-c\u{1f600}]{0,12}") {
            let json = serde_json::to_string(&text).expect("JSON");
            proptest::prop_assert_eq!(unquoted(&json), Some(Cow::Borrowed(&*text)));
            let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let units = format!("\"{units}\"");
            proptest::prop_assert_eq!(unquoted(&units), Some(Cow::Borrowed(&*text)));
        }

        #[test]
        fn any_text_between_quotes_is_unquoted_without_panic(text in "[\\\\u0-9a-fD89é\"]{0,16}") {
            let json = format!("\"{text}\"");
            let parsed = serde_json::from_str::<String>(&json).ok();
            if let Some(parsed) = parsed {
                proptest::prop_assert_eq!(unquoted(&json), Some(Cow::Borrowed(&*parsed)));
            } else if let Some(lenient) = unquoted(&json) {
                proptest::prop_assert!(!lenient.is_empty());
            }
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        for half in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\ud800""#, r#""\ud800x""#, r#""\ue000\udc00""#] {
            assert_eq!(unquoted(half), None, "{half}");
        }
        assert_eq!(unquoted(r#""\ud83d\ude00!""#).as_deref(), Some("\u{1f600}!"));
        assert_eq!(unquoted(r#""\\""#).as_deref(), Some("\\"));
        assert!(matches!(unquoted("\"as it came\""), Some(Cow::Borrowed("as it came"))));
        for none in ["5", "\"", "", "\"a", "null", r#""\x""#] {
            assert_eq!(unquoted(none), None, "{none}");
        }
    }

    #[test]
    fn classes_come_from_the_select_list() {
        let classes = SourceClasses::new("Small", SmallRow::FIELDS, None, ["X__c", "Name"]);
        let mut cursor = 0;
        // Behind each key, the column that is looked at first for the next one.
        for (key, known, next) in [
            ("X__c", true, 1),
            ("Name", true, 2),
            ("Id", true, 3),
            ("X__c", true, 1),
            ("Y__c", false, 1),
            ("Name", true, 2),
        ] {
            assert_eq!((classes.find(key, &mut cursor).is_some(), cursor), (known, next), "{key}");
        }
        // A key without a value is passed only where it stands.
        classes.skip("X__c", &mut cursor);
        assert_eq!(cursor, 2);
        classes.skip("Id", &mut cursor);
        assert_eq!(cursor, 3);
        classes.skip("Id", &mut cursor);
        assert_eq!(cursor, 3);
        let class = classes.class("X__c");
        assert_eq!((class.id.as_deref(), class.is_custom), (Some("Small.X__c"), Some(true)));
        assert_eq!(classes.class("Name").is_custom, Some(false));
    }
}
