//! The embedded schema files.

use super::{Features, Schema, SchemaError, compact};

/// Objects that an activity's WhatId, an e-mail's RelatedToId and a note's ParentId may point to.
pub(crate) const RELATED_TO: [&str; 6] = ["Account", "Asset", "Campaign", "Case", "Opportunity", "Product2"];

macro_rules! object_files {
    ($($name:literal),* $(,)?) => {
        [$(include_str!(concat!("objects/", $name, ".txt"))),*]
    };
}

const PICKLISTS: &str = include_str!("objects/picklists.txt");

const OBJECTS: [&str; 2] = object_files!["Account", "Contact"];

/// Reads all files for an org with these features.
pub(crate) fn load(features: &Features) -> Result<Schema, SchemaError> {
    let lists = compact::shared_lists(PICKLISTS)?;
    let mut schema = Schema { features: features.clone(), ..Schema::default() };
    for text in OBJECTS {
        if let Some(object) = compact::parse_object(text, features, &lists)? {
            schema.add_object(object)?;
        }
    }
    schema.sort_children();
    Ok(schema)
}
