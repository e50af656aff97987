//! The questions of `docs/sql.md`, asked of both databases: each query runs, and both give the same answer, the right one.

use jiff::{Timestamp, ToSpan as _};
use unicrm_core::{
    Account, Contact, Engagement, EngagementType, Gone, GoneReason, LiveRow, ObjectKind, Opportunity, Record,
    Ref, RemoteField, RemoteFieldClass, Row, Stage, Task, User, Value,
};
use unicrm_store::{Epoch, PageCommit, Store};

use crate::place::Place;

const PAGE: &str = include_str!("../../../docs/sql.md");

/// The queries of the page: their heading, which database they are for (none: both), and the SQL.
fn queries() -> Vec<(&'static str, Option<&'static str>, &'static str)> {
    let mut found = Vec::new();
    let mut heading = "";
    let mut rest = PAGE;
    while let Some((before, block)) = rest.split_once("```sql") {
        heading = before.lines().rev().find_map(|line| line.strip_prefix("## ")).unwrap_or(heading);
        let (info, body) = block.split_once('\n').unwrap();
        let (sql, after) = body.split_once("```").unwrap();
        found.push((heading, Some(info.trim().trim_start_matches(',')).filter(|info| !info.is_empty()), sql));
        rest = after;
    }
    found
}

pub(crate) async fn the_questions_of_the_book_have_answers(place: Place) {
    let (store, account, epoch) = crate::linked(&place).await;
    fill(&*store, account.id, epoch).await;
    let here = if place.is_postgres() { "postgresql" } else { "sqlite" };
    let mut asked = Vec::new();
    for (heading, only, sql) in queries() {
        if only.is_some_and(|only| only != here) {
            continue;
        }
        let rows = place.ask(sql).await;
        let rows: Vec<Vec<String>> = rows
            .into_iter()
            .map(|row| row.into_iter().map(|cell| cell.unwrap_or_default()).collect())
            .collect();
        assert_eq!(rows, answer(heading), "{heading}");
        asked.push(heading);
    }
    for (heading, ..) in queries() {
        assert!(asked.contains(&heading), "{heading} has a query for each database");
    }
    assert!(asked.len() >= 8, "{asked:?}");
}

/// What the records of [`fill`] answer.
fn answer(heading: &str) -> Vec<Vec<String>> {
    let rows: &[&[&str]] = match heading {
        "Contacts per account" => &[&["Acme", "3"], &["Globex", "1"]],
        "Open amount per stage" => &[&["Negotiation", "2", "300.75"], &["Prospecting", "1", "0.10"]],
        "Calls per owner this week" => &[&["Ada", "2"], &["Grace", "1"]],
        "Overdue tasks per owner" => &[&["Grace", "1"]],
        "Accounts without a contact" => &[&["Initech"]],
        "What changed since yesterday" => &[&["Globex"], &["Initech"], &["Acme"]],
        "What is gone, and why" => &[&["Old", "deleted"]],
        "A remote field" => &[&["Acme", "gold"]],
        "E-mail addresses" => &[&["Chen", "chen@example.com"], &["Feig", "feig@example.com"]],
        "Rows that were not understood" => &[],
        "How fresh the copy is" => &[&["acme", "memory", "active"]],
        other => panic!("the test knows no answer to {other:?}"),
    };
    rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
}

