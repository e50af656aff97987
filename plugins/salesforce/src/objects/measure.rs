//! A way in for `benches/mapping.rs`: from the bytes of a page of contacts to unified contacts.

use serde::Deserialize;
use serde_json::value::RawValue;
use unicrm_core::{LinkedAccountId, Record};

use super::decode::{Decoder, Extras};
use super::{MapContext, SourceClasses, known_fields};
use crate::read::source::Source;

/// Maps pages of contacts whose select list is fixed.
#[derive(Debug)]
pub struct Contacts {
    cx: MapContext,
    classes: SourceClasses,
}

#[derive(Deserialize)]
struct Page<'t> {
    #[serde(borrow)]
    records: Vec<&'t RawValue>,
}

impl Contacts {
    /// Of this linked account, with this select list.
    #[must_use]
    pub fn new(linked_account: LinkedAccountId, selected: &[&str]) -> Self {
        let cx = MapContext::new(linked_account, "https://example.my.salesforce.com");
        let fields = known_fields(Source::Contact);
        let classes = SourceClasses::new("Contact", fields, None, selected.iter().copied());
        Self { cx, classes }
    }

    /// The contacts of a page.
    ///
    /// # Errors
    ///
    /// A sentence, when the page or one of its records cannot be read.
    pub fn map(&self, page: &[u8]) -> Result<Vec<Record>, String> {
        let text = simdutf8::basic::from_utf8(page).map_err(|error| error.to_string())?;
        let page: Page<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut decoder = Decoder::new(Source::Contact, &self.classes, &self.cx);
        let mut contacts = Vec::with_capacity(page.records.len());
        for record in page.records {
            let decoded = decoder.decode(record.get(), Extras::default());
            contacts.push(decoded.map_err(|error| error.to_string())?.record);
        }
        Ok(contacts)
    }
}
