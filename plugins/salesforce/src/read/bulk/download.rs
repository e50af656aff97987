//! The pages of a job's results on their way: a few at once, each piece by piece, so that the next rows are there while
//! the last ones are stored, and memory does not grow with the job.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use unicrm_core::Usage;
use unicrm_http::Replay;

use super::place::Place;
use crate::api::{Client, Layout, Locator, QueryPage, ResultPage, Table};
use crate::error::Fault;

/// Pages that are fetched at the same time. Each holds at most three pieces in memory: one that is made, one that waits
/// and one that is stored.
const AT_ONCE: usize = 2;
/// Bytes after which a piece is complete, however few rows it has.
const PIECE_BYTES: usize = 1 << 20;

/// The pages that the place of a token names. It lives between two calls of the host; without it, the token is enough to
/// begin it again.
#[derive(Debug)]
pub(super) struct Session {
    /// Where it stands: whoever comes with another token begins anew.
    pub(super) place: Place,
    client: Client,
    layout: Arc<Layout>,
    /// Rows of a piece.
    rows: usize,
    /// The first of the place's pages, as they come.
    open: VecDeque<Download>,
}

impl Session {
    /// Begins at a place of a complete job.
    pub(super) fn begin(client: &Client, place: &Place, layout: Layout, rows: usize) -> Self {
        Self {
            place: place.clone(),
            client: client.clone(),
            layout: Arc::new(layout),
            rows,
            open: VecDeque::new(),
        }
    }

    /// Whether it goes on from this place, with pieces of this size.
    pub(super) fn stands_at(&self, place: &Place, rows: usize) -> bool {
        self.place == *place && self.rows == rows
    }

    /// The next rows, in the order of the job's pages; none behind the last one.
    pub(super) async fn next(&mut self, usage: &mut Usage) -> Result<Option<QueryPage>, Fault> {
        loop {
            while self.open.len() < AT_ONCE
                && let Some(page) = self.place.pages.get(self.open.len())
            {
                // Only the page that was under way has rows that were delivered before.
                let sent = if self.open.is_empty() { self.place.row } else { 0 };
                let download = Download::start(&self.client, page.clone(), &self.layout, sent, self.rows);
                self.open.push_back(download);
            }
            let Some(download) = self.open.front_mut() else { return Ok(None) };
            match download.pieces.recv().await {
                Some(Piece::Rows { page, upto, used }) => {
                    usage.add(&used);
                    self.place.row = upto;
                    return Ok(Some(page));
                }
                Some(Piece::End { records, used }) => {
                    usage.add(&used);
                    self.place.turn(records);
                    self.open.pop_front();
                }
                Some(Piece::Failed { fault, used }) => {
                    usage.add(&used);
                    return Err(fault);
                }
                None => {
                    let why = "its reader ended before it".to_owned();
                    return Err(Fault::Unreadable { what: "a page of a job's results", why, cut: true });
                }
            }
        }
    }
}

/// One page of results that is being fetched.
#[derive(Debug)]
struct Download {
    pieces: mpsc::Receiver<Piece>,
    task: JoinHandle<()>,
}

impl Drop for Download {
    fn drop(&mut self) {
        // Nobody waits for the rest.
        self.task.abort();
    }
}

#[derive(Debug)]
enum Piece {
    /// Rows, up to this one of the page.
    Rows {
        page: QueryPage,
        upto: u64,
        used: Usage,
    },
    /// The page had as many rows as it said.
    End {
        records: u64,
        used: Usage,
    },
    Failed {
        fault: Fault,
        used: Usage,
    },
}

impl Download {
    fn start(client: &Client, page: Locator, layout: &Arc<Layout>, sent: u64, rows: usize) -> Self {
        let (sender, pieces) = mpsc::channel(1);
        let fetch = Fetch {
            client: client.clone(),
            page,
            layout: Arc::clone(layout),
            sent,
            rows,
            sender,
            used: Usage::default(),
        };
        Self { pieces, task: tokio::spawn(fetch.run()) }
    }
}

struct Fetch {
    client: Client,
    page: Locator,
    layout: Arc<Layout>,
    /// Rows that were sent on.
    sent: u64,
    rows: usize,
    sender: mpsc::Sender<Piece>,
    /// What it cost since the last piece.
    used: Usage,
}

/// Why a page was not read to its end.
enum Stop {
    /// Nobody listens.
    Unwanted,
    /// It could not be begun, and that was tried often enough.
    Refused(Fault),
    /// It broke off, or is not what it said.
    Broken(Fault),
}

impl Fetch {
    async fn run(mut self) {
        let mut attempt = 0;
        let last = loop {
            let fault = match self.pass().await {
                Ok(records) => break Piece::End { records, used: std::mem::take(&mut self.used) },
                Err(Stop::Unwanted) => return,
                Err(Stop::Refused(fault)) => break self.failed(fault),
                Err(Stop::Broken(fault)) => fault,
            };
            attempt += 1;
            if !self.client.outlasts(&fault, attempt).await {
                break self.failed(fault);
            }
            self.used.retries += 1;
        };
        // Without a listener there is nobody to tell.
        let _unheard = self.sender.send(last).await.is_err();
    }

    fn failed(&mut self, fault: Fault) -> Piece {
        Piece::Failed { fault, used: std::mem::take(&mut self.used) }
    }

    /// Reads the page once and sends on what was not sent before. The page is good when it has as many rows as it said.
    async fn pass(&mut self) -> Result<u64, Stop> {
        let begun = self.client.bulk_results(&mut self.used, &self.page).await;
        let ResultPage { records, mut body } = begun.map_err(Stop::Refused)?;
        let mut table = Table::new(Arc::clone(&self.layout), self.sent);
        loop {
            let broken = |error| Stop::Broken(Fault::Transport { error, replay: Replay::Safe });
            let Some(bytes) = body.chunk().await.map_err(broken)? else { break };
            let mut input = &*bytes;
            while !input.is_empty() {
                input = table.read(input).map_err(Stop::Broken)?;
                let (rows, size) = table.waiting();
                if rows >= self.rows || size >= PIECE_BYTES {
                    self.send(&mut table).await?;
                }
            }
        }
        // A last row without a line ending.
        let _at_end = table.read(&[]).map_err(Stop::Broken)?;
        if table.rows() != records {
            // Which rows are missing is not known, so all of them are sent again.
            self.sent = 0;
            let why = format!("it says that it has {records} rows, and has {}", table.rows());
            return Err(Stop::Broken(Fault::Unreadable {
                what: "a page of a job's results",
                why,
                cut: true,
            }));
        }
        self.send(&mut table).await?;
        Ok(records)
    }

    async fn send(&mut self, table: &mut Table) -> Result<(), Stop> {
        if table.waiting().0 == 0 {
            return Ok(());
        }
        let piece =
            Piece::Rows { page: table.take(), upto: table.rows(), used: std::mem::take(&mut self.used) };
        self.sender.send(piece).await.map_err(|_| Stop::Unwanted)?;
        self.sent = table.rows();
        Ok(())
    }
}
