//! SOSL: `FIND {..} IN .. FIELDS RETURNING .. WITH .. LIMIT ..`.

use super::malformed;
use crate::error::SalesforceError;

/// A search as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Search {
    /// What stands between the braces.
    pub(super) find: String,
    pub(super) group: Group,
    pub(super) returning: Vec<Returning>,
    pub(super) limit: Option<usize>,
}

/// Which fields are searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Group {
    #[default]
    All,
    Name,
    Email,
    Phone,
    Sidebar,
}

impl Group {
    pub(super) fn named(name: &str) -> Option<Self> {
        let groups = [
            ("ALL", Self::All),
            ("NAME", Self::Name),
            ("EMAIL", Self::Email),
            ("PHONE", Self::Phone),
            ("SIDEBAR", Self::Sidebar),
        ];
        groups.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, group)| *group)
    }
}

/// What is wanted of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Returning {
    pub(super) object: String,
    /// The select list; empty is the id alone.
    pub(super) fields: String,
    pub(super) condition: String,
    /// `ORDER BY ..` up to the limit, as in SOQL.
    pub(super) order: String,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// Reads a search.
pub(super) fn parse(text: &str) -> Result<Search, SalesforceError> {
    let no_term = || malformed("No search term found. The search term must be enclosed in braces.");
    let rest = keyword(text.trim(), "FIND").ok_or_else(no_term)?;
    let rest = rest.trim_start().strip_prefix('{').ok_or_else(no_term)?;
    let end = closing_brace(rest).ok_or_else(no_term)?;
    let (find, rest) = rest.split_at(end);
    let mut search = Search { find: find.to_owned(), group: Group::All, returning: Vec::new(), limit: None };
    let mut rest = rest.get(1..).unwrap_or_default().trim_start();
    if let Some(behind) = keyword(rest, "IN") {
        let (group, behind) = word(behind);
        search.group = Group::named(group).ok_or_else(|| unexpected(group))?;
        rest = keyword(behind, "FIELDS").ok_or_else(|| unexpected(behind))?;
    }
    if let Some(behind) = keyword(rest, "RETURNING") {
        rest = returning(behind, &mut search.returning)?;
    }
    // Divisions, snippets and the like: they do not change what is found here.
    while let Some(behind) = keyword(rest, "WITH") {
        let end = ["WITH", "LIMIT", "UPDATE"]
            .iter()
            .filter_map(|next| position(behind, next))
            .min()
            .unwrap_or(behind.len());
        rest = behind.get(end..).unwrap_or_default();
    }
    if let Some(behind) = keyword(rest, "LIMIT") {
        let (number, behind) = word(behind);
        search.limit = Some(number.parse().map_err(|_| unexpected(number))?);
        rest = behind;
    }
    if keyword(rest, "UPDATE").is_some() {
        rest = "";
    }
    if rest.trim().is_empty() { Ok(search) } else { Err(unexpected(rest)) }
}

fn unexpected(text: &str) -> SalesforceError {
    let word = text.split_whitespace().next().unwrap_or("<EOF>");
    malformed(format!("unexpected token: {word}"))
}

/// Where the search term ends: a closing brace that no backslash stands before.
fn closing_brace(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '}' if !escaped => return Some(at),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// What follows a keyword at the start of a text.
fn keyword<'t>(text: &'t str, keyword: &str) -> Option<&'t str> {
    let text = text.trim_start();
    let (start, rest) = text.split_at_checked(keyword.len())?;
    let ends = rest.chars().next().is_none_or(|c| !c.is_alphanumeric() && c != '_');
    (ends && start.eq_ignore_ascii_case(keyword)).then_some(rest)
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).unwrap_or(text.len());
    text.split_at(end)
}

fn returning<'t>(text: &'t str, found: &mut Vec<Returning>) -> Result<&'t str, SalesforceError> {
    let mut rest = text;
    loop {
        let (object, behind) = word(rest);
        if object.is_empty() {
            return Err(unexpected(rest));
        }
        let mut item = Returning { object: object.to_owned(), ..Returning::default() };
        rest = behind.trim_start();
        if let Some(inside) = rest.strip_prefix('(') {
            let end = closing_bracket(inside)
                .ok_or_else(|| malformed("missing closing bracket after RETURNING"))?;
            details(inside.get(..end).unwrap_or_default(), &mut item)?;
            rest = inside.get(end + 1..).unwrap_or_default().trim_start();
        }
        found.push(item);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None => return Ok(rest),
        }
    }
}

