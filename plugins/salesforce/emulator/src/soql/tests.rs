//! The printer and the parser agree; nothing makes the parser panic; messages are Salesforce's.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use proptest::prelude::*;

use super::ast::*;
use super::literal::{DateLiteral, Glyph, Literal, Text, Unit, Value};
use super::parse;

fn name() -> impl Strategy<Value = String> {
    const TAKEN: [&str; 12] =
        ["and", "or", "not", "in", "asc", "desc", "for", "all", "as", "end", "by", "on"];
    "[A-Z][a-z]{1,6}(_[a-z]{1,4})?(__c|__r)?".prop_filter("keyword", |word| {
        let upper = word.to_ascii_uppercase();
        !TAKEN.contains(&word.to_ascii_lowercase().as_str())
            && ![
                "FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "LIKE", "USING", "WITH", "NULL",
                "NULLS", "LAST",
            ]
            .contains(&upper.as_str())
            && !["FIRST", "HAVING", "UPDATE", "SELECT", "TYPEOF", "WHEN", "THEN", "ELSE"]
                .contains(&upper.as_str())
    })
}

fn path() -> impl Strategy<Value = FieldPath> {
    prop::collection::vec(name(), 1..4).prop_map(|parts| FieldPath { parts, at: At(0) })
}

fn plain_function() -> impl Strategy<Value = Function> {
    prop::sample::select(FUNCTIONS.iter().map(|(function, _)| *function).collect::<Vec<_>>())
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = path().prop_map(Expr::Field);
    leaf.prop_recursive(2, 4, 1, |inner| {
        (plain_function(), inner).prop_map(|(f, inner)| Expr::Call(f, Box::new(inner), At(0)))
    })
}

fn text() -> impl Strategy<Value = Text> {
    any::<String>().prop_flat_map(|value| {
        let wild: Vec<usize> =
            value.char_indices().filter(|(_, c)| matches!(c, '%' | '_')).map(|(at, _)| at).collect();
        let count = wild.len();
        (Just(value), prop::sample::subsequence(wild, 0..=count))
            .prop_map(|(value, escaped)| Text { value, escaped })
    })
}

fn date() -> impl Strategy<Value = Date> {
    (1700i16..4000, 1i8..=12, 1i8..=28).prop_map(|(y, m, d)| Date::new(y, m, d).expect("valid"))
}

fn unit() -> impl Strategy<Value = Unit> {
    prop::sample::select(vec![
        Unit::Week,
        Unit::Month,
        Unit::Quarter,
        Unit::Year,
        Unit::FiscalQuarter,
        Unit::FiscalYear,
    ])
}

fn relative() -> impl Strategy<Value = DateLiteral> {
    prop_oneof![
        Just(DateLiteral::Yesterday),
        Just(DateLiteral::Today),
        Just(DateLiteral::Tomorrow),
        Just(DateLiteral::Last90Days),
        Just(DateLiteral::Next90Days),
        unit().prop_map(DateLiteral::Last),
        unit().prop_map(DateLiteral::This),
        unit().prop_map(DateLiteral::Next),
        (unit(), any::<u32>()).prop_map(|(u, n)| DateLiteral::LastN(u, n)),
        (Just(Unit::Day), any::<u32>()).prop_map(|(u, n)| DateLiteral::NextN(u, n)),
        (unit(), any::<u32>()).prop_map(|(u, n)| DateLiteral::Ago(u, n)),
    ]
}

fn literal() -> impl Strategy<Value = Literal> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        "[-+]?[0-9]{1,18}(\\.[0-9]{1,8})?".prop_map(Value::Number),
        text().prop_map(Value::Text),
        date().prop_map(Value::Date),
        (-8_000_000_000_000i64..60_000_000_000_000)
            .prop_map(|ms| { Value::DateTime(Timestamp::from_millisecond(ms).expect("in range")) }),
        (0i8..24, 0i8..60, 0i8..60, 0i32..1000)
            .prop_map(|(h, m, s, ms)| Value::Time(Time::new(h, m, s, ms * 1_000_000).expect("valid"))),
        relative().prop_map(Value::Relative),
        ("[A-Z]{3}", "-?[0-9]{1,9}(\\.[0-9]{1,2})?").prop_map(|(code, amount)| Value::Currency(code, amount)),
    ];
    value.prop_map(|value| Literal { value, at: At(0) })
}

