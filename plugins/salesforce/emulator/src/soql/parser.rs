//! Recursive descent over the tokens. Depth and length are bounded, and every refusal names its token.

mod condition;

use super::ast::{
    At, Expr, FieldPath, FieldSet, Function, OrderItem, Purpose, Query, SelectItem, TypeOf, With,
};
use super::lexer::{Kind, Token, tokens};
use super::{MAX_SOQL_CHARS, error_at, malformed};
use crate::SalesforceError;

/// Deepest nesting of parentheses, functions and sub-queries.
const MAX_DEPTH: usize = 64;

/// Words that end a select list, an alias or an expression, and so cannot be names there.
const RESERVED: [&str; 22] = [
    "AND", "ASC", "DESC", "EXCLUDES", "FIRST", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LAST", "LIKE",
    "LIMIT", "NOT", "NULL", "NULLS", "OR", "SELECT", "USING", "WHERE", "WITH", "TYPEOF",
];

/// Words that may follow the object's name and so are no alias of it.
const AFTER_FROM: [&str; 6] = ["ORDER", "OFFSET", "FOR", "UPDATE", "ALL", "AS"];

/// Parses a whole query.
pub(crate) fn parse(source: &str) -> Result<Query, SalesforceError> {
    if source.chars().count() > MAX_SOQL_CHARS {
        return Err(malformed(format!("SOQL statements cannot be longer than {MAX_SOQL_CHARS} characters.")));
    }
    let mut parser = Parser { source, tokens: tokens(source), at: 0, depth: 0 };
    if !parser.is_word("SELECT") {
        let token = parser.peek();
        let text = if token.kind == Kind::End { "'<EOF>'" } else { parser.text(token) };
        return Err(malformed(format!("unexpected token: {text}")));
    }
    let query = parser.query()?;
    if parser.peek().kind != Kind::End {
        return Err(parser.unexpected());
    }
    if query.all_rows {
        return Err(malformed("ALL ROWS not allowed in this context"));
    }
    Ok(query)
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, SalesforceError>;

impl<'a> Parser<'a> {
    fn query(&mut self) -> Parsed<Query> {
        self.deeper(Self::query_body)
    }

    fn query_body(&mut self) -> Parsed<Query> {
        let start = self.peek();
        self.word("SELECT")?;
        if self.is_word("FROM") {
            return Err(error_at(
                "MALFORMED_QUERY",
                self.source,
                start.start,
                "unexpected token: 'SELECT FROM'",
            ));
        }
        let mut select = vec![self.select_item()?];
        while self.take_symbol(",") {
            select.push(self.select_item()?);
        }
        self.word("FROM")?;
        let from = self.path()?;
        let alias = self.object_alias()?;
        let mut joins = Vec::new();
        while self.take_symbol(",") {
            joins.push((self.path()?, self.object_alias()?));
        }
        let scope = self.scope()?;
        let filter = if self.take_word("WHERE") { Some(self.condition()?) } else { None };
        let with = self.with()?;
        let mut group_by = Vec::new();
        let mut having = None;
        if self.take_word("GROUP") {
            self.word("BY")?;
            group_by = self.expressions()?;
            if self.take_word("HAVING") {
                having = Some(self.condition()?);
            }
        }
        let order_by = if self.take_word("ORDER") { self.order_by()? } else { Vec::new() };
        let limit = if self.take_word("LIMIT") { Some(self.whole_number()?) } else { None };
        let offset_at = At(self.peek().start);
        let offset = if self.take_word("OFFSET") { Some((self.whole_number()?, offset_at)) } else { None };
        let purpose = self.purpose()?;
        let all_rows = self.take_word("ALL");
        if all_rows {
            self.word("ROWS")?;
        }
        Ok(Query {
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
            offset,
            purpose,
            all_rows,
        })
    }

    fn select_item(&mut self) -> Parsed<SelectItem> {
        let at = At(self.peek().start);
        if self.is_symbol("(") {
            self.next();
            let query = self.query()?;
            self.symbol(")")?;
            return Ok(SelectItem::Query(Box::new(query)));
        }
        if self.is_word("TYPEOF") {
            return self.type_of().map(SelectItem::TypeOf);
        }
        if self.is_word("COUNT") && self.symbol_ahead(1, "(") && self.symbol_ahead(2, ")") {
            self.at += 3;
            return Ok(SelectItem::Count(at));
        }
        if self.is_word("FIELDS") && self.symbol_ahead(1, "(") {
            self.at += 2;
            let set = match self.peek_upper().as_str() {
                "ALL" => FieldSet::All,
                "STANDARD" => FieldSet::Standard,
                "CUSTOM" => FieldSet::Custom,
                _ => return Err(self.unexpected()),
            };
            self.next();
            self.symbol(")")?;
            return Ok(SelectItem::Fields(set, at));
        }
        let expr = self.expression()?;
        let alias = self.name_unless_reserved(&[]);
        Ok(SelectItem::Expr(expr, alias))
    }

    fn type_of(&mut self) -> Parsed<TypeOf> {
        self.word("TYPEOF")?;
        let path = self.path()?;
        let mut when = Vec::new();
        while self.take_word("WHEN") {
            let object = self.path()?;
            self.word("THEN")?;
            when.push((object, self.paths()?));
        }
        if when.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.take_word("ELSE") { self.paths()? } else { Vec::new() };
        self.word("END")?;
        Ok(TypeOf { path, when, otherwise })
    }

    fn paths(&mut self) -> Parsed<Vec<FieldPath>> {
        let mut paths = vec![self.path()?];
        while self.take_symbol(",") {
            paths.push(self.path()?);
        }
        Ok(paths)
    }

    fn expressions(&mut self) -> Parsed<Vec<Expr>> {
        let mut list = vec![self.expression()?];
        while self.take_symbol(",") {
            list.push(self.expression()?);
        }
        Ok(list)
    }

    /// A field, or a known function of one argument.
    fn expression(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        if token.kind != Kind::Word || !self.symbol_ahead(1, "(") {
            return self.path().map(Expr::Field);
        }
        let Some(function) = Function::named(self.text(token)) else {
            self.next();
            return Err(self.unexpected());
        };
        self.at += 2;
        let inner = self.deeper(Self::expression)?;
        self.symbol(")")?;
        Ok(Expr::Call(function, Box::new(inner), At(token.start)))
    }

    fn path(&mut self) -> Parsed<FieldPath> {
        let at = At(self.peek().start);
        if matches!(self.peek_upper().as_str(), "FROM" | "SELECT" | "WHERE") {
            return Err(self.unexpected());
        }
        let mut parts = vec![self.name()?];
        while self.take_symbol(".") {
            parts.push(self.name()?);
        }
        Ok(FieldPath { parts, at })
    }

    fn name(&mut self) -> Parsed<String> {
        let token = self.peek();
        if token.kind != Kind::Word {
            return Err(self.unexpected());
        }
        self.next();
        Ok(self.text(token).to_owned())
    }

    fn object_alias(&mut self) -> Parsed<Option<String>> {
        if self.take_word("AS") {
            return self.name().map(Some);
        }
        Ok(self.name_unless_reserved(&AFTER_FROM))
    }

    fn name_unless_reserved(&mut self, more: &[&str]) -> Option<String> {
        let token = self.peek();
        let upper = self.peek_upper();
        if token.kind != Kind::Word || RESERVED.contains(&upper.as_str()) || more.contains(&upper.as_str()) {
            return None;
        }
        self.next();
        Some(self.text(token).to_owned())
    }

    fn scope(&mut self) -> Parsed<Option<String>> {
        if !self.take_word("USING") {
            return Ok(None);
        }
        self.word("SCOPE")?;
        self.name().map(Some)
    }

    fn with(&mut self) -> Parsed<Option<With>> {
        if !self.take_word("WITH") {
            return Ok(None);
        }
        let with = match self.peek_upper().as_str() {
            "SECURITY_ENFORCED" => With::SecurityEnforced,
            "USER_MODE" => With::UserMode,
            "SYSTEM_MODE" => With::SystemMode,
            _ => return Err(self.unexpected()),
        };
        self.next();
        Ok(Some(with))
    }

    fn order_by(&mut self) -> Parsed<Vec<OrderItem>> {
        self.word("BY")?;
        let mut items = Vec::new();
        loop {
            let expr = self.expression()?;
            let descending = self.take_word("DESC");
            if !descending {
                self.take_word("ASC");
            }
            let nulls_last = if self.take_word("NULLS") {
                let last = self.take_word("LAST");
                if !last {
                    self.word("FIRST")?;
                }
                Some(last)
            } else {
                None
            };
            items.push(OrderItem { expr, descending, nulls_last });
            if !self.take_symbol(",") {
                return Ok(items);
            }
        }
    }

    fn purpose(&mut self) -> Parsed<Vec<Purpose>> {
        let mut purposes = Vec::new();
        loop {
            let purpose = if self.take_word("FOR") {
                match self.peek_upper().as_str() {
                    "VIEW" => Purpose::View,
                    "REFERENCE" => Purpose::Reference,
                    "UPDATE" => Purpose::Lock,
                    _ => return Err(self.unexpected()),
                }
            } else if self.take_word("UPDATE") {
                match self.peek_upper().as_str() {
                    "TRACKING" => Purpose::Tracking,
                    "VIEWSTAT" => Purpose::Viewstat,
                    _ => return Err(self.unexpected()),
                }
            } else {
                return Ok(purposes);
            };
            self.next();
            purposes.push(purpose);
        }
    }

    fn whole_number(&mut self) -> Parsed<u64> {
        self.no_bind()?;
        let token = self.peek();
        let number = match token.kind {
            Kind::Number => self.text(token).parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.next();
        Ok(number)
    }

    /// Refuses `:variable`, which only Apex has.
    fn no_bind(&self) -> Parsed<()> {
        if self.is_symbol(":") {
            return Err(self.error_here("Bind variables only allowed in Apex code"));
        }
        Ok(())
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SalesforceError::new(
                400,
                "QUERY_TOO_COMPLICATED",
                "Query is either selecting too many fields or the filter conditions are too complicated.",
            ));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn peek(&self) -> Token {
        self.ahead(0)
    }

    fn ahead(&self, by: usize) -> Token {
        let end = Token { kind: Kind::End, start: self.source.len(), end: self.source.len() };
        self.tokens.get(self.at + by).copied().unwrap_or(end)
    }

    fn next(&mut self) {
        self.at += 1;
    }

    fn text(&self, token: Token) -> &'a str {
        self.source.get(token.start..token.end).unwrap_or_default()
    }

    /// The next word in capitals; empty when the next token is no word.
    fn peek_upper(&self) -> String {
        let token = self.peek();
        if token.kind == Kind::Word { self.text(token).to_ascii_uppercase() } else { String::new() }
    }

    fn is_word(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == Kind::Word && self.text(token).eq_ignore_ascii_case(word)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> Parsed<()> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn symbol_ahead(&self, by: usize, symbol: &str) -> bool {
        let token = self.ahead(by);
        token.kind == Kind::Symbol && self.text(token) == symbol
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        self.symbol_ahead(0, symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        self.at += usize::from(found);
        found
    }

    fn symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error for the token at hand.
    fn unexpected(&self) -> SalesforceError {
        let token = self.peek();
        match token.kind {
            Kind::End => self.error_here("unexpected token: '<EOF>'"),
            Kind::OpenText => self.error_here("mismatched character '<EOF>' expecting '''"),
            _ => self.error_here(&format!("unexpected token: '{}'", self.text(token))),
        }
    }

    fn error_here(&self, message: &str) -> SalesforceError {
        error_at("MALFORMED_QUERY", self.source, self.peek().start, message)
    }
}
