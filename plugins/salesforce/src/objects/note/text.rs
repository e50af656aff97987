//! The text of a note: its title as the first line, and HTML as the text that it shows.

use std::borrow::Cow;

/// What stands at the end of a title that is cut.
const CUT: char = '…';

/// The content of a note: the title, and the body below it. A body that begins with the title, or with all that a cut
/// title shows of it, is the whole content.
pub(super) fn joined(title: Option<&str>, body: Option<&str>) -> Option<String> {
    let title = title.map(str::trim).filter(|title| !title.is_empty());
    let body = body.map(str::trim).filter(|body| !body.is_empty());
    let (title, body) = match (title, body) {
        (None, None) => return None,
        (Some(only), None) | (None, Some(only)) => return Some(as_lines(only).into_owned()),
        (Some(title), Some(body)) => (as_lines(title), as_lines(body)),
    };
    let first = body.lines().next().unwrap_or_default();
    let repeated = match title.strip_suffix(CUT) {
        Some(shown) => first.starts_with(shown),
        None => first.trim_end() == title,
    };
    Some(if repeated { body.into_owned() } else { format!("{title}\n{body}") })
}

/// The title and the body that together are this content. Where title and rest would not give it back, the body has all
/// of it.
pub(super) fn split(content: &str, limit: usize) -> (String, String) {
    let (first, rest) = content.split_once('\n').unwrap_or((content, ""));
    let first = first.trim();
    if first.chars().count() <= limit {
        if joined(Some(first), Some(rest)).as_deref() == Some(content) {
            return (first.to_owned(), rest.trim().to_owned());
        }
        if joined(Some(first), Some(content)).as_deref() == Some(content) {
            return (first.to_owned(), content.to_owned());
        }
    }
    let shown: String = first.chars().take(limit.saturating_sub(1)).collect();
    (format!("{}{CUT}", shown.trim_end()), content.to_owned())
}

fn as_lines(text: &str) -> Cow<'_, str> {
    crate::objects::parts::line_feeds(text)
}

/// Text as HTML: escaped, with the line breaks that it has.
pub(super) fn html_of(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\n' => html.push_str("<br>"),
            '\t' => html.push_str("&#9;"),
            other => html.push(other),
        }
    }
    html
}

/// The text that HTML shows: tags go, breaks and both ends of blocks are line breaks, character references are characters.
pub(super) fn text_of(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&', '\n', '\r', '\t']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        let taken = match from.as_bytes().first() {
            Some(b'<') => tag(from, &mut text),
            Some(b'&') => character_reference(from, &mut text),
            _ => white_space(from, &mut text),
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    text.push_str(rest);
    text.trim().to_owned()
}

/// Reads a tag or a comment; gives its length.
fn tag(from: &str, text: &mut String) -> usize {
    if from.starts_with("<!--") {
        return from.find("-->").map_or(from.len(), |end| end + 3);
    }
    let inner = from.get(1..).unwrap_or_default();
    let name = inner.strip_prefix('/').unwrap_or(inner);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        // A lone angle bracket is text.
        text.push('<');
        return 1;
    }
    let Some(end) = from.find('>') else { return from.len() };
    let name: String = name
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    match name.as_str() {
        "br" => text.push('\n'),
        "p" | "div" | "li" | "ul" | "ol" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote"
        | "pre"
            if !text.ends_with('\n') =>
        {
            text.push('\n');
        }
        _ => {}
    }
    end + 1
}

/// Reads a character reference; gives its length. What is none is text.
fn character_reference(from: &str, text: &mut String) -> usize {
    let end = from.bytes().take(12).position(|byte| byte == b';');
    let Some((end, name)) = end.and_then(|end| Some((end, from.get(1..end)?))) else {
        text.push('&');
        return 1;
    };
    let numeric = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None => number.parse().ok(),
    });
    let character = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => numeric
            .and_then(char::from_u32)
            .map(|character| if character == '\u{a0}' { ' ' } else { character }),
    };
    match character {
        Some(character) => {
            text.push(character);
            end + 1
        }
        None => {
            text.push('&');
            1
        }
    }
}

/// Line breaks and tabs of the source are one space at most; gives their length.
fn white_space(from: &str, text: &mut String) -> usize {
    if !text.ends_with(char::is_whitespace) {
        text.push(' ');
    }
    from.len() - from.trim_start_matches(['\n', '\r', '\t']).len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_title_is_the_first_line() {
        let cases = [
            (None, None, None),
            (Some(" "), Some(""), None),
            (Some("Call"), None, Some("Call")),
            (None, Some("We talked"), Some("We talked")),
            (Some("Call"), Some("We talked\r\nlong"), Some("Call\nWe talked\nlong")),
            (Some("Call"), Some("Call\nWe talked"), Some("Call\nWe talked")),
            (Some("Call"), Some("Call \nWe talked"), Some("Call \nWe talked")),
            (Some("Call"), Some("Calling"), Some("Call\nCalling")),
            (Some("Call…"), Some("Calling them"), Some("Calling them")),
            (Some("Call…"), Some("No"), Some("Call…\nNo")),
        ];
        for (title, body, content) in cases {
            assert_eq!(joined(title, body).as_deref(), content, "{title:?} {body:?}");
        }
    }

    #[test]
    fn a_long_first_line_is_cut_in_the_title_and_whole_in_the_body() {
        assert_eq!(split("Hello world", 6), ("Hello…".to_owned(), "Hello world".to_owned()));
        assert_eq!(split("Hello", 5), ("Hello".to_owned(), String::new()));
        assert_eq!(split("a\nb\nc", 5), ("a".to_owned(), "b\nc".to_owned()));
        assert_eq!(split("a\na\nc", 5), ("a".to_owned(), "a\na\nc".to_owned()));
    }

    #[test]
    fn html_as_the_editor_writes_it() {
        let cases = [
            ("<p>One</p><p>Two</p>", "One\nTwo"),
            ("<p>One<br>Two</p>", "One\nTwo"),
            ("One<br/>\nTwo", "One\nTwo"),
            ("<ul><li>a</li><li>b &amp; c</li></ul>", "a\nb & c"),
            ("Fruit<ul><li>apple</li></ul>and <b>no</b> more", "Fruit\napple\nand no more"),
            ("a<!-- no -->b", "ab"),
            ("1 &lt; 2 &#39;x&#x27; &apos;y&apos; &nbsp;z", "1 < 2 'x' 'y'  z"),
            ("<!-- no --><b class=\"x\">bold</b> and\n  more", "bold and   more"),
            ("a < b & c &nosuch; &", "a < b & c &nosuch; &"),
            ("<p>cut", "cut"),
            ("x<br", "x"),
            ("<h1>T</h1><blockquote>q</blockquote>", "T\nq"),
        ];
        for (html, text) in cases {
            assert_eq!(text_of(html), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn content_comes_back_from_title_and_body(content in "[ab …]{1,8}(\n[ab …\t]{0,8}){0,4}", limit in 2_usize..9) {
            let content = content.trim();
            prop_assume!(!content.is_empty());
            let (title, body) = split(content, limit);
            prop_assert!(title.chars().count() <= limit && !title.contains('\n'));
            let read = joined(Some(&title), Some(&body));
            prop_assert_eq!(read.as_deref(), Some(content));
        }

        #[test]
        fn text_comes_back_from_html(text in "[^\r]{0,60}") {
            prop_assert_eq!(text_of(&html_of(&text)), text.trim());
        }

        #[test]
        fn any_html_is_read(html in "(<|>|&|;|#|x|/|br|p|!--|-->|\\PC|\n){0,40}") {
            let _text = text_of(&html);
        }
    }
}
