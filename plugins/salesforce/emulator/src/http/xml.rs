//! As much XML as the SOAP calls need: elements without regard to namespaces, and their text.

/// Nesting that is followed.
const MAX_DEPTH: usize = 32;

/// An element with its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Name without its prefix.
    pub(crate) name: String,
    /// Text directly inside.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
    /// Marked with `xsi:nil="true"`: a null.
    pub(crate) nil: bool,
}

impl Element {
    /// Reads a document; none when it is not well formed.
    pub(crate) fn parse(document: &str) -> Option<Self> {
        let mut reader = Reader { rest: document };
        loop {
            match reader.next()? {
                Event::Open(tag) => return reader.element(tag, MAX_DEPTH),
                Event::Text(text) if text.trim().trim_start_matches('\u{feff}').is_empty() => {}
                _ => return None,
            }
        }
    }

    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name, unless it is empty.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim()).filter(|text| !text.is_empty())
    }
}

enum Event<'a> {
    Open(Tag<'a>),
    Close(&'a str),
    Text(String),
}

#[derive(Clone, Copy)]
struct Tag<'a> {
    name: &'a str,
    empty: bool,
    nil: bool,
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(markup) = self.rest.strip_prefix('<') else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Event::Text(unescape(text)));
            };
            if let Some(cdata) = markup.strip_prefix("![CDATA[") {
                let (text, rest) = cdata.split_once("]]>")?;
                self.rest = rest;
                return Some(Event::Text(text.to_owned()));
            }
            let skipped = [("?", "?>"), ("!--", "-->"), ("!", ">")];
            if let Some((_, end)) = skipped.iter().find(|(start, _)| markup.starts_with(start)) {
                self.rest = markup.split_once(end)?.1;
                continue;
            }
            let (tag, rest) = markup.split_once('>')?;
            self.rest = rest;
            if let Some(name) = tag.strip_prefix('/') {
                return Some(Event::Close(local(name)));
            }
            let empty = tag.ends_with('/');
            let name = tag.trim_end_matches('/').split_whitespace().next()?;
            let nil = tag.contains("nil=\"true\"") || tag.contains("nil='true'");
            return Some(Event::Open(Tag { name: local(name), empty, nil }));
        }
    }

    fn element(&mut self, tag: Tag<'_>, depth: usize) -> Option<Element> {
        let mut element = Element { name: tag.name.to_owned(), nil: tag.nil, ..Element::default() };
        if tag.empty {
            return Some(element);
        }
        if depth == 0 {
            return None;
        }
        loop {
            match self.next()? {
                Event::Open(tag) => element.children.push(self.element(tag, depth - 1)?),
                Event::Close(closed) => return (closed == element.name).then_some(element),
                Event::Text(text) => element.text.push_str(&text),
            }
        }
    }
}

fn local(name: &str) -> &str {
    let name = name.trim();
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let Some((entity, behind)) = after.split_once(';') else {
            out.push('&');
            rest = after;
            continue;
        };
        let code = entity
            .strip_prefix("#x")
            .map(|hex| u32::from_str_radix(hex, 16))
            .or_else(|| entity.strip_prefix('#').map(str::parse));
        let c = match (entity, code) {
            ("amp", _) => Some('&'),
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, Some(Ok(code))) => char::from_u32(code),
            _ => None,
        };
        match c {
            Some(c) => out.push(c),
            None => out.push_str(&format!("&{entity};")),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_envelope_is_read_whatever_its_prefixes() {
        let document = "<?xml version=\"1.0\"?>\n<se:Envelope xmlns:se=\"x\"><se:Header/><se:Body><login xmlns=\"urn:y\">\
                        <username>a&amp;b@example.com</username><password><![CDATA[p<w]]></password></login></se:Body></se:Envelope>";
        let envelope = Element::parse(document).unwrap();
        let login = &envelope.child("Body").unwrap().children[0];
        assert_eq!(
            (login.name.as_str(), login.text_of("username"), login.text_of("password")),
            ("login", Some("a&b@example.com"), Some("p<w"))
        );
    }

    proptest! {
        #[test]
        fn text_survives_escaping(text in "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f]{0,40}") {
            let document = format!("<a><b>{}</b></a>", crate::http::oauth::escape(&text));
            let read = Element::parse(&document).unwrap();
            prop_assert_eq!(&read.child("b").unwrap().text, &text);
        }

        #[test]
        fn any_text_is_read_or_refused(document in "[<>/a&;!\\[\\]? -]{0,60}") {
            let _element = Element::parse(&document);
        }
    }
}
