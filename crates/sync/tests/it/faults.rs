//! What a run makes of faults: one object does not stop the others, unless no other could be read either.

use unicrm_core::{
    Capabilities, Capability, CapabilitySet, Error, ErrorKind, GoneReason, Lead, ObjectKind, Scope, Stage,
};
use unicrm_store::{LinkedAccounts, SqliteStore, StaleEpoch};
use unicrm_sync::{Event, Options, Status, sync};

use crate::support::{Fault, Flaky, assert_equal, in_store, linked, run, small_pages};

async fn filled() -> (SqliteStore, Flaky) {
    let (store, provider) = linked().await;
    for number in 0..8 {
        provider.contact(&format!("n{number}"));
        provider.inner.put(Lead::default());
        provider.inner.put(Stage::default());
    }
    (store, provider)
}

#[tokio::test]
async fn a_first_run_reads_everything_and_a_second_only_what_changed() {
    let (store, provider) = filled().await;
    let gone = provider.contact("gone");
    let first = run(&store, &provider, &small_pages()).await;
    assert!(first.is_complete());
    assert_eq!(first.object(ObjectKind::Contact).unwrap().tally.created, 9);
    assert!(!first.object(ObjectKind::Contact).unwrap().tally.incremental);
    assert_eq!(first.objects.len(), 10);
    assert!(first.api_calls >= 10 && first.seconds > 0.0);
    assert_equal(&store, &provider).await;

    provider.contact("new");
    provider.inner.remove(ObjectKind::Contact, &gone, GoneReason::Deleted);
    let second = run(&store, &provider, &small_pages()).await;
    let contacts = second.object(ObjectKind::Contact).unwrap().tally;
    assert!(contacts.incremental);
    assert_eq!((contacts.read, contacts.created, contacts.deleted, contacts.unchanged), (2, 1, 1, 0));
    assert_eq!(second.total().read, 2);
    assert_equal(&store, &provider).await;

    let full = run(&store, &provider, &Options { full: true, ..small_pages() }).await;
    let contacts = full.object(ObjectKind::Contact).unwrap().tally;
    assert!(!contacts.incremental);
    assert_eq!((contacts.created, contacts.updated, contacts.deleted), (0, 0, 0));
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn what_a_full_reading_does_not_show_is_gone() {
    let (store, provider) = filled().await;
    run(&store, &provider, &small_pages()).await;
    // Another org of the same account, without one of the contacts and without any trace of it.
    let other = Flaky::new(store.linked_account("acme").await.unwrap().id);
    let keep = in_store(&store, ObjectKind::Contact).await.into_keys().next().unwrap();
    let mut contact = unicrm_core::Contact::default();
    contact.remote_id = Some(keep.clone().into());
    other.inner.put(contact);
    let summary = run(&store, &other, &Options { full: true, ..small_pages() }).await;
    assert_eq!(summary.object(ObjectKind::Contact).unwrap().tally.deleted, 7);
    assert_eq!(in_store(&store, ObjectKind::Contact).await.into_keys().collect::<Vec<_>>(), [keep]);
}

#[tokio::test]
async fn an_object_that_fails_or_is_forbidden_does_not_stop_the_others() {
    let (store, provider) = filled().await;
    let broken = [
        (ObjectKind::Lead, Error::new(ErrorKind::PermissionDenied, "not for you")),
        (ObjectKind::Stage, Error::new(ErrorKind::Unavailable, "down")),
    ];
    provider.broken.lock().unwrap().extend(broken);
    let summary = run(&store, &provider, &small_pages()).await;
    assert_eq!(summary.object(ObjectKind::Lead).unwrap().status, Status::Forbidden);
    assert_eq!(summary.object(ObjectKind::Stage).unwrap().status, Status::Failed);
    assert_eq!(summary.object(ObjectKind::Contact).unwrap().tally.created, 8);
    assert!(!summary.is_complete());
    assert!(store.linked_account("acme").await.unwrap().last_sync.is_none());

    provider.heal();
    assert!(run(&store, &provider, &small_pages()).await.is_complete());
    assert!(store.linked_account("acme").await.unwrap().last_sync.is_some());
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn a_used_up_quota_stops_the_run_and_the_next_goes_on_from_there() {
    let (store, provider) = filled().await;
    let only = |objects: &[ObjectKind]| Options { objects: objects.to_vec(), ..small_pages() };
    let both = only(&[ObjectKind::Lead, ObjectKind::Contact]);
    let used_up = Error::new(ErrorKind::QuotaExhausted, "no calls left");
    provider.plan(1, Fault::Error(ObjectKind::Lead, used_up));
    let stopped = run(&store, &provider, &both).await;
    let lead = stopped.object(ObjectKind::Lead).unwrap();
    assert_eq!((lead.status, lead.tally.read), (Status::Incomplete, 3));
    assert_eq!(stopped.object(ObjectKind::Contact).unwrap().status, Status::NotRun);

    provider.heal();
    let summary = run(&store, &provider, &both).await;
    let lead = summary.object(ObjectKind::Lead).unwrap();
    assert!(lead.resumed && summary.is_complete());
    assert_eq!((lead.tally.read, lead.tally.created), (5, 5));
}

#[tokio::test]
async fn a_refused_token_or_watermark_leads_back_to_the_beginning() {
    let (store, provider) = filled().await;
    let contacts = Options { objects: vec![ObjectKind::Contact], ..small_pages() };
    let refused = Error::new(ErrorKind::InvalidRequest, "this token is not from this provider");
    provider.plan(2, Fault::Error(ObjectKind::Contact, Error::new(ErrorKind::Unavailable, "down")));
    run(&store, &provider, &contacts).await;

    provider.heal();
    provider.plan(0, Fault::Error(ObjectKind::Contact, refused.clone()));
    let summary = run(&store, &provider, &contacts).await;
    assert!(summary.is_complete());
    let tally = summary.objects[0].tally;
    assert_eq!((tally.read, tally.created, tally.unchanged), (8, 2, 6));
    assert!(!summary.objects[0].resumed);

    provider.heal();
    provider.plan(0, Fault::Error(ObjectKind::Contact, refused.clone()));
    assert!(run(&store, &provider, &contacts).await.is_complete());
    let scopes = provider.scopes.lock().unwrap().clone();
    assert!(matches!(scopes[0].1, Scope::Since(_)) && scopes[1].1 == Scope::All, "{scopes:?}");

    // A reading from the beginning that is refused, or one in the middle of this run, is an error like any other.
    let full = Options { full: true, ..contacts };
    for call in [0, 1] {
        provider.heal();
        provider.plan(call, Fault::Error(ObjectKind::Contact, refused.clone()));
        assert_eq!(run(&store, &provider, &full).await.objects[0].status, Status::Failed, "{call}");
        provider.heal();
        run(&store, &provider, &full).await;
    }
    assert_equal_contacts(&store, &provider).await;
}

async fn assert_equal_contacts(store: &SqliteStore, provider: &Flaky) {
    let remote = crate::support::at_remote(provider, ObjectKind::Contact).await;
    assert_eq!(in_store(store, ObjectKind::Contact).await, remote);
}

#[tokio::test]
async fn a_provider_that_cannot_read_changes_is_read_in_full() {
    let (store, mut provider) = filled().await;
    let read = CapabilitySet::of(&[Capability::Read]);
    provider.capabilities = Capabilities::new().with(ObjectKind::Contact, read);
    for _ in 0..2 {
        let summary = run(&store, &provider, &small_pages()).await;
        assert_eq!(summary.objects.len(), 1);
        assert_eq!(summary.objects[0].tally.read, 8);
    }
}

#[tokio::test]
async fn a_run_is_refused_once_another_has_begun() {
    let (store, provider) = filled().await;
    let account = store.linked_account("acme").await.unwrap().id;
    let options = small_pages();
    provider.plan(3, Fault::Hang);
    let first = sync(&provider, &store, account, &options, &|_| {});
    tokio::pin!(first);
    tokio::select! {
        _ = &mut first => panic!("it hangs"),
        () = provider.hanging.notified() => {}
    }
    provider.heal();
    assert!(run(&store, &provider, &options).await.is_complete());

    provider.release.notify_one();
    let first = first.await.unwrap();
    let refused: Vec<_> =
        first.objects.iter().filter_map(|object| object.error.as_ref()).filter_map(StaleEpoch::of).collect();
    assert!(!refused.is_empty());
    assert!(first.objects.iter().any(|object| object.status == Status::NotRun));
    assert_equal(&store, &provider).await;
}

#[tokio::test]
async fn the_observer_sees_every_object_begin_grow_and_end() {
    let (store, provider) = filled().await;
    let account = store.linked_account("acme").await.unwrap().id;
    let seen = std::sync::Mutex::new(Vec::new());
    let observer = |event: &Event<'_>| {
        seen.lock().unwrap().push(match event {
            Event::Began { kind } => (*kind, "began", 0),
            Event::Page { kind, tally, .. } => (*kind, "page", tally.read),
            Event::Ended(summary) => (summary.kind, "ended", summary.tally.read),
            _ => panic!("an event that this test does not know"),
        });
    };
    let options = Options { objects: vec![ObjectKind::Contact], ..small_pages() };
    sync(&provider, &store, account, &options, &observer).await.unwrap();
    let contact = ObjectKind::Contact;
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.first(), Some(&(contact, "began", 0)));
    assert_eq!(seen.last(), Some(&(contact, "ended", 8)));
    let rows: Vec<_> = seen.iter().filter(|(_, what, _)| *what == "page").map(|(.., rows)| *rows).collect();
    assert!(rows.is_sorted() && rows.ends_with(&[8]), "{rows:?}");
}
