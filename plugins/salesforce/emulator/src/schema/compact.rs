//! Reader of the compact schema files: one object a file, one field a line, nothing said that the type implies.
//!
//! ```text
//! object Contact 003 Contacts +mergeable +searchable     name, key prefix, plural label, calls
//! scopes everything="All contacts" mine="My contacts"
//! recordtypes Partner Customer*                          the default one is starred
//! needs ContentDocumentId LinkedEntityId                 a query must filter by one of them
//! @id "Contact ID"                                       macros: @id @deleted @audit @viewed @address @currency
//! LastName string(80) required part=Name extra=personname
//! AccountId reference to=Account children=Contacts       relationship Account: the name without Id
//! Salutation picklist(40) values=@salutation             a list of picklists.txt
//! Rating picklist(40) values="Hot; Warm; Cold"           `API name = Label`, `*` default, `!` inactive
//! CurrencyIsoCode picklist(3) when=multi_currency        only with that feature, `when=!...` only without
//! ```
//! Words after the type: `required`, `ro` (neither create nor update), `insert` (create only), `update` (update
//! only), `name` (names the record), `defaulted`, `option` (a preference bit), and `+flag` or `-flag`.

use std::collections::HashMap;

use super::field::{DefaultValue, FieldSchema, FieldType, PicklistValue};
use super::object::{ObjectSchema, RecordType};
use super::{Features, SchemaError};

/// Named picklists that several fields share.
pub(crate) type SharedLists = HashMap<String, Vec<PicklistValue>>;

/// Reads `picklists.txt`: `name: values` lines, continued by lines that start with a blank.
pub(crate) fn shared_lists(text: &str) -> Result<SharedLists, SchemaError> {
    let mut lists = SharedLists::new();
    let mut current: Option<(String, Vec<PicklistValue>)> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            let Some((_, values)) = current.as_mut() else {
                return Err(SchemaError(format!("picklists: continuation without a list: {line}")));
            };
            values.extend(parse_values(line));
            continue;
        }
        if let Some((name, values)) = current.take() {
            lists.insert(name, values);
        }
        let Some((name, values)) = line.split_once(':') else {
            return Err(SchemaError(format!("picklists: no list name: {line}")));
        };
        current = Some((name.trim().to_owned(), parse_values(values)));
    }
    if let Some((name, values)) = current {
        lists.insert(name, values);
    }
    Ok(lists)
}

/// Reads one object file; none when the object needs a feature that is off.
pub(crate) fn parse_object(
    text: &str,
    features: &Features,
    lists: &SharedLists,
) -> Result<Option<ObjectSchema>, SchemaError> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let header = lines.next().unwrap_or_default();
    let words = tokens(header);
    let Some(mut reader) = Reader::from_header(&words, features, lists)? else { return Ok(None) };
    for line in lines {
        reader
            .line(line)
            .map_err(|SchemaError(why)| SchemaError(format!("{}: {why} in {line:?}", reader.object.name)))?;
    }
    Ok(Some(reader.object))
}

/// CreatedDate, CreatedById, LastModifiedDate, LastModifiedById, SystemModstamp and IsDeleted, as nearly all have them.
pub(crate) fn audit_fields() -> Vec<FieldSchema> {
    let mut fields = vec![deleted_field()];
    fields.extend(stamp_fields());
    fields
}

fn deleted_field() -> FieldSchema {
    let mut field = read_only(FieldSchema::new("IsDeleted", FieldType::Boolean));
    field.label = "Deleted".to_owned();
    field
}

fn stamp_fields() -> Vec<FieldSchema> {
    let stamp = |name: &str| read_only(FieldSchema::new(name, FieldType::DateTime));
    let user = |name: &str, rel: &str| {
        read_only(FieldSchema::new(name, FieldType::Reference).to(&["User"], Some(rel)))
    };
    let mut fields = vec![
        stamp("CreatedDate"),
        user("CreatedById", "CreatedBy"),
        stamp("LastModifiedDate"),
        user("LastModifiedById", "LastModifiedBy"),
        stamp("SystemModstamp"),
    ];
    for field in &mut fields {
        field.nillable = false;
        field.defaulted_on_create = true;
    }
    fields
}

fn read_only(mut field: FieldSchema) -> FieldSchema {
    field.createable = false;
    field.updateable = false;
    field
}

struct Reader<'a> {
    object: ObjectSchema,
    features: &'a Features,
    lists: &'a SharedLists,
    /// Whether field-level security applies to the object's optional fields.
    permissionable: bool,
    /// Whether the fields are read-only unless said otherwise.
    read_only: bool,
}

