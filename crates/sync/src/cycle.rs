//! Finds out that page tokens go round in a circle, in constant memory.

use unicrm_core::PageToken;

/// Brent's cycle detection: one token is remembered, and replaced after 1, 2, 4, 8, ... further ones. A circle of any
/// length is found within a few rounds, without keeping every token of a long reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct CycleDetector {
    remembered: Option<PageToken>,
    since: u64,
    limit: u64,
}

impl CycleDetector {
    /// Whether this token proves that the tokens go round.
    pub(crate) fn repeats(&mut self, token: &PageToken) -> bool {
        if self.remembered.as_ref() == Some(token) {
            return true;
        }
        self.since += 1;
        if self.since > self.limit {
            self.remembered = Some(token.clone());
            self.limit = (self.limit * 2).max(1);
            self.since = 0;
        }
        false
    }

    /// Whether no token came yet.
    pub(crate) const fn is_new(&self) -> bool {
        self.remembered.is_none()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(numbers: impl Iterator<Item = u32>) -> impl Iterator<Item = PageToken> {
        numbers.map(|number| PageToken::new(number.to_string()))
    }

    proptest! {
        #[test]
        fn every_circle_is_found_soon(lead in 0..200_u32, length in 1..200_u32) {
            let mut detector = CycleDetector::default();
            let walk = (0..lead).chain((0..length).cycle().map(|n| lead + n));
            let bound = 4 * (lead + length) as usize + 4;
            prop_assert!(tokens(walk).take(bound).any(|token| detector.repeats(&token)));
        }

        #[test]
        fn tokens_that_differ_are_no_circle(count in 0..2_000_u32) {
            let mut detector = CycleDetector::default();
            prop_assert!(!tokens(0..count).any(|token| detector.repeats(&token)));
        }
    }
}
