//! Conditions against an oracle that looks at rows one by one.

use proptest::prelude::*;

use super::*;

#[test]
fn text_ignores_case_and_ids_do_not() {
    let org = Org::new();
    for name in ["Straße", "ÉCOLE", "école", "zebra", "Ἀθῆναι ΣΟΦΟΣ"] {
        org.put("Thing__c", &[("Name", name)]);
    }
    let filtered = |filter: &str| org.names(&format!("SELECT Name FROM Thing__c WHERE {filter} ORDER BY Id"));
    assert_eq!(filtered("Name = 'École'"), ["ÉCOLE", "école"]);
    assert_eq!(filtered("Name LIKE '%é_ol%'"), ["ÉCOLE", "école"]);
    assert_eq!(filtered("Name LIKE '%σοφος'"), ["Ἀθῆναι ΣΟΦΟΣ"]);
    assert_eq!(filtered("Name IN ('ZEBRA', 'STRASSE', 'strase')"), ["zebra"]);
    assert_eq!(org.names("SELECT Name FROM Thing__c ORDER BY Name LIMIT 2"), ["Straße", "zebra"]);
    let id = salesforce_id("a00", 1);
    assert_eq!(filtered(&format!("Id = '{}'", &id[..15])), ["Straße"]);
    let lower = format!("a005E{}", &id[5..15]);
    assert_eq!(filtered(&format!("Id = '{lower}'")), Vec::<String>::new());
}

#[test]
fn wildcards_can_be_escaped() {
    let org = Org::new();
    for name in ["50%", "50x", "a_b", "axb", "back\\slash", "it's"] {
        org.put("Thing__c", &[("Name", name)]);
    }
    let filtered = |filter: &str| org.names(&format!("SELECT Name FROM Thing__c WHERE {filter}"));
    assert_eq!(filtered(r"Name LIKE '50\%'"), ["50%"]);
    assert_eq!(filtered(r"Name LIKE 'A\_b'"), ["a_b"]);
    assert_eq!(filtered(r"Name LIKE 'back\\%'"), ["back\\slash"]);
    assert_eq!(filtered(r"Name = 'it\'s'"), ["it's"]);
    assert_eq!(filtered(r"Name LIKE 'a_b'"), ["a_b", "axb"]);
    assert_eq!(filtered(r"NOT Name LIKE '%\_%'"), ["50%", "50x", "axb", "back\\slash", "it's"]);
}

#[test]
fn multi_select_values() {
    let org = Org::new();
    for (name, skills) in [("1", "A;B"), ("2", "b;C"), ("3", "AB")] {
        org.put("Thing__c", &[("Name", name), ("Skills__c", skills)]);
    }
    org.put("Thing__c", &[("Name", "4")]);
    let filtered = |filter: &str| org.names(&format!("SELECT Name FROM Thing__c WHERE {filter}"));
    assert_eq!(filtered("Skills__c INCLUDES ('B')"), ["1", "2"]);
    assert_eq!(filtered("Skills__c INCLUDES ('A;B', 'AB')"), ["1", "3"]);
    assert_eq!(filtered("Skills__c EXCLUDES ('B')"), ["3", "4"]);
    assert_eq!(filtered("Skills__c = 'a;b'"), ["1"]);
}

#[test]
fn date_literals_are_spans() {
    let org = Org::new();
    for (name, day, moment) in [
        ("today", "2026-11-22", "2026-11-22T00:00:00Z"),
        ("yesterday", "2026-11-21", "2026-11-21T23:59:59.999Z"),
        ("month", "2026-11-01", "2026-11-01T00:00:00Z"),
        ("year", "2026-01-01", "2026-01-01T12:00:00Z"),
    ] {
        org.put("Thing__c", &[("Name", name), ("Day__c", day), ("Moment__c", moment)]);
    }
    for field in ["Day__c", "Moment__c"] {
        let filtered = |filter: &str| org.names(&format!("SELECT Name FROM Thing__c WHERE {field} {filter}"));
        assert_eq!(filtered("= TODAY"), ["today"]);
        assert_eq!(filtered("< TODAY"), ["yesterday", "month", "year"]);
        assert_eq!(filtered(">= yesterday"), ["today", "yesterday"]);
        assert_eq!(filtered("> THIS_MONTH"), Vec::<String>::new());
        assert_eq!(filtered("= THIS_MONTH"), ["today", "yesterday", "month"]);
        assert_eq!(filtered("= LAST_N_DAYS:1"), ["today", "yesterday"]);
        assert_eq!(filtered("!= THIS_MONTH"), ["year"]);
        assert_eq!(filtered("IN (TODAY, THIS_WEEK, N_DAYS_AGO:1)"), ["today", "yesterday"]);
    }
}