impl<'a> Reader<'a> {
    fn from_header(
        words: &[String],
        features: &'a Features,
        lists: &'a SharedLists,
    ) -> Result<Option<Self>, SchemaError> {
        let [keyword, name, prefix, plural, flags @ ..] = words else {
            return Err(SchemaError(format!("object line needs name, prefix and plural: {words:?}")));
        };
        if keyword != "object" {
            return Err(SchemaError(format!("a schema file starts with its object line, not {keyword:?}")));
        }
        let mut object = ObjectSchema::new(name.as_str());
        object.fields.clear();
        object.label_plural.clone_from(plural);
        object.key_prefix = (prefix != "-").then(|| prefix.clone());
        object.triggerable = true;
        object.scopes.clear();
        let mut reader = Self { object, features, lists, permissionable: true, read_only: false };
        for flag in flags {
            if let Some(feature) = flag.strip_prefix("when=") {
                if !feature_on(features, feature)? {
                    return Ok(None);
                }
            } else if let Some(label) = flag.strip_prefix("label=") {
                label.clone_into(&mut reader.object.label);
            } else {
                reader.object_flag(flag)?;
            }
        }
        Ok(Some(reader))
    }

    fn object_flag(&mut self, flag: &str) -> Result<(), SchemaError> {
        let (on, name) = sign(flag);
        let object = &mut self.object;
        let place = match name {
            "createable" => &mut object.createable,
            "updateable" => &mut object.updateable,
            "deletable" => &mut object.deletable,
            "undeletable" => &mut object.undeletable,
            "queryable" => &mut object.queryable,
            "searchable" => &mut object.searchable,
            "replicateable" => &mut object.replicateable,
            "mergeable" => &mut object.mergeable,
            "retrieveable" => &mut object.retrieveable,
            "triggerable" => &mut object.triggerable,
            "feed" => &mut object.feed_enabled,
            "mru" => &mut object.mru_enabled,
            "clone" => &mut object.deep_cloneable,
            "permissionable" => &mut self.permissionable,
            "layoutable" => {
                object.layoutable = on;
                object.compact_layoutable = on;
                object.search_layoutable = on;
                return Ok(());
            }
            "compact" => &mut object.compact_layoutable,
            "searchlayout" => &mut object.search_layoutable,
            "readonly" => {
                object.createable = false;
                object.updateable = false;
                object.deletable = false;
                object.triggerable = false;
                self.read_only = true;
                return Ok(());
            }
            _ => return Err(SchemaError(format!("{}: unknown flag {flag:?}", object.name))),
        };
        *place = on;
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), SchemaError> {
        let words = tokens(line);
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        match first.as_str() {
            "scopes" => self.object.scopes = rest.iter().filter_map(|w| pair(w)).collect(),
            "needs" => self.object.required_filter = Some(rest.to_vec()),
            "recordtypes" => self.record_types(rest),
            "@id" => {
                let mut id = FieldSchema::new("Id", FieldType::Id);
                id.label = rest.first().cloned().unwrap_or_else(|| format!("{} ID", self.object.label));
                self.object.fields.push(id);
            }
            "@deleted" => {
                let mut field = deleted_field();
                if let Some(label) = rest.first() {
                    field.label.clone_from(label);
                }
                self.object.fields.push(field);
            }
            "@audit" => self.object.fields.extend(stamp_fields()),
            "@viewed" => {
                for name in ["LastViewedDate", "LastReferencedDate"] {
                    self.object.fields.push(read_only(FieldSchema::new(name, FieldType::DateTime)));
                }
            }
            "@currency" => self.field("CurrencyIsoCode", "picklist(255)", &currency_words())?,
            "@address" => self.address(rest.first().map_or("", String::as_str))?,
            name => {
                let Some((ty, words)) = rest.split_first() else {
                    return Err(SchemaError("a field needs a type".to_owned()));
                };
                self.field(name, ty, words)?;
            }
        }
        Ok(())
    }

    fn record_types(&mut self, words: &[String]) {
        for word in words {
            let name = word.trim_end_matches('*');
            let mut kind = RecordType::new(&self.object.name, name);
            kind.default = word.ends_with('*');
            self.object.record_types.push(kind);
        }
    }

