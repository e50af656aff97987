//! The org's limits and what is left of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use unicrm_core::Quota;

/// The answer of `/limits`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Limits(BTreeMap<String, Limit>);

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Limit {
    /// How much there is in the period.
    #[serde(rename = "Max")]
    pub(crate) max: i64,
    /// How much is left; below zero while an org is over its limit.
    #[serde(rename = "Remaining")]
    pub(crate) remaining: i64,
}

impl Limits {
    /// A limit by Salesforce's name. Which ones an org shows depends on its edition and on the user.
    pub(crate) fn get(&self, name: &str) -> Option<Limit> {
        self.0.get(name).copied()
    }

    /// The calls of the last 24 hours.
    pub(crate) fn api_calls(&self) -> Option<Quota> {
        let limit = self.get("DailyApiRequests")?;
        let max = u64::try_from(limit.max).ok()?;
        Some(Quota {
            used: u64::try_from(limit.max.saturating_sub(limit.remaining)).unwrap_or(0),
            limit: max,
        })
    }
}
