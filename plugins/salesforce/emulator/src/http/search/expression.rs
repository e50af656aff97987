//! The words between the braces of `FIND {..}`: terms, phrases, wildcards and operators, and what they match.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use super::malformed;
use crate::error::SalesforceError;

/// Characters that stand for themselves only behind a backslash. Quotes, brackets and wildcards have a meaning of their
/// own and are not among them.
const RESERVED: [char; 13] = ['&', '|', '!', '{', '}', '[', ']', '^', '~', ':', '\'', '+', '-'];

/// Nesting that is followed.
const MAX_DEPTH: usize = 50;

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// Words that follow each other, each of which may have wildcards.
    Words(Vec<Word>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    /// The first without the second.
    Without(Box<Expression>, Box<Expression>),
}

/// A word, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word(Vec<Letter>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Char(char),
    One,
    Many,
}

impl Expression {
    /// Reads what stands between the braces.
    pub(super) fn parse(text: &str) -> Result<Self, SalesforceError> {
        let tokens = tokens(text)?;
        let letters = tokens.iter().filter_map(|token| match token {
            Token::Words(words) => Some(words.iter().map(Word::letters).sum::<usize>()),
            _ => None,
        });
        if letters.sum::<usize>() < 2 {
            return Err(malformed(format!("search term must be longer than one character: {text}")));
        }
        let mut parser = Parser { tokens: &tokens, at: 0 };
        let expression = parser.either(MAX_DEPTH)?;
        if parser.at < tokens.len() {
            return Err(malformed(format!("unexpected bracket or operator in the search term: {text}")));
        }
        Ok(expression)
    }

    /// Whether a record with these texts is found.
    pub(super) fn matches(&self, record: &Texts) -> bool {
        match self {
            Self::Words(words) => record.has(words),
            Self::And(parts) => parts.iter().all(|part| part.matches(record)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(record)),
            Self::Without(wanted, unwanted) => wanted.matches(record) && !unwanted.matches(record),
        }
    }
}

impl Word {
    fn letters(&self) -> usize {
        self.0.iter().filter(|letter| matches!(letter, Letter::Char(_))).count()
    }

    fn matches(&self, token: &str) -> bool {
        let text: Vec<char> = token.chars().collect();
        let pattern = &self.0;
        // Matching with one point of return: the last asterisk.
        let (mut p, mut t, mut back) = (0, 0, None);
        loop {
            match (pattern.get(p), text.get(t)) {
                (Some(Letter::Many), _) => {
                    back = Some((p + 1, t));
                    p += 1;
                }
                (Some(Letter::One), Some(_)) => (p, t) = (p + 1, t + 1),
                (Some(Letter::Char(wanted)), Some(c)) if wanted == c => (p, t) = (p + 1, t + 1),
                (None, None) => return true,
                _ => match back {
                    Some((after, from)) if from < text.len() => {
                        back = Some((after, from + 1));
                        (p, t) = (after, from + 1);
                    }
                    _ => return false,
                },
            }
        }
    }

    /// The digits of a word that is nothing but digits.
    fn digits(&self) -> Option<String> {
        self.0
            .iter()
            .map(|letter| matches!(letter, Letter::Char(c) if c.is_ascii_digit()).then(|| letter.char()))
            .collect()
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|letter| f.write_char(letter.char()))
    }
}

impl Letter {
    fn char(self) -> char {
        match self {
            Self::Char(c) => c,
            Self::One => '?',
            Self::Many => '*',
        }
    }
}

/// The texts of a record, cut into words.
#[derive(Debug, Default)]
pub(super) struct Texts {
    fields: Vec<Vec<String>>,
    /// Phone numbers as digits alone.
    phones: BTreeSet<String>,
}

impl Texts {
    pub(super) fn add(&mut self, text: &str) {
        let words = split(text);
        if !words.is_empty() {
            self.fields.push(words);
        }
    }

    pub(super) fn add_phone(&mut self, text: &str) {
        self.add(text);
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if !digits.is_empty() {
            self.phones.insert(digits);
        }
    }

    /// Whether the words follow each other in one field, or are the number of a phone.
    fn has(&self, words: &[Word]) -> bool {
        let in_field = |field: &Vec<String>| {
            field
                .windows(words.len().max(1))
                .any(|window| words.iter().zip(window).all(|(word, token)| word.matches(token)))
        };
        self.fields.iter().any(in_field) || self.has_phone(words)
    }

