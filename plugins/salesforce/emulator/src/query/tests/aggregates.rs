//! Counting, summing, grouping.

use serde_json::json;

use super::*;

fn org() -> Org {
    let org = Org::new();
    for (name, stage, amount, day) in [
        ("a", "Open", "100.10", "2026-01-31"),
        ("b", "Open", "0.20", "2026-02-01"),
        ("c", "Won", "1", "2026-02-28"),
        ("d", "Won", "", "2025-12-31"),
    ] {
        let mut values = vec![("Name", name), ("StageName", stage), ("CloseDate", day)];
        if !amount.is_empty() {
            values.push(("Amount", amount));
        }
        org.put("Opportunity", &values);
    }
    org
}

#[test]
fn sums_are_exact_and_named() {
    let org = org();
    let text = org.text(
        "SELECT StageName, COUNT(Id), SUM(Amount) total, AVG(Amount), MIN(Amount), MAX(Name) FROM Opportunity \
         GROUP BY StageName ORDER BY StageName",
        false,
    );
    assert_eq!(
        text.expect("answer"),
        "{\"totalSize\":2,\"done\":true,\"records\":[{\"attributes\":{\"type\":\"AggregateResult\"},\"StageName\":\
         \"Open\",\"expr0\":2,\"total\":100.3,\"expr1\":50.15,\"expr2\":0.2,\"expr3\":\"b\"},{\"attributes\":{\"type\":\
         \"AggregateResult\"},\"StageName\":\"Won\",\"expr0\":2,\"total\":1.0,\"expr1\":1.0,\"expr2\":1.0,\"expr3\":\
         \"d\"}]}"
    );
}

#[test]
fn one_row_without_groups() {
    let org = org();
    let answer =
        org.answer("SELECT COUNT(Amount) n, COUNT_DISTINCT(StageName), MAX(CloseDate) FROM Opportunity");
    assert_eq!(answer["totalSize"], 1);
    assert_eq!(answer["records"][0]["n"], 3);
    assert_eq!(answer["records"][0]["expr0"], 2);
    assert_eq!(answer["records"][0]["expr1"], "2026-02-28");
    let none = org.answer("SELECT SUM(Amount) FROM Opportunity WHERE Name = 'nobody'");
    assert_eq!(none["records"][0]["expr0"], json!(null));
}

#[test]
fn dates_are_grouped_by_their_parts() {
    let org = org();
    let answer = org.answer(
        "SELECT CALENDAR_YEAR(CloseDate) y, CALENDAR_MONTH(CloseDate), COUNT(Id) n FROM Opportunity \
         WHERE CALENDAR_YEAR(CloseDate) >= 2026 GROUP BY CALENDAR_YEAR(CloseDate), CALENDAR_MONTH(CloseDate) \
         ORDER BY COUNT(Id) DESC",
    );
    assert_eq!(column(&answer, "y"), [2026, 2026]);
    assert_eq!(column(&answer, "expr0"), [2, 1]);
    assert_eq!(column(&answer, "n"), [2, 1]);
}

#[test]
fn having_compares_folded_values() {
    let org = org();
    let stages = |having: &str| {
        org.column(
            &format!("SELECT StageName FROM Opportunity GROUP BY StageName HAVING {having}"),
            "StageName",
        )
    };
    assert_eq!(stages("COUNT(Id) > 1"), ["Open", "Won"]);
    assert_eq!(stages("SUM(Amount) = 100.3"), ["Open"]);
    assert_eq!(stages("SUM(Amount) > 100.301"), Vec::<Value>::new());
    assert_eq!(stages("AVG(Amount) = 50.15"), ["Open"]);
    assert_eq!(stages("AVG(Amount) < 50.149"), ["Won"]);
    assert_eq!(stages("COUNT(Amount) = 1 AND StageName LIKE 'w%'"), ["Won"]);
}

#[test]
fn groups_ignore_case_and_reach_parents() {
    let org = Org::new();
    let one = org.put("Account", &[("Name", "One")]);
    for (name, account) in [("x", Some(&one)), ("X", Some(&one)), ("y", None)] {
        let mut values = vec![("LastName", name)];
        values.extend(account.map(|id| ("AccountId", id.as_str())));
        org.put("Contact", &values);
    }
    let answer = org.answer("SELECT Account.Name, COUNT(Id) n FROM Contact GROUP BY Account.Name");
    assert_eq!(column(&answer, "Name"), [json!(null), json!("One")]);
    assert_eq!(column(&answer, "n"), [1, 2]);
    assert_eq!(org.answer("SELECT LastName FROM Contact GROUP BY LastName")["totalSize"], 2);
}

#[test]
fn too_many_groups_are_refused() {
    let org = Org::new();
    for n in 0..2_001 {
        org.put("Thing__c", &[("Name", &n.to_string())]);
    }
    let error = org.error("SELECT Name, COUNT(Id) FROM Thing__c GROUP BY Name");
    assert_eq!(error.code, "EXCEEDED_ID_LIMIT");
    assert_eq!(
        org.answer("SELECT Name, COUNT(Id) FROM Thing__c GROUP BY Name LIMIT 2000")["totalSize"],
        2_000
    );
}
