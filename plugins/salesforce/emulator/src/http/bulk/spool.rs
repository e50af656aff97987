//! Records kept in temporary files: uploads as they came, results as they go out.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::{NamedTempFile, TempPath};

use crate::error::SalesforceError;
use crate::http::stream::FilePart;

/// Records in a file, found by their number. In memory there are four bytes of each.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    /// What stands in front of every part: the line with the names of the columns.
    head: Bytes,
    file: Arc<TempPath>,
    lengths: Arc<[u32]>,
}

/// A spool that is being written.
#[derive(Debug)]
pub(crate) struct SpoolWriter {
    head: Bytes,
    file: BufWriter<NamedTempFile>,
    lengths: Vec<u32>,
    bytes: u64,
}

impl SpoolWriter {
    pub(crate) fn create(directory: &Path, head: impl Into<Bytes>) -> Result<Self, SalesforceError> {
        let file = NamedTempFile::new_in(directory).map_err(unwritable)?;
        Ok(Self {
            head: head.into(),
            file: BufWriter::with_capacity(128 << 10, file),
            lengths: Vec::new(),
            bytes: 0,
        })
    }

    /// Adds a record as it will be sent, its line ending included.
    pub(crate) fn push(&mut self, record: &[u8]) -> Result<(), SalesforceError> {
        let length = u32::try_from(record.len())
            .map_err(|_| SalesforceError::internal("a record is larger than 4 GB"))?;
        self.file.write_all(record).map_err(unwritable)?;
        self.lengths.push(length);
        self.bytes += u64::from(length);
        Ok(())
    }

    /// Bytes of all records so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn finish(self) -> Result<Spool, SalesforceError> {
        let file = self.file.into_inner().map_err(|error| unwritable(error.into_error()))?;
        Ok(Spool { head: self.head, file: Arc::new(file.into_temp_path()), lengths: self.lengths.into() })
    }
}

impl Spool {
    /// Keeps bytes as they are, as one record.
    pub(crate) fn keep(directory: &Path, bytes: &[u8]) -> Result<Self, SalesforceError> {
        let mut writer = SpoolWriter::create(directory, Bytes::new())?;
        writer.push(bytes)?;
        writer.finish()
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// These records with the head in front, to be sent.
    pub(crate) fn part(&self, records: Range<usize>) -> FilePart {
        let end = records.end.min(self.lengths.len());
        let start = records.start.min(end);
        let bytes = |records: Range<usize>| -> u64 {
            self.lengths.get(records).unwrap_or_default().iter().map(|length| u64::from(*length)).sum()
        };
        FilePart {
            head: self.head.clone(),
            file: Arc::clone(&self.file),
            start: bytes(0..start),
            length: bytes(start..end),
        }
    }

    /// All records with the head in front, to be sent.
    pub(crate) fn whole(&self) -> FilePart {
        self.part(0..self.len())
    }

    /// The file, to be read from its start.
    pub(crate) fn open(&self) -> Result<File, SalesforceError> {
        File::open(&**self.file).map_err(unwritable)
    }
}

/// A failure of the disk below.
#[expect(clippy::needless_pass_by_value, reason = "used as map_err(unwritable)")]
pub(crate) fn unwritable(error: io::Error) -> SalesforceError {
    SalesforceError::internal(format!(
        "the emulator cannot keep a job's data: {error}; check TMPDIR and its free space"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_part_is_the_records_that_were_pushed(
            records in proptest::collection::vec("[a-z\n]{0,12}", 0..20),
            from in 0usize..25,
            count in 0usize..25,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut writer = SpoolWriter::create(directory.path(), "head\n").unwrap();
            for record in &records {
                writer.push(record.as_bytes()).unwrap();
            }
            let spool = writer.finish().unwrap();
            let expected = records.iter().skip(from).take(count).fold("head\n".to_owned(), |all, record| all + record);
            prop_assert_eq!(spool.part(from..from + count).read().unwrap(), expected.into_bytes());
            prop_assert_eq!(spool.len(), records.len());
        }
    }
}
