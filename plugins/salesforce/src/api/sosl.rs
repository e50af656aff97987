//! Searches built from typed parts: names are checked, what is looked for is escaped, and nothing else gets into the text.

use std::fmt::Write as _;

use super::soql::{checked_name, checked_path};
use crate::error::Fault;

/// Salesforce looks for no less than this many letters and digits.
const FEWEST: usize = 2;
/// Between more characters than these Salesforce takes all operators away, and finds what was not asked for.
const LONGEST_JOINED: usize = 4_000;
/// For more characters than these it finds nothing, and does not say so.
const LONGEST: usize = 10_000;
/// Records of one search.
pub(crate) const MOST_RECORDS: u32 = 2_000;

/// A search over several objects at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sosl {
    terms: Vec<Term>,
    operator: &'static str,
    within: Within,
    returning: Vec<Returning>,
}

/// The fields that are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// All texts.
    All,
    /// Fields of the type phone.
    Phone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    /// A word, or one that begins so.
    Beginning(String),
    /// Words that follow each other.
    Phrase(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Returning {
    sobject: String,
    fields: Vec<String>,
    limit: u32,
}

impl Sosl {
    /// Looks for records that hold each word of a text, or a word that begins with it.
    pub(crate) fn words(text: &str, within: Within) -> Self {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control());
        let terms = words.filter_map(|word| {
            // At the edges punctuation would stand as a word of its own between the word and its asterisk.
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            let plain = letters(word) < FEWEST || is_operator(word);
            (!word.is_empty())
                .then(|| if plain { Term::Phrase(word.to_owned()) } else { Term::Beginning(word.to_owned()) })
        });
        Self { terms: terms.collect(), operator: " AND ", within, returning: Vec::new() }
    }

    /// Looks for records that hold one of these texts, word for word.
    pub(crate) fn any<T: AsRef<str>>(phrases: impl IntoIterator<Item = T>, within: Within) -> Self {
        let phrases = phrases.into_iter().filter(|phrase| letters(phrase.as_ref()) > 0);
        let terms = phrases.map(|phrase| Term::Phrase(phrase.as_ref().to_owned()));
        Self { terms: terms.collect(), operator: " OR ", within, returning: Vec::new() }
    }

    /// Answers these fields of an object, of so many records at the most.
    pub(crate) fn returning<F: Into<String>>(
        mut self,
        sobject: impl Into<String>,
        fields: impl IntoIterator<Item = F>,
        limit: u32,
    ) -> Self {
        let fields = fields.into_iter().map(Into::into).collect();
        self.returning.push(Returning { sobject: sobject.into(), fields, limit });
        self
    }

    /// The text that is sent.
    ///
    /// # Errors
    /// [`Fault::Query`] if there is too little or too much to look for, nothing is to be answered, or a name is none.
    pub(crate) fn text(&self) -> Result<String, Fault> {
        let find = self.find()?;
        let within = match self.within {
            Within::All => "ALL",
            Within::Phone => "PHONE",
        };
        let mut out = format!("FIND {{{find}}} IN {within} FIELDS RETURNING ");
        if self.returning.is_empty() {
            return Err(Fault::Query("no object is searched".to_owned()));
        }
        for (at, returning) in self.returning.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { "," });
            out.push_str(checked_name(&returning.sobject)?);
            out.push('(');
            if returning.fields.is_empty() {
                return Err(Fault::Query(format!("no field of {} is answered", returning.sobject)));
            }
            for (at, field) in returning.fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(checked_path(field)?);
            }
            // Writing to a string does not fail.
            let _written = write!(out, " LIMIT {})", returning.limit.min(MOST_RECORDS));
        }
        let _written = write!(out, " LIMIT {MOST_RECORDS}");
        Ok(out)
    }

    /// What stands between the braces.
    fn find(&self) -> Result<String, Fault> {
        let all: usize = self.terms.iter().map(|term| letters(term.text())).sum();
        if all < FEWEST {
            return Err(Fault::Query(format!("a search needs {FEWEST} letters or digits at least")));
        }
        let mut find = String::new();
        for (at, term) in self.terms.iter().enumerate() {
            find.push_str(if at == 0 { "" } else { self.operator });
            term.write(&mut find);
        }
        let longest = if self.terms.len() > 1 { LONGEST_JOINED } else { LONGEST };
        let length = find.chars().count();
        if length > longest {
            let message = format!(
                "what is searched for has {length} characters with all escapes, and Salesforce takes {longest}"
            );
            return Err(Fault::Query(message));
        }
        Ok(find)
    }
}

impl Term {
    fn text(&self) -> &str {
        match self {
            Self::Beginning(text) | Self::Phrase(text) => text,
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Beginning(word) => {
                write_escaped(out, word);
                out.push('*');
            }
            Self::Phrase(phrase) => {
                out.push('"');
                write_escaped(out, phrase);
                out.push('"');
            }
        }
    }
}

/// A backslash takes the meaning from whatever has one.
fn write_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        if is_reserved(c) {
            out.push('\\');
        }
        // Between words any of these is as good as a space, and no server needs them raw.
        out.push(if c.is_control() { ' ' } else { c });
    }
}

