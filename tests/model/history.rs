//! What happened in a program, for the person who has to find out why it failed.

use std::sync::{Mutex, PoisonError};

/// Lines in the order of what they tell of.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Vec<String>>);

impl History {
    pub(crate) fn note(&self, line: impl Into<String>) {
        let line = line.into();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
