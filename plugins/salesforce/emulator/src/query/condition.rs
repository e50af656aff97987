//! Conditions as SQL with two truth values: a comparison with a missing value is false, and `!=` finds missing values.

use rusqlite::types::Value as Stored;

use super::functions::{encode_pattern, matches};
use super::plan::compile_subselect;
use super::resolve::Tables;
use super::sql::Sql;
use super::value::{Bound, Kind, bind, integral, values_labelled};
use crate::SalesforceError;
use crate::schema::FieldType;
use crate::soql::ast::{Comparison, Condition, Expr, Function, Operand, Operator};
use crate::soql::literal::{Literal, Value};
use crate::soql::malformed;

/// Most semi-joins of one query.
const MAX_SEMI_JOINS: usize = 2;

/// Compiles the conditions of one `WHERE` or `HAVING`.
pub(super) struct Compiler<'t, 's, 'a> {
    pub(super) tables: &'t mut Tables<'s, 'a>,
    /// `HAVING`: aggregate functions are allowed.
    pub(super) grouped: bool,
    /// Inside the right side of a semi-join.
    pub(super) nested: bool,
    pub(super) semi_joins: usize,
}

/// The left side of a comparison.
struct Left<'a> {
    sql: String,
    kind: Kind<'a>,
    name: String,
    at: usize,
}

impl<'t, 's, 'a> Compiler<'t, 's, 'a> {
    pub(super) fn new(tables: &'t mut Tables<'s, 'a>) -> Self {
        Self { tables, grouped: false, nested: false, semi_joins: 0 }
    }

    /// The condition as SQL. Under `NOT`, every comparison is made true or false.
    pub(super) fn condition(
        &mut self,
        condition: &Condition,
        under_not: bool,
        under_or: bool,
    ) -> Result<Sql, SalesforceError> {
        match condition {
            Condition::And(parts) => {
                let parts: Result<Vec<Sql>, _> =
                    parts.iter().map(|part| self.condition(part, under_not, under_or)).collect();
                Ok(Sql::joined(parts?, "AND"))
            }
            Condition::Or(parts) => {
                let compiled: Result<Vec<Sql>, _> =
                    parts.iter().map(|part| self.condition(part, under_not, true)).collect();
                let any = Sql::joined(compiled?, "OR").wrapped("(", ")");
                match shared_bound(parts) {
                    Some(bound) if !under_not => {
                        Ok(Sql::joined(vec![self.comparison(&bound, true)?, any], "AND"))
                    }
                    _ => Ok(any),
                }
            }
            Condition::Not(inner) => Ok(self.condition(inner, true, under_or)?.wrapped("NOT (", ")")),
            Condition::Compare(comparison) => {
                let sql = self.comparison(comparison, under_or)?;
                Ok(if under_not { sql.wrapped("IFNULL((", "), 0)") } else { sql.wrapped("(", ")") })
            }
        }
    }

    fn comparison(&mut self, comparison: &Comparison, under_or: bool) -> Result<Sql, SalesforceError> {
        if let Some(sql) = self.average(comparison)? {
            return Ok(sql);
        }
        let left = self.left(&comparison.left)?;
        match (&comparison.right, comparison.operator) {
            (Operand::Query(query), operator) => {
                if under_or {
                    return Err(malformed("Semi join sub-selects are not allowed with the 'OR' operator"));
                }
                if self.nested {
                    return Err(malformed("Nesting of semi join sub-selects is not supported"));
                }
                self.semi_joins += 1;
                if self.semi_joins > MAX_SEMI_JOINS {
                    return Err(malformed(format!(
                        "Maximum {MAX_SEMI_JOINS} semi join sub-selects are allowed"
                    )));
                }
                if !matches!(left.kind, Kind::Id) {
                    let message =
                        format!("Semi join sub-selects need an ID or reference field, not '{}'", left.name);
                    return Err(self.tables.scope.error("MALFORMED_QUERY", left.at, &message));
                }
                let inner = compile_subselect(self.tables.scope, self.tables.object, &left.name, query)?;
                Ok(if operator == Operator::NotIn {
                    let missing = format!("({} IS NULL OR {} NOT IN (", left.sql, left.sql);
                    inner.wrapped(&missing, "))")
                } else {
                    inner.wrapped(&format!("{} IN (", left.sql), ")")
                })
            }
            (Operand::Value(literal), Operator::Like) => self.like(&left, literal),
            (Operand::Value(literal), operator) => {
                let bound = self.bind(&left, literal)?;
                self.ordered(&left, operator, bound)
            }
            (Operand::List(list), operator @ (Operator::Includes | Operator::Excludes)) => {
                self.multi_select(&left, operator, list)
            }
            (Operand::List(list), operator) => self.listed(&left, operator, list),
        }
    }

