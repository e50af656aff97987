//! What every store must do, run on each of them: SQLite, and PostgreSQL where there is a server (`UNICRM_TEST_POSTGRES`).
//!
//! A case is an async function of a [`place::Place`]; [`on_every_store`] lists them. What only one kind of store knows is in
//! `files.rs` and `server.rs`.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod accounts;
mod credentials;
mod files;
mod ingest;
mod mappings;
mod model;
mod place;
mod records;
mod roundtrip;
mod search;
mod server;
mod shared;
mod sql;

use std::fmt::Debug;
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use unicrm_core::{Contact, LiveRow, ObjectKind, Row};
use unicrm_store::{Epoch, LinkRequest, LinkedAccount, PageCommit, PageReport, Store};

use crate::place::Place;

/// Makes a test of each case for each kind of store.
macro_rules! on_every_store {
    ($($module:ident: $($case:ident),+;)+) => {
        mod on_sqlite {
            $($(#[tokio::test] async fn $case() { crate::$module::$case(crate::place::Place::sqlite()).await; })+)+
        }
        mod on_postgres {
            $($(#[tokio::test] async fn $case() {
                if let Some(place) = crate::place::Place::postgres().await {
                    crate::$module::$case(place).await;
                }
            })+)+
        }
    };
}

on_every_store! {
    accounts:
        linking_again_keeps_id_records_and_credentials,
        a_name_belongs_to_one_provider,
        an_account_is_found_by_name_or_id_and_an_error_names_those_that_there_are,
        unlinking_removes_everything_of_it_and_nothing_else,
        the_json_of_an_account_is_what_scripts_rely_on;
    credentials:
        several_processes_lose_no_swap,
        the_wrong_key_is_named_and_linking_again_helps,
        rotation_moves_everything_to_the_new_key,
        an_account_without_credentials_has_version_zero;
    ingest:
        our_times_move_only_when_something_changed,
        a_row_that_comes_without_its_raw_record_keeps_the_one_that_is_there,
        a_stale_epoch_is_refused_and_changes_nothing,
        a_tombstone_keeps_the_data_and_says_why,
        a_record_that_went_before_we_saw_it_is_kept_with_its_last_state,
        an_object_without_the_deleted_field_has_tombstones_too,
        rejected_rows_are_kept_once_until_they_come_right,
        a_snapshot_declares_gone_what_it_did_not_show,
        a_snapshot_that_was_begun_again_starts_from_nothing,
        a_row_without_an_id_keeps_a_snapshot_from_declaring_anything_gone,
        ids_alone_tell_what_is_to_be_read;
    mappings:
        what_is_committed_is_mapped_and_a_second_time_changes_nothing,
        records_are_made_anew_without_the_remote_and_only_what_differs_moves,
        an_interrupted_projection_goes_on_where_it_was,
        a_projection_shows_no_record_to_a_snapshot,
        a_record_without_its_raw_form_keeps_its_mapped_values;
    model:
        the_store_is_what_the_pages_said;
    records:
        a_record_is_found_by_either_id,
        pages_show_every_record_once_and_in_order,
        conditions_are_typed,
        amounts_and_numbers_are_compared_exactly,
        a_condition_that_cannot_be_is_explained,
        references_of_a_patch_are_resolved_within_the_linked_account,
        remote_fields_share_their_class_and_come_only_when_asked_for;
    roundtrip:
        what_was_stored_is_read_back_equal,
        a_list_of_references_keeps_its_remote_ids,
        the_raw_record_comes_back_as_it_came,
        a_record_without_a_place_for_its_raw_form_is_read_all_the_same;
    search:
        a_number_is_found_in_any_notation_and_an_address_in_any_case,
        words_are_found_by_their_beginnings_in_contacts_leads_and_accounts,
        what_is_searched_for_is_text_whatever_it_looks_like,
        what_a_record_is_found_by_follows_the_record,
        accounts_are_searched_apart_and_unlinking_forgets,
        numbers_belong_to_the_country_of_their_linked_account,
        a_database_from_before_gets_what_its_records_are_found_by;
    shared:
        a_newer_schema_is_left_alone,
        a_database_of_another_program_is_left_alone,
        a_row_that_something_else_wrote_is_named,
        several_processes_may_open_a_new_database_at_once,
        what_was_committed_is_there_after_opening_again,
        a_locked_account_is_waited_for_and_then_named,
        writers_that_take_over_from_one_another_lose_nothing,
        a_page_with_the_same_record_many_times_has_the_last_word_last,
        a_full_disk_in_the_middle_of_a_page_loses_nothing,
        what_no_column_holds_comes_back_exactly;
    sql:
        the_questions_of_the_book_have_answers;
}

/// How many cases a property is put to. `UNICRM_STORE_CASES` multiplies it.
fn cases(usual: u32) -> Config {
    let factor = std::env::var("UNICRM_STORE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    Config::with_cases(usual.saturating_mul(factor))
}

/// A store with one linked account and an epoch of it.
async fn linked(place: &Place) -> (Arc<dyn Store>, LinkedAccount, Epoch) {
    let store = place.open().await;
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    (store, account, epoch)
}

fn contact(remote_id: &str, last_name: &str) -> Contact {
    let mut contact = Contact::default();
    contact.remote_id = Some(remote_id.into());
    contact.last_name = Some(last_name.to_owned());
    contact
}

fn live(remote_id: &str, last_name: &str) -> Row {
    Row::Live(LiveRow::new(contact(remote_id, last_name)))
}

async fn commit(store: &dyn Store, epoch: Epoch, rows: Vec<Row>) -> PageReport {
    store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, rows)).await.unwrap()
}

/// Checks a property of any value. A value that fails is made simpler as long as it still does, and printed with the seed:
/// what `proptest!` does, for a check that waits.
async fn for_all<T: Debug + Clone>(
    config: Config,
    strategy: &impl Strategy<Value = T>,
    check: impl AsyncFn(T) -> Result<(), TestCaseError>,
) {
    let seed = std::env::var("UNICRM_SEED").ok().and_then(|text| text.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = proptest::test_runner::TestRng::from_seed(config.rng_algorithm, &bytes);
    let cases = config.cases;
    let mut runner = TestRunner::new_with_rng(config, random);
    for case in 0..cases {
        let mut tree = strategy.new_tree(&mut runner).unwrap();
        let Err(mut error) = check(tree.current()).await else { continue };
        let mut simplest = tree.current();
        for _ in 0..200 {
            if !tree.simplify() {
                break;
            }
            while let Ok(()) = check(tree.current()).await {
                if !tree.complicate() {
                    break;
                }
            }
            if let Err(simpler) = check(tree.current()).await {
                (error, simplest) = (simpler, tree.current());
            }
        }
        panic!("case {case} of seed {seed} (UNICRM_SEED) fails: {error}\n{simplest:#?}");
    }
}
