//! A run that ends at any point is gone on with, and the store comes to equal the remote.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use proptest::prelude::*;
use unicrm_core::{
    Contact, Error, ErrorKind, GoneReason, Lead, Note, ObjectKind, Quota, RemoteId, Scope, Task,
};
use unicrm_store::{Ingest, LinkedAccounts, PageCommit, SqliteStore};
use unicrm_sync::{Checkpoint, Options, Status, sync};

use crate::support::{Fault, Flaky, account, assert_equal, linked, run, small_pages};

/// Runs until the given call of `read` is reached, and is then dropped without a word, as by a crash.
async fn crash_at(store: &SqliteStore, provider: &Flaky, options: &Options, call: usize) -> bool {
    provider.heal();
    provider.plan(call, Fault::Hang);
    let account = store.linked_account("acme").await.unwrap().id;
    tokio::select! {
        summary = sync(provider, store, account, options, &|_| {}) => {
            summary.unwrap();
            false
        }
        () = provider.hanging.notified() => true,
    }
}

#[tokio::test]
async fn a_crash_at_any_page_loses_nothing_and_repeats_little() {
    let options = Options { objects: vec![ObjectKind::Contact], ..small_pages() };
    for call in 0.. {
        let (store, provider) = linked().await;
        for number in 0..13 {
            provider.contact(&format!("n{number}"));
        }
        if !crash_at(&store, &provider, &options, call).await {
            assert_eq!(call, 5, "13 rows are five pages of three");
            break;
        }
        provider.heal();
        let summary = run(&store, &provider, &options).await;
        assert!(summary.is_complete());
        assert_eq!(summary.objects[0].resumed, call > 0, "{call}");
        assert_eq!(summary.objects[0].tally.read, 13 - 3 * call as u64, "{call}");
        assert_equal(&store, &provider).await;
    }
}

#[tokio::test]
async fn what_changed_on_a_page_that_was_read_before_a_crash_is_found_by_the_next_run() {
    let (store, provider) = linked().await;
    let first = provider.contact("first");
    for number in 0..7 {
        provider.contact(&format!("n{number}"));
    }
    assert!(crash_at(&store, &provider, &small_pages(), 8).await, "in the middle of the contacts");
    provider.inner.remove(ObjectKind::Contact, &first, GoneReason::Deleted);
    provider.heal();
    let summary = run(&store, &provider, &small_pages()).await;
    let contacts = summary.object(ObjectKind::Contact).unwrap();
    assert!(contacts.resumed);
    assert_eq!(contacts.tally.deleted, 1);
    assert_equal(&store, &provider).await;
}

/// What a run asked for, as it came: the objects, and whether of each what changed or everything.
fn asked(provider: &Flaky) -> Vec<(ObjectKind, bool)> {
    let scopes = provider.scopes.lock().unwrap();
    scopes.iter().map(|(kind, scope)| (*kind, matches!(scope, Scope::Since(_)))).collect()
}

const CONTACT: (ObjectKind, bool) = (ObjectKind::Contact, false);

/// A store whose sync ended in the middle of eight contacts, and the objects that were read before them.
async fn ended_in_the_contacts() -> (SqliteStore, Flaky, Vec<ObjectKind>) {
    let (store, provider) = linked().await;
    for number in 0..8 {
        provider.contact(&format!("n{number}"));
    }
    assert!(crash_at(&store, &provider, &small_pages(), 7).await, "on the second page of the contacts");
    let kinds = asked(&provider).into_iter().map(|(kind, _)| kind);
    let before: Vec<ObjectKind> = kinds.take_while(|kind| *kind != ObjectKind::Contact).collect();
    assert_eq!(before.len(), 6, "{before:?}");
    (store, provider, before)
}

