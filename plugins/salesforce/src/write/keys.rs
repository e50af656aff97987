//! Keys: the records that they stand for.

use std::collections::{BTreeMap, HashMap};

use rust_decimal::Decimal;
use unicrm_core::{Error, ErrorKind, Json, Outcome, Usage, WriteOperation};

use super::Writer;
use super::prepare::{Draft, Prepared, Target, need};
use super::present::{cell, text_cell, unquoted};
use super::waves::{Step, Touched, ambiguous, named};
use crate::api::{Condition, FieldType, Literal, QueryOptions, Soql, widened};
use crate::objects::{Intent, MapContext, to_remote};
use crate::read::small::all_pages;
use crate::read::{Needs, Reader};

/// Values of one query.
const CHUNK: usize = 200;

/// The records that have each value of a key, or why a value cannot be one.
type IdsByKey<'v> = HashMap<&'v str, Result<Vec<String>, Error>>;

/// A row that names its record by a key.
pub(super) struct Keyed<'k> {
    pub(super) row: usize,
    pub(super) sobject: &'k str,
    pub(super) key: &'k str,
    pub(super) value: &'k str,
}

impl Writer {
    /// Finds the records that keys stand for.
    pub(super) async fn find_keys<'o>(
        &self,
        usage: &mut Usage,
        drafts: Vec<Draft<'o>>,
        context: &MapContext,
        out: &mut Prepared,
    ) -> Vec<Draft<'o>> {
        let mut found = self.ids_of(usage, keyed(&drafts, context)).await;
        let mut kept = Vec::with_capacity(drafts.len());
        for mut draft in drafts {
            if let (Target::Keyed(key, value), Some(ids)) = (&draft.target, found.remove(&draft.row)) {
                match ids.as_deref() {
                    Ok([]) => {}
                    Ok([one]) => draft.target = Target::Known(one.clone()),
                    Ok(several) => {
                        let message = format!("{key} {value:?} fits several records");
                        let error = Error::new(ErrorKind::Conflict, message)
                            .with_remote_code("DUPLICATE_EXTERNAL_ID")
                            .with_advice("Name the record by its id, or give the key to one record only.");
                        let outcome =
                            Outcome::failed(error).with_candidates(several.iter().map(String::as_str));
                        out.done.push((draft.row, outcome));
                        continue;
                    }
                    Err(error) => {
                        out.done.push((draft.row, Outcome::failed(error.clone())));
                        continue;
                    }
                }
            }
            kept.push(draft);
        }
        kept
    }

    /// Adds the records that keys stand for to what rows write, where another row may name the same record otherwise. Gives
    /// the rows whose keys cannot be looked up: they fail.
    pub(super) async fn name_keyed(
        &self,
        reader: &Reader,
        usage: &mut Usage,
        operations: &[WriteOperation],
        steps: &mut [Step],
    ) -> Vec<(usize, Outcome)> {
        let rows = ambiguous(&operations.iter().map(named).collect::<Vec<_>>());
        let mut needs = Needs::default();
        let mut drafts = Vec::new();
        for row in rows {
            if let Some(WriteOperation::Upsert { key, record }) = operations.get(row) {
                need(&mut needs, record);
                drafts.push(Draft { row, patch: record, target: Target::Keyed(&key.field, &key.value) });
            }
        }
        if drafts.is_empty() {
            return Vec::new();
        }
        let context = match reader.writing(usage, &needs).await {
            Ok(context) => context,
            Err(error) => {
                return drafts.iter().map(|draft| (draft.row, Outcome::failed(error.clone()))).collect();
            }
        };
        let failed = self.touch_keyed(usage, keyed(&drafts, &context), steps).await;
        failed.into_iter().map(|(row, error)| (row, Outcome::failed(error))).collect()
    }

    /// Adds the records that keys stand for to what rows write. Gives the rows whose keys cannot be looked up.
    pub(super) async fn touch_keyed(
        &self,
        usage: &mut Usage,
        keyed: Vec<Keyed<'_>>,
        steps: &mut [Step],
    ) -> Vec<(usize, Error)> {
        let mut failed = Vec::new();
        for (row, ids) in self.ids_of(usage, keyed).await {
            match (ids, steps.get_mut(row)) {
                (Ok(ids), Some(step)) => step.writes.extend(ids.iter().map(|id| Touched::record(id))),
                (Ok(_), None) => {}
                (Err(error), _) => failed.push((row, error)),
            }
        }
        failed
    }

    /// The records that the keys of rows stand for, by row.
    async fn ids_of(
        &self,
        usage: &mut Usage,
        keyed: Vec<Keyed<'_>>,
    ) -> HashMap<usize, Result<Vec<String>, Error>> {
        let mut asked: BTreeMap<(&str, &str), Vec<(usize, &str)>> = BTreeMap::new();
        for Keyed { row, sobject, key, value } in keyed {
            asked.entry((sobject, key)).or_default().push((row, value));
        }
        let mut found = HashMap::new();
        for ((sobject, key), rows) in asked {
            let values: Vec<&str> = rows.iter().map(|(_, value)| *value).collect();
            let ids = self.ids_by_key(usage, sobject, key, &values).await;
            found.extend(rows.into_iter().map(|(row, value)| match &ids {
                Ok(ids) => (row, ids.get(value).cloned().unwrap_or_else(|| Ok(Vec::new()))),
                Err(error) => (row, Err(error.clone())),
            }));
        }
        found
    }

    /// The live records that have these values in a key field.
    async fn ids_by_key<'v>(
        &self,
        usage: &mut Usage,
        sobject: &str,
        key: &str,
        values: &[&'v str],
    ) -> Result<IdsByKey<'v>, Error> {
        let refuse = |message: String| {
            Error::new(ErrorKind::InvalidRequest, message.clone()).with_field("/key/field", message)
        };
        let describe = self.client.describe(usage, sobject).await?;
        let field = describe
            .field(key)
            .ok_or_else(|| refuse(format!("{sobject} has no field {key} that this user may see")))?;
        if !(field.external_id || field.id_lookup) || field.field_type == FieldType::Id {
            return Err(refuse(format!(
                "{sobject}.{key} is no key: name a field that is marked as External ID"
            )));
        }
        let is_number = field.field_type.is_number();
        let normal = |value: &str| normal_key(value, is_number, field.case_sensitive);
        let literal = |value: &str| {
            if !is_number {
                return Ok(Literal::text(value));
            }
            let number = number_of(value).and_then(|number| number.as_str().parse().ok());
            number.map(Literal::Number).ok_or_else(|| {
                Error::new(ErrorKind::InvalidRequest, format!("{value:?} is not a number"))
                    .with_field("/key/value", format!("{sobject}.{key} holds numbers, and {value:?} is none"))
            })
        };
        let mut ids = IdsByKey::new();
        let mut listed = Vec::new();
        for value in values {
            match literal(value) {
                Ok(literal) => listed.push((*value, literal)),
                Err(error) => drop(ids.insert(value, Err(error))),
            }
        }
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        for chunk in listed.chunks(CHUNK) {
            let chunk = chunk.iter().map(|(_, literal)| literal.clone());
            let soql =
                Soql::select(sobject).fields(["Id", &field.name]).filter(Condition::in_(&field.name, chunk));
            let options = QueryOptions { all_rows: false, batch_size: None };
            for page in all_pages(&self.client, usage, &soql, options).await? {
                for row in page.rows() {
                    let id = text_cell(row, "Id");
                    let value = cell(row, &field.name).map(|raw| unquoted(raw.get()).into_owned());
                    if let (Some(id), Some(value)) = (id, value) {
                        found.entry(normal(&value)).or_default().push(widened(&id).into_owned());
                    }
                }
            }
        }
        let of = |value: &str| found.get(&normal(value)).cloned().unwrap_or_default();
        ids.extend(listed.iter().map(|(value, _)| (*value, Ok(of(value)))));
        Ok(ids)
    }
}

