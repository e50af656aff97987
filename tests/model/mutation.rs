//! What somebody does in an org.

use crate::objects::Remote;

/// What somebody does in the org.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Create {
        remote: Remote,
        text: u16,
        parent: u16,
    },
    Edit {
        remote: Remote,
        pick: u16,
        text: u16,
        parent: u16,
    },
    Delete {
        remote: Remote,
        pick: u16,
    },
    /// Out of the bin, or straight away.
    Purge {
        remote: Remote,
        pick: u16,
    },
    EmptyBin {
        remote: Remote,
    },
    Undelete {
        remote: Remote,
        pick: u16,
    },
    Merge {
        remote: Remote,
        pick: u16,
        other: u16,
    },
    HideField {
        pick: u16,
    },
    ShowField {
        pick: u16,
    },
    HideObject {
        remote: Remote,
    },
    ShowObject {
        remote: Remote,
        pick: u16,
    },
    HideRecord {
        remote: Remote,
        pick: u16,
    },
    ShowRecord {
        remote: Remote,
        pick: u16,
    },
    AddField {
        pick: u16,
    },
    RemoveField {
        pick: u16,
    },
}

impl Mutation {
    /// What has to happen before this can.
    pub(crate) fn first(&self) -> Option<Self> {
        let create = |remote, text| Self::Create { remote, text, parent: text };
        Some(match *self {
            Self::Edit { remote, text, .. } => create(remote, text),
            Self::Delete { remote, pick }
            | Self::Purge { remote, pick }
            | Self::HideRecord { remote, pick } => create(remote, pick),
            Self::Merge { remote, other, .. } => create(remote, other),
            Self::EmptyBin { remote } => Self::Delete { remote, pick: 7 },
            Self::Undelete { remote, pick } => Self::Delete { remote, pick },
            Self::ShowField { pick } => Self::HideField { pick },
            Self::ShowObject { remote, .. } => Self::HideObject { remote },
            Self::ShowRecord { remote, pick } => Self::HideRecord { remote, pick },
            Self::RemoveField { pick } => Self::AddField { pick },
            Self::Create { .. }
            | Self::HideField { .. }
            | Self::HideObject { .. }
            | Self::AddField { .. } => {
                return None;
            }
        })
    }

    /// What sort it is, for the tables.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Edit { .. } => "edit",
            Self::Delete { .. } => "delete",
            Self::Purge { .. } => "hard delete",
            Self::EmptyBin { .. } => "empty bin",
            Self::Undelete { .. } => "undelete",
            Self::Merge { .. } => "merge",
            Self::HideField { .. } => "hide field",
            Self::ShowField { .. } => "show field",
            Self::HideObject { .. } => "hide object",
            Self::ShowObject { .. } => "show object",
            Self::HideRecord { .. } => "unshare",
            Self::ShowRecord { .. } => "share",
            Self::AddField { .. } => "add field",
            Self::RemoveField { .. } => "remove field",
        }
    }
}

/// A sort of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Create,
    Edit,
    Delete,
    Purge,
    EmptyBin,
    Undelete,
    Merge,
    HideField,
    ShowField,
    HideObject,
    ShowObject,
    HideRecord,
    ShowRecord,
    AddField,
    RemoveField,
}

/// How often each sort comes, beside a program's own: those of records first, those of permissions and fields behind them.
pub(crate) const CHANGES: [(u64, Change); 15] = [
    (20, Change::Create),
    (22, Change::Edit),
    (8, Change::Delete),
    (11, Change::Purge),
    (11, Change::EmptyBin),
    (12, Change::Undelete),
    (16, Change::Merge),
    (4, Change::HideField),
    (8, Change::ShowField),
    (3, Change::HideObject),
    (12, Change::ShowObject),
    (5, Change::HideRecord),
    (10, Change::ShowRecord),
    (6, Change::AddField),
    (12, Change::RemoveField),
];
/// So many of them are changes of records.
pub(crate) const OF_RECORDS: usize = 7;