#[tokio::test]
async fn what_changed_is_asked_for_once_behind_what_was_left_unfinished() {
    let (store, provider, before) = ended_in_the_contacts().await;
    for _ in 0..3 {
        assert!(crash_at(&store, &provider, &small_pages(), 0).await);
        assert_eq!(asked(&provider), [CONTACT]);
    }
    provider.inner.put(Lead::default());
    provider.heal();
    assert!(run(&store, &provider, &small_pages()).await.is_complete());
    let rest = [ObjectKind::Note, ObjectKind::Task, ObjectKind::Engagement].map(|kind| (kind, false));
    let changes = before.into_iter().chain([ObjectKind::Contact]).map(|kind| (kind, true));
    let expected: Vec<_> = [CONTACT, CONTACT].into_iter().chain(rest).chain(changes).collect();
    assert_eq!(asked(&provider), expected);
    assert_eq!(provider.requests.load(Ordering::SeqCst), 6, "the changes are one request");
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn objects_that_were_read_long_ago_do_not_wait_for_what_was_left_unfinished() {
    let (store, provider, before) = ended_in_the_contacts().await;
    let epoch = store.begin_epoch(account(&store).await).await.unwrap();
    for kind in before.iter().copied() {
        let checkpoint = store.checkpoint(epoch.linked_account, kind).await.unwrap().unwrap();
        let mut checkpoint: Checkpoint = checkpoint.read().unwrap();
        checkpoint.read_at = Some(checkpoint.read_at.unwrap() - SignedDuration::from_hours(2));
        let page = PageCommit::new(epoch, kind, Vec::new());
        store.commit_page(page.with_checkpoint(unicrm_store::Checkpoint::of(&checkpoint))).await.unwrap();
    }
    provider.heal();
    assert!(run(&store, &provider, &small_pages()).await.is_complete());
    let asked = asked(&provider);
    let first: Vec<_> = before.into_iter().map(|kind| (kind, true)).chain([CONTACT]).collect();
    assert_eq!(asked[..first.len()], first);
    assert_eq!(asked.last(), Some(&(ObjectKind::Contact, true)));
}

/// What happens between two runs, or ends one.
#[derive(Clone, Debug)]
enum Happening {
    Put { kind: u8, serial: u8, text: u8 },
    Remove { kind: u8, serial: u8, reason: u8 },
    Crash { call: usize, full: bool },
    Fail { call: usize, kind: u8, error: u8 },
    Sync { full: bool },
}

const KINDS: [ObjectKind; 4] = [ObjectKind::Contact, ObjectKind::Lead, ObjectKind::Note, ObjectKind::Task];

fn happening() -> impl Strategy<Value = Happening> {
    let kind = 0..KINDS.len() as u8;
    prop_oneof![
        8 => (kind.clone(), 0..12_u8, any::<u8>())
            .prop_map(|(kind, serial, text)| Happening::Put { kind, serial, text }),
        4 => (kind.clone(), 0..12_u8, 0..3_u8)
            .prop_map(|(kind, serial, reason)| Happening::Remove { kind, serial, reason }),
        2 => (0..12_usize, any::<bool>()).prop_map(|(call, full)| Happening::Crash { call, full }),
        2 => (0..12_usize, kind, 0..4_u8)
            .prop_map(|(call, kind, error)| Happening::Fail { call, kind, error }),
        1 => any::<bool>().prop_map(|full| Happening::Sync { full }),
    ]
}

fn remote_id(serial: u8) -> RemoteId {
    RemoteId::from(format!("r{serial:03}"))
}

fn put(provider: &Flaky, kind: ObjectKind, serial: u8, text: u8) {
    let remote_id = Some(remote_id(serial));
    let text = Some(text.to_string());
    match kind {
        ObjectKind::Contact => {
            let mut record = Contact::default();
            (record.remote_id, record.last_name) = (remote_id, text);
            provider.inner.put(record)
        }
        ObjectKind::Lead => {
            let mut record = Lead::default();
            (record.remote_id, record.company) = (remote_id, text);
            provider.inner.put(record)
        }
        ObjectKind::Note => {
            let mut record = Note::default();
            (record.remote_id, record.content) = (remote_id, text);
            provider.inner.put(record)
        }
        _ => {
            let mut record = Task::default();
            (record.remote_id, record.subject) = (remote_id, text);
            provider.inner.put(record)
        }
    };
}

async fn happen(store: &SqliteStore, provider: &Flaky, happening: Happening) {
    let options = |full| Options { full, ..small_pages() };
    match happening {
        Happening::Put { kind, serial, text } => put(provider, KINDS[usize::from(kind)], serial, text),
        Happening::Remove { kind, serial, reason } => {
            let reason = match reason {
                0 => GoneReason::Deleted,
                1 => GoneReason::NotVisible,
                _ => GoneReason::MergedInto(remote_id(0)),
            };
            provider.inner.remove(KINDS[usize::from(kind)], &remote_id(serial), reason);
        }
        Happening::Crash { call, full } => {
            crash_at(store, provider, &options(full), call).await;
        }
        Happening::Fail { call, kind, error } => {
            let error = match error {
                0 => ErrorKind::Unavailable,
                1 => ErrorKind::QuotaExhausted,
                2 => ErrorKind::InvalidRequest,
                _ => ErrorKind::Unauthenticated,
            };
            provider.heal();
            for later in call..call + 30 {
                let error = Error::new(error, "as planned");
                provider.plan(later, Fault::Error(KINDS[usize::from(kind)], error));
            }
            run(store, provider, &options(false)).await;
        }
        Happening::Sync { full } => {
            provider.heal();
            run(store, provider, &options(full)).await;
        }
    }
}

#[tokio::test]
async fn a_part_of_the_quota_is_left_to_others() {
    let (store, provider) = linked().await;
    (0..12).for_each(|number| {
        provider.contact(&format!("n{number}"));
    });
    let options = |keep_quota| Options { objects: vec![ObjectKind::Contact], keep_quota, ..small_pages() };
    *provider.quota.lock().unwrap() = Some(Quota { used: 94, limit: 100 });
    let summary = run(&store, &provider, &options(5)).await;
    let contacts = summary.object(ObjectKind::Contact).unwrap();
    // Five calls are as many as are kept, four are too few: two pages of three.
    assert_eq!((contacts.status, contacts.tally.created), (Status::Incomplete, 6));
    assert_eq!(contacts.error.as_ref().unwrap().kind(), ErrorKind::QuotaExhausted);
    let summary = run(&store, &provider, &options(0)).await;
    assert!(summary.is_complete() && summary.object(ObjectKind::Contact).unwrap().resumed, "{summary:?}");
    assert_equal(&store, &provider).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_the_next_quiet_sync_makes_the_store_equal(
        happenings in proptest::collection::vec(happening(), 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, provider) = linked().await;
            for happening in happenings {
                happen(&store, &provider, happening).await;
            }
            provider.heal();
            let summary = run(&store, &provider, &small_pages()).await;
            assert!(summary.is_complete(), "{summary:?}");
            assert_equal(&store, &provider).await;
            // And once more: nothing is left to do.
            let again = run(&store, &provider, &small_pages()).await.total();
            assert_eq!((again.created, again.updated, again.deleted), (0, 0, 0));
        });
    }
}
