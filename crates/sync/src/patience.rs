//! Patience with the store: a busy database or a lost connection is no reason to end a sync.

use std::time::Duration;

use unicrm_core::{Error, Result, Retry};

use crate::checkpoint::Checkpoint;

/// How long to wait before the store is asked again, one after the other.
const WAITS: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// How much of it is used up.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    failures: usize,
    /// Where the sync of an object went on after the last failure.
    from: Option<Checkpoint>,
}

impl Patience {
    /// Waits, where the error says that this may help and it was not waited often enough; false when it is over.
    pub(crate) async fn outlasts(&mut self, error: &Error) -> bool {
        let wait = WAITS.get(self.failures).filter(|_| matches!(error.retry(), Retry::BackOff(_)));
        let Some(wait) = wait else { return false };
        self.failures += 1;
        tracing::warn!(%error, "the store is asked again");
        tokio::time::sleep(*wait).await;
        true
    }

    /// An object goes on from here.
    pub(crate) fn starts_from(&mut self, checkpoint: &Checkpoint) {
        self.from = Some(checkpoint.clone());
    }

    /// The store has taken a checkpoint. One that the object went on from proves nothing: what comes before the step that
    /// failed is done again then, and would be for ever.
    pub(crate) fn is_rewarded_by(&mut self, checkpoint: &Checkpoint) {
        if self.from.as_ref() != Some(checkpoint) {
            *self = Self::default();
        }
    }
}

/// Asks the store, and again while that may help.
pub(crate) async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut patience = Patience::default();
    loop {
        match ask().await {
            Err(error) if patience.outlasts(&error).await => {}
            outcome => return outcome,
        }
    }
}
