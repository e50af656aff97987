//! What a command is given: on the command line, in a file, or on standard input.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, stdin};
use std::path::{Path, PathBuf};

use crate::errors::{Failure, Result};

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The argument itself.
    Inline(String),
    File(PathBuf),
    Stdin,
}

impl Source {
    /// Of an argument: `JSON`, `@FILE`, or `-` for standard input.
    pub(crate) fn of(data: &str) -> Self {
        match data.strip_prefix('@') {
            _ if data == "-" => Self::Stdin,
            Some(path) => Self::File(path.into()),
            None => Self::Inline(data.to_owned()),
        }
    }

    /// Of an argument that names a file: `FILE`, or `-` for standard input.
    pub(crate) fn of_file(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// Whether it can be read from its beginning once more.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self {
            Self::Inline(_) => true,
            // A pipe is a file too.
            Self::File(path) => path.is_file(),
            Self::Stdin => false,
        }
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Inline(_) => "--data".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }

    /// Opens it at its beginning.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>> {
        Ok(match self {
            Self::Inline(text) => Box::new(Cursor::new(text.clone().into_bytes())),
            Self::File(path) => {
                let file = File::open(path).map_err(|error| unreadable(&self.name(), &error))?;
                Box::new(BufReader::with_capacity(128 << 10, file))
            }
            Self::Stdin => Box::new(BufReader::with_capacity(128 << 10, stdin())),
        })
    }

    /// All of it. What is longer than so many kilobytes is refused, and never cut.
    pub(crate) fn read(&self, kilobytes: u64) -> Result<Vec<u8>> {
        let longest = kilobytes << 10;
        let mut bytes = Vec::new();
        // One byte more tells whether there is more.
        let read = self.open()?.take(longest + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&self.name(), &error))?;
        if bytes.len() as u64 > longest {
            let bound = match kilobytes >> 10 {
                0 => format!("{kilobytes} kilobytes"),
                megabytes => format!("{megabytes} megabytes"),
            };
            return Err(Failure::usage(format!("{} is longer than {bound}", self.name())));
        }
        Ok(bytes)
    }
}

/// That a source of this name cannot be read.
pub(crate) fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("{name} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        assert_eq!(Source::of("-"), Source::Stdin);
        assert_eq!(Source::of("@a b.json"), Source::File("a b.json".into()));
        assert_eq!(Source::of("{}"), Source::Inline("{}".to_owned()));
        assert!(!Source::Stdin.is_repeatable() && !Source::File("/nowhere".into()).is_repeatable());
        assert_eq!(Source::of_file(Path::new("-")), Source::Stdin);
        assert_eq!(Source::of_file(Path::new("@a")), Source::File("@a".into()));
    }

    #[test]
    fn what_is_too_long_is_refused_and_not_cut() {
        let read = |kilobytes: u64, bytes: usize| Source::Inline("x".repeat(bytes)).read(kilobytes);
        assert_eq!(read(1, 1024).expect("all of it").len(), 1024);
        for (kilobytes, bound) in [(1, "1 kilobytes"), (2048, "2 megabytes")] {
            let failure = read(kilobytes, (kilobytes as usize) * 1024 + 1).expect_err("too long");
            assert!(
                format!("{failure:?}").contains(&format!("--data is longer than {bound}")),
                "{failure:?}"
            );
        }
    }
}
