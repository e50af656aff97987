//! A syntax tree as SOQL text. Parsing the text gives the same tree.

use std::fmt::{Display, Formatter, Result};

use super::ast::{
    Comparison, Condition, Expr, FieldPath, FieldSet, Operand, OrderItem, Purpose, Query, SelectItem, TypeOf,
    With,
};
use super::literal::{Literal, Value};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("SELECT ")?;
        list(f, &self.select)?;
        write!(f, " FROM {}", self.from)?;
        if let Some(alias) = &self.alias {
            write!(f, " {alias}")?;
        }
        for (path, alias) in &self.joins {
            write!(f, ", {path}")?;
            if let Some(alias) = alias {
                write!(f, " {alias}")?;
            }
        }
        if let Some(scope) = &self.scope {
            write!(f, " USING SCOPE {scope}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        if let Some(with) = self.with {
            f.write_str(match with {
                With::SecurityEnforced => " WITH SECURITY_ENFORCED",
                With::UserMode => " WITH USER_MODE",
                With::SystemMode => " WITH SYSTEM_MODE",
            })?;
        }
        if !self.group_by.is_empty() {
            f.write_str(" GROUP BY ")?;
            list(f, &self.group_by)?;
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        if !self.order_by.is_empty() {
            f.write_str(" ORDER BY ")?;
            list(f, &self.order_by)?;
        }
        if let Some(limit) = self.limit {
            write!(f, " LIMIT {limit}")?;
        }
        if let Some((offset, _)) = self.offset {
            write!(f, " OFFSET {offset}")?;
        }
        for purpose in &self.purpose {
            f.write_str(match purpose {
                Purpose::View => " FOR VIEW",
                Purpose::Reference => " FOR REFERENCE",
                Purpose::Lock => " FOR UPDATE",
                Purpose::Tracking => " UPDATE TRACKING",
                Purpose::Viewstat => " UPDATE VIEWSTAT",
            })?;
        }
        if self.all_rows {
            f.write_str(" ALL ROWS")?;
        }
        Ok(())
    }
}

fn list<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

impl Display for SelectItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Expr(expr, None) => write!(f, "{expr}"),
            Self::Expr(expr, Some(alias)) => write!(f, "{expr} {alias}"),
            Self::Count(_) => f.write_str("COUNT()"),
            Self::Fields(set, _) => f.write_str(match set {
                FieldSet::All => "FIELDS(ALL)",
                FieldSet::Standard => "FIELDS(STANDARD)",
                FieldSet::Custom => "FIELDS(CUSTOM)",
            }),
            Self::Query(query) => write!(f, "({query})"),
            Self::TypeOf(type_of) => write!(f, "{type_of}"),
        }
    }
}

impl Display for TypeOf {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "TYPEOF {}", self.path)?;
        for (object, fields) in &self.when {
            write!(f, " WHEN {object} THEN ")?;
            list(f, fields)?;
        }
        if !self.otherwise.is_empty() {
            f.write_str(" ELSE ")?;
            list(f, &self.otherwise)?;
        }
        f.write_str(" END")
    }
}

impl Display for FieldPath {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.parts.join("."))
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Field(path) => write!(f, "{path}"),
            Self::Call(function, inner, _) => write!(f, "{}({inner})", function.name()),
        }
    }
}

impl Display for OrderItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}{}", self.expr, if self.descending { " DESC" } else { " ASC" })?;
        match self.nulls_last {
            None => Ok(()),
            Some(false) => f.write_str(" NULLS FIRST"),
            Some(true) => f.write_str(" NULLS LAST"),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::And(parts) => joined(f, parts, " AND "),
            Self::Or(parts) => joined(f, parts, " OR "),
            Self::Not(inner) => match inner.as_ref() {
                Self::Compare(comparison) => write!(f, "NOT {comparison}"),
                other => write!(f, "NOT ({other})"),
            },
            Self::Compare(comparison) => write!(f, "{comparison}"),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[Condition], separator: &str) -> Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        match part {
            Condition::And(_) | Condition::Or(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {} ", self.left, self.operator.text())?;
        match &self.right {
            Operand::Value(value) => write!(f, "{value}"),
            Operand::List(values) => {
                f.write_str("(")?;
                list(f, values)?;
                f.write_str(")")
            }
            Operand::Query(query) => write!(f, "({query})"),
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match &self.value {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Number(number) => f.write_str(number),
            Value::Text(text) => f.write_str(&text.quote()),
            Value::Date(date) => write!(f, "{date}"),
            Value::DateTime(at) => write!(f, "{at}"),
            Value::Time(time) => write!(f, "{time}Z"),
            Value::Relative(literal) => write!(f, "{literal}"),
            Value::Currency(code, amount) => write!(f, "{code}{amount}"),
        }
    }
}
