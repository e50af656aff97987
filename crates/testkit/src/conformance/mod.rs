//! The conformance suite: the cases of `docs/provider-contract.md`, listed once.
//!
//! A plugin implements [`Harness`] over its fake upstream and writes one line:
//!
//! ```text
//! unicrm_testkit::provider_conformance!(MyHarness);
//! ```
//!
//! Every case runs for every provider. What a provider does not declare must answer `Unsupported`: no case is skipped.

mod custom;
mod reading;
mod searching;
mod writing;

/// The cases, by name of the clause that they check.
pub mod cases {
    pub use super::custom::{
        custom_classes_are_listed_and_described, custom_objects_read_back_as_written,
        custom_pages_show_every_record, custom_rows_have_their_own_outcomes,
    };
    pub use super::reading::*;
    pub use super::searching::*;
    pub use super::writing::*;
}

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
pub use custom::CustomSample;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use unicrm_core::{
    Capability, Error, ErrorKind, LinkedAccountId, ObjectKind, Provider, ProviderExt, ReadPart, Record,
    RemoteId, Row,
};

/// What a plugin's tests provide: a fake upstream that always runs, and the plugin connected to it.
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync + Sized {
    /// Starts a fresh upstream that holds some records of every object, deleted ones among them, and connects the plugin,
    /// with [`SECRET`] among its credentials.
    async fn start() -> Self;
    /// The plugin, inside the guard.
    fn provider(&self) -> Arc<dyn Provider>;
    /// A new connection of the same linked account, as after a restart of the process.
    async fn reconnect(&self) -> Arc<dyn Provider>;
    /// The linked account of the connection.
    fn linked_account(&self) -> LinkedAccountId;
    /// The upstream itself.
    fn upstream(&self) -> &dyn Upstream;
    /// A record that the upstream can create as it is, or as a remote user would make it: the read-only objects too.
    fn sample(&self, kind: ObjectKind) -> Record;
    /// A class of custom objects, made when it is not there yet; none when the provider has no custom objects.
    async fn custom_sample(&self) -> Option<CustomSample>;
}

/// A secret that the harness plants among the credentials and that no output may show.
pub const SECRET: &str = "planted-secret-3f9c1e";

/// The upstream behind a plugin, as its owner sees it: the oracle of the suite.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// Puts a record in, as a remote user would; its remote id comes back.
    async fn insert(&self, record: Record) -> RemoteId;
    /// Changes a text of some record of an object, as a remote user would; its remote id comes back.
    async fn touch(&self, kind: ObjectKind) -> RemoteId;
    /// Deletes a record, as a remote user would.
    async fn delete(&self, kind: ObjectKind, remote_id: &RemoteId);
    /// The remote ids of all records of an object that are not deleted.
    async fn live_ids(&self, kind: ObjectKind) -> BTreeSet<RemoteId>;
    /// Makes the next requests meet a fault; false when this upstream cannot have it.
    async fn fail(&self, fault: Fault) -> bool;
    /// Whether records of an object can be put in and changed. Not so at a real remote where they are settings or people.
    fn takes(&self, _kind: ObjectKind) -> bool {
        true
    }
    /// Waits until a search finds what was put in. A real remote indexes records some time after they were written.
    async fn index(&self) {}
}

/// Faults that every remote can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The access token expires now; a refresh gives a good one.
    SessionExpired,
    /// The access token expires now and the refresh is refused.
    CredentialsRefused,
    /// The next two requests are answered with "too many requests, wait a second".
    Throttled,
    /// The next two requests find the remote out of order.
    Unavailable,
    /// The next answer ends in the middle of its body.
    CutBody,
    /// The quota of the day is used up.
    QuotaExhausted,
}

/// A case, and how it runs against one harness.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name, as in [`CASES`].
    pub name: &'static str,
    /// Runs it. It panics when the case fails.
    pub run: fn() -> LocalBoxFuture<'static, ()>,
}

/// Runs a case to its end.
///
/// # Panics
///
/// When the case fails.
pub fn run<F: Future<Output = ()>>(case: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(case);
}

macro_rules! cases {
    ($($name:ident,)+) => {
        /// The names of all cases. `docs/provider-contract.md` cites each.
        pub const CASES: &[&str] = &[$(stringify!($name)),+];

        /// All cases against one harness, for a run that takes them one after the other because they share a remote.
        #[must_use]
        pub fn all<H: Harness + 'static>() -> Vec<Case> {
            vec![$(Case { name: stringify!($name), run: || Box::pin(cases::$name::<H>()) }),+]
        }

        /// Runs every conformance case as a test of its own, against a [`Harness`](crate::conformance::Harness).
        #[macro_export]
        macro_rules! provider_conformance {
            ($harness:ty) => {$(
                #[test]
                fn $name() {
                    $crate::conformance::run($crate::conformance::cases::$name::<$harness>());
                }
            )+};
        }
    };
}

cases! {
    info_maps_every_object,
    undeclared_capabilities_answer_unsupported,
    access_says_who_and_what,
    describe_names_every_mapped_field,
    read_shows_every_record_once_or_more,
    pages_are_drained_whatever_their_size,
    a_page_token_survives_a_restart,
    ids_and_references_are_computed,
    the_raw_record_comes_along,
    since_a_watermark_shows_what_changed,
    deletions_are_shown,
    reading_by_ids_answers_for_each_id,
    the_ids_shape_shows_the_same_records,
    the_count_is_the_number_of_live_records,
    reading_twice_gives_the_same,
    parts_are_independent,
    an_expired_session_is_renewed_in_the_middle_of_a_reading,
    refused_credentials_ask_for_relinking,
    a_throttled_reading_goes_on,
    an_outage_is_survived,
    a_cut_body_loses_no_row,
    a_used_up_quota_is_a_resumable_stop,
    a_dropped_reading_does_no_harm,
    secrets_are_never_shown,
    create_then_read_gives_the_record,
    an_update_changes_what_it_names_and_nothing_else,
    writing_back_what_was_read_changes_nothing,
    a_delete_is_seen_and_may_be_repeated,
    a_read_only_field_is_a_warning,
    each_row_has_its_own_outcome,
    unresolved_references_are_refused,
    a_phone_number_is_found_in_any_notation,
    an_e_mail_address_is_found_whatever_its_case,
    a_name_is_found_by_text,
    what_is_searched_for_is_never_more_than_text,
    custom_classes_are_listed_and_described,
    custom_objects_read_back_as_written,
    custom_pages_show_every_record,
    custom_rows_have_their_own_outcomes,
}

/// The live rows of a whole reading, and how many rows were rejected.
pub(crate) async fn read_all(provider: &dyn Provider, part: ReadPart) -> Vec<Row> {
    let mut rows = provider.rows(part);
    let mut all = Vec::new();
    while let Some(row) = rows.next().await {
        all.push(row.expect("a row"));
    }
    all
}

pub(crate) fn live_ids(rows: &[Row]) -> BTreeSet<RemoteId> {
    rows.iter()
        .filter(|row| matches!(row, Row::Live(_) | Row::Id { .. }))
        .filter_map(|row| row.remote_id().cloned())
        .collect()
}

/// The objects that the provider declares a capability for.
pub(crate) fn declaring(provider: &dyn Provider, capability: Capability) -> Vec<ObjectKind> {
    ObjectKind::ALL.into_iter().filter(|kind| provider.capabilities().allows(*kind, capability)).collect()
}

#[track_caller]
pub(crate) fn assert_unsupported<T: fmt::Debug>(what: &str, result: Result<T, Error>) {
    match result {
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        other => panic!("{what} is not declared and must answer Unsupported, not {other:?}"),
    }
}