#[test]
fn semi_joins() {
    let org = Org::new();
    let a = org.put("Account", &[("Name", "A")]);
    let b = org.put("Account", &[("Name", "B")]);
    org.put("Contact", &[("Name", "x"), ("LastName", "x"), ("AccountId", &a)]);
    org.put("Contact", &[("Name", "y"), ("LastName", "y"), ("AccountId", &b), ("IsDeleted", "true")]);
    org.put("Contact", &[("Name", "z"), ("LastName", "z")]);
    assert_eq!(org.names("SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact)"), ["A"]);
    assert_eq!(org.names("SELECT Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)"), ["B"]);
    assert_eq!(
        org.names(
            "SELECT Name FROM Contact WHERE AccountId NOT IN (SELECT Id FROM Account WHERE Name = 'a')"
        ),
        ["z"]
    );
    assert_eq!(
        org.names("SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Account.Name = 'A') AND Name != 'q'"),
        ["A"]
    );
}

#[test]
fn parents_aliases_and_scopes() {
    let org = Org::new();
    let a = org.put("Account", &[("Name", "A"), ("OwnerId", USER)]);
    org.put("Account", &[("Name", "B"), ("OwnerId", "0055e0000000002AAA")]);
    org.put("Contact", &[("Name", "x"), ("AccountId", &a)]);
    org.put("Contact", &[("Name", "y")]);
    assert_eq!(org.names("SELECT c.Name FROM Contact c, c.Account acc WHERE acc.Name = 'a'"), ["x"]);
    assert_eq!(org.names("SELECT Contact.Name FROM Contact WHERE Contact.Account.Name != 'a'"), ["y"]);
    assert_eq!(org.names("SELECT Name FROM Contact WHERE Account.IsDeleted = false"), ["x", "y"]);
    assert_eq!(org.names("SELECT Name FROM Contact WHERE AccountId = ''"), ["y"]);
    assert_eq!(org.names("SELECT Name FROM Account USING SCOPE mine"), ["A"]);
    assert_eq!(
        org.names("SELECT Name FROM Account USING SCOPE everything WITH USER_MODE FOR VIEW"),
        ["A", "B"]
    );
}

#[test]
fn limits_offsets_and_order() {
    let org = Org::new();
    for (name, score) in [("a", Some("2")), ("b", None), ("c", Some("1")), ("d", Some("3"))] {
        let mut values = vec![("Name", name)];
        values.extend(score.map(|score| ("Score__c", score)));
        org.put("Thing__c", &values);
    }
    let ordered = |by: &str| org.names(&format!("SELECT Name FROM Thing__c ORDER BY Score__c {by}")).concat();
    assert_eq!(ordered(""), "bcad");
    assert_eq!(ordered("DESC"), "bdac");
    assert_eq!(ordered("ASC NULLS LAST"), "cadb");
    assert_eq!(ordered("DESC NULLS LAST"), "dacb");
    assert_eq!(ordered("ASC LIMIT 2 OFFSET 1"), "ca");
    assert_eq!(ordered("ASC OFFSET 3"), "d");
    assert_eq!(org.answer("SELECT COUNT() FROM Thing__c LIMIT 3")["totalSize"], 3);
    assert_eq!(org.answer("SELECT Id FROM Thing__c LIMIT 0")["totalSize"], 0);
}

#[test]
fn equal_keys_are_ordered_by_id() {
    let org = Org::new();
    for n in [5, 3, 4] {
        org.put(
            "Thing__c",
            &[("Id", &salesforce_id("a00", n)), ("Name", &n.to_string()), ("Text__c", "same")],
        );
    }
    assert_eq!(org.names("SELECT Name FROM Thing__c ORDER BY Text__c"), ["3", "4", "5"]);
    assert_eq!(org.names("SELECT Name FROM Thing__c ORDER BY Text__c DESC"), ["3", "4", "5"]);
}

#[test]
fn branches_that_agree_keep_their_meaning() {
    let org = Org::new();
    org.put("Thing__c", &[("Name", "1"), ("Skills__c", "A;B")]);
    org.put("Thing__c", &[("Name", "2"), ("Text__c", "x")]);
    let filtered = |filter: &str| org.names(&format!("SELECT Name FROM Thing__c WHERE {filter}"));
    assert_eq!(filtered("Skills__c = 'a;b' OR (Skills__c = 'a;b' AND Name = '1')"), ["1"]);
    assert_eq!(filtered("Text__c > '' OR Text__c = ''"), ["1"]);
    assert_eq!(filtered("Text__c > 'w' OR (Text__c = 'w' AND Name > '0')"), ["2"]);
    assert_eq!(filtered("NOT (Text__c > 'w' OR (Text__c = 'w' AND Name > '0'))"), ["1"]);
}