const fn is_reserved(c: char) -> bool {
    matches!(
        c,
        '?' | '&'
            | '|'
            | '!'
            | '{'
            | '}'
            | '['
            | ']'
            | '('
            | ')'
            | '^'
            | '~'
            | '*'
            | ':'
            | '\\'
            | '"'
            | '\''
            | '+'
            | '-'
    )
}

fn is_operator(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|operator| operator.eq_ignore_ascii_case(word))
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicrm_salesforce_emulator::fuzzing::{Searched, searched, words_of};

    use super::*;

    fn contacts(sosl: Sosl) -> Sosl {
        sosl.returning("Contact", ["Id", "Phone"], 50)
    }

    #[test]
    fn a_whole_search() {
        let sosl = Sosl::any(["4155550100", "415 555 0100"], Within::Phone)
            .returning("Contact", ["Id", "Phone"], 200)
            .returning("Account", ["Id"], 5_000);
        assert_eq!(
            sosl.text().unwrap(),
            "FIND {\"4155550100\" OR \"415 555 0100\"} IN PHONE FIELDS \
             RETURNING Contact(Id,Phone LIMIT 200),Account(Id LIMIT 2000) LIMIT 2000"
        );
        let sosl = contacts(Sosl::words("O'Neil and  the a (c)rocodile, & \"x y\" Müller*", Within::All));
        assert_eq!(
            sosl.text().unwrap(),
            "FIND {O\\'Neil* AND \"and\" AND the* AND \"a\" AND c\\)rocodile* AND \"x\" AND \"y\" AND Müller*} IN ALL FIELDS \
             RETURNING Contact(Id,Phone LIMIT 50) LIMIT 2000"
        );
    }

    #[test]
    fn a_search_that_salesforce_would_not_take_is_not_sent() {
        let refused = |sosl: Sosl, why: &str| {
            let fault = sosl.text().unwrap_err();
            assert!(matches!(&fault, Fault::Query(message) if message.contains(why)), "{fault:?}");
        };
        for text in ["", "a", " * ", "a !", "\"\"", "&&&&"] {
            refused(contacts(Sosl::words(text, Within::All)), "2 letters or digits");
            refused(contacts(Sosl::any([text], Within::All)), "2 letters or digits");
        }
        refused(contacts(Sosl::any([""; 0], Within::All)), "2 letters or digits");
        refused(contacts(Sosl::words(&"ab ".repeat(600), Within::All)), "4000");
        refused(contacts(Sosl::words(&"a".repeat(10_001), Within::All)), "10000");
        assert!(contacts(Sosl::words(&"a".repeat(9_999), Within::All)).text().is_ok());
        refused(Sosl::words("ada", Within::All), "no object");
        refused(Sosl::words("ada", Within::All).returning("Contact", [""; 0], 1), "no field");
        refused(Sosl::words("ada", Within::All).returning("Contact(Id), User", ["Id"], 1), "not a name");
        refused(Sosl::words("ada", Within::All).returning("Contact", ["Id LIMIT 1"], 1), "not the name");
    }

    /// The terms that Salesforce understands of a search, as the emulator's parser reads it.
    fn read(sosl: &Sosl, operator: &'static str) -> Result<Vec<Vec<String>>, TestCaseError> {
        let text = sosl.text().map_err(|fault| TestCaseError::reject(fault.to_string()))?;
        let Searched { terms, joined, returning } =
            searched(&text).ok_or_else(|| TestCaseError::fail(format!("not understood: {text}")))?;
        prop_assert_eq!(returning, [("Contact".to_owned(), "Id,Phone".to_owned())]);
        prop_assert_eq!(joined, (terms.len() > 1).then_some(operator));
        Ok(terms)
    }

    /// Any text, and texts that are made of what has a meaning in a search.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("AND"),
            Just("or"),
            Just("Not"),
            Just("AND NOT"),
            Just(" "),
            Just("\""),
            Just("}"),
            Just("{"),
            Just("\\"),
            Just("*"),
            Just("?"),
            Just("RETURNING User(Id)"),
            Just("ada"),
            Just("b"),
            Just("é7"),
            Just("("),
            Just(")"),
            Just("-"),
            Just("\n")
        ];
        prop_oneof![
            any::<String>(),
            proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
        ]
    }

    proptest! {
        #[test]
        fn no_text_changes_the_structure_of_a_search_for_words(text in text()) {
            let sosl = contacts(Sosl::words(&text, Within::All));
            let terms = read(&sosl, "AND")?;
            let expected: Vec<Vec<String>> = sosl.terms.iter().map(|term| {
                let mut words = words_of(term.text());
                if let (Term::Beginning(_), Some(last)) = (term, words.last_mut()) {
                    last.push('*');
                }
                words
            }).collect();
            prop_assert_eq!(terms, expected);
            prop_assert_eq!(words_of(&text), sosl.terms.iter().flat_map(|term| words_of(term.text())).collect::<Vec<_>>());
        }

        #[test]
        fn no_text_changes_the_structure_of_a_search_for_phrases(texts in proptest::collection::vec(text(), 1..4)) {
            let sosl = contacts(Sosl::any(&texts, Within::Phone));
            let phrases = read(&sosl, "OR")?;
            let expected: Vec<Vec<String>> = texts.iter().map(|text| words_of(text)).filter(|words| !words.is_empty()).collect();
            prop_assert_eq!(phrases, expected);
        }
    }
}