    /// Street, City, State, PostalCode, Country, codes, coordinates and the compound itself.
    fn address(&mut self, prefix: &str) -> Result<(), SchemaError> {
        let whole = format!("{prefix}Address");
        let label = if prefix.is_empty() { String::new() } else { format!("{prefix} ") };
        let parts = [
            ("Street", "textarea(255)", "Street", ""),
            ("City", "string(40)", "City", ""),
            ("State", "string(80)", "State/Province", ""),
            ("PostalCode", "string(20)", "Zip/Postal Code", ""),
            ("Country", "string(80)", "Country", ""),
            (
                "StateCode",
                "picklist(10)",
                "State/Province Code",
                "when=state_country_picklists values=@states +restricted",
            ),
            (
                "CountryCode",
                "picklist(10)",
                "Country Code",
                "when=state_country_picklists values=@countries +restricted",
            ),
            ("Latitude", "double(18,15)", "Latitude", ""),
            ("Longitude", "double(18,15)", "Longitude", ""),
            ("GeocodeAccuracy", "picklist(40)", "Geocode Accuracy", "values=@geocode +restricted"),
        ];
        for (part, ty, text, more) in parts {
            let mut words = tokens(more);
            words.push(format!("part={whole}"));
            words.push(format!("{label}{text}"));
            self.field(&format!("{prefix}{part}"), ty, &words)?;
        }
        let mut compound = read_only(FieldSchema::new(whole, FieldType::Address));
        compound.label = format!("{label}Address");
        compound.permissionable = self.permissionable && !self.read_only;
        self.object.fields.push(compound);
        Ok(())
    }

    fn field(&mut self, name: &str, ty: &str, words: &[String]) -> Result<(), SchemaError> {
        let (ty, sizes) = type_and_sizes(ty)?;
        let mut field = FieldSchema::new(name, ty);
        match (ty, sizes.as_slice()) {
            (_, []) => {}
            (FieldType::Double | FieldType::Currency | FieldType::Percent, [precision, scale]) => {
                field.precision = small(*precision)?;
                field.scale = small(*scale)?;
            }
            (FieldType::Int, [digits]) => field.digits = small(*digits)?,
            (_, [length]) => field.set_length(*length),
            _ => return Err(SchemaError(format!("sizes of {name}"))),
        }
        if self.read_only {
            field = read_only(field);
        }
        if ty == FieldType::Reference {
            field.relationship_name = name.strip_suffix("Id").filter(|r| !r.is_empty()).map(str::to_owned);
        }
        let mut signs = Vec::new();
        for word in words {
            if word.starts_with(['+', '-']) {
                signs.push(word.as_str());
            } else if !self.word(&mut field, word)? {
                return Ok(());
            }
        }
        let in_name = field.compound_field_name.as_deref() == Some("Name");
        field.permissionable =
            self.permissionable && field.nillable && field.createable && !in_name && name != "RecordTypeId";
        field.search_prefilterable = ty == FieldType::Reference
            && field.nillable
            && field.relationship_name.is_some()
            && !matches!(name, "RecordTypeId" | "MasterRecordId");
        for word in signs {
            field_flag(&mut field, word)?;
        }
        self.object.fields.push(field);
        Ok(())
    }

    /// Applies one word; false when the field is not part of an org with these features.
    fn word(&self, field: &mut FieldSchema, word: &str) -> Result<bool, SchemaError> {
        match word {
            "required" => field.nillable = false,
            "ro" => {
                field.createable = false;
                field.updateable = false;
            }
            "insert" => field.updateable = false,
            "update" => field.createable = false,
            "name" => field.name_field = true,
            "defaulted" => field.defaulted_on_create = true,
            "option" => {
                field.sortable = false;
                field.groupable = false;
                field.defaulted_on_create = false;
                field.default_value = None;
            }
            _ => return self.pair_or_label(field, word),
        }
        Ok(true)
    }

    fn pair_or_label(&self, field: &mut FieldSchema, word: &str) -> Result<bool, SchemaError> {
        let Some((key, value)) =
            word.split_once('=').filter(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase()))
        else {
            word.clone_into(&mut field.label);
            return Ok(true);
        };
        match key {
            "when" => return feature_on(self.features, value),
            "to" => {
                field.reference_to = value.split(',').map(str::to_owned).collect();
                let several = field.reference_to.len() > 1;
                field.polymorphic_foreign_key = several;
                field.name_pointing = several;
            }
            "rel" => field.relationship_name = (value != "-").then(|| value.to_owned()),
            "children" => field.child_relationship_name = Some(value.to_owned()),
            "part" => field.compound_field_name = Some(value.to_owned()),
            "extra" => field.extra_type_info = (value != "-").then(|| value.to_owned()),
            "default" => {
                field.default_value = match value {
                    "none" => None,
                    "true" => Some(DefaultValue::Boolean(true)),
                    text => Some(DefaultValue::Text(text.to_owned())),
                };
            }
            "label" => value.clone_into(&mut field.label),
            "values" => {
                field.picklist = match value.strip_prefix('@') {
                    Some(name) => self
                        .lists
                        .get(name)
                        .cloned()
                        .ok_or_else(|| SchemaError(format!("no picklist named {name:?}")))?,
                    None => parse_values(value),
                };
                if let Some(default) = field.picklist.iter().find(|p| p.default_value) {
                    field.default_value = Some(DefaultValue::Text(default.value.clone()));
                }
            }
            _ => return Err(SchemaError(format!("unknown key {key:?}"))),
        }
        Ok(true)
    }
}