/// A row of the oracle.
#[derive(Clone, Debug)]
struct Thing {
    text: Option<String>,
    score: Option<i64>,
    flag: bool,
    moment: i64,
}

#[derive(Clone, Debug)]
enum Filter {
    Text(&'static str, Option<String>),
    TextIn(bool, Vec<Option<String>>),
    Score(&'static str, Option<i64>),
    Flag(bool),
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
}

const COMPARE: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];

fn filter() -> impl Strategy<Value = Filter> {
    let text = || prop::option::weighted(0.8, "[aAbB]{0,2}");
    let leaf = prop_oneof![
        (prop::sample::select(COMPARE.to_vec()), text()).prop_map(|(op, value)| Filter::Text(op, value)),
        (any::<bool>(), prop::collection::vec(text(), 1..3))
            .prop_map(|(not, list)| Filter::TextIn(not, list)),
        (prop::sample::select(COMPARE.to_vec()), prop::option::weighted(0.8, -30i64..30))
            .prop_map(|(op, value)| Filter::Score(op, value)),
        any::<bool>().prop_map(Filter::Flag),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|f| Filter::Not(Box::new(f))),
        ]
    })
}

fn soql(filter: &Filter) -> String {
    let quoted = |text: &Option<String>| text.as_ref().map_or("null".to_owned(), |text| format!("'{text}'"));
    let joined = |list: &[Filter], word: &str| {
        list.iter().map(|f| format!("({})", soql(f))).collect::<Vec<_>>().join(word)
    };
    match filter {
        Filter::Text(op, value) => format!("Text__c {op} {}", quoted(value)),
        Filter::TextIn(not, list) => {
            let list: Vec<String> = list.iter().map(quoted).collect();
            format!("Text__c {} ({})", if *not { "NOT IN" } else { "IN" }, list.join(", "))
        }
        // Thousandths: half of the literals have more decimals than the column.
        Filter::Score(op, None) => format!("Score__c {op} null"),
        Filter::Score(op, Some(n)) => {
            format!("Score__c {op} {}{}.{:03}", if *n < 0 { "-" } else { "" }, n.abs() / 1000, n.abs() % 1000)
        }
        Filter::Flag(value) => format!("Flag__c = {value}"),
        Filter::And(list) => joined(list, " AND "),
        Filter::Or(list) => joined(list, " OR "),
        Filter::Not(inner) => format!("NOT ({})", soql(inner)),
    }
}

fn holds(filter: &Filter, thing: &Thing) -> bool {
    fn compare<T: Ord>(op: &str, left: Option<T>, right: Option<T>) -> bool {
        match (op, left, right) {
            ("=", left, right) => left == right,
            ("!=", left, right) => left != right,
            ("<", Some(left), Some(right)) => left < right,
            ("<=", Some(left), Some(right)) => left <= right,
            (">", Some(left), Some(right)) => left > right,
            (">=", Some(left), Some(right)) => left >= right,
            _ => false,
        }
    }
    // The empty string is no value.
    let fold =
        |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase()).filter(|text| !text.is_empty());
    match filter {
        Filter::Text(op, value) => compare(op, fold(&thing.text), fold(value)),
        Filter::TextIn(not, list) => list.iter().any(|value| fold(value) == fold(&thing.text)) != *not,
        Filter::Score(op, value) => compare(op, thing.score.map(|n| n * 10), *value),
        Filter::Flag(value) => thing.flag == *value,
        Filter::And(list) => list.iter().all(|f| holds(f, thing)),
        Filter::Or(list) => list.iter().any(|f| holds(f, thing)),
        Filter::Not(inner) => !holds(inner, thing),
    }
}

fn thing() -> impl Strategy<Value = Thing> {
    (prop::option::of("[aAbB]{1,2}"), prop::option::of(-3i64..3), any::<bool>(), 0i64..4)
        .prop_map(|(text, score, flag, moment)| Thing { text, score, flag, moment })
}

