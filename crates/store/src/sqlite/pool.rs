//! Threads that own connections: SQL runs here, and the async runtime only waits.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use unicrm_core::{Error, ErrorKind, Result};

use super::failure::Done;

/// How many jobs may wait before whoever has the next one waits too.
const QUEUE: usize = 32;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Some connections, each on its thread, and the queue that they work off.
pub(super) struct Pool {
    /// Taken when the pool is dropped, which ends the threads.
    jobs: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    name: Arc<str>,
}

impl Pool {
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let threads = connections.into_iter().map(|mut connection| {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("unicrm-store".to_owned()).spawn(move || {
                // Only one thread waits in the queue at a time, the others for their turn to wait.
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(job) = next() {
                    // A job that panics has dropped its transaction and its answer; the connection is as good as before.
                    drop(std::panic::catch_unwind(AssertUnwindSafe(|| job(&mut connection))));
                }
            })
        });
        let threads = threads.collect::<std::io::Result<_>>().map_err(|source| {
            Error::new(ErrorKind::Internal, "the database's threads could not be started").with_source(source)
        })?;
        Ok(Self { jobs: Some(jobs), threads, name: name.into() })
    }

    /// Runs a job on one of the connections. Once it has been taken it runs to its end, even if nobody waits any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Done<T> + Send + 'static,
    ) -> Result<T> {
        let ended = || Error::new(ErrorKind::Internal, "the database's thread ended before its job was done");
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever waited may have gone away; the job is done all the same.
            drop(answer.send(job(connection)));
        });
        self.jobs.as_ref().ok_or_else(ended)?.send(job).await.map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?.map_err(|failure| failure.into_error(&self.name))
    }
}

impl Drop for Pool {
    /// Waits for the jobs under way, so that the file is whole and free when the store is gone.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Its jobs' panics are caught, so there is nothing left to learn from how it ended.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("name", &self.name).field("threads", &self.threads.len()).finish()
    }
}
