//! Queries put together from parts that are mostly right: an answer or a refusal, never a failure of the statement.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

/// An object, fields that it has, and children.
const OBJECTS: [(&str, &[&str], &[&str]); 4] = [
    (
        "Account",
        &[
            "Name",
            "Parent.Name",
            "Owner.Profile.Name",
            "Industry",
            "NumberOfEmployees",
            "AnnualRevenue",
            "CreatedDate",
            "IsDeleted",
            "BillingAddress",
            "Description",
            "Id",
        ],
        &["(SELECT Id, Account.Name FROM Contacts ORDER BY Name)", "(SELECT Subject FROM Tasks LIMIT 1)"],
    ),
    (
        "Contact",
        &[
            "Name",
            "Account.Name",
            "Account.Owner.Name",
            "Account.IsDeleted",
            "Birthdate",
            "AccountId",
            "SystemModstamp",
            "MailingLatitude",
            "Email",
            "MailingAddress",
            "Id",
        ],
        &["(SELECT Subject, Who.Name FROM Tasks WHERE Status != null)"],
    ),
    (
        "Task",
        &[
            "Subject",
            "Who.Name",
            "Who.Type",
            "What.Name",
            "Owner.Name",
            "Who.Owner.Name",
            "ActivityDate",
            "Status",
            "WhoId",
            "CallDurationInSeconds",
            "IsClosed",
            "Account.Name",
            "Id",
        ],
        &["TYPEOF What WHEN Account THEN Name, Phone ELSE Name END"],
    ),
    (
        "Thing__c",
        &["Name", "Parent__r.Name", "Skills__c", "Score__c", "At__c", "Flag__c", "Day__c", "Moment__c", "Id"],
        &[],
    ),
];

const OPERATORS: [&str; 9] = ["=", "!=", "<", ">=", "LIKE", "IN", "NOT IN", "INCLUDES", "EXCLUDES"];

/// Values that suit most fields of the kind that the name suggests, and some that do not.
fn value(field: &str, operator: &str, choice: usize) -> String {
    let name = field.rsplit('.').next().unwrap_or(field);
    let values: &[&str] = match name {
        "Id" | "AccountId" | "WhoId" => &["null", "'0035e0000000001AAA'", "''", "'nonsense'"],
        "IsDeleted" | "IsClosed" | "Flag__c" => &["true", "false"],
        "NumberOfEmployees" | "AnnualRevenue" | "Score__c" | "MailingLatitude" | "CallDurationInSeconds" => {
            &["1.5", "-99999999999999999999", "0", "USD5", "null"]
        }
        "CreatedDate" | "SystemModstamp" | "Moment__c" => {
            &["TODAY", "2026-01-01T00:00:00Z", "LAST_N_YEARS:9999", "null"]
        }
        "Birthdate" | "ActivityDate" | "Day__c" => {
            &["NEXT_N_DAYS:3", "2026-01-01", "THIS_FISCAL_QUARTER", "null"]
        }
        "At__c" => &["10:00:00Z", "null"],
        _ => &["'x'", "'%'", "''", "null", "1"],
    };
    let single = values[choice % values.len()];
    match operator {
        "IN" | "NOT IN" if name.ends_with("Id") && choice.is_multiple_of(3) => {
            "(SELECT WhoId FROM Task WHERE Status = 'x')".to_owned()
        }
        "IN" | "NOT IN" | "INCLUDES" | "EXCLUDES" => format!("({single}, {})", values[0]),
        _ => single.to_owned(),
    }
}

#[test]
fn any_mixture_of_known_parts_is_answered() {
    let org = Org::new();
    let account = org.put("Account", &[("Name", "A"), ("Industry", "Web"), ("OwnerId", USER)]);
    let contact =
        org.put("Contact", &[("Name", "x"), ("LastName", "x"), ("AccountId", &account), ("OwnerId", USER)]);
    org.put("Task", &[("Subject", "s"), ("WhoId", &contact), ("WhatId", &account), ("Status", "x")]);
    org.put("Thing__c", &[("Name", "x"), ("Parent__c", &account)]);
    let answered = Cell::new(0);
    let config = ProptestConfig { cases: 3_000, ..ProptestConfig::default() };
    proptest!(config, |(
        object in 0..OBJECTS.len(),
        select in prop::collection::vec(any::<usize>(), 1..4),
        wrapped in prop::option::weighted(0.3, prop::sample::select(vec![
            "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "FORMAT", "toLabel", "CALENDAR_YEAR", "DAY_ONLY",
        ])),
        child in prop::option::weighted(0.3, any::<usize>()),
        conditions in prop::collection::vec((any::<usize>(), 0..OPERATORS.len(), any::<usize>(), any::<bool>()), 0..3),
        grouped in prop::bool::weighted(0.2),
        order in prop::option::weighted(0.5, (any::<usize>(), any::<bool>())),
        or in any::<bool>(),
    )| {
        let (object, fields, children) = OBJECTS[object];
        let at = |n: usize| fields[n % fields.len()];
        let mut select: Vec<&str> = select.into_iter().map(at).collect();
        select.sort_unstable();
        select.dedup();
        let group = if grouped { format!(" GROUP BY {}", select.join(", ")) } else { String::new() };
        let mut list: Vec<String> = select.iter().map(|field| (*field).to_owned()).collect();
        if let Some(function) = wrapped {
            list.push(format!("{function}({}) f", at(list.len())));
        }
        if let Some(child) = child.filter(|_| !children.is_empty()) {
            list.push(children[child % children.len()].to_owned());
        }
        let mut text = format!("SELECT {} FROM {object}", list.join(", "));
        let conditions: Vec<String> = conditions
            .into_iter()
            .map(|(field, operator, choice, not)| {
                let (field, operator) = (at(field), OPERATORS[operator]);
                format!("{}{field} {operator} {}", if not { "NOT " } else { "" }, value(field, operator, choice))
            })
            .collect();
        if !conditions.is_empty() {
            text += &format!(" WHERE {}", conditions.join(if or { " OR " } else { " AND " }));
        }
        text += &group;
        text += &order.map_or(String::new(), |(n, down)| format!(" ORDER BY {}{}", at(n), if down { " DESC" } else { "" }));
        match org.text(&text, false) {
            Ok(body) => {
                answered.set(answered.get() + 1);
                prop_assert!(serde_json::from_str::<Value>(&body).is_ok(), "{} gave {}", text, body);
            }
            Err(error) => prop_assert_eq!(error.status, 400, "{} gave {}", text, error),
        }
    });
    // Most mixtures must reach the database, or this would test the refusals alone.
    assert!(answered.get() > 500, "only {} of 3000 were answered", answered.get());
}
