//! Pages: what they change, what they leave, and who may commit them.

use jiff::Timestamp;
use unicrm_core::{
    Contact, EngagementType, Error, ErrorKind, Gone, GoneReason, LiveRow, ObjectKind, RawRecord, Row,
    compute_id,
};
use unicrm_store::{
    Checkpoint, Include, LinkRequest, ListRequest, PageCommit, PageCounts, StaleEpoch, Store, StoredRecord,
};

use crate::place::Place;
use crate::{commit, contact, linked, live};

async fn get(store: &dyn Store, remote_id: &str) -> Option<StoredRecord> {
    let mut found =
        store.find_remote(None, Some(ObjectKind::Contact), remote_id, Include::default()).await.unwrap();
    assert!(found.len() <= 1);
    found.pop()
}

fn times(stored: &StoredRecord) -> (String, String) {
    let time = |name| stored.record.get(name).unwrap().to_string();
    (time("created_at"), time("modified_at"))
}

/// Long enough for the clock of the store to move on.
async fn a_moment() {
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
}

fn gone(remote_id: &str, reason: GoneReason) -> Row {
    Row::Gone(Gone::new(ObjectKind::Contact, remote_id, reason))
}

pub(crate) async fn our_times_move_only_when_something_changed(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![live("003a", "Feig")]).await;
    let (created, modified) = times(&get(&*store, "003a").await.unwrap());
    assert_eq!(created, modified);

    a_moment().await;
    assert_eq!(commit(&*store, epoch, vec![live("003a", "Feig")]).await.counts.unchanged, 1);
    assert_eq!(times(&get(&*store, "003a").await.unwrap()), (created.clone(), modified.clone()));

    // Another raw record is kept, but is no change of the record.
    let raw = RawRecord::new("/sobjects/Contact", r#"{"LastViewedDate":"2026-11-22"}"#);
    let row =
        LiveRow::new(contact("003a", "Feig")).with_raw(raw.clone()).with_stamp(Some(Timestamp::UNIX_EPOCH));
    assert_eq!(commit(&*store, epoch, vec![Row::Live(row)]).await.counts.unchanged, 1);
    let stored = get(&*store, "003a").await.unwrap();
    assert_eq!(times(&stored), (created.clone(), modified.clone()));
    assert_eq!(stored.stamp, Some(Timestamp::UNIX_EPOCH));
    assert_eq!(store.raw(ObjectKind::Contact, stored.record.id().unwrap()).await.unwrap(), Some(raw));

    a_moment().await;
    assert_eq!(commit(&*store, epoch, vec![live("003a", "Feig-Baur")]).await.counts.updated, 1);
    let (created_later, modified_later) = times(&get(&*store, "003a").await.unwrap());
    assert_eq!(created_later, created);
    assert!(modified_later > modified);
}

