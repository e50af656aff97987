//! Record ids: 15 case-sensitive characters, or 18 with a checksum that makes them safe without case.

use std::fmt;

/// A record id in its 18-character form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SalesforceId([u8; 18]);

impl SalesforceId {
    /// Reads an id of 15 or 18 characters; the short form is widened. None for anything else, a wrong checksum included.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let short: &[u8; 15] = bytes.first_chunk()?;
        let checksum = checksum(short);
        match bytes.get(15..)? {
            given if given.is_empty() || given == checksum => {}
            _ => return None,
        }
        let mut id = [0; 18];
        let (head, tail) = id.split_at_mut(15);
        head.copy_from_slice(short);
        tail.copy_from_slice(&checksum);
        Some(Self(id))
    }

    /// Reads an id that begins with one of these prefixes, and so can be one of their objects'.
    pub(crate) fn parse_with<'p>(text: &str, prefixes: impl IntoIterator<Item = &'p str>) -> Option<Self> {
        let id = Self::parse(text)?;
        prefixes.into_iter().any(|prefix| prefix == id.key_prefix()).then_some(id)
    }

    /// The 18 characters.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The three characters that name the object, such as `003` for Contact.
    pub(crate) fn key_prefix(&self) -> &str {
        self.as_str().get(..3).unwrap_or_default()
    }
}

/// The 18-character form of an id, or the text itself when it is no id: what came is never changed into something else.
pub(crate) fn widened(text: &str) -> std::borrow::Cow<'_, str> {
    match SalesforceId::parse(text) {
        Some(id) if text.len() == 15 => std::borrow::Cow::Owned(id.as_str().to_owned()),
        _ => std::borrow::Cow::Borrowed(text),
    }
}

/// One character per five of the id: which of them are upper case, as a number in base 32.
fn checksum(short: &[u8; 15]) -> [u8; 3] {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let mut sum = [0; 3];
    for (character, five) in sum.iter_mut().zip(short.chunks_exact(5)) {
        let upper = |(at, byte): (usize, &u8)| usize::from(byte.is_ascii_uppercase()) << at;
        let number: usize = five.iter().enumerate().map(upper).sum();
        *character = DIGITS[number % DIGITS.len()];
    }
    sum
}

impl fmt::Display for SalesforceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for SalesforceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_as_salesforce_wrote_them() {
        for id in ["001B000001LntWlIAJ", "003ak00000luKU1AAM", "00D6g000006wre4EAA"] {
            assert_eq!(SalesforceId::parse(&id[..15]).unwrap().as_str(), id);
            assert_eq!(SalesforceId::parse(id).unwrap().as_str(), id);
            assert_eq!(widened(&id[..15]), id);
        }
        assert_eq!(SalesforceId::parse("003ak00000luKU1").unwrap().key_prefix(), "003");
    }

    #[test]
    fn what_is_no_id() {
        for text in [
            "",
            "001",
            "001B000001LntWlIA",
            "001B000001LntWlIAK",
            "001B000001LntW-",
            "001B000001LntWé",
            "001B000001LntWlIAJ0",
        ] {
            assert_eq!(SalesforceId::parse(text), None, "{text}");
            assert_eq!(widened(text), text);
        }
    }

    #[test]
    fn an_id_belongs_to_the_object_that_its_prefix_names() {
        let known = |prefixes: &[&str]| {
            SalesforceId::parse_with("003ak00000luKU1", prefixes.iter().copied()).is_some()
        };
        assert!(known(&["003"]) && known(&["001", "003"]));
        assert!(!known(&["001"]) && !known(&["00"]) && !known(&[]));
    }

    proptest! {
        #[test]
        fn widening_keeps_the_short_form_and_is_stable(short in "[A-Za-z0-9]{15}") {
            let id = SalesforceId::parse(&short).unwrap();
            prop_assert_eq!(&id.as_str()[..15], short.as_str());
            prop_assert_eq!(SalesforceId::parse(id.as_str()), Some(id));
        }

        #[test]
        fn a_changed_case_is_noticed(short in "[A-Za-z0-9]{15}", at in 0_usize..15) {
            let mut wide = SalesforceId::parse(&short).unwrap().as_str().to_owned().into_bytes();
            prop_assume!(wide[at].is_ascii_alphabetic());
            wide[at] ^= 0x20;
            prop_assert_eq!(SalesforceId::parse(std::str::from_utf8(&wide).unwrap()), None);
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,20}") {
            let _id = SalesforceId::parse(&text);
        }
    }
}
