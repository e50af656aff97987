//! The keys by which records are found, in an index of SQLite's own for texts: it takes a page of records at once and puts
//! its parts in order bit by bit, where a table sorted by key would touch another block of the file for each.

use std::collections::HashMap;

use rusqlite::{Connection, params};
use unicrm_core::{LinkedAccountId, Record, SearchRequest};
use unicrm_phone::Region;

use super::decode::{Decoder, select};
use super::failure::Done;
use super::schema::{Table, table};
use crate::account::region_of;
use crate::search::{self, MOST, SEARCHED, Wanted};
use crate::{Include, StoredRecord};

/// One index per searched object, beside its table: `rowid` is the record's `pk`. Keys hold none but these characters and
/// letters, and a space divides them. Only which record has a key is kept, not where in it.
pub(super) const CREATE: &str = r#"
CREATE VIRTUAL TABLE accounts_search USING fts5 (keys, content = '', contentless_delete = 1, detail = none,
    tokenize = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[]^_`{|}~'");
CREATE VIRTUAL TABLE contacts_search USING fts5 (keys, content = '', contentless_delete = 1, detail = none,
    tokenize = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[]^_`{|}~'");
CREATE VIRTUAL TABLE leads_search USING fts5 (keys, content = '', contentless_delete = 1, detail = none,
    tokenize = "ascii tokenchars '!#$%&()*+,-./:;<=>?@[]^_`{|}~'");
"#;

/// Writes the keys of records as they come.
pub(super) struct Keys {
    region: Region,
    text: String,
}

impl Keys {
    pub(super) fn new(connection: &Connection, account: i64) -> Done<Self> {
        let config: String = connection
            .prepare_cached("SELECT config FROM linked_accounts WHERE pk = ?1")?
            .query_row([account], |row| row.get(0))?;
        Ok(Self { region: region_of(&config), text: String::new() })
    }

    /// Puts the keys of a record in the place of those that it had, if it is one that is searched for.
    pub(super) fn put(&mut self, connection: &Connection, record: &Record, pk: i64, known: bool) -> Done<()> {
        self.text.clear();
        if !search::push_keys(record, self.region, &mut self.text) {
            return Ok(());
        }
        let verb = if known { "REPLACE" } else { "INSERT" };
        let sql = format!("{verb} INTO {}_search (rowid, keys) VALUES (?1, ?2)", table(record.kind()).name);
        connection.prepare_cached(&sql)?.execute(params![pk, self.text])?;
        Ok(())
    }
}

/// The live records that a search is for.
pub(super) fn search(
    connection: &Connection,
    account: i64,
    request: &SearchRequest,
    include: Include,
) -> Done<Vec<StoredRecord>> {
    let region = Keys::new(connection, account)?.region;
    let wanted = Wanted::of(&request.query, region)?;
    let most = request.limit.min(MOST) as usize;
    let mut found = Vec::new();
    for kind in request.kinds.iter().copied().filter(|kind| SEARCHED.contains(kind)) {
        let table = table(kind);
        let mut statement = connection.prepare_cached(&statement_of(table, include))?;
        let mut rows = statement.query(params![matching(&wanted), account])?;
        let mut decoder = Decoder::new(connection, table);
        let mut records = Vec::new();
        while let Some(row) = rows.next()?.filter(|_| records.len() < most) {
            let (_, stored) = decoder.decode(row)?;
            if search::is_meant(&request.query, &stored.record) {
                records.push(stored);
            }
        }
        found.push(records);
    }
    Ok(search::share(found, request))
}

/// Parameters: what is matched, and the linked account. The cross join makes SQLite begin with the keys: by itself it would
/// go through all records of the account, and ask the index for each of them.
fn statement_of(table: &Table, include: Include) -> String {
    let name = &table.name;
    let select = select(table, include);
    let columns = select.strip_suffix(name.as_str()).unwrap_or(&select);
    format!(
        "{columns}{name}_search CROSS JOIN {name} ON {name}.pk = {name}_search.rowid \
         WHERE {name}_search MATCH ?1 AND linked_account = ?2 AND gone_reason IS NULL"
    )
}

/// In the language of the index, in which quoted text is nothing but text.
fn matching(wanted: &Wanted) -> String {
    let quoted = |key: &str| format!("\"{}\"", key.replace('"', "\"\""));
    match wanted {
        Wanted::Key(key) => quoted(key),
        Wanted::Beginnings(words) => {
            words.iter().map(|word| format!("{} *", quoted(word))).collect::<Vec<_>>().join(" AND ")
        }
    }
}

/// Makes the keys anew from the records: of one linked account, whose numbers belong to another country now, or of all.
pub(super) fn rebuild(connection: &Connection, account: Option<i64>) -> Done<()> {
    let mut regions: HashMap<LinkedAccountId, Region> = HashMap::new();
    let mut statement = connection.prepare("SELECT id, config FROM linked_accounts")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        regions.insert(row.get::<_, String>(0)?.parse()?, region_of(&row.get::<_, String>(1)?));
    }
    for kind in SEARCHED {
        let table = table(kind);
        let of = "?1 IS NULL OR linked_account = ?1";
        let mut statement =
            connection.prepare(&format!("{} WHERE {of}", select(table, Include::default())))?;
        let mut rows = statement.query([account])?;
        let mut decoder = Decoder::new(connection, table);
        let mut keys = Keys { region: Region::default(), text: String::new() };
        while let Some(row) = rows.next()? {
            let (pk, stored) = decoder.decode(row)?;
            keys.region = regions.get(&stored.linked_account).copied().unwrap_or_default();
            keys.put(connection, &stored.record, pk, true)?;
        }
    }
    Ok(())
}

/// Forgets the keys of a linked account's records, before the records themselves go.
pub(super) fn forget(connection: &Connection, account: i64) -> Done<()> {
    for kind in SEARCHED {
        let name = &table(kind).name;
        let sql = format!(
            "DELETE FROM {name}_search WHERE rowid IN (SELECT pk FROM {name} WHERE linked_account = ?1)"
        );
        connection.execute(&sql, [account])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::migrate::migrate;
    use super::*;

    #[test]
    fn a_search_begins_with_the_keys() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        for kind in SEARCHED {
            let sql = format!("EXPLAIN QUERY PLAN {}", statement_of(table(kind), Include::default()));
            let mut statement = connection.prepare(&sql).unwrap();
            let steps = statement.query_map(params!["\"x\"", 1], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.collect::<rusqlite::Result<_>>().unwrap();
            assert!(
                steps[0].contains("VIRTUAL TABLE") && steps[1].contains("PRIMARY KEY"),
                "{kind}: {steps:?}"
            );
        }
    }
}
