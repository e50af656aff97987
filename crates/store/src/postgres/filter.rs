//! Conditions on fields, as SQL.

use jiff::Timestamp;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use unicrm_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::instant::Instant;
use crate::filter::Condition;

/// A value of a condition.
#[derive(Debug)]
pub(super) enum Parameter {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Instant(Instant),
    Uuid(Uuid),
}

impl Parameter {
    pub(super) fn bind<'q>(
        self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        match self {
            Self::Text(text) => query.bind(text),
            Self::Integer(number) => query.bind(number),
            Self::Boolean(flag) => query.bind(flag),
            Self::Instant(instant) => query.bind(instant),
            Self::Uuid(id) => query.bind(id),
        }
    }
}

/// Adds the values of a condition to those that there are, and gives its SQL.
pub(super) fn condition(condition: &Condition<'_>, parameters: &mut Vec<Parameter>) -> Result<String> {
    let mut mark = |parameter| {
        parameters.push(parameter);
        format!("${}", parameters.len())
    };
    Ok(match condition {
        Condition::None(columns) => {
            let none: Vec<_> = columns.iter().map(|column| format!("{column} IS NULL")).collect();
            none.join(" AND ")
        }
        Condition::Text(column, value) => format!("{column} = {}", mark(text(column, value)?)),
        Condition::Integer(column, number) => format!("{column} = {}", mark(Parameter::Integer(*number))),
        Condition::Boolean(column, flag) => format!("{column} = {}", mark(Parameter::Boolean(*flag))),
        Condition::Id(column, id) => format!("{column} = {}", mark(Parameter::Uuid(*id))),
        Condition::Instant(column, instant) => at(column, *instant, mark),
        Condition::Amount(column, amount) => {
            // Numbers of PostgreSQL are equal whatever their scale.
            format!("{column} = {}::text::numeric", mark(Parameter::Text(amount.to_string())))
        }
        Condition::Holds(columns, value) => {
            let value = mark(text(columns.first().copied().unwrap_or_default(), value)?);
            let any: Vec<_> =
                columns.iter().map(|column| format!("unicrm_holds({column}, {value})")).collect();
            format!("({})", any.join(" OR "))
        }
    })
}

/// An instant that its column may hold cut: the exact one is then beside it, and looked for as text. In that text, a quotation
/// mark that belongs to a value stands behind a backslash.
fn at(column: &str, instant: Timestamp, mut mark: impl FnMut(Parameter) -> String) -> String {
    let cut = mark(Parameter::Instant(Instant::cut(instant)));
    if Instant::holds(instant) {
        format!("({column} = {cut} AND (exact IS NULL OR position('\"{column}\":' IN exact) = 0))")
    } else {
        let exact = mark(Parameter::Text(format!("\"{column}\":\"{}\"", crate::text::timestamp(instant))));
        format!("({column} = {cut} AND position({exact} IN exact) > 0)")
    }
}

fn text(field: &str, value: &str) -> Result<Parameter> {
    if value.contains('\0') {
        return Err(Error::new(ErrorKind::InvalidRequest, "the condition cannot be asked of PostgreSQL")
            .with_field(format!("/{field}"), "the value holds a NUL character"));
    }
    Ok(Parameter::Text(value.to_owned()))
}
