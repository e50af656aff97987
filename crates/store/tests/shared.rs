//! What several processes, other programs and a server's limits do to a store: nothing is lost, and every error is clear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use unicrm_core::{
    Contact, Engagement, ErrorKind, Gone, GoneReason, LiveRow, ObjectKind, RawRecord, Record, Ref, Retry,
    Row, compute_id,
};
use unicrm_store::{
    Checkpoint, Filter, Include, KeySource, LinkRequest, ListRequest, PageCommit, StaleEpoch, Store,
};

use crate::place::Place;
use crate::{commit, contact, linked, live};

fn key(place: &Place) -> KeySource {
    KeySource::Key(place.key.clone())
}

async fn cannot_be_opened(place: &Place) -> unicrm_core::Error {
    let error = place.try_open(key(place), Duration::from_secs(5)).await.map(drop).unwrap_err();
    assert!(error.advice().is_some(), "{error:?}");
    error
}

pub(crate) async fn a_newer_schema_is_left_alone(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    commit(&*store, epoch, vec![live("003a", "Feig")]).await;
    drop(store);
    let mark = if place.is_postgres() { "unicrm_migrations" } else { "schema_migrations" };
    place.meddle(&format!("INSERT INTO {mark} VALUES (99, 'of tomorrow', '2030-01-01')")).await;
    let error = cannot_be_opened(&place).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let sentence = error.to_string();
    assert!(sentence.contains("written by a newer unicrm") && sentence.contains("99"), "{sentence}");
    place.meddle(&format!("DELETE FROM {mark} WHERE version = 99")).await;
    assert_eq!(place.open().await.counts(None).await.unwrap()[&ObjectKind::Contact].live, 1, "as it was");
}

pub(crate) async fn a_database_of_another_program_is_left_alone(place: Place) {
    place.meddle("CREATE TABLE users (title TEXT)").await;
    let error = cannot_be_opened(&place).await;
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("another program"), "{error}");
    let tables = if place.is_postgres() {
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
    } else {
        "SELECT name FROM sqlite_schema"
    };
    assert_eq!(place.ask(tables).await, [[Some("users".to_owned())]]);
}

pub(crate) async fn a_row_that_something_else_wrote_is_named(place: Place) {
    let (store, _, epoch) = linked(&place).await;
    commit(&*store, epoch, (0..20).map(|i| live(&format!("003{i}"), "x")).collect()).await;
    let wrong: &[(&str, &str)] = if place.is_postgres() {
        &[("last_activity_at", "'infinity'"), ("addresses", "'[1]'"), ("remote_fields", "'{}'")]
    } else {
        &[("last_activity_at", "'yesterday'"), ("addresses", "'[{]'"), ("owner_id", "x'ff00'")]
    };
    for (column, value) in wrong {
        place.meddle(&format!("UPDATE contacts SET {column} = {value} WHERE pk = 15")).await;
        let request = ListRequest::new(ObjectKind::Contact).with(Include::everything());
        let error = store.list(request).await.unwrap_err();
        assert!(error.to_string().contains("row 15 of the table contacts"), "{column}: {error}");
        assert!(error.advice().is_some());
        place.meddle(&format!("UPDATE contacts SET {column} = NULL WHERE pk = 15")).await;
    }
    assert_eq!(store.find_remote(None, None, "00314", Include::default()).await.unwrap().len(), 1);
}

pub(crate) async fn several_processes_may_open_a_new_database_at_once(place: Place) {
    let place = Arc::new(place);
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.open().await.linked_accounts().await.unwrap().len() })
        })
        .collect();
    for found in opening {
        assert_eq!(found.await.unwrap(), 0);
    }
}

pub(crate) async fn what_was_committed_is_there_after_opening_again(place: Place) {
    let (store, ..) = linked(&place).await;
    let epoch = store.begin_epoch(store.linked_account("acme").await.unwrap().id).await.unwrap();
    commit(&*store, epoch, (0..2_500).map(|i| live(&format!("003{i}"), "Feig")).collect()).await;
    drop(store);
    // As the command line does.
    let store = unicrm_store::open(&place.url()).await.unwrap();
    assert_eq!(store.counts(None).await.unwrap()[&ObjectKind::Contact].live, 2_500);
    let account = store.linked_account("acme").await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    assert_eq!(epoch.number, 3);
    let page = PageCommit::new(epoch, ObjectKind::Contact, vec![live("0037", "Feig")]);
    assert_eq!(store.commit_page(page).await.unwrap().counts.unchanged, 1);
}

