//! What changed comes in one request; what goes on beyond it, and whole objects, come one by one and a few at a time.

use std::sync::atomic::Ordering;

use unicrm_core::{Error, ErrorKind, Lead, ObjectKind, Quota, Scope, Stage};
use unicrm_store::{LinkedAccounts, SqliteStore};
use unicrm_sync::{Event, Options, Status, Stop, Summary, sync};

use crate::support::{Flaky, account, assert_equal, linked, run, small_pages};

async fn filled() -> (SqliteStore, Flaky) {
    let (store, provider) = linked().await;
    for number in 0..8 {
        provider.contact(&format!("n{number}"));
        provider.inner.put(Lead::default());
        provider.inner.put(Stage::default());
    }
    (store, provider)
}

/// A store that is up to date.
async fn synced() -> (SqliteStore, Flaky) {
    let (store, provider) = filled().await;
    assert!(run(&store, &provider, &small_pages()).await.is_complete());
    provider.heal();
    (store, provider)
}

fn requests(provider: &Flaky) -> usize {
    provider.requests.load(Ordering::SeqCst)
}

#[tokio::test]
async fn an_idle_run_is_one_request_for_all_objects() {
    let (store, provider) = synced().await;
    let idle = run(&store, &provider, &small_pages()).await;
    assert!(idle.is_complete());
    assert_eq!(requests(&provider), 1);
    let parts = provider.scopes.lock().unwrap().clone();
    assert_eq!(parts.len(), ObjectKind::ALL.len());
    assert!(parts.iter().all(|(_, scope)| matches!(scope, Scope::Since(_))), "{parts:?}");
    assert!(idle.objects.iter().all(|object| object.tally.incremental && object.tally.read == 0));
}

