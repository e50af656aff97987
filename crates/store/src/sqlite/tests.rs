//! What only the inside can bring about: a full disk, and a look at how SQLite would run a query.

use unicrm_core::{Contact, LiveRow, ObjectKind, Retry, Row};

use super::*;
use crate::{Checkpoint, Include, Ingest as _, LinkRequest, LinkedAccounts as _, PageCommit, Records as _};

fn contacts(numbers: std::ops::Range<usize>) -> Vec<Row> {
    numbers
        .map(|i| {
            let mut contact = Contact::default();
            contact.remote_id = Some(format!("003{i}").into());
            contact.last_name = Some("x".repeat(500));
            Row::Live(LiveRow::new(contact))
        })
        .collect()
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_can_be_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(KeySource::Key(MasterKey::generate().unwrap()));
    let store = SqliteStore::open_with(folder.path().join("full.db"), options).await.unwrap();
    let account = store.link(LinkRequest::new("acme", "memory")).await.unwrap();
    let epoch = store.begin_epoch(account.id).await.unwrap();
    let page = |numbers, at: u32| {
        PageCommit::new(epoch, ObjectKind::Contact, contacts(numbers)).with_checkpoint(Checkpoint::of(&at))
    };
    store.commit_page(page(0..10, 1)).await.unwrap();

    let limit = |pages: i64| {
        store.write(move |connection| {
            let used: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            // SQLite answers with the limit that now holds.
            connection.query_row(&format!("PRAGMA max_page_count = {}", used + pages), [], |_| Ok(()))?;
            Ok(())
        })
    };
    limit(2).await.unwrap();
    let error = store.commit_page(page(10..500, 2)).await.unwrap_err();
    assert!(error.to_string().contains("disk is full") && error.to_string().contains("full.db"), "{error}");
    assert!(error.advice().is_some_and(|advice| advice.contains("free some space")));
    assert_eq!(error.retry(), Retry::Never);

    let checkpoint = async || store.checkpoint(account.id, ObjectKind::Contact).await.unwrap().unwrap();
    assert_eq!(checkpoint().await, Checkpoint::of(&1));
    assert_eq!(store.counts(None).await.unwrap()[&ObjectKind::Contact].live, 10);

    limit(10_000).await.unwrap();
    let report = store.commit_page(page(10..500, 2)).await.unwrap();
    assert_eq!(report.counts.created, 490);
    assert_eq!(checkpoint().await, Checkpoint::of(&2));
}

#[tokio::test]
async fn lists_and_look_ups_go_by_an_index() {
    let store = SqliteStore::open_in_memory().await.unwrap();
    let select = |kind| decode::select(schema::table(kind), Include::default());
    for kind in ObjectKind::ALL {
        for condition in ["id = 'x'", "linked_account = 1 AND pk > 7 ORDER BY pk LIMIT 10", "remote_id = 'x'"]
        {
            let sql = format!("EXPLAIN QUERY PLAN {} WHERE {condition}", select(kind));
            let plan: Vec<String> = store
                .read(move |connection| {
                    let mut statement = connection.prepare(&sql)?;
                    let steps = statement.query_map([], |row| row.get(3))?;
                    Ok(steps.collect::<rusqlite::Result<_>>()?)
                })
                .await
                .unwrap();
            let plan = plan.join("; ");
            assert!(
                plan.contains("USING INDEX") && !plan.contains("TEMP B-TREE"),
                "{kind} {condition}: {plan}"
            );
        }
    }
}

#[tokio::test]
async fn a_job_that_panics_ends_alone() {
    let store = SqliteStore::open_in_memory().await.unwrap();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let error = store.write(|_| -> Done<()> { panic!("on purpose") }).await.unwrap_err();
    std::panic::set_hook(hook);
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(store.linked_accounts().await.unwrap().is_empty());
}