fn comparison() -> impl Strategy<Value = Condition> {
    use Operator as O;
    let simple = (
        expr(),
        prop::sample::select(vec![
            O::Equal,
            O::NotEqual,
            O::Less,
            O::LessOrEqual,
            O::Greater,
            O::GreaterOrEqual,
            O::Like,
        ]),
        literal().prop_map(Operand::Value),
    );
    let listed = (
        expr(),
        prop::sample::select(vec![O::In, O::NotIn, O::Includes, O::Excludes]),
        prop::collection::vec(literal(), 1..4).prop_map(Operand::List),
    );
    let joined = (expr(), prop::sample::select(vec![O::In, O::NotIn]), path(), path()).prop_map(
        |(left, op, f, from)| {
            (left, op, Operand::Query(Box::new(bare(vec![SelectItem::Expr(Expr::Field(f), None)], from))))
        },
    );
    prop_oneof![simple, listed, joined]
        .prop_map(|(left, operator, right)| Condition::Compare(Comparison { left, operator, right }))
}

fn condition() -> impl Strategy<Value = Condition> {
    comparison().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Condition::Or),
            inner.prop_map(|c| Condition::Not(Box::new(c))),
        ]
    })
}

fn bare(select: Vec<SelectItem>, from: FieldPath) -> Query {
    Query {
        select,
        from,
        alias: None,
        joins: Vec::new(),
        scope: None,
        filter: None,
        with: None,
        group_by: Vec::new(),
        having: None,
        order_by: Vec::new(),
        limit: None,
        offset: None,
        purpose: Vec::new(),
        all_rows: false,
    }
}

fn select_item() -> impl Strategy<Value = SelectItem> {
    prop_oneof![
        6 => (expr(), prop::option::of(name())).prop_map(|(e, a)| SelectItem::Expr(e, a)),
        1 => Just(SelectItem::Count(At(0))),
        1 => prop::sample::select(vec![FieldSet::All, FieldSet::Standard, FieldSet::Custom])
            .prop_map(|set| SelectItem::Fields(set, At(0))),
        1 => (path(), path(), prop::option::of(condition())).prop_map(|(f, from, filter)| {
            SelectItem::Query(Box::new(Query { filter, ..bare(vec![SelectItem::Expr(Expr::Field(f), None)], from) }))
        }),
        1 => (
            path(),
            prop::collection::vec((path(), prop::collection::vec(path(), 1..3)), 1..3),
            prop::collection::vec(path(), 0..3)
        )
            .prop_map(|(path, when, otherwise)| SelectItem::TypeOf(TypeOf { path, when, otherwise })),
    ]
}

fn order_item() -> impl Strategy<Value = OrderItem> {
    (expr(), any::<bool>(), prop::option::of(any::<bool>()))
        .prop_map(|(expr, descending, nulls_last)| OrderItem { expr, descending, nulls_last })
}

fn query() -> impl Strategy<Value = Query> {
    let head = (
        prop::collection::vec(select_item(), 1..5),
        path(),
        prop::option::of(name()),
        prop::collection::vec((path(), prop::option::of(name())), 0..2),
        prop::option::of(name()),
        prop::option::of(condition()),
        prop::option::of(prop::sample::select(vec![
            With::SecurityEnforced,
            With::UserMode,
            With::SystemMode,
        ])),
    );
    let tail = (
        prop::collection::vec(expr(), 0..3),
        prop::option::of(condition()),
        prop::collection::vec(order_item(), 0..3),
        prop::option::of(0u64..1_000_000),
        prop::option::of(0u64..3_000),
        prop::collection::vec(
            prop::sample::select(vec![
                Purpose::View,
                Purpose::Reference,
                Purpose::Lock,
                Purpose::Tracking,
                Purpose::Viewstat,
            ]),
            0..2,
        ),
    );
    (head, tail).prop_map(
        |(
            (select, from, alias, joins, scope, filter, with),
            (group_by, having, order_by, limit, offset, purpose),
        )| {
            let having = having.filter(|_| !group_by.is_empty());
            Query {
                select,
                from,
                alias,
                joins,
                scope,
                filter,
                with,
                group_by,
                having,
                order_by,
                limit,
                offset: offset.map(|n| (n, At(0))),
                purpose,
                all_rows: false,
            }
        },
    )
}