    fn bind(&self, left: &Left<'_>, literal: &Literal) -> Result<Bound, SalesforceError> {
        bind(self.tables.scope, &left.kind, literal, &left.name, left.at)
    }

    fn left(&mut self, expr: &Expr) -> Result<Left<'a>, SalesforceError> {
        let at = expr.at();
        let column = self.tables.column(expr.field())?;
        let field = column.field;
        let name = field.name.clone();
        let scope = self.tables.scope;
        let unfilterable = || {
            scope.error(
                "INVALID_FIELD",
                at,
                &format!("field '{}' can not be filtered in a query call", field.name),
            )
        };
        let kind = Kind::of(field).ok_or_else(unfilterable)?;
        // A flag of a parent that does not exist is false.
        let outer = !column.parents.is_empty() && field.ty == FieldType::Boolean;
        let sql = if outer { format!("IFNULL({}, 0)", column.sql) } else { column.sql };
        let (sql, kind) = match expr {
            Expr::Field(_) => (sql, kind),
            Expr::Call(function, inner, _) if function.is_aggregate() && self.grouped => {
                if !field.aggregatable || !matches!(inner.as_ref(), Expr::Field(_)) {
                    return Err(no_aggregate(scope, at, &field.name, *function));
                }
                match function {
                    Function::Count => (format!("COUNT({sql})"), Kind::Number { scale: 0, name: "int" }),
                    Function::CountDistinct => {
                        (format!("COUNT(DISTINCT {sql})"), Kind::Number { scale: 0, name: "int" })
                    }
                    other => (format!("{}({sql})", other.name()), kind),
                }
            }
            Expr::Call(function, _, _)
                if function.is_date_part() && matches!(kind, Kind::Date | Kind::DateTime) =>
            {
                let sql = format!("soql_part('{}', {sql})", function.name());
                let day = *function == Function::DayOnly;
                (sql, if day { Kind::Date } else { Kind::Number { scale: 0, name: "int" } })
            }
            Expr::Call(Function::ToLabel, _, _) if !field.picklist.is_empty() => (sql, Kind::Label(field)),
            Expr::Call(Function::ToLabel | Function::ConvertCurrency | Function::ConvertTimezone, _, _) => {
                (sql, kind)
            }
            Expr::Call(function, _, _) => {
                let message =
                    format!("{} can not be used in a filter on field '{}'", function.name(), field.name);
                return Err(scope.error("MALFORMED_QUERY", at, &message));
            }
        };
        if !field.filterable && !self.grouped {
            return Err(unfilterable());
        }
        Ok(Left { sql, kind, name, at })
    }

    fn ordered(&self, left: &Left<'_>, operator: Operator, bound: Bound) -> Result<Sql, SalesforceError> {
        let sql = &left.sql;
        let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if ordered && matches!(left.kind, Kind::Boolean | Kind::MultiPicklist | Kind::Label(_)) {
            return Err(self.invalid_operator(left));
        }
        Ok(match (operator, bound) {
            (Operator::Equal, Bound::Null) => Sql::new(format!("{sql} IS NULL")),
            (Operator::NotEqual, Bound::Null) => Sql::new(format!("{sql} IS NOT NULL")),
            (_, Bound::Null) => Sql::new("0"),
            (Operator::Equal, Bound::One(value)) => Sql::bound(format!("{sql} = ?"), value),
            (Operator::NotEqual, Bound::One(value)) => Sql::bound(format!("{sql} IS NOT ?"), value),
            (operator, Bound::One(value)) => Sql::bound(format!("{sql} {} ?", operator.text()), value),
            (operator, Bound::Any(values)) => among(sql, values, operator == Operator::NotEqual),
            (Operator::Equal, Bound::Span(start, end)) => {
                Sql { text: format!("{sql} >= ? AND {sql} < ?"), values: vec![start, end] }
            }
            (Operator::NotEqual, Bound::Span(start, end)) => {
                Sql { text: format!("{sql} IS NULL OR {sql} < ? OR {sql} >= ?"), values: vec![start, end] }
            }
            (Operator::Less, Bound::Span(start, _)) => Sql::bound(format!("{sql} < ?"), start),
            (Operator::LessOrEqual, Bound::Span(_, end)) => Sql::bound(format!("{sql} < ?"), end),
            (Operator::GreaterOrEqual, Bound::Span(start, _)) => Sql::bound(format!("{sql} >= ?"), start),
            (_, Bound::Span(_, end)) => Sql::bound(format!("{sql} >= ?"), end),
            (Operator::Equal, Bound::Above(_)) => Sql::new("0"),
            (Operator::NotEqual, Bound::Above(_)) => Sql::new("1"),
            (Operator::Less | Operator::LessOrEqual, Bound::Above(below)) => {
                Sql::bound(format!("{sql} <= ?"), Stored::Integer(below))
            }
            (_, Bound::Above(below)) => Sql::bound(format!("{sql} > ?"), Stored::Integer(below)),
        })
    }

    fn like(&self, left: &Left<'_>, literal: &Literal) -> Result<Sql, SalesforceError> {
        let Value::Text(text) = &literal.value else {
            let message =
                if literal.value == Value::Null { "unexpected token: 'NULL'" } else { "invalid operator" };
            return Err(self.tables.scope.error("MALFORMED_QUERY", literal.at.0, message));
        };
        let glyphs = text.pattern();
        let pattern = encode_pattern(&glyphs);
        match &left.kind {
            Kind::Text => Ok(Sql::bound(format!("soql_like({}, ?)", left.sql), Stored::Text(pattern))),
            Kind::Label(picklist) => {
                let glyphs = super::functions::decode_pattern(&pattern);
                Ok(among(&left.sql, values_labelled(picklist, |label| matches(label, &glyphs)), false))
            }
            _ => Err(self.invalid_operator(left)),
        }
    }

    fn listed(&self, left: &Left<'_>, operator: Operator, list: &[Literal]) -> Result<Sql, SalesforceError> {
        let negated = operator == Operator::NotIn;
        let mut values = Vec::new();
        let mut spans = Vec::new();
        let mut null = false;
        for literal in list {
            match self.bind(left, literal)? {
                Bound::Null => null = true,
                Bound::One(value) => values.push(value),
                Bound::Any(more) => values.extend(more),
                Bound::Above(_) => {}
                span @ Bound::Span(..) => {
                    spans.push(self.ordered(left, Operator::Equal, span)?.wrapped("(", ")"));
                }
            }
        }
        let mut any = vec![among(&left.sql, values, false)];
        any.extend(spans);
        if null {
            any.push(Sql::new(format!("{} IS NULL", left.sql)));
        }
        let any = Sql::joined(any, "OR");
        // `IN` over a missing value is null in SQL and false here, so its negation is true.
        Ok(if negated { any.wrapped("NOT IFNULL((", "), 0)") } else { any })
    }

    fn multi_select(
        &self,
        left: &Left<'_>,
        operator: Operator,
        list: &[Literal],
    ) -> Result<Sql, SalesforceError> {
        if !matches!(left.kind, Kind::MultiPicklist) {
            return Err(self.invalid_operator(left));
        }
        let mut any = Vec::new();
        for literal in list {
            any.push(match self.bind(left, literal)? {
                Bound::One(value) => Sql::bound(format!("soql_includes({}, ?)", left.sql), value),
                _ => Sql::new(format!("{} IS NULL", left.sql)),
            });
        }
        let any = Sql::joined(any, "OR");
        Ok(if operator == Operator::Excludes { any.wrapped("NOT IFNULL((", "), 0)") } else { any })
    }

    /// `AVG(f) > 1.5` as `SUM(f) * 10 > 15 * COUNT(f)`: no float decides.
    fn average(&mut self, comparison: &Comparison) -> Result<Option<Sql>, SalesforceError> {
        let Expr::Call(Function::Avg, inner, at) = &comparison.left else { return Ok(None) };
        let column = self.tables.column(inner.field())?;
        let scope = self.tables.scope;
        let numeric = matches!(Kind::of(column.field), Some(Kind::Number { .. }));
        if !self.grouped || !numeric {
            return Err(no_aggregate(scope, at.0, &column.field.name, Function::Avg));
        }
        let number = match &comparison.right {
            Operand::Value(Literal { value: Value::Number(number) | Value::Currency(_, number), .. }) => {
                integral(number)
            }
            _ => None,
        };
        let Some((number, decimals)) = number else {
            return Err(malformed("AVG can be compared with a number of at most 18 digits"));
        };
        let by = |power: u8| 10i64.checked_pow(power.into()).unwrap_or(i64::MAX);
        // Both sides are brought to the larger of the two scales.
        let scale = if column.field.ty == FieldType::Int { 0 } else { column.field.scale };
        let (sum_by, number_by) = (by(decimals.saturating_sub(scale)), by(scale.saturating_sub(decimals)));
        let number = number.saturating_mul(number_by);
        let sql = &column.sql;
        let operator = comparison.operator.text();
        let text = format!("SUM({sql}) * {sum_by} {operator} ? * COUNT({sql})");
        Ok(Some(Sql::bound(text, Stored::Integer(number))))
    }

    fn invalid_operator(&self, left: &Left<'_>) -> SalesforceError {
        let message = format!("invalid operator on {} field", left.kind.name());
        self.tables.scope.error("INVALID_QUERY_FILTER_OPERATOR", left.at, &message)
    }
}

