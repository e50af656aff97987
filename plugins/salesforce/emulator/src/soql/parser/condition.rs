//! Conditions, operators and literals.

use super::super::ast::{At, Comparison, Condition, Operand, Operator};
use super::super::lexer::Kind;
use super::super::literal::{DateLiteral, DateWord, Literal, Text, Value, currency, temporal};
use super::{Parsed, Parser};

/// Longest string literal, in characters.
const MAX_TEXT: usize = 4_000;

impl Parser<'_> {
    /// `a AND b AND c`, or `a OR b`; a mixture needs parentheses.
    pub(super) fn condition(&mut self) -> Parsed<Condition> {
        let first = self.deeper(Self::primary)?;
        let conjunction = self.is_word("AND");
        if !conjunction && !self.is_word("OR") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_word(if conjunction { "AND" } else { "OR" }) {
            parts.push(self.deeper(Self::primary)?);
        }
        if self.is_word("AND") || self.is_word("OR") {
            return Err(self.unexpected());
        }
        Ok(if conjunction { Condition::And(parts) } else { Condition::Or(parts) })
    }

    fn primary(&mut self) -> Parsed<Condition> {
        if self.take_word("NOT") {
            let inner = self.deeper(Self::primary)?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.take_symbol("(") {
            let inner = self.condition()?;
            self.symbol(")")?;
            return Ok(inner);
        }
        self.comparison().map(Condition::Compare)
    }

    fn comparison(&mut self) -> Parsed<Comparison> {
        let left = self.expression()?;
        let operator = self.operator()?;
        let right = match operator {
            Operator::In | Operator::NotIn => self.set()?,
            Operator::Includes | Operator::Excludes => self.list().map(Operand::List)?,
            _ => self.literal().map(Operand::Value)?,
        };
        Ok(Comparison { left, operator, right })
    }

    fn operator(&mut self) -> Parsed<Operator> {
        let token = self.peek();
        let operator = match token.kind {
            Kind::Symbol => match self.text(token) {
                "=" => Some(Operator::Equal),
                "!=" | "<>" => Some(Operator::NotEqual),
                "<" => Some(Operator::Less),
                "<=" => Some(Operator::LessOrEqual),
                ">" => Some(Operator::Greater),
                ">=" => Some(Operator::GreaterOrEqual),
                _ => None,
            },
            Kind::Word => match self.peek_upper().as_str() {
                "LIKE" => Some(Operator::Like),
                "IN" => Some(Operator::In),
                "INCLUDES" => Some(Operator::Includes),
                "EXCLUDES" => Some(Operator::Excludes),
                "NOT" => {
                    self.next();
                    if !self.is_word("IN") {
                        return Err(self.unexpected());
                    }
                    Some(Operator::NotIn)
                }
                _ => None,
            },
            _ => None,
        };
        let operator = operator.ok_or_else(|| self.unexpected())?;
        self.next();
        Ok(operator)
    }

    /// The right side of `IN`: values or a sub-select.
    fn set(&mut self) -> Parsed<Operand> {
        self.no_bind()?;
        let ahead = self.ahead(1);
        if self.is_symbol("(") && ahead.kind == Kind::Word && self.text(ahead).eq_ignore_ascii_case("SELECT")
        {
            self.next();
            let query = self.query()?;
            self.symbol(")")?;
            return Ok(Operand::Query(Box::new(query)));
        }
        self.list().map(Operand::List)
    }

    fn list(&mut self) -> Parsed<Vec<Literal>> {
        self.no_bind()?;
        self.symbol("(")?;
        let mut values = vec![self.literal()?];
        while self.take_symbol(",") {
            values.push(self.literal()?);
        }
        self.symbol(")")?;
        Ok(values)
    }

    fn literal(&mut self) -> Parsed<Literal> {
        self.no_bind()?;
        let token = self.peek();
        let raw = self.text(token);
        let value = match token.kind {
            Kind::Text => self.string(raw)?,
            Kind::Number => Value::Number(raw.to_owned()),
            Kind::Temporal => temporal(raw).map_err(|message| self.error_here(&message))?,
            Kind::Word => return self.word_literal(),
            _ => return Err(self.unexpected()),
        };
        self.next();
        Ok(Literal { value, at: At(token.start) })
    }

    fn string(&self, raw: &str) -> Parsed<Value> {
        let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or_default();
        let text = Text::unescape(inner).map_err(|sequence| {
            self.error_here(&format!(
                "Invalid string literal '{inner}'. Illegal character sequence '{sequence}' in string literal."
            ))
        })?;
        if text.value.chars().count() > MAX_TEXT {
            return Err(
                self.error_here(&format!("String literals cannot be longer than {MAX_TEXT} characters."))
            );
        }
        Ok(Value::Text(text))
    }

    /// `null`, `true`, `TODAY`, `LAST_N_DAYS:7` or `USD500`.
    fn word_literal(&mut self) -> Parsed<Literal> {
        let token = self.peek();
        let at = At(token.start);
        let word = self.text(token);
        let simple = match word.to_ascii_lowercase().as_str() {
            "null" => Some(Value::Null),
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        };
        if let Some(value) = simple {
            self.next();
            return Ok(Literal { value, at });
        }
        match DateLiteral::word(word) {
            Some(DateWord::Whole(literal)) => {
                self.next();
                return Ok(Literal { value: Value::Relative(literal), at });
            }
            Some(DateWord::Counted(make, unit)) => {
                self.next();
                self.symbol(":")?;
                let count = self.ahead(0);
                let number = self.text(count).parse::<u32>().ok().filter(|_| count.kind == Kind::Number);
                let number = number.ok_or_else(|| self.unexpected())?;
                self.next();
                return Ok(Literal { value: Value::Relative(make(unit, number)), at });
            }
            None => {}
        }
        let Some((code, amount, length)) = self.source.get(token.start..).and_then(currency) else {
            return Err(self.unexpected());
        };
        // The amount may span several tokens: `USD`, `-5`, or `USD5`, `.`, `25`.
        while self.peek().start < token.start + length && self.peek().kind != Kind::End {
            self.next();
        }
        Ok(Literal { value: Value::Currency(code, amount), at })
    }
}
