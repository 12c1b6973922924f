//! SQL text to statements, by `sqlparser`; its complaints in PostgreSQL's form.

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::expr::Result;
use crate::postgres::PgError;

/// A statement, and its text.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    pub(crate) text: String,
    /// All that was sent with it, in which places are counted.
    pub(crate) whole: std::sync::Arc<str>,
}

#[derive(Debug, Clone)]
pub(crate) enum Statement {
    Sql(Box<ast::Statement>),
    /// What is about databases, and not in one; `sqlparser` does not know the half of it.
    CreateDatabase {
        name: String,
        template: Option<String>,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
        force: bool,
    },
    RenameDatabase {
        name: String,
        new: String,
    },
}

/// How deep expressions may be nested.
const DEEPEST: usize = 200;

/// All statements of a text; none in an empty one.
pub(crate) fn statements(sql: &str) -> Result<Vec<Parsed>> {
    let dialect = PostgreSqlDialect {};
    let tokens = Tokenizer::new(&dialect, sql)
        .tokenize_with_location()
        .map_err(|error| PgError::new("42601", error.message.to_string()).at(error.location))?;
    let whole: std::sync::Arc<str> = sql.into();
    let mut parsed = Vec::new();
    for part in tokens.split(|token| token.token == Token::SemiColon) {
        let blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_) | Token::EOF);
        if part.iter().all(blank) {
            continue;
        }
        if let Some(what) = unknown(part) {
            return Err(PgError::unsupported(what));
        }
        if let Some(statement) = of_databases(part)? {
            parsed.push(Parsed { statement, text: text_of(sql, part), whole: whole.clone() });
            continue;
        }
        let mut parser =
            Parser::new(&dialect).with_recursion_limit(DEEPEST).with_tokens_with_locations(part.to_vec());
        let end = part.last().map(|token| token.span.end);
        let statement = parser.parse_statement().map_err(|error| complaint(error, end))?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            let found = rest.token.to_string();
            return Err(
                PgError::new("42601", format!("syntax error at or near \"{found}\"")).at(rest.span.start)
            );
        }
        let statement = Statement::Sql(Box::new(statement));
        parsed.push(Parsed { statement, text: text_of(sql, part), whole: whole.clone() });
    }
    Ok(parsed)
}

/// An expression for itself: a default, a check.
pub(crate) fn expression(sql: &str) -> Result<ast::Expr> {
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(DEEPEST).try_with_sql(sql);
    parser.and_then(|mut parser| parser.parse_expr()).map_err(|error| complaint(error, None))
}

/// `CREATE DATABASE name [TEMPLATE other]`, `DROP DATABASE [IF EXISTS] name [WITH (FORCE)]`, `ALTER DATABASE name RENAME TO new`.
fn of_databases(part: &[TokenWithSpan]) -> Result<Option<Statement>> {
    let tokens: Vec<&TokenWithSpan> =
        part.iter().filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF)).collect();
    let word = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) => Some(match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_ascii_lowercase(),
        }),
        _ => None,
    };
    let is = |at: usize, wanted: &str| word(at).is_some_and(|word| word == wanted);
    if !is(1, "database") {
        return Ok(None);
    }
    let wrong = |at: usize| match tokens.get(at) {
        Some(token) => {
            PgError::new("42601", format!("syntax error at or near \"{}\"", token.token)).at(token.span.start)
        }
        None => PgError::new("42601", "syntax error at end of input"),
    };
    let name = |at: usize| word(at).ok_or_else(|| wrong(at));
    if is(0, "create") {
        let mut template = None;
        let mut at = 3;
        while at < tokens.len() {
            let option = name(at)?;
            let with_sign = tokens.get(at + 1).is_some_and(|token| token.token == Token::Eq);
            let value = at + if with_sign { 2 } else { 1 };
            match option.as_str() {
                "with" => {
                    at += 1;
                    continue;
                }
                "template" => template = Some(name(value)?),
                // There is one user, one encoding and one collation.
                "owner" | "encoding" | "lc_collate" | "lc_ctype" | "locale" => {}
                _ => return Err(wrong(at)),
            }
            at = value + 1;
        }
        return Ok(Some(Statement::CreateDatabase { name: name(2)?, template }));
    }
    if is(0, "drop") {
        let if_exists = is(2, "if") && is(3, "exists");
        let at = if if_exists { 4 } else { 2 };
        let force = is(at + 1, "with") && is(at + 3, "force");
        if tokens.len() > at + 1 && !force {
            return Err(wrong(at + 1));
        }
        return Ok(Some(Statement::DropDatabase { name: name(at)?, if_exists, force }));
    }
    if is(0, "alter") && is(3, "rename") && is(4, "to") {
        return Ok(Some(Statement::RenameDatabase { name: name(2)?, new: name(5)? }));
    }
    Err(PgError::unsupported("this statement about a database"))
}

/// What the parser would take for something else.
fn unknown(part: &[TokenWithSpan]) -> Option<&'static str> {
    let words: Vec<String> = part
        .iter()
        .filter_map(|token| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_lowercase()),
            _ => None,
        })
        .take(2)
        .collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["do", ..] => Some("DO"),
        ["listen" | "notify" | "unlisten", ..] => Some("LISTEN and NOTIFY"),
        ["declare" | "fetch" | "move", ..] => Some("a cursor"),
        _ => None,
    }
}

fn text_of(sql: &str, part: &[TokenWithSpan]) -> String {
    let offset = |location: Location| {
        let line = usize::try_from(location.line).unwrap_or(1).saturating_sub(1);
        let before: usize = sql.split('\n').take(line).map(|line| line.len() + 1).sum();
        let column = usize::try_from(location.column).unwrap_or(1).saturating_sub(1);
        let rest = sql.get(before..).unwrap_or_default();
        before + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    };
    let begin = part.first().map_or(0, |token| offset(token.span.start));
    let end = part
        .iter()
        .rev()
        .find(|token| token.token != Token::EOF)
        .map_or(sql.len(), |token| offset(token.span.end));
    sql.get(begin..end).unwrap_or(sql).trim().to_owned()
}

/// `Expected: …, found: X at Line: 1, Column: 8`
fn complaint(error: ParserError, end: Option<Location>) -> PgError {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => return PgError::new("54001", "stack depth limit exceeded"),
    };
    let Some((_, rest)) = message.split_once("found: ") else {
        return PgError::new("42601", format!("syntax error: {message}"));
    };
    let (found, place) = rest.rsplit_once(" at Line: ").unwrap_or((rest, ""));
    let location = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    let error = match found {
        "EOF" => PgError::new("42601", "syntax error at end of input"),
        found => PgError::new("42601", format!("syntax error at or near \"{found}\"")),
    };
    match location.or(end) {
        Some(location) => error.at(location),
        None => error,
    }
}
