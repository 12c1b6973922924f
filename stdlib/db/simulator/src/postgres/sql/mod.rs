//! SQL: parsed by `sqlparser`, bound to names and types, and run on the rows themselves.

pub(crate) mod aggregate;
pub(crate) mod alter;
pub(crate) mod bind;
pub(crate) mod cast;
pub(crate) mod constraints;
pub(crate) mod context;
pub(crate) mod copy;
pub(crate) mod ddl;
pub(crate) mod dml;
pub(crate) mod drop;
pub(crate) mod expr;
pub(crate) mod functions;
pub(crate) mod names;
pub(crate) mod parse;
pub(crate) mod plan;
pub(crate) mod window;

use sqlparser::ast;

use super::PgError;

pub(crate) use functions::quote_identifier;

/// A name in a text, as `regclass` reads it.
///
/// # Errors
/// 42602
pub(crate) fn parse_name(text: &str) -> Result<ast::ObjectName, PgError> {
    let invalid = || PgError::new("42602", format!("invalid name syntax: \"{text}\""));
    match parse::expression(text).map_err(|_| invalid())? {
        ast::Expr::Identifier(ident) => Ok(ast::ObjectName::from(vec![ident])),
        ast::Expr::CompoundIdentifier(parts) => Ok(ast::ObjectName::from(parts)),
        // A word that is a value elsewhere, such as `user`, is a name here.
        ast::Expr::Function(function) if function.args == ast::FunctionArguments::None => Ok(function.name),
        _ => Err(invalid()),
    }
}
