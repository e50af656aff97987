//! Jobs at work, away from the requests that made them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::job::{Fate, Job, State};
use super::{Bulk, ingest, query};
use crate::error::SalesforceError;
use crate::http::Server;

/// Lets a job wait its time and then work. It lives no longer than the server.
pub(crate) fn start(server: &Server, job: &Arc<Job>) {
    let (me, job) = (server.me.clone(), Arc::clone(job));
    let half = Duration::from_millis(server.bulk.settings().delay_milliseconds) / 2;
    tokio::runtime::Handle::current().spawn(async move {
        tokio::time::sleep(half).await;
        let Some(now) = me.upgrade().map(|server| server.org.clock.now()) else { return };
        if !job.advance(State::UploadComplete, State::InProgress, now) || job.fate == Some(Fate::Endless) {
            return;
        }
        tokio::time::sleep(half).await;
        let Some(server) = me.upgrade() else { return };
        let work = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            work(&server, &job, begun);
        });
        if work.await.is_err() {
            tracing::error!("a bulk job of the emulator panicked");
        }
    });
}

fn work(server: &Server, job: &Job, begun: Instant) {
    let now = || server.org.clock.now();
    match &job.fate {
        Some(Fate::Failed(why)) => return job.fail(now(), why.as_str()),
        Some(Fate::Aborted) => {
            job.change(now(), |progress| progress.state = State::Aborted);
            return;
        }
        Some(Fate::Endless) | None => {}
    }
    let outcome = match job.operation.is_query() {
        true => query::run(server, job, begun),
        false => ingest::run(server, job, begun),
    };
    if let Err(why) = outcome {
        job.fail(now(), why);
    }
}

impl Bulk {
    /// Takes a new query job off the daily limit.
    pub(crate) fn take_query_job(&self, now: jiff::Timestamp) -> Result<(), SalesforceError> {
        let max = self.query_jobs.state(now).1;
        let message = format!("Max bulk v2 query jobs ({max}) per 24 hrs has been reached");
        self.query_jobs.take(1, now).map_err(|_| SalesforceError::new(400, "EXCEEDEDQUOTA", message))
    }

    /// Takes a batch off the daily limit.
    pub(crate) fn take_batch(&self, now: jiff::Timestamp) -> Result<(), SalesforceError> {
        let max = self.batches.state(now).1;
        let message = format!("Max number of batches ({max}) per 24 hrs has been reached");
        self.batches.take(1, now).map_err(|_| SalesforceError::new(400, "EXCEEDEDQUOTA", message))
    }

    /// Refuses more query results when the day's are used up.
    pub(crate) fn check_query_volume(&self, now: jiff::Timestamp) -> Result<(), SalesforceError> {
        let (used, max) = self.query_kilobytes.state(now);
        if used < max {
            return Ok(());
        }
        let message = format!("Max bulk v2 query result size stored ({max}) kb per 24 hrs has been exceeded");
        Err(SalesforceError::new(400, "EXCEEDEDQUOTA", message))
    }

    /// Counts the results of a query.
    pub(crate) fn note_query_volume(&self, bytes: u64, now: jiff::Timestamp) {
        // What is over the limit counts too; it is the next job that is refused.
        let _over = self.query_kilobytes.take(bytes.div_ceil(1024), now).is_err();
    }
}