fn fill(org: &Org, things: &[Thing]) -> Vec<String> {
    org.conn.execute("DELETE FROM \"Thing__c\"", []).expect("empty");
    let put = |thing: &Thing| {
        let score = thing.score.map(|n| format!("{}0.0{}", if n < 0 { "-" } else { "" }, n.abs()));
        let moment = format!("2026-01-01T00:00:0{}Z", thing.moment);
        let mut values =
            vec![("Flag__c", if thing.flag { "true" } else { "false" }), ("SystemModstamp", moment.as_str())];
        values.extend(thing.text.as_deref().map(|text| ("Text__c", text)));
        values.extend(score.as_deref().map(|score| ("Score__c", score)));
        org.put("Thing__c", &values)
    };
    things.iter().map(put).collect()
}

#[test]
fn conditions_agree_with_the_oracle() {
    let org = Org::new();
    let config = ProptestConfig { cases: 400, ..ProptestConfig::default() };
    proptest!(config, |(things in prop::collection::vec(thing(), 0..12), filter in filter())| {
        let ids = fill(&org, &things);
        let expected: Vec<&String> =
            ids.iter().zip(&things).filter(|(_, thing)| holds(&filter, thing)).map(|(id, _)| id).collect();
        let text = format!("SELECT Id FROM Thing__c WHERE {} ORDER BY Id", soql(&filter));
        let found: Vec<Value> = org.column(&text, "Id");
        prop_assert!(found.iter().eq(expected.iter().map(|id| id.as_str())), "{} gave {:?}", text, found);
    });
}

#[test]
fn keyset_pages_agree_with_the_oracle() {
    let org = Org::new();
    let config = ProptestConfig { cases: 200, ..ProptestConfig::default() };
    proptest!(config, |(
        things in prop::collection::vec(thing(), 1..20),
        from in any::<prop::sample::Index>(),
        limit in 1usize..8,
        spelled in any::<bool>(),
    )| {
        let ids = fill(&org, &things);
        let mut keys: Vec<(i64, &String)> = things.iter().map(|t| t.moment).zip(&ids).collect();
        keys.sort();
        let (moment, id) = keys[from.index(keys.len())];
        let expected: Vec<&String> =
            keys.iter().filter(|key| **key > (moment, id)).take(limit).map(|(_, id)| *id).collect();
        let time = format!("2026-01-01T00:00:0{moment}.000Z");
        let filter = if spelled {
            format!("(SystemModstamp > {time} OR (SystemModstamp = {time} AND Id > '{id}'))")
        } else {
            format!("SystemModstamp >= {time} AND (SystemModstamp > {time} OR Id > '{id}')")
        };
        let text = format!("SELECT Id FROM Thing__c WHERE {filter} ORDER BY SystemModstamp, Id LIMIT {limit}");
        let found: Vec<Value> = org.column(&text, "Id");
        prop_assert!(found.iter().eq(expected.iter().map(|id| id.as_str())), "{} gave {:?}", text, found);
    });
}

/// A page of a keyset query must not look at the rows before it.
#[test]
fn keyset_pages_use_the_index() {
    let org = Org::new();
    let soql = "SELECT Id FROM Thing__c WHERE (SystemModstamp > 2026-01-01T00:00:00Z OR (SystemModstamp = \
                2026-01-01T00:00:00Z AND Id > 'a005e0000000001AAA')) ORDER BY SystemModstamp, Id LIMIT 200";
    let user = UserContext { user_id: USER.to_owned() };
    let prepared = prepare(&org.schema, &org.visibility, soql, false, now(), &user).expect("valid");
    let plan = prepared.rows().expect("rows");
    let mut statement = org.conn.prepare(&format!("EXPLAIN QUERY PLAN {}", plan.ids.text)).expect("plan");
    let steps: Vec<String> = statement
        .query_map(rusqlite::params_from_iter(&plan.ids.values), |row| row.get(3))
        .expect("steps")
        .collect::<Result<_, _>>()
        .expect("texts");
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert!(
        steps[0].starts_with("SEARCH t1 USING INDEX Thing__c:SystemModstamp (SystemModstamp>"),
        "{steps:?}"
    );
}

#[test]
fn long_queries_are_run_or_refused() {
    let org = Org::new();
    let id = org.put("Thing__c", &[("Name", "1")]);
    let wide = vec!["Name = '1'"; 5_000].join(" OR ");
    assert_eq!(org.names(&format!("SELECT Name FROM Thing__c WHERE {wide}")), ["1"]);
    let ids = vec![format!("'{id}'"); 4_000].join(",");
    assert_eq!(org.names(&format!("SELECT Name FROM Thing__c WHERE Id IN ({ids})")), ["1"]);
    let numbers = vec!["1"; 40_000].join(",");
    let error = org.error(&format!("SELECT Name FROM Thing__c WHERE Score__c IN ({numbers})"));
    assert_eq!(error.code, "QUERY_TOO_COMPLICATED");
}
