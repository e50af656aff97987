//! What the org refused or did not have a while ago, and what is therefore not tried now.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For this long a thing is not tried again. Daily limits come back hour by hour.
const SHUNNED: Duration = Duration::from_secs(3_600);

/// Things that were refused or missing, and when.
#[derive(Debug)]
pub(crate) struct Shunned<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Shunned<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Shunned<K> {
    /// Remembers that this was refused just now.
    pub(crate) fn shun(&self, key: K) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Instant::now());
    }

    /// Whether this was refused not long ago.
    pub(crate) fn shuns(&self, key: &K) -> bool {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(key).is_some_and(|at| at.elapsed() < SHUNNED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_is_tried_again_after_an_hour() {
        let shunned = Shunned::default();
        shunned.shun("Contact");
        assert!(shunned.shuns(&"Contact") && !shunned.shuns(&"Account"));
        tokio::time::advance(Duration::from_secs(3_599)).await;
        assert!(shunned.shuns(&"Contact"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!shunned.shuns(&"Contact"));
    }
}
