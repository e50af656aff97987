//! JSON values one after another, in constant memory: one, many (NDJSON), or one array of them.

use std::io::BufRead;

use crate::errors::{Failure, Result};
use crate::input::{Source, unreadable};

/// No record is longer than this.
const LONGEST: usize = 16 << 20;

/// One value as it is written, and the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) line: u64,
}

/// The values of a source. What is between them is checked here, what is in them by whoever reads them as JSON.
pub(super) struct Values {
    input: Box<dyn BufRead>,
    name: String,
    line: u64,
    place: Place,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    /// Among values that follow each other.
    Loose,
    /// In an array: its first value, or a later one.
    First,
    Later,
    /// Behind everything.
    End,
}

impl Iterator for Values {
    type Item = Result<Value>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.place = Place::End;
        }
        next.transpose()
    }
}

impl Values {
    /// Those of a source, from its beginning.
    pub(super) fn of(source: &Source) -> Result<Self> {
        Ok(Self { input: source.open()?, name: source.name(), line: 1, place: Place::Start })
    }

    fn advance(&mut self) -> Result<Option<Value>> {
        let mut byte = self.skip_space()?;
        if self.place == Place::Start {
            if byte == Some(0xEF) {
                self.skip_mark()?;
                byte = self.skip_space()?;
            }
            self.place = if byte == Some(b'[') { Place::First } else { Place::Loose };
            if self.place == Place::First {
                self.bump()?;
                byte = self.skip_space()?;
            }
        }
        if self.place == Place::Later {
            match byte {
                Some(b',') => {
                    self.bump()?;
                    byte = self.skip_space()?;
                    if byte == Some(b']') {
                        return Err(self.wrong("a record is missing behind the comma"));
                    }
                }
                Some(b']') => {}
                Some(_) => return Err(self.wrong("a comma is missing between two records")),
                None => {}
            }
        }
        match (self.place, byte) {
            (Place::End, _) | (Place::Loose, None) => Ok(None),
            (_, None) => Err(self.wrong("the list of records has no end")),
            (Place::First | Place::Later, Some(b']')) => {
                self.bump()?;
                if self.skip_space()?.is_some() {
                    return Err(self.wrong("there is more behind the list of records"));
                }
                self.place = Place::End;
                Ok(None)
            }
            (_, Some(first)) => {
                if self.place == Place::First {
                    self.place = Place::Later;
                }
                self.value(first).map(Some)
            }
        }
    }

    /// One value: up to the bracket that closes it, or to what cannot belong to it.
    fn value(&mut self, first: u8) -> Result<Value> {
        let line = self.line;
        let mut bytes = Vec::new();
        let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
        let nested = matches!(first, b'{' | b'[' | b'"');
        while let Some(byte) = self.peek()? {
            if !nested && (byte.is_ascii_whitespace() || matches!(byte, b',' | b']')) {
                break;
            }
            self.bump()?;
            bytes.push(byte);
            if bytes.len() > LONGEST {
                let what = "the record that begins here is longer than 16 megabytes";
                return Err(self.wrong_at(line, what).advice("a quote or a bracket may be missing in it"));
            }
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if nested && depth == 0 && !quoted {
                break;
            }
        }
        if bytes.is_empty() {
            return Err(self.wrong("a record is missing"));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.wrong_at(line, "this is not UTF-8"))?;
        Ok(Value { text, line })
    }

    fn wrong(&self, what: &str) -> Failure {
        self.wrong_at(self.line, what).advice("give one JSON object, one per line, or one array of them")
    }

    fn wrong_at(&self, line: u64, what: &str) -> Failure {
        Failure::usage(format!("{}, line {line}: {what}", self.name))
    }

    /// The mark that some programs put before UTF-8.
    fn skip_mark(&mut self) -> Result<()> {
        for expected in [0xEF, 0xBB, 0xBF] {
            if self.peek()? != Some(expected) {
                return Err(self.wrong("this is not JSON"));
            }
            self.bump()?;
        }
        Ok(())
    }

    fn skip_space(&mut self) -> Result<Option<u8>> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.bump()?;
        }
        Ok(None)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        let bytes = self.input.fill_buf().map_err(|error| unreadable(&self.name, &error))?;
        Ok(bytes.first().copied())
    }

    /// Goes on behind the byte that was peeked at.
    fn bump(&mut self) -> Result<()> {
        if self.peek()? == Some(b'\n') {
            self.line += 1;
        }
        self.input.consume(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<Vec<(u64, String)>, String> {
        let values = Values::of(&Source::of(text)).map_err(|failure| format!("{failure:?}"))?;
        values
            .map(|value| value.map(|v| (v.line, v.text)).map_err(|failure| format!("{failure:?}")))
            .collect()
    }

    fn texts(text: &str) -> Vec<String> {
        read(text).expect("values").into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn one_many_and_a_list_are_the_same() {
        let expected = [r#"{"a":"}]\"["}"#, r#"{"b":[1,{"c":2}]}"#];
        let [first, second] = expected;
        for text in [
            format!("{first}\n{second}"),
            format!("\n\n  {first}   {second}\n"),
            format!("{first}{second}"),
            format!("[{first},{second}]"),
            format!("\u{feff} [ {first} ,\n {second} ]\n"),
        ] {
            assert_eq!(texts(&text), expected, "{text}");
        }
        assert_eq!(texts(r#"["003A", "003\"B" , null]"#), [r#""003A""#, r#""003\"B""#, "null"]);
        for none in ["", " \n", "[]", " [ ] "] {
            assert_eq!(texts(none), Vec::<String>::new(), "{none:?}");
        }
    }

    #[test]
    fn lines_are_counted_also_within_records() {
        let read = read("{\n\"a\": 1\n}\n\n{\"b\": 2}").expect("values");
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 5]);
    }

    #[test]
    fn what_is_between_records_is_checked() {
        for (text, line, what) in [
            ("[{}\n{}]", 2, "comma is missing"),
            ("[{},\n]", 2, "behind the comma"),
            ("[{}", 1, "no end"),
            ("[", 1, "no end"),
            ("[{}]\n{}", 2, "more behind"),
            ("{}\n,{}", 2, "is missing"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(what) && error.contains(&format!("line {line}")), "{text}: {error}");
        }
    }

    #[test]
    fn a_quote_that_is_missing_is_looked_for_where_its_record_begins() {
        let rest = "{}\n".repeat(LONGEST / 3 + 1);
        let error = read(&format!("{{}}\n{{\"last_name\": \"Feig}}\n{rest}")).expect_err("no end");
        assert!(error.contains("line 2: ") && error.contains("quote"), "{error}");
    }
}
