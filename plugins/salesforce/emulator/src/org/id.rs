//! Allotment of record ids: one ascending sequence per key prefix.

use std::collections::HashMap;

use crate::schema::ids::{salesforce_id, serial_of};

/// Hands out ids. A run with the same data and the same calls gives the same ids.
#[derive(Debug, Default)]
pub(crate) struct IdSequence {
    last: HashMap<String, u64>,
}

impl IdSequence {
    /// The next id of this prefix.
    pub(crate) fn next(&mut self, prefix: &str) -> String {
        let last = match self.last.get_mut(prefix) {
            Some(last) => last,
            None => self.last.entry(prefix.to_owned()).or_default(),
        };
        *last += 1;
        salesforce_id(prefix, *last)
    }

    /// Keeps the sequence ahead of an id that came with loaded data.
    pub(crate) fn skip(&mut self, id: &str) {
        let (Some(prefix), Some(serial)) = (id.get(..3), serial_of(id)) else { return };
        if salesforce_id(prefix, serial) != id {
            return;
        }
        let last = match self.last.get_mut(prefix) {
            Some(last) => last,
            None => self.last.entry(prefix.to_owned()).or_default(),
        };
        *last = (*last).max(serial);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_ascend_and_pass_over_loaded_ones(loaded in 0u64..1_000_000_000, count in 2usize..100) {
            let mut sequence = IdSequence::default();
            let given = salesforce_id("003", loaded);
            sequence.skip(&given);
            let ids: Vec<String> = (0..count).map(|_| sequence.next("003")).collect();
            prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(ids.iter().all(|id| *id > given && id.len() == 18));
        }
    }
}