    fn has_phone(&self, words: &[Word]) -> bool {
        let digits: Option<String> = words.iter().map(Word::digits).collect();
        let Some(digits) = digits.filter(|digits| digits.len() >= 3) else { return false };
        // With or without the codes of country and area.
        self.phones
            .iter()
            .any(|phone| phone.ends_with(&digits) || (phone.len() >= 7 && digits.ends_with(phone.as_str())))
    }
}

/// The words of a text, in lower case.
fn split(text: &str) -> Vec<String> {
    let folded = text.to_lowercase();
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Words(Vec<Word>),
    And,
    AndNot,
    Or,
    Open,
    Close,
}

fn tokens(text: &str) -> Result<Vec<Token>, SalesforceError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.peek().copied() {
        match c {
            _ if c.is_whitespace() => drop(chars.next()),
            '(' | ')' => {
                chars.next();
                tokens.push(if c == '(' { Token::Open } else { Token::Close });
            }
            '"' => {
                chars.next();
                let (letters, ended) = phrase(&mut chars);
                if !ended {
                    return Err(malformed(format!("missing quotation mark in the search term: {text}")));
                }
                let words = words(&letters);
                if !words.is_empty() {
                    tokens.push(Token::Words(words));
                }
            }
            _ => {
                let letters = bare(&mut chars, text)?;
                push(&mut tokens, &letters);
            }
        }
    }
    Ok(tokens)
}

/// A bare word: an operator, or one or more words that only punctuation divides.
fn push(tokens: &mut Vec<Token>, letters: &[Letter]) {
    let plain: String = letters.iter().map(|letter| letter.char()).collect();
    match plain.to_ascii_uppercase().as_str() {
        "AND" => tokens.push(Token::And),
        "OR" => tokens.push(Token::Or),
        "NOT" if tokens.last() == Some(&Token::And) => {
            tokens.pop();
            tokens.push(Token::AndNot);
        }
        _ => {
            let words = words(letters);
            if !words.is_empty() {
                tokens.push(Token::Words(words));
            }
        }
    }
}

type Chars<'t> = std::iter::Peekable<std::str::Chars<'t>>;

/// The letters up to the closing quotation mark, and whether there is one.
fn phrase(chars: &mut Chars<'_>) -> (Vec<Letter>, bool) {
    let mut letters = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '"' => return (letters, true),
            '\\' => letters.extend(chars.next().map(Letter::Char)),
            '*' => letters.push(Letter::Many),
            '?' => letters.push(Letter::One),
            c => letters.push(Letter::Char(c)),
        }
    }
    (letters, false)
}

fn bare(chars: &mut Chars<'_>, text: &str) -> Result<Vec<Letter>, SalesforceError> {
    let mut letters = Vec::new();
    while let Some(c) = chars.peek().copied().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"'))
    {
        chars.next();
        match c {
            '\\' => letters.extend(chars.next().map(Letter::Char)),
            '*' => letters.push(Letter::Many),
            '?' => letters.push(Letter::One),
            c if RESERVED.contains(&c) => {
                return Err(malformed(format!(
                    "the reserved character {c} must be escaped with a backslash in the search term: {text}"
                )));
            }
            c => letters.push(Letter::Char(c)),
        }
    }
    Ok(letters)
}

/// Cuts a text without wildcards into words.
pub(super) fn plain_words(text: &str) -> Vec<Word> {
    words(&text.chars().map(Letter::Char).collect::<Vec<_>>())
}

/// Cuts letters into words as texts are cut.
fn words(letters: &[Letter]) -> Vec<Word> {
    let part = |letter: &Letter| match letter {
        Letter::Char(c) => !c.is_alphanumeric(),
        Letter::One | Letter::Many => false,
    };
    let folded = |letters: &[Letter]| {
        let lower = letters.iter().flat_map(|letter| match letter {
            Letter::Char(c) => c.to_lowercase().map(Letter::Char).collect::<Vec<_>>(),
            wildcard => vec![*wildcard],
        });
        Word(lower.collect())
    };
    letters.split(part).filter(|word| !word.is_empty()).map(folded).collect()
}

