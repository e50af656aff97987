//! What can go wrong with a PostgreSQL server, in sentences that name the database and the way out. None repeats a password.

use std::time::Duration;

use unicrm_core::{Error, ErrorKind, Retry};

/// The result of work on a connection.
pub(super) type Done<T> = Result<T, Failure>;

/// What work on a connection can end with.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver or the server said so. Boxed, as it is large and rare.
    Sql(Box<sqlx::Error>),
    /// We said so.
    Ours(Error),
    /// It took longer than this.
    TimedOut(Duration),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(Box::new(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Failure {
    /// Names the row that it happened in, when the row holds what the store never writes.
    pub(super) fn in_row(self, table: &str, pk: i64) -> Self {
        let error = Error::new(
            ErrorKind::Internal,
            format!("row {pk} of the table {table} holds what does not belong there"),
        )
        .with_advice("something else has written into it; unlink and link the account, then sync anew");
        match self {
            Self::Sql(source) => match *source {
                source @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                    Self::Ours(error.with_source(source))
                }
                other => other.into(),
            },
            Self::Ours(source) => Self::Ours(error.with_source(source)),
            timed_out @ Self::TimedOut(_) => timed_out,
        }
    }

    /// The sentence for people. `name` is the database, without a password.
    pub(super) fn into_error(self, name: &str) -> Error {
        let source = match self {
            Self::Ours(error) => return error,
            Self::TimedOut(limit) => {
                let message =
                    format!("the database {name} did not answer within {} seconds", limit.as_secs());
                return Error::new(ErrorKind::Unavailable, message).with_advice(
                    "look at the server's load and the network; what was committed before is kept",
                );
            }
            Self::Sql(source) => *source,
        };
        let Sentence { kind, message, advice, retry } = match &source {
            sqlx::Error::Database(error) => of_state(error.code().as_deref().unwrap_or_default()),
            other => of_driver(other),
        };
        let error = Error::new(kind, format!("the database {name} {message}")).with_source(source);
        error.with_retry(if retry { Retry::BackOff(None) } else { Retry::Never }).with_advice(advice)
    }
}

struct Sentence {
    kind: ErrorKind,
    message: &'static str,
    advice: &'static str,
    /// Whether the same can be tried again after a pause.
    retry: bool,
}

const fn again(message: &'static str, advice: &'static str) -> Sentence {
    Sentence { kind: ErrorKind::Unavailable, message, advice, retry: true }
}

const fn never(kind: ErrorKind, message: &'static str, advice: &'static str) -> Sentence {
    Sentence { kind, message, advice, retry: false }
}

const LOST: Sentence = again(
    "has closed the connection",
    "run the same again; what was committed before is kept, and what was not is not there",
);
const REPORT: Sentence = never(
    ErrorKind::Internal,
    "refused a statement",
    "please report this with the cause below; nothing was changed",
);

/// What the driver says about the connection.
fn of_driver(error: &sqlx::Error) -> Sentence {
    match error {
        sqlx::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => again(
                "cannot be reached: nothing listens there",
                "start the server, or check host and port of the URL",
            ),
            std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::BrokenPipe
            | std::io::ErrorKind::UnexpectedEof => LOST,
            _ => again("cannot be reached", "check host and port of the URL, and the network"),
        },
        sqlx::Error::PoolTimedOut => again(
            "gave no connection in time",
            "the server does not answer, or all connections are busy; see that it runs and has room for more",
        ),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => LOST,
        sqlx::Error::Tls(_) => never(
            ErrorKind::InvalidConfig,
            "cannot be spoken to over TLS",
            "check the server's certificate, or sslmode and sslrootcert in the URL",
        ),
        sqlx::Error::Configuration(_) => never(
            ErrorKind::InvalidConfig,
            "cannot be connected to with these settings",
            "a URL looks like postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=require",
        ),
        sqlx::Error::Protocol(_) => again(
            "sent what is not understood",
            "see that this is a PostgreSQL server, spoken to directly or through a pooler in session mode",
        ),
        _ => REPORT,
    }
}