#[tokio::test]
async fn what_goes_on_beyond_the_first_page_is_read_by_itself() {
    let (store, provider) = synced().await;
    for number in 0..7 {
        provider.contact(&format!("late{number}"));
    }
    provider.inner.put(Lead::default());
    let summary = run(&store, &provider, &small_pages()).await;
    assert_eq!(summary.object(ObjectKind::Contact).unwrap().tally.created, 7);
    assert_eq!(summary.object(ObjectKind::Lead).unwrap().tally.created, 1);
    // Three pages of contacts, the first of them with all others.
    assert_eq!(requests(&provider), 3);
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn an_object_that_was_never_read_is_read_whole_beside_the_changes_of_the_others() {
    let (store, provider) = filled().await;
    let some = [ObjectKind::Lead, ObjectKind::Stage];
    run(&store, &provider, &Options { objects: some.to_vec(), ..small_pages() }).await;
    provider.heal();
    let summary = run(&store, &provider, &small_pages()).await;
    for object in &summary.objects {
        assert_eq!(object.tally.incremental, some.contains(&object.kind), "{}", object.kind);
    }
    // Leads and stages together, three pages of contacts, and one of each of the seven that are empty.
    assert_eq!(requests(&provider), 1 + 3 + 7);
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn in_one_request_too_an_object_that_fails_does_not_stop_the_others() {
    let (store, provider) = synced().await;
    provider.contact("late");
    let broken = [
        (ObjectKind::Lead, Error::new(ErrorKind::PermissionDenied, "not for you")),
        (ObjectKind::Stage, Error::new(ErrorKind::Unavailable, "down")),
    ];
    provider.broken.lock().unwrap().extend(broken);
    let summary = run(&store, &provider, &small_pages()).await;
    assert_eq!(requests(&provider), 1);
    assert_eq!(summary.object(ObjectKind::Lead).unwrap().status, Status::Forbidden);
    assert_eq!(summary.object(ObjectKind::Stage).unwrap().status, Status::Failed);
    assert_eq!(summary.object(ObjectKind::Contact).unwrap().tally.created, 1);
    let complete = summary.objects.iter().filter(|object| object.status == Status::Complete).count();
    assert_eq!(complete, 8);
}

#[tokio::test]
async fn a_watermark_that_is_refused_leads_that_object_alone_back_to_the_beginning() {
    let (store, provider) = synced().await;
    let refused = Error::new(ErrorKind::InvalidRequest, "this watermark is not from this provider");
    for call in 0..ObjectKind::ALL.len() {
        provider.plan(call, crate::support::Fault::Error(ObjectKind::Contact, refused.clone()));
    }
    let summary = run(&store, &provider, &small_pages()).await;
    assert!(summary.is_complete());
    for object in &summary.objects {
        assert_eq!(object.tally.incremental, object.kind != ObjectKind::Contact, "{}", object.kind);
    }
    assert_eq!(summary.object(ObjectKind::Contact).unwrap().tally.unchanged, 8);
}

#[tokio::test]
async fn when_nothing_could_be_asked_every_object_says_why() {
    let (store, provider) = synced().await;
    *provider.refused.lock().unwrap() = Some(Error::new(ErrorKind::Unauthenticated, "link again"));
    let summary = run(&store, &provider, &small_pages()).await;
    let kinds = summary.objects.iter().map(|object| object.error.as_ref().map(Error::kind));
    assert!(kinds.into_iter().all(|kind| kind == Some(ErrorKind::Unauthenticated)), "{summary:?}");
    assert_eq!(requests(&provider), 1, "nobody asks again with refused credentials");
}

/// A run of contacts that were never read, and then of leads and stages, in which what changed can wait for them.
async fn contacts_then_changes(provider: &Flaky, store: &SqliteStore, broken: Option<Error>) -> Summary {
    let some = vec![ObjectKind::Lead, ObjectKind::Stage];
    run(store, provider, &Options { objects: some, ..small_pages() }).await;
    provider.heal();
    let broken = broken.map(|error| (ObjectKind::Contact, error));
    provider.broken.lock().unwrap().extend(broken);
    let objects = vec![ObjectKind::Lead, ObjectKind::Stage, ObjectKind::Contact];
    run(store, provider, &Options { objects, page_size: Some(20), keep_quota: 10, ..small_pages() }).await
}

#[tokio::test]
async fn refused_credentials_end_what_was_to_be_asked_later() {
    let (store, provider) = filled().await;
    let refused = Error::new(ErrorKind::Unauthenticated, "link again");
    let summary = contacts_then_changes(&provider, &store, Some(refused)).await;
    assert_eq!(requests(&provider), 1, "nobody asks again with refused credentials");
    let statuses = summary.objects.iter().map(|object| object.status);
    assert_eq!(statuses.collect::<Vec<_>>(), [Status::NotRun, Status::NotRun, Status::Failed]);
    let kinds = summary.objects.iter().map(|object| object.error.as_ref().map(Error::kind));
    assert!(kinds.into_iter().all(|kind| kind == Some(ErrorKind::Unauthenticated)), "{summary:?}");
}

#[tokio::test]
async fn what_is_kept_of_the_quota_is_not_used_by_what_was_to_be_asked_later() {
    let (store, provider) = filled().await;
    // Six pages of leads and stages, and one of contacts: then nine are left, and ten are kept.
    *provider.quota.lock().unwrap() = Some(Quota { used: 84, limit: 100 });
    let summary = contacts_then_changes(&provider, &store, None).await;
    assert_eq!(requests(&provider), 1, "the page of contacts");
    let statuses = summary.objects.iter().map(|object| object.status);
    assert_eq!(statuses.collect::<Vec<_>>(), [Status::Incomplete, Status::NotRun, Status::Complete]);
    let kinds = summary.objects[..2].iter().map(|object| object.error.as_ref().map(Error::kind));
    assert!(kinds.into_iter().all(|kind| kind == Some(ErrorKind::QuotaExhausted)), "{summary:?}");
}

#[tokio::test]
async fn no_more_objects_are_read_at_once_than_allowed() {
    for concurrency in [1, 3, 5] {
        let (store, provider) = filled().await;
        provider.slow.store(true, Ordering::SeqCst);
        let options = Options { concurrency, ..small_pages() };
        assert!(run(&store, &provider, &options).await.is_complete());
        assert_eq!(provider.most_at_once.load(Ordering::SeqCst), concurrency);
    }
}

#[tokio::test]
async fn a_run_that_is_stopped_finishes_its_page_and_the_next_goes_on() {
    let (store, provider) = filled().await;
    let stop = Stop::default();
    let options = Options { stop: stop.clone(), ..small_pages() };
    let observer = |event: &Event<'_>| {
        if let Event::Page { kind: ObjectKind::Lead, tally, .. } = event
            && tally.read > 0
        {
            stop.stop();
        }
    };
    let stopped = sync(&provider, &store, account(&store).await, &options, &observer).await.unwrap();
    let lead = stopped.object(ObjectKind::Lead).unwrap();
    assert_eq!((lead.status, lead.tally.created), (Status::Interrupted, 3));
    assert_eq!(stopped.object(ObjectKind::Stage).unwrap().status, Status::Complete);
    assert_eq!(stopped.object(ObjectKind::Contact).unwrap().status, Status::NotRun);
    assert!(store.linked_account("acme").await.unwrap().last_sync.is_none());

    let next = run(&store, &provider, &small_pages()).await;
    let lead = next.object(ObjectKind::Lead).unwrap();
    assert!(next.is_complete() && lead.resumed);
    assert_eq!(lead.tally.read, 5);
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn a_run_that_is_stopped_before_it_begins_asks_for_nothing() {
    let (store, provider) = synced().await;
    let options = small_pages();
    options.stop.stop();
    let summary = run(&store, &provider, &options).await;
    assert!(summary.objects.iter().all(|object| object.status == Status::NotRun));
    assert_eq!(requests(&provider), 0);
}