proptest! {
    #[test]
    fn a_printed_query_parses_to_itself(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(parse(&text), Ok(query), "{}", text);
    }

    #[test]
    fn keywords_are_free_of_case(query in query()) {
        // Letters of names, strings and literals keep their case; only keywords that stand alone are folded.
        let text = query.to_string();
        let folded = text.replacen("SELECT", "sElEcT", 1).replace(" FROM ", " from ").replace(" WHERE ", "\nwhere\t");
        prop_assume!(!text.contains('\''));
        prop_assert_eq!(parse(&folded), Ok(query));
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let answer = parse(&text);
        prop_assert!(answer.is_ok() || answer.is_err_and(|e| e.status == 400 && !e.message.is_empty()));
    }

    #[test]
    fn any_mutation_of_a_query_is_answered(query in query(), cut in any::<prop::sample::Index>(), insert in any::<String>()) {
        let text: Vec<char> = query.to_string().chars().collect();
        let at = cut.index(text.len());
        let (head, tail): (String, String) = (text[..at].iter().collect(), text[at..].iter().collect());
        for mutant in [head.clone(), tail.clone(), format!("{head}{insert}{tail}"), format!("{tail}{head}")] {
            let answer = parse(&mutant);
            prop_assert!(answer.is_ok() || answer.is_err_and(|e| e.status == 400 && !e.message.is_empty()));
        }
    }

    #[test]
    fn every_string_survives_quoting(text in text()) {
        let quoted = text.quote();
        prop_assert_eq!(Text::unescape(&quoted[1..quoted.len() - 1]), Ok(text));
    }
}

fn message(soql: &str) -> String {
    parse(soql).expect_err("refused").message
}

#[test]
fn errors_show_the_place() {
    assert_eq!(
        message("SELECT Id FROM Account WHERE"),
        "\nSELECT Id FROM Account WHERE\n                            ^\nERROR at Row:1:Column:29\nunexpected token: '<EOF>'"
    );
    assert_eq!(message("SELEKT Name FROM Account"), "unexpected token: SELEKT");
    assert_eq!(message(""), "unexpected token: '<EOF>'");
    assert!(message("SELECT FROM Account").ends_with("Column:1\nunexpected token: 'SELECT FROM'"));
    assert!(message("SELECT Id, FROM Bar__c").ends_with("Column:12\nunexpected token: 'FROM'"));
    assert!(message("SELECT Id FROM Account USING everything").ends_with("unexpected token: 'everything'"));
    assert!(message("SELECT Id FROM A WHERE x = :y").ends_with("Bind variables only allowed in Apex code"));
    assert!(message("SELECT Id FROM A WHERE x = 1 AND y = 2 OR z = 3").ends_with("unexpected token: 'OR'"));
    assert!(message("SELECT Id FROM A WHERE x = 1 OR y = 2 AND z = 3").ends_with("unexpected token: 'AND'"));
    assert!(message("SELECT Id FROM A WHERE x = 'it's'").ends_with("unexpected token: 's'"));
    assert!(
        message("SELECT Id FROM A WHERE x > 2020-12-12t12:12:00-25:00")
            .ends_with("Invalid datetime: 2020-12-12t12:12:00-25:00")
    );
    assert_eq!(message("SELECT Id FROM A ALL ROWS"), "ALL ROWS not allowed in this context");
    assert!(
        message("SELECT Id\nFROM A\nWHERE = 1").contains("\nWHERE = 1\n      ^\nERROR at Row:3:Column:7\n")
    );
}

/// The window is cut as in messages quoted by others: about thirty characters each way, whole words.
#[test]
fn the_window_is_cut_as_recorded() {
    let at =
        |text: &str, word: &str| super::error_at("X", text, text.find(word).expect("there"), "m").message;
    let soql = "SELECT Id,Name,BillingCity,IsDeleted FROM Accout";
    assert_eq!(
        at(soql, "Accout"),
        "\nName,BillingCity,IsDeleted FROM Accout\n                                ^\nERROR at Row:1:Column:43\nm"
    );
    let soql = "select Id, Company,Email,LastName,SF_date__c, ConvertedContactId from Lead";
    assert_eq!(
        at(soql, "SF_date__c"),
        "\nselect Id, Company,Email,LastName,SF_date__c, ConvertedContactId from\n                                  ^\nERROR at Row:1:Column:35\nm"
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("SELECT Id FROM A WHERE {}x = 1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(parse(&deep).expect_err("too deep").code, "QUERY_TOO_COMPLICATED");
    let long = format!("SELECT Id FROM A WHERE x = '{}'", "y".repeat(100_000));
    assert_eq!(parse(&long).expect_err("too long").code, "MALFORMED_QUERY");
    let wide = vec!["x = 1"; 8_000].join(" OR ");
    assert!(parse(&format!("SELECT Id FROM A WHERE {wide}")).is_ok());
}

#[test]
fn like_patterns_keep_escaped_wildcards() {
    let text = Text::unescape(r"50\%_a%").expect("valid");
    use Glyph::{Char, Many, One};
    assert_eq!(text.pattern(), vec![Char('5'), Char('0'), Char('%'), One, Char('a'), Many]);
    assert_eq!(Text::unescape(r"\u00e9\ud83d\ude00").map(|t| t.value), Ok("é😀".to_owned()));
    assert_eq!(Text::unescape(r"\d"), Err("\\d".to_owned()));
}