/// What the server says, by its SQLSTATE.
fn of_state(state: &str) -> Sentence {
    use ErrorKind::{InvalidConfig, InvalidRequest, Unavailable};
    match state {
        "28P01" | "28000" => never(
            InvalidConfig,
            "does not let this user in",
            "check user and password of the URL, or the server's pg_hba.conf",
        ),
        "3D000" => {
            never(InvalidConfig, "does not exist", "make it with `createdb`, or name another one in the URL")
        }
        "3F000" => never(
            InvalidConfig,
            "has no schema to work in",
            "make the schema that search_path names with CREATE SCHEMA, or leave search_path out of the URL",
        ),
        "42501" => never(
            InvalidConfig,
            "does not permit this user to do it",
            "grant the user CREATE on the schema and all rights on the tables of unicrm",
        ),
        "25006" => never(
            InvalidConfig,
            "cannot be written: the server is read-only",
            "name the primary server in the URL, not a standby",
        ),
        "53300" => {
            again("has too many connections", "end some of them, or raise max_connections of the server")
        }
        "53100" => never(
            Unavailable,
            "cannot grow: the server's disk is full",
            "free some space there and run the same again; what was committed before is kept",
        ),
        "53200" | "53000" | "53400" => {
            again("has no resources left", "look at the server's memory; what was committed before is kept")
        }
        "55P03" => again(
            "is locked: another program writes into the same linked account",
            "wait until it has finished, or end it; nothing was changed",
        ),
        "40001" | "40P01" => {
            again("gave way to another transaction", "run the same again; nothing was changed")
        }
        "57P03" => again("is starting or stopping", "wait until the server is up"),
        "57014" => again(
            "broke off a statement that took too long",
            "look at the server's load and its statement_timeout; nothing was changed",
        ),
        "25P03" | "25P04" | "57P01" | "57P02" | "57P05" => LOST,
        "22021" | "22P05" => never(
            InvalidRequest,
            "does not take this text: it holds a NUL character",
            "PostgreSQL cannot hold it; leave it out",
        ),
        "54000" => never(InvalidRequest, "does not take a value of this size", "PostgreSQL has a limit here"),
        "42P01" | "42703" | "42804" => never(
            ErrorKind::Internal,
            "has not the tables of unicrm any more",
            "something else has changed them; restore them, or sync into another database",
        ),
        "XX001" | "XX002" => never(
            ErrorKind::Internal,
            "is damaged",
            "restore it from a copy, or sync into a new one; the server's log says more",
        ),
        "58030" => again("reports an error of its disk", "check the server's disk; its log says more"),
        _ if state.starts_with("08") => LOST,
        _ => REPORT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_can_be_tried_again_and_what_does_not_cannot() {
        for (state, kind, retry) in [
            ("53300", ErrorKind::Unavailable, true),
            ("53100", ErrorKind::Unavailable, false),
            ("53200", ErrorKind::Unavailable, true),
            ("57P01", ErrorKind::Unavailable, true),
            ("08006", ErrorKind::Unavailable, true),
            ("40P01", ErrorKind::Unavailable, true),
            ("55P03", ErrorKind::Unavailable, true),
            ("28P01", ErrorKind::InvalidConfig, false),
            ("3D000", ErrorKind::InvalidConfig, false),
            ("25006", ErrorKind::InvalidConfig, false),
            ("42501", ErrorKind::InvalidConfig, false),
            ("XX001", ErrorKind::Internal, false),
            ("42601", ErrorKind::Internal, false),
        ] {
            let sentence = of_state(state);
            assert_eq!((sentence.kind, sentence.retry), (kind, retry), "{state}");
        }
    }

    #[test]
    fn a_lost_connection_can_be_made_again() {
        let broken = |kind| Failure::from(sqlx::Error::Io(std::io::Error::from(kind))).into_error("db");
        for kind in [std::io::ErrorKind::ConnectionReset, std::io::ErrorKind::ConnectionRefused] {
            let error = broken(kind);
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
            assert!(error.advice().is_some() && error.to_string().contains("the database db"));
        }
        let pool = Failure::from(sqlx::Error::PoolTimedOut).into_error("db");
        assert!(pool.is_retryable() && pool.to_string().contains("no connection in time"), "{pool}");
        let slow = Failure::TimedOut(Duration::from_secs(3)).into_error("db");
        assert!(slow.is_retryable() && slow.to_string().contains("within 3 seconds"), "{slow}");
    }
}
