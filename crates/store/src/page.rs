//! What the rows of a page mean, whichever database they go into.

use unicrm_core::{
    Error, ErrorKind, Gone, GoneReason, LinkedAccountId, LiveRow, Record, RemoteData, RemoteId, compute_id,
};
use uuid::Uuid;

use crate::text;

/// A linked account: its key in the database and its id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) pk: i64,
    pub(crate) id: LinkedAccountId,
}

/// That a record is gone, as its columns say it.
#[derive(Clone, Debug)]
pub(crate) struct Tombstone {
    pub(crate) reason: GoneReason,
    /// An instant as [`text::timestamp`] writes it.
    pub(crate) at: String,
    /// The remote id of the record that it was merged into.
    pub(crate) survivor: Option<String>,
}

impl Tombstone {
    /// The tombstone that a record gets which has this reason to be gone already: what was known before is not given up
    /// for something that says less.
    pub(crate) fn of(gone: &Gone, before: Option<&GoneReason>, now: &str) -> Self {
        let at = gone.stamp.map_or_else(|| now.to_owned(), text::timestamp);
        let reason = match before {
            Some(before) if weight(before) > weight(&gone.reason) => before.clone(),
            _ => gone.reason.clone(),
        };
        let survivor = reason.survivor().map(|survivor| survivor.as_str().to_owned());
        Self { reason, at, survivor }
    }
}

/// The ids of a row's record, or why it is to be rejected and the remote id as far as it has one.
pub(crate) fn identify(
    account: LinkedAccountId,
    row: &LiveRow,
) -> Result<(Uuid, &RemoteId), (Option<&RemoteId>, Error)> {
    let record = &row.record;
    let kind = record.kind();
    let Some(remote_id) = record.remote_id().filter(|id| !id.as_str().is_empty()) else {
        let error = Error::new(ErrorKind::Decode, format!("the {kind} came without a remote id"));
        return Err((None, error));
    };
    let id = compute_id(account, kind, remote_id.as_str());
    if let Some(given) = record.id().filter(|given| *given != id) {
        let message =
            format!("the {kind} came with the id {given}; its linked account and remote id give {id}");
        return Err((Some(remote_id), Error::new(ErrorKind::Decode, message)));
    }
    Ok((id, remote_id))
}

/// What a record brings of its raw form itself.
pub(crate) fn remote_data(record: &Record) -> &[RemoteData] {
    match record {
        Record::Account(object) => &object.remote_data,
        Record::Contact(object) => &object.remote_data,
        Record::Engagement(object) => &object.remote_data,
        Record::EngagementType(_) => &[],
        Record::Lead(object) => &object.remote_data,
        Record::Note(object) => &object.remote_data,
        Record::Opportunity(object) => &object.remote_data,
        Record::Stage(object) => &object.remote_data,
        Record::Task(object) => &object.remote_data,
        Record::User(object) => &object.remote_data,
    }
}

/// How much a reason says.
fn weight(reason: &GoneReason) -> u8 {
    match reason {
        GoneReason::NotVisible => 0,
        GoneReason::MergedInto(_) => 2,
        _ => 1,
    }
}

/// An error with all its causes in one line.
pub(crate) fn whole_sentence(error: &Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        cause = error.source();
    }
    sentence
}