/// `field X does not support aggregate operator SUM`
pub(super) fn no_aggregate(
    scope: &super::resolve::Scope<'_>,
    at: usize,
    field: &str,
    function: Function,
) -> SalesforceError {
    let message = format!("field {field} does not support aggregate operator {}", function.name());
    scope.error("MALFORMED_QUERY", at, &message)
}

fn among(sql: &str, values: Vec<Stored>, negated: bool) -> Sql {
    let marks = vec!["?"; values.len()].join(",");
    let (not, missing) = if negated { ("NOT ", format!(" OR {sql} IS NULL")) } else { ("", String::new()) };
    Sql { text: format!("{sql} {not}IN ({marks}){missing}"), values }
}

/// What all branches of an `OR` agree on, as one comparison that an index can serve:
/// `f > v OR (f = v AND ..)` implies `f >= v`.
fn shared_bound(parts: &[Condition]) -> Option<Comparison> {
    let candidates = |part: &Condition| -> Vec<Comparison> {
        let list = match part {
            Condition::Compare(_) => std::slice::from_ref(part),
            Condition::And(list) => list.as_slice(),
            _ => &[],
        };
        let comparisons = list.iter().filter_map(|part| match part {
            Condition::Compare(c) if matches!(c.left, Expr::Field(_)) => Some(c.clone()),
            _ => None,
        });
        comparisons.collect()
    };
    let sides = [
        (Operator::GreaterOrEqual, [Operator::Greater, Operator::GreaterOrEqual, Operator::Equal]),
        (Operator::LessOrEqual, [Operator::Less, Operator::LessOrEqual, Operator::Equal]),
    ];
    let (first, rest) = parts.split_first()?;
    for (bound, implied_by) in sides {
        for candidate in candidates(first) {
            let agrees = |c: &&Comparison| {
                implied_by.contains(&c.operator) && c.left == candidate.left && c.right == candidate.right
            };
            let found: Option<Vec<Operator>> =
                rest.iter().map(|part| candidates(part).iter().find(agrees).map(|c| c.operator)).collect();
            let ordered =
                |list: &[Operator]| list.iter().chain([&candidate.operator]).any(|o| *o != Operator::Equal);
            if is_ordered(&candidate.right) && agrees(&&candidate) && found.is_some_and(|list| ordered(&list))
            {
                return Some(Comparison { operator: bound, ..candidate });
            }
        }
    }
    None
}

/// Whether `>=` a value is the same as `>` or `=` it.
fn is_ordered(value: &Operand) -> bool {
    match value {
        Operand::Value(literal) => match &literal.value {
            Value::Null | Value::Boolean(_) | Value::Relative(_) => false,
            Value::Text(text) => !text.value.is_empty(),
            _ => true,
        },
        _ => false,
    }
}