/// Whoever has begun to write is waited for; then the error says so, and that it may be tried again.
pub(crate) async fn a_locked_account_is_waited_for_and_then_named(place: Place) {
    let (_, account, _) = linked(&place).await;
    let store = place.try_open(key(&place), Duration::from_millis(100)).await.unwrap();
    let begin = if place.is_postgres() {
        "BEGIN; SELECT * FROM linked_accounts FOR UPDATE; SELECT pg_sleep(1); COMMIT"
    } else {
        "BEGIN IMMEDIATE; CREATE TEMP TABLE waiting AS WITH RECURSIVE n (i) AS
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT sum(i) FROM n; COMMIT"
    };
    let url_place = Arc::new(place);
    let other = Arc::clone(&url_place);
    let holding = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(other.meddle(begin));
    });
    // Some tries come before the other has the lock, or after: those succeed.
    let mut refused = None;
    let mut begun = 1;
    while !holding.is_finished() {
        match store.begin_epoch(account.id).await {
            Ok(epoch) => begun = epoch.number,
            Err(error) => refused = Some(error),
        }
    }
    holding.join().unwrap();
    let error = refused.expect("the lock was held for longer than our patience");
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    let sentence = error.to_string();
    assert!(sentence.contains(&url_place.name()) && sentence.contains("is locked"), "{sentence}");
    assert_eq!(store.begin_epoch(account.id).await.unwrap().number, begun + 1, "a refused call did nothing");
}

/// Two processes take the account from one another all the time: no page of an epoch that is over is ever taken, and the
/// checkpoint is always that of the last page.
pub(crate) async fn writers_that_take_over_from_one_another_lose_nothing(place: Place) {
    let (store, account, _) = linked(&place).await;
    let place = Arc::new(place);
    let newest = Arc::new(AtomicU64::new(1));
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let (place, newest) = (Arc::clone(&place), Arc::clone(&newest));
            tokio::spawn(async move {
                let store = place.open().await;
                let mut committed = 0;
                for _ in 0..8 {
                    let epoch = store.begin_epoch(account.id).await.unwrap();
                    newest.fetch_max(epoch.number, Ordering::SeqCst);
                    for page in 0..4_u64 {
                        let before = newest.load(Ordering::SeqCst);
                        let row = live(&format!("{}/{page}", epoch.number), &writer.to_string());
                        let page = PageCommit::new(epoch, ObjectKind::Contact, vec![row])
                            .with_checkpoint(Checkpoint::of(&(epoch.number, page)));
                        match store.commit_page(page).await {
                            Ok(_) => {
                                assert!(before <= epoch.number, "epoch {} was over: {before}", epoch.number);
                                committed += 1;
                            }
                            Err(error) => {
                                let stale = StaleEpoch::of(&error).unwrap_or_else(|| panic!("{error:?}"));
                                assert!(stale.held == epoch.number && stale.current > epoch.number);
                                break;
                            }
                        }
                    }
                }
                committed
            })
        })
        .collect();
    let mut committed = 0;
    for writer in writers {
        committed += writer.await.unwrap();
    }
    let request = ListRequest::new(ObjectKind::Contact).with_limit(1_000);
    let records = store.list(request).await.unwrap().records;
    assert_eq!(records.len(), committed, "each page that was taken is there, and no other");
    let last = records.last().unwrap().record.remote_id().unwrap().to_string();
    let checkpoint = store.checkpoint(account.id, ObjectKind::Contact).await.unwrap().unwrap();
    let (epoch, page): (u64, u64) = checkpoint.read().unwrap();
    assert_eq!(format!("{epoch}/{page}"), last);
    assert_eq!(store.begin_epoch(account.id).await.unwrap().number, 1 + 24 + 1);
}