fn currency_words() -> Vec<String> {
    tokens("\"Currency ISO Code\" when=multi_currency values=@currencies defaulted +restricted")
}

fn feature_on(features: &Features, name: &str) -> Result<bool, SchemaError> {
    let (wanted, name) = name.strip_prefix('!').map_or((true, name), |name| (false, name));
    let on = features.is_on(name).ok_or_else(|| SchemaError(format!("unknown feature {name:?}")))?;
    Ok(on == wanted)
}

fn field_flag(field: &mut FieldSchema, flag: &str) -> Result<(), SchemaError> {
    let (on, name) = sign(flag);
    let place = match name {
        "aggregatable" => &mut field.aggregatable,
        "filterable" => &mut field.filterable,
        "groupable" => &mut field.groupable,
        "sortable" => &mut field.sortable,
        "permissionable" => &mut field.permissionable,
        "pointing" => &mut field.name_pointing,
        "idlookup" => &mut field.id_lookup,
        "defaulted" => &mut field.defaulted_on_create,
        "restricted" => &mut field.restricted_picklist,
        "case" => &mut field.case_sensitive,
        "unique" => &mut field.unique,
        "external" => &mut field.external_id,
        "prefilter" => &mut field.search_prefilterable,
        "calculated" => &mut field.calculated,
        "polymorphic" => &mut field.polymorphic_foreign_key,
        "html" => &mut field.html_formatted,
        "autonumber" => &mut field.auto_number,
        "cascade" => &mut field.cascade_delete,
        "restrict" => &mut field.restricted_delete,
        _ => return Err(SchemaError(format!("unknown flag {flag:?}"))),
    };
    *place = on;
    Ok(())
}

fn sign(flag: &str) -> (bool, &str) {
    match flag.strip_prefix('-') {
        Some(name) => (false, name),
        None => (true, flag.strip_prefix('+').unwrap_or(flag)),
    }
}

fn pair(word: &str) -> Option<(String, String)> {
    word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
}

fn small(n: u32) -> Result<u8, SchemaError> {
    u8::try_from(n).map_err(|_| SchemaError(format!("{n} digits")))
}

fn type_and_sizes(word: &str) -> Result<(FieldType, Vec<u32>), SchemaError> {
    let (name, sizes) = word.strip_suffix(')').and_then(|w| w.split_once('(')).unwrap_or((word, ""));
    let ty = FieldType::from_name(name).ok_or_else(|| SchemaError(format!("unknown type {name:?}")))?;
    let sizes: Result<Vec<u32>, _> = sizes.split(',').filter(|s| !s.is_empty()).map(str::parse).collect();
    Ok((ty, sizes.map_err(|_| SchemaError(format!("sizes of {word:?}")))?))
}

/// `API name = Label; Other*; Old!`, where an empty label (`Value =`) means that describe gives none.
fn parse_values(text: &str) -> Vec<PicklistValue> {
    text.split(';')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (value, label) = match item.split_once('=') {
                Some((value, label)) => (value.trim(), Some(label.trim())),
                None => (item, None),
            };
            let bare = value.trim_end_matches(['*', '!']);
            PicklistValue {
                label: match label {
                    Some("") => None,
                    Some(label) => Some(label.to_owned()),
                    None => Some(bare.to_owned()),
                },
                active: !value.ends_with('!'),
                default_value: value.ends_with('*'),
                value: bare.to_owned(),
                valid_for: None,
            }
        })
        .collect()
}

/// Words of a line; quotes keep blanks together, also after a `key=`.
fn tokens(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started) = (false, false);
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                started = true;
            }
            c if c.is_whitespace() && !quoted => {
                if started {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            c => {
                word.push(c);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    words
}
