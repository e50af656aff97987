//! What can go wrong with a SQLite file, in sentences that name the file and the way out.

use rusqlite::ErrorCode;
use unicrm_core::{Error, ErrorKind, Retry};

/// The result of a job on a connection.
pub(super) type Done<T> = Result<T, Failure>;

/// What a job on a connection can end with.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite said so. Boxed, as it is large and rare.
    Sql(Box<rusqlite::Error>),
    /// We said so.
    Ours(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(Box::new(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Failure {
    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sql(error) => error.sqlite_error_code(),
            Self::Ours(_) => None,
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// Names the row that it happened in, unless the database itself is the trouble: the row then holds what the store
    /// never writes.
    pub(super) fn in_row(self, table: &str, pk: i64) -> Self {
        if self.code().is_some() {
            return self;
        }
        let error = Error::new(
            ErrorKind::Internal,
            format!("row {pk} of the table {table} holds what does not belong there"),
        )
        .with_advice("something else has written into it; unlink and link the account, then sync anew");
        Self::Ours(match self {
            Self::Sql(source) => error.with_source(*source),
            Self::Ours(source) => error.with_source(source),
        })
    }

    /// The sentence for people. `name` is the file.
    pub(super) fn into_error(self, name: &str) -> Error {
        let code = self.code();
        let source = match self {
            Self::Ours(error) => return error,
            Self::Sql(source) => *source,
        };
        let (kind, message, advice) = match code {
            Some(
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed,
            ) => (
                ErrorKind::Unavailable,
                "is locked by another program",
                "wait until it has finished, or end it; nothing was changed",
            ),
            Some(ErrorCode::DiskFull) => (
                ErrorKind::Unavailable,
                "cannot grow: the disk is full",
                "free some space and run the same again; what was committed before is kept",
            ),
            Some(ErrorCode::DatabaseCorrupt) => (
                ErrorKind::Internal,
                "is damaged",
                "restore it from a copy, or sync into a new file with --db; `sqlite3 FILE .recover` saves what can be read",
            ),
            Some(ErrorCode::NotADatabase) => (
                ErrorKind::InvalidConfig,
                "is not a SQLite database",
                "name another file with --db; this one was left as it is",
            ),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => (
                ErrorKind::InvalidConfig,
                "cannot be written",
                "the file and its folder must be writable; or name another file with --db",
            ),
            Some(ErrorCode::SystemIoFailure) => (
                ErrorKind::Unavailable,
                "cannot be read or written: the disk reports an error",
                "check the disk; what was committed before is kept",
            ),
            Some(ErrorCode::TooBig) => {
                (ErrorKind::InvalidRequest, "does not take a value of this size", "the limit is one gigabyte")
            }
            _ => (
                ErrorKind::Internal,
                "refused a statement",
                "please report this with the cause below; nothing was changed",
            ),
        };
        let retry = match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Retry::BackOff(None),
            _ => Retry::Never,
        };
        Error::new(kind, format!("the database {name} {message}"))
            .with_source(source)
            .with_retry(retry)
            .with_advice(advice)
    }
}