/// One page may bring a record several times, gone and back: what it says last holds, and each row is counted.
pub(crate) async fn a_page_with_the_same_record_many_times_has_the_last_word_last(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let raw = RawRecord::new("/sobjects/Contact", r#"{"Id":"b"}"#);
    let gone = |id: &str, reason| Row::Gone(Gone::new(ObjectKind::Contact, id, reason));
    let with_raw = Row::Live(LiveRow::new(contact("b", "1")).with_raw(raw.clone()));
    let rejected = |id: &str| Row::Rejected {
        remote_id: Some(id.into()),
        error: unicrm_core::Error::new(ErrorKind::Decode, "no date"),
        raw: None,
    };
    for round in 0..2 {
        let rows = vec![
            live("a", "1"),
            gone("a", GoneReason::Deleted),
            live("a", "2"),
            with_raw.clone(),
            live("b", "2"),
            gone("b", GoneReason::NotVisible),
            gone("b", GoneReason::MergedInto("a".into())),
            gone("b", GoneReason::Deleted),
            rejected("c"),
            live("c", "1"),
            rejected("d"),
            rejected("d"),
            live("d", "1"),
            rejected("d"),
        ];
        let counts = commit(&*store, epoch, rows).await.counts;
        assert_eq!(counts.rejected, 4);
        if round == 0 {
            // a and b came, went and changed; c and d came.
            assert_eq!((counts.created, counts.updated, counts.deleted, counts.unchanged), (4, 3, 2, 1));
        }
        let found = async |id: &str| {
            let id = compute_id(account.id, ObjectKind::Contact, id);
            store.get(ObjectKind::Contact, id, Include::everything()).await.unwrap().unwrap()
        };
        let (a, b) = (found("a").await, found("b").await);
        assert_eq!((a.gone, a.record.get("last_name").unwrap().to_string()), (None, "2".to_owned()));
        assert_eq!(a.record.get("remote_was_deleted"), None);
        assert_eq!(b.gone.unwrap().reason, GoneReason::MergedInto("a".into()));
        assert_eq!(b.record.get("remote_was_deleted").unwrap().to_string(), "true");
        let Record::Contact(b) = b.record else { panic!("{b:?}", b = b.record) };
        assert_eq!(
            b.remote_data,
            raw.to_remote_data(),
            "the row without a raw record keeps that of the row before"
        );
        let rejected = store.rejected(account.id, None, 10).await.unwrap();
        assert_eq!(rejected.iter().map(|row| row.remote_id.clone()).collect::<Vec<_>>(), [Some("d".into())]);
    }
}

/// The disk fills up while a page is written: none of it is there, nor its checkpoint, and it can be committed later.
pub(crate) async fn a_full_disk_in_the_middle_of_a_page_loses_nothing(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let page = |numbers: std::ops::Range<u32>, at: u32| {
        let rows = numbers.map(|i| live(&format!("003{i}"), "x")).collect();
        PageCommit::new(epoch, ObjectKind::Contact, rows).with_checkpoint(Checkpoint::of(&at))
    };
    store.commit_page(page(0..10, 1)).await.unwrap();
    // SQLite's own limit is in `src/sqlite/tests.rs`; a trigger does for both.
    let (full, room) = if place.is_postgres() {
        (
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF NEW.remote_id = '00315' THEN
                 RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';
               END IF;
               RETURN NEW;
             END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION full_disk()",
            "DROP TRIGGER full_disk ON contacts",
        )
    } else {
        (
            "CREATE TRIGGER full_disk BEFORE INSERT ON contacts WHEN NEW.remote_id = '00315'
             BEGIN SELECT RAISE(ABORT, 'could not extend file'); END",
            "DROP TRIGGER full_disk",
        )
    };
    place.meddle(full).await;
    let error = store.commit_page(page(10..20, 2)).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    if place.is_postgres() {
        assert!(error.to_string().contains("disk is full"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert!(error.advice().is_some());
    let checkpoint = async || store.checkpoint(account.id, ObjectKind::Contact).await.unwrap().unwrap();
    assert_eq!(checkpoint().await, Checkpoint::of(&1));
    assert_eq!(store.counts(None).await.unwrap()[&ObjectKind::Contact].live, 10);
    place.meddle(room).await;
    assert_eq!(store.commit_page(page(10..20, 2)).await.unwrap().counts.created, 10);
    assert_eq!(checkpoint().await, Checkpoint::of(&2));
}

/// NUL in texts, instants of any year and fraction, huge texts: each comes back as it was, tombstones included.
pub(crate) async fn what_no_column_holds_comes_back_exactly(place: Place) {
    let (store, account, epoch) = linked(&place).await;
    let far: Timestamp = "-009998-03-04T05:06:07.123456789Z".parse().unwrap();
    let fine: Timestamp = "2026-11-22T10:00:00.000000001Z".parse().unwrap();
    let mut odd = contact("odd", "a\0b");
    odd.first_name = Some("\u{1a}\u{fffd}\u{10ffff}".to_owned());
    odd.last_activity_at = Some(far);
    odd.owner = Some(Ref::by_remote_id("005\0"));
    odd.contact_url = Some("x".repeat(3 << 20));
    let row = || Row::Live(LiveRow::new(odd.clone()).with_stamp(Some(fine)));
    assert_eq!(commit(&*store, epoch, vec![row()]).await.counts.created, 1);
    assert_eq!(commit(&*store, epoch, vec![row()]).await.counts.unchanged, 1);
    let read = async || {
        let id = compute_id(account.id, ObjectKind::Contact, "odd");
        let stored = store.get(ObjectKind::Contact, id, Include::everything()).await.unwrap().unwrap();
        let Record::Contact(contact) = stored.record.clone() else { panic!("{stored:?}") };
        let texts = |contact: &Contact| {
            (contact.last_name.clone(), contact.first_name.clone(), contact.last_activity_at)
        };
        assert_eq!(texts(&contact), texts(&odd));
        assert_eq!(contact.contact_url.as_ref().map(String::len), Some(3 << 20));
        assert_eq!(contact.owner.unwrap().remote_id(), Some(&"005\0".into()));
        assert_eq!(stored.stamp, Some(fine));
        stored.gone
    };
    assert_eq!(read().await, None);
    let same = Row::Id { remote_id: "odd".into(), stamp: Some(fine) };
    assert!(
        commit(&*store, epoch, vec![same]).await.to_fetch.is_empty(),
        "its stamp is known to the nanosecond"
    );
    let later = Row::Id { remote_id: "odd".into(), stamp: "2026-11-22T10:00:00.000000002Z".parse().ok() };
    assert_eq!(commit(&*store, epoch, vec![later]).await.to_fetch.len(), 1);

    for (value, expected) in [("-009998-03-04T05:06:07.123456789Z", 1), ("-009998-03-04T05:06:07Z", 0)] {
        let filter = Filter::equal("last_activity_at", value);
        let request = ListRequest::new(ObjectKind::Contact).with_filter(filter);
        assert_eq!(store.list(request).await.unwrap().records.len(), expected, "{value}");
    }

    let went =
        Gone::new(ObjectKind::Contact, "odd", GoneReason::MergedInto("0\x001".into())).with_stamp(Some(far));
    assert_eq!(commit(&*store, epoch, vec![Row::Gone(went.clone())]).await.counts.deleted, 1);
    let gone = read().await.unwrap();
    assert_eq!((gone.reason, gone.at), (GoneReason::MergedInto("0\x001".into()), far));
    assert_eq!(commit(&*store, epoch, vec![Row::Gone(went)]).await.counts.unchanged, 1);
    assert_eq!(commit(&*store, epoch, vec![row()]).await.counts.updated, 1, "it is back");
    assert_eq!(read().await, None);

    // JSON that holds what jsonb would refuse can be searched all the same.
    let mut call = Engagement::default();
    call.remote_id = Some("00T".into());
    call.contacts = vec![Ref::by_remote_id("003\0"), Ref::by_remote_id("003x\\u0000")];
    let page = PageCommit::new(epoch, ObjectKind::Engagement, vec![Row::Live(LiveRow::new(call))]);
    store.commit_page(page).await.unwrap();
    for (value, expected) in [("003x\\u0000", 1), ("003", 0)] {
        let request = ListRequest::new(ObjectKind::Engagement).with_filter(Filter::equal("contacts", value));
        assert_eq!(store.list(request).await.unwrap().records.len(), expected, "{value}");
    }
    awkward_ids(&*store, &place, account.id, epoch).await;
}

/// A remote id that a database cannot hold is a rejected row, which is kept.
async fn awkward_ids(
    store: &dyn Store,
    place: &Place,
    account: unicrm_core::LinkedAccountId,
    epoch: unicrm_store::Epoch,
) {
    let (long, nul) = ("y".repeat(5_000), "x\0y".to_owned());
    let rows = || vec![live(&long, "long"), live(&nul, "nul"), live("plain", "x")];
    let first = commit(store, epoch, rows()).await.counts;
    let again = commit(store, epoch, rows()).await.counts;
    let rejected = store.rejected(account, None, 10).await.unwrap();
    if place.is_postgres() {
        assert_eq!((first.created, first.rejected, again.unchanged, again.rejected), (1, 2, 1, 2));
        let errors: Vec<_> = rejected.iter().map(|row| row.error.as_str()).collect();
        assert!(
            errors.len() == 2 && errors[0].contains("2000 bytes") && errors[1].contains("NUL"),
            "{errors:?}"
        );
    } else {
        assert_eq!((first.created, again.unchanged, rejected.len()), (3, 3, 0));
    }
    let found = store.find_remote(None, None, &nul, Include::default()).await.unwrap();
    assert_eq!(found.len(), usize::from(!place.is_postgres()));
    let other = store.link(LinkRequest::new("other", "memory")).await.unwrap();
    assert!(store.find_remote(Some(other.id), None, &nul, Include::default()).await.unwrap().is_empty());
}