async fn put(store: &dyn Store, epoch: Epoch, records: Vec<Record>) {
    let kind = records[0].kind();
    let rows = records.into_iter().map(|record| Row::Live(LiveRow::new(record))).collect();
    store.commit_page(PageCommit::new(epoch, kind, rows)).await.unwrap();
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn fill(store: &dyn Store, linked: unicrm_core::LinkedAccountId, epoch: Epoch) {
    let users = ["Ada", "Grace"].map(|name| {
        let mut user = User::default();
        user.remote_id = Some(name.into());
        user.name = text(name);
        user.into()
    });
    put(store, epoch, users.to_vec()).await;

    let mut class = RemoteFieldClass::default();
    class.remote_key_name = text("Tier__c");
    let class = std::sync::Arc::new(class);
    let accounts = ["Acme", "Globex", "Initech"].map(|name| {
        let mut account = Account::default();
        account.remote_id = Some(name.into());
        account.name = text(name);
        account.remote_updated_at = Some(match name {
            "Acme" => "2026-11-01T00:00:00Z".parse().unwrap(),
            "Globex" => "2026-11-03T00:00:00Z".parse().unwrap(),
            _ => "2026-11-02T00:00:00Z".parse().unwrap(),
        });
        if name == "Acme" {
            account.remote_fields = vec![RemoteField::new(class.clone(), unicrm_core::Json::text("gold"))];
        }
        account.into()
    });
    put(store, epoch, accounts.to_vec()).await;

    let contacts =
        [("Feig", "Acme"), ("Baur", "Acme"), ("Chen", "Acme"), ("Diaz", "Globex"), ("Old", "Globex")];
    let contacts = contacts.map(|(name, account)| {
        let mut contact = Contact::default();
        contact.remote_id = Some(name.into());
        contact.last_name = text(name);
        contact.account = Some(Ref::remote(linked, account));
        if ["Feig", "Chen"].contains(&name) {
            let address = format!("{}@example.com", name.to_lowercase());
            contact.email_addresses = vec![unicrm_core::EmailAddress::new(address, "Work")];
        }
        contact.into()
    });
    put(store, epoch, contacts.to_vec()).await;
    let gone = Row::Gone(Gone::new(ObjectKind::Contact, "Old", GoneReason::Deleted));
    store.commit_page(PageCommit::new(epoch, ObjectKind::Contact, vec![gone])).await.unwrap();

    let stages = ["Prospecting", "Negotiation"].map(|name| {
        let mut stage = Stage::default();
        stage.remote_id = Some(name.into());
        stage.name = text(name);
        stage.into()
    });
    put(store, epoch, stages.to_vec()).await;
    let deals = [("1", "Negotiation", "100.50", "OPEN"), ("2", "Negotiation", "200.25", "OPEN")];
    let deals =
        deals.into_iter().chain([("3", "Prospecting", "0.10", "OPEN"), ("4", "Prospecting", "9", "WON")]);
    let deals = deals.map(|(id, stage, amount, status)| {
        let mut deal = Opportunity::default();
        deal.remote_id = Some(id.into());
        deal.stage = Some(Ref::remote(linked, stage));
        deal.amount = Some(amount.parse().unwrap());
        let mut deal = Record::from(deal);
        deal.set("status", Some(Value::Text(status.into()))).unwrap();
        deal
    });
    put(store, epoch, deals.collect()).await;

    let kinds = ["Call", "Email"].map(|name| {
        let mut kind = EngagementType::default();
        kind.remote_id = Some(name.into());
        kind.name = text(name);
        kind.into()
    });
    put(store, epoch, kinds.to_vec()).await;
    let now = Timestamp::now();
    let long_ago = now - (24 * 30).hours();
    let calls = [("1", "Ada", "Call", now), ("2", "Ada", "Call", now), ("3", "Grace", "Call", now)];
    let others = [("4", "Grace", "Email", now), ("5", "Grace", "Call", long_ago)];
    let calls = calls.into_iter().chain(others).map(|(id, owner, kind, at)| {
        let mut call = Engagement::default();
        call.remote_id = Some(id.into());
        call.owner = Some(Ref::remote(linked, owner));
        call.engagement_type = Some(Ref::remote(linked, kind));
        call.start_time = Some(at);
        call.into()
    });
    put(store, epoch, calls.collect()).await;

    let tasks = [
        ("1", "Grace", "OPEN", long_ago),
        ("2", "Ada", "CLOSED", long_ago),
        ("3", "Ada", "OPEN", now + 72.hours()),
    ];
    let tasks = tasks.map(|(id, owner, status, due)| {
        let mut task = Task::default();
        task.remote_id = Some(id.into());
        task.owner = Some(Ref::remote(linked, owner));
        task.due_date = Some(due);
        let mut task = Record::from(task);
        task.set("status", Some(Value::Text(status.into()))).unwrap();
        task
    });
    put(store, epoch, tasks.to_vec()).await;
    store.finish_sync(epoch, now).await.unwrap();
}