pub(crate) async fn a_row_that_comes_without_its_raw_record_keeps_the_one_that_is_there(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let raw = RawRecord::new("/sobjects/Contact", r#"{"Id":"003a"}"#);
    let whole = LiveRow::new(contact("003a", "Feig")).with_raw(raw.clone());
    commit(&*store, epoch, vec![Row::Live(whole)]).await;
    assert_eq!(commit(&*store, epoch, vec![live("003a", "Baur")]).await.counts.updated, 1);
    let id = compute_id(account.id, ObjectKind::Contact, "003a");
    assert_eq!(store.raw(ObjectKind::Contact, id).await.unwrap(), Some(raw.clone()));
    let stored = store.get(ObjectKind::Contact, id, Include::everything()).await.unwrap().unwrap().record;
    assert_eq!(stored.get("last_name").unwrap().to_string(), "Baur");
    let unicrm_core::Record::Contact(stored) = stored else { panic!("{stored:?}") };
    assert_eq!(stored.remote_data, raw.to_remote_data());
}

pub(crate) async fn a_stale_epoch_is_refused_and_changes_nothing(place: Place) {
    let (store, account, first) = linked(&place).await;
    let page = |epoch| {
        PageCommit::new(epoch, ObjectKind::Contact, vec![live("003a", "Feig")])
            .with_checkpoint(Checkpoint::of(&7))
    };
    let second = store.begin_epoch(account.id).await.unwrap();
    for error in [
        store.commit_page(page(first)).await.unwrap_err(),
        store.begin_snapshot(first, ObjectKind::Contact).await.unwrap_err(),
        store.finish_snapshot(first, ObjectKind::Contact, None).await.unwrap_err(),
        store.finish_sync(first, Timestamp::now()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(StaleEpoch::of(&error), Some(&StaleEpoch { held: 1, current: 2 }));
    }
    assert!(get(&*store, "003a").await.is_none());
    assert_eq!(store.checkpoint(account.id, ObjectKind::Contact).await.unwrap(), None);
    store.commit_page(page(second)).await.unwrap();
    assert_eq!(store.checkpoint(account.id, ObjectKind::Contact).await.unwrap(), Some(Checkpoint::of(&7)));
    assert_eq!(store.checkpoint(account.id, ObjectKind::Lead).await.unwrap(), None);
}

pub(crate) async fn a_tombstone_keeps_the_data_and_says_why(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![live("003a", "Feig"), live("003b", "Baur"), live("003c", "Chen")]).await;
    let at: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    let rows = || {
        vec![
            Row::Gone(Gone::new(ObjectKind::Contact, "003a", GoneReason::Deleted).with_stamp(Some(at))),
            gone("003b", GoneReason::MergedInto("003c".into())),
            gone("003-never-seen", GoneReason::Deleted),
        ]
    };
    let counts = commit(&*store, epoch, rows()).await.counts;
    assert_eq!(counts, PageCounts { deleted: 2, unchanged: 1, ..PageCounts::default() });
    let a = get(&*store, "003a").await.unwrap();
    let tombstone = a.gone.clone().unwrap();
    assert_eq!((tombstone.reason, tombstone.at), (GoneReason::Deleted, at));
    assert_eq!(a.record.get("last_name").unwrap().to_string(), "Feig");
    assert_eq!(a.record.get("remote_was_deleted").unwrap().to_string(), "true");
    let b = get(&*store, "003b").await.unwrap().gone.unwrap();
    assert_eq!(b.reason, GoneReason::MergedInto("003c".into()));
    assert!(get(&*store, "003-never-seen").await.is_none());

    let again = commit(&*store, epoch, rows()).await.counts;
    assert_eq!(again, PageCounts { unchanged: 3, ..PageCounts::default() });
    assert_eq!(get(&*store, "003a").await.unwrap(), a);
    // That it cannot be seen says less than that it was deleted.
    commit(&*store, epoch, vec![gone("003a", GoneReason::NotVisible)]).await;
    assert_eq!(get(&*store, "003a").await.unwrap(), a);

    let counts = store.counts(Some(account.id)).await.unwrap()[&ObjectKind::Contact];
    assert_eq!((counts.live, counts.deleted), (1, 2));
    let list = async |deleted| {
        store.list(ListRequest::new(ObjectKind::Contact).with_deleted(deleted)).await.unwrap().records.len()
    };
    assert_eq!((list(false).await, list(true).await), (1, 3));

    // It was restored, just as it had been.
    assert_eq!(commit(&*store, epoch, vec![live("003a", "Feig")]).await.counts.updated, 1);
    let a = get(&*store, "003a").await.unwrap();
    assert_eq!((a.gone, a.record.get("remote_was_deleted")), (None, None));
}

pub(crate) async fn a_record_that_went_before_we_saw_it_is_kept_with_its_last_state(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    let row = || {
        let last = LiveRow::new(contact("003a", "Feig"));
        Row::Gone(Gone::new(ObjectKind::Contact, "003a", GoneReason::Deleted).with_last(last))
    };
    assert_eq!(commit(&*store, epoch, vec![row()]).await.counts.deleted, 1);
    assert_eq!(commit(&*store, epoch, vec![row()]).await.counts.unchanged, 1);
    let stored = get(&*store, "003a").await.unwrap();
    assert!(stored.gone.is_some());
    assert_eq!(stored.record.get("last_name").unwrap().to_string(), "Feig");
    assert_eq!(stored.record.get("remote_was_deleted").unwrap().to_string(), "true");
}

pub(crate) async fn an_object_without_the_deleted_field_has_tombstones_too(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    let mut call = EngagementType::default();
    call.remote_id = Some("call".into());
    let kind = ObjectKind::EngagementType;
    let rows =
        vec![Row::Live(LiveRow::new(call)), Row::Gone(Gone::new(kind, "call", GoneReason::NotVisible))];
    let counts = store.commit_page(PageCommit::new(epoch, kind, rows)).await.unwrap().counts;
    assert_eq!((counts.created, counts.deleted), (1, 1));
    assert_eq!(store.counts(None).await.unwrap()[&kind].deleted, 1);
}

pub(crate) async fn rejected_rows_are_kept_once_until_they_come_right(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let rejected = |remote_id: Option<&str>| Row::Rejected {
        remote_id: remote_id.map(Into::into),
        error: Error::new(ErrorKind::Decode, "the date is no date")
            .with_source(std::io::Error::other("31 February")),
        raw: Some(RawRecord::new("/sobjects/Contact", r#"{"Birthdate":"2020-02-31"}"#)),
    };
    let nameless = Row::Live(LiveRow::new(Contact::default()));
    let mut strange = contact("003s", "Feig");
    strange.id = Some(unicrm_core::Id::from_uuid(compute_id(account.id, ObjectKind::Contact, "other")));
    let rows = || {
        vec![
            rejected(Some("003a")),
            rejected(None),
            nameless.clone(),
            Row::Live(LiveRow::new(strange.clone())),
        ]
    };
    for _ in 0..2 {
        let counts = commit(&*store, epoch, [rows(), vec![live("003b", "Baur")]].concat()).await.counts;
        assert_eq!((counts.rejected, counts.created + counts.unchanged), (4, 1));
    }
    let list = async |kind| store.rejected(account.id, kind, 100).await.unwrap();
    let kept = list(None).await;
    assert_eq!(kept.len(), 4);
    assert_eq!(kept[0].remote_id, Some("003a".into()));
    assert_eq!(kept[0].error, "the date is no date: 31 February");
    assert_eq!(kept[0].error_kind, "decode");
    assert!(kept[3].error.contains("its linked account and remote id give"), "{}", kept[3].error);
    assert!(list(Some(ObjectKind::Lead)).await.is_empty());

    commit(&*store, epoch, vec![live("003a", "Feig")]).await;
    assert!(list(None).await.iter().all(|row| row.remote_id != Some("003a".into())));
}

pub(crate) async fn a_snapshot_declares_gone_what_it_did_not_show(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    let other_epoch = store.begin_epoch(other.id).await.unwrap();
    commit(&*store, other_epoch, vec![live("003b", "untouched")]).await;
    commit(&*store, epoch, ["003a", "003b", "003c", "003d", "003e"].map(|id| live(id, "x")).to_vec()).await;

    store.begin_snapshot(epoch, ObjectKind::Contact).await.unwrap();
    commit(&*store, epoch, vec![live("003a", "x"), live("003new", "x")]).await;
    // A row that is not understood is still there; an id alone is too.
    let not_understood = Row::Rejected {
        remote_id: Some("003c".into()),
        error: Error::new(ErrorKind::Decode, "no"),
        raw: None,
    };
    commit(&*store, epoch, vec![not_understood, Row::Id { remote_id: "003d".into(), stamp: None }]).await;
    assert!(get(&*store, "003e").await.unwrap().gone.is_none(), "not before the end");

    let end = store.finish_snapshot(epoch, ObjectKind::Contact, Some(Checkpoint::of(&"done"))).await.unwrap();
    assert_eq!((end.gone, end.blind), (2, 0));
    for (remote_id, is_gone) in
        [("003a", false), ("003c", false), ("003d", false), ("003new", false), ("003e", true)]
    {
        let stored = get(&*store, remote_id).await.unwrap();
        assert_eq!(
            stored.gone.map(|gone| gone.reason),
            is_gone.then_some(GoneReason::NotVisible),
            "{remote_id}"
        );
    }
    let mine = compute_id(account.id, ObjectKind::Contact, "003b");
    let theirs = compute_id(other.id, ObjectKind::Contact, "003b");
    let is_gone = async |id| store.find(id, Include::default()).await.unwrap().unwrap().gone.is_some();
    assert_eq!((is_gone(mine).await, is_gone(theirs).await), (true, false));
    assert_eq!(
        store.checkpoint(account.id, ObjectKind::Contact).await.unwrap(),
        Some(Checkpoint::of(&"done"))
    );

    let error = store.finish_snapshot(epoch, ObjectKind::Contact, None).await.unwrap_err();
    assert!(error.to_string().contains("no snapshot of contacts is under way"), "{error}");
}

pub(crate) async fn a_snapshot_that_was_begun_again_starts_from_nothing(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![live("003a", "x"), live("003b", "x")]).await;
    store.begin_snapshot(epoch, ObjectKind::Contact).await.unwrap();
    commit(&*store, epoch, vec![live("003a", "x")]).await;
    // The process ended here; the next one goes on under its own epoch, or begins again.
    let epoch = store.begin_epoch(account.id).await.unwrap();
    store.begin_snapshot(epoch, ObjectKind::Contact).await.unwrap();
    commit(&*store, epoch, vec![live("003b", "x")]).await;
    assert_eq!(store.finish_snapshot(epoch, ObjectKind::Contact, None).await.unwrap().gone, 1);
    assert!(get(&*store, "003a").await.unwrap().gone.is_some());
    assert!(get(&*store, "003b").await.unwrap().gone.is_none());
}

pub(crate) async fn a_row_without_an_id_keeps_a_snapshot_from_declaring_anything_gone(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![live("003a", "x")]).await;
    store.begin_snapshot(epoch, ObjectKind::Contact).await.unwrap();
    let blind = Row::Rejected { remote_id: None, error: Error::new(ErrorKind::Decode, "no"), raw: None };
    commit(&*store, epoch, vec![blind]).await;
    let end = store.finish_snapshot(epoch, ObjectKind::Contact, None).await.unwrap();
    assert_eq!((end.gone, end.blind), (0, 1));
    assert!(get(&*store, "003a").await.unwrap().gone.is_none());
}

pub(crate) async fn ids_alone_tell_what_is_to_be_read(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    let row = |id, second| Row::Live(LiveRow::new(contact(id, "x")).with_stamp(at(second)));
    commit(&*store, epoch, vec![row("same", 1), row("older", 1), row("back", 1)]).await;
    commit(&*store, epoch, vec![gone("back", GoneReason::Deleted)]).await;
    let id = |id: &str, second| Row::Id { remote_id: id.into(), stamp: at(second) };
    let report =
        commit(&*store, epoch, vec![id("same", 1), id("older", 2), id("back", 1), id("unknown", 1)]).await;
    assert_eq!(report.to_fetch, ["older".into(), "back".into(), "unknown".into()]);
    assert_eq!(report.missing, 2, "all but the older one");
    assert_eq!(report.counts, PageCounts::default());
}