struct Parser<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl Parser<'_> {
    fn take(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn either(&mut self, depth: usize) -> Result<Expression, SalesforceError> {
        let mut parts = vec![self.both(depth)?];
        while self.take(&Token::Or) {
            parts.push(self.both(depth)?);
        }
        Ok(one_or(parts, Expression::Or))
    }

    /// Terms side by side are joined by AND.
    fn both(&mut self, depth: usize) -> Result<Expression, SalesforceError> {
        let mut parts = vec![self.primary(depth)?];
        loop {
            if self.take(&Token::AndNot) {
                let unwanted = self.primary(depth)?;
                let wanted = one_or(std::mem::take(&mut parts), Expression::And);
                parts.push(Expression::Without(Box::new(wanted), Box::new(unwanted)));
            } else if self.take(&Token::And)
                || matches!(self.tokens.get(self.at), Some(Token::Words(_) | Token::Open))
            {
                parts.push(self.primary(depth)?);
            } else {
                return Ok(one_or(parts, Expression::And));
            }
        }
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, SalesforceError> {
        let unexpected = || malformed("unexpected bracket or operator in the search term");
        if depth == 0 {
            return Err(unexpected());
        }
        if self.take(&Token::Open) {
            let inner = self.either(depth - 1)?;
            return if self.take(&Token::Close) { Ok(inner) } else { Err(unexpected()) };
        }
        let Some(Token::Words(words)) = self.tokens.get(self.at) else { return Err(unexpected()) };
        self.at += 1;
        Ok(Expression::Words(words.clone()))
    }
}

fn one_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finds(search: &str, texts: &[&str]) -> bool {
        let mut record = Texts::default();
        texts.iter().for_each(|text| record.add(text));
        Expression::parse(search).unwrap_or_else(|error| panic!("{search}: {error}")).matches(&record)
    }

    #[test]
    fn terms_wildcards_phrases_and_operators_match() {
        let texts = ["Ada Lovelace", "ada@engines.example", "First programmer"];
        for (search, found) in [
            ("lovelace", true),
            ("ADA programmer", true),
            ("love", false),
            ("love*", true),
            ("lov?lace", true),
            ("l?ce", false),
            ("\"ada lovelace\"", true),
            ("\"lovelace ada\"", false),
            ("ada@engines.example", true),
            ("babbage OR lovelace", true),
            ("ada AND babbage", false),
            ("ada AND NOT babbage", true),
            ("ada AND NOT lovelace", false),
            ("(babbage OR ada) programmer", true),
            ("babbage OR ada programmer", true),
        ] {
            assert_eq!(finds(search, &texts), found, "{search}");
        }
    }

    #[test]
    fn phones_match_by_their_digits() {
        let mut record = Texts::default();
        record.add_phone("+1 (415) 555-0123");
        for (search, found) in [
            ("4155550123", true),
            ("5550123", true),
            ("0123", true),
            ("\\+1 \\(415\\) 555\\-0123", true),
            ("5550124", false),
            ("\"555 0123\"", true),
        ] {
            assert_eq!(Expression::parse(search).unwrap().matches(&record), found, "{search}");
        }
    }

    #[test]
    fn what_must_be_escaped_and_what_is_too_short_is_refused() {
        for search in [
            "a",
            "",
            "*",
            "a*",
            "\"open",
            "(ab",
            "ab)",
            "OR ab",
            "ab AND",
            "o'brien",
            "a-b",
            "x:y",
            "AND NOT ab",
        ] {
            assert_eq!(Expression::parse(search).unwrap_err().code, "MALFORMED_SEARCH", "{search}");
        }
        assert!(finds("o\\'brien", &["O'Brien"]));
        assert!(finds("what\\?", &["So what?"]));
    }

    proptest! {
        #[test]
        fn any_text_parses_or_is_refused(text in "[a-z \"()*?\\\\ANDORT-]{0,30}") {
            if let Ok(expression) = Expression::parse(&text) {
                let _found = expression.matches(&Texts::default());
            }
        }

        #[test]
        fn an_escaped_text_finds_itself(text in "[a-zA-Z0-9&|!{}\\[\\]^~:'+()*?\\\\-]{2,20}") {
            prop_assume!(text.chars().filter(|c| c.is_alphanumeric()).count() >= 2);
            prop_assume!(!["AND", "OR", "NOT"].contains(&text.to_ascii_uppercase().as_str()));
            let escaped: String = text.chars().flat_map(|c| if c.is_alphanumeric() { vec![c] } else { vec!['\\', c] }).collect();
            prop_assert!(finds(&escaped, &[&text]), "{}", escaped);
        }
    }
}
