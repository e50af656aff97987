//! The results of an ingest job, read as they come: they hold the upload again, and so may be larger than any other answer.

use csv::StringRecord;
use unicrm_core::Usage;
use unicrm_http::{BodyStream, Replay};

use super::answer::Answer;
use super::client::Client;
use super::connection::Call;
use super::lines::Lines;
use crate::error::{Fault, What, is_page};

/// One of the three results of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Results {
    Successful,
    Failed,
    Unprocessed,
}

impl Results {
    fn segment(self) -> &'static str {
        match self {
            Self::Successful => "successfulResults",
            Self::Failed => "failedResults",
            Self::Unprocessed => "unprocessedrecords",
        }
    }

    /// The columns that stand before those of the upload.
    fn own_columns(self) -> &'static [&'static str] {
        match self {
            Self::Successful => &["sf__Id", "sf__Created"],
            Self::Failed => &["sf__Id", "sf__Error"],
            Self::Unprocessed => &[],
        }
    }
}

/// A table of results, cell by cell as it came. The order of its rows means nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResultTable {
    pub(crate) header: StringRecord,
    pub(crate) rows: Vec<StringRecord>,
}

impl ResultTable {
    /// The number of a column, by its name in any case.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column.eq_ignore_ascii_case(name))
    }
}

impl Client {
    /// The results of a job that is over, which has been given at most so many rows. Results that break off are asked for
    /// again.
    pub(crate) async fn ingest_results(
        &self,
        usage: &mut Usage,
        id: &str,
        results: Results,
        most: usize,
    ) -> Result<ResultTable, Fault> {
        let path = self.job_path(id, &format!("/{}", results.segment()))?;
        let call = Call::csv(path);
        let head = |answer: Answer| match is_page(&answer.headers, &[]) {
            true => Err(Fault::Unexpected { status: 200, what: What::Page, after: None }),
            false => Ok(()),
        };
        let mut attempt = 1;
        loop {
            let ((), body) = self.stream(usage, &call, head).await?;
            let fault = match read(body, results, most).await {
                Ok(table) => return Ok(table),
                Err(fault) => fault,
            };
            if !self.outlasts(&fault, attempt).await {
                return Err(fault);
            }
            usage.retries += 1;
            attempt += 1;
        }
    }
}

/// Reads a table to its end.
async fn read(mut body: BodyStream, results: Results, most: usize) -> Result<ResultTable, Fault> {
    let broken = |error| Fault::Transport { error, replay: Replay::Safe };
    let mut reader = Reader::new(most);
    while let Some(bytes) = body.chunk().await.map_err(broken)? {
        // An empty chunk would be the end to the reader.
        if !bytes.is_empty() {
            reader.read(&bytes)?;
        }
    }
    reader.read(&[])?;
    reader.table(results)
}

/// Reads a table as it arrives.
struct Reader {
    lines: Lines,
    header: Option<StringRecord>,
    rows: Vec<StringRecord>,
    most: usize,
}

impl Reader {
    fn new(most: usize) -> Self {
        Self { lines: Lines::new(WHAT), header: None, rows: Vec::new(), most }
    }

    fn read(&mut self, mut input: &[u8]) -> Result<(), Fault> {
        loop {
            let (left, whole) = self.lines.read(input)?;
            if !whole {
                return Ok(());
            }
            let row: StringRecord = self.lines.cells()?.into();
            match &self.header {
                None if row.get(0).is_some_and(|name| name.trim_start().starts_with('<')) => {
                    return Err(Fault::Unexpected { status: 200, what: What::Page, after: None });
                }
                None => self.header = Some(row),
                Some(header) if header.len() != row.len() => {
                    return Err(unreadable("a row of it has another number of cells than its first line"));
                }
                Some(_) if self.rows.len() >= self.most => {
                    return Err(unreadable("it has more rows than were uploaded"));
                }
                Some(_) => self.rows.push(row),
            }
            input = left;
        }
    }

    fn table(self, results: Results) -> Result<ResultTable, Fault> {
        let table = ResultTable { header: self.header.unwrap_or_default(), rows: self.rows };
        match results.own_columns().iter().find(|name| table.column(name).is_none()) {
            Some(missing) => Err(unreadable(&format!("it has no column {missing}"))),
            None => Ok(table),
        }
    }
}

const WHAT: &str = "the results of a bulk job";

fn unreadable(why: &str) -> Fault {
    Fault::Unreadable { what: WHAT, why: why.to_owned(), cut: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that arrives in pieces of this size.
    fn table(text: &str, results: Results, piece: usize) -> Result<ResultTable, Fault> {
        let mut reader = Reader::new(2);
        for bytes in text.as_bytes().chunks(piece) {
            reader.read(bytes)?;
        }
        reader.read(&[])?;
        reader.table(results)
    }

    #[test]
    fn tables_are_read_by_the_names_of_their_columns() {
        let text =
            "\"sf__Id\",\"sf__Created\",LastName\n003A,true,\"two\nlines, \"\"quoted\"\"\"\n003B,false,é";
        for piece in [1, 3, 7, 1_000] {
            let table = table(text, Results::Successful, piece).unwrap();
            assert_eq!(table.column("SF__ID"), Some(0));
            let names: Vec<_> = table.rows.iter().map(|row| row.get(2)).collect();
            assert_eq!(names, [Some("two\nlines, \"quoted\""), Some("é")], "pieces of {piece}");
        }
        let nothing = table("", Results::Unprocessed, 1).unwrap();
        assert!(nothing.rows.is_empty());
    }

    #[test]
    fn what_is_no_table_of_results_is_refused() {
        for text in ["LastName\nx\n", "", "sf__Id,sf__Error,A\n1,2\n", "sf__Id,sf__Error\n1,2\n3,4\n5,6\n"] {
            let read = table(text, Results::Failed, 4);
            assert!(matches!(read, Err(Fault::Unreadable { .. })), "{text:?}: {read:?}");
        }
        assert!(matches!(
            table(" <html></html>", Results::Failed, 4),
            Err(Fault::Unexpected { what: What::Page, .. })
        ));
    }
}
