//! The syntax tree of a SOQL query.

use super::literal::Literal;

/// A byte offset in the source, for error messages. Two offsets always compare equal, so that trees compare by meaning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct At(pub(crate) usize);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for At {}

/// A query, a child sub-query or the right side of a semi-join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) select: Vec<SelectItem>,
    pub(crate) from: FieldPath,
    pub(crate) alias: Option<String>,
    /// `FROM Contact c, c.Account a`: further names for parents.
    pub(crate) joins: Vec<(FieldPath, Option<String>)>,
    pub(crate) scope: Option<String>,
    pub(crate) filter: Option<Condition>,
    pub(crate) with: Option<With>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Condition>,
    pub(crate) order_by: Vec<OrderItem>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<(u64, At)>,
    pub(crate) purpose: Vec<Purpose>,
    pub(crate) all_rows: bool,
}

/// One entry of the select list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SelectItem {
    /// A field or function, with its alias.
    Expr(Expr, Option<String>),
    /// `COUNT()`.
    Count(At),
    /// `FIELDS(ALL)` and its kin.
    Fields(FieldSet, At),
    /// `(SELECT .. FROM Contacts)`.
    Query(Box<Query>),
    /// `TYPEOF What WHEN .. END`.
    TypeOf(TypeOf),
}

/// Names joined by dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath {
    /// At least one name.
    pub(crate) parts: Vec<String>,
    pub(crate) at: At,
}

/// A field, or a function of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    Field(FieldPath),
    Call(Function, Box<Expr>, At),
}

impl Expr {
    /// Where the expression begins.
    pub(crate) fn at(&self) -> usize {
        match self {
            Self::Field(path) => path.at.0,
            Self::Call(_, _, at) => at.0,
        }
    }

    /// The field inside all functions.
    pub(crate) fn field(&self) -> &FieldPath {
        match self {
            Self::Field(path) => path,
            Self::Call(_, inner, _) => inner.field(),
        }
    }

    /// The outermost aggregate function, if there is one.
    pub(crate) fn aggregate(&self) -> Option<Function> {
        match self {
            Self::Field(_) => None,
            Self::Call(function, _, _) if function.is_aggregate() => Some(*function),
            Self::Call(_, inner, _) => inner.aggregate(),
        }
    }
}

/// `TYPEOF`: fields by the type of a polymorphic parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeOf {
    pub(crate) path: FieldPath,
    pub(crate) when: Vec<(FieldPath, Vec<FieldPath>)>,
    pub(crate) otherwise: Vec<FieldPath>,
}

/// The argument of `FIELDS()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldSet {
    All,
    Standard,
    Custom,
}

/// Access mode after `WITH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum With {
    SecurityEnforced,
    UserMode,
    SystemMode,
}

/// What follows `FOR` or `UPDATE` at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    View,
    Reference,
    Lock,
    Tracking,
    Viewstat,
}

/// One entry of `ORDER BY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderItem {
    pub(crate) expr: Expr,
    pub(crate) descending: bool,
    /// `None`: not said, which Salesforce takes as first in both directions.
    pub(crate) nulls_last: Option<bool>,
}

/// A condition of `WHERE` or `HAVING`. `And` and `Or` hold two or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Comparison),
}

/// `field operator value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) left: Expr,
    pub(crate) operator: Operator,
    pub(crate) right: Operand,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
    In,
    NotIn,
    Includes,
    Excludes,
}

impl Operator {
    /// The operator as written.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Like => "LIKE",
            Self::In => "IN",
            Self::NotIn => "NOT IN",
            Self::Includes => "INCLUDES",
            Self::Excludes => "EXCLUDES",
        }
    }
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Value(Literal),
    List(Vec<Literal>),
    Query(Box<Query>),
}

/// Functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
    ToLabel,
    Format,
    ConvertCurrency,
    ConvertTimezone,
    CalendarMonth,
    CalendarQuarter,
    CalendarYear,
    DayInMonth,
    DayInWeek,
    DayInYear,
    DayOnly,
    FiscalMonth,
    FiscalQuarter,
    FiscalYear,
    HourInDay,
    WeekInMonth,
    WeekInYear,
}

/// Every function with its name.
pub(crate) const FUNCTIONS: [(Function, &str); 23] = [
    (Function::Count, "COUNT"),
    (Function::CountDistinct, "COUNT_DISTINCT"),
    (Function::Sum, "SUM"),
    (Function::Avg, "AVG"),
    (Function::Min, "MIN"),
    (Function::Max, "MAX"),
    (Function::ToLabel, "toLabel"),
    (Function::Format, "FORMAT"),
    (Function::ConvertCurrency, "convertCurrency"),
    (Function::ConvertTimezone, "convertTimezone"),
    (Function::CalendarMonth, "CALENDAR_MONTH"),
    (Function::CalendarQuarter, "CALENDAR_QUARTER"),
    (Function::CalendarYear, "CALENDAR_YEAR"),
    (Function::DayInMonth, "DAY_IN_MONTH"),
    (Function::DayInWeek, "DAY_IN_WEEK"),
    (Function::DayInYear, "DAY_IN_YEAR"),
    (Function::DayOnly, "DAY_ONLY"),
    (Function::FiscalMonth, "FISCAL_MONTH"),
    (Function::FiscalQuarter, "FISCAL_QUARTER"),
    (Function::FiscalYear, "FISCAL_YEAR"),
    (Function::HourInDay, "HOUR_IN_DAY"),
    (Function::WeekInMonth, "WEEK_IN_MONTH"),
    (Function::WeekInYear, "WEEK_IN_YEAR"),
];

impl Function {
    /// The function of that name, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(function, _)| *function)
    }

    /// The function's name.
    pub(crate) fn name(self) -> &'static str {
        FUNCTIONS.iter().find(|(function, _)| *function == self).map_or("", |(_, name)| name)
    }

    /// Does it fold many rows into one value?
    pub(crate) fn is_aggregate(self) -> bool {
        matches!(self, Self::Count | Self::CountDistinct | Self::Sum | Self::Avg | Self::Min | Self::Max)
    }

    /// Does it take a part out of a date?
    pub(crate) fn is_date_part(self) -> bool {
        !self.is_aggregate()
            && !matches!(self, Self::ToLabel | Self::Format | Self::ConvertCurrency | Self::ConvertTimezone)
    }
}
