//! What is gone for good, how far back the org tells of it, and what becomes of a watermark from before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use unicrm_core::{
    ErrorKind, GoneReason, Next, ObjectKind, Provider, ProviderExt, ReadPart, ReadRequest, Shape, Watermark,
};
use unicrm_salesforce_emulator::{Fault, FaultRule, Resource};

use crate::support::{Linked, Shown, read, read_all, read_since, since};

/// Far beyond the overlap, so that what is shown was shown for its change.
const LATER: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// New leads or tasks of the org, each without anything that hangs on it.
async fn made(linked: &Linked, object: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for at in 0..count {
        let fields = match object {
            "Task" => json!({"Subject": format!("Made {at}")}),
            _ => json!({"LastName": format!("Made {at}"), "Company": "Made"}),
        };
        ids.push(linked.org().create(object, fields).await.unwrap());
    }
    ids
}

/// An org with so many new leads, which have been read.
async fn read_leads(count: usize) -> (Linked, Vec<String>, Arc<dyn Provider>, Watermark) {
    let linked = Linked::with_contacts(40).await;
    let leads = made(&linked, "Lead", count).await;
    let provider = linked.connect().await;
    linked.org().advance_clock(LATER);
    let watermark = read_all(&*provider, ObjectKind::Lead).await.watermark.unwrap();
    (linked, leads, provider, watermark)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watermark_from_before_the_bin_was_emptied_is_refused_on_the_first_page() {
    let linked = Linked::with_contacts(40).await;
    let org = linked.org();
    let lead = made(&linked, "Lead", 1).await.remove(0);
    let provider = linked.connect().await;
    org.advance_clock(LATER);
    let mut watermarks = Vec::new();
    for kind in [ObjectKind::Lead, ObjectKind::Engagement, ObjectKind::Stage] {
        watermarks.push((kind, read_all(&*provider, kind).await.watermark.unwrap()));
    }
    org.advance_clock(LATER);
    org.delete("Lead", &lead).await.unwrap();
    org.empty_recycle_bin().await.unwrap();
    org.advance_clock(LATER);
    let parts = watermarks.iter().map(|(kind, watermark)| since(*kind, watermark));
    let together = provider.read(parts.collect::<ReadRequest>()).await.unwrap();
    for ((kind, watermark), together) in watermarks.iter().zip(together) {
        for page in [together, provider.read_page(since(*kind, watermark)).await] {
            if *kind == ObjectKind::Stage {
                page.expect("nothing tells what is gone from these, whatever the bin holds");
                continue;
            }
            let error = page.expect_err("the list does not reach back");
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{error:?}");
            assert_eq!(error.remote_code(), None, "it is the watermark that is refused: {error:?}");
        }
    }
    // What the host does then.
    let all = read_all(&*provider, ObjectKind::Lead).await;
    assert!(!all.live.contains_key(&lead) && !all.gone.contains_key(&lead));
    org.advance_clock(LATER);
    read_since(&*provider, ObjectKind::Lead, &all.watermark.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watermark_older_than_the_org_remembers_deletions_is_refused() {
    let (linked, leads, provider, watermark) = read_leads(1).await;
    let org = linked.org();
    org.advance_clock(DAY);
    org.hard_delete("Lead", &leads[0]).await.unwrap();
    org.advance_clock(DAY * 13);
    let shown = read_since(&*provider, ObjectKind::Lead, &watermark).await;
    assert!(shown.gone.contains_key(&leads[0]), "fourteen days ago: {:?}", shown.gone_ids());
    org.advance_clock(DAY * 2);
    let error = provider.read_page(since(ObjectKind::Lead, &watermark)).await.expect_err("sixteen days ago");
    assert_eq!((error.kind(), error.remote_code()), (ErrorKind::InvalidRequest, None), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_runs_holds_the_watermark_back_and_nothing_is_lost() {
    let (linked, leads, provider, watermark) = read_leads(2).await;
    let org = linked.org();
    org.advance_clock(LATER);
    org.hard_delete("Lead", &leads[0]).await.unwrap();
    org.run_transaction(Some(org.now()));
    org.hard_delete("Lead", &leads[1]).await.unwrap();
    org.advance_clock(LATER);
    let first = read_since(&*provider, ObjectKind::Lead, &watermark).await;
    assert!(!first.gone.contains_key(&leads[1]), "nobody is told of a transaction that runs");
    org.run_transaction(None);
    org.advance_clock(LATER);
    let second = read_since(&*provider, ObjectKind::Lead, &first.watermark.unwrap()).await;
    let gone: BTreeSet<String> = first.gone.into_keys().chain(second.gone.into_keys()).collect();
    assert_eq!(gone, leads.into_iter().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_come_before_rows_and_a_row_behind_says_more() {
    let (linked, leads, provider, watermark) = read_leads(4).await;
    let org = linked.org();
    let [binned, purged, master, loser] = [0, 1, 2, 3].map(|at| leads[at].clone());
    org.advance_clock(LATER);
    org.delete("Lead", &binned).await.unwrap();
    org.hard_delete("Lead", &purged).await.unwrap();
    org.merge("Lead", &master, &[&loser]).await.unwrap();
    org.advance_clock(LATER);
    linked.emulator.log().clear();
    let shown = read_since(&*provider, ObjectKind::Lead, &watermark).await;
    assert_eq!(shown.gone_ids(), BTreeSet::from([binned.clone(), purged.clone(), loser.clone()]));
    assert!(shown.gone[&binned].last.is_some() && shown.gone[&purged].last.is_none());
    assert_eq!(shown.gone[&loser].reason, GoneReason::MergedInto(master.as_str().into()));
    assert_eq!(shown.rows, 4, "each once, and the master");
    assert_eq!(linked.emulator.log().api_calls(), 1, "nobody asks whether they are still there");
}

/// The list of what is gone is asked for, then a record comes back, and then the rows are asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_comes_back_between_the_list_and_the_rows_is_alive() {
    let (linked, leads, provider, watermark) = read_leads(2).await;
    let org = linked.org();
    org.advance_clock(LATER);
    org.delete("Lead", &leads[0]).await.unwrap();
    org.delete("Lead", &leads[1]).await.unwrap();
    org.advance_clock(LATER);
    // The rows fail for good on the first page, which has the list alone.
    linked
        .emulator
        .faults()
        .add(FaultRule::new(Resource::Query, Fault::ExpiredPassword).forever().on_object("Lead"));
    let page = provider.read_page(since(ObjectKind::Lead, &watermark)).await.unwrap();
    let mut shown = Shown::default();
    page.rows.into_iter().for_each(|row| shown.take(row));
    assert_eq!(shown.gone_ids(), leads.iter().cloned().collect());
    let Next::More(token) = page.next else { panic!("the rows are still to come") };
    linked.emulator.faults().clear();
    org.undelete("Lead", &leads[0]).await.unwrap();
    org.advance_clock(LATER);
    let rest =
        linked.connect().await.read_page(since(ObjectKind::Lead, &watermark).after(token)).await.unwrap();
    rest.rows.into_iter().for_each(|row| shown.take(row));
    assert_eq!(shown.gone_ids(), BTreeSet::from([leads[1].clone()]));
    assert!(shown.live.contains_key(&leads[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mass_deletion_costs_few_calls_and_its_place_is_kept() {
    const MANY: usize = 12_000;
    let linked = Linked::with_contacts(20).await;
    let org = linked.org();
    let tasks = made(&linked, "Task", MANY).await;
    let provider = linked.connect().await;
    org.advance_clock(LATER);
    let watermark = read_all(&*provider, ObjectKind::Task).await.watermark.unwrap();
    org.advance_clock(LATER);
    for task in &tasks {
        org.hard_delete("Task", task).await.unwrap();
    }
    org.advance_clock(LATER);
    linked.emulator.log().clear();
    let mut part = since(ObjectKind::Task, &watermark);
    let mut shown = Shown::default();
    loop {
        // As after a crash: another process goes on.
        let page = linked.connect().await.read_page(part.clone()).await.unwrap();
        assert!(page.rows.len() < MANY);
        page.rows.into_iter().for_each(|row| shown.take(row));
        shown.pages += 1;
        match page.next {
            Next::More(token) => part = part.after(token),
            Next::End(_) => break,
        }
    }
    assert_eq!(shown.gone_ids(), tasks.into_iter().collect());
    assert_eq!((shown.rows, shown.pages), (MANY, 2));
    let calls = linked.emulator.log().api_calls();
    assert!(calls <= 5, "{calls} calls: {:?}", linked.emulator.log().counts());
    // One process has the rest of the list still.
    linked.emulator.log().clear();
    let again = read_since(&*provider, ObjectKind::Task, &watermark).await;
    assert_eq!((again.rows, again.pages), (MANY, 2));
    let calls = linked.emulator.log().api_calls();
    assert!(calls <= 2, "{calls} calls: {:?}", linked.emulator.log().counts());
}

/// Somebody takes the classic notes away while they are read: the reading goes on with the enhanced ones, and comes back to
/// the classic ones when they are seen again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_goes_on_behind_a_source_that_is_hidden_under_it() {
    for shape in [Shape::Full, Shape::Ids] {
        let linked = Linked::with_contacts(60).await;
        let org = linked.org();
        let part = ReadPart::all(ObjectKind::Note).shape(shape).page_size(3);
        let first = linked.connect().await.read_page(part.clone()).await.unwrap();
        let Next::More(token) = first.next else { panic!("there are more than three notes") };
        assert!(first.rows.iter().all(|row| row.remote_id().unwrap().as_str().starts_with("002")));
        let visible = org.visibility();
        org.hide_object("Note");
        org.advance_clock(LATER);
        let rest = read(&*linked.connect().await, part.after(token)).await.expect("the enhanced notes");
        let shown: BTreeSet<String> = rest.live_ids().into_iter().chain(rest.ids.clone()).collect();
        let notes = linked.expected(ObjectKind::Note).await.live;
        let (classic, enhanced): (BTreeSet<_>, BTreeSet<_>) =
            notes.into_iter().partition(|id| id.starts_with("002"));
        assert_eq!(shown, enhanced, "{shape:?}");
        org.set_visibility(visible);
        org.advance_clock(LATER);
        let again = read_since(&*linked.connect().await, ObjectKind::Note, &rest.watermark.unwrap()).await;
        assert!(again.live_ids().is_superset(&classic), "{shape:?}: they were not read to their end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_record_is_gone_even_where_its_last_state_cannot_be_understood() {
    let linked = Linked::with_contacts(40).await;
    let org = linked.org();
    let lead = made(&linked, "Lead", 1).await.remove(0);
    org.delete("Lead", &lead).await.unwrap();
    let fault = Fault::GarbledValue {
        field: "CreatedDate".to_owned(),
        record: Some(lead.clone()),
        text: "yesterday".to_owned(),
    };
    linked.emulator.faults().add(FaultRule::new(Resource::Query, fault).on_object("Lead"));
    let shown = read_all(&*linked.connect().await, ObjectKind::Lead).await;
    assert!(linked.emulator.faults().struck() > 0);
    assert_eq!(shown.rejected, Vec::<String>::new());
    assert!(shown.gone[&lead].last.is_none() && shown.gone[&lead].stamp.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_behind_the_first_rows_of_a_query_leaves_an_empty_page() {
    let linked = Linked::with_contacts(40).await;
    let org = linked.org();
    let provider = linked.connect().await;
    let short = FaultRule::new(Resource::Query, Fault::ShortPage { bytes: 400 });
    linked.emulator.faults().add(short.forever());
    let part = ReadPart::all(ObjectKind::Task).page_size(2);
    let first = provider.read_page(part.clone()).await.unwrap();
    let Next::More(token) = first.next else { panic!("{first:?}") };
    assert_eq!(first.rows.len(), 1, "the second one waits behind a locator");
    for (task, _) in org.table("Task", &["Subject"]).await.unwrap() {
        org.hard_delete("Task", &task).await.unwrap();
    }
    let rest = read(&*provider, part.after(token)).await.unwrap();
    assert!(rest.live.is_empty() && rest.watermark.is_some());
}

/// Rows that came together with a list that was refused are older than the list that is then asked for by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watermark_is_no_later_than_the_rows_behind_it() {
    let linked = Linked::with_contacts(40).await;
    let provider = linked.connect().await;
    linked.org().advance_clock(LATER);
    let watermark = read_all(&*provider, ObjectKind::Engagement).await.watermark.unwrap();
    linked.org().advance_clock(LATER);
    let faults = linked.emulator.faults();
    let lists = |fault| FaultRule::new(Resource::Replication, fault);
    let (code, message) = ("EXCEEDED_ID_LIMIT".to_owned(), "Too many deletions".to_owned());
    faults.add(lists(Fault::Error { status: 400, code, message }).times(3));
    // The list of the events comes in halves, and a minute passes before that of the calls is asked for.
    faults.add(lists(Fault::Delay { milliseconds: 1_000 }).after(1));
    let begun = linked.org().now();
    let a_minute_passes = async {
        while faults.struck() < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        linked.org().advance_clock(Duration::from_secs(60));
    };
    let reading = read_since(&*provider, ObjectKind::Engagement, &watermark);
    let (news, ()) = tokio::join!(reading, a_minute_passes);
    let marks: serde_json::Value = serde_json::from_str(news.watermark.unwrap().as_str()).unwrap();
    for (source, mark) in marks["marks"].as_object().unwrap() {
        let mark: Timestamp = mark.as_str().unwrap().parse().unwrap();
        assert!(mark.duration_since(begun).as_secs() < 30, "{source}: {mark} is behind {begun}");
    }
}
