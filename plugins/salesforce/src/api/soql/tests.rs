use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn text(soql: &Soql) -> String {
    soql.text().unwrap()
}

#[test]
fn a_whole_query() {
    let soql = Soql::select("Contact")
        .fields(["Id", "Owner.Name", "ns__Rating__c"])
        .child("EventWhoRelations", ["RelationId", "IsDeleted"])
        .filter(Condition::and([
            Condition::ge("SystemModstamp", Literal::DateTime("2026-11-22T10:11:12.5Z".parse().unwrap())),
            Condition::or([
                Condition::gt("Id", Literal::id("003ak00000luKU1AAM")),
                Condition::and([
                    Condition::eq("Birthdate", Literal::Date(date(1970, 1, 2))),
                    Condition::ne("Email", Literal::Null),
                ]),
            ]),
            Condition::not(Condition::in_("Title", [Literal::text("a'b"), Literal::text("c")])),
        ]))
        .order_by([Order::ascending("SystemModstamp"), Order::ascending("Id")])
        .limit(200);
    assert_eq!(
        text(&soql),
        "SELECT Id,Owner.Name,ns__Rating__c,(SELECT RelationId,IsDeleted FROM EventWhoRelations) FROM Contact \
         WHERE SystemModstamp >= 2026-11-22T10:11:12.500Z AND (Id > '003ak00000luKU1AAM' OR (Birthdate = 1970-01-02 AND Email != null)) \
         AND (NOT (Title IN ('a\\'b','c'))) ORDER BY SystemModstamp ASC,Id ASC LIMIT 200"
    );
}

#[test]
fn counts_numbers_and_patterns() {
    let soql = Soql::count("Opportunity")
        .filter(Condition::lt("Amount", Literal::Number("12345678901234567.89".parse().unwrap())))
        .filter(Condition::contains("Name", r"50%_\"))
        .filter(Condition::eq("IsDeleted", Literal::Bool(false)));
    assert_eq!(
        text(&soql),
        r"SELECT COUNT() FROM Opportunity WHERE (Amount < 12345678901234567.89 AND Name LIKE '%50\%\_\\%') AND IsDeleted = false"
    );
}

#[test]
fn texts_in_order_have_wildcards_around_them_alone() {
    let texts = ["5", "50%", "'"].map(str::to_owned).to_vec();
    let soql = Soql::select("Lead").fields(["Id"]).filter(Condition::in_order("Phone", texts));
    assert_eq!(text(&soql), r"SELECT Id FROM Lead WHERE Phone LIKE '%5%50\%%\'%'");
}

#[test]
fn empty_lists_and_groups_keep_their_meaning() {
    let filtered = |condition| text(&Soql::select("Task").fields(["Id"]).filter(condition));
    let plain = "SELECT Id FROM Task";
    let never = "SELECT Id FROM Task WHERE Id = null";
    let one = || Condition::eq("Subject", Literal::text("x"));
    assert_eq!(filtered(Condition::and([])), plain);
    assert_eq!(filtered(Condition::or([])), never);
    assert_eq!(filtered(Condition::in_("Id", [])), never);
    assert_eq!(filtered(Condition::not_in("Id", [])), plain);
    assert_eq!(filtered(Condition::not(Condition::in_("Id", []))), plain);
    assert_eq!(filtered(Condition::and([one(), Condition::or([])])), never);
    assert_eq!(filtered(Condition::and([one(), Condition::and([])])), format!("{plain} WHERE Subject = 'x'"));
    assert_eq!(
        filtered(Condition::or([one(), Condition::in_("Id", [])])),
        format!("{plain} WHERE Subject = 'x'")
    );
}

#[test]
fn names_are_checked_everywhere() {
    let bad = "Id FROM User --";
    for soql in [
        Soql::select(bad).fields(["Id"]),
        Soql::select("User").fields([bad]),
        Soql::select("User").fields(["Id"]).child(bad, ["Id"]),
        Soql::select("User").fields(["Id"]).child("Tasks", [bad]),
        Soql::select("User").fields(["Id"]).child("Tasks", [""; 0]),
        Soql::select("User").fields(["Id"]).filter(Condition::eq(bad, Literal::Null)),
        Soql::select("User").fields(["Id"]).filter(Condition::in_(bad, [Literal::Null])),
        Soql::select("User").fields(["Id"]).filter(Condition::contains(bad, "x")),
        Soql::select("User").fields(["Id"]).filter(Condition::in_order(bad, vec![])),
        Soql::select("User").fields(["Id"]).order_by([Order::ascending(bad)]),
        Soql::select("User").fields(["a.b.c.d.e.f.g"]),
        Soql::select("User").fields(["a..b"]),
        Soql::select("User"),
        Soql::select("User").fields(["Id"]).filter(Condition::eq("Id", Literal::id("005' OR Name != '"))),
    ] {
        assert!(matches!(soql.text(), Err(Fault::Query(_))), "{soql:?}");
    }
}

#[test]
fn a_query_that_salesforce_would_not_take_is_not_sent() {
    let ids = |count| (0..count).map(|at: u32| Literal::id(format!("003{at:012}")));
    let soql = |count| Soql::select("Contact").fields(["Id"]).filter(Condition::in_("Id", ids(count)));
    assert!(soql(5_000).text().is_ok());
    let error = soql(6_000).text().unwrap_err();
    assert!(error.to_string().contains("100000"), "{error}");
}

/// Reads a quoted literal as the documentation of SOQL describes it; what is left is what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut out = String::new();
    loop {
        let mut chars = rest.chars();
        let c = chars.next()?;
        rest = chars.as_str();
        match c {
            '\'' => return Some((out, rest)),
            '\\' => {
                let c = chars.next()?;
                rest = chars.as_str();
                out.push(match c {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    '\'' | '"' | '\\' | '%' | '_' => c,
                    'u' => {
                        let code = u32::from_str_radix(rest.get(..4)?, 16).ok()?;
                        rest = &rest[4..];
                        char::from_u32(code)?
                    }
                    _ => return None,
                });
            }
            c => out.push(c),
        }
    }
}

proptest! {
    #[test]
    fn any_text_survives_as_a_literal(value in any::<String>(), pattern in any::<String>()) {
        let soql = Soql::select("Lead").fields(["Id"]).filter(Condition::and([
            Condition::eq("Company", Literal::text(value.as_str())),
            Condition::starts_with("Title", pattern.as_str()),
        ]));
        let text = text(&soql);
        let rest = text.strip_prefix("SELECT Id FROM Lead WHERE Company = ").unwrap();
        let (read, rest) = unquoted(rest).expect("a literal");
        prop_assert_eq!(read, value);
        let (read, rest) = unquoted(rest.strip_prefix(" AND Title LIKE ").unwrap()).expect("a pattern");
        prop_assert_eq!(read, format!("{pattern}%"));
        prop_assert_eq!(rest, "");
    }

    #[test]
    fn a_pattern_has_no_wildcards_of_the_text(pattern in "[%_\\\\'a]{0,20}") {
        let soql = Soql::select("Lead").fields(["Id"]).filter(Condition::contains("Title", pattern));
        let text = text(&soql);
        let inner = text.split_once(" LIKE '%").unwrap().1.strip_suffix("%'").unwrap();
        let mut escaped = false;
        for c in inner.chars() {
            prop_assert!(escaped || !matches!(c, '%' | '_' | '\''), "{}", inner);
            escaped = c == '\\' && !escaped;
        }
        prop_assert!(!escaped);
    }

    #[test]
    fn no_name_that_is_accepted_can_end_the_query(name in any::<String>()) {
        if checked_name(&name).is_ok() {
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        }
    }
}