/// `Id, Name USING ListView=x WHERE .. ORDER BY .. LIMIT .. OFFSET ..`
fn details(text: &str, item: &mut Returning) -> Result<(), SalesforceError> {
    let clauses = ["USING", "WHERE", "ORDER", "LIMIT", "OFFSET"];
    let mut starts: Vec<(usize, &str)> =
        clauses.iter().filter_map(|clause| position(text, clause).map(|at| (at, *clause))).collect();
    starts.sort_unstable();
    let first = starts.first().map_or(text.len(), |(at, _)| *at);
    item.fields = text.get(..first).unwrap_or_default().trim().to_owned();
    if item.fields.is_empty() {
        return Err(unexpected(text));
    }
    for (index, (at, clause)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(text.len(), |(next, _)| *next);
        let body = text.get(at + clause.len()..end).unwrap_or_default().trim();
        let number = || body.parse::<usize>().map_err(|_| unexpected(body));
        match *clause {
            "WHERE" => item.condition = body.to_owned(),
            "ORDER" => item.order = format!("ORDER {body}"),
            "LIMIT" => item.limit = Some(number()?),
            "OFFSET" => item.offset = number()?,
            _ => {}
        }
    }
    Ok(())
}

/// Where a keyword stands as a word of its own, outside of quotes and brackets.
fn position(text: &str, keyword: &str) -> Option<usize> {
    let mut before = ' ';
    outside(text).find_map(|(at, c, depth)| {
        let starts = !before.is_alphanumeric() && !matches!(before, '_' | '.');
        before = c;
        let here = text.get(at..).unwrap_or_default();
        (depth == 0 && starts && self::keyword(here, keyword).is_some() && !c.is_whitespace()).then_some(at)
    })
}

fn closing_bracket(text: &str) -> Option<usize> {
    outside(text).find_map(|(at, c, depth)| (c == ')' && depth < 0).then_some(at))
}

/// The characters outside of quotes with their places, and how many brackets are open behind each of them.
fn outside(text: &str) -> impl Iterator<Item = (usize, char, i32)> + '_ {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0);
    text.char_indices().filter_map(move |(at, c)| {
        if quoted {
            quoted = escaped || c != '\'';
            escaped = !escaped && c == '\\';
            return None;
        }
        match c {
            '\'' => {
                quoted = true;
                return None;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        Some((at, c, depth))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_search_is_read() {
        let text = "FIND {a\\}b \"c\"} IN Email FIELDS RETURNING Contact(Id, Name WHERE Name != 'ORDER BY (' AND (Fax = null) \
                    ORDER BY Name DESC LIMIT 5 OFFSET 2), Account, Lead (Id LIMIT 1) WITH SNIPPET (target_length=120) LIMIT 20";
        let contact = Returning {
            object: "Contact".to_owned(),
            fields: "Id, Name".to_owned(),
            condition: "Name != 'ORDER BY (' AND (Fax = null)".to_owned(),
            order: "ORDER BY Name DESC".to_owned(),
            limit: Some(5),
            offset: 2,
        };
        let account = Returning { object: "Account".to_owned(), ..Returning::default() };
        let lead = Returning {
            object: "Lead".to_owned(),
            fields: "Id".to_owned(),
            limit: Some(1),
            ..Returning::default()
        };
        let expected = Search {
            find: "a\\}b \"c\"".to_owned(),
            group: Group::Email,
            returning: vec![contact, account, lead],
            limit: Some(20),
        };
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse("find {ab}").unwrap().group, Group::All);
    }

    #[test]
    fn broken_searches_are_refused() {
        for text in [
            "",
            "FIND",
            "FIND ab",
            "FIND {ab",
            "FIND {ab} IN FIELDS",
            "FIND {ab} RETURNING",
            "FIND {ab} RETURNING Contact(Id",
            "FIND {ab} LIMIT x",
            "FIND {ab} nonsense",
            "SELECT Id FROM Contact",
        ] {
            assert_eq!(parse(text).unwrap_err().code, "MALFORMED_SEARCH", "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "FIND \\{ab\\}[ a-zA-Z(),'{}\\\\]{0,40}") {
            let _parsed = parse(&text);
        }
    }
}
