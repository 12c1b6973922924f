//! What can be told of SQL by looking at it: where statements end, what kind they are, which table they are about.

use opsrun_core::{Error, Result};

use crate::postgres::lexer::{Token, Tokens};

/// What a statement does, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its first word, in small letters; of several statements that begin otherwise, and of what begins with no word, empty.
    pub(crate) word: String,
    /// The table that it names, as it is written, without quotes that are not needed.
    pub(crate) table: Option<String>,
}

/// The statements of a text, without what separates them; those that are empty are left out.
pub(crate) fn split(sql: &str) -> Vec<&str> {
    let (mut statements, mut begin, mut filled) = (Vec::new(), 0, false);
    for (at, token) in Tokens::of(sql) {
        if token != Token::Sign(';') {
            filled = true;
            continue;
        }
        if filled {
            statements.push(sql[begin..at].trim());
        }
        (begin, filled) = (at + 1, false);
    }
    if filled {
        statements.push(sql[begin..].trim());
    }
    statements
}

/// The one statement of a text.
///
/// # Errors
/// `Invalid` if there is none, or more than one.
pub(crate) fn only(sql: &str) -> Result<&str> {
    match split(sql)[..] {
        [statement] => Ok(statement),
        [] => Err(Error::invalid("there is no statement in it")),
        ref several => {
            Err(Error::invalid(format!("these are {} statements, and one is taken", several.len()))
                .hint("make a call for each, or give several without `args` to `postgres::exec`"))
        }
    }
}

/// Refuses what would begin or end the transaction around it.
///
/// # Errors
/// `Invalid`, naming the statement.
pub(crate) fn refuse_control(sql: &str) -> Result<()> {
    const CONTROL: &[&str] =
        &["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare"];
    for statement in split(sql) {
        let word = Command::of(statement).word;
        if CONTROL.contains(&word.as_str()) {
            return Err(Error::invalid(format!("`{}` cannot stand here", word.to_uppercase())).hint(
                "a call is one transaction by itself; what must be outside of one takes `transaction: false`",
            ));
        }
    }
    Ok(())
}

/// A name as it stands in a statement.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Command {
    pub(crate) fn of(sql: &str) -> Self {
        let commands: Vec<Command> = split(sql).into_iter().map(Command::of_one).collect();
        match commands.split_first() {
            Some((first, [])) => first.clone(),
            Some((first, others)) => {
                let same_word = others.iter().all(|other| other.word == first.word);
                let same_table = others.iter().all(|other| other.table == first.table);
                Command {
                    word: if same_word { first.word.clone() } else { String::new() },
                    table: first.table.clone().filter(|_| same_table),
                }
            }
            None => Command { word: String::new(), table: None },
        }
    }

    fn of_one(statement: &str) -> Self {
        let mut tokens = Tokens::of(statement).map(|(_, token)| token).peekable();
        let word = tokens.next().and_then(word).unwrap_or_default();
        let leading: &[&str] = match word.as_str() {
            "insert" | "merge" => &["into", "only"],
            "delete" => &["from", "only"],
            "update" => &["only"],
            "truncate" | "analyze" | "vacuum" => &["table", "only", "verbose", "analyze"],
            "create" => &["unlogged", "table", "if", "not", "exists"],
            "alter" | "drop" => &["table", "if", "exists", "only"],
            "refresh" => &["materialized", "view", "concurrently"],
            _ => return Command { word, table: None },
        };
        let needs_table = matches!(word.as_str(), "create" | "alter" | "drop");
        let mut is_table = !needs_table;
        while let Some(next) =
            tokens.peek().copied().and_then(self::word).filter(|next| leading.contains(&next.as_str()))
        {
            is_table |= next == "table";
            tokens.next();
        }
        let table = if is_table { name(&mut tokens) } else { None };
        // `TRUNCATE a, b` is about both.
        let several = tokens.peek() == Some(&Token::Sign(',')) && word != "update";
        Command { word, table: table.filter(|_| !several) }
    }
}

fn word(token: Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_lowercase()),
        _ => None,
    }
}

/// `items`, `sales.items`, `"Items"`.
fn name<'s>(tokens: &mut std::iter::Peekable<impl Iterator<Item = Token<'s>>>) -> Option<String> {
    let mut name = String::new();
    loop {
        match tokens.next()? {
            Token::Word(word) => name.push_str(&word.to_lowercase()),
            Token::Quoted(quoted) => name.push_str(&plain(quoted)),
            Token::Literal | Token::Sign(_) => return None,
        }
        if tokens.peek() != Some(&Token::Sign('.')) {
            return Some(name);
        }
        tokens.next();
        name.push('.');
    }
}

/// A name without its quotes, if it is the same without.
fn plain(quoted: &str) -> String {
    let bare = quoted.trim_matches('"');
    let is_plain =
        bare.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
    if is_plain { bare.to_owned() } else { quoted.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_where_postgresql_ends_them() {
        let body = "create function f() returns int language sql as $b$ select 1; $b$";
        for (sql, statements) in [
            ("select 1", vec!["select 1"]),
            ("select 1;", vec!["select 1"]),
            (" ; -- nothing; at all\n ;/* a; /* b; */ c; */", vec![]),
            ("select ';'; select 2", vec!["select ';'", "select 2"]),
            ("select 'it''s;'; select 2", vec!["select 'it''s;'", "select 2"]),
            (r"select E'\';'; select 2", vec![r"select E'\';'", "select 2"]),
            (r"select '\'; select 2", vec![r"select '\'", "select 2"]),
            ("select 1 as \"a;b\"; select $1", vec!["select 1 as \"a;b\"", "select $1"]),
            (body, vec![body]),
            ("select $$;$$, $1; select 2", vec!["select $$;$$, $1", "select 2"]),
        ] {
            assert_eq!(split(sql), statements, "{sql}");
        }
    }

    #[test]
    fn a_statement_tells_what_it_does_and_to_which_table() {
        for (sql, word, table) in [
            ("update items set a = 1", "update", Some("items")),
            ("/* why */ DELETE FROM ONLY Sales.Items", "delete", Some("sales.items")),
            ("insert into \"Items\" values (1)", "insert", Some("\"Items\"")),
            ("insert into \"items\" values (1)", "insert", Some("items")),
            ("create table if not exists s.t (a int)", "create", Some("s.t")),
            ("create index i on t (a)", "create", None),
            ("drop table a, b", "drop", None),
            ("truncate a", "truncate", Some("a")),
            ("with x as (delete from a returning 1) select 1", "with", None),
            ("update a set b = 1; update a set b = 2", "update", Some("a")),
            ("update a set b = 1; delete from a", "", Some("a")),
            ("", "", None),
        ] {
            let command = Command::of(sql);
            assert_eq!((command.word.as_str(), command.table.as_deref()), (word, table), "{sql}");
        }
    }

    #[test]
    fn what_would_end_the_transaction_is_refused() {
        assert!(refuse_control("update a set b = 'commit'").is_ok());
        let error = refuse_control("update a set b = 1; COMMIT").expect_err("it would commit");
        assert_eq!(error.message(), "`COMMIT` cannot stand here");
    }
}