/// The drafts that name their records by keys.
fn keyed<'d>(drafts: &'d [Draft<'_>], context: &MapContext) -> Vec<Keyed<'d>> {
    let of = |draft: &'d Draft<'_>| match draft.target {
        Target::Keyed(key, value) => {
            let sobject = to_remote(draft.patch, Intent::Create, context).sobject;
            Some(Keyed { row: draft.row, sobject, key, value })
        }
        Target::New | Target::Known(_) => None,
    };
    drafts.iter().filter_map(of).collect()
}

/// The value of a key that is a number, as it is written; none for any other text.
pub(super) fn number_of(value: &str) -> Option<Json> {
    // The parser passes over underscores, and no remote does.
    let number: Decimal = value.parse().ok().filter(|_| !value.contains('_'))?;
    // Some spellings of a number are none in JSON: those with a plus or with zeros before it.
    Json::parse(value).or_else(|_| Json::parse(number.to_string())).ok()
}

/// A key as Salesforce compares it: numbers by their value, text without regard to case unless the field minds it.
fn normal_key(value: &str, is_number: bool, case_sensitive: bool) -> String {
    match value.parse::<Decimal>() {
        Ok(number) if is_number => number.normalize().to_string(),
        _ if case_sensitive => value.trim().to_owned(),
        _ => value.trim().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_same_where_salesforce_says_so() {
        for (one, other, is_number, case_sensitive, same) in [
            ("abc", " ABC ", false, false, true),
            ("abc", "ABC", false, true, false),
            ("abc ", "abc", false, true, true),
            ("1.0", "1", true, false, true),
            ("1.0", "1", false, false, false),
        ] {
            let normal = |value| normal_key(value, is_number, case_sensitive);
            assert_eq!(normal(one) == normal(other), same, "{one:?} {other:?}");
        }
    }
    #[test]
    fn a_number_is_written_as_it_is_given_and_all_else_is_none() {
        for (text, written) in [
            ("4711", Some("4711")),
            ("-1.50", Some("-1.50")),
            ("0010", Some("10")),
            ("+5", Some("5")),
            ("123456789012345678", Some("123456789012345678")),
            ("", None),
            ("many", None),
            ("1_000", None),
            ("null", None),
            ("true", None),
            ("[1]", None),
            ("\"1\"", None),
            ("NaN", None),
        ] {
            assert_eq!(number_of(text).as_ref().map(Json::as_str), written, "{text:?}");
        }
    }
}
