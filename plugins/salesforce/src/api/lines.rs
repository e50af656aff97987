//! CSV, row by row as it arrives.

use csv_core::ReadRecordResult;

use crate::error::Fault;

/// No row is larger: the longest text of Salesforce's has 131,072 characters, and a row has few of those.
const MAX_ROW: usize = 32 << 20;
/// Columns that a row can have; an object has at most some hundreds of fields.
const MAX_COLUMNS: usize = 5_000;

/// Takes CSV apart.
#[derive(Debug)]
pub(super) struct Lines {
    /// What is read, with an article.
    what: &'static str,
    parser: csv_core::Reader,
    /// The row under way: its bytes, and where each cell ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    filled: (usize, usize),
    whole: bool,
}

impl Lines {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            parser: csv_core::Reader::new(),
            bytes: vec![0; 4 << 10],
            ends: vec![0; 128],
            filled: (0, 0),
            whole: false,
        }
    }

    /// Reads bytes until a row is whole: what is left of them, and whether it is. Without bytes, the text is at its end.
    pub(super) fn read<'b>(&mut self, mut input: &'b [u8]) -> Result<(&'b [u8], bool), Fault> {
        if self.whole {
            (self.filled, self.whole) = ((0, 0), false);
        }
        loop {
            let (bytes, ends) = self.filled;
            let (Some(room), Some(end_room)) = (self.bytes.get_mut(bytes..), self.ends.get_mut(ends..))
            else {
                return Err(self.damaged("a row of it cannot be kept"));
            };
            let (result, taken, written, ended) = self.parser.read_record(input, room, end_room);
            input = input.get(taken..).unwrap_or_default();
            self.filled = (bytes + written, ends + ended);
            match result {
                ReadRecordResult::Record => {
                    self.whole = true;
                    return Ok((input, true));
                }
                ReadRecordResult::OutputFull if self.bytes.len() < MAX_ROW => {
                    self.bytes.resize(self.bytes.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull if self.ends.len() < MAX_COLUMNS => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(self.damaged("a row of it is larger than any of Salesforce's"));
                }
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return Ok((input, false)),
            }
        }
    }

    /// The cells of the row that is whole.
    pub(super) fn cells(&self) -> Result<Vec<&str>, Fault> {
        let (bytes, ends) = self.filled;
        let line = self.bytes.get(..bytes).unwrap_or_default();
        let line = simdutf8::basic::from_utf8(line).map_err(|_| self.damaged("it is not UTF-8"))?;
        let ends = self.ends.get(..ends).unwrap_or_default();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let cells: Option<Vec<&str>> = starts.zip(ends).map(|(start, end)| line.get(start..*end)).collect();
        cells.ok_or_else(|| self.damaged("it is not UTF-8"))
    }

    /// A text that is not what it should be may be so when it is asked for again.
    pub(super) fn damaged(&self, why: &str) -> Fault {
        Fault::Unreadable { what: self.what, why: why.to_owned(), cut: true }
    }
}
