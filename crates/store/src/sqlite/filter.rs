//! Conditions on fields, as SQL.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as SqlValue;
use unicrm_core::{Amount, ObjectKind, Result};

use super::failure::Done;
use super::schema::table;
use crate::filter::Condition;
use crate::{Filter, text};

/// The SQL function that compares exact decimals: `100.5` and `100.50` are equal, and neither ever becomes a float.
const SAME_AMOUNT: &str = "unicrm_same_amount";

pub(super) fn add_functions(connection: &Connection) -> Done<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(SAME_AMOUNT, 2, flags, |context| {
        let amount = |i| context.get_raw(i).as_str().ok().and_then(|text| text.parse::<Amount>().ok());
        Ok(amount(0).zip(amount(1)).is_some_and(|(a, b)| a == b))
    })?;
    Ok(())
}

/// A condition with `?` for each of its values.
pub(super) fn condition(kind: ObjectKind, filter: &Filter) -> Result<(String, Vec<SqlValue>)> {
    let equal = |column: &str, value: SqlValue| (format!("{column} = ?"), vec![value]);
    Ok(match Condition::of(kind, &table(kind).fields, filter)? {
        Condition::None(columns) => {
            let none: Vec<_> = columns.iter().map(|column| format!("{column} IS NULL")).collect();
            (none.join(" AND "), Vec::new())
        }
        Condition::Text(column, value) => equal(column, value.to_owned().into()),
        Condition::Integer(column, number) => equal(column, number.into()),
        Condition::Boolean(column, flag) => equal(column, i64::from(flag).into()),
        Condition::Instant(column, instant) => equal(column, text::timestamp(instant).into()),
        Condition::Id(column, id) => equal(column, id.to_string().into()),
        Condition::Amount(column, amount) => {
            (format!("{SAME_AMOUNT}({column}, ?)"), vec![amount.to_string().into()])
        }
        Condition::Holds(columns, value) => {
            let any: Vec<_> = columns.iter().map(|column| holds(column)).collect();
            (format!("({})", any.join(" OR ")), vec![value.to_owned().into(); columns.len()])
        }
    })
}

/// Whether any value in a JSON column, however deep, is this text or this number.
fn holds(column: &str) -> String {
    format!("EXISTS (SELECT 1 FROM json_tree({column}) WHERE atom IS NOT NULL AND CAST(atom AS TEXT) = ?)")
}
