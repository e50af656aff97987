//! Locators and pages.

use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;

use super::super::locator::{Cursor, LocatorSettings, RowIds};
use super::super::run::query_more;
use super::*;

fn things(n: usize) -> Org {
    let org = Org::new();
    for i in 0..n {
        org.put("Thing__c", &[("Name", &format!("{i:05}"))]);
    }
    org
}

fn first(org: &Org, soql: &str, options: &PageOptions<'_>) -> Value {
    let user = UserContext { user_id: USER.to_owned() };
    let prepared = prepare(&org.schema, &org.visibility, soql, false, now(), &user).expect("valid");
    let body = answer_query(&org.conn, &prepared, &org.locators, options).expect("answer");
    serde_json::from_slice(&body).expect("JSON")
}

fn more(org: &Org, url: &str, options: &PageOptions<'_>) -> Result<Value, SalesforceError> {
    let locator = url.strip_prefix("/services/data/v66.0/query/").expect("query address");
    let body = query_more(&org.conn, locator, &org.locators, options)?;
    Ok(serde_json::from_slice(&body).expect("JSON"))
}

fn next(page: &Value) -> Option<String> {
    page["nextRecordsUrl"].as_str().map(str::to_owned)
}

#[test]
fn pages_together_are_the_whole() {
    let org = things(1_000);
    let options = PageOptions { batch_size: Some(300), ..org.options() };
    let mut page = first(&org, "SELECT Name FROM Thing__c ORDER BY Name", &options);
    let mut names = column(&page, "Name");
    let mut sizes = vec![names.len()];
    while let Some(url) = next(&page) {
        assert_eq!(page["done"], false);
        assert!(url.contains("/query/0r8") && url.ends_with(&format!("-{}", names.len())));
        page = more(&org, &url, &options).expect("page");
        assert_eq!(page, more(&org, &url, &options).expect("the same page again"));
        assert_eq!(page["totalSize"], 1_000);
        let more = column(&page, "Name");
        sizes.push(more.len());
        names.extend(more);
    }
    assert_eq!(page["done"], true);
    assert_eq!(sizes, [300, 300, 300, 100]);
    let expected: Vec<String> = (0..1_000).map(|i| format!("{i:05}")).collect();
    assert_eq!(names, expected);
}

#[test]
fn batch_sizes_are_clamped() {
    let org = things(2_100);
    for (asked, given) in [(Some(1), 200), (Some(9_999), 2_000), (None, 2_000)] {
        let options = PageOptions { batch_size: asked, ..org.options() };
        let page = first(&org, "SELECT Id FROM Thing__c", &options);
        assert_eq!(column(&page, "Id").len(), given);
    }
}

#[test]
fn rows_that_are_gone_are_skipped_and_the_total_stays() {
    let org = things(500);
    let options = PageOptions { batch_size: Some(200), ..org.options() };
    let page = first(&org, "SELECT Name FROM Thing__c ORDER BY Name", &options);
    org.conn.execute("DELETE FROM \"Thing__c\" WHERE \"Name\" IN ('00200', '00399')", []).expect("delete");
    org.conn
        .execute(
            "UPDATE \"Thing__c\" SET \"IsDeleted\" = 1, \"Text__c\" = 'late' WHERE \"Name\" = '00201'",
            [],
        )
        .expect("update");
    let page = more(&org, &next(&page).expect("more"), &options).expect("page");
    assert_eq!(page["totalSize"], 500);
    assert_eq!(column(&page, "Name").len(), 198);
    assert_eq!(page["records"][0]["Name"], "00201");
    assert!(next(&page).expect("more").ends_with("-400"));
}

#[test]
fn wide_rows_make_short_pages() {
    let org = things(300);
    let options = PageOptions { max_page_bytes: Some(2_000), ..org.options() };
    let mut page = first(&org, "SELECT Name FROM Thing__c", &options);
    let mut count = column(&page, "Name").len();
    assert!(count > 1 && count < 200);
    while let Some(url) = next(&page) {
        page = more(&org, &url, &options).expect("page");
        count += column(&page, "Name").len();
    }
    assert_eq!(count, 300);
    let tiny = PageOptions { max_page_bytes: Some(1), ..org.options() };
    assert_eq!(column(&first(&org, "SELECT Name FROM Thing__c", &tiny), "Name").len(), 1);
}

#[test]
fn locators_are_few_mortal_and_private() {
    let org = things(300);
    let options = PageOptions { batch_size: Some(200), ..org.options() };
    let open = || next(&first(&org, "SELECT Id FROM Thing__c", &options)).expect("more");
    let urls: Vec<String> = (0..11).map(|_| open()).collect();
    let refused = |url: &str, options: &PageOptions<'_>| {
        let error = more(&org, url, options).expect_err("refused");
        assert_eq!((error.status, error.code.as_str()), (400, "INVALID_QUERY_LOCATOR"));
        assert_eq!(error.message, "invalid query locator");
    };
    refused(&urls[0], &options);
    assert!(urls[1..].iter().all(|url| more(&org, url, &options).is_ok()));
    refused(&urls[5], &PageOptions { user: "0055e0000000002AAA", ..options });
    refused("/services/data/v66.0/query/0r8nonsense", &options);
    refused(&urls[5].replace("-200", "-301"), &options);

    let later = |hours: i64| PageOptions { now: now() + hours.hours(), ..options };
    assert!(more(&org, &urls[5], &later(47)).is_ok());
    refused(&urls[5], &later(48));

    org.locators.configure(LocatorSettings {
        idle: Some(SignedDuration::from_mins(15)),
        ..LocatorSettings::default()
    });
    let url = open();
    let at = |minutes: i64| PageOptions { now: now() + minutes.minutes(), ..options };
    assert!(more(&org, &url, &at(14)).is_ok());
    assert!(more(&org, &url, &at(28)).is_ok());
    refused(&url, &at(43));
}

#[test]
fn many_children_are_paged() {
    let org = Org::new();
    let account = org.put("Account", &[("Name", "A")]);
    for i in 0..450 {
        org.put("Contact", &[("LastName", &format!("{i:03}")), ("AccountId", &account)]);
    }
    let options = org.options();
    let page =
        first(&org, "SELECT Id, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account", &options);
    let mut children = page["records"][0]["Contacts"].clone();
    assert_eq!(children["totalSize"], 450);
    let mut names = column(&children, "LastName");
    while let Some(url) = next(&children) {
        children = more(&org, &url, &options).expect("page");
        names.extend(column(&children, "LastName"));
    }
    let expected: Vec<String> = (0..450).map(|i| format!("{i:03}")).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_million_row_numbers_take_four_megabytes() {
    let mut rows = RowIds::new();
    (0..1_000_000).for_each(|row| rows.push(row));
    rows.shrink();
    let RowIds::Small(small) = &rows else { panic!("row numbers fit four bytes") };
    assert!(small.capacity() * size_of::<u32>() <= 4_000_000 + 4_096);
}

proptest! {
    #[test]
    fn row_numbers_are_kept(list in prop::collection::vec(prop_oneof![0i64..1_000, any::<i64>()], 0..50)) {
        let mut rows = RowIds::new();
        list.iter().for_each(|row| rows.push(*row));
        let back: Vec<i64> = (0..rows.len()).filter_map(|i| rows.get(i)).collect();
        prop_assert_eq!(back, list);
    }
}

/// Compile-time check: a locator holds no connection, so that it can be kept across requests and threads.
#[test]
fn cursors_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Cursor>();
    shared::<super::super::Prepared>();
}
