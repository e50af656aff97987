//! What goes wrong is one clear sentence, with what to do next, and one exit code.

use std::error::Error as StdError;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use unicrm_core::{Error, ErrorKind, Retry};

use crate::output::{Style, paint, plain};

/// The result of a command.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// How a command ended without an error of its own: 0, or one of the codes that say how well it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// All is well.
    pub(crate) const DONE: Self = Self(0);
    /// Something failed.
    pub(crate) const FAILED: Self = Self(1);
    /// The remote does not permit what is needed.
    pub(crate) const FORBIDDEN: Self = Self(3);
    /// The credentials are refused.
    pub(crate) const REFUSED: Self = Self(4);
    /// Done, with rejected rows, failed objects or writes in doubt.
    pub(crate) const PARTLY: Self = Self(6);

    /// The code that an error leads to.
    pub(crate) fn of(error: &Error) -> Self {
        Self(error.exit_code())
    }

    /// The code that wins where several apply: 2, 4, 1, 3, 5, 6 in this order.
    pub(crate) fn and(self, other: Self) -> Self {
        let rank =
            |exit: Self| [2, 4, 1, 3, 5, 6].iter().position(|code| *code == exit.0).unwrap_or(usize::MAX);
        if rank(other) < rank(self) { other } else { self }
    }

    /// The code of a program that a signal ended, as shells count it.
    pub(crate) const fn of_signal(code: u8) -> Self {
        Self(code)
    }

    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(self.0)
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    advice: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Whoever read the output has gone away: that is no error.
    quiet: bool,
}

impl Failure {
    /// Something failed.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::FAILED, message: message.into(), advice: None, source: None, quiet: false }
    }

    /// The command was used in a way that cannot work.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit(2), ..Self::new(message) }
    }

    /// Of a request that was made of what was typed: when that cannot be, it was typed wrongly.
    pub(crate) fn of_request(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidRequest => Self::from(error).into_usage(),
            _ => error.into(),
        }
    }

    /// With what to do next.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// With more to know or to do beside what it advises already.
    pub(crate) fn and_advice(mut self, more: &str) -> Self {
        self.advice = Some(self.advice.map_or_else(|| more.to_owned(), |own| format!("{own}\n{more}")));
        self
    }

    /// Whether nothing failed but that nobody reads the output any more.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// What came of printing the outcome of what a command did: that nobody reads it changes nothing of how that ended.
    pub(crate) fn read_or_not(printed: Result<()>) -> Result<()> {
        printed.or_else(|failure| if failure.quiet { Ok(()) } else { Err(failure) })
    }

    /// With what lies behind it.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// With the place where it happened before the message.
    pub(crate) fn within(mut self, place: &str) -> Self {
        self.message = format!("{place}, {}", self.message);
        self
    }

    /// As wrong usage, whatever it was before.
    pub(crate) fn into_usage(mut self) -> Self {
        self.exit = Exit(2);
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            exit: Exit::of(&error),
            message: error.to_string(),
            advice: advice(&error),
            source: error.source().is_some().then(|| Box::new(error) as Box<dyn StdError + Send + Sync>),
            quiet: false,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::DONE, quiet: true, ..Self::new("") };
        }
        Self::new(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => Self::new("the output cannot be written as JSON").because(error),
        }
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error.into(),
            other => Self::new(format!("the output cannot be written as CSV: {other:?}")),
        }
    }
}

/// What the reader can do: what the error says itself, or what its kind suggests.
pub(crate) fn advice(error: &Error) -> Option<String> {
    error.advice().map(str::to_owned).or_else(|| {
        let usual = match error.kind() {
            ErrorKind::Unauthenticated => "link the account again with `unicrm link`; its records are kept",
            ErrorKind::PermissionDenied => "`unicrm check` says what is missing and how to get it",
            ErrorKind::QuotaExhausted => return Some(format!("try again {}", when_there_is_quota(error))),
            ErrorKind::RateLimited | ErrorKind::Unavailable => {
                "try again later; what was done before is kept"
            }
            _ => return None,
        };
        Some(usual.to_owned())
    })
}

/// When a quota that is used up has something left again, as far as the error knows.
pub(crate) fn when_there_is_quota(error: &Error) -> String {
    match error.retry() {
        Retry::NotBefore(instant) => format!("after {instant:.0}"),
        _ => "when there is quota again".to_owned(),
    }
}

/// Prints a failure on stderr, and gives its exit code.
pub(crate) fn report(failure: &Failure, verbose: bool) -> ExitCode {
    if !failure.quiet {
        // Nobody is left to tell when stderr is closed too.
        drop(print(failure, verbose));
    }
    failure.exit.code()
}

fn print(failure: &Failure, verbose: bool) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    let colour = stderr.is_terminal();
    writeln!(stderr, "{} {}", paint(colour, Style::Bad, "error:"), plain(&failure.message))?;
    if verbose {
        // The first layer of a core error is the message above.
        let mut cause = failure.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        if cause.is_some_and(|cause| cause.is::<Error>()) {
            cause = cause.and_then(StdError::source);
        }
        while let Some(error) = cause {
            writeln!(stderr, "  because: {}", plain(&error.to_string()))?;
            cause = error.source();
        }
    } else if failure.source.is_some() && failure.advice.is_none() {
        writeln!(stderr, "{} -v shows the causes", paint(colour, Style::Hint, "hint:"))?;
    }
    if let Some(advice) = &failure.advice {
        writeln!(stderr, "{} {}", paint(colour, Style::Hint, "hint:"), plain(advice))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_exit_codes_the_gravest_wins() {
        let order = [2, 4, 1, 3, 5, 6, 0].map(Exit);
        for (i, graver) in order.iter().enumerate() {
            for lesser in &order[i..] {
                assert_eq!(graver.and(*lesser), *graver);
                assert_eq!(lesser.and(*graver), *graver);
            }
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.quiet && failure.exit == Exit::DONE);
    }

    #[test]
    fn a_used_up_quota_says_when_to_try_again_and_not_that_anything_goes_on() {
        let error = Error::new(ErrorKind::QuotaExhausted, "none left");
        assert_eq!(advice(&error).as_deref(), Some("try again when there is quota again"));
        let instant = "2026-11-22T10:00:00Z".parse().expect("an instant");
        let error = error.with_retry(Retry::NotBefore(instant));
        assert_eq!(advice(&error).as_deref(), Some("try again after 2026-11-22T10:00:00Z"));
        assert_eq!(advice(&error.with_advice("Ask for more.")).as_deref(), Some("Ask for more."));
    }
}
