//! Where a reading by a job stands: the part of a page token that lets the next process go on with the same job.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::Locator;

/// How the rows of a source are read, once that is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// By REST to the end: a job was tried, or is not offered.
    Rest,
    /// By a job.
    Bulk(Place),
}

/// Where a reading by a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Place {
    /// The job's resource; none while it is to be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) job: Option<Locator>,
    /// When the job was made, by the server's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<Timestamp>,
    /// How often it was asked whether it is complete.
    pub(super) polls: u32,
    /// Jobs that were lost before this one.
    pub(super) lost: u32,
    /// Records of the job, once it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// The pages of the job's results that are known and not delivered yet, the one under way first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pages: Vec<Locator>,
    /// Where further pages are named.
    #[serde(skip_serializing_if = "List::is_first")]
    pub(super) list: List,
    /// Rows of the page under way that were delivered.
    pub(super) row: u64,
    /// Rows of all pages before it.
    pub(super) done: u64,
}

/// Where the pages behind those that are known are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum List {
    /// At the job: none is known yet.
    #[default]
    First,
    /// Where the last list said.
    At(Locator),
    /// There are no more.
    Read,
}

impl List {
    const fn is_first(&self) -> bool {
        matches!(self, Self::First)
    }
}

impl Place {
    /// The start of another job, after this one was lost.
    pub(super) fn anew(&self) -> Self {
        Self { lost: self.lost + 1, ..Self::default() }
    }

    /// The page after this one, which had so many rows.
    pub(super) fn turn(&mut self, records: u64) {
        self.pages = self.pages.split_off(1.min(self.pages.len()));
        self.row = 0;
        self.done += records;
    }
}
